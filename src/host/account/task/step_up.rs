//! Asking for more permission: the step-up flow of the authorization page, and its limits.

use std::collections::{BTreeSet, HashMap};

use super::{Held, Task};
use crate::host::account::{Operation, Refusal, Retry};
use crate::oauth::challenge::Challenge;
use crate::oauth::scope::Scopes;

/// Sign-ins for the same operation and scopes in one run of the Host.
const MOST_SIGN_INS: u32 = 3;
/// Operations and scopes that are told apart; a server that names more makes them up.
const MOST_COUNTED: usize = 256;

/// How often more permission was asked for, and what for now.
#[derive(Default)]
pub(super) struct StepUps {
    counted: HashMap<(Operation, BTreeSet<String>), Count>,
    /// The challenge that the next sign-in is to satisfy, besides what was allowed before.
    pub(super) wanted: Option<Challenge>,
}

#[derive(Clone, Copy)]
struct Count {
    sign_ins: u32,
    /// How many sign-ins of the account had ended at the last count.
    ended: u64,
}

impl StepUps {
    /// Starts to count anew: the person asked for a sign-in.
    pub(super) fn forget_counts(&mut self) {
        self.counted.clear();
    }

    /// Counts a refusal. Those that wait for the same sign-in count as one; false when there were enough.
    fn admits(&mut self, operation: Operation, scopes: &Scopes, ended: u64) -> bool {
        let key = (operation, scopes.iter().map(str::to_owned).collect());
        if !self.counted.contains_key(&key) && self.counted.len() >= MOST_COUNTED {
            return false;
        }
        let count = self.counted.entry(key).or_insert(Count { sign_ins: 1, ended });
        if count.ended == ended {
            return true;
        }
        let admits = count.sign_ins < MOST_SIGN_INS;
        if admits {
            *count = Count { sign_ins: count.sign_ins + 1, ended };
        }
        admits
    }
}

impl Task {
    /// What to do about a 403.
    pub(super) fn forbidden(&mut self, refusal: Refusal, challenge: Option<Challenge>) -> Retry {
        let Some(challenge) = challenge.filter(|found| found.error() == Some("insufficient_scope")) else {
            return Retry::Forbidden;
        };
        let Held::Tokens(tokens) = &self.held else {
            self.challenge = Some(challenge);
            return Retry::SignInNeeded;
        };
        let is_late = match (&refusal.used, &tokens.access) {
            (Some(used), Some(access)) => !used.same_as(access),
            (None, _) | (_, None) => true,
        };
        if is_late {
            return Retry::WithNewToken;
        }
        let needed = Scopes::parse(challenge.scope().unwrap_or_default());
        // Who has them all and is refused would be refused again.
        if !needed.is_empty() && needed.without(&tokens.scopes).is_empty() {
            return Retry::Forbidden;
        }
        if let Some(given) = &self.spec.oauth.scope {
            let left_out = needed.without(&Scopes::parse(given));
            if !left_out.is_empty() {
                return Retry::LeftOut(left_out);
            }
        }
        // A program that acts for itself may give up (step-up authorization flow).
        if self.is_unattended() {
            return Retry::Forbidden;
        }
        let ended = self.logins - u64::from(self.login.is_some());
        if !self.step_ups.admits(refusal.operation, &needed, ended) {
            return Retry::Forbidden;
        }
        self.step_ups.wanted = Some(challenge);
        Retry::MorePermissionNeeded
    }

    /// What was asked for and granted before, which a sign-in for more must not lose.
    pub(super) fn scopes_to_keep(&self) -> Option<Scopes> {
        match &self.held {
            Held::Tokens(tokens) if self.step_ups.wanted.is_some() => {
                Some(tokens.requested.union(&tokens.scopes))
            }
            Held::Tokens(_) | Held::Unread | Held::Reading | Held::Nothing(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str) -> Operation {
        Operation { method: "tools/call".to_owned(), name: Some(name.to_owned()) }
    }

    #[test]
    fn three_sign_ins_for_the_same_are_enough() {
        let mut step_ups = StepUps::default();
        let scopes = Scopes::parse("b a");
        for ended in 1..=3 {
            for _ in 0..50 {
                assert!(step_ups.admits(operation("x"), &scopes, ended), "all wait for the same sign-in");
            }
        }
        assert!(!step_ups.admits(operation("x"), &Scopes::parse("a b"), 4));
        assert!(step_ups.admits(operation("y"), &scopes, 4), "another tool");
        assert!(step_ups.admits(operation("x"), &Scopes::parse("a"), 4), "other scopes");
        step_ups.forget_counts();
        assert!(step_ups.admits(operation("x"), &scopes, 5));
    }

    #[test]
    fn a_server_that_makes_up_scopes_is_stopped() {
        let mut step_ups = StepUps::default();
        let admitted = (0..1000)
            .filter(|number| step_ups.admits(operation("x"), &Scopes::parse(&format!("s{number}")), *number))
            .count();
        assert_eq!(admitted, MOST_COUNTED);
    }
}
