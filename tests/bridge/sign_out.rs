//! Signing out as servers see it: what is open in somebody's name ends before the tokens do.

use demo_server::{Config, DemoServer, Eras, Fault, JournalEntry};
use serde_json::json;

use crate::support::{Client, Home, text};

/// A legacy server that somebody is signed in to, and clients in sessions with it.
async fn signed_in<const CLIENTS: usize>() -> (DemoServer, Home, [Client; CLIENTS]) {
    let server = DemoServer::start(Config { eras: Eras::Legacy, ..Config::oauth() }).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    home.log_in("demo").await;
    let mut clients = std::array::from_fn(|_| home.connect(&["demo"]));
    for client in &mut clients {
        client.initialize().await;
        assert!(client.tools().await.contains(&"user_profile".to_owned()));
    }
    server.control().wait_for(|stats| stats.open_sessions == CLIENTS as u64).await;
    server.control().clear_journal();
    server.control().clear_stats();
    (server, home, clients)
}

fn deletes(server: &DemoServer) -> Vec<JournalEntry> {
    server.control().journal().into_iter().filter(|entry| entry.http_method == "DELETE").collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sessions_end_with_a_token_that_still_holds_and_then_it_is_revoked() {
    let (server, home, mut clients) = signed_in::<2>().await;
    home.ok(&["logout", "demo"]).await;
    let stats = server.control().stats();
    assert_eq!(
        (stats.deletes, stats.open_sessions),
        (2, 0),
        "the server took both when the sign-out was done"
    );
    assert!(stats.revocations > 0);
    for delete in deletes(&server) {
        assert_eq!(delete.authorization.as_deref(), Some("Bearer"));
        assert!(delete.session_id.is_some());
    }
    for client in &mut clients {
        assert_eq!(client.tools().await, ["drawbridge_sign_in"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_hangs_holds_no_sign_out_up() {
    let (server, home, [_client]) = signed_in::<1>().await;
    server.control().fault_on("DELETE", Fault::Stall);
    home.ok(&["logout", "demo"]).await;
    assert!(server.control().stats().revocations > 0);
    assert_eq!(deletes(&server).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_is_under_way_holds_no_sign_out_up_and_is_answered() {
    let (server, home, [mut client]) = signed_in::<1>().await;
    let call =
        client.ask("tools/call", json!({ "name": "slow", "arguments": { "until_released": true } })).await;
    server.control().wait_for(|stats| stats.method("tools/call") == 1).await;
    home.ok(&["logout", "demo"]).await;
    assert!(server.control().stats().revocations > 0);
    server.control().release_stalled();
    let (answer, _) = client.answer_to(call).await;
    assert!(answer["result"]["isError"] != true, "{}", text(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_live_client_hears_that_its_tools_are_others_now() {
    let (server, home, [mut whole]) = signed_in::<1>().await;
    // Its rules give it a list of its own, of which it reads the first page alone.
    let mut partly = home.connect(&["demo", "--deny-tool", "hello_world"]);
    partly.initialize().await;
    let page =
        json!({ "tools": [{ "name": "one", "inputSchema": { "type": "object" } }], "nextCursor": "2" });
    server.control().script("tools/list", page.to_string(), false);
    assert_eq!(partly.tools().await, ["one"]);

    home.ok(&["logout", "demo"]).await;
    for client in [&mut whole, &mut partly] {
        client.notification("notifications/tools/list_changed").await;
        assert_eq!(client.tools().await, ["drawbridge_sign_in"]);
    }
}
