//! Failures as people meet them: one code, one sentence, one next step, the same in the
//! CLI, the tray and a JSON-RPC reply.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::mcp::{self, RequestId};

/// What kind of trouble it is. Programs branch on this and never on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Signing in would help.
    SignedOut,
    /// The sign-in was refused, cancelled or not finished.
    SignInFailed,
    /// The server or sign-in server cannot be reached.
    Unreachable,
    /// The TLS connection cannot be trusted.
    Tls,
    /// Something answered that does not speak MCP.
    NotMcp,
    /// The server answered with an error of its own.
    ServerError,
    /// The request may or may not have run.
    MayHaveRun,
    /// No server or account has this name.
    Unknown,
    /// A server or account of this name exists already.
    Exists,
    /// An option, URL or value is not usable.
    Invalid,
    /// A security rule refused it.
    Forbidden,
    /// The secret store is locked, absent or failing.
    Keychain,
    /// No Host is running and none could be started, or it went away.
    HostGone,
    /// Shim or CLI and Host are of different versions.
    VersionSkew,
    /// The person wants all servers to be left alone.
    Paused,
    /// A size, depth or rate limit was passed.
    Limit,
    /// Nothing happened within the time allowed.
    TimedOut,
    /// A defect of Drawbridge.
    Internal,
}

/// One failure, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[error("{sentence}")]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// One plain sentence, with capital letter and full stop.
    pub sentence: String,
    /// What to do now, likewise.
    pub next_step: String,
}

impl Failure {
    /// Makes a failure; the sentence may start small and lack its full stop, as errors do.
    pub fn new(code: Code, sentence: impl AsRef<str>, next_step: impl AsRef<str>) -> Self {
        Self { code, sentence: as_sentence(sentence.as_ref()), next_step: as_sentence(next_step.as_ref()) }
    }

    /// Makes a failure of the server or account of that name, whose spelling stays where the sentence
    /// opens with it.
    pub fn about(name: &str, code: Code, sentence: impl AsRef<str>, next_step: impl AsRef<str>) -> Self {
        let failure = Self::new(code, &sentence, next_step);
        match sentence.as_ref().trim_start().strip_prefix(name) {
            Some(rest) if rest.starts_with([' ', '\'', ',']) => {
                Self { sentence: format!("{name}{}", with_stop(rest)), ..failure }
            }
            Some(_) | None => failure,
        }
    }

    /// Sentence and next step in one line.
    pub fn text(&self) -> String {
        format!("{} {}", self.sentence, self.next_step).trim_end().to_owned()
    }

    /// Whether trying again cannot help until somebody changes something.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self.code,
            Code::Unknown | Code::Exists | Code::Invalid | Code::Forbidden | Code::VersionSkew
        )
    }

    /// The CLI's exit code: 3 signed out, 4 unreachable, else 1.
    pub fn exit_code(&self) -> u8 {
        match self.code {
            Code::SignedOut => 3,
            Code::Unreachable | Code::Tls => 4,
            Code::SignInFailed
            | Code::NotMcp
            | Code::ServerError
            | Code::MayHaveRun
            | Code::Unknown
            | Code::Exists
            | Code::Invalid
            | Code::Forbidden
            | Code::Keychain
            | Code::HostGone
            | Code::VersionSkew
            | Code::Paused
            | Code::Limit
            | Code::TimedOut
            | Code::Internal => 1,
        }
    }

    /// The JSON-RPC error response that tells an MCP client of it.
    pub fn response(&self, id: &RequestId) -> Bytes {
        let data = serde_json::json!({ "code": self.code, "nextStep": self.next_step });
        mcp::error_response(Some(id), mcp::BRIDGE_ERROR, &self.text(), Some(&data.to_string()))
    }

    /// The tool result that tells the model of it; a modern client's names its type
    /// (<https://modelcontextprotocol.io/specification/2026-07-28/basic>: MUST).
    pub fn tool_result(&self, id: &RequestId, for_modern_client: bool) -> Bytes {
        let mut result = serde_json::json!({
            "content": [{ "type": "text", "text": self.text() }],
            "isError": true,
        });
        if for_modern_client {
            result["resultType"] = "complete".into();
        }
        mcp::result_response(id, &result.to_string())
    }
}

fn as_sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let capital: String = if starts_with_name(text) { first.into() } else { first.to_uppercase().collect() };
    format!("{capital}{}", with_stop(letters.as_str()))
}

fn with_stop(text: &str) -> String {
    let text = text.trim_end();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{stop}")
}

/// A sentence that opens with a host, path, URL or option keeps its spelling.
fn starts_with_name(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.contains(['.', '/', ':', '_', '-', '`', '@']) && !word.ends_with([',', '.', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_sentences() {
        let failure = Failure::new(Code::Unreachable, "could not reach x.example", "check the network");
        assert_eq!(failure.text(), "Could not reach x.example. Check the network.");
        assert_eq!(as_sentence("mcp.example refused the connection"), "mcp.example refused the connection.");
        assert_eq!(as_sentence(""), "");
    }

    #[test]
    fn a_servers_name_keeps_its_spelling() {
        let sentence = |sentence: &str| Failure::about("bear", Code::Unknown, sentence, "").sentence;
        assert_eq!(sentence("bear does not answer"), "bear does not answer.");
        assert_eq!(sentence("bearing up"), "Bearing up.");
        assert_eq!(sentence("you are signed out of bear"), "You are signed out of bear.");
    }

    #[test]
    fn a_reply_carries_the_code_for_programs() {
        let failure = Failure::new(Code::SignedOut, "a \"quoted\" name", "sign in");
        let reply = failure.response(&RequestId::from_raw("7"));
        let value: serde_json::Value = serde_json::from_slice(&reply).expect("JSON");
        assert_eq!(value["id"], 7);
        assert_eq!(value["error"]["data"]["code"], "signed_out");
    }
}
