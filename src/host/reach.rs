//! Whether servers could be reached when it was last tried: a leaf that sessions write and the
//! controller shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::failure::Failure;

/// How the last attempt to open a session with a server ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The server answered.
    Worked,
    /// It did not, and has not since.
    Failed {
        /// Why.
        failure: Failure,
        /// The first failure after the last success.
        since: SystemTime,
    },
}

/// The last attempts, by the id of the server's entry. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct Reach(watch::Sender<Arc<BTreeMap<String, Attempt>>>);

impl Reach {
    /// The server answered.
    pub fn worked(&self, entry: &str) {
        self.change(entry, |_| Some(Attempt::Worked));
    }

    /// The server could not be reached, or was not what it should be.
    pub fn failed(&self, entry: &str, failure: Failure) {
        self.change(entry, |before| {
            let since = match before {
                Some(Attempt::Failed { since, .. }) => *since,
                Some(Attempt::Worked) | None => SystemTime::now(),
            };
            Some(Attempt::Failed { failure, since })
        });
    }

    /// What was known is about another address.
    pub fn forget(&self, entry: &str) {
        self.change(entry, |_| None);
    }

    /// All of them, now and whenever one changes.
    pub fn watch(&self) -> watch::Receiver<Arc<BTreeMap<String, Attempt>>> {
        self.0.subscribe()
    }

    fn change(&self, entry: &str, next: impl FnOnce(Option<&Attempt>) -> Option<Attempt>) {
        self.0.send_if_modified(|attempts| {
            let before = attempts.get(entry);
            let after = next(before);
            if before == after.as_ref() {
                return false;
            }
            let attempts = Arc::make_mut(attempts);
            match after {
                Some(after) => drop(attempts.insert(entry.to_owned(), after)),
                None => drop(attempts.remove(entry)),
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    fn failure(sentence: &str) -> Failure {
        Failure::new(Code::Unreachable, sentence, "try again")
    }

    #[test]
    fn a_failure_tells_since_when_until_the_server_answers() {
        let reach = Reach::default();
        let mut seen = reach.watch();
        let now = |seen: &mut watch::Receiver<Arc<BTreeMap<String, Attempt>>>| {
            seen.borrow_and_update().get("a").cloned()
        };
        reach.failed("a", failure("one"));
        let Some(Attempt::Failed { since: first, .. }) = now(&mut seen) else { panic!("it failed") };
        reach.failed("a", failure("two"));
        assert_eq!(now(&mut seen), Some(Attempt::Failed { failure: failure("two"), since: first }));

        reach.failed("a", failure("two"));
        assert!(!seen.has_changed().expect("open"), "the same failure is no news");
        reach.worked("a");
        assert_eq!(now(&mut seen), Some(Attempt::Worked));
        reach.failed("b", failure("one"));
        assert_eq!(now(&mut seen), Some(Attempt::Worked), "servers are told apart");
        reach.forget("a");
        assert_eq!(now(&mut seen), None);
    }
}
