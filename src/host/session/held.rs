//! Requests of a modern client that a legacy server holds open while the client is asked
//! something. Their `requestState` is ours: sealed, bound to the request, single-use, and gone with
//! the session, which is one client's with one account (security rule 12).

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::host::account::Shown;
use crate::mcp::translate::input::{Input, Question};
use crate::mcp::{Message, RequestId, error_response, json, result_response};

use super::sealer::{ConnectionSealer, Purpose};
use super::to_legacy::Call;

/// What every `requestState` of ours begins with.
pub const HELD_STATE: &str = "drawbridge.";
/// How long a client may take to come back.
const LIFETIME: Duration = Duration::from_secs(600);
/// The most requests of one client that are held; the oldest go first.
const MOST: usize = 16;

/// A request that waits for its client to come back with answers.
pub(super) struct Held {
    state: String,
    until: Instant,
    /// The request without what a retry adds.
    request: Value,
    pub(super) waits: Waits,
}

/// What happens when the client comes back.
pub(super) enum Waits {
    /// The server gets its answers and goes on.
    ForAnswers(Call, Vec<Asked>),
    /// The request, which did not run, is sent again.
    ToBeSentAgain,
    /// The same, once somebody has signed in on the page that the client was asked to show.
    ForSignIn {
        shown: Shown,
        /// What the request itself came back to the server with.
        input: Input,
    },
}

/// A question of the server that is on its way to the client.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The server's own id for it.
    pub(super) id: RequestId,
    pub(super) question: Question,
}

impl Held {
    pub(super) fn new(sealer: &ConnectionSealer, request: &Message, waits: Waits) -> Self {
        let state = sealer.seal(Purpose::Held, &[]);
        Self {
            state: format!("{HELD_STATE}{}", state.expect("a few bytes can be sealed")),
            until: Instant::now() + LIFETIME,
            request: without_input(request),
            waits,
        }
    }

    /// Names it towards the client.
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// Whether somebody has to sign in for it.
    pub(super) fn is_for_sign_in(&self) -> bool {
        matches!(self.waits, Waits::ForSignIn { .. })
    }

    /// Whether a retry is one of this request.
    pub(super) fn is_of(&self, retry: &Message) -> bool {
        self.request == without_input(retry)
    }

    /// The request as the server is to get it: without what its client brings back to us, and with what it brings back
    /// to the server.
    pub(super) fn restored(&self, retry: &Message) -> Option<Message> {
        match &self.waits {
            Waits::ForSignIn { input, .. } => input.put_into(retry),
            Waits::ForAnswers(..) | Waits::ToBeSentAgain => None,
        }
    }

    /// Tells the server that nobody answers, and takes its request back.
    pub(super) async fn give_up(self) {
        let Waits::ForAnswers(call, asked) = self.waits else { return };
        for asked in asked {
            let _ = call.tell(asked.answer(None)).await;
        }
        call.cancel().await;
    }
}

impl Asked {
    /// The answer to the server's question; an elicitation that got none is cancelled.
    pub(super) fn answer(&self, result: Option<&str>) -> Message {
        let line = match result {
            Some(result) => result_response(&self.id, result),
            None if self.question.method == "elicitation/create" => {
                result_response(&self.id, r#"{"action":"cancel"}"#)
            }
            None => error_response(Some(&self.id), -1, "The client did not answer", None),
        };
        Message::parse(line).expect("a response made of JSON values")
    }
}

/// The requests that are held for one client, oldest first.
#[derive(Default)]
pub(super) struct HeldRequests {
    held: VecDeque<Held>,
}

impl HeldRequests {
    /// Takes the one that a retry names; none where it names none of ours.
    pub(super) fn take(&mut self, retry: &Message) -> Option<Held> {
        self.take_if(retry, |_| true)
    }

    /// The same, but only if the server works on it.
    pub(super) fn take_under_way(&mut self, retry: &Message) -> Option<Held> {
        self.take_if(retry, |held| matches!(held.waits, Waits::ForAnswers(..)))
    }

    fn take_if(&mut self, retry: &Message, is_wanted: impl Fn(&Held) -> bool) -> Option<Held> {
        let state = retry.string_at(&["params", "requestState"])?;
        let at = self.held.iter().position(|held| held.state == state && is_wanted(held))?;
        self.held.remove(at)
    }

    /// Holds one more, and gives back one that is too many.
    pub(super) fn hold(&mut self, held: Held) -> Option<Held> {
        self.held.push_back(held);
        if self.held.len() > MOST { self.held.pop_front() } else { None }
    }

    /// Takes all of them: their client has left.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Held> {
        std::mem::take(&mut self.held).into_iter()
    }

    /// When the oldest has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    /// Takes the oldest one if it has waited long enough.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Held> {
        self.held.pop_front_if(|held| held.until <= now)
    }
}

/// Whether a `requestState` is one that this home gave out for this connection. One of another Drawbridge is its server's.
pub(super) fn is_ours(sealer: &ConnectionSealer, state: &str) -> bool {
    state.strip_prefix(HELD_STATE).is_some_and(|sealed| sealer.open(Purpose::Held, sealed).is_some())
}

/// Method and parameters of a request, without what says who asks and what a retry adds.
fn without_input(request: &Message) -> Value {
    let params = request.raw_at(&["params"]).unwrap_or("{}");
    let mut params: Value = serde_json::from_str(params).unwrap_or_default();
    if let Some(params) = params.as_object_mut() {
        for key in ["_meta", "inputResponses", "requestState"] {
            params.remove(key);
        }
    }
    serde_json::json!([request.method(), params])
}

/// The client's answer to a question, raw.
pub(super) fn answer_in<'a>(retry: &'a Message, key: &str) -> Option<&'a str> {
    json::member(retry.raw_at(&["params", "inputResponses"])?, key).filter(|answer| *answer != "null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::session::sealer::Sealer;

    fn call(params: &str) -> Message {
        let line = format!(r#"{{"id":1,"method":"tools/call","params":{params}}}"#);
        Message::parse(line.into()).expect("a request")
    }

    fn retry(held: &Held, name: &str) -> Message {
        call(&format!(
            r#"{{"requestState":"{}","name":"{name}","inputResponses":{{}},"_meta":{{"a":1}}}}"#,
            held.state()
        ))
    }

    fn sealer(connection: &str) -> ConnectionSealer {
        Sealer::new(&[7; 32]).of(connection, connection)
    }

    #[test]
    fn states_of_other_connections_and_homes_are_not_ours() {
        let held = Held::new(&sealer("a"), &call("{}"), Waits::ToBeSentAgain);
        assert!(is_ours(&sealer("a"), held.state()));
        assert!(!is_ours(&sealer("b"), held.state()));
        assert!(!is_ours(&Sealer::new(&[8; 32]).of("a", "a"), held.state()));
        assert!(!is_ours(&sealer("a"), "drawbridge.guessed"));
    }

    #[test]
    fn a_state_is_of_one_request_and_of_one_use() {
        let mut requests = HeldRequests::default();
        let held = Held::new(&sealer("a"), &call(r#"{"name":"t","_meta":{}}"#), Waits::ToBeSentAgain);
        let (good, other) = (retry(&held, "t"), retry(&held, "u"));
        assert!(held.is_of(&good));
        assert!(!held.is_of(&other));
        assert!(requests.hold(held).is_none());
        assert!(requests.take(&call(r#"{"name":"t","requestState":"guessed"}"#)).is_none());
        assert!(requests.take(&good).is_some());
        assert!(requests.take(&good).is_none());
    }

    #[test]
    fn the_oldest_go_first_and_none_stays_for_ever() {
        let mut requests = HeldRequests::default();
        let new = || Held::new(&sealer("a"), &call("{}"), Waits::ToBeSentAgain);
        let oldest = new();
        let state = oldest.state().to_owned();
        assert!(requests.hold(oldest).is_none());
        for _ in 1..MOST {
            assert!(requests.hold(new()).is_none());
        }
        assert_eq!(requests.hold(new()).expect("one too many").state(), state);
        let now = Instant::now();
        assert!(requests.take_expired(now).is_none());
        assert!(requests.deadline().is_some_and(|deadline| deadline > now));
        assert!(requests.take_expired(now + LIFETIME + LIFETIME).is_some());
    }
}
