//! Opening a session in a task of the Host's own: whoever waits for it may stop, and what is open then is ended. To drop
//! the request instead would leave a session at the server of which nobody knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::context::Context;
use super::open::{self, OpenError, Opened, Opening};
use super::resume::Resume;
use super::transport::Transport;
use crate::host::account::AccountHandle;
use crate::host::activity::Busy;

/// A server that takes longer than this for the handshake counts as down.
const OPEN_LIMIT: Duration = Duration::from_secs(60);

/// Where sessions are opened.
#[derive(Debug, Clone)]
pub struct Aside {
    tasks: TaskTracker,
    end: CancellationToken,
}

/// A session, and what counts it among those in its account's name until it has ended.
pub(super) struct Current {
    pub(super) transport: Arc<Transport>,
    _in_its_name: Option<Busy>,
}

impl Aside {
    /// In tasks that end with the Host.
    pub fn new(tasks: &TaskTracker, end: &CancellationToken) -> Self {
        Self { tasks: tasks.clone(), end: end.clone() }
    }
}

impl Context {
    /// Begins to open a session, which is ended if nobody waits for it any more; and what has ended once it was taken or
    /// ended.
    pub(super) fn open_aside(
        self: &Arc<Self>,
        opening: Arc<Opening>,
        resume: Option<Resume>,
    ) -> (impl Future<Output = Result<(Opened, Current), OpenError>>, JoinHandle<()>) {
        let (give, opened) = oneshot::channel();
        let (context, end) = (self.clone(), self.aside.end.clone());
        let in_its_name = self.account().map(AccountHandle::session);
        // That one is for the next Host, if not for this.
        let is_handed_over = resume.is_some();
        let opening = async move {
            let opened = timeout(OPEN_LIMIT, open::open(&context, &opening, resume)).await;
            let opened = opened.unwrap_or_else(|_| Err(OpenError::Failed(context.no_handshake())));
            let opened = opened.map(|opened| {
                let _in_its_name = in_its_name.filter(|_| opened.transport.has_session());
                let current = Current { transport: opened.transport.clone(), _in_its_name };
                (opened, current)
            });
            if let Err(Ok((_, unwanted))) = give.send(opened)
                && !is_handed_over
            {
                unwanted.end().await;
            }
        };
        let task = self.aside.tasks.spawn(async move {
            end.run_until_cancelled_owned(opening).await;
        });
        let context = self.clone();
        let taking = async move { opened.await.unwrap_or_else(|_| Err(OpenError::Failed(context.defect()))) };
        (taking, task)
    }
}

impl Current {
    /// Tells the server of the end.
    pub(super) async fn end(self) {
        self.transport.delete().await;
    }
}
