//! What stands between an account and an open session, found out without changing anything: nobody is signed in, no
//! client is registered, nothing is kept. A token that is due is renewed, as for any request.

mod failures;
mod steps;
mod walk;

use futures_util::{StreamExt as _, stream};

use self::walk::Walk;
use super::{AccountRef, Error, HostHandle};
use crate::api::types::ServerCheckup;
use crate::registry::{AccountLabel, ServerEntry};

/// Servers that are looked at side by side.
const AT_ONCE: usize = 8;

impl HostHandle {
    /// Looks at a server as one of its accounts meets it.
    ///
    /// # Errors
    /// [`Error::UnknownServer`] or [`Error::UnknownAccount`]; what is wrong with a known one is in the answer.
    pub async fn checkup(&self, account: &AccountRef) -> Result<ServerCheckup, Error> {
        let entry = self.entry(&account.server).await?;
        let usual = entry.default_account();
        let label = account.label.clone().unwrap_or_else(|| usual.clone());
        if label != usual && !entry.has_account(&label) {
            return Err(Error::UnknownAccount { server: entry.name, label });
        }
        Ok(self.checkup_of(entry, label).await)
    }

    /// Looks at every account of every server.
    ///
    /// # Errors
    /// [`Error::Stopped`]
    pub async fn checkup_of_all(&self) -> Result<Vec<ServerCheckup>, Error> {
        let accounts = self.entries().await?.into_iter().flat_map(accounts_of);
        let looking = accounts.map(|(entry, label)| self.checkup_of(entry, label));
        Ok(stream::iter(looking.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await)
    }

    async fn checkup_of(&self, entry: ServerEntry, label: AccountLabel) -> ServerCheckup {
        let (server, account) = (entry.name.clone(), label.clone());
        let checks = Walk { host: self, entry, label }.run().await;
        ServerCheckup { server, account, checks }
    }
}

/// The accounts of a server; one that nobody has signed in to has its usual one.
fn accounts_of(entry: ServerEntry) -> Vec<(ServerEntry, AccountLabel)> {
    let stored: Vec<_> = entry.accounts.iter().map(|account| account.label.clone()).collect();
    let labels = if stored.is_empty() { vec![entry.default_account()] } else { stored };
    labels.into_iter().map(|label| (entry.clone(), label)).collect()
}
