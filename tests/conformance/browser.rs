//! The browser: goes on from our own page, then follows redirects until the sign-in is back with
//! us. The suite's authorization server asks nobody.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, Response};
use url::Url;

const MOST_REDIRECTS: usize = 10;

pub(crate) fn main(url: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(visit(url)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn visit(url: &str) -> Result<()> {
    let http = http()?;
    let mut page = Url::parse(url)?;
    let mut shown = http.get(page.clone()).send().await?;
    if page.path().starts_with("/sign-in/") {
        shown = http.post(page.join(&format!("{}/continue", page.path()))?).send().await?;
    }
    for _ in 0..MOST_REDIRECTS {
        let Some(next) = redirect(&page, &shown)? else { return Ok(()) };
        shown = http.get(next.clone()).send().await?;
        page = next;
    }
    bail!("too many redirects")
}

/// An HTTP client that follows nothing.
pub(crate) fn http() -> Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "a test plays the browser, which has rules of its own")]
    let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    Ok(client)
}

fn redirect(page: &Url, shown: &Response) -> Result<Option<Url>> {
    let Some(location) = shown.headers().get("location") else { return Ok(None) };
    Ok(Some(page.join(location.to_str().context("a readable redirect")?)?))
}
