//! What a shim keeps so that the next Host can go on where this one ended: sealed, and bound to the connection it is for.

use serde::{Deserialize, Serialize};

use crate::upstream::SessionId;

use super::held_lists::HeldLists;
use super::sealer::{ConnectionSealer, Purpose};
use super::wishes::Wishes;

/// What a later Host needs to go on.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// The upstream session, where the server named one.
    pub(super) upstream: Option<Resume>,
    /// What the server was told for as long as it lasts.
    pub(super) wishes: Wishes,
    /// The lists that the client has.
    pub(super) lists: HeldLists,
}

/// An upstream session, as a later Host needs it.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    pub(super) session: SessionId,
    pub(super) protocol_version: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Sealed {
    session: Option<String>,
    protocol_version: Option<String>,
    wishes: Wishes,
    lists: HeldLists,
}

impl Kept {
    /// Sealed for that connection; `None` where there is nothing to keep.
    pub(super) fn seal(&self, sealer: &ConnectionSealer) -> Option<String> {
        let Self { upstream, wishes, lists } = self;
        if upstream.is_none() && wishes.is_empty() && lists.is_empty() {
            return None;
        }
        let sealed = Sealed {
            session: upstream.as_ref().map(|upstream| upstream.session.expose().to_owned()),
            protocol_version: upstream.as_ref().and_then(|upstream| upstream.protocol_version.clone()),
            wishes: wishes.clone(),
            lists: lists.clone(),
        };
        sealer.seal(Purpose::Resume, &serde_json::to_vec(&sealed).ok()?)
    }

    /// What was sealed for the same connection; of anything else, nothing.
    pub(super) fn open(state: &str, sealer: &ConnectionSealer) -> Option<Self> {
        let text = sealer.open(Purpose::Resume, state)?;
        let Sealed { session, protocol_version, wishes, lists } = serde_json::from_slice(&text).ok()?;
        let session = session.and_then(|session| SessionId::new(&session));
        Some(Self { upstream: session.map(|session| Resume { session, protocol_version }), wishes, lists })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::session::held_lists::HeldList;
    use crate::host::session::sealer::Sealer;
    use crate::host::session::wishes::Wish;

    #[test]
    fn a_later_host_finds_all_that_was_kept() {
        let sealer = Sealer::new(&[7; 32]).of("a.b", "a.");
        let session = SessionId::new("secret-session").expect("a session id");
        let upstream = Resume { session, protocol_version: Some("2025-06-18".into()) };
        let mut wishes = Wishes::default();
        wishes.note(Wish::Subscribe("demo://welcome".into()));
        let lists = HeldLists::from([("tools/list".to_owned(), HeldList::of("[]"))]);
        let kept = Kept { upstream: Some(upstream), wishes: wishes.clone(), lists: lists.clone() };
        let state = kept.seal(&sealer).expect("sealed");
        let opened = Kept::open(&state, &sealer).expect("opened");
        let upstream = opened.upstream.expect("a session");
        assert_eq!(upstream.session.expose(), "secret-session");
        assert_eq!(upstream.protocol_version.as_deref(), Some("2025-06-18"));
        assert_eq!((opened.wishes, opened.lists), (wishes, lists));
        assert!(Kept::default().seal(&sealer).is_none(), "nothing to keep");
    }
}
