//! What a person does in the browser, for tests: fill in the login form.

use anyhow::{Context as _, ensure};
use http::header::LOCATION;
use url::Url;

/// Fetches the login form, signs in and allows; returns the redirect without following it.
///
/// # Errors
///
/// When the authorization server shows no form, does not know the user, or cannot be reached.
pub async fn sign_in_with_form(authorize_url: &Url, user: &str, password: &str) -> anyhow::Result<Url> {
    submit(authorize_url, &[("username", user), ("password", password), ("decision", "allow")]).await
}

/// Fetches the login form and presses Deny; returns the redirect without following it.
///
/// # Errors
///
/// When the authorization server shows no form or cannot be reached.
pub async fn deny_with_form(authorize_url: &Url) -> anyhow::Result<Url> {
    submit(authorize_url, &[("decision", "deny")]).await
}

/// An HTTP client that follows nothing and asks no proxy, as tests need it in a browser's place.
///
/// # Errors
///
/// When the system gives no randomness for TLS, though only plain http is spoken.
pub fn browser() -> reqwest::Result<reqwest::Client> {
    // Only plain http is spoken here, but a build with TLS compiled in asks for a provider all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(
        clippy::disallowed_methods,
        reason = "the demo server plays the browser, which has rules of its own"
    )]
    let builder = reqwest::Client::builder();
    builder.no_proxy().redirect(reqwest::redirect::Policy::none()).build()
}

async fn submit(authorize_url: &Url, fields: &[(&str, &str)]) -> anyhow::Result<Url> {
    let client = browser()?;
    let page = client.get(authorize_url.clone()).send().await?;
    if page.status().is_redirection() {
        return redirect(&page);
    }
    ensure!(page.status().is_success(), "the login form answered {}", page.status());
    let page = page.text().await?;
    let (_, rest) = page.split_once("name=\"request\" value=\"").context("there is no form")?;
    let (request, _) = rest.split_once('"').context("the form is cut short")?;
    let mut target = authorize_url.clone();
    target.set_query(None);
    let fields: Vec<_> = fields.iter().copied().chain([("request", request)]).collect();
    redirect(&client.post(target).form(&fields).send().await?)
}

fn redirect(response: &reqwest::Response) -> anyhow::Result<Url> {
    let location =
        response.headers().get(LOCATION).with_context(|| format!("no redirect but {}", response.status()))?;
    Ok(Url::parse(location.to_str()?)?)
}
