//! A sign-in that the person starts in the app, from its page to the first look at the server.

use drawbridge::failure::{Code, Failure};
use drawbridge::host::account::OpenWith;
use drawbridge::host::{AccountRef, HostHandle, failures};

/// Signs in to an account and looks at the server, so that the next client starts with its tools.
///
/// # Errors
/// Why the sign-in did not begin, or how it ended.
pub(crate) async fn sign_in(host: &HostHandle, account: &AccountRef) -> Result<(), Failure> {
    let of_account = |error| failures::of_account(&account.server, &error);
    let handle = host.account(account).await?;
    host.not_while_paused()?;
    if handle.is_unattended() {
        handle.obtain().await.map_err(of_account)?;
        look(host, account).await;
        return Ok(());
    }
    let sign_in = host.sign_in(account, OpenWith::Host).await?;
    if sign_in.not_opened.is_some() {
        handle.cancel_sign_in().await;
        return Err(no_page());
    }
    sign_in.outcome().await.map_err(|error| failures::of_oauth(&account.server, &error))?;
    look(host, account).await;
    Ok(())
}

/// Signed in is signed in, whatever the server says now; its state shows what is wrong.
async fn look(host: &HostHandle, account: &AccountRef) {
    if let Err(failure) = host.probe(account).await {
        tracing::info!(server = %account.server, "{}", failure.sentence);
    }
}

fn no_page() -> Failure {
    Failure::new(
        Code::SignInFailed,
        "No browser could be opened for the sign-in",
        "Choose a default browser in your desktop's settings and try again",
    )
}
