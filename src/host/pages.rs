//! Sign-in pages that open by themselves: one at a time, however many servers wait for one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The turns, shared by all sessions of a Host.
#[derive(Debug, Clone)]
pub struct Pages {
    turns: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// The right to have a page open.
pub(super) struct Page {
    turn: Option<OwnedSemaphorePermit>,
    tasks: TaskTracker,
}

impl Pages {
    /// Turns that outlive sessions, in tasks of the Host.
    pub fn new(tasks: &TaskTracker) -> Self {
        Self { turns: Arc::new(Semaphore::new(1)), tasks: tasks.clone() }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Page {
        if self.turns.available_permits() == 0 {
            tracing::debug!("another sign-in page is open; this one waits");
        }
        // Nobody closes the semaphore.
        let turn = self.turns.clone().acquire_owned().await.ok();
        Page { turn, tasks: self.tasks.clone() }
    }
}

impl Page {
    /// Waits for the end of the sign-in on the page. The turn lasts as long as the page does, also when nobody waits
    /// here any more; `None` if the Host ends first.
    pub(super) async fn until<T: Send + 'static>(
        self,
        ended: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.keep_until(ended).await.ok()
    }

    /// Has the turn last as long as the page does, for who comes back later.
    pub(super) fn keep_until<T: Send + 'static>(
        self,
        ended: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let Self { turn, tasks } = self;
        tasks.spawn(async move {
            let outcome = ended.await;
            drop(turn);
            outcome
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_page_that_nobody_waits_for_any_more_still_is_the_only_one() {
        let pages = Pages::new(&TaskTracker::new());
        let (end, ended) = oneshot::channel::<()>();
        let waiting = pages.turn().await.until(ended);
        let gave_up = tokio::time::timeout(std::time::Duration::ZERO, waiting).await;
        assert!(gave_up.is_err());
        assert!(pages.turn().now_or_never().is_none(), "the page is still open");
        end.send(()).expect("the page is watched");
        pages.turn().await;
    }
}
