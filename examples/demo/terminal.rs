//! The demo on a terminal: the sign-in page opens in the browser, or is filled in here; then the Host is killed
//! under the running session, which goes on.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use demo_server::sign_in_with_form;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use url::Url;

use crate::stage::{PERSON_LIMIT, STEP_LIMIT, Stage, private};

/// Plays it; `auto` fills the form in.
pub(crate) async fn play(stage: &Stage, auto: bool) -> Result<()> {
    stage.title("A remote MCP server behind OAuth");
    let server = stage.server().await?;

    stage.title("Add it and sign in once");
    stage.run(&["add", "demo", server.url().as_str()]).await?;
    if auto {
        sign_in_by_form(stage).await?
    } else {
        sign_in_by_browser(stage).await?
    }

    stage.title("An MCP client talks to `drawbridge connect demo`");
    server.control().clear_stats();
    let mut client = stage.connect().await?;
    let hello = json!({ "message": "Hello over the bridge" });
    stage.call(&mut client, "echo_message", hello, STEP_LIMIT).await?;
    stage.call(&mut client, "protected_data", json!({ "category": "personal" }), STEP_LIMIT).await?;

    stage.title("The Host is killed; the session goes on");
    kill_host(stage).await?;
    stage.call(&mut client, "user_profile", json!({}), STEP_LIMIT).await?;
    let initialized = server.control().stats().initialize;
    stage.say(&format!("`initialize` requests the server saw in this session: {initialized}"));
    ensure!(client.close().await?, "the shim did not end well");

    stage.title("Sign out");
    stage.run(&["logout", "demo"]).await?;
    stage.say(&format!("grants the server revoked: {}", server.control().stats().revocations));
    stage.title("Done");
    Ok(())
}

async fn sign_in_by_browser(stage: &Stage) -> Result<()> {
    stage.say("a sign-in page opens; sign in as demo / demo123");
    let status = stage.command(&["login", "demo"]).status();
    let status = timeout(PERSON_LIMIT, status).await.context("nobody signed in")??;
    ensure!(status.success(), "the sign-in failed");
    Ok(())
}

async fn sign_in_by_form(stage: &Stage) -> Result<()> {
    let page = stage.folder().join("page");
    let mut login = stage.command(&["login", "demo"]);
    login.env("BROWSER", browser_script(stage.folder(), &page)?);
    let mut login = login.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let url = timeout(STEP_LIMIT, opened_page(&page)).await.context("no sign-in page opened")??;
    stage.say(&format!("sign-in page: {}{}", url.origin().ascii_serialization(), url.path()));
    let back = sign_in_with_form(&url, "demo", "demo123").await?;
    let answer = follow(&back).await?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "the callback was refused");
    let status = timeout(STEP_LIMIT, login.wait()).await.context("the sign-in did not end")??;
    ensure!(status.success(), "the sign-in failed");
    stage.say("signed in as demo");
    Ok(())
}

async fn kill_host(stage: &Stage) -> Result<()> {
    let status: Value = serde_json::from_str(&stage.run(&["status", "--json"]).await?)?;
    let pid = status["pid"].as_u64().context("no Host runs")?;
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().await?;
    ensure!(killed.success(), "the Host could not be killed");
    stage.say(&format!("killed the Host (process {pid})"));
    Ok(())
}

/// A program that stands in for the browser: it writes down the page it was given.
fn browser_script(folder: &Path, page: &Path) -> Result<PathBuf> {
    let fifo = std::process::Command::new("mkfifo").arg(page).status()?;
    ensure!(fifo.success(), "mkfifo failed");
    let script = folder.join("browser");
    std::fs::write(&script, format!("#!/bin/sh\necho \"$1\" > '{}'\n", page.display()))?;
    private(&script)?;
    Ok(script)
}

async fn opened_page(page: &Path) -> Result<Url> {
    let mut line = String::new();
    BufReader::new(tokio::fs::File::open(page).await?).read_line(&mut line).await?;
    Ok(Url::parse(line.trim())?)
}

/// Follows the redirect back, as the browser would.
async fn follow(url: &Url) -> Result<String> {
    let host = url.host_str().context("no host")?;
    let port = url.port_or_known_default().context("no port")?;
    let mut stream = tokio::net::TcpStream::connect((host, port)).await?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
    Ok(answer)
}
