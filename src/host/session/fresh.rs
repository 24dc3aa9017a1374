//! Lists that a modern server called fresh, for a legacy client, which cannot know how long
//! (<https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching>).
//!
//! Kept per session, so that nobody else gets what is private; what is, goes when another signs in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mcp::{Message, json, method};

/// More pages than any list of use has.
const MOST_PAGES: usize = 256;
/// A server that calls a list fresh for longer is asked again all the same.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The pages that are fresh.
#[derive(Debug, Default)]
pub(super) struct FreshLists {
    pages: Mutex<HashMap<Key, Page>>,
}

/// A method and the cursor of one of its pages.
type Key = (String, Option<String>);

#[derive(Debug)]
struct Page {
    until: Instant,
    is_public: bool,
    response: Message,
}

impl FreshLists {
    /// Keeps a server's answer for as long as it says.
    pub(super) fn keep(&self, request: &Message, response: &Message, now: Instant) {
        let Some(key) = key_of(request) else { return };
        let Some(result) = response.raw_at(&["result"]) else { return };
        let millis = json::member(result, "ttlMs").and_then(|ttl| ttl.parse().ok()).unwrap_or(0);
        let mut pages = self.pages();
        pages.retain(|_, page| now < page.until);
        if millis == 0 || pages.len() >= MOST_PAGES {
            return;
        }
        let until = now + Duration::from_millis(millis).min(LONGEST);
        let is_public = json::member(result, "cacheScope") == Some(r#""public""#);
        pages.insert(key, Page { until, is_public, response: response.clone() });
    }

    /// The answer that a request need not be sent for.
    pub(super) fn answer_to(&self, request: &Message, now: Instant) -> Option<Message> {
        let pages = self.pages();
        pages.get(&key_of(request)?).filter(|page| now < page.until).map(|page| page.response.clone())
    }

    /// Forgets what a change makes stale.
    pub(super) fn on_change(&self, notification: &str) {
        let Some(changed) = notification.strip_prefix("notifications/") else { return };
        let Some((kind, "list_changed")) = changed.split_once('/') else { return };
        self.pages().retain(|(method, _), _| method.split('/').next() != Some(kind));
    }

    /// Forgets what belongs to who was signed in.
    pub(super) fn forget_private(&self) {
        self.pages().retain(|_, page| page.is_public);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        self.pages().clear();
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<Key, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that say more than which page they want are answered by the server alone.
fn key_of(request: &Message) -> Option<Key> {
    let method = request.method().filter(|method| method::list_member(method).is_some())?;
    let params = request.raw_at(&["params"]).filter(|params| *params != "null").unwrap_or("{}");
    let params: HashMap<String, serde_json::Value> = serde_json::from_str(params).ok()?;
    let is_plain = params.keys().all(|key| matches!(key.as_str(), "cursor" | "_meta"));
    let cursor = params.get("cursor").map(ToString::to_string);
    is_plain.then(|| (method.to_owned(), cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).expect(text)
    }

    fn list(params: &str) -> Message {
        message(&format!(r#"{{"id":1,"method":"tools/list","params":{params}}}"#))
    }

    fn answer(ttl: &str, scope: &str) -> Message {
        message(&format!(r#"{{"id":1,"result":{{"tools":[],"ttlMs":{ttl},"cacheScope":"{scope}"}}}}"#))
    }

    #[test]
    fn a_page_is_given_for_as_long_as_it_is_fresh() {
        let (lists, now) = (FreshLists::default(), Instant::now());
        lists.keep(&list("{}"), &answer("1000", "private"), now);
        let is_fresh = |request: &Message, millis| {
            lists.answer_to(request, now + Duration::from_millis(millis)).is_some()
        };
        assert!(is_fresh(&list(r#"{"_meta":{"progressToken":1}}"#), 999));
        assert!(!is_fresh(&list("{}"), 1000));
        assert!(!is_fresh(&list(r#"{"cursor":"2"}"#), 0), "another page");
        assert!(!is_fresh(&list(r#"{"vendor":1}"#), 0), "another question");
        for stale in ["0", "-5", "null", "1.5"] {
            let lists = FreshLists::default();
            lists.keep(&list("{}"), &answer(stale, "public"), now);
            assert!(lists.answer_to(&list("{}"), now).is_none(), "{stale}");
        }
    }

    #[test]
    fn changes_and_other_people_make_pages_stale() {
        let (lists, now) = (FreshLists::default(), Instant::now());
        let keep = |scope| lists.keep(&list("{}"), &answer("1000", scope), now);
        let is_fresh = || lists.answer_to(&list("{}"), now).is_some();
        keep("private");
        lists.on_change("notifications/prompts/list_changed");
        assert!(is_fresh());
        lists.on_change("notifications/tools/list_changed");
        assert!(!is_fresh());
        keep("private");
        lists.forget_private();
        assert!(!is_fresh());
        keep("public");
        lists.forget_private();
        assert!(is_fresh());
        lists.forget_all();
        assert!(!is_fresh());
    }

    #[test]
    fn only_lists_are_kept() {
        let (lists, now) = (FreshLists::default(), Instant::now());
        let read = message(r#"{"id":1,"method":"resources/read","params":{}}"#);
        lists.keep(&read, &answer("1000", "public"), now);
        assert!(lists.answer_to(&read, now).is_none());
    }
}
