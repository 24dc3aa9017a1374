//! What options make of an entry, and what they leave of its secrets.

use url::Url;

use super::*;
use crate::api::types::{HeaderOption, SecretOption};
use crate::net::AddressClass;
use crate::registry::GrantChoice;

const KEY: &str = include_str!("../../../tests/fixtures/keys/p256-pkcs8.pem");

fn server() -> Server {
    let url = Url::parse("https://x.example/mcp").expect("url");
    let entry = ServerEntry::new("x".parse().expect("a name"), url, AddressClass::Public);
    let mut server = Server { entry, secrets: ServerSecrets::default() };
    server.apply(&ServerOptions { headers: vec![header("X-Key", "stored")], ..options() }).expect("fine");
    server
}

fn options() -> ServerOptions {
    ServerOptions::default()
}

fn secret(value: &str) -> SecretOption {
    SecretOption { value: value.to_owned().into(), references: Vec::new() }
}

fn header(name: &str, value: &str) -> HeaderOption {
    HeaderOption { name: name.into(), secret: secret(value) }
}

#[test]
fn only_options_that_differ_in_trust_make_a_connection_of_its_own() {
    let same: Vec<ServerOptions> = vec![
        options(),
        ServerOptions { headers: vec![header("x-key", "stored")], ..options() },
        ServerOptions { transport: Some(crate::registry::TransportChoice::Sse), ..options() },
        ServerOptions { sign_in: Some(crate::registry::SignInChoice::None), ..options() },
        ServerOptions { callback_port: Some(1), ..options() },
        ServerOptions { allow_tools: vec!["list_*".into()], deny_tools: vec!["x".into()], ..options() },
    ];
    let different: Vec<ServerOptions> = vec![
        ServerOptions { headers: vec![header("X-Key", "other")], ..options() },
        ServerOptions { headers: vec![header("X-Other", "stored")], ..options() },
        ServerOptions { bearer: Some(secret("token")), ..options() },
        ServerOptions { client_id: Some("c".into()), ..options() },
        ServerOptions { private_key: Some(secret(KEY)), ..options() },
        ServerOptions { client_metadata_url: Some("https://me.example/c.json".into()), ..options() },
        ServerOptions { issuer: Some("https://as.example".into()), ..options() },
        ServerOptions { grant: Some(GrantChoice::Device), ..options() },
        ServerOptions { resource: Some(ResourceOption::Omitted), ..options() },
        ServerOptions { scope: Some("all".into()), ..options() },
        ServerOptions { allow_http: true, ..options() },
        ServerOptions { allow_private: true, ..options() },
        ServerOptions { ca: Some("/ca.pem".into()), ..options() },
        ServerOptions { client_cert: Some("/c.pem".into()), ..options() },
        ServerOptions { proxy: Some("http://proxy.example".to_owned().into()), ..options() },
    ];
    let server = server();
    for (same_trust, table) in [(true, same), (false, different)] {
        for options in table {
            let mut other = server.clone();
            other.apply(&options).expect("fine");
            assert_eq!(server.same_trust(&other), same_trust, "{options:?}");
            assert_eq!(server.digest("s") == other.digest("s"), same_trust, "{options:?}");
        }
    }
    assert_ne!(server.digest("one"), server.digest("two"));
}

#[test]
fn secrets_do_not_survive_a_new_origin_or_a_looser_way() {
    let before = server().entry;
    let changed = |change: &dyn Fn(&mut ServerEntry)| {
        let mut after = before.clone();
        change(&mut after);
        loosens(&before, &after)
    };
    let url = |text: &str| Url::parse(text).expect("url");
    assert!(changed(&|entry| entry.url = url("https://y.example/mcp")));
    assert!(changed(&|entry| entry.url = url("https://x.example:444/mcp")));
    assert!(changed(&|entry| entry.allow_http = true));
    assert!(changed(&|entry| entry.ca = Some("/ca.pem".into())));
    assert!(changed(&|entry| entry.proxy = Some(url("http://proxy.example"))));
    assert!(!changed(&|entry| entry.url = url("https://x.example/other")));
    assert!(!changed(&|entry| entry.name = "y".parse().expect("a name")));
    assert!(!changed(&|entry| entry.allow_private = true));
    let mut loose = before.clone();
    loose.allow_http = true;
    loose.ca = Some("/ca.pem".into());
    assert!(!loosens(&loose, &before), "tightening keeps secrets");
}

#[test]
fn a_proxys_login_is_no_part_of_the_entry() {
    let mut server = server();
    let proxy = "http://me:marked@proxy.example:3128/".to_owned();
    server.apply(&ServerOptions { proxy: Some(proxy.into()), ..options() }).expect("fine");
    let entry = serde_json::to_string(&server.entry).expect("JSON");
    assert!(!entry.contains("marked") && entry.contains("proxy.example:3128"), "{entry}");
    assert!(server.entry.proxy_login);
    server.unset(&[Unset::Proxy]).expect("fine");
    assert!(!server.entry.proxy_login && server.entry.proxy.is_none());
}

#[test]
fn tool_rules_are_added_once_and_taken_back_one_by_one_or_together() {
    let mut server = server();
    let rules = |allow: &[&str], deny: &[&str]| ServerOptions {
        allow_tools: allow.iter().copied().map(Into::into).collect(),
        deny_tools: deny.iter().copied().map(Into::into).collect(),
        ..options()
    };
    server.apply(&rules(&["a", "b*"], &["c"])).expect("fine");
    server.apply(&rules(&["a", "d"], &[])).expect("fine");
    assert_eq!(server.entry.tools.allow, ["a", "b*", "d"]);
    assert_eq!(server.entry.tools.deny, ["c"]);
    server.unset(&[Unset::AllowTool("b*".into()), Unset::DenyTools]).expect("fine");
    assert_eq!(server.entry.tools.allow, ["a", "d"]);
    server.unset(&[Unset::AllowTools]).expect("fine");
    assert!(server.entry.tools.is_empty());
}

#[test]
fn nonsense_is_refused() {
    for bad in [
        ServerOptions { headers: vec![header("Host", "x")], ..options() },
        ServerOptions { headers: vec![header("X-A", "x\ny")], ..options() },
        ServerOptions { bearer: Some(secret("a\nb")), ..options() },
        ServerOptions { bearer: Some(secret("a")), headers: vec![header("authorization", "b")], ..options() },
        ServerOptions { client_secret: Some(secret("a")), ..options() },
        ServerOptions { private_key: Some(secret("a")), ..options() },
        ServerOptions { private_key: Some(secret(KEY)), key_alg: Some("RS256".into()), ..options() },
        ServerOptions { key_alg: Some("HS256".into()), ..options() },
        ServerOptions { client_metadata_url: Some("http://me.example/c.json".into()), ..options() },
        ServerOptions { client_metadata_url: Some("https://me.example".into()), ..options() },
        ServerOptions { proxy: Some("ftp://proxy.example".to_owned().into()), ..options() },
        ServerOptions { allow_tools: vec![String::new()], ..options() },
    ] {
        assert!(server().apply(&bad).is_err(), "{bad:?}");
    }
}
