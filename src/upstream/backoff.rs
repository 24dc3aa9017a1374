//! How long to wait before a stream or a session is opened again.

use std::time::Duration;

use super::Limits;

/// A server that says `retry: 0` is still not asked in a tight loop, and one that says `retry`
/// a year is asked once an hour.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Doubling waits with jitter, unless the server says how long to wait.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
    retry: Option<Duration>,
}

impl Backoff {
    /// Waits as these limits say.
    pub fn new(limits: &Limits) -> Self {
        Self { first: limits.first_retry, last: limits.last_retry, next: limits.first_retry, retry: None }
    }

    /// The server's `retry`, which holds from now on
    /// (<https://modelcontextprotocol.io/specification/2025-11-25/basic/transports>: MUST respect it).
    pub(super) fn obey(&mut self, retry: Duration) {
        self.retry = Some(retry.clamp(SHORTEST, LONGEST));
    }

    /// Something worked: the next wait is the first one again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// The wait after a stream ended as streams do.
    pub(super) fn after_end(&mut self) -> Duration {
        match self.retry {
            Some(retry) => retry,
            None => self.step(),
        }
    }

    /// The wait after an attempt failed; never shorter than what the server asked for.
    pub fn after_failure(&mut self, retry_after: Option<Duration>) -> Duration {
        let asked = retry_after.into_iter().chain(self.retry).max().unwrap_or_default();
        self.step().max(asked.min(LONGEST))
    }

    fn step(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.last);
        // Up to a quarter less, so that many clients of a restarted server do not come at once.
        wait.mul_f64(1.0 - rand::random_range(0.0..0.25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(wait: Duration, millis: u64) -> bool {
        let full = Duration::from_millis(millis);
        wait <= full && wait >= full.mul_f64(0.75)
    }

    #[test]
    fn waits_double_up_to_half_a_minute_and_start_again_after_success() {
        let mut backoff = Backoff::new(&Limits::default());
        for expected in [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000] {
            let wait = backoff.after_end();
            assert!(near(wait, expected), "{wait:?} {expected}");
        }
        backoff.reset();
        assert!(near(backoff.after_end(), 500));
    }

    #[test]
    fn what_the_server_asks_for_is_obeyed_within_reason() {
        let mut backoff = Backoff::new(&Limits::default());
        backoff.obey(Duration::from_secs(5));
        assert_eq!(backoff.after_end(), Duration::from_secs(5));
        assert_eq!(backoff.after_failure(None), Duration::from_secs(5));
        assert_eq!(backoff.after_failure(Some(Duration::from_secs(9))), Duration::from_secs(9));
        backoff.obey(Duration::ZERO);
        assert_eq!(backoff.after_end(), SHORTEST);
        backoff.obey(Duration::MAX);
        assert_eq!(backoff.after_end(), LONGEST);
    }
}
