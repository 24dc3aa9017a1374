//! Becoming the Host of this home. A Host without a window makes place; one with a window is the
//! first instance of this app, and is asked to show it instead.

use std::time::Duration;

use drawbridge::api::types::ShowWindow;
use drawbridge::cli::client::{Client, NOTHING};
use drawbridge::endpoint::{self, Claim, Place};
use drawbridge::failure::{Code, Failure};
use http::Method;
use tokio::time::{sleep, timeout};

/// How long the Host before may take to end, with the last words of its sessions.
const LIMIT: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How a start goes on.
pub(crate) enum Start {
    /// As the Host.
    Host(Claim),
    /// Not at all: the app runs already, and has shown the view.
    Shown,
}

/// Becomes the Host, or has the app that runs show the view, if one is given.
///
/// # Errors
/// The place cannot be used, or the Host that runs does not make place.
pub(crate) async fn claim(place: &Place, view: Option<&str>) -> Result<Start, Failure> {
    match timeout(LIMIT, claim_or_show(place, view)).await {
        Ok(start) => start,
        Err(_) => Err(Failure::new(
            Code::TimedOut,
            "Another Drawbridge is running and does not end",
            "End it with `drawbridge serve --stop`, then start the app again",
        )),
    }
}

async fn claim_or_show(place: &Place, view: Option<&str>) -> Result<Start, Failure> {
    loop {
        match endpoint::claim(place) {
            Ok(claim) => return Ok(Start::Host(claim)),
            Err(endpoint::Error::AlreadyRunning) => {}
            Err(error) => return Err(error.failure()),
        }
        // It may be just starting or just ending, and then says nothing.
        if let Ok(Some(mut running)) = Client::connect_to_running().await {
            let wish = ShowWindow { view: view.map(str::to_owned) };
            if running.tell(Method::POST, "/window", Some(&wish)).await.is_ok() {
                return Ok(Start::Shown);
            }
            running.tell(Method::POST, "/shutdown", NOTHING).await.ok();
        }
        sleep(LOOK_AGAIN).await;
    }
}
