//! Log messages for clients. A legacy one sets its level once; a modern one with every request
//! that wants any.

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, LoggingLevel, LoggingMessageNotificationParam};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::json;

use crate::gate::eras::MODERN;
use crate::mcp::calls::text;

const LEVELS: [LoggingLevel; 4] =
    [LoggingLevel::Debug, LoggingLevel::Info, LoggingLevel::Warning, LoggingLevel::Error];

/// Logs a message of each of a few levels, as far as the client wants to hear them. `of_session`
/// is what a legacy client set.
pub(super) async fn log(
    of_session: Option<LoggingLevel>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let is_modern = context.protocol_version().is_some_and(|version| version.as_str() >= MODERN);
    let wanted = if is_modern { context.meta.log_level() } else { of_session };
    let Some(wanted) = wanted else { return Ok(text("Nobody listens.")) };
    for level in LEVELS.into_iter().filter(|level| severity(*level) >= severity(wanted)) {
        let message = LoggingMessageNotificationParam::new(level, json!("The bridge creaks"));
        let told = context.peer.notify_logging_message(message).await;
        told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    }
    Ok(text("It was logged."))
}

fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
