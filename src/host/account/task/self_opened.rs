//! Sign-in pages that nobody clicked for: seldom, and after a no not at all (security rule 9).

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two of them, unless the first was worth it.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// The sign-ins of one account that opened by themselves.
#[derive(Default)]
pub(super) struct SelfOpened {
    last: Option<Instant>,
    was_worth_it: bool,
    was_declined: bool,
    has_moved: bool,
}

impl SelfOpened {
    /// Whether another may open now.
    pub(super) fn may_open(&self) -> bool {
        let is_soon = self.last.is_some_and(|last| last.elapsed() < INTERVAL);
        !self.was_declined && (self.was_worth_it || !is_soon)
    }

    /// One opens.
    pub(super) fn opens(&mut self) {
        self.last = Some(Instant::now());
        self.was_worth_it = false;
    }

    /// Somebody signed in.
    pub(super) fn signed_in(&mut self) {
        self.was_worth_it = true;
        self.was_declined = false;
    }

    /// Somebody signed in, and the server does not take it.
    pub(super) fn was_in_vain(&mut self) {
        self.was_worth_it = false;
    }

    /// The server names another authorization server now. Once that is a reason for a page; a server that goes on so
    /// plays with its people.
    pub(super) fn moved(&mut self) {
        if std::mem::replace(&mut self.has_moved, true) {
            self.was_in_vain();
        }
    }

    /// The person said no.
    pub(super) fn declined(&mut self) {
        self.was_declined = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_finished_is_not_followed_by_another_for_ten_minutes() {
        let mut pages = SelfOpened::default();
        assert!(pages.may_open());
        pages.opens();
        tokio::time::advance(INTERVAL - Duration::from_secs(1)).await;
        assert!(!pages.may_open());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(pages.may_open());
        pages.opens();
        pages.signed_in();
        assert!(pages.may_open(), "the next reason is another one");
        pages.was_in_vain();
        assert!(!pages.may_open());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_moves_on_and_on_gets_one_page_more() {
        let mut pages = SelfOpened::default();
        for may_open in [true, false] {
            pages.opens();
            pages.signed_in();
            pages.moved();
            assert_eq!(pages.may_open(), may_open);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_no_none_opens_until_somebody_signed_in() {
        let mut pages = SelfOpened::default();
        pages.opens();
        pages.declined();
        tokio::time::advance(INTERVAL * 100).await;
        assert!(!pages.may_open());
        pages.signed_in();
        assert!(pages.may_open());
    }
}
