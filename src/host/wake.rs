//! Notices that the computer slept: its connections are dead then and do not know it.
//!
//! The steady clock stands still during sleep on some systems and goes on in others, so a long gap
//! between two looks counts, too.

use std::time::{Duration, Instant, SystemTime};

/// How often the clocks are read.
const EVERY: Duration = Duration::from_secs(10);
/// By how much they may differ, or a look may be late, before that counts as sleep.
const TOLERANCE: Duration = Duration::from_secs(20);

/// What the clocks say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) wall: SystemTime,
    pub(super) steady: Instant,
}

impl Reading {
    /// What this computer's clocks say now.
    pub(super) fn now() -> Self {
        Self { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// Whether the computer slept between an earlier reading and this one.
    fn is_after_sleep(self, earlier: Self) -> bool {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        let steady = self.steady.saturating_duration_since(earlier.steady);
        wall.saturating_sub(steady) > TOLERANCE || steady > EVERY + TOLERANCE
    }
}

/// Reads the clocks for as long as it is polled, and says when the computer woke up.
pub(super) async fn watch(mut read: impl FnMut() -> Reading, mut woke: impl FnMut()) {
    let mut last = read();
    loop {
        tokio::time::sleep(EVERY).await;
        let now = read();
        if now.is_after_sleep(last) {
            woke();
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads clocks that advance by these steps, wall and steady, in seconds.
    async fn wakes(steps: &[(i64, u64)]) -> usize {
        let mut reading = Reading::now();
        let mut steps = steps.iter();
        let (over, mut told) = (tokio_util::sync::CancellationToken::new(), 0);
        let mut is_first = true;
        let read = || {
            if std::mem::take(&mut is_first) {
                return reading;
            }
            let Some((wall, steady)) = steps.next() else {
                over.cancel();
                return reading;
            };
            let by = Duration::from_secs(wall.unsigned_abs());
            reading.wall = if *wall < 0 { reading.wall - by } else { reading.wall + by };
            reading.steady += Duration::from_secs(*steady);
            reading
        };
        over.run_until_cancelled(watch(read, || told += 1)).await;
        told
    }

    #[tokio::test(start_paused = true)]
    async fn sleep_is_told_from_time_that_passes() {
        for (steps, expected) in [
            (&[(10, 10), (11, 11), (10, 10)][..], 0),
            (&[(10, 10), (3600, 10), (10, 10)], 1),
            (&[(3600, 3600), (10, 10), (60, 10)], 2),
            (&[(-3600, 10), (10, 10)], 0),
            (&[(15, 10), (25, 25)], 0),
        ] {
            assert_eq!(wakes(steps).await, expected, "{steps:?}");
        }
    }
}
