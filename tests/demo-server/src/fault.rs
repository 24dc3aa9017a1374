//! What can be made to go wrong, and the queues in which it waits for the next matching request.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use serde::Deserialize;

/// Something that goes wrong with an MCP request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// The request runs; the connection breaks in the middle of the answer.
    DropMidBody,
    /// The request is held until `release_stalled`, then served as usual.
    Stall,
    /// The request runs; the answer stops in the middle until `release_stalled`.
    StallMidBody,
    /// The request runs; the answer is 200 `application/json` that does not parse.
    InvalidJson,
    /// The request runs; the answer is a stream that ends cleanly within an event.
    TruncatedSse,
    /// The request is refused with this status.
    Status {
        /// The HTTP status.
        code: u16,
        /// The seconds in `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// 200 with a web page, as captive portals answer.
    NotMcp,
    /// 503, because the token cannot be checked right now.
    CheckUnavailable,
}

impl Fault {
    /// Whether the request is served before things go wrong.
    pub(crate) fn spoils_answer(&self) -> bool {
        match self {
            Fault::DropMidBody | Fault::StallMidBody | Fault::InvalidJson | Fault::TruncatedSse => true,
            Fault::Stall | Fault::Status { .. } | Fault::NotMcp | Fault::CheckUnavailable => false,
        }
    }
}

/// A fault and the requests it is meant for.
#[derive(Debug, Clone, Deserialize)]
pub struct Plan {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// The JSON-RPC method it waits for, or `GET` or `DELETE`; any JSON-RPC request otherwise.
    #[serde(default)]
    pub method: Option<String>,
    /// How many requests it hits.
    #[serde(default = "once")]
    pub times: u32,
}

impl From<Fault> for Plan {
    fn from(fault: Fault) -> Self {
        Plan { fault, method: None, times: 1 }
    }
}

fn once() -> u32 {
    1
}

/// Something that goes wrong at the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum TokenFault {
    /// Refused with this status and no OAuth error.
    Status {
        /// The HTTP status.
        code: u16,
        /// The seconds in `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Refused with 400 and this OAuth error code.
    Error {
        /// Such as `invalid_grant`.
        error: String,
    },
    /// Held until `release_stalled`, then served as usual.
    Stall,
    /// 200 with a web page.
    NotJson,
    /// The request is served, but the connection breaks before the answer.
    DropAnswer,
    /// The request is served, but its answer is held until `release_stalled`.
    StallAnswer,
}

/// An answer written by the test.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// `result` or `error`.
    pub(crate) member: &'static str,
    /// The id it names, in place of the request's.
    pub(crate) id: Option<String>,
    pub(crate) raw: Bytes,
    pub(crate) as_sse: bool,
}

/// Faults and scripts that wait for their request.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    faults: Mutex<VecDeque<Plan>>,
    token_faults: Mutex<VecDeque<TokenFault>>,
    scripts: Mutex<HashMap<String, VecDeque<Script>>>,
}

impl Queues {
    pub(crate) fn plan(&self, plan: Plan) {
        crate::lock(&self.faults).push_back(plan);
    }

    pub(crate) fn plan_token(&self, fault: TokenFault) {
        crate::lock(&self.token_faults).push_back(fault);
    }

    pub(crate) fn script(&self, method: &str, script: Script) {
        crate::lock(&self.scripts).entry(method.to_owned()).or_default().push_back(script);
    }

    pub(crate) fn clear(&self) {
        crate::lock(&self.faults).clear();
        crate::lock(&self.token_faults).clear();
        crate::lock(&self.scripts).clear();
    }

    /// Takes the first fault meant for a message with this name.
    pub(crate) fn take_fault(&self, name: &str, is_request: bool) -> Option<Fault> {
        let mut plans = crate::lock(&self.faults);
        let position = plans.iter().position(|plan| match &plan.method {
            Some(method) => method == name,
            None => is_request,
        })?;
        let plan = plans.get_mut(position)?;
        let fault = plan.fault.clone();
        plan.times = plan.times.saturating_sub(1);
        if plan.times == 0 {
            plans.remove(position);
        }
        Some(fault)
    }

    pub(crate) fn take_token_fault(&self) -> Option<TokenFault> {
        crate::lock(&self.token_faults).pop_front()
    }

    pub(crate) fn take_script(&self, method: &str) -> Option<Script> {
        crate::lock(&self.scripts).get_mut(method)?.pop_front()
    }
}
