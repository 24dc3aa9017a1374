//! Finds the id of a message that is too long to be kept, while its bytes pass by.

use super::RequestId;

const LONGEST_ID: usize = 1024;

/// Reads the top-level `id` of a JSON object piece by piece, in constant memory.
#[derive(Debug, Default)]
pub struct IdScanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The text of the string or scalar now read at the top level.
    token: Vec<u8>,
    token_fits: bool,
    key: Vec<u8>,
    after_colon: bool,
    id: Option<Vec<u8>>,
    has_method: bool,
}

impl IdScanner {
    /// Takes the next bytes of the message.
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.in_string {
                self.string_byte(byte);
            } else {
                self.plain_byte(byte);
            }
        }
    }

    /// The id, where the message is a request whose id could be read.
    pub fn request_id(self) -> Option<RequestId> {
        let raw = String::from_utf8(self.id.filter(|_| self.has_method)?).ok()?;
        let is_id = raw.starts_with('"') || raw.parse::<f64>().is_ok();
        (is_id && serde_json::from_str::<serde::de::IgnoredAny>(&raw).is_ok())
            .then(|| RequestId::from_raw(&raw))
    }

    fn string_byte(&mut self, byte: u8) {
        self.keep(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    fn plain_byte(&mut self, byte: u8) {
        match byte {
            b'"' => {
                self.in_string = true;
                self.start_token();
                self.keep(byte);
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.end_value();
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => {
                self.key = std::mem::take(&mut self.token);
                self.has_method |= self.key == b"\"method\"";
                self.after_colon = true;
                self.start_token();
            }
            b',' => {
                self.end_value();
                if self.depth == 1 {
                    self.start_token();
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => self.keep(byte),
        }
    }

    fn start_token(&mut self) {
        if self.depth == 1 {
            self.token.clear();
            self.token_fits = true;
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth != 1 || !self.token_fits {
            return;
        }
        self.token_fits = self.token.len() < LONGEST_ID;
        if self.token_fits {
            self.token.push(byte);
        }
    }

    fn end_value(&mut self) {
        if self.depth == 1
            && std::mem::take(&mut self.after_colon)
            && self.key == b"\"id\""
            && self.token_fits
        {
            self.id = Some(std::mem::take(&mut self.token));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(text: &str) -> Option<String> {
        let mut scanner = IdScanner::default();
        for piece in text.as_bytes().chunks(3) {
            scanner.feed(piece);
        }
        scanner.request_id().map(|id| id.as_raw().to_owned())
    }

    #[test]
    fn the_id_is_found_wherever_it_stands() {
        assert_eq!(id_of(r#"{"id": 7 ,"method":"a","params":{"id":8}}"#).as_deref(), Some("7"));
        assert_eq!(
            id_of(r#"{"method":"a","params":{"id":8,"x":["]","}"]},"id":"a\"b"}"#).as_deref(),
            Some(r#""a\"b""#)
        );
        assert_eq!(
            id_of(r#"{"method":"id","x":"\\","id":12345678901234567890}"#).as_deref(),
            Some("12345678901234567890")
        );
    }

    #[test]
    fn what_has_no_request_id_has_none() {
        for text in [
            r#"{"params":{"id":8},"method":"m"}"#,
            r#"{"id":1,"result":{}}"#,
            r#"{"id":{"a":1},"method":"m"}"#,
            "[[[",
            "xxxx",
            r#"{"id":nope,"method":"m"}"#,
        ] {
            assert_eq!(id_of(text), None, "{text}");
        }
        let endless = format!(r#"{{"id":"{}","method":"m"}}"#, "x".repeat(5000));
        assert_eq!(id_of(&endless), None);
    }
}
