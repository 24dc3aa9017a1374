//! Changing members of a JSON object in its own text: what is not changed keeps its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::mcp::json;

/// An object that is being changed.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    text: &'a str,
    members: Vec<Member<'a>>,
    added: Vec<(String, String)>,
}

#[derive(Debug)]
struct Member<'a> {
    key: Cow<'a, str>,
    start: usize,
    value_start: usize,
    end: usize,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Kept,
    Set(String),
    Removed,
}

impl<'a> Edit<'a> {
    /// Begins to change `text`; `None` where it is no object.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = deserializer.deserialize_map(Members { text }).ok()?;
        Some(Self { text, members, added: Vec::new() })
    }

    /// The raw value of a member as it stands now. Of repeated keys the last one counts.
    pub(super) fn member(&self, key: &str) -> Option<&str> {
        let added = self.added.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let known = || {
            self.members
                .iter()
                .rev()
                .find(|member| member.key == key)
                .and_then(|member| self.value_of(member))
        };
        added.or_else(known)
    }

    /// Gives a member this raw value, in its place where it has one.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.remove(key);
        match self.members.iter_mut().rfind(|member| member.key == key) {
            Some(member) => member.change = Change::Set(value.into()),
            None => self.added.push((key.to_owned(), value.into())),
        }
        self
    }

    /// Takes a member away; says whether it was there.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        let was_there = self.member(key).is_some();
        self.added.retain(|(name, _)| name != key);
        for member in self.members.iter_mut().filter(|member| member.key == key) {
            member.change = Change::Removed;
        }
        was_there
    }

    /// The members as they stand now, keys decoded, values raw.
    pub(super) fn into_members(self) -> Vec<(String, String)> {
        let known = self
            .members
            .iter()
            .filter_map(|member| Some((member.key.clone().into_owned(), self.value_of(member)?.to_owned())));
        let mut members: Vec<(String, String)> = known.collect();
        members.extend(self.added);
        members
    }

    /// Whether no member is left.
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.members.iter().all(|member| matches!(member.change, Change::Removed))
    }

    /// The changed text.
    pub(super) fn text(&self) -> String {
        let (start, end) = match (self.members.first(), self.members.last()) {
            (Some(first), Some(last)) => (first.start, last.end),
            _ => (self.text.find('{').map_or(0, |at| at + 1), self.text.rfind('}').unwrap_or_default()),
        };
        let mut text = self.text[..start].to_owned();
        let mut is_first = true;
        let mut before = start;
        for member in &self.members {
            if let Some(value) = self.value_of(member) {
                if !is_first {
                    text.push_str(&self.text[before..member.start]);
                }
                text.push_str(&self.text[member.start..member.value_start]);
                text.push_str(value);
                is_first = false;
            }
            before = member.end;
        }
        for (key, value) in &self.added {
            if !is_first {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(key.as_str()).to_string());
            text.push(':');
            text.push_str(value);
            is_first = false;
        }
        text.push_str(&self.text[end..]);
        text
    }

    fn value_of<'s>(&'s self, member: &'s Member<'a>) -> Option<&'s str> {
        match &member.change {
            Change::Kept => Some(&self.text[member.value_start..member.end]),
            Change::Set(value) => Some(value),
            Change::Removed => None,
        }
    }
}

/// Changes the object at `path`; those that are missing or `null` on the way are made. `None`
/// where another kind of value stands in the way.
pub(super) fn edit_at(text: &str, path: &[&str], change: impl FnOnce(&mut Edit<'_>)) -> Option<String> {
    let mut edit = Edit::of(text)?;
    match path {
        [] => change(&mut edit),
        [key, rest @ ..] => {
            let inner = edit.member(key).filter(|inner| *inner != "null").unwrap_or("{}");
            let inner = edit_at(inner, rest, change)?;
            edit.set(key, inner);
        }
    }
    Some(edit.text())
}

/// An array in which every element that `change` has another text for is replaced; `None` where
/// nothing changes or `text` is no array.
pub(super) fn edit_each(text: &str, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    let elements = json::elements(text)?;
    let changed: Vec<Option<String>> = elements.iter().map(|element| change(element.get())).collect();
    if changed.iter().all(Option::is_none) {
        return None;
    }
    let mut whole = String::with_capacity(text.len());
    let mut from = 0;
    for (element, changed) in elements.iter().zip(changed) {
        let Some(changed) = changed else { continue };
        let start = offset(text, element.get());
        whole.push_str(&text[from..start]);
        whole.push_str(&changed);
        from = start + element.get().len();
    }
    whole.push_str(&text[from..]);
    Some(whole)
}

/// Where `part`, which borrows from `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

struct Members<'a> {
    text: &'a str,
}

impl<'a> Visitor<'a> for Members<'a> {
    type Value = Vec<Member<'a>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let start = offset(self.text, key.get());
            let value_start = offset(self.text, value.get());
            let end = value_start + value.get().len();
            let key = json::string(key.get()).unwrap_or_default();
            members.push(Member { key, start, value_start, end, change: Change::Kept });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, change: impl FnOnce(&mut Edit<'_>)) -> String {
        edit_at(text, &[], change).expect("an object")
    }

    #[test]
    fn what_is_not_changed_keeps_its_bytes() {
        let text = r#"{ "a" : 1.10 , "b\u0062":{"x": [ ]}, "c":null }"#;
        assert_eq!(edited(text, |_| {}), text);
        assert_eq!(
            edited(text, |edit| {
                edit.set("bb", "2");
            }),
            r#"{ "a" : 1.10 , "b\u0062":2, "c":null }"#
        );
        assert_eq!(
            edited(text, |edit| {
                edit.remove("a");
            }),
            r#"{ "b\u0062":{"x": [ ]}, "c":null }"#
        );
        assert_eq!(
            edited(text, |edit| {
                edit.remove("c");
                edit.set("d\n", "[]");
            }),
            r#"{ "a" : 1.10 , "b\u0062":{"x": [ ]},"d\n":[] }"#
        );
    }

    #[test]
    fn objects_are_filled_and_emptied() {
        assert_eq!(
            edited("{ }", |edit| {
                edit.set("a", "1").set("b", "2");
            }),
            r#"{"a":1,"b":2}"#
        );
        let mut edit = Edit::of(r#"{"a":1,"a":2}"#).expect("an object");
        assert_eq!(edit.member("a"), Some("2"));
        assert!(edit.remove("a"));
        assert!(edit.is_empty());
        assert_eq!(edit.text(), "{}");
        assert_eq!(edit.set("a", "3").text(), r#"{"a":3}"#);
        assert!(Edit::of("[1]").is_none());
    }

    #[test]
    fn inner_objects_are_made_where_they_are_missing() {
        let set = |text| edit_at(text, &["params", "_meta"], |edit| _ = edit.set("k", "1"));
        assert_eq!(set(r#"{"id":1}"#).as_deref(), Some(r#"{"id":1,"params":{"_meta":{"k":1}}}"#));
        assert_eq!(
            set(r#"{"params":{"_meta":null,"a":2}}"#).as_deref(),
            Some(r#"{"params":{"_meta":{"k":1},"a":2}}"#)
        );
        assert_eq!(set(r#"{"params":[1]}"#), None);
    }

    #[test]
    fn elements_of_arrays_are_replaced_one_by_one() {
        let change = |element: &str| (element == "2").then(|| "[]".to_owned());
        assert_eq!(edit_each("[ 1, 2 ,3 ]", change).as_deref(), Some("[ 1, [] ,3 ]"));
        assert_eq!(edit_each("[1]", change), None);
        assert_eq!(edit_each("{}", change), None);
    }
}
