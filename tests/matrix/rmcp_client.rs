//! The Rust SDK as a client, in either era.

#![allow(deprecated, reason = "sampling, roots and logging are shown as long as they are in use")]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, ClientConfig, ClientRequest, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ListRootsResult, LoggingMessageNotificationParam,
    ProgressNotificationParam, ProtocolVersion, ResourceUpdatedNotificationParam, SubscriptionFilter,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, PeerRequestOptions, RequestContext,
    RunningService, Subscription,
};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use crate::spec::{Feature, MODERN};
use crate::support::LIMIT;

const WELCOME: &str = "demo://welcome";
const QUEUE: usize = 64;

/// What the client heard: a method, and its parameters.
type Heard = (&'static str, Value);

/// A client in a session. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RustSdk {
    service: Arc<RunningService<RoleClient, Handler>>,
    heard: Arc<Mutex<mpsc::Receiver<Heard>>>,
    is_modern: bool,
    _shim: Arc<Child>,
}

struct Handler {
    heard: mpsc::Sender<Heard>,
}

impl RustSdk {
    /// Starts this shim and opens a session.
    pub(crate) async fn open(mut shim: Command, is_modern: bool) -> Self {
        let shim = shim.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shim = shim.spawn().expect("the shim starts");
        let streams = (shim.stdout.take().expect("stdout"), shim.stdin.take().expect("stdin"));
        let lifecycle = match is_modern {
            true => ClientLifecycleMode::Discover { preferred_versions: vec![parse(json!(MODERN))] },
            false => ClientLifecycleMode::Initialize,
        };
        let (sender, heard) = mpsc::channel(QUEUE);
        let service = Handler { heard: sender }.serve_with_lifecycle(streams, lifecycle);
        let service = timeout(LIMIT, service).await.expect("in time").expect("a session");
        let heard = Arc::new(Mutex::new(heard));
        Self { service: Arc::new(service), heard, is_modern, _shim: Arc::new(shim) }
    }

    /// Uses a feature. Panics where something is not as it should be.
    pub(crate) async fn show(self, feature: Feature) {
        match feature {
            Feature::Tools => self.tools().await,
            Feature::Prompts => self.prompts().await,
            Feature::Resources => self.resources().await,
            Feature::Templates => self.templates().await,
            Feature::Subscriptions => self.subscriptions().await,
            Feature::Progress => self.progress().await,
            Feature::Cancellation => self.cancellation().await,
            Feature::Logging => self.logging().await,
            Feature::Form => assert_eq!(self.call("elicit", json!({})).await, "You like green."),
            Feature::UrlMode => assert_eq!(self.call("elicit_url", json!({})).await, "You went to look."),
            Feature::Sampling => assert_eq!(self.call("sample", json!({})).await, "Your model wrote: creak"),
            Feature::Roots => assert_eq!(self.call("roots", json!({})).await, "Your roots: file:///here"),
            Feature::Completion => self.completion().await,
            Feature::ListChanges => self.list_changes().await,
        }
    }

    async fn tools(&self) {
        let tools = json!(self.service.list_all_tools().await.expect("tools"));
        assert!(tools.to_string().contains("echo_message"), "{tools}");
        assert_eq!(self.call("echo_message", json!({ "message": "hello" })).await, "hello");
    }

    async fn prompts(&self) {
        let prompts = json!(self.service.list_all_prompts().await.expect("prompts"));
        assert!(prompts.to_string().contains("explain"), "{prompts}");
        let params = parse(json!({ "name": "explain", "arguments": { "text": "moats" } }));
        let prompt = json!(self.service.get_prompt(params).await.expect("a prompt"));
        assert!(prompt["messages"].to_string().contains("moats"), "{prompt}");
    }

    async fn resources(&self) {
        let resources = json!(self.service.list_all_resources().await.expect("resources"));
        assert!(resources.to_string().contains(WELCOME), "{resources}");
        assert!(self.read(WELCOME).await.contains("Welcome"));
    }

    async fn templates(&self) {
        let templates = json!(self.service.list_all_resource_templates().await.expect("templates"));
        assert!(templates.to_string().contains("demo://note/{name}"), "{templates}");
        assert_eq!(self.read("demo://note/moats").await, "A note on moats");
    }

    async fn subscriptions(&self) {
        if self.is_modern {
            let mut subscription = self.listen(json!({ "resourceSubscriptions": [WELCOME] })).await;
            self.call("change", json!({ "what": WELCOME })).await;
            let updated = json!(subscription.next().await.expect("a change"));
            assert_eq!(updated["params"]["uri"], WELCOME, "{updated}");
            return subscription.cancel().await.expect("it ends");
        }
        self.service.subscribe(parse(json!({ "uri": WELCOME }))).await.expect("subscribed");
        self.call("streams", json!({})).await;
        self.call("change", json!({ "what": WELCOME })).await;
        assert_eq!(self.hear("notifications/resources/updated").await["uri"], WELCOME);
    }

    async fn progress(&self) {
        assert_eq!(self.call("progress", json!({ "steps": 3 })).await, "3 steps done");
        let mut steps = BTreeSet::new();
        for _ in 1..=3 {
            steps.insert(self.hear("notifications/progress").await["progress"].to_string());
        }
        assert_eq!(Vec::from_iter(steps), ["1.0", "2.0", "3.0"], "the SDK tells of them in any order");
    }

    async fn cancellation(&self) {
        let params = json!({ "name": "slow", "arguments": { "until_released": true } });
        let slow: ClientRequest = parse(json!({ "method": "tools/call", "params": params }));
        let options = PeerRequestOptions::no_options();
        let slow = self.service.send_cancellable_request(slow, options).await.expect("it is sent");
        self.call("slow_calls", json!({ "count": 1 })).await;
        slow.cancel(None).await.expect("it is cancelled");
        self.call("slow_calls", json!({ "count": 0 })).await;
    }

    async fn logging(&self) {
        let mut call = json!({ "name": "log", "arguments": {} });
        if self.is_modern {
            call["_meta"] = json!({ "io.modelcontextprotocol/logLevel": "warning" });
        } else {
            self.service.set_level(parse(json!({ "level": "warning" }))).await.expect("a level");
        }
        self.service.call_tool(parse(call)).await.expect("an answer");
        let mut levels = BTreeSet::new();
        for _ in 1..=2 {
            levels.insert(self.hear("notifications/message").await["level"].to_string());
        }
        assert_eq!(Vec::from_iter(levels), ["\"error\"", "\"warning\""]);
    }

    async fn completion(&self) {
        let found = self.service.complete_prompt_argument("explain", "text", "b", None).await;
        assert_eq!(found.expect("words").values, ["bridge", "bascule"]);
    }

    async fn list_changes(&self) {
        let all =
            json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true });
        let mut subscription = match self.is_modern {
            true => Some(self.listen(all).await),
            false => None,
        };
        self.call("streams", json!({})).await;
        for (what, method) in [
            ("tools", "notifications/tools/list_changed"),
            ("prompts", "notifications/prompts/list_changed"),
            ("resources", "notifications/resources/list_changed"),
        ] {
            self.call("change", json!({ "what": what })).await;
            match &mut subscription {
                Some(subscription) => {
                    let change = json!(subscription.next().await.expect("a change"));
                    assert_eq!(change["method"], method, "{change}");
                }
                None => _ = self.hear(method).await,
            }
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> String {
        let params: CallToolRequestParams = parse(json!({ "name": tool, "arguments": arguments }));
        let answer =
            timeout(LIMIT, self.service.call_tool(params)).await.expect("in time").expect("an answer");
        let answer = json!(answer);
        answer["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
    }

    async fn read(&self, uri: &str) -> String {
        let answer =
            json!(self.service.read_resource(parse(json!({ "uri": uri }))).await.expect("an answer"));
        answer["contents"][0]["text"].as_str().expect("text").to_owned()
    }

    async fn listen(&self, wanted: Value) -> Subscription {
        let wanted: SubscriptionFilter = parse(wanted);
        timeout(LIMIT, self.service.listen(wanted)).await.expect("in time").expect("acknowledged")
    }

    async fn hear(&self, method: &str) -> Value {
        let mut heard = self.heard.lock().await;
        loop {
            let next = timeout(LIMIT, heard.recv()).await.expect("it is told").expect("the client lives");
            if next.0 == method {
                return next.1;
            }
        }
    }
}

impl Handler {
    async fn heard(&self, method: &'static str, params: Value) {
        let _ = self.heard.send((method, params)).await;
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.protocol_version = ProtocolVersion::V_2025_11_25;
        info.capabilities =
            parse(json!({ "sampling": {}, "roots": {}, "elicitation": { "form": {}, "url": {} } }));
        info
    }

    async fn create_message(
        &self,
        _params: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let content = json!({ "type": "text", "text": "creak" });
        Ok(parse(json!({ "role": "assistant", "model": "canned", "content": content })))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(parse(json!({ "roots": [{ "uri": "file:///here" }] })))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(parse(match json!(request)["mode"] == "url" {
            true => json!({ "action": "accept" }),
            false => json!({ "action": "accept", "content": { "colour": "green" } }),
        }))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard("notifications/progress", json!(params)).await;
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard("notifications/message", json!(params)).await;
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.heard("notifications/resources/updated", json!(params)).await;
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.heard("notifications/tools/list_changed", json!({})).await;
    }

    async fn on_prompt_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.heard("notifications/prompts/list_changed", json!({})).await;
    }

    async fn on_resource_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.heard("notifications/resources/list_changed", json!({})).await;
    }
}

fn parse<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a model of the SDK")
}
