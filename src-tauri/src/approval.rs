//! Questions whether a program's configuration may bring an address, or send a secret somewhere
//! (security rule 4). They wait here until the person answers in the main window.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drawbridge::host::{Approver, Wanted};
use drawbridge::redact::plain;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use specta::Type;
use tokio::sync::{oneshot, watch};

/// How long a question is shown.
const LIMIT: Duration = Duration::from_secs(10 * 60);
/// Questions that may wait; further ones are answered with no.
const MOST: usize = 20;

/// A question as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalView {
    /// Names the question.
    pub(crate) id: u32,
    /// The address.
    pub(crate) url: String,
    /// Whether no server has it yet.
    pub(crate) is_new: bool,
    /// Names of the secrets that would be sent there for the first time.
    pub(crate) references: Vec<String>,
}

struct Question {
    view: ApprovalView,
    answer: oneshot::Sender<bool>,
}

/// The questions that wait.
pub(crate) struct Approvals {
    next: AtomicU32,
    questions: Mutex<Vec<Question>>,
    shown: watch::Sender<Vec<ApprovalView>>,
}

impl Approvals {
    /// None yet.
    pub(crate) fn new() -> Arc<Self> {
        let (next, questions) = (AtomicU32::new(1), Mutex::default());
        Arc::new(Self { next, questions, shown: watch::Sender::new(Vec::new()) })
    }

    /// The questions, now and whenever one comes or goes.
    pub(crate) fn views(&self) -> watch::Receiver<Vec<ApprovalView>> {
        self.shown.subscribe()
    }

    /// Answers a question; one that is gone needs no answer.
    pub(crate) fn answer(&self, id: u32, allow: bool) {
        if let Some(question) = self.take(id) {
            question.answer.send(allow).ok();
        }
    }

    async fn ask(&self, wanted: Wanted) -> bool {
        let view = ApprovalView {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            url: wanted.url.to_string(),
            is_new: wanted.is_new,
            references: wanted.references.iter().map(|reference| plain(reference, 120)).collect(),
        };
        let gone = Gone { approvals: self, id: view.id };
        let (answer, answered) = oneshot::channel();
        {
            let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
            if questions.len() >= MOST {
                return false;
            }
            questions.push(Question { view, answer });
        }
        self.publish();
        let agreed = matches!(tokio::time::timeout(LIMIT, answered).await, Ok(Ok(true)));
        drop(gone);
        agreed
    }

    fn take(&self, id: u32) -> Option<Question> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let place = questions.iter().position(|question| question.view.id == id)?;
        let question = questions.remove(place);
        drop(questions);
        self.publish();
        Some(question)
    }

    fn publish(&self) {
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        self.shown.send_replace(questions.iter().map(|question| question.view.clone()).collect());
    }
}

impl Approver for Approvals {
    fn approve(&self, wanted: Wanted) -> BoxFuture<'_, bool> {
        Box::pin(self.ask(wanted))
    }
}

/// The questions that were brought before the person.
#[derive(Debug, Default)]
pub(crate) struct Brought(BTreeSet<u32>);

impl Brought {
    /// Whether one of those that wait now is new. One that only stays is not, whichever else has left.
    pub(crate) fn is_more(&mut self, waiting: &[ApprovalView]) -> bool {
        let waiting: BTreeSet<_> = waiting.iter().map(|view| view.id).collect();
        let is_more = !waiting.is_subset(&self.0);
        self.0 = waiting;
        is_more
    }
}

/// Takes a question away when nobody waits for its answer any more.
struct Gone<'a> {
    approvals: &'a Approvals,
    id: u32,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.approvals.take(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(url: &str) -> Wanted {
        let url = url::Url::parse(url).expect("a URL");
        Wanted { url: (&url).into(), is_new: true, references: vec!["env:A\u{202e}B".into()] }
    }

    #[tokio::test]
    async fn a_question_waits_for_its_answer_and_leaves() {
        let approvals = Approvals::new();
        let mut shown = approvals.views();
        for allow in [true, false] {
            let (asked, answered) = tokio::join!(approvals.ask(wanted("https://h/mcp?key=1")), async {
                let view = shown.wait_for(|views| !views.is_empty()).await.expect("shown")[0].clone();
                approvals.answer(view.id, allow);
                view
            });
            assert_eq!(asked, allow);
            assert_eq!((answered.url.as_str(), answered.references[0].as_str()), ("https://h/mcp", "env:AB"));
            assert!(shown.borrow_and_update().is_empty());
        }
        approvals.answer(99, true);
    }

    #[tokio::test]
    async fn a_question_nobody_waits_for_is_gone() {
        let approvals = Approvals::new();
        let asking = approvals.ask(wanted("https://h/"));
        assert!(futures_util::future::poll_immediate(asking).await.is_none());
        assert!(approvals.views().borrow().is_empty());
    }

    #[tokio::test]
    async fn a_question_is_brought_once_whichever_else_comes_or_goes() {
        let approvals = Approvals::new();
        let (mut shown, mut brought) = (approvals.views(), Brought::default());
        let mut is_more = || brought.is_more(&shown.borrow_and_update());
        let (mut one, mut two) =
            (Box::pin(approvals.ask(wanted("https://h/"))), Box::pin(approvals.ask(wanted("https://i/"))));

        assert!(!is_more());
        assert!(futures_util::future::poll_immediate(&mut one).await.is_none());
        assert!(is_more() && !is_more());
        assert!(futures_util::future::poll_immediate(&mut two).await.is_none());
        assert!(is_more());
        drop(one);
        assert!(!is_more(), "one has left and the other was brought already");
        drop(two);
        assert!(!is_more());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_too_many_questions_mean_no() {
        let approvals = Approvals::new();
        assert!(!approvals.ask(wanted("https://h/")).await);
        let many = (0..MOST).map(|_| approvals.ask(wanted("https://h/")));
        let mut many = Box::pin(futures_util::future::join_all(many));
        assert!(futures_util::future::poll_immediate(&mut many).await.is_none());
        assert!(!approvals.ask(wanted("https://h/")).await);
        assert_eq!(approvals.views().borrow().len(), MOST);
    }
}
