//! What the main window is told without asking.

use drawbridge::api::types::StatusView;
use serde::{Deserialize, Serialize};
use specta::Type;
use tauri_specta::Event;

use crate::approval::ApprovalView;

/// Something about a server, an account, the sessions or the HTTP endpoint changed; the whole as it
/// is now.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub(crate) struct StatusChanged(pub(crate) StatusView);

/// A question came or went; all that wait now.
#[derive(Debug, Clone, Serialize, Deserialize, Type, Event)]
pub(crate) struct ApprovalsChanged(pub(crate) Vec<ApprovalView>);
