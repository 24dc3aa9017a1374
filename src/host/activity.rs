//! Whether anybody still needs the Host.

use std::time::Duration;

use tokio::sync::watch;

/// Counts what is going on.
#[derive(Debug, Clone)]
pub struct Activity {
    sessions: watch::Sender<usize>,
    calls: watch::Sender<usize>,
    other: watch::Sender<usize>,
}

/// Something that goes on until it is dropped.
#[derive(Debug)]
pub struct Busy(watch::Sender<usize>);

impl Activity {
    pub(super) fn new() -> Self {
        Self { sessions: watch::Sender::new(0), calls: watch::Sender::new(0), other: watch::Sender::new(0) }
    }

    /// A client session that is open.
    pub fn session(&self) -> Busy {
        Busy::new(&self.sessions)
    }

    /// A request of a client that waits for its answer.
    pub fn call(&self) -> Busy {
        Busy::new(&self.calls)
    }

    /// How many clients' requests wait for their answers.
    pub fn calls(&self) -> usize {
        *self.calls.borrow()
    }

    /// Returns once no client's request waits for its answer.
    pub async fn no_calls(&self) {
        // The sender is our own, so it does not go.
        self.calls.subscribe().wait_for(|calls| *calls == 0).await.ok();
    }

    /// A request or sign-in that is under way.
    pub fn other(&self) -> Busy {
        Busy::new(&self.other)
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> usize {
        *self.sessions.borrow()
    }

    /// How many sessions are open, now and whenever that changes.
    pub(super) fn watch_sessions(&self) -> watch::Receiver<usize> {
        self.sessions.subscribe()
    }

    /// Returns once no session is open.
    pub async fn without_sessions(&self) {
        let mut sessions = self.sessions.subscribe();
        // The count lives as long as this does.
        let _ = sessions.wait_for(|count| *count == 0).await;
    }

    /// Returns once nothing has gone on for that long.
    pub async fn idle_for(&self, time: Duration) {
        let (mut sessions, mut other) = (self.sessions.subscribe(), self.other.subscribe());
        loop {
            let is_idle = *sessions.borrow_and_update() == 0 && *other.borrow_and_update() == 0;
            tokio::select! {
                () = tokio::time::sleep(time), if is_idle => return,
                _ = sessions.changed() => {}
                _ = other.changed() => {}
            }
        }
    }
}

impl Busy {
    pub(super) fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_waited_for_until_the_last_has_its_answer() {
        let activity = Activity::new();
        let (one, two) = (activity.call(), activity.call());
        let none = activity.no_calls();
        tokio::pin!(none);
        drop(one);
        assert!(futures_util::poll!(&mut none).is_pending());
        drop(two);
        none.await;
        assert_eq!(activity.calls(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_starts_anew_after_every_request() {
        let activity = Activity::new();
        let session = activity.session();
        let idle = activity.idle_for(Duration::from_secs(10));
        tokio::pin!(idle);
        let started = tokio::time::Instant::now();
        tokio::time::timeout(Duration::from_secs(60), &mut idle).await.expect_err("a session is open");
        drop(session);
        tokio::time::timeout(Duration::from_secs(9), &mut idle).await.expect_err("not long enough");
        drop(activity.other());
        idle.await;
        assert_eq!(started.elapsed(), Duration::from_secs(60 + 9 + 10));
        assert_eq!(activity.sessions(), 0);
    }
}
