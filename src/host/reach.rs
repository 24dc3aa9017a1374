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

/// What is known of the attempts to open sessions with a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempts {
    /// How the last one ended, if any has.
    pub last: Option<Attempt>,
    /// How many are under way.
    pub under_way: usize,
}

/// The attempts of each server, by the id of its entry.
pub type AttemptsByEntry = Arc<BTreeMap<String, Attempts>>;

/// Keeps the attempts of each server. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Reach(watch::Sender<AttemptsByEntry>);

/// An attempt that counts as being under way until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    reach: Reach,
    entry: String,
}

impl Reach {
    /// Somebody tries to open a session.
    #[must_use]
    pub fn begin(&self, entry: &str) -> UnderWay {
        self.change(entry, |attempts| attempts.under_way += 1);
        UnderWay { reach: self.clone(), entry: entry.to_owned() }
    }

    /// The server answered.
    pub fn worked(&self, entry: &str) {
        self.change(entry, |attempts| attempts.last = Some(Attempt::Worked));
    }

    /// The server could not be reached, or was not what it should be.
    pub fn failed(&self, entry: &str, failure: Failure) {
        self.change(entry, |attempts| {
            let since = match attempts.last {
                Some(Attempt::Failed { since, .. }) => since,
                Some(Attempt::Worked) | None => SystemTime::now(),
            };
            attempts.last = Some(Attempt::Failed { failure, since });
        });
    }

    /// What was known is about another address.
    pub fn forget(&self, entry: &str) {
        self.change(entry, |attempts| attempts.last = None);
    }

    /// All of them, now and whenever one changes.
    pub fn watch(&self) -> watch::Receiver<AttemptsByEntry> {
        self.0.subscribe()
    }

    fn change(&self, entry: &str, change: impl FnOnce(&mut Attempts)) {
        self.0.send_if_modified(|all| {
            let before = all.get(entry).cloned().unwrap_or_default();
            let mut after = before.clone();
            change(&mut after);
            if before == after {
                return false;
            }
            let all = Arc::make_mut(all);
            if after == Attempts::default() {
                all.remove(entry);
            } else {
                all.insert(entry.to_owned(), after);
            }
            true
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.reach.change(&self.entry, |attempts| attempts.under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    fn failure(sentence: &str) -> Failure {
        Failure::new(Code::Unreachable, sentence, "try again")
    }

    fn now(seen: &mut watch::Receiver<AttemptsByEntry>) -> Attempts {
        seen.borrow_and_update().get("a").cloned().unwrap_or_default()
    }

    #[test]
    fn a_failure_tells_since_when_until_the_server_answers() {
        let reach = Reach::default();
        let mut seen = reach.watch();
        reach.failed("a", failure("one"));
        let Some(Attempt::Failed { since: first, .. }) = now(&mut seen).last else { panic!("it failed") };
        reach.failed("a", failure("two"));
        assert_eq!(now(&mut seen).last, Some(Attempt::Failed { failure: failure("two"), since: first }));

        reach.failed("a", failure("two"));
        assert!(!seen.has_changed().expect("open"), "the same failure is no news");
        reach.worked("a");
        assert_eq!(now(&mut seen).last, Some(Attempt::Worked));
        reach.failed("b", failure("one"));
        assert_eq!(now(&mut seen).last, Some(Attempt::Worked), "servers are told apart");
        reach.forget("a");
        assert_eq!(now(&mut seen), Attempts::default());
    }

    #[test]
    fn attempts_are_under_way_until_the_last_of_them_has_ended() {
        let reach = Reach::default();
        let mut seen = reach.watch();
        let (first, second) = (reach.begin("a"), reach.begin("a"));
        drop(first);
        reach.forget("a");
        assert_eq!(now(&mut seen), Attempts { last: None, under_way: 1 });
        reach.worked("a");
        drop(second);
        assert_eq!(now(&mut seen), Attempts { last: Some(Attempt::Worked), under_way: 0 });
    }
}
