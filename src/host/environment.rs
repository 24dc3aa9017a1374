//! What a Host learns from the environment of its process.

use crate::failure::{Code, Failure};
use crate::secret::StoreKind;

/// Whether there is a display, and so perhaps a person in front of it.
pub fn has_display() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// Where `DRAWBRIDGE_SECRETS` has secrets kept.
///
/// # Errors
/// It names no store.
pub fn store_kind() -> Result<StoreKind, Failure> {
    match std::env::var("DRAWBRIDGE_SECRETS").as_deref() {
        Err(_) | Ok("" | "keychain") => Ok(StoreKind::Keychain),
        Ok("file") => Ok(StoreKind::File),
        Ok("memory") => Ok(StoreKind::Memory),
        Ok(_) => Err(Failure::new(
            Code::Invalid,
            "DRAWBRIDGE_SECRETS names no secret store",
            "Set it to keychain, file or memory, or leave it away",
        )),
    }
}
