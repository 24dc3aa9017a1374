//! `login` at a terminal.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use demo_server::{Auth, Config, DemoServer, OAuthConfig, sign_in_with_form};
use serde_json::json;
use url::Url;

use crate::home::Home;

/// A `login` without a browser, and what it tells the person.
struct Login {
    child: std::process::Child,
    told: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Login {
    fn start(home: &Home, account: &str) -> Self {
        let mut command = home.command(&["login", account]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        let told = BufReader::new(child.stderr.take().expect("piped")).lines();
        Self { child, told }
    }

    /// What is told up to the line that begins so, and that line.
    fn read_to(&mut self, start: &str) -> String {
        let mut lines = self.told.by_ref().map(|line| line.expect("text"));
        let found = lines.find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no line begins with {start}")).trim().to_owned()
    }

    fn paste(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{text}").expect("login reads");
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().expect("login ends").code()
    }
}

async fn protected() -> DemoServer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let auth = vec![Auth::OAuth(OAuthConfig::default())];
    DemoServer::start(Config { auth, ..Config::default() }).await.expect("the demo server starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_login_takes_the_pasted_redirect() {
    let server = protected().await;
    let home = Home::new();
    home.ok(&["add", "demo", server.url().as_str()]);
    assert_eq!(home.run(&["tools", "demo"]).code, 3, "nobody has signed in yet");

    let mut login = Login::start(&home, "demo@work");
    let page = Url::parse(&login.read_to("http")).expect("a page to open");
    assert!(login.read_to("ssh ").contains(" -L "));
    let back = sign_in_with_form(&page, "demo", "demo123").await.expect("the form works");
    let mut forged = back.clone();
    forged.set_query(Some("code=x&state=forged"));
    login.paste(forged.as_str());
    login.paste(back.as_str());
    login.read_to("Signed in to demo@work.");
    assert_eq!(login.code(), Some(0));

    let accounts = &home.json(&["show", "demo", "--json"])["accounts"];
    assert_eq!((&accounts[0]["label"], &accounts[0]["state"]["kind"]), (&json!("work"), &json!("signedIn")));
    assert!(home.ok(&["tools", "demo"]).contains("user_profile"));
    assert!(home.ok(&["call", "demo", "echo_message", r#"{"message": "hello"}"#]).contains("hello"));
    let failed = home.run(&["call", "demo", "no_such_tool"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (1, ""), "{}", failed.stderr);

    home.ok(&["logout", "--all"]);
    assert_eq!(home.run(&["tools", "demo"]).code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_calls_the_sign_in_off() {
    let server = protected().await;
    let home = Home::new();
    home.ok(&["add", "demo", server.url().as_str()]);
    let mut login = Login::start(&home, "demo");
    login.read_to("http");
    let pid = i32::try_from(login.child.id()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupted");
    login.read_to("The sign-in was cancelled.");
    assert_eq!(login.code(), Some(1));
    // Another one gets a page of its own, which it would not while the first still waited.
    let mut again = Login::start(&home, "demo");
    let page = Url::parse(&again.read_to("http")).expect("a page to open");
    let back = sign_in_with_form(&page, "demo", "demo123").await.expect("the form works");
    again.paste(back.as_str());
    assert_eq!(again.code(), Some(0));
}
