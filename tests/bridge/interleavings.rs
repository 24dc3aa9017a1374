//! Whatever happens in whatever order, every request is answered once, with its own answer and
//! under its own progress token: clients of both eras, all with the same ids and tokens, with
//! servers of both eras, whose every answer waits for the test.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::scripted::{Arrived, Era, Scripted};
use crate::support::{Client, Home};

/// Which server each client uses: two share one.
const SERVER_OF: [usize; 3] = [0, 0, 1];
const SERVERS: usize = 2;
const CASES: u32 = 24;
const MOST_STEPS: usize = 16;
/// A lost answer is noticed late.
const MOST_SHRINKING_MS: u32 = 60_000;
const LISTEN: i64 = 1;

/// Something that happens. Indices choose among the calls that are open then.
#[derive(Debug, Clone)]
enum Step {
    /// A client calls a tool.
    Call { client: usize },
    /// The server answers.
    Answer(Index),
    /// The client cancels.
    Cancel(Index),
    /// The client cancels while the server answers.
    CancelAndAnswer(Index),
    /// The connection breaks before the answer.
    Drop(Index),
    /// The server forgets its sessions, so that what comes next is sent again in a new one.
    Forget { server: usize },
    /// The server has other tools.
    Change { server: usize },
    /// A client asks for its tools.
    List { client: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (client, server) = (0..SERVER_OF.len(), 0..SERVERS);
    prop_oneof![
        6 => client.clone().prop_map(|client| Step::Call { client }),
        3 => any::<Index>().prop_map(Step::Answer),
        2 => any::<Index>().prop_map(Step::Cancel),
        2 => any::<Index>().prop_map(Step::CancelAndAnswer),
        1 => any::<Index>().prop_map(Step::Drop),
        1 => server.clone().prop_map(|server| Step::Forget { server }),
        1 => server.prop_map(|server| Step::Change { server }),
        1 => client.prop_map(|client| Step::List { client }),
    ]
}

fn any_era() -> impl Strategy<Value = Era> {
    prop::sample::select(vec![Era::Legacy, Era::Modern])
}

/// A client, and what it may still hear.
struct Party {
    client: Client,
    era: Era,
    name: usize,
    last_id: i64,
    /// The calls that are neither answered nor cancelled, by id.
    open: BTreeMap<i64, String>,
    /// Calls that were cancelled while they were answered.
    in_doubt: BTreeMap<i64, String>,
    changes: usize,
}

/// A call that its server has not answered yet.
struct Open {
    client: usize,
    id: i64,
    mark: String,
    arrived: Arrived,
}

impl Party {
    async fn connect(home: &Home, name: usize, era: Era, server: &Scripted) -> Self {
        let client = home.connect(&[&server.url]);
        let (open, in_doubt) = Default::default();
        let mut party = Self { client, era, name, last_id: 0, open, in_doubt, changes: 0 };
        match era {
            Era::Legacy => {
                let info = json!({ "name": "legacy", "version": "1" });
                let hello =
                    json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
                let id = party.ask("initialize", hello).await;
                party.answer_to(id).await;
                party.client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
            }
            Era::Modern => {
                let wanted = json!({ "notifications": { "toolsListChanged": true } });
                assert_eq!(party.ask("subscriptions/listen", wanted).await, LISTEN);
                let acknowledged = party.client.message().await;
                assert_eq!(
                    acknowledged["method"], "notifications/subscriptions/acknowledged",
                    "{acknowledged}"
                );
            }
        }
        party.list().await;
        party
    }

    /// Sends a request; its id, which is its progress token too.
    async fn ask(&mut self, method: &str, mut params: Value) -> i64 {
        self.last_id += 1;
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        params["_meta"]["progressToken"] = self.last_id.into();
        let request = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        self.client.send(&request.to_string()).await;
        self.last_id
    }

    /// Calls the tool; the id and what marks this call.
    async fn call(&mut self) -> (i64, String) {
        let mark = format!("call {} of client {}", self.last_id + 1, self.name);
        let id = self.ask("tools/call", json!({ "name": "wait", "arguments": { "mark": mark } })).await;
        self.open.insert(id, mark.clone());
        (id, mark)
    }

    async fn cancel(&mut self, id: i64) {
        let cancel =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
        self.client.send(&cancel.to_string()).await;
    }

    /// Asks for the tools and waits for them: whatever was on its way before has come, too.
    async fn list(&mut self) {
        let id = self.ask("tools/list", json!({})).await;
        let answer = self.answer_to(id).await;
        assert_eq!(answer["result"]["tools"][0]["name"], "wait", "{answer}");
        self.in_doubt.clear();
    }

    async fn answer_to(&mut self, id: i64) -> Value {
        loop {
            let message = self.client.message().await;
            if message.get("method").is_none() && message["id"] == id {
                self.open.remove(&id);
                return message;
            }
            self.hear(&message);
        }
    }

    async fn change(&mut self) {
        let before = self.changes;
        while self.changes == before {
            let message = self.client.message().await;
            self.hear(&message);
        }
    }

    /// What nobody waits for has to be a change, the progress of an open call, or the answer to one
    /// that was cancelled in the same moment.
    fn hear(&mut self, message: &Value) {
        match message["method"].as_str() {
            Some("notifications/tools/list_changed") => self.changes += 1,
            Some("notifications/progress") => {
                let token = message["params"]["progressToken"].as_i64().expect("a token");
                let mark = self.open.get(&token).or(self.in_doubt.get(&token));
                assert_eq!(message["params"]["message"].as_str(), mark.map(String::as_str), "{message}");
            }
            Some(other) => panic!("{other}: {message}"),
            None => {
                let mark = message["id"].as_i64().and_then(|id| self.in_doubt.remove(&id));
                let mark = mark.unwrap_or_else(|| panic!("nobody waits for it: {message}"));
                assert_eq!(message["result"]["content"][0]["text"], mark, "{message}");
            }
        }
    }
}

/// Everybody, and the calls that wait for their answers.
struct Scene {
    servers: Vec<Scripted>,
    parties: Vec<Party>,
    open: Vec<Open>,
    cancelled: [Vec<Value>; SERVERS],
}

impl Scene {
    async fn set(home: &Home, clients: &[Era], servers: &[Era]) -> Self {
        let mut scene = Self {
            servers: Vec::new(),
            parties: Vec::new(),
            open: Vec::new(),
            cancelled: Default::default(),
        };
        for era in servers {
            scene.servers.push(Scripted::start(*era).await);
        }
        for (name, era) in clients.iter().enumerate() {
            let party = Party::connect(home, name, *era, &scene.servers[SERVER_OF[name]]).await;
            scene.parties.push(party);
        }
        scene
    }

    async fn play(&mut self, step: Step) {
        match step {
            Step::Call { client } => self.call(client).await,
            Step::Answer(at) => {
                let Some(open) = self.take(at) else { return };
                self.answer(open).await;
            }
            Step::Cancel(at) => {
                let Some(open) = self.take(at) else { return };
                self.cancelled[SERVER_OF[open.client]].push(open.arrived.body["id"].clone());
                let party = &mut self.parties[open.client];
                party.open.remove(&open.id);
                party.cancel(open.id).await;
                open.arrived.given_up().await;
            }
            Step::CancelAndAnswer(at) => {
                let Some(open) = self.take(at) else { return };
                self.cancelled[SERVER_OF[open.client]].push(open.arrived.body["id"].clone());
                let party = &mut self.parties[open.client];
                party.open.remove(&open.id);
                party.in_doubt.insert(open.id, open.mark.clone());
                tokio::join!(party.cancel(open.id), open.arrived.answer(&open.mark));
                party.list().await;
            }
            Step::Drop(at) => {
                let Some(open) = self.take(at) else { return };
                open.arrived.drop_connection().await;
                let answer = self.parties[open.client].answer_to(open.id).await;
                assert_eq!(answer["result"]["isError"], true, "{answer}");
            }
            Step::Forget { server } => self.servers[server].forget_sessions(),
            Step::Change { server } => self.change(server).await,
            Step::List { client } => self.parties[client].list().await,
        }
    }

    async fn call(&mut self, client: usize) {
        let (id, mark) = self.parties[client].call().await;
        let arrived = self.servers[SERVER_OF[client]].call().await;
        assert_eq!(arrived.body["params"]["arguments"]["mark"], mark, "{}", arrived.body);
        self.open.push(Open { client, id, mark, arrived });
    }

    async fn change(&mut self, server: usize) {
        let uses = |party: &&mut Party| SERVER_OF[party.name] == server;
        // In a session that the server knows.
        for party in self.parties.iter_mut().filter(uses) {
            party.list().await;
        }
        let listeners = SERVER_OF.iter().filter(|of| **of == server).count();
        self.servers[server].change_tools(listeners).await;
        for party in self.parties.iter_mut().filter(uses) {
            party.change().await;
        }
    }

    async fn answer(&mut self, open: Open) {
        open.arrived.answer(&open.mark).await;
        let answer = self.parties[open.client].answer_to(open.id).await;
        assert_eq!(answer["result"]["content"][0]["text"], open.mark, "{answer}");
    }

    /// Takes one of the open calls.
    fn take(&mut self, at: Index) -> Option<Open> {
        (!self.open.is_empty()).then(|| self.open.remove(at.index(self.open.len())))
    }

    /// Answers what is still open; then nobody has anything left to say.
    async fn end(mut self) {
        while let Some(open) = self.open.pop() {
            self.answer(open).await;
        }
        for party in &mut self.parties {
            party.list().await;
        }
        for (server, cancelled) in self.servers.iter_mut().zip(&self.cancelled) {
            assert!(!server.has_more_calls(), "a call ran twice");
            let mut told = server.cancelled();
            let count = told.len();
            told.sort_by_key(Value::to_string);
            told.dedup();
            assert_eq!(told.len(), count, "told twice: {told:?}");
            assert!(told.iter().all(|id| cancelled.contains(id)), "{told:?} of {cancelled:?}");
        }
        for party in self.parties {
            let name = party.name;
            for message in party.client.last_messages().await {
                assert!(
                    message.get("method").is_none() && message["id"] == LISTEN,
                    "client {name}: {message}"
                );
            }
        }
    }
}

#[test]
fn no_order_of_events_loses_doubles_or_mixes_up_an_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let home = runtime.block_on(async { Home::new() });
    let config = Config {
        cases: CASES,
        max_shrink_time: MOST_SHRINKING_MS,
        failure_persistence: None,
        ..Config::default()
    };
    let always_the_same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let eras = (prop::collection::vec(any_era(), SERVER_OF.len()), prop::collection::vec(any_era(), SERVERS));
    let steps = prop::collection::vec(any_step(), 1..=MOST_STEPS);
    let outcome = TestRunner::new_with_rng(config, always_the_same).run(
        &(eras, steps),
        |((clients, servers), steps)| {
            runtime.block_on(async {
                let mut scene = Scene::set(&home, &clients, &servers).await;
                for step in steps {
                    scene.play(step).await;
                }
                scene.end().await;
            });
            Ok(())
        },
    );
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
