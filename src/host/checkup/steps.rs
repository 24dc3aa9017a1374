//! The steps of a walk as it goes on: what was passed, and where it ended.

use crate::api::types::{CheckName, CheckOutcome, CheckView};
use crate::failure::Failure;

/// The steps from an account to an open session, in order.
const ORDER: [CheckName; 6] = [
    CheckName::Stored,
    CheckName::Server,
    CheckName::Discovery,
    CheckName::Registration,
    CheckName::Token,
    CheckName::Initialize,
];

/// The outcomes so far, one for each step in order.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<CheckOutcome>);

impl Steps {
    /// The next step is as it should be.
    pub(super) fn done(&mut self, note: impl Into<String>) {
        self.0.push(CheckOutcome::Done { note: Some(note.into()).filter(|note| !note.is_empty()) });
    }

    /// The next steps up to this one are not needed here.
    pub(super) fn not_needed_before(&mut self, step: CheckName) {
        let place = ORDER.iter().position(|known| *known == step).expect("a step of a walk");
        while self.0.len() < place {
            self.0.push(CheckOutcome::NotNeeded);
        }
    }

    /// All steps; the next one is wrong where there is a failure, and those after it were not reached.
    pub(super) fn ended(mut self, failure: Option<Failure>) -> Vec<CheckView> {
        self.0.extend(failure.map(|failure| CheckOutcome::Wrong { failure }));
        let outcomes = self.0.into_iter().chain(std::iter::repeat(CheckOutcome::NotReached));
        ORDER.into_iter().zip(outcomes).map(|(name, outcome)| CheckView { name, outcome }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    #[test]
    fn what_comes_after_the_first_thing_wrong_was_not_reached() {
        let mut steps = Steps::default();
        steps.done("");
        steps.done("answers");
        steps.not_needed_before(CheckName::Token);
        let failure = Failure::new(Code::SignedOut, "you are signed out", "sign in");
        let checks = steps.ended(Some(failure.clone()));
        let wanted = [
            (CheckName::Stored, CheckOutcome::Done { note: None }),
            (CheckName::Server, CheckOutcome::Done { note: Some("answers".into()) }),
            (CheckName::Discovery, CheckOutcome::NotNeeded),
            (CheckName::Registration, CheckOutcome::NotNeeded),
            (CheckName::Token, CheckOutcome::Wrong { failure }),
            (CheckName::Initialize, CheckOutcome::NotReached),
        ];
        assert_eq!(checks, wanted.map(|(name, outcome)| CheckView { name, outcome }));
    }
}
