//! The server options of `add`, `edit` and `connect`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{HeaderOption, SecretOption, SecretText};
use crate::registry::{CallbackHost, GrantChoice, SignInChoice, TransportChoice};

/// Which resource a sign-in names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase")]
pub enum ResourceOption {
    /// This one.
    Given(String),
    /// None at all.
    Omitted,
}

/// The server options of `add`, `edit` and `connect`; what is absent was not given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServerOptions {
    /// `--header`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderOption>,
    /// `--bearer`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<SecretOption>,
    /// `--transport`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<TransportChoice>,
    /// `--client-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// `--client-secret`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretOption>,
    /// `--private-key`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<SecretOption>,
    /// `--key-alg`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_alg: Option<String>,
    /// `--client-metadata-url`, byte for byte
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_metadata_url: Option<String>,
    /// `--grant`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantChoice>,
    /// `--assertion`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion: Option<SecretOption>,
    /// `--idp-issuer`, byte for byte
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_issuer: Option<String>,
    /// `--idp-token-endpoint`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_token_endpoint: Option<String>,
    /// `--idp-client-id`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_client_id: Option<String>,
    /// `--idp-client-secret`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_client_secret: Option<SecretOption>,
    /// `--idp-id-token`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idp_id_token: Option<SecretOption>,
    /// `--scope`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `--resource`, `--no-resource`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceOption>,
    /// `--issuer`, byte for byte
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `--callback-port`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_port: Option<u16>,
    /// `--callback-host`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_host: Option<CallbackHost>,
    /// `--sign-in`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInChoice>,
    /// `--allow-http`
    #[serde(skip_serializing_if = "is_false")]
    pub allow_http: bool,
    /// `--allow-private`
    #[serde(skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// `--ca`, absolute
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `--client-cert`, absolute
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// `--proxy`; it may hold a user name and a password
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<SecretText>,
    /// `--allow-tool`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_tools: Vec<String>,
    /// `--deny-tool`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_tools: Vec<String>,
    /// `--pin-tools`
    #[serde(skip_serializing_if = "is_false")]
    pub pin_tools: bool,
}

impl ServerOptions {
    /// What was read to make up these options, each name once.
    pub fn references(&self) -> Vec<String> {
        let headers = self.headers.iter().map(|header| &header.secret);
        let client = self.client_secret.iter().chain(&self.private_key).chain(&self.assertion);
        let idp = self.idp_client_secret.iter().chain(&self.idp_id_token);
        let secrets = headers.chain(&self.bearer).chain(client).chain(idp);
        let mut references: Vec<String> =
            secrets.flat_map(|secret| secret.references.iter().cloned()).collect();
        references.extend(self.client_cert.iter().map(|path| format!("file:{}", path.display())));
        references.sort();
        references.dedup();
        references
    }

    /// Those of these options that decide where tokens go, or who can read them on the way.
    pub fn routing(&self) -> Vec<&'static str> {
        let given = [
            ("--proxy", self.proxy.is_some()),
            ("--ca", self.ca.is_some()),
            ("--client-cert", self.client_cert.is_some()),
            ("--allow-http", self.allow_http),
            ("--allow-private", self.allow_private),
            ("--issuer", self.issuer.is_some()),
            ("--resource", self.resource.is_some()),
            ("--idp-issuer", self.idp_issuer.is_some()),
            ("--idp-token-endpoint", self.idp_token_endpoint.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_travel_whole_and_print_no_secret() {
        let options = ServerOptions {
            headers: vec![HeaderOption {
                name: "X-Key".into(),
                secret: SecretOption {
                    value: "marked-1".to_owned().into(),
                    references: vec!["env:B".into(), "env:A".into()],
                },
            }],
            bearer: Some(SecretOption {
                value: "marked-2".to_owned().into(),
                references: vec!["env:A".into()],
            }),
            proxy: Some("http://me:marked-3@proxy.example".to_owned().into()),
            client_cert: Some("/c.pem".into()),
            ..ServerOptions::default()
        };
        assert_eq!(options.references(), ["env:A", "env:B", "file:/c.pem"]);
        assert!(!format!("{options:?}").contains("marked"));
        let text = serde_json::to_string(&options).expect("JSON");
        let again: ServerOptions = serde_json::from_str(&text).expect("options");
        assert_eq!(again.headers[0].secret.value.expose(), "marked-1");
        assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
        assert_eq!(serde_json::to_string(&ServerOptions::default()).expect("JSON"), "{}");
    }

    #[test]
    fn an_option_of_a_newer_shim_is_refused_and_not_ignored() {
        assert!(serde_json::from_str::<ServerOptions>(r#"{"paintTools":["x"]}"#).is_err());
    }
}
