//! The server options, the same for `add`, `edit` and `connect`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use url::Url;

use super::sources::{self, Header, Reader, Source, absolute};
use crate::api::types::{ResourceOption, ServerOptions};
use crate::failure::Failure;
use crate::oauth::registration::is_document_url;
use crate::oauth::signing_key::{Algorithm, InvalidKey};
use crate::registry::{CallbackHost, GrantChoice, SignInChoice, TransportChoice};

/// The options as given.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Server options")]
pub(super) struct OptionArgs {
    /// Send a header with every request; the value may be `env:NAME` or `file:PATH`, or hold `${NAME}`
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<Header>,
    /// Send a fixed bearer token: `-` (stdin), `env:NAME` or `file:PATH`
    #[arg(long, value_name = "SECRET")]
    bearer: Option<Source>,
    /// How to talk to the server
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// The client id, where one was registered by hand
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Its secret: `-` (stdin), `env:NAME` or `file:PATH`
    #[arg(long, value_name = "SECRET")]
    client_secret: Option<Source>,
    /// A key the client signs with in place of a secret, as PEM or JWK: `-` (stdin), `env:NAME` or `file:PATH`
    #[arg(long, value_name = "SECRET")]
    private_key: Option<Source>,
    /// The algorithm it signs with, as in RS256, PS256, ES256 or EdDSA
    #[arg(long, value_name = "ALG", value_parser = key_alg)]
    key_alg: Option<String>,
    /// The address of a client id metadata document of yours
    #[arg(long, value_name = "URL", value_parser = document_url)]
    client_metadata_url: Option<String>,
    /// How to get tokens
    #[arg(long, value_enum, value_name = "GRANT")]
    grant: Option<Grant>,
    /// The token that vouches for this workload: `-` (stdin), `env:NAME`, or `file:PATH`, which is read anew each time
    #[arg(long, value_name = "SECRET")]
    assertion: Option<Source>,
    /// The company's identity provider
    #[arg(long, value_name = "URL", value_parser = web_address)]
    idp_issuer: Option<String>,
    /// Where it exchanges tokens, where its issuer does not say
    #[arg(long, value_name = "URL", value_parser = web_address)]
    idp_token_endpoint: Option<String>,
    /// The client id there
    #[arg(long, value_name = "ID")]
    idp_client_id: Option<String>,
    /// The client's secret there: `-` (stdin), `env:NAME` or `file:PATH`
    #[arg(long, value_name = "SECRET")]
    idp_client_secret: Option<Source>,
    /// Your ID token from there: `-` (stdin), `env:NAME`, or `file:PATH`, which is read anew each time
    #[arg(long, value_name = "SECRET")]
    idp_id_token: Option<Source>,
    /// The scopes to ask for, in place of the server's own
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The resource to name in the sign-in, in place of the server's own
    #[arg(long, value_name = "URI", conflicts_with = "no_resource")]
    resource: Option<String>,
    /// Name no resource in the sign-in
    #[arg(long)]
    no_resource: bool,
    /// The authorization server to sign in at
    #[arg(long, value_name = "URL", value_parser = web_address)]
    issuer: Option<String>,
    /// The port of the redirect URL
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    callback_port: Option<u16>,
    /// The host of the redirect URL
    #[arg(long, value_enum, value_name = "HOST")]
    callback_host: Option<Callback>,
    /// Where the sign-in page opens
    #[arg(long, value_enum, value_name = "WHERE")]
    sign_in: Option<SignIn>,
    /// Allow http without encryption
    #[arg(long)]
    allow_http: bool,
    /// Trust the certificate authorities in this PEM file, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Present the client certificate in this PEM file, which holds its key as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    client_cert: Option<PathBuf>,
    /// Go through this proxy
    #[arg(long, value_name = "URL", value_parser = proxy)]
    proxy: Option<String>,
    /// Allow addresses in private networks
    #[arg(long)]
    allow_private: bool,
    /// Show clients only the tools with such names, as in `--allow-tool 'list_*'`; may be repeated
    #[arg(long = "allow-tool", value_name = "GLOB", value_parser = glob)]
    allow_tools: Vec<String>,
    /// Hide the tools with such names from clients; may be repeated
    #[arg(long = "deny-tool", value_name = "GLOB", value_parser = glob)]
    deny_tools: Vec<String>,
    /// Pin the tools: hold back those that are new or changed until you accept them
    #[arg(long)]
    pin_tools: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Transport {
    Auto,
    Http,
    Sse,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SignIn {
    Window,
    Browser,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Grant {
    Code,
    Device,
    ClientCredentials,
    Workload,
    Enterprise,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Callback {
    #[value(name = "127.0.0.1")]
    Address,
    Localhost,
}

impl OptionArgs {
    /// How many of them are read from stdin.
    pub(super) fn reads_of_stdin(&self) -> usize {
        let client = self.client_secret.iter().chain(&self.private_key).chain(&self.assertion);
        let idp = self.idp_client_secret.iter().chain(&self.idp_id_token);
        let secrets = self.bearer.iter().chain(client).chain(idp);
        secrets.filter(|source| **source == Source::Stdin).count()
            + self.headers.iter().filter(|header| header.is_stdin()).count()
    }

    /// Whether a header `Authorization` stands on the command line in full.
    pub(super) fn has_literal_authorization(&self) -> bool {
        let is_one = |header: &Header| header.name == http::header::AUTHORIZATION && header.is_literal();
        self.headers.iter().any(is_one)
    }

    /// Reads what they refer to from this process's environment, files and stdin.
    pub(super) fn read(self) -> Result<ServerOptions, Failure> {
        let variable = |name: &str| std::env::var(name).ok();
        self.read_with(&Reader { variable: &variable, stdin: &sources::read_stdin })
    }

    fn read_with(self, reader: &Reader<'_>) -> Result<ServerOptions, Failure> {
        let secret =
            |source: &Option<Source>| source.as_ref().map(|source| reader.secret(source)).transpose();
        let resource = match (self.resource, self.no_resource) {
            (Some(resource), _) => Some(ResourceOption::Given(resource)),
            (None, true) => Some(ResourceOption::Omitted),
            (None, false) => None,
        };
        Ok(ServerOptions {
            headers: self.headers.iter().map(|header| reader.header(header)).collect::<Result<_, _>>()?,
            bearer: secret(&self.bearer)?,
            transport: self.transport.map(Into::into),
            client_id: self.client_id,
            client_secret: secret(&self.client_secret)?,
            private_key: self.private_key.as_ref().map(|source| reader.key(source)).transpose()?,
            key_alg: self.key_alg,
            client_metadata_url: self.client_metadata_url,
            grant: self.grant.map(Into::into),
            assertion: secret(&self.assertion)?,
            idp_issuer: self.idp_issuer,
            idp_token_endpoint: self.idp_token_endpoint,
            idp_client_id: self.idp_client_id,
            idp_client_secret: secret(&self.idp_client_secret)?,
            idp_id_token: secret(&self.idp_id_token)?,
            scope: self.scope,
            resource,
            issuer: self.issuer,
            callback_port: self.callback_port,
            callback_host: self.callback_host.map(Into::into),
            sign_in: self.sign_in.map(Into::into),
            allow_http: self.allow_http,
            allow_private: self.allow_private,
            ca: self.ca.as_deref().map(absolute),
            client_cert: self.client_cert.as_deref().map(absolute),
            proxy: self.proxy.map(Into::into),
            allow_tools: self.allow_tools,
            deny_tools: self.deny_tools,
            pin_tools: self.pin_tools,
        })
    }
}

impl From<Transport> for TransportChoice {
    fn from(given: Transport) -> Self {
        match given {
            Transport::Auto => Self::Auto,
            Transport::Http => Self::Http,
            Transport::Sse => Self::Sse,
        }
    }
}

impl From<SignIn> for SignInChoice {
    fn from(given: SignIn) -> Self {
        match given {
            SignIn::Window => Self::Window,
            SignIn::Browser => Self::Browser,
            SignIn::None => Self::None,
        }
    }
}

impl From<Grant> for GrantChoice {
    fn from(given: Grant) -> Self {
        match given {
            Grant::Code => Self::Code,
            Grant::Device => Self::Device,
            Grant::ClientCredentials => Self::ClientCredentials,
            Grant::Workload => Self::Workload,
            Grant::Enterprise => Self::Enterprise,
        }
    }
}

impl From<Callback> for CallbackHost {
    fn from(given: Callback) -> Self {
        match given {
            Callback::Address => Self::Address,
            Callback::Localhost => Self::Localhost,
        }
    }
}

/// A server's address.
pub(super) fn server_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "write the whole address, as in https://mcp.example.com/mcp")?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_web { Ok(url) } else { Err("an MCP server's address begins with https://") }
}

fn web_address(text: &str) -> Result<String, &'static str> {
    server_url(text).map(|_| text.to_owned()).map_err(|_| "write the whole address, beginning with https://")
}

/// A pattern of tool names.
pub(super) fn glob(text: &str) -> Result<String, &'static str> {
    let fits = !text.is_empty() && !text.contains(|char: char| char.is_whitespace() || char.is_control());
    if fits { Ok(text.to_owned()) } else { Err("write a tool's name, or a pattern with `*` and `?`") }
}

fn key_alg(text: &str) -> Result<String, InvalidKey> {
    Algorithm::named(text).map(|algorithm| algorithm.name().to_owned()).ok_or(InvalidKey::UnknownAlgorithm)
}

fn document_url(text: &str) -> Result<String, &'static str> {
    let is_one = is_document_url(text).then(|| text.to_owned());
    is_one.ok_or(
        "write the whole address as it stands in the document, beginning with https:// and with a path",
    )
}

fn proxy(text: &str) -> Result<String, &'static str> {
    let is_proxy =
        |url: &Url| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host();
    let url = Url::parse(text).ok().filter(is_proxy);
    url.map(|_| text.to_owned()).ok_or("a proxy's address begins with http://, https:// or socks5://")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        options: OptionArgs,
    }

    fn parse(args: &[&str]) -> Result<OptionArgs, clap::Error> {
        Only::try_parse_from(std::iter::once("x").chain(args.iter().copied())).map(|only| only.options)
    }

    fn read(args: &[&str]) -> serde_json::Value {
        let variable = |name: &str| (name == "TOKEN").then(|| "t0ken".to_owned());
        let reader = Reader { variable: &variable, stdin: &|| Ok("typed".into()) };
        let options = parse(args).expect("parsed").read_with(&reader).expect("read");
        serde_json::to_value(options).expect("JSON")
    }

    #[test]
    fn every_option_reaches_the_host() {
        use serde_json::json;
        let token = json!({"value": "t0ken", "references": ["env:TOKEN"]});
        let table = [
            (
                &["--header", "X-A: b", "--header", "X-C: ${TOKEN}"][..],
                json!({"headers": [
                    {"name": "x-a", "value": "b"},
                    {"name": "x-c", "value": "t0ken", "references": ["env:TOKEN"]},
                ]}),
            ),
            (&["--bearer", "env:TOKEN"], json!({"bearer": token})),
            (&["--transport", "sse"], json!({"transport": "sse"})),
            (
                &["--client-id", "c", "--client-secret", "-"],
                json!({"clientId": "c", "clientSecret": {"value": "typed"}}),
            ),
            (
                &["--private-key", "env:TOKEN", "--key-alg", "ES256"],
                json!({"privateKey": token, "keyAlg": "ES256"}),
            ),
            (
                &["--client-metadata-url", "https://me.example/c.json"],
                json!({"clientMetadataUrl": "https://me.example/c.json"}),
            ),
            (&["--grant", "client-credentials"], json!({"grant": "client-credentials"})),
            (
                &["--grant", "workload", "--assertion", "env:TOKEN"],
                json!({"grant": "workload", "assertion": token}),
            ),
            (
                &["--idp-issuer", "https://i.example", "--idp-token-endpoint", "https://i.example/token"],
                json!({"idpIssuer": "https://i.example", "idpTokenEndpoint": "https://i.example/token"}),
            ),
            (
                &["--idp-client-id", "c", "--idp-client-secret", "env:TOKEN", "--idp-id-token", "env:TOKEN"],
                json!({"idpClientId": "c", "idpClientSecret": token, "idpIdToken": token}),
            ),
            (&["--scope", "a b"], json!({"scope": "a b"})),
            (&["--resource", "https://r.example"], json!({"resource": {"given": "https://r.example"}})),
            (&["--no-resource"], json!({"resource": "omitted"})),
            (&["--issuer", "https://as.example"], json!({"issuer": "https://as.example"})),
            (
                &["--callback-port", "3334", "--callback-host", "localhost"],
                json!({"callbackPort": 3334, "callbackHost": "localhost"}),
            ),
            (&["--sign-in", "none"], json!({"signIn": "none"})),
            (&["--allow-http", "--allow-private"], json!({"allowHttp": true, "allowPrivate": true})),
            (
                &["--ca", "/ca.pem", "--client-cert", "/c.pem"],
                json!({"ca": "/ca.pem", "clientCert": "/c.pem"}),
            ),
            (
                &["--allow-tool", "list_*", "--allow-tool", "get", "--deny-tool", "*_all"],
                json!({"allowTools": ["list_*", "get"], "denyTools": ["*_all"]}),
            ),
            (&["--proxy", "http://p.example:3128"], json!({"proxy": "http://p.example:3128"})),
            (&[], json!({})),
        ];
        for (args, expected) in table {
            assert_eq!(read(args), expected, "{args:?}");
        }
    }

    #[test]
    fn malformed_options_are_usage_errors() {
        for bad in [
            &["--bearer", "sk-12345"][..],
            &["--client-secret", "hunter2"],
            &["--private-key", "-----BEGIN PRIVATE KEY-----"],
            &["--key-alg", "HS256"],
            &["--grant", "password"],
            &["--assertion", "eyJhbGciOi"],
            &["--idp-id-token", "eyJhbGciOi"],
            &["--idp-issuer", "i.example"],
            &["--client-metadata-url", "http://me.example/c.json"],
            &["--header", "no colon"],
            &["--header", "Host: x"],
            &["--transport", "carrier-pigeon"],
            &["--resource", "https://r.example", "--no-resource"],
            &["--issuer", "as.example"],
            &["--callback-port", "0"],
            &["--callback-host", "0.0.0.0"],
            &["--sign-in", "always"],
            &["--proxy", "p.example"],
            &["--allow-tool", ""],
            &["--deny-tool", "a b"],
        ] {
            let error = parse(bad).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{bad:?}");
        }
    }

    #[test]
    fn a_relative_file_is_found_from_the_folder_it_was_named_in() {
        let here = std::env::current_dir().expect("a folder");
        assert_eq!(read(&["--ca", "ca.pem"])["ca"], here.join("ca.pem").display().to_string());
    }
}
