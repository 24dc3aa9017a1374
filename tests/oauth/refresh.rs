//! The refresh machine under every order of events that came to mind: many callers, refusals, a clock that jumps, an
//! authorization server in trouble, a vault that fails, and a Host that is killed around a rotation.
//!
//! What must hold: never two refreshes in flight, and nobody signs in again unless a rotation was lost on the way
//! here; then somebody does, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use drawbridge::host::account::{AccountDeps, AccountHandle, AccountLimits, Clock, Error, GivingBack, Retry};
use drawbridge::secret::{MemoryControl, Vault};
use futures_util::future::join_all;
use http::StatusCode;
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rotating::{LIFETIME, Rotating, Trouble};
use crate::support::{Opened, by_person, network, nothing_served, param, refusal, spec};

const CALLERS: usize = 50;
/// Longer than a token that was renewed for a refusal is held to be the server's last word.
const A_WHILE: i64 = 200;

#[derive(Debug, Clone)]
enum Step {
    /// Everybody wants a token.
    Calls,
    /// The server ends its access tokens, and everybody hears of it at once.
    Refusals,
    /// The wall clock moves by seconds; backwards too.
    ClockMoves(i64),
    /// The next refreshes fail like this.
    Troubles(Vec<Trouble>),
    VaultFails(bool),
    /// The Host is killed while nothing happens, and starts again.
    Kill,
    /// The Host is killed while the authorization server holds a refresh.
    KillDuring(Trouble),
}

fn step() -> impl Strategy<Value = Step> {
    let lifetime = i64::try_from(LIFETIME).unwrap();
    let trouble = prop_oneof![
        Just(Trouble::Status(500)),
        Just(Trouble::Status(429)),
        Just(Trouble::NotJson),
        Just(Trouble::Broken),
        Just(Trouble::AnswerLost),
    ];
    prop_oneof![
        4 => Just(Step::Calls),
        3 => Just(Step::Refusals),
        4 => prop_oneof![Just(lifetime - 20), Just(lifetime), Just(8 * 3600), Just(-8 * 3600)].prop_map(Step::ClockMoves),
        2 => prop::collection::vec(trouble, 1..4).prop_map(Step::Troubles),
        2 => any::<bool>().prop_map(Step::VaultFails),
        2 => Just(Step::Kill),
        1 => Just(Step::KillDuring(Trouble::HeldOnArrival)),
        1 => Just(Step::KillDuring(Trouble::HeldRotated)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_signs_in_again_unless_a_rotation_was_lost(steps in prop::collection::vec(step(), 1..14)) {
        outside().block_on(async {
            let mut world = World::start().await;
            for step in &steps {
                world.take(step).await;
            }
            world.settle().await;
        });
    }
}

#[test]
fn a_host_killed_anywhere_around_a_rotation_costs_at_most_one_sign_in() {
    let clock = Step::ClockMoves(8 * 3600);
    let table = [
        ("before the request", vec![clock.clone(), Step::Kill], 0),
        ("before the rotation", vec![Step::KillDuring(Trouble::HeldOnArrival)], 0),
        ("before the answer", vec![Step::KillDuring(Trouble::HeldRotated)], 1),
        ("before it was saved", vec![Step::VaultFails(true), clock.clone(), Step::Calls, Step::Kill], 1),
        ("after it was saved", vec![clock, Step::Calls, Step::Kill], 0),
    ];
    for (name, steps, prompts) in table {
        outside().block_on(async {
            let mut world = World::start().await;
            for step in &steps {
                world.take(step).await;
            }
            world.settle().await;
            assert_eq!(world.prompts, prompts, "{name}");
        });
    }
}

/// Everything but the Host: the authorization server, the vault, the person.
fn outside() -> Runtime {
    rustls::crypto::ring::default_provider().install_default().ok();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

struct World {
    server: Rotating,
    vault: Vault,
    store: MemoryControl,
    clock: Arc<AtomicI64>,
    host: Option<KillableHost>,
    /// A rotation was lost, so the next refresh ends the sign-in.
    doomed: bool,
    known_losses: u64,
    prompts: u64,
}

/// A Host's account, with all its tasks on a runtime that can be killed.
struct KillableHost {
    runtime: Option<Runtime>,
    account: AccountHandle,
}

impl Drop for KillableHost {
    fn drop(&mut self) {
        // Other than dropping it, this never waits, which nobody may in here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl World {
    async fn start() -> Self {
        let (vault, store) = Vault::memory("home");
        let mut world = Self {
            server: Rotating::start().await,
            vault,
            store,
            clock: Arc::default(),
            host: None,
            doomed: false,
            known_losses: 0,
            prompts: 0,
        };
        world.start_host();
        world.sign_in().await;
        world
    }

    fn start_host(&mut self) {
        let clock = self.clock.clone();
        let now = move || {
            let moved = clock.load(Ordering::Relaxed);
            let by = Duration::from_secs(moved.unsigned_abs());
            if moved < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
        };
        let url = format!("{}/mcp", self.server.origin).parse().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inside = runtime.enter();
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let deps = AccountDeps {
            giving_back: GivingBack::spawn(network(), self.vault.clone(), &tasks, shutdown.clone()),
            served: nothing_served(),
            network: network(),
            vault: self.vault.clone(),
            opener: Arc::new(Opened::default()),
            windows: None,
            shutdown,
            tasks,
            limits: AccountLimits {
                retry_first: Duration::ZERO,
                retry_last: Duration::ZERO,
                ..AccountLimits::default()
            },
            clock: Clock::from_fn(now),
        };
        let account = AccountHandle::spawn(spec(url), deps);
        drop(inside);
        self.host = Some(KillableHost { runtime: Some(runtime), account });
    }

    fn account(&self) -> AccountHandle {
        self.host.as_ref().unwrap().account.clone()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Calls => self.calls().await,
            Step::Refusals => self.refusals().await,
            Step::ClockMoves(seconds) => self.move_clock(*seconds),
            Step::Troubles(troubles) => self.server.plan(troubles.clone()),
            Step::VaultFails(fails) => self.store.fail_writes(*fails),
            Step::Kill => self.kill().await,
            Step::KillDuring(trouble) => self.kill_during(*trouble).await,
        }
        self.notice_losses();
        assert!(self.server.most_in_flight() <= 1, "two refreshes at one time");
    }

    /// Peace again: now everything has to work, after one sign-in if a rotation was lost.
    async fn settle(&mut self) {
        self.server.forget_plans();
        self.store.fail_writes(false);
        self.refusals().await;
        assert!(!self.doomed, "a lost rotation went unnoticed");
        let token = self.account().access_token().await.unwrap().unwrap();
        assert!(self.server.accepts(token.expose()));
        assert_eq!(self.server.sign_ins(), 1 + self.prompts);
        assert!(self.server.most_in_flight() <= 1);
    }

    fn move_clock(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn calls(&mut self) {
        let account = self.account();
        let (in_trouble, asked) = (self.server.has_plans(), (0..CALLERS).map(|_| account.access_token()));
        let verdicts = join_all(asked).await.into_iter().map(|token| match token {
            Ok(Some(_)) => Verdict::Fine,
            Ok(None) => panic!("the sign-in was forgotten"),
            Err(error) => Verdict::of(&error),
        });
        self.judge(verdicts.collect(), in_trouble).await;
    }

    async fn refusals(&mut self) {
        self.move_clock(A_WHILE);
        self.server.end_access_tokens();
        let account = self.account();
        let used = account.current_token();
        let in_trouble = self.server.has_plans();
        let refused = (0..CALLERS)
            .map(|_| account.refused(refusal(used.as_ref(), StatusCode::UNAUTHORIZED, Vec::new())));
        let verdicts = join_all(refused).await.into_iter().map(|retry| match retry {
            Ok(Retry::WithNewToken) => Verdict::Fine,
            Ok(retry) => {
                assert_eq!(retry, Retry::SignInNeeded);
                Verdict::SignedOut
            }
            Err(error) => Verdict::of(&error),
        });
        self.judge(verdicts.collect(), in_trouble).await;
    }

    /// Failures need a reason, and a sign-out a lost rotation.
    async fn judge(&mut self, verdicts: Vec<Verdict>, in_trouble: bool) {
        assert!(in_trouble || !verdicts.contains(&Verdict::NotNow), "failed without a reason");
        if verdicts.contains(&Verdict::SignedOut) {
            self.notice_losses();
            assert!(self.doomed, "signed out though nothing was lost");
            self.prompts += 1;
            self.sign_in().await;
        }
    }

    async fn sign_in(&mut self) {
        let account = self.account();
        let sign_in = account.sign_in(by_person()).await.unwrap();
        let state = param(sign_in.url.expose(), "state").unwrap();
        account.sign_in_redirect(&format!("http://127.0.0.1/callback?code=c&state={state}")).await.unwrap();
        sign_in.outcome().await.unwrap();
        self.doomed = false;
    }

    fn notice_losses(&mut self) {
        let lost = self.server.answers_lost();
        self.doomed |= lost > std::mem::replace(&mut self.known_losses, lost);
    }

    /// What was not in the vault is gone.
    async fn kill(&mut self) {
        let runtime = self.host.take().and_then(|mut host| host.runtime.take()).unwrap();
        let killed = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(20)));
        killed.await.unwrap();
        self.server.is_idle().await;
        self.doomed |= !self.store.holds(&self.server.live_refresh_token());
        self.start_host();
    }

    async fn kill_during(&mut self, trouble: Trouble) {
        self.server.forget_plans();
        self.server.plan([trouble]);
        self.move_clock(A_WHILE);
        let account = self.account();
        let used = account.current_token();
        let call = tokio::spawn(async move {
            account.refused(refusal(used.as_ref(), StatusCode::UNAUTHORIZED, Vec::new())).await
        });
        self.server.holds_one().await;
        self.kill().await;
        assert!(matches!(call.await.unwrap(), Err(Error::Stopped)));
    }
}

/// What a caller was told.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    NotNow,
    SignedOut,
}

impl Verdict {
    fn of(error: &Error) -> Self {
        if matches!(error, Error::SignedOut { .. }) {
            return Self::SignedOut;
        }
        assert!(matches!(error, Error::OAuth(_)), "{error}");
        Self::NotNow
    }
}
