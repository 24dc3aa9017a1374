//! What a client session connects with (security rules 2 and 4).

use std::str::FromStr;
use std::sync::Arc;

use serde_json::value::RawValue;
use url::Url;

use super::account::AccountHandle;
use super::approval::{self, Wanted};
use super::connection::{Connection, ConnectionKey};
use super::options::{self, Server};
use super::standing::Watched;
use super::visible_tools::VisibleTools;
use super::{Error, HostHandle, dialling};
use crate::api::types::{NewServer, ServerOptions};
use crate::failure::Failure;
use crate::redact::{SafeUrl, plain};
use crate::registry::{AccountLabel, ServerEntry, ServerName, ToolRules};

/// An entry that changes more often than this under a connection is left to whoever changes it.
const MOST_TRIES: usize = 5;

/// What a shim asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A server that has a name.
    Name {
        /// Its name.
        name: ServerName,
        /// The account; `None` for the default one.
        account: Option<AccountLabel>,
    },
    /// A server at an address, known or not.
    Url(Url),
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let no_target = || Error::NoTarget { what: plain(text, 80) };
        if text.contains("://") {
            let url = Url::parse(text).map_err(|_| no_target())?;
            let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
            return if is_web { Ok(Self::Url(url)) } else { Err(no_target()) };
        }
        let (name, account) = match text.split_once('@') {
            Some((name, label)) => (name, Some(label.parse().map_err(|_| no_target())?)),
            None => (text, None),
        };
        Ok(Self::Name { name: name.parse().map_err(|_| no_target())?, account })
    }
}

/// What makes up a connection besides the server.
struct Parts {
    label: AccountLabel,
    account: Option<AccountHandle>,
    /// A digest of the options that make it a connection of its own.
    options: Option<String>,
    own_rules: Option<ToolRules>,
    standing: Watched,
}

impl HostHandle {
    /// Resolves what a shim sent: see [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// A failure that is told over MCP.
    pub async fn connection(&self, target: &str, options: &RawValue) -> Result<Connection, Failure> {
        let target: Target = target.parse()?;
        let options = serde_json::from_str(options.get()).map_err(|_| Error::UnknownOption)?;
        Ok(self.resolve(&target, &options).await?)
    }

    /// Resolves what a shim asked for. A URL that no server has yet is added; options that differ
    /// from what is stored make a connection of its own, which meets no stored credentials.
    ///
    /// # Errors
    /// [`Error`]; all of them are told over MCP.
    pub async fn resolve(&self, target: &Target, given: &ServerOptions) -> Result<Connection, Error> {
        options::check_paths(given)?;
        as_it_is_now(|| self.resolve_once(target, given)).await
    }

    async fn resolve_once(&self, target: &Target, given: &ServerOptions) -> Result<Connection, Error> {
        match target {
            Target::Name { name, account } => {
                let (entry, standing) = self.watched_entry(name.as_str()).await?;
                let label = account.clone().unwrap_or_else(|| entry.default_account());
                if account.is_some() && !entry.has_account(&label) {
                    return Err(Error::UnknownAccount { server: entry.name, label });
                }
                self.connect(entry, standing, label, given).await
            }
            Target::Url(url) => {
                let (entry, standing) = match self.find(url).await? {
                    Some(found) => found,
                    None => self.add_brought(url, given).await?,
                };
                let label = entry.default_account();
                self.connect(entry, standing, label, given).await
            }
        }
    }

    /// Adds what a program brought, once it is approved. No network before that.
    async fn add_brought(&self, url: &Url, given: &ServerOptions) -> Result<(ServerEntry, Watched), Error> {
        let name = self.free_name(url).await?;
        approval::only_harmless(url, &name, given)?;
        let wanted = Wanted { url: SafeUrl::from(url), is_new: true, references: given.references() };
        self.inner.approvals.decide(url, &name, wanted).await?;
        let new = NewServer { name, url: url.to_string(), options: given.clone() };
        match self.add_entry(new).await {
            // Another program may have brought it at the same moment.
            Err(Error::UrlTaken { name }) => self.watched_entry(name.as_str()).await,
            Err(Error::NameTaken { name }) => match self.find(url).await? {
                Some(found) => Ok(found),
                None => Err(Error::NameTaken { name }),
            },
            Ok(entry) => self.watched_entry(entry.name.as_str()).await,
            Err(error) => Err(error),
        }
    }

    pub(super) async fn connect(
        &self,
        entry: ServerEntry,
        standing: Watched,
        label: AccountLabel,
        given: &ServerOptions,
    ) -> Result<Connection, Error> {
        self.approve_references(&entry, given).await?;
        let stored = self.stored(entry).await?;
        let (given, own_rules) = own_rules(&stored.entry.tools, given);
        let mut wanted = stored.clone();
        wanted.apply(&given)?;
        if stored.same_trust(&wanted) {
            let account = self.account_of(&wanted, &label).await?;
            let parts = Parts { label, account, options: None, own_rules, standing };
            return self.connection_of(wanted, parts).await;
        }
        let mut own = stored.without_secrets();
        own.apply(&given)?;
        let options = own.digest(&self.inner.home_id);
        tracing::info!(server = %own.entry.name, "a connection with options of its own");
        // Nobody has signed in for it, but a program that needs nobody brings all it takes.
        let account = match own.grant()?.is_unattended() {
            true => Some(self.unattended(&own, &label, &options).await?),
            false => None,
        };
        let parts = Parts { label, account, options: Some(options), own_rules, standing };
        self.connection_of(own, parts).await
    }

    /// The account whose tokens are used; none where the user gave a fixed `Authorization`.
    async fn account_of(
        &self,
        server: &Server,
        label: &AccountLabel,
    ) -> Result<Option<AccountHandle>, Error> {
        let has_own_authorization =
            server.secrets.bearer.is_some() || server.secrets.headers.contains_key("authorization");
        if has_own_authorization {
            return Ok(None);
        }
        let entry = self.entry(server.entry.name.as_str()).await?;
        Ok(Some(self.live(&entry, label).await?.handle))
    }

    async fn connection_of(&self, server: Server, parts: Parts) -> Result<Connection, Error> {
        let Parts { label, account, options, own_rules, standing } = parts;
        let settings = dialling::settings(&server).await?;
        self.inner.network.check(&server.entry.url, &settings)?;
        let static_headers = dialling::headers(&server)?;
        let tools = VisibleTools::under(std::iter::once(&server.entry.tools).chain(&own_rules));
        let key = ConnectionKey {
            entry: server.entry.id.to_string(),
            account: label.to_string(),
            options,
            tools: own_rules.as_ref().map(options::digest_of_rules),
        };
        let entry = Arc::new(server.entry);
        Ok(Connection { entry, settings, static_headers, account, tools, key, standing })
    }

    async fn approve_references(&self, entry: &ServerEntry, given: &ServerOptions) -> Result<(), Error> {
        let (url, references) = (entry.url.clone(), given.references());
        let question = self.inner.controller.ask(move |state| {
            let new = state.registry().unapproved(&url, &references);
            new.into_iter().map(str::to_owned).collect::<Vec<_>>()
        });
        let new = question.await?;
        if new.is_empty() {
            return Ok(());
        }
        let wanted = Wanted { url: SafeUrl::from(&entry.url), is_new: false, references: new.clone() };
        self.inner.approvals.decide(&entry.url, &entry.name, wanted).await?;
        let url = entry.url.clone();
        self.inner.controller.ask(move |state| state.approve(&url, &new)).await?
    }
}

/// Connects again where somebody changed the entry meanwhile: what is there now counts.
async fn as_it_is_now<T, F>(connect: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 1..MOST_TRIES {
        match connect().await {
            Err(Error::Conflict { .. }) => {}
            connected => return connected,
        }
    }
    connect().await
}

/// A connection's options without its rules for tools, and these where they are not the entry's.
fn own_rules(stored: &ToolRules, given: &ServerOptions) -> (ServerOptions, Option<ToolRules>) {
    let mut rest = given.clone();
    let allow = std::mem::take(&mut rest.allow_tools);
    let deny = std::mem::take(&mut rest.deny_tools);
    let own = ToolRules { allow, deny, pinned: std::mem::take(&mut rest.pin_tools) };
    let is_own =
        !own.is_empty() && ToolRules { pinned: own.pinned || stored.pinned, ..own.clone() } != *stored;
    (rest, is_own.then_some(own))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn an_entry_that_was_changed_meanwhile_is_read_again_but_not_for_ever() {
        let tries = Cell::new(0);
        let connect_after = |changes: usize| {
            tries.set(0);
            let tries = &tries;
            as_it_is_now(move || async move {
                tries.set(tries.get() + 1);
                let name = "linear".parse().expect("a name");
                if tries.get() > changes { Ok(tries.get()) } else { Err(Error::Conflict { name }) }
            })
        };
        assert!(matches!(connect_after(1).await, Ok(2)));
        let given_up = connect_after(100).await.expect_err("it changes for ever");
        assert!(matches!(given_up, Error::Conflict { .. }));
        assert_eq!(tries.get(), MOST_TRIES);
        assert!(!Failure::from(given_up).is_lasting(), "the shim tries it again");
    }

    #[test]
    fn targets_are_names_accounts_or_addresses() {
        let name = |name: &str, account: Option<&str>| Target::Name {
            name: name.parse().expect("a name"),
            account: account.map(|label| label.parse().expect("a label")),
        };
        assert_eq!("linear".parse::<Target>().expect("a name"), name("linear", None));
        assert_eq!("linear@work".parse::<Target>().expect("a name"), name("linear", Some("work")));
        assert!(matches!("https://me@x.example/a@b".parse(), Ok(Target::Url(_))));
        for bad in
            ["", "a b", "a@", "@b", "a@b@c", "file:///etc/passwd", "https://", "javascript://x", "a__b"]
        {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
