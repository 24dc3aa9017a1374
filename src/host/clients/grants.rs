//! Which servers a client of the HTTP endpoint may use, and what people can do about clients.

use serde::{Deserialize, Serialize};

use super::{EndpointState, LocalClient};
use crate::api::types::{ClientView, ClientsView, EndpointView, NewClient};
use crate::host::{Error, HostHandle, Target};
use crate::redact::plain;
use crate::registry::{AccountLabel, ClientName, ServerEntry, ServerId};

/// The servers a client may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grants {
    /// All of them, later ones too.
    All,
    /// These.
    Only(Vec<Grant>),
}

/// One server that a client may use. It is named by its id: another server that takes over the
/// name is not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The server.
    pub server: ServerId,
    /// The one account; `None` for any of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountLabel>,
}

/// Why a client does not get to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// There is no such server.
    Unknown,
    /// Its token is not for that server.
    NotGranted,
}

impl Grants {
    /// Whether an account of a server is among them.
    pub fn allow(&self, server: &ServerId, account: &AccountLabel) -> bool {
        let fits = |grant: &Grant| {
            grant.server == *server && grant.account.as_ref().is_none_or(|granted| granted == account)
        };
        match self {
            Self::All => true,
            Self::Only(grants) => grants.iter().any(fits),
        }
    }
}

impl HostHandle {
    /// The server that a client asks for by `name` or `name@account`, if it may use it. A client
    /// that is bound to some servers does not learn which others there are.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn admit(&self, client: &LocalClient, target: &str) -> Result<Target, Denied> {
        let unknown = match client.servers {
            Grants::All => Denied::Unknown,
            Grants::Only(_) => Denied::NotGranted,
        };
        // Only names: an address would be added, and that is not for a client to decide.
        let Ok(target @ Target::Name { .. }) = target.parse() else { return Err(unknown) };
        let Target::Name { name, account } = &target else { return Err(unknown) };
        let Ok(entry) = self.entry(name.as_str()).await else { return Err(unknown) };
        let label = account.clone().unwrap_or_else(|| entry.default_account());
        if !client.servers.allow(&entry.id, &label) {
            return Err(Denied::NotGranted);
        }
        Ok(target)
    }

    /// Adds a client of the HTTP endpoint, which switches it on.
    ///
    /// # Errors
    /// [`Error`]; nothing was added.
    pub async fn add_client(&self, new: NewClient) -> Result<ClientsView, Error> {
        let servers = match new.all {
            true => Grants::All,
            false => self.grants(&new.servers).await?,
        };
        self.clients().add(LocalClient::new(new.name, new.digest, servers))?;
        self.clients_view().await
    }

    /// Takes a client's token back; the last one switches the endpoint off.
    ///
    /// # Errors
    /// [`Error::UnknownClient`], or why the file cannot be written.
    pub async fn revoke_client(&self, name: &ClientName) -> Result<(), Error> {
        self.clients().revoke(name)?;
        self.clients().settled().await;
        Ok(())
    }

    /// The endpoint and its clients as they are shown.
    ///
    /// # Errors
    /// [`Error::Stopped`]
    pub async fn clients_view(&self) -> Result<ClientsView, Error> {
        let entries = self.entries().await?;
        let table = self.clients().watch().borrow().clone();
        let clients = table.clients.iter().map(|client| view(client, &entries)).collect();
        Ok(ClientsView { endpoint: self.clients().settled().await.into(), clients })
    }

    async fn grants(&self, targets: &[String]) -> Result<Grants, Error> {
        if targets.is_empty() {
            return Err(Error::Options("name at least one server, or all of them"));
        }
        let mut grants = Vec::new();
        for target in targets {
            let no_target = || Error::NoTarget { what: plain(target, 80) };
            let Target::Name { name, account } = target.parse()? else { return Err(no_target()) };
            let entry = self.entry(name.as_str()).await?;
            if let Some(label) = account.as_ref().filter(|label| !entry.has_account(label)) {
                return Err(Error::UnknownAccount { server: entry.name, label: label.clone() });
            }
            grants.push(Grant { server: entry.id, account });
        }
        Ok(Grants::Only(grants))
    }
}

fn view(client: &LocalClient, entries: &[ServerEntry]) -> ClientView {
    let name_of = |grant: &Grant| {
        let entry = entries.iter().find(|entry| entry.id == grant.server)?;
        let account = grant.account.as_ref().map(|label| format!("@{label}")).unwrap_or_default();
        Some(format!("{}{account}", entry.name))
    };
    let servers = match &client.servers {
        Grants::All => entries.iter().map(|entry| entry.name.to_string()).collect(),
        Grants::Only(grants) => grants.iter().filter_map(name_of).collect(),
    };
    ClientView {
        name: client.name.clone(),
        servers,
        all: client.servers == Grants::All,
        created: client.created,
        is_valid: client.digest.is_some(),
    }
}

impl From<EndpointState> for EndpointView {
    fn from(state: EndpointState) -> Self {
        match state {
            EndpointState::Off => Self::Off,
            EndpointState::On { port } => Self::On { url: format!("http://127.0.0.1:{port}/mcp") },
            EndpointState::Failed(failure) => Self::Failed { failure },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_one_server_and_perhaps_one_account() {
        let (server, other) = (ServerId::random(), ServerId::random());
        let label = |text: &str| text.parse::<AccountLabel>().expect("a label");
        let any = Grants::Only(vec![Grant { server: server.clone(), account: None }]);
        assert!(any.allow(&server, &label("work")) && !any.allow(&other, &label("work")));
        let work = Grants::Only(vec![Grant { server: server.clone(), account: Some(label("work")) }]);
        assert!(work.allow(&server, &label("work")) && !work.allow(&server, &label("home")));
        assert!(Grants::All.allow(&other, &label("home")));
        assert!(!Grants::Only(Vec::new()).allow(&server, &label("work")));
    }
}
