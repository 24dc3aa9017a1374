//! One walk: what is stored, the server, who signs in for it, whether we are known there, the token, a session.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::failures as found;
use super::steps::Steps;
use crate::api::types::{CheckName, CheckView, ServerOptions};
use crate::failure::{Code, Failure};
use crate::host::account::{self, AccountHandle, AccountState, Asked, Shows, SignedOut};
use crate::host::connection::Connection;
use crate::host::session::greet::{Unwelcome, Welcome, greet};
use crate::host::snapshot::SeenTransport;
use crate::host::{HostHandle, dialling, failures};
use crate::net::Lane;
use crate::oauth::discovery::{self, Discovered, Question};
use crate::oauth::grant::Grant;
use crate::oauth::known_as::{KnownAs, known_as};
use crate::oauth::registration::Registrations;
use crate::oauth::{self, OAuthOptions};
use crate::registry::{AccountLabel, ServerEntry};

/// How long a sign-in page may take to answer.
const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// An account that is looked at.
pub(super) struct Walk<'a> {
    pub(super) host: &'a HostHandle,
    pub(super) entry: ServerEntry,
    pub(super) label: AccountLabel,
}

impl Walk<'_> {
    /// The steps, up to the first thing that is wrong.
    pub(super) async fn run(self) -> Vec<CheckView> {
        let mut steps = Steps::default();
        let failure = self.go(&mut steps).await.err();
        steps.ended(failure)
    }

    async fn go(&self, steps: &mut Steps) -> Result<(), Failure> {
        let (connection, options) = self.stored().await?;
        steps.done("");
        self.host.not_while_paused()?;
        match connection.account.clone() {
            Some(account) => self.with_account(steps, connection, &options, &account).await,
            None => self.with_own_key(steps, connection).await,
        }
    }

    /// Options, secrets and the files that options name.
    async fn stored(&self) -> Result<(Connection, OAuthOptions), Failure> {
        if let Some(failure) = self.host.secrets().await.failure() {
            return Err(failure);
        }
        let (entry, standing) = self.host.watched_entry(self.entry.name.as_str()).await?;
        let options = dialling::oauth(&self.host.stored(entry.clone()).await?)?;
        let given = ServerOptions::default();
        let connection = self.host.connect(entry, standing, self.label.clone(), &given).await?;
        Ok((connection, options))
    }

    /// The person gave a fixed `Authorization`, so nobody signs in.
    async fn with_own_key(&self, steps: &mut Steps, connection: Connection) -> Result<(), Failure> {
        let greeted = greet(self.host.session_deps(), connection).await;
        let failure = match &greeted {
            Err(Unwelcome::Failed(failure)) if is_on_the_way(failure) => return Err(failure.clone()),
            Err(Unwelcome::Failed(failure)) => Some(failure),
            Err(Unwelcome::SignInNeeded) | Ok(_) => None,
        };
        steps.done("it answers");
        steps.not_needed_before(CheckName::Token);
        if let Some(failure) = failure.filter(|failure| failure.code == Code::SignedOut) {
            return Err(failure.clone());
        }
        steps.done("the key that is stored");
        self.session(steps, greeted)
    }

    async fn with_account(
        &self,
        steps: &mut Steps,
        connection: Connection,
        options: &OAuthOptions,
        account: &AccountHandle,
    ) -> Result<(), Failure> {
        let (greeted, asked) = self.greet_as(&connection, account, Shows::Nothing).await;
        if let Err(Unwelcome::Failed(failure)) = &greeted
            && is_on_the_way(failure)
        {
            return Err(failure.clone());
        }
        steps.done(if asked.is_some() { "it asks for a sign-in" } else { "it answers" });
        let state = account.look().await.map_err(|error| self.of_account(&error))?;
        if asked.is_none() && !account.is_unattended() && has_no_sign_in(&state) {
            steps.not_needed_before(CheckName::Initialize);
            return self.session(steps, greeted);
        }
        let discovered = self.discover(&connection, options, asked.as_ref(), &state).await?;
        steps.done(discovered.server.issuer.to_string());
        let known = self.known_as(&connection, options, &discovered, &state).await?;
        steps.done(known);
        match account.credential().await {
            Ok(Some(_)) => steps.done(person(&account.state().borrow())),
            Ok(None) if asked.is_none() => steps.not_needed_before(CheckName::Initialize),
            Ok(None) => return Err(self.signed_out(&state)),
            Err(error) => return Err(self.of_account(&error)),
        }
        let (greeted, _) = self.greet_as(&connection, account, Shows::Token).await;
        self.session(steps, greeted)
    }

    async fn greet_as(
        &self,
        connection: &Connection,
        account: &AccountHandle,
        shows: Shows,
    ) -> (Result<Welcome, Unwelcome>, Option<Asked>) {
        let (looked_at, onlooker) = account.looked_at(shows);
        let connection = Connection { account: Some(looked_at), ..connection.clone() };
        let greeted = greet(self.host.session_deps(), connection).await;
        (greeted, onlooker.asked())
    }

    /// Who signs in for the server, read anew.
    async fn discover(
        &self,
        connection: &Connection,
        options: &OAuthOptions,
        asked: Option<&Asked>,
        state: &AccountState,
    ) -> Result<Discovered, Failure> {
        let question = Question {
            network: self.host.network(),
            settings: &connection.settings,
            server_url: &connection.entry.url,
            challenge: asked.and_then(|asked| asked.challenge.as_ref()),
            options,
            since: Some(Instant::now()),
        };
        let discovered = discovery::discover(question).await.map_err(|error| self.of_oauth(&error))?;
        let server = &discovered.server;
        match options.grant {
            Grant::Code => {
                let page = server.sign_in_page().map_err(|error| self.of_oauth(&error))?;
                if server.assumed && !state.is_signed_in() {
                    self.check_assumed(connection, page).await?;
                }
            }
            Grant::Device if server.device_authorization_endpoint.is_none() => {
                return Err(self.of_oauth(&oauth::Error::NoDeviceGrant { issuer: server.issuer.to_string() }));
            }
            Grant::Device | Grant::ClientCredentials | Grant::Workload(_) | Grant::Enterprise(_) => {}
        }
        match state {
            AccountState::SignedIn { issuer, .. } if *issuer != server.issuer => {
                Err(found::moved(&self.account()))
            }
            AccountState::SignedIn { .. }
            | AccountState::Unknown
            | AccountState::SigningIn { .. }
            | AccountState::SignedOut { .. }
            | AccountState::Failed { .. } => Ok(discovered),
        }
    }

    /// A server that says nothing about itself may have the sign-in page of 2025-03-26, or none.
    async fn check_assumed(&self, connection: &Connection, page: &Url) -> Result<(), Failure> {
        let asking = self.host.network().exchange(
            Lane::Request,
            Method::GET,
            page.clone(),
            HeaderMap::new(),
            Bytes::new(),
            &connection.settings,
        );
        // One that is slow to answer is there.
        let Ok(answer) = timeout(PAGE_LIMIT, asking).await else { return Ok(()) };
        let answer = answer.map_err(|error| failures::of_net(self.name(), &error))?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNAUTHORIZED => {
                Err(found::no_way_to_sign_in(self.name()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the authorization server knows us. What it said to the last sign-in counts where it does not yet.
    async fn known_as(
        &self,
        connection: &Connection,
        options: &OAuthOptions,
        discovered: &Discovered,
        state: &AccountState,
    ) -> Result<&'static str, Failure> {
        let registrations = Registrations::new(self.host.inner.vault.clone(), connection.entry.stored_as());
        let known = known_as(&registrations, options, discovered).await;
        match (known.map_err(|error| self.of_oauth(&error))?, state) {
            (KnownAs::NotYet, AccountState::Failed { error: account::Error::OAuth(error) })
                if error.is_about_registration() =>
            {
                Err(self.of_oauth(error))
            }
            (KnownAs::NotYet, _) => Ok("with the first sign-in"),
            (KnownAs::Given, _) => Ok("by the client id in its options"),
            (KnownAs::Document, _) => Ok("by the metadata document in its options"),
            (KnownAs::Registered, _) => Ok("registered"),
            (KnownAs::Unnamed, _) => Ok("by what vouches for this program"),
        }
    }

    fn session(&self, steps: &mut Steps, greeted: Result<Welcome, Unwelcome>) -> Result<(), Failure> {
        match greeted {
            Ok(welcome) => {
                steps.done(in_words(&welcome));
                Ok(())
            }
            Err(Unwelcome::SignInNeeded) => Err(found::token_not_taken(&self.account())),
            Err(Unwelcome::Failed(failure)) => Err(failure),
        }
    }

    fn signed_out(&self, state: &AccountState) -> Failure {
        match state {
            AccountState::SigningIn { .. } => found::signing_in(&self.account()),
            AccountState::Failed { error } => self.of_account(error),
            AccountState::Unknown | AccountState::SignedIn { .. } | AccountState::SignedOut { .. } => {
                failures::signed_out(&self.account())
            }
        }
    }

    fn name(&self) -> &str {
        self.entry.name.as_str()
    }

    /// The account as a person names it: the server's name alone means the usual one.
    fn account(&self) -> String {
        match self.label == self.entry.default_account() {
            true => self.name().to_owned(),
            false => format!("{}@{}", self.entry.name, self.label),
        }
    }

    fn of_account(&self, error: &account::Error) -> Failure {
        match error {
            account::Error::SignedOut { .. } | account::Error::NotAgain => {
                failures::signed_out(&self.account())
            }
            account::Error::OAuth(_)
            | account::Error::Vault(_)
            | account::Error::NoSignIn
            | account::Error::Stopped => failures::of_account(self.name(), error),
        }
    }

    fn of_oauth(&self, error: &oauth::Error) -> Failure {
        failures::of_oauth(self.name(), error)
    }
}

/// Whether nobody has signed in and nobody has to, as long as the server does not ask.
fn has_no_sign_in(state: &AccountState) -> bool {
    state.was_never_signed_in() || matches!(state, AccountState::SignedOut { why: SignedOut::ByPerson })
}

/// Whether it is about the way to the server, and not about what the server says.
fn is_on_the_way(failure: &Failure) -> bool {
    match failure.code {
        Code::Unreachable
        | Code::Tls
        | Code::TimedOut
        | Code::Invalid
        | Code::Forbidden
        | Code::Keychain
        | Code::HostGone
        | Code::Paused => true,
        Code::SignedOut
        | Code::SignInFailed
        | Code::NotMcp
        | Code::ServerError
        | Code::MayHaveRun
        | Code::Unknown
        | Code::Exists
        | Code::VersionSkew
        | Code::Limit
        | Code::Internal => false,
    }
}

/// Who is signed in, where that is known.
fn person(state: &AccountState) -> String {
    match state {
        AccountState::SignedIn { identity: Some(identity), .. } => {
            format!("signed in as {}", identity.shown())
        }
        AccountState::SignedIn { identity: None, .. } => "signed in".into(),
        AccountState::Unknown
        | AccountState::SigningIn { .. }
        | AccountState::SignedOut { .. }
        | AccountState::Failed { .. } => String::new(),
    }
}

fn in_words(welcome: &Welcome) -> String {
    let transport = match welcome.transport {
        Some(SeenTransport::HttpSse) => "HTTP+SSE",
        Some(SeenTransport::StreamableHttp) | None => "Streamable HTTP",
    };
    format!("MCP {} over {transport}", welcome.protocol_version)
}
