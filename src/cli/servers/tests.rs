use super::*;
use crate::api::types::{AccountView, IdpView, OAuthView, ReachView};
use crate::failure::Code;
use crate::net::AddressClass;
use crate::registry::CallbackHost;

fn server(name: &str, accounts: Vec<AccountView>) -> ServerView {
    ServerView {
        name: name.parse().expect("a name"),
        url: format!("https://{name}.example/mcp"),
        transport: TransportChoice::Auto,
        class: AddressClass::Public,
        sign_in: SignInChoice::Window,
        headers: Vec::new(),
        bearer: false,
        oauth: OAuthView {
            client_id: None,
            has_client_secret: false,
            has_private_key: false,
            key_alg: None,
            client_metadata_url: None,
            grant: GrantChoice::Code,
            assertion: SubjectView::None,
            idp: IdpView::default(),
            scope: None,
            resource: None,
            issuer: None,
            callback_port: None,
            callback_host: CallbackHost::Address,
        },
        allow_http: false,
        allow_private: false,
        ca: None,
        client_cert: None,
        proxy: None,
        tools: Default::default(),
        default_account: "default".parse().expect("a label"),
        reach: ReachView::Unknown,
        accounts,
    }
}

fn account(label: &str, state: AccountStateView) -> AccountView {
    AccountView { label: label.parse().expect("a label"), state, keeps_profile: false }
}

fn signed_in(identity: Option<&str>) -> AccountStateView {
    AccountStateView::SignedIn {
        expires: Some(1),
        renewed: Some(1),
        scopes: vec!["a".into()],
        identity: identity.map(Into::into),
        person: None,
    }
}

#[test]
fn every_state_has_its_words() {
    let failure = Failure::new(Code::Unreachable, "as.example did not answer", "Try again");
    let mut fixed = server("fixed", Vec::new());
    fixed.bearer = true;
    let mut several =
        server("several", vec![account("work", signed_in(None)), account("home", signed_in(None))]);
    several.default_account = "home".parse().expect("a label");
    let servers = [
        server(
            "linear",
            vec![
                account("default", signed_in(Some("me@work\u{1b}[2J"))),
                account(
                    "home",
                    AccountStateView::SignedOut { why: "the sign-in has expired".into(), lapsed: true },
                ),
            ],
        ),
        several,
        server("a-longer-name", vec![account("default", signed_in(None))]),
        server(
            "busy",
            vec![account(
                "default",
                AccountStateView::SigningIn { host: Some("as.example".into()), in_browser: true },
            )],
        ),
        server("broken", vec![account("default", AccountStateView::Failed { failure })]),
        server("new", vec![account("default", AccountStateView::Unknown)]),
        server("open", Vec::new()),
        fixed,
    ];
    insta::assert_snapshot!(output::table(&rows(&servers)), @r"
    NAME           ACCOUNT         STATE                 ADDRESS
    linear         default         signed in as me@work  https://linear.example/mcp
                   home            signed out
    several        work            signed in             https://several.example/mcp
                   home (default)  signed in
    a-longer-name  default         signed in             https://a-longer-name.example/mcp
    busy           default         signing in            https://busy.example/mcp
    broken         default         unreachable           https://broken.example/mcp
    new            default         not signed in yet     https://new.example/mcp
    open           -               no sign-in yet        https://open.example/mcp
    fixed          -               fixed token           https://fixed.example/mcp
    ");
}

#[test]
fn show_tells_everything_but_secrets() {
    let mut full =
        server("full", vec![account("work", signed_in(None)), account("home", signed_in(Some("me")))]);
    full.default_account = "home".parse().expect("a label");
    full.transport = TransportChoice::Sse;
    full.class = AddressClass::Private;
    full.sign_in = SignInChoice::Browser;
    full.headers = vec!["x-a".into(), "x-b".into()];
    full.bearer = true;
    full.oauth.client_id = Some("client".into());
    full.oauth.has_client_secret = true;
    full.oauth.has_private_key = true;
    full.oauth.key_alg = Some("ES256".into());
    full.oauth.client_metadata_url = Some("https://me.example/client.json".into());
    full.oauth.grant = GrantChoice::Enterprise;
    full.oauth.assertion = SubjectView::Stored;
    full.oauth.idp = IdpView {
        issuer: Some("https://idp.example".into()),
        token_endpoint: Some("https://idp.example/token".into()),
        client_id: Some("at-idp".into()),
        has_client_secret: true,
        id_token: SubjectView::File("/run/id-token".into()),
    };
    full.oauth.scope = Some("a b".into());
    full.oauth.resource = Some(ResourceOption::Omitted);
    full.oauth.issuer = Some("https://as.example".into());
    full.oauth.callback_port = Some(3334);
    full.oauth.callback_host = CallbackHost::Localhost;
    full.allow_http = true;
    full.allow_private = true;
    full.ca = Some("/ca.pem".into());
    full.client_cert = Some("/c.pem".into());
    full.proxy = Some("http://proxy.example:3128/".into());
    insta::assert_snapshot!(output::table(&details(&full)), @r"
    Name                full
    Address             https://full.example/mcp
    Network             private
    Transport           sse
    Accounts            work: signed in
                        home (default): signed in as me
    Bearer token        stored
    Header              x-a (stored)
    Header              x-b (stored)
    Client id           client (secret stored)
    Private key         ES256 (stored)
    Client document     https://me.example/client.json
    Grant               enterprise
    Assertion           stored
    Identity provider   https://idp.example
    Its token endpoint  https://idp.example/token
    Client id there     at-idp (secret stored)
    ID token            read from /run/id-token
    Scopes              a b
    Resource            none
    Issuer              https://as.example
    Callback port       3334
    Callback host       localhost
    Sign-in             browser
    Certificates        /ca.pem
    Client certificate  /c.pem
    Proxy               http://proxy.example:3128/
    Unencrypted http    allowed
    Private addresses   allowed
    ");
}
