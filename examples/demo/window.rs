//! The demo with a display: the app's window opens, a client's call brings up the sign-in, and its answer comes once
//! the person has signed in there.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::stage::{PERSON_LIMIT, STEP_LIMIT, Stage};

/// Plays it until the app is quit, or this is interrupted.
pub(crate) async fn play(stage: &Stage, app: Command) -> Result<()> {
    tokio::select! {
        played = play_through(stage, app) => played,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn play_through(stage: &Stage, mut app: Command) -> Result<()> {
    stage.title("A remote MCP server behind OAuth, in Drawbridge's window");
    let server = stage.server().await?;
    let mut app = app.spawn().context("the app does not start")?;
    timeout(STEP_LIMIT, stage.host_listens()).await.context("the app does not start")?;
    stage.run(&["add", "demo", server.url().as_str()]).await?;

    stage.title("An MCP client talks to `drawbridge connect demo`");
    let mut client = stage.connect().await?;
    let hello = json!({ "message": "Hello over the bridge" });
    stage.call(&mut client, "echo_message", hello, STEP_LIMIT).await?;

    stage.title("It calls a tool that wants a sign-in: a window opens, sign in there as demo / demo123");
    stage.call(&mut client, "protected_data", json!({ "category": "personal" }), PERSON_LIMIT).await?;
    ensure!(client.close().await?, "the shim did not end well");

    stage.title("Look around in the window; quit Drawbridge from its tray icon, or press Ctrl+C here");
    ensure!(app.wait().await?.success(), "the app failed");
    Ok(())
}
