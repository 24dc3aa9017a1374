//! The vault on a real Secret Service. Runs under a private D-Bus session with an unlocked keychain of its own; the
//! suite fails where there is none.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]
#![cfg(target_os = "linux")]

use std::process::Command;

use drawbridge::secret::{Error, ItemName, StoreKind, Vault, VaultState};
use secrecy::{ExposeSecret, SecretString};

fn vault(home: &str) -> Vault {
    Vault::open(StoreKind::Keychain, home, std::path::Path::new("/nonexistent"))
}

fn home() -> String {
    format!("home-{:08x}", rand::random::<u32>())
}

fn name(entry: &str) -> ItemName {
    ItemName::new("account", entry, "wörk/home")
}

async fn stored(vault: &Vault, entry: &str) -> Option<String> {
    vault.read(&name(entry)).await.unwrap().map(|secret| secret.expose_secret().to_owned())
}

#[tokio::test]
async fn a_secret_survives_the_vault_that_wrote_it() {
    let home = home();
    let first = vault(&home);
    assert_eq!(first.state().await, VaultState::Ready);
    assert_eq!(stored(&first, "a").await, None);
    first.write(&name("a"), SecretString::from("rt-1")).await.unwrap();
    first.write(&name("a"), SecretString::from("rt-2 ✓")).await.unwrap();
    drop(first);
    let second = vault(&home);
    assert_eq!(stored(&second, "a").await.as_deref(), Some("rt-2 ✓"));
    second.delete(&name("a")).await.unwrap();
    second.delete(&name("a")).await.unwrap();
    assert_eq!(stored(&second, "a").await, None);
}

#[tokio::test]
async fn a_long_secret_is_kept_in_parts() {
    let vault = vault(&home());
    let (long, longer) = ("a".repeat(9_000), "b".repeat(12_000));
    vault.write(&name("l"), SecretString::from(long.as_str())).await.unwrap();
    assert_eq!(stored(&vault, "l").await, Some(long));
    vault.write(&name("l"), SecretString::from(longer.as_str())).await.unwrap();
    assert_eq!(stored(&vault, "l").await, Some(longer));
    vault.delete(&name("l")).await.unwrap();
    assert_eq!(stored(&vault, "l").await, None);
}

#[tokio::test]
async fn two_homes_share_nothing() {
    let (one, two) = (vault(&home()), vault(&home()));
    one.write(&name("a"), SecretString::from("mine")).await.unwrap();
    assert_eq!(stored(&two, "a").await, None);
    one.delete(&name("a")).await.unwrap();
}

#[tokio::test]
async fn many_callers_share_the_one_thread() {
    let vault = vault(&home());
    let writes = (0..20).map(|at| {
        let vault = vault.clone();
        async move { vault.write(&name(&format!("m{at}")), SecretString::from(format!("v{at}"))).await }
    });
    futures_util::future::try_join_all(writes).await.unwrap();
    for at in 0..20 {
        assert_eq!(stored(&vault, &format!("m{at}")).await, Some(format!("v{at}")));
        vault.delete(&name(&format!("m{at}"))).await.unwrap();
    }
}

/// Another process, because the address of the bus is in the environment.
#[test]
fn without_a_keychain_the_vault_says_so_and_writes_nothing() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_without_a_bus", "--ignored", "--nocapture"])
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .env("XDG_RUNTIME_DIR", "/nonexistent")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A session of its own, whose keychain nobody has unlocked and where nobody could be asked to.
#[test]
fn a_locked_keychain_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new("dbus-run-session")
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "helper_with_a_locked_keychain", "--ignored", "--nocapture"])
        .envs(["HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, home.path())))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("GNOME_KEYRING_CONTROL")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "is run by another test, in a session with a locked keychain"]
async fn helper_with_a_locked_keychain() {
    let vault = vault("locked");
    let state = vault.state().await;
    assert!(matches!(&state, VaultState::Locked { why } if why.contains("unlock")), "{state:?}");
    assert!(matches!(vault.write(&name("a"), SecretString::from("rt")).await, Err(Error::Locked { .. })));
}

#[tokio::test]
#[ignore = "is run by another test, in an environment without a bus"]
async fn helper_without_a_bus() {
    let vault = vault("nowhere");
    let VaultState::Unavailable { why } = vault.state().await else { panic!("there is a bus") };
    assert!(why.contains("DRAWBRIDGE_SECRETS=file"), "{why}");
    assert!(vault.write(&name("a"), SecretString::from("rt")).await.is_err());
    assert!(vault.read(&name("a")).await.is_err());
}
