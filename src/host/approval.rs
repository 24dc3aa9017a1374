//! Whether a program's configuration may bring an address, or send a secret, that nobody
//! approved (security rule 4).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use url::Url;

use super::Error;
use super::settings::ConnectUrl;
use crate::api::types::ServerOptions;
use crate::redact::{SafeUrl, plain};
use crate::registry::ServerName;

/// What a program wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The address.
    pub url: SafeUrl,
    /// Whether no server has it yet.
    pub is_new: bool,
    /// Names of the secrets that would be sent there for the first time.
    pub references: Vec<String>,
}

/// Asks the person; the tray does.
pub trait Approver: Send + Sync {
    /// Returns whether the person agreed. Waits as long as the question is shown.
    fn approve(&self, wanted: Wanted) -> BoxFuture<'_, bool>;
}

/// How approvals are given.
pub(super) struct Approvals {
    pub(super) rule: ConnectUrl,
    pub(super) approver: Option<Arc<dyn Approver>>,
}

impl Approvals {
    /// Decides; returns when it is fine.
    ///
    /// # Errors
    /// [`Error::NotApproved`]
    pub(super) async fn decide(&self, url: &Url, name: &ServerName, wanted: Wanted) -> Result<(), Error> {
        let agreed = match (self.rule, &self.approver) {
            (ConnectUrl::Allow, _) => {
                tracing::info!(url = %wanted.url, new = wanted.is_new, references = ?shown(&wanted), "allowed without asking");
                true
            }
            (ConnectUrl::Ask, Some(approver)) => approver.approve(wanted.clone()).await,
            (ConnectUrl::Ask, None) | (ConnectUrl::Never, _) => false,
        };
        if agreed { Ok(()) } else { Err(refusal(url, name, &wanted)) }
    }
}

fn refusal(url: &Url, name: &ServerName, wanted: &Wanted) -> Error {
    let references = shown(wanted);
    let what = match (wanted.is_new, references.is_empty()) {
        (_, true) => wanted.url.to_string(),
        (true, false) => format!("{} with {}", wanted.url, references.join(", ")),
        (false, false) => format!("{} for {}", references.join(", "), wanted.url),
    };
    let command = match (wanted.is_new, url.query().is_some()) {
        (true, false) => format!("drawbridge add {name} {}", wanted.url),
        (true, true) => format!("drawbridge add {name} URL"),
        (false, _) => format!("drawbridge edit {name}"),
    };
    Error::NotApproved { what, command, with_options: !references.is_empty() }
}

/// What a program may bring with an address, even where addresses need no approval: options that
/// decide where tokens go, or who can read them on the way, would hold for every later client.
///
/// # Errors
/// [`Error::NotApproved`]
pub(super) fn only_harmless(url: &Url, name: &ServerName, given: &ServerOptions) -> Result<(), Error> {
    let options = given.routing();
    if options.is_empty() {
        return Ok(());
    }
    let what = format!("{} with {}", SafeUrl::from(url), options.join(", "));
    let command = match url.query() {
        None => format!("drawbridge add {name} {}", SafeUrl::from(url)),
        Some(_) => format!("drawbridge add {name} URL"),
    };
    Err(Error::NotApproved { what, command, with_options: true })
}

fn shown(wanted: &Wanted) -> Vec<String> {
    wanted.references.iter().map(|reference| plain(reference, 120)).collect()
}
