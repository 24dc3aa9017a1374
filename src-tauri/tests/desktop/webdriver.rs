//! The app's main window as WebKitWebDriver shows and drives it (W3C WebDriver).

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Child;
use tokio::time::timeout;

use crate::app::APP;
use crate::session::Session;
use crate::{LIMIT, until};

/// The name of an element's reference (§12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The key that sends a form (§17.4.2).
pub(crate) const ENTER: &str = "\u{e007}";
/// The key that goes to the next field.
pub(crate) const TAB: &str = "\u{e004}";

/// An app whose main window is driven. It ends with its desktop.
pub(crate) struct Driven {
    _driver: Child,
    at: String,
}

impl Driven {
    /// Starts the app, with its main window.
    pub(crate) async fn start(session: &Session, arguments: &[&str]) -> Self {
        Self::start_with(session, arguments, &[]).await
    }

    /// The same, and the pages in its sign-in windows are driven too.
    pub(crate) async fn start_with_sign_ins(session: &Session) -> Self {
        Self::start_with(session, &[], &[("DRAWBRIDGE_TEST_SHARED_CONTEXT", "true")]).await
    }

    async fn start_with(session: &Session, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let driver = session
            .command(Path::new("WebKitWebDriver"))
            .arg(format!("--port={port}"))
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("WebKitWebDriver starts (scripts/setup test installs it)");
        let origin = format!("http://127.0.0.1:{port}");
        until("the driver", async || call("GET", &format!("{origin}/status"), None).await).await;
        let app = json!({ "binary": APP, "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "webkitgtk:browserOptions": app } } });
        let started = call("POST", &format!("{origin}/session"), Some(wanted)).await.expect("the app starts");
        let at = format!("{origin}/session/{}", started["sessionId"].as_str().unwrap());
        Self { _driver: driver, at }
    }

    /// Goes on in another window than this one, which may be closed, once it is there and shows this.
    pub(crate) async fn go_to_other_window(&self, css: &str) {
        let here = call("GET", &format!("{}/window", self.at), None).await;
        until("the other window", async || {
            let windows = call("GET", &format!("{}/window/handles", self.at), None).await?;
            let other = windows.as_array()?.iter().find(|window| Some(*window) != here.as_ref())?.clone();
            self.post("window", json!({ "handle": other })).await?;
            self.element(css).await.map(drop)
        })
        .await;
    }

    /// Waits until an element is there and says this.
    pub(crate) async fn says(&self, css: &str, text: &str) {
        until(&format!("{css} to say {text:?}"), async || (self.text(css).await? == text).then_some(()))
            .await;
    }

    /// Types into a field, which has to be there.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let element = until(&format!("the field {css}"), async || self.element(css).await).await;
        let typed = self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
        typed.unwrap_or_else(|| panic!("{css} takes no keys"));
    }

    /// Presses keys where the focus is.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let strokes = keys.iter().flat_map(|key| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        });
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() });
        self.post("actions", json!({ "actions": [keyboard] })).await.expect("keys are pressed");
    }

    /// Clicks, once it is there, what this selects and says this.
    pub(crate) async fn click(&self, css: &str, text: &str) {
        until(&format!("{css} {text:?} to click"), async || {
            let found = self.post("elements", json!({ "using": "css selector", "value": css })).await?;
            for element in found.as_array()?.iter().filter_map(|element| element[ELEMENT].as_str()) {
                if self.text_of(element).await? == text {
                    return self.post(&format!("element/{element}/click"), json!({})).await;
                }
            }
            None
        })
        .await;
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Option<Value> {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// What the element with the focus says.
    pub(crate) async fn focused(&self) -> Option<String> {
        Some(self.run("return document.activeElement.textContent.trim()").await?.as_str()?.to_owned())
    }

    async fn text(&self, css: &str) -> Option<String> {
        let element = self.element(css).await?;
        self.text_of(&element).await
    }

    async fn text_of(&self, element: &str) -> Option<String> {
        let text = call("GET", &format!("{}/element/{element}/text", self.at), None).await?;
        Some(text.as_str()?.trim().to_owned())
    }

    async fn element(&self, css: &str) -> Option<String> {
        let found = self.post("element", json!({ "using": "css selector", "value": css })).await?;
        Some(found[ELEMENT].as_str()?.to_owned())
    }

    async fn post(&self, command: &str, words: Value) -> Option<Value> {
        call("POST", &format!("{}/{command}", self.at), Some(words)).await
    }
}

/// A command; `None` if the driver cannot be reached, or cannot do it (yet).
async fn call(method: &str, url: &str, words: Option<Value>) -> Option<Value> {
    let http = demo_server::browser().unwrap();
    let request = http.request(method.parse().unwrap(), url);
    let request = match words {
        Some(words) => request.header("content-type", "application/json").body(words.to_string()),
        None => request,
    };
    let answer = timeout(LIMIT, request.send()).await.expect("an answer").ok()?.error_for_status().ok()?;
    let mut answer: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
    Some(answer["value"].take())
}
