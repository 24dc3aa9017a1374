//! Small readings of raw JSON: one member of an object, one line of a pretty print.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Reads a present member, `null` included; plain `Option<&RawValue>` takes `null` for absent.
pub(crate) fn present<'de, D>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The raw text of `object`'s member `key`; `None` where it is missing or `object` is no object.
/// Of repeated keys the last one counts, as in JavaScript.
pub fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(MemberVisitor { key }).ok()?.map(RawValue::get)
}

/// Whether every reader finds the same `key` in `object`: it stands there once at most, and no
/// other key differs from it in case alone. Some readers take the first of repeated keys, and some,
/// like Go's `encoding/json`, do not tell cases apart.
pub fn is_plain(object: &str, key: &str) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(PlainVisitor { key }).unwrap_or(true)
}

/// Like [`member`], along a path of keys.
pub fn member_at<'a>(object: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(object, |inner, key| member(inner, key))
}

/// The string that `raw` spells, or `None` where it is another kind of value.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    #[serde(transparent)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Borrowed<'_>>(raw).ok().map(|text| text.0)
}

/// The elements of an array as raw texts, or `None` where `raw` is no array.
pub fn elements(raw: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw).ok()
}

/// Puts a message on one line, as stdio framing needs it. A JSON text has line breaks only
/// between tokens, so they and the indentation behind them may go; anything else stays as it came.
pub fn compact(message: Bytes) -> Bytes {
    let Some(first) = memchr::memchr2(b'\n', b'\r', &message) else { return message };
    let mut line = BytesMut::with_capacity(message.len());
    line.extend_from_slice(&message[..first]);
    let mut indenting = false;
    for &byte in &message[first..] {
        match byte {
            b'\n' | b'\r' => indenting = true,
            b' ' | b'\t' if indenting => {}
            _ => {
                indenting = false;
                line.extend_from_slice(&[byte]);
            }
        }
    }
    line.freeze()
}

struct MemberVisitor<'k> {
    key: &'k str,
}

impl<'de> Visitor<'de> for MemberVisitor<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(KeyIs(is_wanted)) = map.next_key_seed(KeySeed(self.key))? {
            if is_wanted {
                found = Some(map.next_value::<&RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct PlainVisitor<'k> {
    key: &'k str,
}

impl<'de> Visitor<'de> for PlainVisitor<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let wanted = self.key.to_uppercase();
        let (mut exact, mut similar) = (0, 0);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            map.next_value::<IgnoredAny>()?;
            exact += usize::from(key == self.key);
            similar += usize::from(key.to_uppercase() == wanted);
        }
        Ok(exact == similar && exact <= 1)
    }
}

struct KeyIs(bool);
struct KeySeed<'k>(&'k str);

impl<'de> serde::de::DeserializeSeed<'de> for KeySeed<'_> {
    type Value = KeyIs;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<KeyIs, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|key| KeyIs(key == self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_with_its_own_bytes() {
        let object = r#"{"a":{"x":1},"b" : 12345678901234567890.10,"a\u0062":null}"#;
        assert_eq!(member(object, "b"), Some("12345678901234567890.10"));
        assert_eq!(member(object, "ab"), Some("null"));
        assert_eq!(member_at(object, &["a", "x"]), Some("1"));
        assert_eq!(member(object, "c"), None);
        assert_eq!(member("[1]", "a"), None);
        assert_eq!(member(r#"{"a":1,"a":2}"#, "a"), Some("2"));
    }

    #[test]
    fn a_key_is_plain_that_every_reader_finds_in_the_same_place() {
        for plain in [r#"{"name":1}"#, r#"{"n\u0061me":1}"#, r#"{"names":1}"#, "{}", "[1]"] {
            assert!(is_plain(plain, "name"), "{plain}");
        }
        for differs in [r#"{"name":1,"name":1}"#, r#"{"name":1,"Name":2}"#, r#"{"nAme":1}"#] {
            assert!(!is_plain(differs, "name"), "{differs}");
        }
        assert!(!is_plain(r#"{"paramſ":1}"#, "params"));
    }

    #[test]
    fn compacting_touches_nothing_but_line_breaks_and_indentation() {
        let pretty = Bytes::from_static(b"{\r\n  \"a b\": [1,\n\t2],\n  \"c\": \"x\\ny  z\"\n}\n");
        assert_eq!(compact(pretty), Bytes::from_static(b"{\"a b\": [1,2],\"c\": \"x\\ny  z\"}"));
        let line = Bytes::from_static(b"{ \"a\" :  1 }");
        assert_eq!(compact(line.clone()).as_ptr(), line.as_ptr(), "one line is not copied");
    }

    #[test]
    fn strings_are_decoded_and_other_values_are_not_strings() {
        assert_eq!(string(r#""a\u0062""#).as_deref(), Some("ab"));
        assert_eq!(string("1"), None);
    }
}
