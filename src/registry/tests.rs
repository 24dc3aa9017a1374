use super::*;
use crate::net::AddressClass;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("servers.json");
    (folder, path)
}

fn entry(name: &str, url: &str) -> ServerEntry {
    ServerEntry::new(name.parse().expect("a name"), Url::parse(url).expect("url"), AddressClass::Public)
}

fn load(path: &Path) -> Registry {
    let (registry, broken) = Registry::load(path).expect("readable");
    assert_eq!(broken, None);
    registry
}

#[test]
fn what_is_saved_is_loaded() {
    let (_folder, path) = folder();
    let mut full = entry("linear", "https://mcp.linear.app/sse?team=1");
    full.transport = TransportChoice::Sse;
    full.headers = vec!["x-api-key".into()];
    full.oauth.callback_host = CallbackHost::Localhost;
    full.oauth.callback_port = Some(3334);
    full.ca = Some("/etc/ca.pem".into());
    full.proxy = Some(Url::parse("http://proxy.example:3128").expect("url"));
    full.accounts = vec![AccountEntry::new("work".parse().expect("a label"))];
    let mut registry = load(&path);
    registry.put(full.clone());
    registry.put(entry("plain", "https://plain.example/mcp"));
    registry.approve(&full.url, &["env:KEY".into()]);
    registry.save().expect("written");

    let again = load(&path);
    assert_eq!(again.by_name("linear"), Some(&full));
    assert_eq!(again.servers().len(), 2);
    let references = ["env:KEY".to_owned(), "env:NEW".to_owned()];
    assert_eq!(again.unapproved(&full.url, &references), ["env:NEW"]);
    let elsewhere = Url::parse("https://other.example").expect("url");
    assert_eq!(again.unapproved(&elsewhere, &references).len(), 2);
}

#[test]
fn fields_of_other_versions_survive_a_rewrite() {
    let (_folder, path) = folder();
    let text = r#"{
        "version": 1, "colour": {"of": ["the", 12345678901234567890]},
        "servers": [{
            "id": "a1", "name": "x", "url": "https://x.example/", "class": "public", "icon": "❄",
            "oauth": {"grant": "device"}, "accounts": [{"label": "home", "identity": {"email": "a@b"}}]
        }]
    }"#;
    std::fs::write(&path, text).expect("written");
    let mut registry = load(&path);
    let mut changed = registry.by_name("x").expect("there").clone();
    changed.name = "y".parse().expect("a name");
    registry.put(changed);
    registry.save().expect("written");

    let saved: Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
    let mut expected: Value = serde_json::from_str(text).expect("JSON");
    expected["servers"][0]["name"] = "y".into();
    assert_eq!(saved, expected);
}

#[test]
fn a_broken_file_is_kept_aside_and_reported() {
    let (_folder, path) = folder();
    for (number, text) in [
        "{ not JSON",
        r#"{"version":1,"servers":[{"id":"a1","name":"a/b","url":"https://x.example","class":"public"}]}"#,
        r#"{"version":1,"servers":[
            {"id":"a1","name":"x","url":"https://x.example","class":"public"},
            {"id":"a2","name":"x","url":"https://y.example","class":"public"}]}"#,
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&path, text).expect("written");
        let (mut registry, broken) = Registry::load(&path).expect("an empty registry");
        let broken = broken.expect("reported");
        assert!(registry.servers().is_empty() && !broken.why.is_empty());
        assert!(broken.kept_as.ends_with(format!("servers.broken-{}.json", number + 1)));
        registry.put(entry("x", "https://x.example"));
        registry.save().expect("written");
        assert_eq!(std::fs::read_to_string(&broken.kept_as).expect("kept"), text);
    }
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let (folder, path) = folder();
    let text = r#"{"version": 2, "servers": {"of": "another shape"}}"#;
    std::fs::write(&path, text).expect("written");
    assert!(matches!(Registry::load(&path), Err(Error::NewerVersion { .. })));
    assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn urls_match_by_scheme_host_and_default_port_only() {
    let (_folder, path) = folder();
    let mut registry = load(&path);
    registry.put(entry("x", "https://X.example:443/Mcp?a=1"));
    let found = |text: &str| registry.by_url(&Url::parse(text).expect("url")).is_some();
    assert!(found("HTTPS://x.EXAMPLE/Mcp?a=1"));
    for other in ["https://x.example/mcp?a=1", "https://x.example/Mcp", "https://x.example:8443/Mcp?a=1"] {
        assert!(!found(other), "{other}");
    }
}

#[test]
fn the_first_account_is_the_default_until_another_is_chosen() {
    let mut entry = entry("x", "https://x.example");
    assert_eq!(entry.default_account().as_str(), "default");
    entry.accounts = ["work", "home"].map(|label| AccountEntry::new(label.parse().expect("a label"))).into();
    assert_eq!(entry.default_account().as_str(), "work");
    entry.default_account = Some("home".parse().expect("a label"));
    assert_eq!(entry.default_account().as_str(), "home");
    entry.accounts.pop();
    assert_eq!(entry.default_account().as_str(), "work");
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone_and_a_link_to_it_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, path) = folder();
    let target = folder.path().join("dotfiles.json");
    std::fs::write(&target, r#"{"version":1}"#).expect("written");
    std::os::unix::fs::symlink(&target, &path).expect("a link");
    let mut registry = load(&path);
    registry.put(entry("x", "https://x.example"));
    registry.save().expect("written");
    assert!(std::fs::symlink_metadata(&path).expect("there").is_symlink());
    assert_eq!(std::fs::metadata(&target).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(load(&path).servers().len(), 1);
}
