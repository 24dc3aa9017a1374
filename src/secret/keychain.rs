//! The OS keychain: Secret Service on Linux, the login keychain on macOS, the credential manager on Windows.
//!
//! The store is opened at its first use and again after a failure, because the keychain's daemon may start late or
//! be restarted while we live.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::{CredentialStore, Entry};

use super::{Bytes, Error, SecretStore};

/// The service name of all our items.
const SERVICE: &str = "drawbridge";

#[cfg(target_os = "linux")]
const WAY_OUT: &str = "start a keychain such as GNOME Keyring or KWallet, or set DRAWBRIDGE_SECRETS=file";
#[cfg(not(target_os = "linux"))]
const WAY_OUT: &str = "sign in to your desktop, or set DRAWBRIDGE_SECRETS=file";

/// The keychain of the current user.
#[derive(Default)]
pub(crate) struct Keychain {
    open: Option<Arc<CredentialStore>>,
}

impl Keychain {
    /// Runs one call; a broken connection is opened anew and the call made once more, which is safe because every
    /// call of ours may run twice.
    fn call<T>(
        &mut self,
        name: &str,
        run: impl Fn(&Entry) -> Result<T, keyring_core::Error>,
    ) -> Result<Option<T>, Error> {
        let was_open = self.open.is_some();
        match self.entry(name).and_then(|entry| run(&entry)) {
            Ok(value) => Ok(Some(value)),
            Err(keyring_core::Error::NoEntry) => Ok(None),
            Err(keyring_core::Error::PlatformFailure(why)) if was_open => {
                tracing::debug!(%why, "keychain connection failed, opening it anew");
                self.open = None;
                match self.entry(name).and_then(|entry| run(&entry)) {
                    Ok(value) => Ok(Some(value)),
                    Err(keyring_core::Error::NoEntry) => Ok(None),
                    Err(error) => Err(self.failed(error)),
                }
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn entry(&mut self, name: &str) -> Result<Entry, keyring_core::Error> {
        let store = match &self.open {
            Some(store) => store.clone(),
            None => self.open.insert(connect()?).clone(),
        };
        store.build(SERVICE, name, modifiers().as_ref())
    }

    fn failed(&mut self, error: keyring_core::Error) -> Error {
        // Not Display of the whole error: two of its variants carry the stored bytes.
        match error {
            keyring_core::Error::NoStorageAccess(why) => {
                Error::Locked { why: format!("unlock your keychain, or create a default one ({why})") }
            }
            keyring_core::Error::PlatformFailure(why) => {
                if self.open.take().is_none() {
                    return Error::Unavailable { why: format!("{WAY_OUT} ({why})") };
                }
                Error::Failed { why: why.to_string() }
            }
            keyring_core::Error::Ambiguous(found) => {
                Error::Failed { why: format!("{} items have the same name", found.len()) }
            }
            keyring_core::Error::TooLong(what, limit) => {
                Error::Failed { why: format!("{what} is longer than {limit}") }
            }
            keyring_core::Error::BadStoreFormat(why) | keyring_core::Error::NotSupportedByStore(why) => {
                Error::Failed { why }
            }
            keyring_core::Error::NoDefaultStore => Error::Unavailable { why: WAY_OUT.to_owned() },
            // `keyring_core::Error` may grow.
            keyring_core::Error::NoEntry
            | keyring_core::Error::BadEncoding(_)
            | keyring_core::Error::BadDataFormat(..)
            | keyring_core::Error::Invalid(..)
            | _ => Error::Failed { why: "it refused the item".to_owned() },
        }
    }
}

impl SecretStore for Keychain {
    fn read(&mut self, name: &str) -> Result<Option<Bytes>, Error> {
        self.call(name, |entry| entry.get_secret().map(Bytes::new))
    }

    fn write(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.call(name, |entry| entry.set_secret(value)).map(drop)
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        self.call(name, Entry::delete_credential).map(drop)
    }

    fn probe(&mut self) -> Result<(), Error> {
        // A locked keychain shows itself only where there is an item to read or one to write.
        match self.read("probe")? {
            Some(_) => Ok(()),
            None => self.write("probe", b"Drawbridge can store secrets here"),
        }
    }
}

#[cfg(target_os = "linux")]
fn connect() -> Result<Arc<CredentialStore>, keyring_core::Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn connect() -> Result<Arc<CredentialStore>, keyring_core::Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn connect() -> Result<Arc<CredentialStore>, keyring_core::Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

/// What the person sees in the keychain's own window.
fn modifiers() -> Option<HashMap<&'static str, &'static str>> {
    cfg!(target_os = "linux").then(|| HashMap::from([("label", "Drawbridge")]))
}
