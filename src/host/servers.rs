//! Adding, changing and removing servers, and what becomes of their secrets and accounts then.

use url::Url;

use super::handle::HostHandle;
use super::options::{self, Server, loosens};
use super::secrets::ServerSecrets;
use super::{Error, dialling};
use crate::api::types::{Changes, Edited, NewServer, ServerOptions, ServerView};
use crate::net::{self, AddressClass, ConnectionSettings};
use crate::registry::{ServerEntry, ServerId};

impl HostHandle {
    /// Adds a server. Its person asked for it, so whatever the options refer to is approved.
    ///
    /// # Errors
    /// [`Error`]; nothing was added.
    pub async fn add(&self, new: NewServer) -> Result<ServerView, Error> {
        let name = new.name.clone();
        self.add_entry(new).await?;
        self.server(name.as_str()).await
    }

    /// Changes a server. Where its secrets could go elsewhere afterwards, they are dropped.
    ///
    /// # Errors
    /// [`Error`]; nothing was changed.
    pub async fn edit(&self, name: &str, changes: Changes) -> Result<Edited, Error> {
        let before = self.stored(self.entry(name).await?).await?;
        let mut after = before.clone();
        if let Some(name) = changes.name {
            after.entry.name = name;
        }
        if let Some(url) = changes.url {
            after.entry.url = address(&url)?;
        }
        if let Some(label) = changes.default_account {
            if !before.entry.has_account(&label) {
                return Err(Error::UnknownAccount { server: before.entry.name, label });
            }
            after.entry.default_account = Some(label);
        }
        if let Some(label) = changes.keep_profile {
            if !before.entry.has_account(&label) && label != before.entry.default_account() {
                return Err(Error::UnknownAccount { server: before.entry.name, label });
            }
            after.entry.kept_profiles.insert(label);
        }
        options::check_paths(&changes.options)?;
        after.unset(&changes.unset)?;
        after.apply(&changes.options)?;
        let drops = loosens(&before.entry, &after.entry);
        if drops {
            after = after.without_secrets();
            after.apply(&changes.options)?;
            after.entry.times_dropped += 1;
        }
        self.settle_class(&mut after, &before.entry).await?;
        // Whoever asked may go away; half a change would be worse than either.
        let host = self.clone();
        let change = async move { host.put_into_effect(before, after, changes.options, drops).await };
        self.inner.tasks.spawn(change).await.map_err(|_| Error::Stopped)?
    }

    /// Stores a change, and ends what began before it.
    async fn put_into_effect(
        &self,
        before: Server,
        after: Server,
        options: ServerOptions,
        drops: bool,
    ) -> Result<Edited, Error> {
        // Another name makes no difference to what is under way.
        let renamed = before.renamed(&after.entry.name);
        let changed = drops || !renamed.same_trust(&after) || before.entry.url != after.entry.url;
        if drops {
            self.wake_accounts(&before.entry).await;
        }
        let closed = match changed {
            true => Some(self.close_accounts(&before.entry).await?),
            false => None,
        };
        let pinned = (before.entry.tools.pinned, after.entry.tools.pinned);
        if pinned == (false, true) {
            self.pin_known_tools(&before.entry).await;
        }
        let committed = self.commit(&before, &after, &options).await;
        if committed.is_err() && pinned == (false, true) {
            self.unpin_known_tools(&before.entry).await;
        }
        committed?;
        if !renamed.serves_as(&after) {
            let id = before.entry.id.clone();
            self.inner.controller.ask(move |state| state.outdate(&id)).await?.left().await;
        }
        if pinned == (true, false) {
            self.inner.sessions.pins.forget(&format!("{}.", before.entry.id)).await;
        }
        if let Some(closed) = closed {
            self.inner.sessions.reach.forget(before.entry.id.as_str());
            self.end_accounts(&before.entry, drops, closed).await;
        }
        for label in before.entry.kept_profiles.difference(&after.entry.kept_profiles) {
            self.forget_profile(&before.entry.id, label).await;
        }
        let had_something = before.entry.has_secrets() || !before.entry.accounts.is_empty();
        let server = self.server(after.entry.name.as_str()).await?;
        Ok(Edited { server, secrets_dropped: drops && had_something })
    }

    /// Removes a server, its secrets, its sign-ins and what is remembered of it.
    ///
    /// # Errors
    /// [`Error::UnknownServer`], or why the registry could not be written.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let (host, entry) = (self.clone(), self.entry(name).await?);
        let removal = async move { host.take_out(entry).await };
        self.inner.tasks.spawn(removal).await.map_err(|_| Error::Stopped)?
    }

    async fn take_out(&self, entry: ServerEntry) -> Result<(), Error> {
        let id = entry.id.clone();
        self.wake_accounts(&entry).await;
        let closed = self.close_accounts(&entry).await?;
        self.inner.controller.ask(move |state| state.remove(&id)).await??.left().await;
        self.end_accounts(&entry, true, closed).await;
        self.inner.sessions.snapshots.delete(&format!("{}.", entry.id)).await;
        self.inner.sessions.pins.forget(&format!("{}.", entry.id)).await;
        self.inner.sessions.reach.forget(entry.id.as_str());
        if let Err(error) = ServerSecrets::delete(&self.inner.vault, &entry.id).await {
            tracing::warn!(server = %entry.name, %error, "its secrets could not be deleted");
        }
        Ok(())
    }

    /// Adds an entry after checking everything about it.
    pub(super) async fn add_entry(&self, new: NewServer) -> Result<ServerEntry, Error> {
        options::check_paths(&new.options)?;
        let entry = ServerEntry::new(new.name, without_fragment(address(&new.url)?), AddressClass::Public);
        let mut server = Server { entry, secrets: ServerSecrets::default() };
        server.apply(&new.options)?;
        let free = server.entry.clone();
        self.inner.controller.ask(move |state| state.check_free(&free)).await??;
        server.entry.class = self.class_of(&server).await?;
        let settings = dialling::settings(&server).await?;
        self.inner.network.check(&server.entry.url, &settings)?;
        let Server { entry, secrets } = server;
        if !secrets.is_empty() {
            secrets.write(&self.inner.vault, &entry.id).await?;
        }
        let (added, references, url) = (entry.clone(), new.options.references(), entry.url.clone());
        let stored = self
            .inner
            .controller
            .ask(move |state| state.add(added).and_then(|()| state.approve(&url, &references)))
            .await?;
        if let Err(error) = stored {
            self.discard_secrets(&entry.id, &secrets).await;
            return Err(error);
        }
        tracing::info!(server = %entry.name, class = ?entry.class, "added");
        Ok(entry)
    }

    /// Fixes the class anew where the address changed, and checks the address in any case.
    async fn settle_class(&self, after: &mut Server, before: &ServerEntry) -> Result<(), Error> {
        after.entry.url = without_fragment(after.entry.url.clone());
        if after.entry.url.origin() != before.url.origin() {
            after.entry.class = self.class_of(after).await?;
        }
        let settings = dialling::settings(after).await?;
        Ok(self.inner.network.check(&after.entry.url, &settings)?)
    }

    /// Where the server's address lies, after checking that it may be asked at all.
    async fn class_of(&self, server: &Server) -> Result<AddressClass, Error> {
        let settings = dialling::settings(server).await?;
        // Any class is fine for a server that a person names; it is this check that finds it out.
        let any = ConnectionSettings { class: AddressClass::Loopback, ..settings.clone() };
        self.inner.network.check(&server.entry.url, &any)?;
        match self.inner.network.class_of(&server.entry.url, &settings).await {
            // A name that cannot be looked up now may be later: the strictest class holds until then.
            Err(net::Error::Dns { .. }) => Ok(AddressClass::Public),
            other => Ok(other?),
        }
    }

    /// Stores secrets, then the entry; if the entry cannot be stored, the old secrets again.
    async fn commit(&self, before: &Server, after: &Server, options: &ServerOptions) -> Result<(), Error> {
        let changed = !before.secrets.same_as(&after.secrets);
        let id = &before.entry.id;
        if changed {
            after.secrets.write(&self.inner.vault, id).await?;
        }
        let (old, new) = (before.entry.clone(), after.entry.clone());
        let (references, url) = (options.references(), new.url.clone());
        let job = self
            .inner
            .controller
            .ask(move |state| state.replace(&old, new).and_then(|()| state.approve(&url, &references)));
        let stored = job.await.and_then(|stored| stored);
        if stored.is_err() && changed {
            self.discard_secrets(id, &before.secrets).await;
        }
        stored
    }

    /// Puts the vault back to how it was before a change that did not happen.
    async fn discard_secrets(&self, id: &ServerId, before: &ServerSecrets) {
        if let Err(error) = before.write(&self.inner.vault, id).await {
            tracing::warn!(%error, "a change that failed could not be undone in the secret store");
        }
    }
}

fn address(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|_| Error::NotAnAddress)
}

/// A fragment never reaches a server.
pub(super) fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}
