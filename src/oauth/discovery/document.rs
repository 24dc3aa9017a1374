//! Metadata documents, read as tolerantly as can be: what has another kind than it should is not there.

use serde_json::{Map, Value};

/// A document, unless it is a web page or the like.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(bytes).ok()
}

pub(super) fn text<'a>(document: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    document.get(key)?.as_str()
}

pub(super) fn says(document: &Map<String, Value>, key: &str) -> bool {
    document.get(key) == Some(&Value::Bool(true))
}

/// A list of texts; what is no text in it is left out.
pub(super) fn list(document: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
    let items = document.get(key)?.as_array()?;
    Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
