//! The accounts whose tasks run. While those of a server are being ended, none of its accounts is started: two tasks of
//! one account would renew with the same token, and a task that starts too early would read what is being deleted.

use std::collections::HashMap;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::account::{AccountHandle, AccountKey};
use crate::registry::ServerId;

/// An account whose task runs.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) handle: AccountHandle,
    /// Ends the task.
    pub(super) stop: CancellationToken,
}

/// What is known of an account.
#[derive(Debug)]
pub(super) enum Found {
    /// Its task runs.
    Live(Live),
    /// The accounts of its server are being ended; ask again after that.
    Closed(CancellationToken),
    /// Its task may be started.
    Nothing,
}

/// Keeps the accounts of a server from being started or handed out.
#[must_use]
#[derive(Debug)]
pub(super) struct Closed(#[expect(dead_code, reason = "it acts when it is dropped")] DropGuard);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct LiveAccounts {
    running: HashMap<AccountKey, Live>,
    closed: HashMap<ServerId, Vec<CancellationToken>>,
}

impl LiveAccounts {
    /// Closes a server's accounts, until the answer is dropped. Those that run, run on.
    pub(super) fn close(&mut self, id: &ServerId) -> Closed {
        let opened = CancellationToken::new();
        let all = self.closed.entry(id.clone()).or_default();
        all.retain(|opened| !opened.is_cancelled());
        all.push(opened.clone());
        Closed(opened.drop_guard())
    }

    /// What is known of an account, for those who want to use it.
    pub(super) fn find(&self, key: &AccountKey) -> Found {
        let closed = self.closed.get(&key.entry).into_iter().flatten();
        if let Some(opened) = { closed }.find(|opened| !opened.is_cancelled()) {
            return Found::Closed(opened.clone());
        }
        self.running.get(key).cloned().map_or(Found::Nothing, Found::Live)
    }

    /// An account that runs, for those who only look.
    pub(super) fn get(&self, key: &AccountKey) -> Option<&Live> {
        self.running.get(key)
    }

    /// The accounts of a server that run.
    pub(super) fn of<'a>(&'a self, id: &'a ServerId) -> impl Iterator<Item = (&'a AccountKey, &'a Live)> {
        self.running.iter().filter(move |(key, _)| key.entry == *id)
    }

    /// Adds one that was started.
    pub(super) fn insert(&mut self, key: AccountKey, live: Live) {
        self.running.insert(key, live);
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, key: &AccountKey) -> Option<Live> {
        self.running.remove(key)
    }

    /// Takes those of a server out.
    pub(super) fn take(&mut self, id: &ServerId) -> Vec<Live> {
        self.running.extract_if(|key, _| key.entry == *id).map(|(_, live)| live).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_stays_closed_until_everybody_who_closed_it_is_done() {
        let mut accounts = LiveAccounts::default();
        let (id, other) = (ServerId::random(), ServerId::random());
        let key = |entry: &ServerId| AccountKey { entry: entry.clone(), label: "default".to_owned() };
        let (first, second) = (accounts.close(&id), accounts.close(&id));
        assert!(matches!(accounts.find(&key(&other)), Found::Nothing));
        drop(second);
        let Found::Closed(opened) = accounts.find(&key(&id)) else { panic!("it is open") };
        drop(first);
        opened.cancelled().await;
        assert!(matches!(accounts.find(&key(&id)), Found::Nothing));
    }
}
