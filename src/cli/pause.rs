//! `drawbridge pause` and `drawbridge resume`.

use http::Method;

use super::client::{Client, NOTHING};
use super::output;
use crate::failure::Failure;

/// Has the Host leave all servers alone; starts one where none runs, as the next client would.
pub(super) async fn pause() -> Result<(), Failure> {
    Client::connect().await?.tell(Method::POST, "/pause", NOTHING).await?;
    output::tell(
        "Drawbridge leaves all servers alone until `drawbridge resume`, or until it is started anew.",
    );
    Ok(())
}

/// Has it use them again.
pub(super) async fn resume() -> Result<(), Failure> {
    match Client::connect_to_running().await? {
        None => output::tell("Drawbridge is not running, so nothing is paused."),
        Some(mut client) => {
            client.tell(Method::POST, "/resume", NOTHING).await?;
            output::tell("Drawbridge uses servers again.");
        }
    }
    Ok(())
}
