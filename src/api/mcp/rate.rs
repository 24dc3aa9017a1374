//! How fast one client may ask: a bucket that fills steadily and holds so much.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket of permissions.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(per_second: u32, most: u32) -> Self {
        let (per_second, most) = (f64::from(per_second.max(1)), f64::from(most.max(1)));
        Self { per_second, most, left: most, at: Instant::now() }
    }

    /// Takes permissions out; where there are too few, how long until there are enough. More than
    /// the bucket holds count as all it holds.
    pub(super) fn take(&mut self, count: usize) -> Result<(), Duration> {
        let now = Instant::now();
        self.left = (self.left + (now - self.at).as_secs_f64() * self.per_second).min(self.most);
        self.at = now;
        #[allow(clippy::cast_precision_loss, reason = "nobody sends 2^52 messages at once")]
        let wanted = (count as f64).min(self.most);
        if self.left >= wanted {
            self.left -= wanted;
            return Ok(());
        }
        Err(Duration::from_secs_f64((wanted - self.left) / self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_then_the_steady_rate_holds() {
        let mut bucket = Bucket::new(100, 200);
        assert!((0..200).all(|_| bucket.take(1).is_ok()));
        let wait = bucket.take(1).expect_err("empty");
        assert!(wait <= Duration::from_millis(11), "{wait:?}");
        tokio::time::advance(Duration::from_millis(50)).await;
        assert_eq!((0..10).filter(|_| bucket.take(1).is_ok()).count(), 5);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!((0..500).filter(|_| bucket.take(1).is_ok()).count(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_counts_for_all_its_messages() {
        let mut bucket = Bucket::new(10, 20);
        assert!(bucket.take(15).is_ok());
        assert_eq!(bucket.take(10), Err(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(bucket.take(1000).is_ok(), "a batch larger than the bucket is not refused for ever");
    }
}
