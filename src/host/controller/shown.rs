//! What others see of the controller's state: servers, sign-ins and kept profiles, as they stand now.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::{Job, State};
use crate::api::types::{AccountStateView, ServerView};
use crate::host::account::{AccountKey, AccountState, Elsewhere, Served};
use crate::host::reach::AttemptsByEntry;
use crate::host::{Error, view};
use crate::oauth::Issuer;
use crate::registry::{AccountLabel, ServerEntry, ServerName};

impl State {
    pub(super) fn publish(&mut self) {
        self.publish_served();
        self.publish_kept_profiles();
        let servers: Vec<_> = self.registry.servers().iter().map(|entry| self.view(entry)).collect();
        self.views.send_if_modified(|shown| {
            let is_new = **shown != servers;
            if is_new {
                *shown = Arc::new(servers);
            }
            is_new
        });
    }

    fn publish_served(&self) {
        let of = |entry: &ServerEntry| {
            let server = |issuer: &String| Elsewhere {
                server_name: entry.name.to_string(),
                server_url: entry.url.clone(),
                issuer: Issuer::new(issuer.as_str()),
            };
            let issuers = entry.accounts.iter().filter_map(|account| account.issuer.as_ref());
            issuers
                .map(|issuer| Served { entry: entry.id.clone(), server: server(issuer) })
                .collect::<Vec<_>>()
        };
        let served: Vec<_> = self.registry.servers().iter().flat_map(of).collect();
        self.served.send_if_modified(|known| {
            let is_new = **known != served;
            if is_new {
                *known = Arc::new(served);
            }
            is_new
        });
    }

    fn publish_kept_profiles(&self) {
        let of = |entry: &ServerEntry| {
            let key = |label: &AccountLabel| AccountKey { entry: entry.id.clone(), label: label.to_string() };
            entry.kept_profiles.iter().map(key).collect::<Vec<_>>()
        };
        let kept: BTreeSet<_> = self.registry.servers().iter().flat_map(of).collect();
        self.kept_profiles.send_if_modified(|known| {
            let is_new = **known != kept;
            if is_new {
                *known = Arc::new(kept);
            }
            is_new
        });
    }

    fn view(&self, entry: &ServerEntry) -> ServerView {
        let live = self.accounts.of(&entry.id);
        let further = live.filter_map(|(key, live)| {
            let label = key.label.parse::<AccountLabel>().ok()?;
            let is_worth_showing = !matches!(*live.handle.state().borrow(), AccountState::Unknown);
            (is_worth_showing && !entry.has_account(&label)).then_some(label)
        });
        let attempts = self.reach.borrow();
        view::of_server(entry, further, attempts.get(entry.id.as_str()), |label| self.state_of(entry, label))
    }

    fn state_of(&self, entry: &ServerEntry, label: &AccountLabel) -> AccountStateView {
        let key = AccountKey { entry: entry.id.clone(), label: label.to_string() };
        match self.accounts.get(&key) {
            Some(live) => view::of_account(&entry.name, &live.handle.state().borrow()),
            None => AccountStateView::Unknown,
        }
    }

    pub(in crate::host) fn view_of(&self, name: &ServerName) -> Result<ServerView, Error> {
        self.by_name(name.as_str()).map(|entry| self.view(&entry))
    }
}

/// Has the views follow what sessions learn about servers.
pub(super) async fn show_attempts(
    mut attempts: watch::Receiver<AttemptsByEntry>,
    jobs: mpsc::WeakSender<Job>,
) {
    while attempts.changed().await.is_ok() {
        let Some(jobs) = jobs.upgrade() else { return };
        if jobs.send(Box::new(State::publish)).await.is_err() {
            return;
        }
    }
}
