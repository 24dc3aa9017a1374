//! The accounts of a Host's servers: their tasks, and how they end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::account::{
    self, AccountDeps, AccountHandle, AccountKey, AccountLimits, AccountSpec, AccountState, Clock,
};
use super::activity::Busy;
use super::connection::ConnectionKey;
use super::live::{Closed, Found, Live};
use super::options::Server;
use super::session::probe::{Probe, probe};
use super::{Error, HostHandle, dialling, failures};
use crate::api::types::{PastedRedirect, ProbeView, ServerOptions};
use crate::failure::Failure;
use crate::oauth;
use crate::oauth::registration::Registrations;
use crate::redact::plain;
use crate::registry::{AccountLabel, ServerEntry, ServerId};

/// How long a sign-out at the server may hold up the one here.
const SIGN_OUT_LIMIT: Duration = Duration::from_secs(15);
/// How long an account may take to end: a little more than it gives itself for its last words.
const END_LIMIT: Duration = Duration::from_secs(8);
/// How long those who want an account wait for others to be ended: a little more than all of that takes.
const CLOSED_LIMIT: Duration = Duration::from_secs(30);
/// How long a list of servers waits for accounts that have just been started.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// One account, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRef {
    /// The server's name.
    pub server: String,
    /// The account's label; `None` for the default one.
    pub label: Option<AccountLabel>,
}

impl HostHandle {
    /// An account's handle; its task starts with the first question for it. A label that is not
    /// known yet becomes an account once somebody signs in with it.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], or why the account's secrets cannot be read.
    pub async fn account(&self, account: &AccountRef) -> Result<AccountHandle, Error> {
        let entry = self.entry(&account.server).await?;
        let label = account.label.clone().unwrap_or_else(|| entry.default_account());
        Ok(self.live(&entry, &label).await?.handle)
    }

    /// Looks at a server as one of its accounts sees it, and keeps what it says for clients that
    /// start later.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn probe(&self, account: &AccountRef) -> Result<Probe, Failure> {
        let entry = self.entry(&account.server).await?;
        let usual = entry.default_account();
        let label = account.label.clone().unwrap_or_else(|| usual.clone());
        // The usual account may not be stored yet.
        if label != usual && !entry.has_account(&label) {
            return Err(Error::UnknownAccount { server: entry.name, label }.into());
        }
        self.probe_as(&entry, &label).await
    }

    /// As [`probe`](Self::probe), for an account that may be new.
    pub(super) async fn probe_as(&self, entry: &ServerEntry, label: &AccountLabel) -> Result<Probe, Failure> {
        self.not_while_paused()?;
        let (entry, standing) = self.watched_entry(entry.name.as_str()).await?;
        let connection = self.connect(entry, standing, label.clone(), &ServerOptions::default()).await?;
        probe(self.session_deps(), connection).await
    }

    /// Looks at a server as one of its accounts sees it, in words fit to be shown.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub async fn probe_view(&self, account: &AccountRef) -> Result<ProbeView, Failure> {
        let probe = self.probe(account).await?;
        Ok(ProbeView {
            server: plain(&probe.server, 100),
            protocol_version: plain(&probe.protocol_version, 20),
            tools: probe.tools,
        })
    }

    /// Takes a redirect URL that a person pasted. How the sign-in goes on is told to whoever
    /// watches it; only what leaves it waiting is an error here.
    ///
    /// # Errors
    /// It is none, belongs to another sign-in, or there is no sign-in.
    pub async fn take_redirect(&self, account: &AccountRef, pasted: &PastedRedirect) -> Result<(), Failure> {
        let handle = self.account(account).await?;
        let failed = handle.sign_in_redirect(pasted.url.expose()).await.err();
        let still_waits = |error: &account::Error| match error {
            account::Error::OAuth(error) => {
                matches!(**error, oauth::Error::NotARedirect | oauth::Error::StateMismatch)
            }
            account::Error::NoSignIn => true,
            account::Error::SignedOut { .. }
            | account::Error::Vault(_)
            | account::Error::NotAgain
            | account::Error::Stopped => false,
        };
        match failed.filter(still_waits) {
            Some(error) => Err(failures::of_account(&account.server, &error)),
            None => Ok(()),
        }
    }

    /// Signs an account out: at the server if that can be reached, here in any case. Whether there was
    /// anything to sign out of.
    ///
    /// # Errors
    /// [`Error::UnknownAccount`], or why the tokens could not be deleted here.
    pub async fn sign_out(&self, account: &AccountRef) -> Result<bool, Error> {
        let entry = self.entry(&account.server).await?;
        let label = account.label.clone().unwrap_or_else(|| entry.default_account());
        let is_known = entry.has_account(&label) || label == entry.default_account();
        if !is_known {
            return Err(Error::UnknownAccount { server: entry.name, label });
        }
        let live = self.live(&entry, &label).await?;
        let is_signed_out = matches!(*live.handle.state().borrow(), AccountState::SignedOut { .. });
        let was_signed_in = entry.has_account(&label) && !is_signed_out;
        self.forget_answers(&entry.id, &label).await;
        let signed_out = live.handle.sign_out().await;
        // What came while the tokens were still good goes, too.
        self.forget_answers(&entry.id, &label).await;
        self.forget_profile(&entry.id, &label).await;
        signed_out.map_err(|error| Error::OAuth { server: entry.name, error })?;
        Ok(was_signed_in)
    }

    /// Signs every account of every server out.
    ///
    /// # Errors
    /// The first one that did not work; the others were still tried.
    pub async fn sign_out_all(&self) -> Result<usize, Error> {
        let entries = self.entries().await?;
        let mut outcome = Ok(0);
        for entry in entries {
            for account in entry.accounts {
                let account = AccountRef { server: entry.name.to_string(), label: Some(account.label) };
                let one = self.sign_out(&account).await;
                outcome = match (outcome, one) {
                    (Ok(count), Ok(was_signed_in)) => Ok(count + usize::from(was_signed_in)),
                    (Ok(_), Err(error)) | (Err(error), _) => Err(error),
                };
            }
        }
        outcome
    }

    /// Signs an account out and forgets it.
    ///
    /// # Errors
    /// As [`sign_out`](Self::sign_out).
    pub async fn remove_account(&self, account: &AccountRef) -> Result<(), Error> {
        self.sign_out(account).await?;
        let entry = self.entry(&account.server).await?;
        let label = account.label.clone().unwrap_or_else(|| entry.default_account());
        let prefix = ConnectionKey::account_prefix(entry.id.as_str(), label.as_str());
        self.inner.controller.ask(move |state| state.remove_account(&entry.id, &label)).await??;
        self.inner.sessions.pins.forget(&prefix).await;
        Ok(())
    }

    /// Starts the tasks of all accounts and has each look at its tokens, so that their state is
    /// known and tokens stay fresh.
    pub(super) async fn wake_all(&self) {
        for entry in self.entries().await.unwrap_or_default() {
            for account in entry.accounts.clone() {
                let (host, entry) = (self.clone(), entry.clone());
                let waking = Busy::new(&self.inner.waking);
                self.inner.tasks.spawn(async move {
                    let _waking = waking;
                    match host.live(&entry, &account.label).await {
                        // How it stands is told by its state.
                        Ok(live) => drop(live.handle.access_token().await),
                        Err(error) => {
                            tracing::warn!(server = %entry.name, account = %account.label, %error, "cannot be looked at");
                        }
                    }
                });
            }
        }
    }

    /// Returns once every stored account has looked at its tokens, so that its state is known; not
    /// later than in a moment.
    pub async fn settled(&self) {
        let mut waking = self.inner.waking.subscribe();
        // Too late is no trouble: the state is then shown as it is known.
        let _ = tokio::time::timeout(SETTLE_LIMIT, waking.wait_for(|count| *count == 0)).await;
    }

    /// The task of an account, started if need be. While accounts of its server are being ended, it waits.
    pub(super) async fn live(&self, entry: &ServerEntry, label: &AccountLabel) -> Result<Live, Error> {
        let key = AccountKey { entry: entry.id.clone(), label: label.to_string() };
        let found = async {
            loop {
                let wanted = key.clone();
                let opened = match self.inner.controller.ask(move |state| state.find(&wanted)).await? {
                    Found::Live(live) => return Ok(live),
                    Found::Closed(opened) => opened,
                    Found::Nothing => match self.start(key.clone(), entry).await? {
                        Found::Live(live) => return Ok(live),
                        Found::Closed(opened) => opened,
                        Found::Nothing => return Err(Error::Stopped),
                    },
                };
                opened.cancelled().await;
            }
        };
        tokio::time::timeout(CLOSED_LIMIT, found)
            .await
            .unwrap_or_else(|_| Err(Error::Conflict { name: entry.name.clone() }))
    }

    async fn start(&self, key: AccountKey, entry: &ServerEntry) -> Result<Found, Error> {
        let server = self.stored(entry.clone()).await?;
        let spec = spec_of(&server, key.clone()).await?;
        let stop = self.inner.end.child_token();
        let deps = self.account_deps(stop.clone());
        let entry = entry.clone();
        let start = move || Live { handle: AccountHandle::spawn(spec, deps), stop };
        self.inner.controller.ask(move |state| state.start(key, &entry, start)).await?
    }

    /// An account of one connection alone, which needs nobody: it ends with the connection, and nothing of it is
    /// stored.
    pub(super) async fn unattended(
        &self,
        server: &Server,
        label: &AccountLabel,
        options: &str,
    ) -> Result<AccountHandle, Error> {
        // No label looks like this, so it is no account of the entry.
        let key = AccountKey { entry: server.entry.id.clone(), label: format!("{label}#{options}") };
        let spec = spec_of(server, key).await?;
        Ok(AccountHandle::spawn(spec, self.account_deps(self.inner.end.child_token())))
    }

    fn account_deps(&self, stop: CancellationToken) -> AccountDeps {
        AccountDeps {
            network: self.inner.network.clone(),
            vault: self.inner.vault.clone(),
            shutdown: stop,
            opener: self.inner.opener.clone(),
            windows: self.inner.windows.clone(),
            tasks: self.inner.tasks.clone(),
            limits: AccountLimits::default(),
            clock: Clock::system(),
            giving_back: self.inner.giving_back.clone(),
            served: self.inner.controller.served(),
        }
    }

    /// Starts the tasks of a server's accounts, so that they can be signed out.
    pub(super) async fn wake_accounts(&self, entry: &ServerEntry) {
        for account in &entry.accounts {
            if let Err(error) = self.live(entry, &account.label).await {
                tracing::warn!(server = %entry.name, account = %account.label, %error, "cannot be signed out");
            }
        }
    }

    /// Lets nobody have accounts of a server, until the answer is dropped.
    pub(super) async fn close_accounts(&self, entry: &ServerEntry) -> Result<Closed, Error> {
        let id = entry.id.clone();
        self.inner.controller.ask(move |state| state.close(&id)).await
    }

    /// Ends the tasks of a server's accounts, which are closed, and returns when the last has ended. `for_good` signs
    /// them out first, and forgets the clients that were registered for them.
    pub(super) async fn end_accounts(&self, entry: &ServerEntry, for_good: bool, closed: Closed) {
        if for_good {
            for account in &entry.accounts {
                self.forget_answers(&entry.id, &account.label).await;
            }
        }
        let id = entry.id.clone();
        let all = self.inner.controller.ask(move |state| state.take_live(&id)).await.unwrap_or_default();
        futures_util::future::join_all(all.into_iter().map(|live| end(entry, live, for_good))).await;
        if for_good {
            for label in &entry.kept_profiles {
                self.forget_profile(&entry.id, label).await;
            }
            let registrations = Registrations::new(self.inner.vault.clone(), entry.stored_as());
            if let Err(error) = registrations.forget_all().await {
                tracing::warn!(server = %entry.name, %error, "its clients could not be deleted");
            }
        }
        drop(closed);
    }

    /// Deletes what the server last said to an account.
    async fn forget_answers(&self, entry: &ServerId, label: &AccountLabel) {
        let prefix = ConnectionKey::account_prefix(entry.as_str(), label.as_str());
        self.inner.sessions.snapshots.delete(&prefix).await;
    }
}

/// Ends the task of one account.
async fn end(entry: &ServerEntry, live: Live, for_good: bool) {
    let Live { handle, stop } = live;
    if for_good {
        let signed_out = tokio::time::timeout(SIGN_OUT_LIMIT, handle.sign_out()).await;
        if !matches!(signed_out, Ok(Ok(()))) {
            tracing::warn!(server = %entry.name, "an account may still be signed in at the server");
        }
    }
    stop.cancel();
    if tokio::time::timeout(END_LIMIT, handle.ended()).await.is_err() {
        tracing::warn!(server = %entry.name, "an account did not end in time");
    }
}

/// What an account of this server is about.
async fn spec_of(server: &Server, key: AccountKey) -> Result<AccountSpec, Error> {
    Ok(AccountSpec {
        key,
        stored_as: server.entry.stored_as(),
        server_name: server.entry.name.to_string(),
        server_url: server.entry.url.clone(),
        settings: dialling::settings(server).await?,
        oauth: dialling::oauth(server)?,
        sign_in: server.entry.sign_in,
    })
}
