//! What servers ask of clients while they work: requests of their own (legacy) ⇄ results that
//! require input (modern)
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr>).

use serde_json::Value;

use super::edit::{Edit, edit_at};
use super::versions;
use crate::mcp::{Message, RequestId, json};

const RESPONSES: &str = "inputResponses";
const STATE: &str = "requestState";
/// The most questions of one result that are passed on.
const MOST_QUESTIONS: usize = 16;

/// A result that wants to know more before the request can be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRequired {
    /// What the client is asked.
    pub questions: Vec<Question>,
    /// The server's `requestState`, raw; it goes back exactly so.
    pub state: Option<String>,
}

/// One thing a client is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The server's name for it.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its parameters, raw.
    pub params: Option<String>,
}

impl InputRequired {
    /// Reads a result whose type is `input_required`; `None` where it is malformed, asks more than
    /// anybody answers, or neither asks nor has a state.
    pub fn read(result: &str) -> Option<Self> {
        let raw = json::member(result, "inputRequests").filter(|requests| *requests != "null");
        let mut questions = Vec::new();
        for (key, request) in raw.map(members).unwrap_or(Some(Vec::new()))? {
            let method = json::member(&request, "method").and_then(json::string)?.into_owned();
            let params = json::member(&request, "params").map(str::to_owned);
            questions.push(Question { key, method, params });
        }
        let state = json::member(result, "requestState").filter(|state| *state != "null");
        let says_something = raw.is_some() || state.is_some();
        (says_something && questions.len() <= MOST_QUESTIONS)
            .then(|| Self { questions, state: state.map(str::to_owned) })
    }
}

impl Question {
    /// The question that a legacy server's own request asks.
    pub fn of_request(request: &Message, key: String) -> Option<Self> {
        let method = request.method()?.to_owned();
        let params = request.raw_at(&["params"]).map(|params| {
            let plain = edit_at(params, &[], |params| {
                params.remove("elicitationId");
                params.remove("task");
            });
            plain.unwrap_or_else(|| params.to_owned())
        });
        Some(Self { key, method, params })
    }

    /// Whether a client of these capabilities may be asked this (security rule 12).
    pub fn is_allowed_by(&self, capabilities: &str) -> bool {
        let can = |path: &[&str]| json::member_at(capabilities, path).is_some_and(|value| value != "null");
        let has =
            |key: &str| self.params.as_deref().is_some_and(|params| json::member(params, key).is_some());
        match self.method.as_str() {
            "roots/list" => can(&["roots"]),
            "sampling/createMessage" => {
                can(&["sampling"]) && (can(&["sampling", "tools"]) || !(has("tools") || has("toolChoice")))
            }
            "elicitation/create" => match self.mode().as_deref() {
                None | Some("form") => {
                    can(&["elicitation", "form"]) || (can(&["elicitation"]) && !can(&["elicitation", "url"]))
                }
                Some("url") => can(&["elicitation", "url"]),
                Some(_) => false,
            },
            _ => false,
        }
    }

    /// The request that asks a legacy client of that version.
    pub fn to_request(&self, id: &RequestId, version: &str) -> Option<Message> {
        let method = Value::from(self.method.as_str());
        let mut line = format!(r#"{{"jsonrpc":"2.0","id":{},"method":{method}"#, id.as_raw());
        if let Some(params) = &self.params {
            let named = self
                .opens_a_page()
                .then(|| edit_at(params, &[], |params| _ = params.set("elicitationId", as_string(id))))
                .flatten();
            let fitted = match self.method.as_str() {
                "elicitation/create" => versions::fit_elicitation(params, version),
                _ => None,
            };
            line.push_str(r#","params":"#);
            line.push_str(named.as_deref().or(fitted.as_deref()).unwrap_or(params));
        }
        line.push('}');
        Message::parse(line.into()).ok()
    }

    /// Whether it sends the person to a page.
    pub fn opens_a_page(&self) -> bool {
        self.mode().as_deref() == Some("url")
    }

    fn mode(&self) -> Option<std::borrow::Cow<'_, str>> {
        json::member(self.params.as_deref()?, "mode").and_then(json::string)
    }
}

/// The `inputResponses` of a retry, from raw results under the server's keys.
pub fn responses(answers: &[(String, String)]) -> String {
    let members: Vec<String> =
        answers.iter().map(|(key, result)| format!("{}:{result}", Value::from(key.as_str()))).collect();
    format!("{{{}}}", members.join(","))
}

/// The result by which a modern client is asked.
pub fn input_required(questions: &[Question], state: &str) -> String {
    let asked: Vec<String> = questions
        .iter()
        .map(|question| {
            let key = Value::from(question.key.as_str());
            let method = Value::from(question.method.as_str());
            let params = question.params.as_ref().map(|params| format!(r#","params":{params}"#));
            format!(r#"{key}:{{"method":{method}{}}}"#, params.unwrap_or_default())
        })
        .collect();
    let state = Value::from(state);
    format!(
        r#"{{"resultType":"input_required","inputRequests":{{{}}},"requestState":{state}}}"#,
        asked.join(",")
    )
}

/// The pages that a legacy server wants visited before a request can run (2025-11-25, -32042).
pub fn required_pages(response: &Message) -> Vec<Question> {
    let pages = response.raw_at(&["error", "data", "elicitations"]).and_then(json::elements);
    let pages = pages.unwrap_or_default().into_iter().take(MOST_QUESTIONS).enumerate();
    pages
        .map(|(at, params)| {
            let plain = edit_at(params.get(), &[], |params| {
                params.remove("elicitationId");
                params.set("mode", r#""url""#);
            });
            Question { key: (at + 1).to_string(), method: "elicitation/create".to_owned(), params: plain }
        })
        .collect()
}

/// What a retry brings besides its request, raw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    responses: Option<String>,
    state: Option<String>,
}

impl Input {
    /// Reads it; nothing where the request is no retry.
    pub fn of(retry: &Message) -> Self {
        let member = |name| retry.raw_at(&["params", name]).map(str::to_owned);
        Self { responses: member(RESPONSES), state: member(STATE) }
    }

    /// The same request with this in place of what it brings itself.
    pub fn put_into(&self, retry: &Message) -> Option<Message> {
        let line = std::str::from_utf8(retry.line()).ok()?;
        let line = edit_at(line, &["params"], |params| {
            for (key, value) in [(RESPONSES, &self.responses), (STATE, &self.state)] {
                match value {
                    Some(value) => _ = params.set(key, value),
                    None => _ = params.remove(key),
                }
            }
        })?;
        Message::parse(line.into()).ok()
    }
}

/// Tells a legacy client that what a page was opened for is done.
pub fn elicitation_complete(id: &RequestId) -> bytes::Bytes {
    let id = as_string(id);
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{{"elicitationId":{id}}}}}"#
    )
    .into()
}

/// An id as the string that `elicitationId` has to be.
fn as_string(id: &RequestId) -> String {
    if id.as_raw().starts_with('"') { id.as_raw().to_owned() } else { format!("\"{}\"", id.as_raw()) }
}

/// The members of an object, keys decoded; `None` where it is none.
fn members(object: &str) -> Option<Vec<(String, String)>> {
    Edit::of(object).map(|edit| edit.into_members())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::era::NEWEST_LEGACY;

    fn question(method: &str, params: Option<&str>) -> Question {
        Question { key: "k".into(), method: method.into(), params: params.map(str::to_owned) }
    }

    #[test]
    fn results_that_ask_are_read_with_their_state_as_it_came() {
        let result = r#"{"resultType":"input_required","inputRequests":{"a\u0062":{"method":"roots/list"},"c":{"method":"elicitation/create","params":{"message":"m", "n":1.0}}},"requestState":"\u0041"}"#;
        let read = InputRequired::read(result).expect("well-formed");
        assert_eq!(read.state.as_deref(), Some(r#""\u0041""#));
        assert_eq!(
            read.questions,
            [
                Question { key: "ab".into(), method: "roots/list".into(), params: None },
                Question {
                    key: "c".into(),
                    method: "elicitation/create".into(),
                    params: Some(r#"{"message":"m", "n":1.0}"#.into())
                },
            ]
        );
        assert!(InputRequired::read(r#"{"requestState":"s"}"#).is_some_and(|read| read.questions.is_empty()));
        for malformed in ["{}", r#"{"inputRequests":[]}"#, r#"{"inputRequests":{"a":1}}"#, "5"] {
            assert_eq!(InputRequired::read(malformed), None, "{malformed}");
        }
        let many: Vec<String> =
            (0..=MOST_QUESTIONS).map(|at| format!(r#""{at}":{{"method":"roots/list"}}"#)).collect();
        assert_eq!(InputRequired::read(&format!(r#"{{"inputRequests":{{{}}}}}"#, many.join(","))), None);
    }

    #[test]
    fn clients_are_asked_only_what_they_declared() {
        let url = Some(r#"{"mode":"url"}"#);
        let form = Some(r#"{"mode":"form"}"#);
        for (method, params, capabilities, allowed) in [
            ("roots/list", None, r#"{"roots":{}}"#, true),
            ("roots/list", None, r#"{"roots":null}"#, false),
            ("sampling/createMessage", None, r#"{"sampling":{}}"#, true),
            ("sampling/createMessage", Some(r#"{"tools":[]}"#), r#"{"sampling":{}}"#, false),
            ("sampling/createMessage", Some(r#"{"tools":[]}"#), r#"{"sampling":{"tools":{}}}"#, true),
            ("elicitation/create", None, r#"{"elicitation":{}}"#, true),
            ("elicitation/create", form, r#"{"elicitation":{"form":{},"url":{}}}"#, true),
            ("elicitation/create", form, r#"{"elicitation":{"url":{}}}"#, false),
            ("elicitation/create", url, r#"{"elicitation":{}}"#, false),
            ("elicitation/create", url, r#"{"elicitation":{"url":{}}}"#, true),
            ("elicitation/create", Some(r#"{"mode":"smoke"}"#), r#"{"elicitation":{}}"#, false),
            ("tools/call", None, r#"{"roots":{},"sampling":{},"elicitation":{}}"#, false),
        ] {
            assert_eq!(
                question(method, params).is_allowed_by(capabilities),
                allowed,
                "{method} {params:?} {capabilities}"
            );
        }
    }

    #[test]
    fn a_legacy_client_is_asked_by_a_request_and_a_page_has_an_id() {
        let id = RequestId::from_raw("\"drawbridge-1\"");
        let asked = |question: Question| {
            let request = question.to_request(&id, NEWEST_LEGACY).expect("a request");
            request.raw_at(&[]).expect("text").to_owned()
        };
        assert_eq!(
            asked(question("roots/list", None)),
            r#"{"jsonrpc":"2.0","id":"drawbridge-1","method":"roots/list"}"#
        );
        assert_eq!(
            asked(question("elicitation/create", Some(r#"{"mode":"url","url":"https://x"}"#))),
            r#"{"jsonrpc":"2.0","id":"drawbridge-1","method":"elicitation/create","params":{"mode":"url","url":"https://x","elicitationId":"drawbridge-1"}}"#
        );
    }

    #[test]
    fn pages_that_a_legacy_server_requires_become_questions() {
        let error = r#"{"id":1,"error":{"code":-32042,"message":"m","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x"}]}}}"#;
        let pages = required_pages(&Message::parse(error.into()).expect("a message"));
        assert_eq!(pages[0].params.as_deref(), Some(r#"{"mode":"url","url":"https://x"}"#));
        assert!(pages[0].is_allowed_by(r#"{"elicitation":{"url":{}}}"#));
        assert!(
            required_pages(&Message::parse(r#"{"id":1,"error":{}}"#.into()).expect("a message")).is_empty()
        );
    }

    #[test]
    fn questions_of_legacy_servers_become_results_and_answers_keep_their_bytes() {
        let request = Message::parse(
            r#"{"id":5,"method":"elicitation/create","params":{"mode":"url","elicitationId":"e","url":"https://x"}}"#
                .into(),
        );
        let question = Question::of_request(&request.expect("a message"), "5".into()).expect("a question");
        assert_eq!(
            input_required(&[question], "s\"t"),
            r#"{"resultType":"input_required","inputRequests":{"5":{"method":"elicitation/create","params":{"mode":"url","url":"https://x"}}},"requestState":"s\"t"}"#
        );
        let answers = [("a".to_owned(), r#"{"n": 1.10}"#.to_owned()), ("b\"".to_owned(), "{}".to_owned())];
        assert_eq!(responses(&answers), r#"{"a":{"n": 1.10},"b\"":{}}"#);
    }
}
