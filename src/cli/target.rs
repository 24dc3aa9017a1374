//! `name` and `name@account`, as most verbs take them.

use std::str::FromStr;

use clap::builder::{StringValueParser, TypedValueParser};

use crate::host::Target;
use crate::registry::{AccountLabel, InvalidName, ServerName};

/// A server, perhaps with one of its accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedAccount {
    pub(super) server: ServerName,
    pub(super) label: Option<AccountLabel>,
}

impl FromStr for NamedAccount {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split_once('@') {
            Some((server, label)) => Ok(Self { server: server.parse()?, label: Some(label.parse()?) }),
            None => Ok(Self { server: text.parse()?, label: None }),
        }
    }
}

impl std::fmt::Display for NamedAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.label {
            Some(label) => write!(formatter, "{}@{label}", self.server),
            None => write!(formatter, "{}", self.server),
        }
    }
}

/// Takes the text of a target that can be one.
pub(super) fn target() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().try_map(|text| text.parse::<Target>().map(|_| text))
}
