//! WebKitGTK, loaded with the first window. An icon with its menu needs none of it, and the loader works longer on
//! it than all the rest of the start takes.
//!
//! The program has an entry of its own for each function of WebKit (`build/webkit.rs` writes them), so it links and
//! starts without the library. An entry goes on to where its slot points; [`load`] has the slots point into the
//! library. Nothing of WebKit may be used before, save its version.

#[cfg(target_os = "linux")]
pub(crate) use on_demand::load;

/// Elsewhere the system has it loaded.
///
/// # Errors
/// There is none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn load() -> Result<(), drawbridge::failure::Failure> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod on_demand {
    use std::ffi::{CStr, c_uint};
    use std::sync::atomic::{AtomicPtr, Ordering};
    use std::sync::{Mutex, PoisonError};

    use drawbridge::failure::{Code, Failure};
    use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};

    use crate::desktop;

    const LIBRARY: &str = "libwebkit2gtk-4.1.so.0";

    // The functions, `NAMES`; where each goes, `SLOTS`; and the entries.
    include!(concat!(env!("OUT_DIR"), "/webkit_entries.rs"));

    /// Where an entry goes before the library is there, and for good if it has no such function.
    extern "C" fn not_loaded() {
        desktop::tell("WebKitGTK was used before it was loaded, or is older than the one of the build");
        std::process::abort();
    }

    /// Of what version it is, before it is there: Tauri looks whether it gets an answer.
    extern "C" fn no_version() -> c_uint {
        0
    }

    /// Loads it, if it is not there yet; that takes about a tenth of a second.
    ///
    /// # Errors
    /// It is not installed, or broken.
    pub(crate) fn load() -> Result<(), Failure> {
        static IS_LOADED: Mutex<bool> = Mutex::new(false);
        let mut is_loaded = IS_LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_loaded {
            return Ok(());
        }
        // SAFETY: what runs on loading it is WebKit's own, as if the program were linked with it.
        let library = unsafe { Library::open(Some(LIBRARY), RTLD_LAZY | RTLD_LOCAL) };
        let library = library.map_err(|error| {
            tracing::error!(%error, "WebKitGTK cannot be loaded");
            missing()
        })?;
        for (name, slot) in NAMES.iter().zip(&SLOTS) {
            // SAFETY: nothing is done with the function but going there, by callers who know its arguments.
            if let Ok(function) = unsafe { library.get::<extern "C" fn()>(name.to_bytes_with_nul()) } {
                slot.store(*function as *mut (), Ordering::Release);
            }
        }
        // Its types and threads outlive every window.
        std::mem::forget(library);
        *is_loaded = true;
        Ok(())
    }

    fn missing() -> Failure {
        Failure::new(
            Code::Internal,
            "WebKitGTK 4.1, which shows windows, is missing or broken",
            "Install it (Debian: libwebkit2gtk-4.1-0, Fedora: webkit2gtk4.1) and try again",
        )
    }
}
