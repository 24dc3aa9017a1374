//! Whether a program's configuration may bring an address, or send a secret, that nobody
//! approved (security rule 4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use url::Url;

use super::Error;
use super::settings::ConnectUrl;
use crate::api::types::ServerOptions;
use crate::redact::{SafeUrl, plain};
use crate::registry::ServerName;

/// What a program wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The address.
    pub url: SafeUrl,
    /// Whether no server has it yet.
    pub is_new: bool,
    /// Names of the secrets that would be sent there for the first time.
    pub references: Vec<String>,
}

/// Asks the person; the tray does.
pub trait Approver: Send + Sync {
    /// Returns whether the person agreed. Waits as long as the question is shown.
    fn approve(&self, wanted: Wanted) -> BoxFuture<'_, bool>;
}

type Question = WeakShared<BoxFuture<'static, bool>>;

/// How approvals are given.
pub(super) struct Approvals {
    rule: ConnectUrl,
    approver: Option<Arc<dyn Approver>>,
    /// The questions that wait, by all that they are about.
    asked: Mutex<HashMap<(Url, Wanted), Question>>,
}

impl Approvals {
    pub(super) fn new(rule: ConnectUrl, approver: Option<Arc<dyn Approver>>) -> Self {
        Self { rule, approver, asked: Mutex::default() }
    }

    /// Decides; returns when it is fine.
    ///
    /// # Errors
    /// [`Error::NotApproved`]
    pub(super) async fn decide(&self, url: &Url, name: &ServerName, wanted: Wanted) -> Result<(), Error> {
        let agreed = match (self.rule, &self.approver) {
            (ConnectUrl::Allow, _) => {
                tracing::info!(url = %wanted.url, new = wanted.is_new, references = ?shown(&wanted), "allowed without asking");
                true
            }
            (ConnectUrl::Ask, Some(approver)) => self.ask(approver, url, &wanted).await,
            (ConnectUrl::Ask, None) | (ConnectUrl::Never, _) => false,
        };
        if agreed { Ok(()) } else { Err(refusal(url, name, &wanted)) }
    }

    /// Asks once, however many programs want the same; the question goes with the last of them.
    fn ask(
        &self,
        approver: &Arc<dyn Approver>,
        url: &Url,
        wanted: &Wanted,
    ) -> Shared<BoxFuture<'static, bool>> {
        let key = (url.clone(), wanted.clone());
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, question| question.upgrade().is_some_and(|question| question.peek().is_none()));
        if let Some(question) = asked.get(&key).and_then(WeakShared::upgrade) {
            return question;
        }
        let (approver, new) = (approver.clone(), wanted.clone());
        let question = async move { approver.approve(new).await }.boxed().shared();
        asked.extend(question.downgrade().map(|question| (key, question)));
        question
    }
}

fn refusal(url: &Url, name: &ServerName, wanted: &Wanted) -> Error {
    let references = shown(wanted);
    let what = match (wanted.is_new, references.is_empty()) {
        (_, true) => wanted.url.to_string(),
        (true, false) => format!("{} with {}", wanted.url, references.join(", ")),
        (false, false) => format!("{} for {}", references.join(", "), wanted.url),
    };
    let command = match (wanted.is_new, url.query().is_some()) {
        (true, false) => format!("drawbridge add {name} {}", wanted.url),
        (true, true) => format!("drawbridge add {name} URL"),
        (false, _) => format!("drawbridge edit {name}"),
    };
    Error::NotApproved { what, command, with_options: !references.is_empty() }
}

/// What a program may bring with an address, even where addresses need no approval: options that
/// decide where tokens go, or who can read them on the way, would hold for every later client.
///
/// # Errors
/// [`Error::NotApproved`]
pub(super) fn only_harmless(url: &Url, name: &ServerName, given: &ServerOptions) -> Result<(), Error> {
    let options = given.routing();
    if options.is_empty() {
        return Ok(());
    }
    let what = format!("{} with {}", SafeUrl::from(url), options.join(", "));
    let command = match url.query() {
        None => format!("drawbridge add {name} {}", SafeUrl::from(url)),
        Some(_) => format!("drawbridge add {name} URL"),
    };
    Err(Error::NotApproved { what, command, with_options: true })
}

fn shown(wanted: &Wanted) -> Vec<String> {
    wanted.references.iter().map(|reference| plain(reference, 120)).collect()
}

#[cfg(test)]
mod tests {
    use futures_util::future::poll_immediate;
    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    /// Shows every question that is asked, and agrees to each once it may.
    struct Person {
        shown: mpsc::Sender<Arc<()>>,
        agrees: Semaphore,
    }

    impl Approver for Person {
        fn approve(&self, _: Wanted) -> BoxFuture<'_, bool> {
            let question = Arc::new(());
            self.shown.try_send(question.clone()).expect("room");
            async move {
                let agreed = self.agrees.acquire().await.is_ok();
                drop(question);
                agreed
            }
            .boxed()
        }
    }

    #[tokio::test]
    async fn the_same_question_is_asked_once_and_goes_with_the_last_who_wants_it() {
        let (shown, mut questions) = mpsc::channel(8);
        let person = Arc::new(Person { shown, agrees: Semaphore::new(0) });
        let approvals = Approvals::new(ConnectUrl::Ask, Some(person.clone()));
        let (name, url) =
            ("demo".parse().expect("a name"), Url::parse("https://x.example/mcp").expect("a URL"));
        let decide = |reference: &str| {
            let wanted = Wanted { url: (&url).into(), is_new: true, references: vec![reference.to_owned()] };
            Box::pin(approvals.decide(&url, &name, wanted))
        };
        let (mut one, mut two, mut other) = (decide("env:A"), decide("env:A"), decide("env:B"));
        for waiting in [&mut one, &mut two, &mut other] {
            assert!(poll_immediate(waiting).await.is_none());
        }
        let first = questions.recv().await.expect("asked");
        assert!(questions.recv().await.is_some() && questions.try_recv().is_err(), "one for each");

        drop(one);
        assert_eq!(Arc::strong_count(&first), 2, "somebody still waits");
        drop(two);
        assert_eq!(Arc::strong_count(&first), 1, "nobody does");
        person.agrees.add_permits(8);
        assert!(other.await.is_ok() && decide("env:A").await.is_ok());
        assert!(questions.recv().await.is_some(), "asked anew");
    }
}
