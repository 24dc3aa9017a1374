//! Where secrets come from: `-`, `env:NAME` and `file:PATH`, and `${NAME}` inside header values.
//!
//! The process that was given an option reads it, because its environment is the one meant.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::HeaderName;

use crate::api::types::{HeaderOption, SecretOption};
use crate::failure::{Code, Failure};
use crate::private_file::{self, LARGEST_SECRET, Owner};
use crate::redact::reason;
use crate::registry::header;

/// Where a secret is read from; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `-`
    Stdin,
    /// `env:NAME`
    Variable(String),
    /// `file:PATH`
    File(PathBuf),
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Self::find(text).ok_or("write `-`, `env:NAME` or `file:PATH`, never the secret itself")
    }
}

impl Source {
    fn find(text: &str) -> Option<Self> {
        if text == "-" {
            return Some(Self::Stdin);
        }
        let named = |rest: &str| (!rest.is_empty()).then(|| rest.to_owned());
        match text.split_once(':')? {
            ("env", name) => named(name).map(Self::Variable),
            ("file", path) => named(path).map(|path| Self::File(path.into())),
            _ => None,
        }
    }
}

/// `Name: value`, where the value may say where it is to be read.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) name: HeaderName,
    value: HeaderText,
}

/// Its `Debug` must not show a literal value.
#[derive(Clone)]
enum HeaderText {
    Source(Source),
    /// With `${NAME}` inside, perhaps.
    Text(String),
}

impl std::fmt::Debug for HeaderText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source(source) => write!(formatter, "{source:?}"),
            Self::Text(_) => formatter.write_str("[redacted]"),
        }
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("a header is written `Name: value`")?;
        let name = header::name(name).map_err(|error| error.to_string())?;
        let value = value.trim();
        if value.contains(['\r', '\n', '\0']) {
            return Err("a header's value is one line".into());
        }
        let value = Source::find(value).map_or_else(|| HeaderText::Text(value.into()), HeaderText::Source);
        Ok(Self { name, value })
    }
}

impl Header {
    /// Whether the value stands on the command line, for every process list to see.
    pub(super) fn is_literal(&self) -> bool {
        matches!(&self.value, HeaderText::Text(text) if pieces(text).iter().all(|piece| matches!(piece, Piece::Text(_))))
    }

    /// Whether it is read from stdin.
    pub(super) fn is_stdin(&self) -> bool {
        matches!(self.value, HeaderText::Source(Source::Stdin))
    }
}

/// Reads what options refer to.
pub(super) struct Reader<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) stdin: &'a dyn Fn() -> io::Result<String>,
}

impl Reader<'_> {
    /// Reads a secret of one line.
    pub(super) fn secret(&self, source: &Source) -> Result<SecretOption, Failure> {
        let (text, references) = self.text(source)?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(invalid("the secret is empty"));
        }
        if text.contains(['\r', '\n', '\0']) {
            return Err(invalid("the secret is more than one line"));
        }
        Ok(SecretOption { value: text.to_owned().into(), references })
    }

    /// Reads a key, which may be many lines.
    pub(super) fn key(&self, source: &Source) -> Result<SecretOption, Failure> {
        let (text, references) = self.text(source)?;
        Ok(SecretOption { value: text.into(), references })
    }

    fn text(&self, source: &Source) -> Result<(String, Vec<String>), Failure> {
        Ok(match source {
            Source::Stdin => (self.stdin()?, Vec::new()),
            Source::Variable(name) => (self.variable(name)?, vec![format!("env:{name}")]),
            Source::File(path) => {
                let path = absolute(path);
                (read(&path)?, vec![format!("file:{}", path.display())])
            }
        })
    }

    /// Reads a header's value.
    pub(super) fn header(&self, header: &Header) -> Result<HeaderOption, Failure> {
        let secret = match &header.value {
            HeaderText::Source(source) => self.secret(source)?,
            HeaderText::Text(text) => self.filled(text)?,
        };
        header::value(&header.name, secret.value.expose()).map_err(|error| invalid(&error.to_string()))?;
        Ok(HeaderOption { name: header.name.to_string(), secret })
    }

    fn filled(&self, text: &str) -> Result<SecretOption, Failure> {
        let (mut value, mut references) = (String::new(), Vec::new());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Variable(name) => {
                    value.push_str(self.variable(name)?.trim_end_matches(['\r', '\n']));
                    references.push(format!("env:{name}"));
                }
            }
        }
        Ok(SecretOption { value: value.into(), references })
    }

    fn variable(&self, name: &str) -> Result<String, Failure> {
        (self.variable)(name).ok_or_else(|| {
            Failure::new(
                Code::Invalid,
                format!("the environment variable {name} is not set"),
                "Set it where the command is started; in an MCP client, in the entry's environment",
            )
        })
    }

    fn stdin(&self) -> Result<String, Failure> {
        (self.stdin)()
            .map_err(|error| invalid(&format!("stdin could not be read ({})", reason(error.kind()))))
    }
}

/// Reads all of stdin, as far as a secret may go.
pub(super) fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(LARGEST_SECRET + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_SECRET { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// The path as the Host can find it; `~` is the home folder where no shell saw it.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let at_home =
        path.strip_prefix("~").ok().and_then(|rest| std::env::home_dir().map(|home| home.join(rest)));
    let path = at_home.unwrap_or_else(|| path.to_owned());
    std::path::absolute(&path).unwrap_or(path)
}

fn read(path: &Path) -> Result<String, Failure> {
    let content =
        private_file::read(path, LARGEST_SECRET, Owner::User).map_err(|error| invalid(&error.to_string()))?;
    String::from_utf8(content).map_err(|_| invalid(&format!("{} is not text", path.display())))
}

fn invalid(sentence: &str) -> Failure {
    Failure::new(Code::Invalid, sentence, "Correct the option and try again")
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Splits at `${NAME}`; what only looks like one stays text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut searched) = (text, 0);
    while let Some(start) = rest[searched..].find("${").map(|found| found + searched) {
        let name = rest[start + 2..].split_once('}').map(|(name, _)| name).filter(|name| is_variable(name));
        let Some(name) = name else {
            searched = start + 2;
            continue;
        };
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(Piece::Variable(name));
        rest = &rest[start + 2 + name.len() + 1..];
        searched = 0;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

fn is_variable(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_part) && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("t0ken".into()),
            "LINES" => Some("a\nb".into()),
            "ENDED" => Some("ended\n".into()),
            _ => None,
        }
    }

    fn reader() -> Reader<'static> {
        Reader { variable: &variable, stdin: &|| Ok("typed\r\n".into()) }
    }

    #[test]
    fn a_secret_option_is_never_the_secret_itself() {
        let table = [
            ("-", Some(Source::Stdin)),
            ("env:TOKEN", Some(Source::Variable("TOKEN".into()))),
            ("file:/a:b", Some(Source::File("/a:b".into()))),
            ("file:rel", Some(Source::File("rel".into()))),
            ("env:", None),
            ("file:", None),
            ("ENV:TOKEN", None),
            ("sk-12345", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Source>().ok(), expected, "{text}");
        }
    }

    #[test]
    fn header_values_are_filled_in() {
        let table: &[(&str, Result<&str, ()>, &[&str])] = &[
            ("X-A: plain", Ok("plain"), &[]),
            ("X-A:plain", Ok("plain"), &[]),
            ("Authorization: Bearer ${TOKEN}", Ok("Bearer t0ken"), &["env:TOKEN"]),
            ("X-A: ${TOKEN}-${ENDED}", Ok("t0ken-ended"), &["env:TOKEN", "env:ENDED"]),
            ("X-A: env:TOKEN", Ok("t0ken"), &["env:TOKEN"]),
            ("X-A: environment:x", Ok("environment:x"), &[]),
            ("X-A: -", Ok("typed"), &[]),
            ("X-A: ${not a name} ${", Ok("${not a name} ${"), &[]),
            ("X-A: ${${TOKEN}}", Ok("${t0ken}"), &["env:TOKEN"]),
            ("X-A: $TOKEN", Ok("$TOKEN"), &[]),
            ("X-A: ${MISSING}", Err(()), &[]),
            ("X-A: env:MISSING", Err(()), &[]),
            ("X-A: ${LINES}", Err(()), &[]),
            ("X-A: env:LINES", Err(()), &[]),
        ];
        for (text, value, references) in table {
            let header: Header = text.parse().expect("a header");
            let filled = reader().header(&header);
            assert_eq!(
                filled.as_ref().map(|filled| filled.secret.value.expose()).map_err(|_| ()),
                *value,
                "{text}"
            );
            if let Ok(filled) = filled {
                assert_eq!(filled.secret.references, *references, "{text}");
            }
        }
    }

    #[test]
    fn malformed_headers_are_refused_before_anything_is_read() {
        for bad in
            ["X-A", ": x", "a b: x", "Host: x", "Mcp-Session-Id: x", "Proxy-Foo: x", "X-A: a\r\nHost: b"]
        {
            assert!(bad.parse::<Header>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_values_on_the_command_line_are_literal() {
        let is_literal = |text: &str| text.parse::<Header>().expect("a header").is_literal();
        assert!(is_literal("Authorization: Bearer abc"));
        assert!(!is_literal("Authorization: Bearer ${TOKEN}"));
        assert!(!is_literal("Authorization: env:TOKEN"));
        let shown = format!("{:?}", "X-A: marked".parse::<Header>().expect("a header"));
        assert!(!shown.contains("marked"), "{shown}");
    }

    #[test]
    fn files_hold_one_line_of_a_bounded_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let secret = |content: &[u8]| {
            std::fs::write(&path, content).expect("written");
            reader().secret(&Source::File(path.clone()))
        };
        let read = secret(b"value\n").expect("one line");
        assert_eq!(read.value.expose(), "value");
        assert_eq!(read.references, [format!("file:{}", path.display())]);
        for bad in [&b"a\nb\n"[..], b"", b"\n", b"\xff\xfe", &[b'x'; 16 * 1024 + 1]] {
            assert!(secret(bad).is_err());
        }
        std::fs::write(&path, "-----BEGIN\nabc\n").expect("written");
        let key = reader().key(&Source::File(path.clone())).expect("a key is many lines");
        assert_eq!((key.value.expose(), key.references.len()), ("-----BEGIN\nabc\n", 1));
        let failure = reader().secret(&Source::File(folder.path().join("none"))).expect_err("missing");
        assert!(failure.sentence.contains("none"), "{failure}");
    }
}
