//! Names and ids of servers and accounts.

use std::fmt;
use std::str::FromStr;

use rand::Rng as _;
use serde::{Deserialize, Serialize};
use url::Url;

/// The longest name of a server or label of an account.
const LONGEST: usize = 64;

/// Why a text names no server or account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {what} is 1 to {LONGEST} letters, digits, `.`, `-` and `_`, begins with a letter or digit, and has no `__`"
)]
pub struct InvalidName {
    what: &'static str,
}

macro_rules! names {
    ($(#[$docs:meta])* $name:ident, $what:literal) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "specta", derive(specta::Type), specta(type = String))]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                if is_name(&text) { Ok(Self(text)) } else { Err(InvalidName { what: $what }) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                text.to_owned().try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

names! {
    /// What people call a server. Tool names of several servers are told apart by `__`, so a
    /// server's name has none.
    ServerName, "server name"
}
names! {
    /// What people call one of their accounts at a server.
    AccountLabel, "account label"
}

names! {
    /// What people call a client of the local HTTP endpoint.
    ClientName, "client name"
}

impl AccountLabel {
    /// The label of an account that nobody named.
    pub fn unnamed() -> Self {
        Self("default".into())
    }
}

/// What a server is called inside: random, and the same after it is renamed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerId(String);

impl ServerId {
    /// A new one.
    pub fn random() -> Self {
        Self(format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// The id as text, fit for file names.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(text)) } else { Err(InvalidName { what: "server id" }) }
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names a server after its host, then host and last path segment, then with a number.
pub fn name_for(url: &Url, is_taken: impl Fn(&str) -> bool) -> ServerName {
    let host = fitting(url.host_str().unwrap_or_default(), LONGEST);
    let host = if host.is_empty() { "server".to_owned() } else { host };
    let segment = url.path_segments().and_then(|segments| segments.rev().find(|text| !text.is_empty()));
    let longer = segment.map(|segment| fitting(&format!("{host}-{segment}"), LONGEST));
    let numbered_from = longer.clone().unwrap_or_else(|| host.clone());
    let numbered = (2u64..).map(|number| {
        let end = format!("-{number}");
        format!("{}{end}", fitting(&numbered_from, LONGEST - end.len()))
    });
    let mut candidates = std::iter::once(host).chain(longer).chain(numbered);
    let free = candidates.find(|name| is_name(name) && !is_taken(name));
    ServerName(free.expect("one of endless numbers is free"))
}

/// The text with everything a name may not hold replaced.
fn fitting(text: &str, longest: usize) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        let letter = if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_') { letter } else { '-' };
        let repeats = matches!(letter, '-' | '_') && name.ends_with(letter);
        let leads = name.is_empty() && !letter.is_ascii_alphanumeric();
        if !repeats && !leads && name.len() < longest {
            name.push(letter);
        }
    }
    name.trim_end_matches(['-', '.', '_']).to_owned()
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(is_part)
        && !text.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "linear", "mcp.linear.app", "0-9_x.Y", &"x".repeat(64)] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a@b", "a__b", "ä", "a/b", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn servers_are_named_after_host_then_path_then_number() {
        let table: &[(&str, &[&str], &str)] = &[
            ("https://mcp.linear.app/sse", &[], "mcp.linear.app"),
            ("https://mcp.linear.app/sse", &["mcp.linear.app"], "mcp.linear.app-sse"),
            ("https://mcp.linear.app/a/sse/", &["mcp.linear.app"], "mcp.linear.app-sse"),
            ("https://mcp.linear.app/sse", &["mcp.linear.app", "mcp.linear.app-sse"], "mcp.linear.app-sse-2"),
            ("https://h.example/", &["h.example"], "h.example-2"),
            ("https://h.example/", &["h.example", "h.example-2"], "h.example-3"),
            ("http://[::1]:80/mcp", &[], "1"),
            ("http://[2001:db8::1]/mcp", &[], "2001-db8-1"),
            ("https://h.example/a__b%20c", &["h.example"], "h.example-a_b-20c"),
        ];
        for (url, taken, name) in table {
            let url = Url::parse(url).expect("url");
            assert_eq!(name_for(&url, |name| taken.contains(&name)).as_str(), *name, "{url}");
        }
    }

    #[test]
    fn a_long_host_still_gives_distinct_names() {
        let url = Url::parse(&format!("https://{}.example/mcp", "x".repeat(60))).expect("url");
        let first = name_for(&url, |_| false);
        let second = name_for(&url, |name| name == first.as_str());
        assert!(is_name(first.as_str()) && is_name(second.as_str()));
        assert_ne!(first, second);
    }

    #[test]
    fn ids_are_random_and_fit_for_files() {
        assert_ne!(ServerId::random(), ServerId::random());
        assert!(ServerId::try_from("../x".to_owned()).is_err());
        assert!(ServerId::try_from(ServerId::random().to_string()).is_ok());
    }
}
