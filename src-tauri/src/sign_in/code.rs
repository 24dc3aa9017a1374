//! Sign-ins with a code that is entered on a page elsewhere (RFC 8628).

use drawbridge::host::account::CodeSignIn;
use tauri::AppHandle;

#[cfg(target_os = "linux")]
use crate::guarded::guarded;

#[cfg(target_os = "linux")]
mod window;

/// Shows the window of a sign-in, or brings it to the front. Elsewhere than on Linux there is none yet, and
/// the sign-in is called off.
///
/// # Errors
/// What the system says.
pub(crate) fn show(app: &AppHandle, sign_in: CodeSignIn) -> tauri::Result<()> {
    #[cfg(target_os = "linux")]
    return app.run_on_main_thread(move || guarded(|| window::show(sign_in)));
    #[cfg(not(target_os = "linux"))]
    {
        tracing::warn!(app = app.package_info().name, "only `drawbridge login` can show a code here");
        sign_in.decline();
        Ok(())
    }
}
