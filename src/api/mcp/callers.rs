//! The clients whose tokens work now, and what each of them has open. Sessions and streams belong
//! to the token that opened them, and end with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::held::{self, Held};
use super::modern::Pipe;
use super::rate::Bucket;
use super::session::Open;
use crate::host::clients::{LocalClient, Table, TokenDigest};
use crate::host::settings::HttpLimits;
use crate::mcp::Message;

/// Requests of one client that may be under way at once.
const MOST_REQUESTS: usize = 128;

/// One client, as long as its token works.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) client: LocalClient,
    /// Cancelled once the token no longer works.
    pub(super) revoked: CancellationToken,
    /// Each request under way holds a permit.
    pub(super) requests: Arc<Semaphore>,
    rate: Mutex<Bucket>,
    sessions: Mutex<HashMap<String, Arc<Open>>>,
    held: Mutex<Held>,
}

/// No session can be closed to make room for another.
#[derive(Debug)]
pub(super) struct TooMany;

impl Caller {
    fn new(client: LocalClient, limits: &HttpLimits, revoked: CancellationToken) -> Self {
        Self {
            client,
            revoked,
            requests: Arc::new(Semaphore::new(MOST_REQUESTS)),
            rate: Mutex::new(Bucket::new(limits.requests_per_second, limits.burst)),
            sessions: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Counts messages against the client's rate.
    ///
    /// # Errors
    /// How long the client has to wait.
    pub(super) fn count(&self, messages: usize) -> Result<(), Duration> {
        lock(&self.rate).take(messages)
    }

    /// Makes room for one more session: the idle one that was not used for the longest time goes.
    pub(super) fn make_room(&self, most: usize) -> Result<(), TooMany> {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, open| !open.is_over());
        while sessions.len() >= most.max(1) {
            let idle = sessions.iter().filter(|(_, open)| open.is_idle());
            let oldest = idle.min_by_key(|(_, open)| open.last_used()).map(|(id, _)| id.clone());
            let oldest = oldest.and_then(|id| sessions.remove(&id)).ok_or(TooMany)?;
            tracing::info!(client = %self.client.name, "closed the session that was idle for the longest time");
            oldest.close();
        }
        Ok(())
    }

    pub(super) fn keep(&self, id: String, open: Arc<Open>) {
        lock(&self.sessions).insert(id, open);
    }

    /// A session of this client at a server.
    pub(super) fn session(&self, id: &str, server: &str) -> Option<Arc<Open>> {
        let sessions = lock(&self.sessions);
        sessions.get(id).filter(|open| open.server == server && !open.is_over()).cloned()
    }

    /// Keeps the session that gave `answer`, if it waits for a retry.
    pub(super) fn hold(self: &Arc<Self>, server: &str, answer: &Message, pipe: Pipe) {
        let Some(state) = lock(&self.held).keep(server, answer, pipe) else { return };
        let caller = self.clone();
        tokio::spawn(async move {
            let _ = caller.revoked.run_until_cancelled(sleep(held::LIFETIME)).await;
            lock(&caller.held).forget(&state);
        });
    }

    /// The session that a request goes on with, where it is a retry.
    pub(super) fn held(&self, server: &str, retry: &Message) -> Option<Pipe> {
        lock(&self.held).take(server, retry)
    }

    pub(super) fn forget(&self, id: &str) -> Option<Arc<Open>> {
        lock(&self.sessions).remove(id)
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Callers {
    limits: HttpLimits,
    all: Mutex<Vec<Arc<Caller>>>,
    /// Ends everything at once.
    stop: CancellationToken,
}

impl Callers {
    pub(super) fn new(limits: HttpLimits, stop: CancellationToken) -> Self {
        Self { limits, all: Mutex::default(), stop }
    }

    /// Follows a change: who is no longer there, or has another token, loses what is open.
    pub(super) fn follow(&self, table: &Table) {
        let mut all = lock(&self.all);
        let is_there = |caller: &Arc<Caller>| table.clients.contains(&caller.client);
        let (kept, gone): (Vec<_>, Vec<_>) = all.drain(..).partition(is_there);
        gone.iter().for_each(|caller| caller.revoked.cancel());
        *all = kept;
        for client in table.clients.iter().filter(|client| client.digest.is_some()) {
            if !all.iter().any(|caller| caller.client == *client) {
                let revoked = self.stop.child_token();
                all.push(Arc::new(Caller::new(client.clone(), &self.limits, revoked)));
            }
        }
    }

    /// Whose token it is. Takes the same time wherever in the list it stands.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Caller>> {
        let shown = TokenDigest::of(token);
        let mut found = None;
        for caller in lock(&self.all).iter() {
            if caller.client.digest.is_some_and(|digest| digest.is_same(&shown)) {
                found = Some(caller.clone());
            }
        }
        found
    }
}

/// A leaf: what it guards is read or changed in one breath.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::clients::{Grants, LocalToken};

    fn table(clients: &[&LocalClient]) -> Table {
        Table { generation: 0, clients: clients.iter().map(|client| (*client).clone()).collect() }
    }

    fn client(name: &str) -> (LocalToken, LocalClient) {
        let token = LocalToken::random();
        let client = LocalClient::new(name.parse().expect("a name"), token.digest(), Grants::All);
        (token, client)
    }

    fn callers() -> Callers {
        Callers::new(HttpLimits::default(), CancellationToken::new())
    }

    #[tokio::test]
    async fn a_token_finds_its_client_until_it_is_revoked() {
        let ((one_token, one), (two_token, two)) = (client("one"), client("two"));
        let callers = callers();
        callers.follow(&table(&[&one, &two]));
        let caller = callers.find(two_token.expose()).expect("known");
        assert_eq!(caller.client.name, two.name);
        assert!(callers.find("").is_none() && callers.find("dbl_x").is_none());
        callers.follow(&table(&[&one]));
        assert!(caller.revoked.is_cancelled());
        assert!(callers.find(two_token.expose()).is_none());
        assert!(!callers.find(one_token.expose()).expect("still known").revoked.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_nobody_comes_back_to_is_not_held_for_ever() {
        let (token, client) = client("one");
        let callers = callers();
        callers.follow(&table(&[&client]));
        let caller = callers.find(token.expose()).expect("known");
        let (near, mut far) = tokio::io::duplex(64);
        let answer = br#"{"id":1,"result":{"requestState":"drawbridge.x"}}"#;
        let answer = Message::parse(bytes::Bytes::from_static(answer)).expect("an answer");
        caller.hold("demo", &answer, Pipe::of(near));
        let held_for = tokio::time::Instant::now();
        let ended = tokio::io::AsyncReadExt::read(&mut far, &mut [0]).await;
        assert!(matches!(ended, Ok(0)), "its session ends: {ended:?}");
        assert!(held_for.elapsed() >= held::LIFETIME);
    }

    #[tokio::test]
    async fn a_new_token_under_the_old_name_is_another_caller() {
        let ((old_token, old), (new_token, new)) = (client("one"), client("one"));
        let callers = callers();
        callers.follow(&table(&[&old]));
        let caller = callers.find(old_token.expose()).expect("known");
        callers.follow(&table(&[&new]));
        assert!(caller.revoked.is_cancelled());
        assert!(callers.find(old_token.expose()).is_none() && callers.find(new_token.expose()).is_some());
        callers.follow(&table(&[&LocalClient { digest: None, ..new }]));
        assert!(callers.find(new_token.expose()).is_none(), "a void token lets nobody in");
    }

    #[tokio::test]
    async fn the_idle_session_that_was_used_least_makes_room() {
        let (token, one) = client("one");
        let callers = callers();
        callers.follow(&table(&[&one]));
        let caller = callers.find(token.expose()).expect("known");
        let sessions: Vec<_> = (0..3).map(|_| Arc::new(Open::for_tests("demo"))).collect();
        for (number, open) in sessions.iter().enumerate() {
            caller.keep(number.to_string(), open.clone());
        }
        let busy = sessions[0].use_now();
        drop(sessions[1].use_now());
        caller.make_room(3).expect("one is idle");
        let is_over: Vec<_> = sessions.iter().map(|open| open.is_over()).collect();
        assert_eq!(is_over, [false, false, true]);
        let all_busy = sessions[1].use_now();
        assert!(caller.make_room(2).is_err(), "a session in use is not closed");
        drop((busy, all_busy));
        assert!(caller.make_room(1).is_ok());
        assert!(caller.session("2", "demo").is_none());
    }

    #[tokio::test]
    async fn a_session_is_found_at_its_own_server_only() {
        let (token, one) = client("one");
        let callers = callers();
        callers.follow(&table(&[&one]));
        let caller = callers.find(token.expose()).expect("known");
        caller.keep("s".into(), Arc::new(Open::for_tests("demo")));
        assert!(caller.session("s", "demo").is_some());
        assert!(caller.session("s", "other").is_none() && caller.session("t", "demo").is_none());
    }
}
