//! What the tools do, for whom, and how they ask back in either era.

use anyhow::Context as _;
use demo_server::{Auth, Config, DemoServer, USERS};
use serde_json::{Value, json};

use crate::support::{Events, Mcp, OAuthClient, request};

async fn signed_in() -> anyhow::Result<DemoServer> {
    let tokens = USERS.iter().map(|user| (user.name.to_owned(), user.name.to_owned())).collect();
    DemoServer::start(Config::with_auth(Auth::Bearer(tokens))).await
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn users_see_what_their_role_allows() -> anyhow::Result<()> {
    let server = signed_in().await?;
    for (user, financial, admin) in
        [("demo", false, false), ("inspector", true, false), ("admin", true, true)]
    {
        let mcp = Mcp::new(&server)?.bearer(user).initialize().await?;
        let profile = mcp.call("user_profile", json!({})).await?;
        assert_eq!(profile["result"]["structuredContent"]["name"], user);
        assert!(!text(&profile).contains("123"), "passwords stay out of profiles");
        for (category, allowed) in [("personal", true), ("financial", financial), ("admin", admin)] {
            let data = mcp.call("protected_data", json!({ "category": category })).await?;
            assert_eq!(data["result"]["isError"] != true, allowed, "{user} {category}");
        }
        assert_eq!(mcp.tool_names().await?.contains(&"admin_panel".to_owned()), admin);
        let panel = mcp.call("admin_panel", json!({ "action": "stats" })).await?;
        assert_eq!(panel["result"]["isError"] != true, admin);
    }
    Ok(())
}

#[tokio::test]
async fn admins_list_and_revoke_tokens() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::oauth()).await?;
    let client = OAuthClient::register(&server).await?;
    let demo = client.sign_in("demo", "mcp").await?;
    let admin = client.sign_in("admin", "mcp").await?;
    let mcp = Mcp::new(&server)?.bearer(&admin.access).initialize().await?;
    let listed = mcp.call("admin_panel", json!({ "action": "list_tokens" })).await?;
    assert_eq!(listed["result"]["structuredContent"]["tokens"].as_array().map(Vec::len), Some(2));
    assert!(!text(&listed).contains(&demo.access));
    mcp.call("admin_panel", json!({ "action": "revoke", "user": "demo" })).await?;
    assert!(Mcp::new(&server)?.bearer(&demo.access).initialize().await.is_err());
    Ok(())
}

#[tokio::test]
async fn resources_and_prompts_are_there() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let read = mcp.ask("resources/read", json!({ "uri": "demo://stats" })).await?;
    let stats = read["result"]["contents"][0]["text"].as_str().context("no text")?;
    assert_eq!(serde_json::from_str::<Value>(stats)?["initialize"], 1);
    let none = mcp.ask("resources/read", json!({ "uri": "demo://none" })).await?;
    assert_eq!(none["error"]["code"], -32002);
    let explain = json!({ "name": "explain", "arguments": { "text": "a moat" } });
    let prompt = mcp.ask("prompts/get", explain).await?;
    assert!(prompt.to_string().contains("in two sentences: a moat"));
    let big = mcp.call("big", json!({ "bytes": 3_000_000 })).await?;
    assert_eq!(text(&big).len(), 3_000_000);
    Ok(())
}

#[tokio::test]
async fn progress_is_reported_before_the_answer() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let call = json!({
        "name": "progress", "arguments": { "steps": 2 }, "_meta": { "progressToken": 7 },
    });
    let mut events = Events::new(mcp.post(&request("tools/call", call)).await?);
    for step in 1..=2 {
        let report = events.next().await?.context("no report")?;
        assert_eq!(report["params"]["progressToken"], 7);
        assert_eq!(report["params"]["progress"].as_f64(), Some(f64::from(step)));
    }
    let done = events.next().await?.context("no answer")?;
    assert_eq!(text(&done), "2 steps done");
    Ok(())
}

#[tokio::test]
async fn a_slow_tool_can_be_released_or_cancelled() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    let call = json!({ "name": "slow", "arguments": { "until_released": true } });
    let slow = tokio::spawn({
        let (mcp, call) = (mcp.clone(), call.clone());
        async move { mcp.ask("tools/call", call).await }
    });
    server.control().wait_for(|stats| stats.stalled == 1).await;
    server.control().release_stalled();
    assert_eq!(text(&slow.await??), "done");
    let stream = mcp.post(&request("tools/call", call)).await?;
    server.control().wait_for(|stats| stats.stalled == 1).await;
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 },
    });
    mcp.post(&cancel).await?;
    server.control().wait_for(|stats| stats.stalled == 0).await;
    drop(stream);
    Ok(())
}

#[tokio::test]
async fn legacy_clients_are_asked_on_the_stream() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?.initialize().await?;
    for (tool, method, answer, expected) in [
        (
            "elicit",
            "elicitation/create",
            json!({ "action": "accept", "content": { "colour": "blue" } }),
            "You like blue.",
        ),
        (
            "sample",
            "sampling/createMessage",
            json!({
                "role": "assistant", "model": "m", "content": { "type": "text", "text": "Creak" },
            }),
            "Your model wrote: Creak",
        ),
    ] {
        let call = request("tools/call", json!({ "name": tool }));
        let mut events = Events::new(mcp.post(&call).await?);
        let question = events.next().await?.context("no question")?;
        assert_eq!(question["method"], method);
        let reply = json!({ "jsonrpc": "2.0", "id": question["id"], "result": answer });
        mcp.post(&reply).await?;
        let done = events.next().await?.context("no answer")?;
        assert_eq!(text(&done), expected);
    }
    Ok(())
}

#[tokio::test]
async fn modern_clients_are_asked_in_the_result() -> anyhow::Result<()> {
    let server = DemoServer::start(Config::default()).await?;
    let mcp = Mcp::new(&server)?;
    for (tool, method, answer, expected) in [
        (
            "elicit",
            "elicitation/create",
            json!({ "action": "accept", "content": { "colour": "blue" } }),
            "You like blue.",
        ),
        (
            "sample",
            "sampling/createMessage",
            json!({
                "role": "assistant", "model": "m", "content": { "type": "text", "text": "Creak" },
            }),
            "Your model wrote: Creak",
        ),
    ] {
        let asked = mcp.ask_modern("tools/call", json!({ "name": tool })).await?;
        let asked = &asked["result"];
        assert_eq!(asked["resultType"], "input_required");
        assert_eq!(asked["inputRequests"]["answer"]["method"], method);
        let again = json!({
            "name": tool,
            "inputResponses": { "answer": answer },
            "requestState": asked["requestState"],
        });
        let done = mcp.ask_modern("tools/call", again).await?;
        assert_eq!(text(&done), expected);
    }
    Ok(())
}
