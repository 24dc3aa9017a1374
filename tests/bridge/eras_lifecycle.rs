//! What goes away and comes back, with clients and servers of every era: the server, before the
//! client starts and in the midst of its session, and the Host.

use demo_server::{Config, DemoServer, Eras};
use serde_json::{Value, json};

use crate::speaker::Speaker;
use crate::support::{Home, text};

/// Every client with every server; `true` is modern.
const PAIRS: [(bool, Eras); 4] =
    [(false, Eras::Legacy), (false, Eras::Modern), (true, Eras::Legacy), (true, Eras::Modern)];

/// A server of that era that a home knows as `demo`, and how to start it once more.
async fn known(eras: Eras) -> (DemoServer, Config, Home) {
    let server = DemoServer::start(Config { eras, ..Config::default() }).await.expect("a server");
    let listen = server.url().socket_addrs(|| None).expect("an address")[0];
    let home = Home::new();
    home.add("demo", &server.url()).await;
    (server, Config { eras, listen, ..Config::default() }, home)
}

async fn begun(home: &Home, is_modern: bool) -> Speaker {
    let mut speaker = Speaker::connect(home, "demo", is_modern);
    speaker.begin().await;
    speaker
}

fn is_a_sentence_about_it(failed: &Value) {
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    assert!(text(failed).contains("127.0.0.1") || text(failed).contains("demo"), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_may_be_down_at_the_start_die_and_come_back() {
    for (is_modern, eras) in PAIRS {
        let (server, again, home) = known(eras).await;
        server.stop().await;
        let mut speaker = begun(&home, is_modern).await;
        speaker.tools().await;
        is_a_sentence_about_it(&speaker.echo("nobody is there").await);

        let server = DemoServer::start(again.clone()).await.expect("a server");
        let echo = speaker.echo("it came").await;
        assert_eq!(text(&echo), "it came", "{is_modern} {eras:?}");

        server.stop().await;
        is_a_sentence_about_it(&speaker.echo("it has gone").await);
        speaker.tools().await;
        let _server = DemoServer::start(again).await.expect("a server");
        let echo = speaker.echo("it came back").await;
        assert_eq!(text(&echo), "it came back", "{is_modern} {eras:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_that_is_killed_ends_what_may_have_run_and_nothing_else() {
    for (is_modern, eras) in PAIRS {
        let (server, _, home) = known(eras).await;
        let mut speaker = begun(&home, is_modern).await;
        speaker.tools().await;
        let slow = json!({ "name": "slow", "arguments": { "until_released": true } });
        let slow = speaker.ask("tools/call", slow).await;
        server.control().wait_for(|stats| stats.stalled == 1).await;
        server.control().fault_on("resources/list", demo_server::Fault::Stall);
        let list = speaker.ask("resources/list", json!({})).await;
        server.control().wait_for(|stats| stats.stalled == 2).await;

        home.kill_host().await;
        let (answer, _) = speaker.client.answer_to(slow).await;
        assert_eq!(answer["error"]["data"]["code"], "may_have_run", "{is_modern} {eras:?}: {answer}");
        let (answer, _) = speaker.client.answer_to(list).await;
        assert!(answer["result"]["resources"].is_array(), "{is_modern} {eras:?}: {answer}");
        let echo = speaker.echo("after the fall").await;
        assert_eq!(text(&echo), "after the fall", "{is_modern} {eras:?}");
        assert_eq!(server.control().stats().method("tools/call"), 2, "{is_modern} {eras:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_next_host_tells_of_lists_that_are_others_than_the_client_has() {
    for (is_modern, eras) in PAIRS {
        for was_there in [false, true] {
            let (server, again, home) = known(eras).await;
            let mut speaker = if was_there {
                let mut speaker = begun(&home, is_modern).await;
                speaker.tools().await;
                server.stop().await;
                speaker
            } else {
                server.stop().await;
                let mut speaker = begun(&home, is_modern).await;
                speaker.tools().await;
                speaker
            };
            home.kill_host().await;

            let server = DemoServer::start(again).await.expect("a server");
            server.control().add_tool("brand_new");
            // Any request starts the next Host.
            speaker.ask("resources/list", json!({})).await;
            speaker.client.notification("notifications/tools/list_changed").await;
            let tools = speaker.tools().await;
            assert!(tools.contains("brand_new"), "{is_modern} {eras:?} {was_there}: {tools}");
        }
    }
}
