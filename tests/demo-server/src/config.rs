//! What a demo server is started with. Everything here is fixed for the server's life; what tests
//! change while it runs is in [`crate::Control`].

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use url::Url;

/// Everything that is chosen at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where MCP and OAuth are served; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where the control port is served, if at all.
    pub control: Option<SocketAddr>,
    /// The origin told to clients, when it is not the one bound (a TLS proxy in front).
    pub public_origin: Option<Url>,
    /// The ways to authenticate; a caller may use any of them.
    pub auth: Vec<Auth>,
    /// Whether callers without credentials are refused. `None`: refused unless [`Auth::None`] is
    /// in the list (or the list is empty).
    pub require_auth: Option<bool>,
    /// Which protocol eras are answered.
    pub eras: Eras,
    /// The one legacy version that is spoken; `None`: all of them.
    pub legacy_version: Option<&'static str>,
    /// How requests are answered where the protocol leaves a choice.
    pub answers: Answers,
    /// Which transports exist.
    pub transports: Transports,
    /// Whether legacy clients get sessions; without them there is no GET stream either.
    pub sessions: bool,
    /// Refuses a second `initialize` while a session lives.
    pub single_session: bool,
    /// Sizes, rates and who may connect.
    pub limits: Limits,
    /// How many requests the journal remembers.
    pub journal: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control: None,
            public_origin: None,
            auth: vec![Auth::None],
            require_auth: None,
            eras: Eras::default(),
            legacy_version: None,
            answers: Answers::default(),
            transports: Transports::default(),
            sessions: true,
            single_session: false,
            limits: Limits::default(),
            journal: 1000,
        }
    }
}

impl Config {
    /// The default server with one way to authenticate.
    pub fn with_auth(auth: Auth) -> Self {
        Config { auth: vec![auth], ..Config::default() }
    }

    /// The default server behind OAuth 2.1.
    pub fn oauth() -> Self {
        Config::with_auth(Auth::OAuth(OAuthConfig::default()))
    }

    /// The OAuth settings, where OAuth is among the strategies.
    pub fn oauth_config(&self) -> Option<&OAuthConfig> {
        self.auth.iter().find_map(|auth| match auth {
            Auth::OAuth(oauth) => Some(oauth),
            Auth::None | Auth::Bearer(_) | Auth::ApiKey(_) | Auth::Jwt(_) => None,
        })
    }

    pub(crate) fn refuses_anonymous(&self) -> bool {
        let open = self.auth.is_empty() || self.auth.iter().any(|auth| matches!(auth, Auth::None));
        self.require_auth.unwrap_or(!open)
    }
}

/// One way to authenticate.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Nobody needs to say who they are.
    None,
    /// Static bearer tokens: (token, user).
    Bearer(Vec<(String, String)>),
    /// Keys in `X-API-Key`: (key, user).
    ApiKey(Vec<(String, String)>),
    /// Signed tokens from elsewhere.
    Jwt(JwtConfig),
    /// OAuth 2.1 with this server's own authorization server.
    OAuth(OAuthConfig),
}

/// How JWTs are checked, and minted for tests.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The `iss` that is accepted.
    pub issuer: String,
    /// The `aud` that is accepted.
    pub audience: String,
    /// The one algorithm that is accepted.
    pub key: JwtKey,
}

impl Default for JwtConfig {
    fn default() -> Self {
        JwtConfig {
            issuer: "https://issuer.example".to_owned(),
            audience: "drawbridge-demo".to_owned(),
            key: JwtKey::Hs256("a-demo-secret-that-everybody-knows".to_owned()),
        }
    }
}

/// The key JWTs are signed with.
#[derive(Debug, Clone)]
pub enum JwtKey {
    /// A shared secret.
    Hs256(String),
    /// An RSA key pair built into this crate, known to everybody.
    Rs256,
}

/// How the authorization server behaves.
#[derive(Debug, Clone)]
pub struct OAuthConfig {
    /// How long an access token works.
    pub access_token_lifetime: Duration,
    /// Whether a browser is remembered by a cookie, and then need not give the password again.
    pub remember_browser: bool,
    /// How long an authorization code works.
    pub code_lifetime: Duration,
    /// When a refresh token is given.
    pub refresh_tokens: RefreshTokens,
    /// Whether each refresh replaces the refresh token.
    pub rotate_refresh_tokens: bool,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// How a registered client authenticates at the token endpoint.
    pub client_auth: ClientAuth,
    /// Whether a client id may be the URL of its metadata document.
    pub client_id_documents: bool,
    /// Clients that exist from the start; they survive `forget_clients`.
    pub clients: Vec<StaticClient>,
    /// Whether a loopback redirect must also match in its port, against RFC 8252.
    pub strict_redirect_port: bool,
    /// Whether requests without `resource` are refused.
    pub require_resource: bool,
    /// Whether `iss` is announced and put into the callback (RFC 9207).
    pub iss_parameter: bool,
    /// Whether the metadata says that PKCE S256 is supported (it always is required).
    pub announce_pkce: bool,
    /// Where the authorization server's metadata is found.
    pub discovery: Discovery,
    /// Where the protected resource's metadata is found.
    pub resource_metadata: ResourceMetadata,
    /// The `scope` named in a 401 challenge.
    pub challenge_scope: Option<String>,
    /// Whether tokens are bound to a key (RFC 9449).
    pub dpop: Dpop,
}

impl Default for OAuthConfig {
    fn default() -> Self {
        OAuthConfig {
            access_token_lifetime: Duration::from_secs(300),
            remember_browser: false,
            code_lifetime: Duration::from_secs(60),
            refresh_tokens: RefreshTokens::Always,
            rotate_refresh_tokens: true,
            registration: true,
            client_auth: ClientAuth::None,
            client_id_documents: true,
            clients: Vec::new(),
            strict_redirect_port: false,
            require_resource: true,
            iss_parameter: true,
            announce_pkce: true,
            discovery: Discovery::Both,
            resource_metadata: ResourceMetadata::default(),
            challenge_scope: Some("mcp".to_owned()),
            dpop: Dpop::Off,
        }
    }
}

/// Whether tokens are bound to a key, and what a proof of it must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dpop {
    /// Bearer tokens.
    #[default]
    Off,
    /// Bound tokens.
    Required,
    /// Bound tokens, and every proof carries the nonce that the server gave last.
    RequiredWithNonces,
}

/// When the token endpoint hands out refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokens {
    /// With every authorization code.
    Always,
    /// When the scope `offline_access` was granted.
    OfflineAccess,
    /// Not at all.
    Never,
}

/// How a client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// A public client: only its id.
    None,
    /// HTTP Basic.
    SecretBasic,
    /// In the form.
    SecretPost,
}

impl ClientAuth {
    /// The name in RFC 7591.
    pub fn as_str(self) -> &'static str {
        match self {
            ClientAuth::None => "none",
            ClientAuth::SecretBasic => "client_secret_basic",
            ClientAuth::SecretPost => "client_secret_post",
        }
    }
}

/// A client that needs no registration.
#[derive(Debug, Clone)]
pub struct StaticClient {
    /// Its id.
    pub id: String,
    /// Its secret; a client without one is public.
    pub secret: Option<String>,
    /// How it authenticates.
    pub auth: ClientAuth,
    /// Where it may be called back.
    pub redirect_uris: Vec<String>,
}

/// Which well-known documents describe the authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// `oauth-authorization-server` (RFC 8414) alone.
    OAuth,
    /// `openid-configuration` alone.
    OpenId,
    /// Either.
    Both,
}

/// How the protected resource's metadata (RFC 9728) can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceMetadata {
    /// Named by `resource_metadata` in the challenge.
    pub in_challenge: bool,
    /// Served under `/.well-known/oauth-protected-resource/mcp`.
    pub at_path: bool,
    /// Served under `/.well-known/oauth-protected-resource`.
    pub at_root: bool,
}

impl Default for ResourceMetadata {
    fn default() -> Self {
        ResourceMetadata { in_challenge: true, at_path: true, at_root: true }
    }
}

/// Which protocol eras the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eras {
    /// 2024-11-05 to 2025-11-25, with `initialize`.
    Legacy,
    /// 2026-07-28, stateless.
    Modern,
    /// Either, as the caller opens.
    #[default]
    Both,
}

/// How a POST is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answers {
    /// As a stream, the way rmcp does.
    #[default]
    Sse,
    /// As one JSON document, unless a notification comes before the answer.
    Json,
}

/// Which transports are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// Streamable HTTP on `/mcp`.
    pub streamable: bool,
    /// The old HTTP+SSE on `/sse` and `/messages`.
    pub http_sse: bool,
}

impl Default for Transports {
    fn default() -> Self {
        Transports { streamable: true, http_sse: true }
    }
}

/// Sizes, rates, times and who may connect.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest request body.
    pub request_bytes: usize,
    /// At most this many MCP requests in each period, then 429.
    pub rate: Option<(u32, Duration)>,
    /// A session without traffic ends after this.
    pub session_timeout: Duration,
    /// At most this many sessions, then 503.
    pub sessions: usize,
    /// Browser origins that may call; others get 403.
    pub origins: Vec<String>,
    /// Host names accepted besides loopback ones.
    pub hosts: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            request_bytes: 4 * 1024 * 1024,
            rate: None,
            session_timeout: Duration::from_secs(300),
            sessions: 1000,
            origins: Vec::new(),
            hosts: Vec::new(),
        }
    }
}
