//! Tokens to be given back (RFC 7009) after a sign-out: tried at once, and what their server cannot take then is kept
//! in the vault and offered again, for a week at most. It outlives the account, whose own record is gone by then.

mod stored;

use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::net::{ConnectionSettings, Network};
use crate::oauth;
use crate::oauth::registration::ClientRegistration;
use crate::oauth::token::{TokenClient, TokenSet};
use crate::secret::{AccessToken, ItemName, RefreshToken, Vault};

/// Sign-outs that may wait for the task.
const QUEUE: usize = 16;
/// Tokens that are remembered at most.
const MOST_KEPT: usize = 64;
/// How long they are offered; most have ended by then.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(30);
/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3600));

/// Hands tokens over. Clones hand over to the same task.
#[derive(Clone)]
pub struct GivingBack(mpsc::Sender<(GivenUp, oneshot::Sender<()>)>);

/// Tokens that nobody here wants any more, and all it takes to give them back.
#[derive(Debug, Clone)]
struct GivenUp {
    since: SystemTime,
    endpoint: Url,
    registration: ClientRegistration,
    settings: ConnectionSettings,
    refresh: Option<RefreshToken>,
    access: Option<AccessToken>,
}

impl GivingBack {
    /// Starts the task, which first looks for what an earlier Host left.
    pub fn spawn(network: Network, vault: Vault, tasks: &TaskTracker, shutdown: CancellationToken) -> Self {
        let (handed_over, received) = mpsc::channel(QUEUE);
        let task = Task {
            network,
            vault,
            item: ItemName::new("give-back", "host", "all"),
            is_read: false,
            kept: Vec::new(),
            under_way: Vec::new(),
            tries: JoinSet::new(),
            tried: 0,
            pause: PAUSES.0,
        };
        tasks.spawn(task.run(received, shutdown));
        Self(handed_over)
    }

    /// Resolves after the first try; a failed one is repeated later.
    pub async fn give_back(
        &self,
        tokens: &TokenSet,
        registration: ClientRegistration,
        settings: &ConnectionSettings,
    ) {
        let Some(endpoint) = tokens.revocation_endpoint.clone() else { return };
        let given_up = GivenUp {
            since: SystemTime::now(),
            endpoint,
            registration,
            settings: settings.clone(),
            refresh: tokens.refresh.clone(),
            access: tokens.access.clone(),
        };
        let (tried, first_try) = oneshot::channel();
        if self.0.send((given_up, tried)).await.is_ok() {
            first_try.await.ok();
        }
    }
}

struct Task {
    network: Network,
    vault: Vault,
    item: ItemName,
    /// Whether the vault has told what an earlier Host left.
    is_read: bool,
    /// What was tried in vain, as it is in the vault.
    kept: Vec<GivenUp>,
    under_way: Vec<(u64, GivenUp)>,
    tries: JoinSet<(u64, Result<(), oauth::Error>)>,
    tried: u64,
    pause: Duration,
}

impl Task {
    async fn run(
        mut self,
        mut received: mpsc::Receiver<(GivenUp, oneshot::Sender<()>)>,
        shutdown: CancellationToken,
    ) {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = self.read() => {}
        }
        loop {
            let idle = self.kept.is_empty();
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some((given_up, tried)) = received.recv() => self.start(given_up, Some(tried)),
                Some(ended) = self.tries.join_next() => {
                    if let Ok((number, outcome)) = ended {
                        self.ended(number, outcome).await;
                    }
                }
                () = tokio::time::sleep(self.pause), if !idle && self.tries.is_empty() => self.again(),
            }
        }
        // Also what could not be noted so far.
        if !self.under_way.is_empty() || !self.kept.is_empty() {
            self.write().await;
        }
    }

    fn start(&mut self, given_up: GivenUp, tried: Option<oneshot::Sender<()>>) {
        self.tried += 1;
        let (number, network) = (self.tried, self.network.clone());
        self.under_way.push((number, given_up.clone()));
        self.tries.spawn(async move {
            let outcome = given_up.offer(&network).await;
            if let Some(tried) = tried {
                tried.send(()).ok();
            }
            (number, outcome)
        });
    }

    /// Offers everything once more.
    fn again(&mut self) {
        self.pause = (self.pause * 2).min(PAUSES.1);
        for given_up in std::mem::take(&mut self.kept) {
            self.start(given_up, None);
        }
    }

    async fn ended(&mut self, number: u64, outcome: Result<(), oauth::Error>) {
        let Some(at) = self.under_way.iter().position(|(known, _)| *known == number) else { return };
        let (_, given_up) = self.under_way.remove(at);
        match outcome {
            Ok(()) => self.pause = PAUSES.0,
            Err(error) if error.is_transient() && given_up.is_worth_it() && self.kept.len() < MOST_KEPT => {
                tracing::info!(%error, "tokens could not be given back yet; they will be offered again");
                self.kept.push(given_up);
            }
            Err(error) => tracing::info!(%error, "the authorization server did not take tokens back"),
        }
        // Also what is under way may be lost with this Host, so it stays in the vault until it is done.
        self.write().await;
    }

    /// Offers what an earlier Host left, once the vault tells.
    async fn read(&mut self) {
        if self.is_read {
            return;
        }
        match self.vault.read(&self.item).await {
            Ok(text) => {
                self.is_read = true;
                for given_up in text.map(|text| stored::parse(&text)).unwrap_or_default() {
                    self.start(given_up, None);
                }
            }
            Err(error) => tracing::debug!(%error, "tokens to be given back could not be looked for"),
        }
    }

    /// What was not read yet is not written over: it is taken in first.
    async fn write(&mut self) {
        self.read().await;
        if !self.is_read {
            tracing::warn!("tokens to be given back could not be noted; the secret store does not answer");
            return;
        }
        let under_way = self.under_way.iter().map(|(_, given_up)| given_up);
        let all: Vec<_> = self.kept.iter().chain(under_way).collect();
        let written = match all.is_empty() {
            true => self.vault.delete(&self.item).await,
            false => self.vault.write(&self.item, stored::text(&all)).await,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "tokens to be given back could not be noted");
        }
    }
}

impl GivenUp {
    async fn offer(&self, network: &Network) -> Result<(), oauth::Error> {
        let client =
            TokenClient { network, settings: &self.settings, registration: &self.registration, dpop: None };
        let offered = client.revoke_all(&self.endpoint, self.refresh.as_ref(), self.access.as_ref());
        match tokio::time::timeout(TRY, offered).await {
            Ok(outcome) => outcome,
            Err(_) => Err(oauth::Error::Unavailable { status: 504, retry_after: None }),
        }
    }

    fn is_worth_it(&self) -> bool {
        self.since.elapsed().is_ok_and(|since| since < KEPT_FOR)
    }
}
