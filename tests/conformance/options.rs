//! What `connect` is told besides the URL, from what the suite tells the client.

use anyhow::{Context as _, Result};
use serde_json::Value;
use url::Url;

use crate::browser;

/// Arguments, and the variables they refer to.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    /// Whether only a person may give them, with `add`: they say where secrets go.
    pub(crate) are_given_by_person: bool,
}

/// How a token is got without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Client credentials, with a secret.
    ClientSecret,
    /// Client credentials, with a key that signs.
    SigningKey,
    /// A platform's word for a workload.
    Workload,
    /// A company's identity provider.
    Enterprise,
}

/// A client registered by hand.
pub(crate) fn client_secret(context: &Value) -> Options {
    let mut options = Options::default();
    options.text("--client-id", &context["client_id"]);
    options.secret("--client-secret", "CLIENT_SECRET", &context["client_secret"]);
    options
}

/// A client that describes itself in a document.
pub(crate) fn client_metadata(url: &str) -> Options {
    let arguments = vec!["--client-metadata-url".to_owned(), url.to_owned()];
    Options { arguments, ..Options::default() }
}

/// A client that needs nobody. It is told by whom its credentials were issued.
pub(crate) async fn unattended(grant: Grant, url: &str, context: &Value) -> Result<Options> {
    let mut options = match grant {
        Grant::ClientSecret | Grant::Enterprise => client_secret(context),
        Grant::SigningKey | Grant::Workload => {
            let mut options = Options::default();
            options.text("--client-id", &context["client_id"]);
            options
        }
    };
    let name = match grant {
        Grant::ClientSecret => "client-credentials",
        Grant::SigningKey => {
            options.secret("--private-key", "PRIVATE_KEY", &context["private_key_pem"]);
            options.text("--key-alg", &context["signing_algorithm"]);
            "client-credentials"
        }
        Grant::Workload => {
            options.secret("--assertion", "ASSERTION", &context["valid_jwt"]);
            "workload"
        }
        Grant::Enterprise => {
            options.text("--idp-issuer", &context["idp_issuer"]);
            options.text("--idp-token-endpoint", &context["idp_token_endpoint"]);
            options.text("--idp-client-id", &context["idp_client_id"]);
            options.secret("--idp-id-token", "ID_TOKEN", &context["idp_id_token"]);
            "enterprise"
        }
    };
    options.text("--grant", &Value::from(name));
    options.text("--issuer", &issuer(url).await?);
    options.are_given_by_person = true;
    Ok(options)
}

impl Options {
    /// An argument, where the suite gives a value for it.
    fn text(&mut self, argument: &str, value: &Value) {
        if let Some(value) = value.as_str() {
            self.arguments.extend([argument.to_owned(), value.to_owned()]);
        }
    }

    /// An argument that names a variable, in which the value is.
    fn secret(&mut self, argument: &str, variable: &str, value: &Value) {
        self.text(argument, &Value::from(format!("env:{variable}")));
        self.variables.push((variable.to_owned(), value.as_str().unwrap_or_default().to_owned()));
    }
}

/// Who issued the credentials. A person knows; the suite says it only in the server's metadata.
async fn issuer(url: &str) -> Result<Value> {
    let metadata = Url::parse(url)?.join("/.well-known/oauth-protected-resource/mcp")?;
    let document = browser::http()?.get(metadata).send().await?.bytes().await?;
    let document: Value = serde_json::from_slice(&document)?;
    document["authorization_servers"].get(0).cloned().context("no authorization server")
}
