//! Enterprise-managed authorization: the company's identity provider exchanges the person's ID token for an identity
//! assertion (ID-JAG) that the MCP server's authorization server takes (RFC 8693, then RFC 7523).

use serde_json::{Map, Value};
use url::Url;

use super::SubjectToken;
use crate::oauth::client_auth::ClientAuth;
use crate::oauth::discovery::{self, Discovered, Question};
use crate::oauth::registration::{ClientKind, ClientRegistration};
use crate::oauth::token::TokenClient;
use crate::oauth::{Error, Issuer, endpoint};
use crate::secret::{ClientSecret, StaticSecret};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// The company's identity provider, and who we are there.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// Its issuer, byte for byte.
    pub issuer: Option<String>,
    /// Where it exchanges tokens; found out from its issuer where it is not given.
    pub token_endpoint: Option<String>,
    /// Our client id there, which the ID token was issued to.
    pub client_id: String,
    /// Our secret there, where it wants one.
    pub client_secret: Option<ClientSecret>,
    /// The person's ID token.
    pub id_token: SubjectToken,
}

impl IdentityProvider {
    /// Exchanges the ID token for an assertion that is good at this authorization server for this resource, and
    /// nowhere else.
    pub(super) async fn assertion_for(
        &self,
        question: Question<'_>,
        discovered: &Discovered,
    ) -> Result<StaticSecret, Error> {
        let Question { network, settings, server_url, .. } = question;
        let endpoint = self.endpoint(question).await?;
        let id_token = self.id_token.read().await?;
        let resource = match &discovered.resource {
            Some(resource) => resource.clone(),
            None => discovery::canonical(server_url),
        };
        let scope = discovered.scopes.param();
        let mut form = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", ID_JAG),
            ("audience", discovered.server.issuer.as_str()),
            ("resource", &resource),
            ("subject_token", id_token.expose()),
            ("subject_token_type", ID_TOKEN),
        ];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let registration = self.registration(&endpoint);
        let client = TokenClient { network, settings, registration: &registration, dpop: None };
        let body = client.ask_for_body(&endpoint, form).await.map_err(Error::at_identity_provider)?;
        read_assertion(&body)
    }

    async fn endpoint(&self, question: Question<'_>) -> Result<Url, Error> {
        let Question { network, settings, .. } = question;
        match (&self.token_endpoint, &self.issuer) {
            (Some(given), _) => {
                endpoint::parse("identity provider's token endpoint", given, network, settings)
            }
            (None, Some(issuer)) => discovery::token_endpoint_of(issuer, question).await,
            (None, None) => Err(Error::NoMetadata { issuer: "the identity provider".to_owned() }),
        }
    }

    fn registration(&self, endpoint: &Url) -> ClientRegistration {
        let issuer = self.issuer.clone().unwrap_or_else(|| endpoint.to_string());
        ClientRegistration {
            issuer: Issuer::new(issuer),
            client_id: self.client_id.clone(),
            auth: match &self.client_secret {
                Some(secret) => ClientAuth::SecretBasic(secret.clone()),
                None => ClientAuth::None,
            },
            secret_expires_at: None,
            redirect: None,
            kind: ClientKind::Given,
        }
    }
}

/// RFC 8693 §2.2.1. The field `access_token` holds the assertion, which no MCP server must ever see.
fn read_assertion(body: &[u8]) -> Result<StaticSecret, Error> {
    let invalid = |why| Error::InvalidTokenResponse { why };
    let document: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| invalid("the identity provider's is not JSON"))?;
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("issued_token_type") != Some(ID_JAG) {
        return Err(invalid("the identity provider issued another kind of token"));
    }
    let assertion = text("access_token").ok_or_else(|| invalid("the identity provider's has no token"))?;
    Ok(StaticSecret::new(assertion))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_identity_assertion_is_passed_on() {
        let jag = |rest: &str| format!(r#"{{"issued_token_type":"{ID_JAG}"{rest}}}"#);
        let table = [
            (jag(r#","access_token":"a.b.c","token_type":"N_A""#), true),
            (jag(r#","access_token":"a.b.c","token_type":"n_a","expires_in":300"#), true),
            (jag(""), false),
            (jag(r#","access_token":"""#), false),
            (r#"{"access_token":"a.b.c","token_type":"Bearer"}"#.to_owned(), false),
            (
                r#"{"access_token":"a","issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#
                    .to_owned(),
                false,
            ),
            ("<html>".to_owned(), false),
        ];
        for (body, expected) in table {
            assert_eq!(read_assertion(body.as_bytes()).is_ok(), expected, "{body}");
        }
    }
}
