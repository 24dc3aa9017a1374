//! How tokens are got, from the options: what each grant needs, and what fits none.

use std::path::PathBuf;

use super::{Server, set, set_some};
use crate::api::types::{SecretOption, ServerOptions};
use crate::host::Error;
use crate::host::secrets::ServerSecrets;
use crate::oauth::grant::{Grant, IdentityProvider, SubjectToken};
use crate::registry::{GrantChoice, IdpEntry, OAuthEntry, ServerEntry};
use crate::secret::{ClientSecret, StaticSecret};

/// Sets what was given.
pub(super) fn apply(entry: &mut ServerEntry, secrets: &mut ServerSecrets, options: &ServerOptions) {
    let oauth = &mut entry.oauth;
    set(&mut oauth.grant, options.grant);
    set_some(&mut oauth.idp.issuer, options.idp_issuer.as_ref());
    set_some(&mut oauth.idp.token_endpoint, options.idp_token_endpoint.as_ref());
    set_some(&mut oauth.idp.client_id, options.idp_client_id.as_ref());
    if let Some(secret) = &options.idp_client_secret {
        secrets.idp_client_secret = Some(ClientSecret::new(secret.value.expose()));
    }
    if let Some(given) = &options.assertion {
        (oauth.assertion_file, secrets.assertion) = subject(given);
    }
    if let Some(given) = &options.idp_id_token {
        (oauth.idp.id_token_file, secrets.idp_id_token) = subject(given);
    }
}

/// A file is read when its token is needed, as platforms put a fresh one there; everything else is kept.
fn subject(given: &SecretOption) -> (Option<PathBuf>, Option<StaticSecret>) {
    let file = match given.references.as_slice() {
        [reference] => reference.strip_prefix("file:").map(PathBuf::from),
        _ => None,
    };
    match file.filter(|path| path.is_absolute()) {
        Some(path) => (Some(path), None),
        None => (None, Some(StaticSecret::new(given.value.expose()))),
    }
}

impl Server {
    /// How its tokens are got.
    ///
    /// # Errors
    /// [`Error::Options`] where something is missing, or belongs to another grant.
    pub(in crate::host) fn grant(&self) -> Result<Grant, Error> {
        let OAuthEntry { grant, assertion_file, idp, issuer, .. } = &self.entry.oauth;
        let wrong = |why| Err(Error::Options(why));
        let assertion = token(assertion_file.as_ref(), self.secrets.assertion.as_ref());
        let id_token = token(idp.id_token_file.as_ref(), self.secrets.idp_id_token.as_ref());
        if assertion.is_some() && *grant != GrantChoice::Workload {
            return wrong("`--assertion` is for `--grant workload`");
        }
        if (*idp != IdpEntry::default()) && *grant != GrantChoice::Enterprise {
            return wrong("the options that begin with `--idp-` are for `--grant enterprise`");
        }
        let is_unattended = !matches!(grant, GrantChoice::Code | GrantChoice::Device);
        if is_unattended && issuer.is_none() {
            return wrong("this grant needs `--issuer`, the authorization server that may see its secrets");
        }
        match grant {
            GrantChoice::Code => Ok(Grant::Code),
            GrantChoice::Device => Ok(Grant::Device),
            GrantChoice::ClientCredentials => {
                let has_proof = self.secrets.client_secret.is_some() || self.secrets.private_key.is_some();
                match self.has_client() && has_proof {
                    true => Ok(Grant::ClientCredentials),
                    false => wrong(
                        "`--grant client-credentials` needs `--client-id` with `--client-secret` or `--private-key`",
                    ),
                }
            }
            GrantChoice::Workload => match assertion {
                Some(assertion) => Ok(Grant::Workload(assertion)),
                None => wrong("`--grant workload` needs `--assertion`"),
            },
            GrantChoice::Enterprise => self.enterprise(id_token),
        }
    }

    fn enterprise(&self, id_token: Option<SubjectToken>) -> Result<Grant, Error> {
        let IdpEntry { issuer, token_endpoint, client_id, .. } = &self.entry.oauth.idp;
        let is_known = issuer.is_some() || token_endpoint.is_some();
        match (client_id, id_token) {
            (Some(client_id), Some(id_token)) if is_known && self.has_client() => {
                Ok(Grant::Enterprise(Box::new(IdentityProvider {
                    issuer: issuer.clone(),
                    token_endpoint: token_endpoint.clone(),
                    client_id: client_id.clone(),
                    client_secret: self.secrets.idp_client_secret.clone(),
                    id_token,
                })))
            }
            (Some(_) | None, _) => Err(Error::Options(
                "`--grant enterprise` needs `--client-id`, `--idp-client-id`, `--idp-id-token`, and `--idp-issuer` or \
                 `--idp-token-endpoint`",
            )),
        }
    }

    fn has_client(&self) -> bool {
        self.entry.oauth.client_id.is_some() || self.entry.oauth.client_metadata_url.is_some()
    }
}

fn token(file: Option<&PathBuf>, stored: Option<&StaticSecret>) -> Option<SubjectToken> {
    let stored = || stored.cloned().map(SubjectToken::Given);
    file.cloned().map(SubjectToken::File).or_else(stored)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::net::AddressClass;

    const KEY: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");

    fn secret(value: &str, references: &[&str]) -> Option<SecretOption> {
        let references = references.iter().map(|&reference| reference.to_owned()).collect();
        Some(SecretOption { value: value.to_owned().into(), references })
    }

    fn apply(options: &ServerOptions) -> Result<Server, Error> {
        let url = Url::parse("https://x.example/mcp").expect("url");
        let entry = ServerEntry::new("x".parse().expect("a name"), url, AddressClass::Public);
        let mut server = Server { entry, secrets: ServerSecrets::default() };
        server.apply(options).map(|()| server)
    }

    fn complete(grant: GrantChoice) -> ServerOptions {
        let base = ServerOptions {
            grant: Some(grant),
            issuer: Some("https://as.example".into()),
            client_id: Some("c".into()),
            ..ServerOptions::default()
        };
        match grant {
            GrantChoice::Code | GrantChoice::Device => base,
            GrantChoice::ClientCredentials => ServerOptions { client_secret: secret("s", &[]), ..base },
            GrantChoice::Workload => ServerOptions { assertion: secret("a", &["env:A"]), ..base },
            GrantChoice::Enterprise => ServerOptions {
                idp_issuer: Some("https://idp.example".into()),
                idp_client_id: Some("i".into()),
                idp_id_token: secret("t", &["file:/run/id-token"]),
                ..base
            },
        }
    }

    #[test]
    fn every_grant_says_what_it_lacks() {
        use GrantChoice::{ClientCredentials, Enterprise, Workload};
        let fine = [
            complete(GrantChoice::Code),
            complete(GrantChoice::Device),
            complete(ClientCredentials),
            ServerOptions {
                client_secret: None,
                private_key: secret(KEY, &[]),
                ..complete(ClientCredentials)
            },
            complete(Workload),
            ServerOptions { client_id: None, ..complete(Workload) },
            complete(Enterprise),
            ServerOptions {
                idp_issuer: None,
                idp_token_endpoint: Some("https://idp.example/token".into()),
                ..complete(Enterprise)
            },
        ];
        for options in fine {
            assert!(apply(&options).is_ok(), "{options:?}");
        }
        let lacking = [
            ServerOptions { issuer: None, ..complete(ClientCredentials) },
            ServerOptions { issuer: None, ..complete(Workload) },
            ServerOptions { issuer: None, ..complete(Enterprise) },
            ServerOptions { client_id: None, client_secret: None, ..complete(ClientCredentials) },
            ServerOptions { client_secret: None, ..complete(ClientCredentials) },
            ServerOptions { assertion: None, ..complete(Workload) },
            ServerOptions { client_id: None, ..complete(Enterprise) },
            ServerOptions { idp_client_id: None, ..complete(Enterprise) },
            ServerOptions { idp_id_token: None, ..complete(Enterprise) },
            ServerOptions { idp_issuer: None, ..complete(Enterprise) },
            ServerOptions { grant: None, ..complete(Workload) },
            ServerOptions { grant: None, ..complete(Enterprise) },
        ];
        for options in lacking {
            assert!(matches!(apply(&options), Err(Error::Options(_))), "{options:?}");
        }
    }

    #[test]
    fn a_token_in_a_file_is_not_kept_and_another_is() {
        let from = |references: &[&str]| {
            let assertion = secret("marked", references);
            let server =
                apply(&ServerOptions { assertion, ..complete(GrantChoice::Workload) }).expect("fine");
            (server.entry.oauth.assertion_file, server.secrets.assertion.is_some())
        };
        assert_eq!(from(&["file:/run/token"]), (Some("/run/token".into()), false));
        for kept in [&["env:TOKEN"][..], &[], &["file:relative"], &["file:/a", "env:B"]] {
            assert_eq!(from(kept), (None, true), "{kept:?}");
        }
    }

    #[test]
    fn nothing_that_vouches_for_somebody_survives_a_new_origin() {
        let server = apply(&complete(GrantChoice::Enterprise)).expect("fine").without_secrets();
        assert!(server.entry.oauth.idp.id_token_file.is_none() && server.grant().is_err());
    }
}
