//! What a sign-in is about, and what its person should see of that first (security rule 1).

use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::net::{ConnectionSettings, Network};
use crate::oauth::challenge::Challenge;
use crate::oauth::discovery::{self, Discovered, Question};
use crate::oauth::identity::Identity;
use crate::oauth::scope::Scopes;
use crate::oauth::{Error, Issuer, OAuthOptions, endpoint, warning};

/// What a sign-in is about.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// What the person calls the server.
    pub server_name: String,
    /// The MCP server.
    pub server_url: Url,
    /// How it is reached.
    pub settings: ConnectionSettings,
    /// What its entry says about OAuth.
    pub options: OAuthOptions,
    /// The challenge that asked for it.
    pub challenge: Option<Challenge>,
    /// Where more is wanted than was allowed before: what was allowed before, which stays.
    pub keep: Option<Scopes>,
    /// Whether only what the server says of a sign-in counts, and not the endpoints that old servers may have.
    pub only_if_offered: bool,
    /// Who wants it; a person's own wish goes straight to the authorization server unless there is a warning.
    pub asked_by: AskedBy,
    /// The account before, where there was one.
    pub former: Option<Former>,
    /// Where else this program signs in.
    pub elsewhere: Vec<Elsewhere>,
    /// Whether a window of ours will show the page, or hand it over to a browser.
    pub in_window: bool,
    /// Metadata that was read before is read anew.
    pub since: Option<Instant>,
    /// How long it may take.
    pub limit: Duration,
}

impl LoginRequest {
    /// Finds out where to sign in, and what for.
    ///
    /// # Errors
    /// As [`discover`](discovery::discover), and [`Error::NotOffered`].
    pub(in crate::oauth) async fn discover(&self, network: &Network) -> Result<Discovered, Error> {
        let mut found = discovery::discover(self.question(network)).await?;
        if found.server.assumed && self.only_if_offered {
            return Err(Error::NotOffered { server: (&self.server_url).into() });
        }
        if let (Some(keep), None) = (&self.keep, &self.options.scope) {
            found.scopes = keep.union(&found.scopes);
        }
        Ok(found)
    }

    /// What it takes to find out where to sign in.
    pub(in crate::oauth) fn question<'a>(&'a self, network: &'a Network) -> Question<'a> {
        let Self { server_url, settings, options, challenge, since, .. } = self;
        Question { network, settings, server_url, challenge: challenge.as_ref(), options, since: *since }
    }
}

/// An account as it was before.
#[derive(Debug, Clone)]
pub struct Former {
    /// Who signed it in.
    pub issuer: Issuer,
    /// Who it was, where that is known.
    pub identity: Option<Identity>,
}

/// Another server, and who signs in for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// What the person calls it.
    pub server_name: String,
    /// Where it is.
    pub server_url: Url,
    /// Who signs in for it.
    pub issuer: Issuer,
}

/// Who wants a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedBy {
    /// The person, just now.
    Person,
    /// A program in the person's name; this one.
    Client(String),
}

/// What a person should see before a sign-in goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInFacts {
    /// What the person calls the server.
    pub server_name: String,
    /// Where the server is.
    pub server_host: String,
    /// Where the sign-in page is.
    pub sign_in_host: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The program that asked, if not the person.
    pub asked_by: Option<String>,
    /// What is unusual about it.
    pub warnings: Vec<String>,
}

impl SignInFacts {
    /// Whether the person asked for exactly this, so that nothing stands before the sign-in page.
    pub fn go_straight_on(&self) -> bool {
        self.asked_by.is_none() && self.warnings.is_empty()
    }
}

/// What a person should know before they sign in at this page.
pub(in crate::oauth) fn facts(request: &LoginRequest, discovered: &Discovered, page: &Url) -> SignInFacts {
    SignInFacts {
        server_name: request.server_name.clone(),
        server_host: endpoint::shown_host(&request.server_url),
        sign_in_host: endpoint::shown_host(page),
        scopes: discovered.scopes.iter().map(str::to_owned).collect(),
        asked_by: match &request.asked_by {
            AskedBy::Person => None,
            AskedBy::Client(name) => Some(name.clone()),
        },
        warnings: warning::all(request, discovered, page),
    }
}
