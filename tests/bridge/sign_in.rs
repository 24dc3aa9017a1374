//! Signing in once: by hand, from a parked call, through our own tool; and out again.

use demo_server::{Auth, Config, DemoServer, Dpop, OAuthConfig};
use serde_json::json;

use crate::support::{Home, finish_sign_in, http, text};

async fn protected() -> DemoServer {
    DemoServer::start(Config::oauth()).await.expect("a server")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_first_connect_opens_one_page_and_the_lists_follow_the_sign_in() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    let initialize = client.ask("initialize", initialize_params()).await;
    let page = home.opened_page().await;
    assert!(page.path().starts_with("/sign-in/"), "a sign-in nobody asked for begins on our page: {page}");
    let (answer, _) = client.answer_to(initialize).await;
    assert!(
        answer["result"]["instructions"].as_str().expect("a sentence").contains("signed out"),
        "{answer}"
    );
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;

    let list = client.ask("tools/list", json!({})).await;
    finish_sign_in(page, "demo", "demo123").await;
    let (answer, _) = client.answer_to(list).await;
    let tools = answer["result"]["tools"].as_array().expect("a list");
    assert!(tools.iter().any(|tool| tool["name"] == "user_profile"), "{answer}");
    assert!(!home.has_opened_page().await, "one page only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_is_parked_until_somebody_signed_in() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let page = home.opened_page().await;
    let params = json!({ "name": "user_profile", "arguments": {}, "_meta": { "progressToken": 5 } });
    let call = client.ask("tools/call", params).await;
    let progress = client.notification("notifications/progress").await;
    assert_eq!(progress["params"]["progressToken"], 5);
    finish_sign_in(page, "demo", "demo123").await;
    let (answer, _) = client.answer_to(call).await;
    assert!(text(&answer).contains("demo"), "{answer}");
    assert_eq!(server.control().stats().authorizations, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_tool_signs_in_and_names_the_new_tools() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    home.ok(&["list"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let page = home.opened_page().await;
    let call = client.ask("tools/call", json!({ "name": "drawbridge_sign_in", "arguments": {} })).await;
    finish_sign_in(page, "inspector", "inspector123").await;
    let (answer, _) = client.answer_to(call).await;
    assert!(text(&answer).contains("protected_data"), "{answer}");
    let own = server
        .control()
        .journal()
        .iter()
        .any(|entry| entry.mcp_name.as_deref() == Some("drawbridge_sign_in"));
    assert!(!own, "our tool never goes to the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn login_by_hand_serves_every_client_until_logout() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (output, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    let output = output.expect("login runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    for _ in 0..2 {
        let mut client = home.connect(&["demo"]);
        client.initialize().await;
        let profile = client.call("user_profile", json!({})).await;
        assert!(text(&profile).contains("demo"), "{profile}");
    }
    home.kill_host().await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert!(text(&client.call("user_profile", json!({})).await).contains("demo"));
    assert_eq!(server.control().stats().authorizations, 1, "signed in once");

    home.ok(&["logout", "demo"]).await;
    let stats = server.control().wait_for(|stats| stats.revocations > 0).await;
    assert!(stats.revocations >= 1);
    assert_eq!(home.run(&["tools", "demo"]).await.status.code(), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn our_own_verbs_say_that_nobody_is_signed_in_and_open_nothing() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    assert_eq!(home.run(&["tools", "demo"]).await.status.code(), Some(3));
    assert_eq!(home.run(&["call", "demo", "user_profile"]).await.status.code(), Some(3));
    assert!(!home.has_opened_page().await);
    assert!(!home.ok(&["status"]).await.contains("cancelled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn signing_out_leaves_nothing_of_the_account_behind() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (_, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert!(client.tools().await.contains(&"user_profile".to_owned()));
    let snapshots = home.path().join("cache/snapshots");
    assert_eq!(std::fs::read_dir(&snapshots).expect("a folder").count(), 1);

    home.ok(&["logout", "demo"]).await;
    assert!(!client.tools().await.contains(&"user_profile".to_owned()), "a live session forgets too");
    for file in std::fs::read_dir(&snapshots).expect("a folder").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("readable");
        assert!(!text.contains("user_profile"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_expired_token_is_refreshed_once_for_all_clients() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (_, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    let mut clients: Vec<_> = (0..5).map(|_| home.connect(&["demo"])).collect();
    for client in &mut clients {
        client.initialize().await;
    }
    server.control().expire_access_tokens();
    let before = server.control().stats().grant("refresh_token");
    let mut calls = Vec::new();
    for client in &mut clients {
        calls.push(client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await);
    }
    for (client, call) in clients.iter_mut().zip(calls) {
        let (answer, _) = client.answer_to(call).await;
        assert!(text(&answer).contains("demo"), "{answer}");
    }
    assert_eq!(server.control().stats().grant("refresh_token"), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_accounts_of_one_server_are_two_users() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    for (account, user, password) in
        [("demo@work", "demo", "demo123"), ("demo@home", "inspector", "inspector123")]
    {
        let login = home.command(&["login", account]).stdin(std::process::Stdio::null()).output();
        let (output, ()) = tokio::join!(login, home.sign_in(user, password));
        let output = output.expect("login runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for (account, user) in [("demo@work", "demo"), ("demo@home", "inspector")] {
        let mut client = home.connect(&[account]);
        client.initialize().await;
        let profile = client.call("user_profile", json!({})).await;
        assert!(text(&profile).contains(user), "{account}: {profile}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_wants_no_prompts_gets_a_sentence_and_no_page() {
    let server = protected().await;
    let mut home = Home::new();
    home.ok(&["add", "demo", server.url().as_str(), "--sign-in", "none"]).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let call = client.call("user_profile", json!({})).await;
    assert_eq!(call["result"]["isError"], true);
    assert!(text(&call).contains("drawbridge login demo"), "{call}");
    assert!(!home.has_opened_page().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_a_no_only_our_tool_opens_a_page_again() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let page = home.opened_page().await;
    let no = page.join(&format!("{}/cancel", page.path())).expect("a URL");
    http().post(no).send().await.expect("our page answers");
    let call = client.call("user_profile", json!({})).await;
    assert_eq!(call["result"]["isError"], true, "{call}");
    assert!(!home.has_opened_page().await, "a no is a no");
    let call = client.ask("tools/call", json!({ "name": "drawbridge_sign_in", "arguments": {} })).await;
    home.sign_in("demo", "demo123").await;
    assert!(text(&client.answer_to(call).await.0).contains("Signed in"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn servers_that_all_want_a_sign_in_open_one_page_at_a_time() {
    let servers = [protected().await, protected().await, protected().await];
    let mut home = Home::new();
    for (index, server) in servers.iter().enumerate() {
        home.add(&format!("demo{index}"), &server.url()).await;
    }
    let mut clients: Vec<_> = (0..3).map(|index| home.connect(&[&format!("demo{index}")])).collect();
    for client in &mut clients {
        client.initialize().await;
    }
    for _ in 0..3 {
        let page = home.opened_page().await;
        assert!(!home.has_opened_page().await, "the others queue");
        finish_sign_in(page, "demo", "demo123").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_token_bound_to_a_key_goes_out_with_a_proof_and_never_as_a_bearer() {
    let oauth = OAuthConfig { dpop: Dpop::RequiredWithNonces, ..OAuthConfig::default() };
    let server = DemoServer::start(Config::with_auth(Auth::OAuth(oauth))).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (_, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    for _ in 0..3 {
        server.control().change_dpop_nonce();
        let profile = client.call("user_profile", json!({})).await;
        assert!(text(&profile).contains("demo"), "{profile}");
    }
    assert_eq!(server.control().stats().grant("refresh_token"), 0, "a nonce is no reason to renew");
    home.kill_host().await;
    assert!(text(&client.call("user_profile", json!({})).await).contains("demo"));
    let schemes: Vec<_> =
        server.control().journal().into_iter().filter_map(|entry| entry.authorization).collect();
    assert!(!schemes.is_empty() && schemes.iter().all(|scheme| scheme == "DPoP"), "{schemes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn status_list_and_show_say_who_is_signed_in() {
    let server = protected().await;
    let mut home = Home::new();
    home.ok(&["add", "demo", server.url().as_str(), "--scope", "mcp openid"]).await;
    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (_, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    for verb in [&["status"][..], &["list"], &["show", "demo"]] {
        let shown = home.ok(verb).await;
        assert!(shown.contains("signed in as demo@example.com"), "{verb:?}: {shown}");
    }
    let shown: serde_json::Value =
        serde_json::from_str(&home.ok(&["show", "demo", "--json"]).await).expect("JSON");
    let state = &shown["accounts"][0]["state"];
    assert_eq!(state["identity"], "demo@example.com");
    assert_eq!(state["person"]["subject"], "user-demo");
    assert_eq!(state["person"]["name"], "Demo User");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn public_tools_work_without_signing_in() {
    let auth = vec![Auth::None, Auth::OAuth(OAuthConfig::default())];
    let server = DemoServer::start(Config { auth, ..Config::default() }).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    assert!(client.tools().await.contains(&"hello_world".to_owned()));
    assert!(!home.has_opened_page().await, "nobody was asked to sign in");
}

#[tokio::test]
async fn who_need_not_sign_in_may_and_sees_more_until_they_sign_out() {
    let auth = vec![Auth::None, Auth::OAuth(OAuthConfig::default())];
    let server = DemoServer::start(Config { auth, ..Config::default() }).await.expect("a server");
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut client = home.connect(&["demo"]);
    client.initialize().await;
    let anonymous = client.tools().await;
    assert!(!anonymous.contains(&"user_profile".to_owned()), "{anonymous:?}");

    let login = home.command(&["login", "demo"]).stdin(std::process::Stdio::null()).output();
    let (output, ()) = tokio::join!(login, home.sign_in("demo", "demo123"));
    assert!(output.expect("login runs").status.success());
    client.notification("notifications/tools/list_changed").await;
    assert!(client.tools().await.contains(&"user_profile".to_owned()));
    assert!(text(&client.call("user_profile", json!({})).await).contains("demo"));
    assert_eq!(server.control().stats().unauthorized, 0, "it never asked anybody to sign in");

    home.ok(&["logout", "demo"]).await;
    client.notification("notifications/tools/list_changed").await;
    assert_eq!(client.tools().await, anonymous);
    assert!(!home.has_opened_page().await);
    assert_eq!(home.run(&["tools", "demo"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn the_same_server_wanted_twice_opens_one_window() {
    let server = protected().await;
    let mut home = Home::new();
    home.add("demo", &server.url()).await;
    let mut clients = [home.connect(&["demo"]), home.connect(&["demo"])];
    for client in &mut clients {
        client.initialize().await;
    }
    let mut calls = Vec::new();
    for client in &mut clients {
        calls.push(client.ask("tools/call", json!({ "name": "user_profile", "arguments": {} })).await);
    }
    home.sign_in("demo", "demo123").await;
    for (client, call) in clients.iter_mut().zip(calls) {
        assert!(text(&client.answer_to(call).await.0).contains("demo"));
    }
    assert!(!home.has_opened_page().await);
    assert_eq!(server.control().stats().authorizations, 1);
}

fn initialize_params() -> serde_json::Value {
    json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test client", "version": "1" } })
}
