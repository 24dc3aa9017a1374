//! Whether a token is still good, by two clocks. The wall clock runs on while the computer sleeps, and people set it;
//! the steady one does neither. A token has ended as soon as either of them says so.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How far the wall clock may go back before its word about a token counts for nothing.
const SET_BACK: Duration = Duration::from_secs(60);

/// The two clocks, which tests may set.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    steady: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: SystemTime,
    pub(super) steady: Duration,
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self::from_fn(SystemTime::now)
    }

    /// Another wall clock.
    pub fn from_fn(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let start = Instant::now();
        Self::from_fns(wall, move || start.elapsed())
    }

    /// Other clocks; the steady one counts from anywhere.
    pub fn from_fns(
        wall: impl Fn() -> SystemTime + Send + Sync + 'static,
        steady: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(wall), steady: Arc::new(steady) }
    }

    pub(super) fn now(&self) -> Moment {
        Moment { wall: (self.wall)(), steady: (self.steady)() }
    }
}

/// The life of an access token that has an end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) issued: SystemTime,
    pub(super) length: Duration,
    /// When it came, by the steady clock of this run; `None` for one out of the vault.
    pub(super) came: Option<Duration>,
    /// How long before its end it is renewed.
    pub(super) ahead: Duration,
}

/// How old a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// Good for a while.
    Fresh,
    /// To be renewed, and perhaps still good.
    Old,
    /// Ended.
    Dead,
}

impl Life {
    pub(super) fn age(&self, now: Moment) -> Age {
        let by_steady = self.came.map_or(Duration::ZERO, |came| now.steady.saturating_sub(came));
        let by_wall = now.wall.duration_since(self.issued);
        let age = by_steady.max(by_wall.as_ref().copied().unwrap_or_default());
        let was_set_back = by_wall.is_err_and(|error| error.duration() > SET_BACK);
        if age >= self.length {
            Age::Dead
        } else if was_set_back || age >= self.length - self.ahead.min(self.length / 10) {
            Age::Old
        } else {
            Age::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_as_old_as_the_older_clock_says() {
        let issued = SystemTime::UNIX_EPOCH + Duration::from_secs(100_000);
        let table = [
            // Wall and steady seconds since it came, and what that makes of a token of 300 s.
            (0, Some(0), Age::Fresh),
            (269, Some(269), Age::Fresh),
            (270, Some(270), Age::Old),
            (299, Some(299), Age::Old),
            (300, Some(300), Age::Dead),
            // Slept for a night: the steady clock stood still.
            (30_000, Some(5), Age::Dead),
            // Somebody set the clock back.
            (-30_000, Some(300), Age::Dead),
            (-30_000, Some(280), Age::Old),
            (10, Some(300), Age::Dead),
            (-50, Some(5), Age::Fresh),
            // Read from the vault, with a clock that is wrong now or was then.
            (-30_000, None, Age::Old),
            (10, None, Age::Fresh),
            (400, None, Age::Dead),
        ];
        for (wall, steady, expected) in table {
            let came = steady.map(|_| Duration::from_secs(1_000));
            let life =
                Life { issued, length: Duration::from_secs(300), came, ahead: Duration::from_secs(60) };
            let by = Duration::from_secs(i64::unsigned_abs(wall));
            let wall_now = if wall < 0 { issued - by } else { issued + by };
            let steady_now = Duration::from_secs(1_000 + steady.unwrap_or_default());
            let now = Moment { wall: wall_now, steady: steady_now };
            assert_eq!(life.age(now), expected, "{wall} {steady:?}");
        }
    }
}
