//! What lies in the session's keychain (Secret Service).

use std::collections::HashMap;

use zbus::Connection;
use zbus::zvariant::OwnedObjectPath;

/// How many things it keeps.
pub(crate) async fn number_of_items(bus: &Connection) -> usize {
    let everything = HashMap::<String, String>::new();
    let answer = bus
        .call_method(
            Some("org.freedesktop.secrets"),
            "/org/freedesktop/secrets",
            Some("org.freedesktop.Secret.Service"),
            "SearchItems",
            &everything,
        )
        .await
        .unwrap();
    let (unlocked, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        answer.body().deserialize().unwrap();
    unlocked.len() + locked.len()
}
