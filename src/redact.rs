//! What may be shown: addresses without their secrets, and untrusted text without its tricks.
//!
//! Log lines, errors and pages print URLs only as [`SafeUrl`] and words of other parties only
//! through [`plain`]. Secrets themselves have types of their own, in `secret`.

use std::{fmt, io};

use url::Url;

/// The longest path that is printed whole.
const LONGEST_PATH: usize = 120;

/// A URL as it may be printed: scheme, host, port and path; never query, fragment or user name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeUrl(Box<str>);

impl SafeUrl {
    /// The printable form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Stands for what is no URL at all.
    pub fn unreadable() -> Self {
        Self("an unreadable address".into())
    }
}

impl From<&Url> for SafeUrl {
    fn from(url: &Url) -> Self {
        let Some(host) = url.host_str() else {
            return Self(format!("{}:…", url.scheme()).into());
        };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = plain(url.path(), LONGEST_PATH);
        Self(format!("{}://{host}{port}{path}", url.scheme()).into())
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why the system refused, in words of people; its own speak of entities.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the system's list is open, and its words serve for the rest"
)]
pub fn reason(kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::NotFound => "it is not there".into(),
        io::ErrorKind::AlreadyExists => "it is there already".into(),
        io::ErrorKind::PermissionDenied => "it may not be used".into(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => "its content makes no sense".into(),
        other if other.to_string().starts_with(['o', 'u']) && other.to_string().ends_with("error") => {
            "the system does not say why".into()
        }
        other => other.to_string(),
    }
}

/// Makes text of another party safe to show on one line: terminal escape codes, control
/// characters and invisible direction marks are removed, white space becomes single spaces, and
/// what is longer than `max` characters ends in `…`.
pub fn plain(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max * 4));
    let (mut count, mut space) = (0, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' | '\u{9b}' | '\u{9d}' => skip_escape(letter, &mut letters),
            white if white.is_whitespace() => space = count > 0,
            hidden if is_hidden(hidden) => {}
            visible => {
                let width = 1 + usize::from(space);
                if count + width > max {
                    return shortened(shown, count, max);
                }
                if std::mem::take(&mut space) {
                    shown.push(' ');
                }
                shown.push(visible);
                count += width;
            }
        }
    }
    shown
}

/// Makes one line of another party's text safe to show where nothing may be left out: what is invisible is written
/// as `\u{…}`.
pub fn unhidden(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for letter in line.chars() {
        if is_hidden(letter) { shown.extend(letter.escape_unicode()) } else { shown.push(letter) }
    }
    shown
}

/// Ends text of `count` characters in `…`, within `max`.
fn shortened(mut shown: String, count: usize, max: usize) -> String {
    if count == max {
        shown.pop();
    }
    if max > 0 {
        shown.push('…');
    }
    shown
}

/// Reads past one terminal control sequence: CSI up to its final byte, OSC and its kin up to
/// their terminator, anything else one character.
fn skip_escape(start: char, letters: &mut std::str::Chars<'_>) {
    let kind = match start {
        '\u{9b}' => '[',
        '\u{9d}' => ']',
        _ => match letters.next() {
            Some(kind) => kind,
            None => return,
        },
    };
    match kind {
        '[' => drop(letters.find(|letter| ('\u{40}'..='\u{7e}').contains(letter))),
        ']' | 'P' | 'X' | '^' | '_' => {
            while let Some(letter) = letters.next() {
                if letter == '\u{1b}' {
                    letters.next();
                    return;
                }
                if matches!(letter, '\u{7}' | '\u{9c}' | '\n') {
                    return;
                }
            }
        }
        _ => {}
    }
}

fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{2028}' | '\u{2029}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe(url: &str) -> String {
        SafeUrl::from(&Url::parse(url).expect(url)).to_string()
    }

    #[test]
    fn only_scheme_host_port_and_path_are_printed() {
        assert_eq!(safe("https://me:secret@mcp.example/a?code=secret#secret"), "https://mcp.example/a");
        assert_eq!(safe("http://[::1]:8080/x"), "http://[::1]:8080/x");
        assert_eq!(safe("https://mcp.example:443/"), "https://mcp.example/");
        assert_eq!(safe("data:text/html,secret"), "data:…");
        assert!(
            !format!("{:?}", SafeUrl::from(&Url::parse("https://a/?secret").expect("url")))
                .contains("secret")
        );
    }

    #[test]
    fn a_long_path_is_shortened() {
        let shown = safe(&format!("https://a.example/{}", "x".repeat(500)));
        assert_eq!(shown.chars().count(), "https://a.example".len() + LONGEST_PATH);
        assert!(shown.ends_with('…'));
    }

    #[test]
    fn tricks_are_taken_out_of_text() {
        for (text, shown) in [
            ("plain words", "plain words"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b", "ab"),
            ("a\u{1b}]8;;http://evil\u{1b}\\link", "alink"),
            ("a\u{9b}2Jb", "ab"),
            ("one\r\n  two\tthree ", "one two three"),
            ("user\u{202e}txt.exe\u{2066}", "usertxt.exe"),
            ("nul\0l\u{200b}\u{feff}", "null"),
            ("\u{1b}", ""),
            ("Zoë 漢字 🎉", "Zoë 漢字 🎉"),
        ] {
            assert_eq!(plain(text, 100), shown, "{text:?}");
        }
    }

    #[test]
    fn text_is_shortened_by_characters_not_bytes() {
        assert_eq!(plain("äöüß", 4), "äöüß");
        assert_eq!(plain("äöüßx", 4), "äöü…");
        assert_eq!(plain("abc   ", 3), "abc");
        assert_eq!(plain("abc d", 4), "abc…");
        assert_eq!(plain("ab", 0), "");
    }
}
