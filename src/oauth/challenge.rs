//! `WWW-Authenticate` as RFC 9110 §11.6.1 defines it: several challenges in one header, several headers, parameters
//! in tokens or quoted strings, or one token68.
//!
//! The grammar is ambiguous at commas: what follows one is a parameter if `=` comes after the token, else a new
//! scheme. Servers write the header by hand, so a part that does not parse is skipped, never an error.

use http::HeaderValue;

/// What is kept of one header; the rest of a longer one is ignored.
const MAX_HEADER: usize = 16 * 1024;
const MAX_CHALLENGES: usize = 16;

/// One challenge: a scheme and what it asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    /// The scheme as it was written.
    pub scheme: String,
    /// Parameters in their order, names in lower case, values unquoted.
    pub params: Vec<(String, String)>,
    /// The single value that some schemes have instead of parameters.
    pub token68: Option<String>,
}

impl Challenge {
    /// Whether the scheme is this one, in any case.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The first parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// RFC 9728: where the metadata of the resource is.
    pub fn resource_metadata(&self) -> Option<&str> {
        self.param("resource_metadata")
    }

    /// RFC 6750: the scopes the request needs.
    pub fn scope(&self) -> Option<&str> {
        self.param("scope").filter(|scope| !scope.trim().is_empty())
    }

    /// RFC 6750: the error code.
    pub fn error(&self) -> Option<&str> {
        self.param("error")
    }
}

/// Reads the challenges of all headers, in their order.
pub fn parse(headers: &[HeaderValue]) -> Vec<Challenge> {
    let mut found = Vec::new();
    for header in headers {
        let bytes = header.as_bytes();
        Parser { rest: &bytes[..bytes.len().min(MAX_HEADER)] }.run(&mut found);
    }
    found.truncate(MAX_CHALLENGES);
    found
}

/// The challenge that speaks of access tokens: `Bearer`, else `DPoP`.
pub fn for_tokens(challenges: &[Challenge]) -> Option<&Challenge> {
    let of = |scheme| challenges.iter().filter(move |challenge| challenge.is(scheme));
    // A header may repeat the scheme; the one that says where to go is the better.
    of("Bearer")
        .find(|challenge| challenge.resource_metadata().is_some())
        .or_else(|| of("Bearer").next())
        .or_else(|| of("DPoP").next())
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn run(&mut self, found: &mut Vec<Challenge>) {
        let start = found.len();
        while self.skip_separators() && found.len() <= MAX_CHALLENGES {
            let Some(word) = self.token() else {
                self.skip_to_comma();
                continue;
            };
            let spaced = self.skip_space();
            if self.peek() == Some(b'=') {
                let value = self.value();
                // A parameter before any scheme belongs to nobody.
                if let (Some(value), true) = (value, found.len() > start)
                    && let Some(challenge) = found.last_mut()
                {
                    challenge.params.push((word.to_ascii_lowercase(), value));
                }
                continue;
            }
            found.push(Challenge { scheme: word, ..Challenge::default() });
            if spaced && let (Some(token68), Some(challenge)) = (self.token68(), found.last_mut()) {
                challenge.token68 = Some(token68);
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn skip_space(&mut self) -> bool {
        let rest = self.rest.trim_ascii_start();
        let skipped = rest.len() < self.rest.len();
        self.rest = rest;
        skipped
    }

    /// Moves to the next element; false at the end.
    fn skip_separators(&mut self) -> bool {
        while self.skip_space() || self.peek() == Some(b',') {
            self.rest = self.rest.strip_prefix(b",").unwrap_or(self.rest);
        }
        !self.rest.is_empty()
    }

    fn skip_to_comma(&mut self) {
        let at = self.rest.iter().position(|byte| *byte == b',').unwrap_or(self.rest.len());
        self.rest = &self.rest[at..];
    }

    fn take(&mut self, len: usize) -> String {
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        String::from_utf8_lossy(taken).into_owned()
    }

    fn token(&mut self) -> Option<String> {
        let len = self.rest.iter().take_while(|byte| is_token(**byte)).count();
        (len > 0).then(|| self.take(len))
    }

    /// After a scheme: characters of token68, then any `=`, then the end of the element.
    fn token68(&mut self) -> Option<String> {
        let body = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
            .count();
        let padding = self.rest[body..].iter().take_while(|byte| **byte == b'=').count();
        let after = self.rest[body + padding..].trim_ascii_start();
        let ends = after.is_empty() || after[0] == b',';
        (body > 0 && ends).then(|| self.take(body + padding))
    }

    /// `= value` with spaces allowed around the sign, as some servers write them.
    fn value(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix(b"=")?;
        self.skip_space();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        // Unquoted URLs are common, though not tokens: take all up to a separator.
        let len = self.rest.iter().take_while(|byte| !byte.is_ascii_whitespace() && **byte != b',').count();
        Some(self.take(len))
    }

    fn quoted(&mut self) -> Option<String> {
        self.rest = self.rest.strip_prefix(b"\"")?;
        let mut text = Vec::new();
        let mut escaped = false;
        for (at, byte) in self.rest.iter().enumerate() {
            match byte {
                _ if escaped => {
                    text.push(*byte);
                    escaped = false;
                }
                b'\\' => escaped = true,
                b'"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(String::from_utf8_lossy(&text).into_owned());
                }
                _ => text.push(*byte),
            }
        }
        // Never closed: what follows cannot be told apart from the value.
        self.rest = &[];
        None
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(headers: &[&str]) -> Vec<String> {
        let headers: Vec<_> =
            headers.iter().map(|text| HeaderValue::from_bytes(text.as_bytes()).unwrap()).collect();
        parse(&headers).iter().map(shown).collect()
    }

    fn shown(challenge: &Challenge) -> String {
        let mut text = challenge.scheme.clone();
        if let Some(token68) = &challenge.token68 {
            text += &format!(" <{token68}>");
        }
        for (name, value) in &challenge.params {
            text += &format!(" {name}=[{value}]");
        }
        text
    }

    #[test]
    fn challenges_are_read_as_written() {
        let table: &[(&[&str], &[&str])] = &[
            (&["Bearer"], &["Bearer"]),
            (&[""], &[]),
            (&["Bearer realm=\"x\""], &["Bearer realm=[x]"]),
            (&["bearer scope=a, error=invalid_token"], &["bearer scope=[a] error=[invalid_token]"]),
            // Several schemes in one header, commas and equals inside quotes.
            (
                &[
                    "Basic realm=\"a, Bearer scope=\\\"b\\\"\", Bearer scope=\"x y\", resource_metadata=\"https://h/a?b=c,d\"",
                ],
                &[
                    "Basic realm=[a, Bearer scope=\"b\"]",
                    "Bearer scope=[x y] resource_metadata=[https://h/a?b=c,d]",
                ],
            ),
            (&["Negotiate YWJj==, Bearer scope=\"s\""], &["Negotiate <YWJj==>", "Bearer scope=[s]"]),
            (&["Negotiate, Bearer, Basic realm=r"], &["Negotiate", "Bearer", "Basic realm=[r]"]),
            (&["Basic realm=\"a\"", "Bearer scope=\"b\""], &["Basic realm=[a]", "Bearer scope=[b]"]),
            // As servers write them.
            (&["Bearer  realm = \"x\" ,scope= y"], &["Bearer realm=[x] scope=[y]"]),
            (&[",, Bearer realm=\"x\",, ,scope=y,"], &["Bearer realm=[x] scope=[y]"]),
            (
                &["Bearer resource_metadata=https://h/.well-known/x"],
                &["Bearer resource_metadata=[https://h/.well-known/x]"],
            ),
            (&["Bearer Realm=\"x\" Scope=\"no comma\""], &["Bearer realm=[x] scope=[no comma]"]),
            (&["Bearer realm=\"\""], &["Bearer realm=[]"]),
            (&["Bearer scope=\"q\\\\\\\"q\""], &["Bearer scope=[q\\\"q]"]),
            // Broken ones lose the broken part only.
            (&["Bearer realm=\"never closed, scope=x"], &["Bearer"]),
            (&["realm=\"x\", Bearer scope=a"], &["Bearer scope=[a]"]),
            (&["@@@, Bearer scope=a"], &["Bearer scope=[a]"]),
            (&["Bearer realm="], &["Bearer <realm=>"]),
            (&["Bearer realm=, scope=a"], &["Bearer <realm=> scope=[a]"]),
            // A parameter of the next header never joins the last challenge of the one before.
            (&["Bearer realm=x", "scope=evil"], &["Bearer realm=[x]"]),
        ];
        for (headers, expected) in table {
            assert_eq!(&read(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_challenge_inside_another_ones_text_is_not_a_challenge() {
        let header = HeaderValue::from_static(
            r#"Basic realm="Bearer resource_metadata=\"https://evil.example/\"", Bearer scope="a""#,
        );
        let found = parse(&[header]);
        let ours = for_tokens(&found).unwrap();
        assert_eq!((ours.scope(), ours.resource_metadata()), (Some("a"), None));
    }

    #[test]
    fn the_bearer_challenge_that_says_where_to_go_is_taken() {
        let header = HeaderValue::from_static(
            "DPoP algs=\"ES256\", Bearer error=x, bearer resource_metadata=\"https://h/\"",
        );
        assert_eq!(for_tokens(&parse(&[header])).unwrap().resource_metadata(), Some("https://h/"));
        assert!(for_tokens(&parse(&[HeaderValue::from_static("DPoP algs=ES256")])).unwrap().is("dpop"));
        assert!(for_tokens(&parse(&[HeaderValue::from_static("Basic realm=x")])).is_none());
    }

    #[test]
    fn a_flood_of_challenges_is_cut() {
        let header = HeaderValue::from_bytes("Bearer, ".repeat(4_000).as_bytes()).unwrap();
        assert_eq!(parse(&[header]).len(), MAX_CHALLENGES);
    }

    proptest! {
        #[test]
        fn any_bytes_end(raw in proptest::collection::vec(0x20u8..=0xff, 0..300)) {
            if let Ok(header) = HeaderValue::from_bytes(&raw) {
                parse(&[header]);
            }
        }

        #[test]
        fn any_value_survives_quoting(value in "[ -~]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let header = HeaderValue::from_str(&format!("Basic a=b, Bearer x=\"{quoted}\", y=z")).unwrap();
            let found = parse(&[header]);
            prop_assert_eq!(found[1].param("x"), Some(value.as_str()));
            prop_assert_eq!(found[1].param("y"), Some("z"));
        }
    }
}
