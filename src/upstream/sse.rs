//! Server-sent events of an answer, with a limit on the size of each
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sse_stream::SseByteStream;

use crate::net::{self, Response};

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// `message` where the server named none.
    pub(super) name: Option<String>,
    /// The data lines, joined by line breaks; `None` or empty where there is nothing to read.
    pub(super) data: Option<Bytes>,
    /// The id, where this very event has one.
    pub(super) id: Option<String>,
    /// The `retry` field.
    pub(super) retry: Option<Duration>,
}

impl Event {
    /// Whether the event carries a message: its name is `message` or none at all.
    pub(super) fn is_message(&self) -> bool {
        matches!(self.name.as_deref(), None | Some("" | "message"))
    }
}

/// Why a stream of events broke.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Connection(#[from] net::Error),
    #[error("an event is larger than the limit")]
    TooLarge,
    #[error("an event is not UTF-8")]
    NotText,
}

/// The events of one answer.
pub(super) struct Events {
    events: SseByteStream<Chunks>,
    unread: Arc<AtomicUsize>,
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

impl Events {
    /// Reads the body of an answer; no event may be larger than `limit` bytes.
    pub(super) fn new(response: Response, limit: usize) -> Self {
        let chunks = futures_util::stream::unfold(response, |mut response| async move {
            match response.chunk().await {
                Ok(Some(chunk)) => Some((Ok(chunk), response)),
                Ok(None) => None,
                Err(error) => Some((Err(error), response)),
            }
        });
        Self::of(chunks, limit)
    }

    fn of(chunks: impl Stream<Item = Result<Bytes, net::Error>> + Send + 'static, limit: usize) -> Self {
        let unread = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&unread);
        let chunks = chunks.map(move |chunk| {
            let chunk = chunk?;
            if count.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > limit {
                return Err(Broken::TooLarge);
            }
            if ends_block(&chunk) {
                count.store(0, Ordering::Relaxed);
            }
            Ok(chunk)
        });
        Self { events: SseByteStream::new(Box::pin(chunks)), unread }
    }

    /// The next event; `None` when the stream ended. An event cut off by the end is no event.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Broken> {
        let Some(event) = self.events.next().await else { return Ok(None) };
        let event = event.map_err(broken)?;
        self.unread.store(0, Ordering::Relaxed);
        Ok(Some(Event {
            name: event.event,
            data: event.data.filter(|data| !data.is_empty()).map(Bytes::from),
            id: event.id,
            retry: event.retry.map(Duration::from_millis),
        }))
    }
}

/// The data of every event in a body that comes in these chunks, for benchmarks and fuzzing; an
/// event over `limit` bytes ends it.
pub async fn data_of_events(
    chunks: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>,
    limit: usize,
) -> Vec<Bytes> {
    let mut events = Events::of(futures_util::stream::iter(chunks).map(Ok), limit);
    let mut data = Vec::new();
    while let Ok(Some(event)) = events.next().await {
        data.extend(event.data);
    }
    data
}

/// Nothing is pending after an empty line; so hours of keep-alive comments add up to nothing.
fn ends_block(chunk: &[u8]) -> bool {
    chunk.ends_with(b"\n\n") || chunk.ends_with(b"\r\n\r\n") || chunk.ends_with(b"\r\r")
}

fn broken(error: sse_stream::Error) -> Broken {
    let sse_stream::Error::Body(source) = error else { return Broken::NotText };
    source.downcast().map_or(Broken::NotText, |broken| *broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn events_of(chunks: Vec<Bytes>, limit: usize) -> (Vec<Event>, Option<Broken>) {
        let mut events = Events::of(futures_util::stream::iter(chunks.into_iter().map(Ok)), limit);
        let mut seen = Vec::new();
        loop {
            match events.next().await {
                Ok(Some(event)) => seen.push(event),
                Ok(None) => return (seen, None),
                Err(broken) => return (seen, Some(broken)),
            }
        }
    }

    fn event(name: Option<&str>, data: Option<&'static str>, id: Option<&str>, retry: Option<u64>) -> Event {
        Event {
            name: name.map(str::to_owned),
            data: data.map(|data| Bytes::from_static(data.as_bytes())),
            id: id.map(str::to_owned),
            retry: retry.map(Duration::from_millis),
        }
    }

    const STREAM: &str = "\u{feff}: hello\r\n\r\nid: 1\r\ndata:\r\nretry: 250\r\n\r\n\
        event: message\ndata: {\"a\":\ndata:  \"é漢\"}\nid: 2\n\ndata: x\r\rother: y\ndata:z\n\n:\n\ndata: cut";

    fn expected() -> Vec<Event> {
        vec![
            event(None, None, Some("1"), Some(250)),
            event(Some("message"), Some("{\"a\":\n \"é漢\"}"), Some("2"), None),
            event(None, Some("x"), None, None),
            event(None, Some("z"), None, None),
        ]
    }

    #[tokio::test]
    async fn a_stream_reads_the_same_split_at_every_byte() {
        let bytes = Bytes::from_static(STREAM.as_bytes());
        for at in 0..=bytes.len() {
            let (events, broken) = events_of(vec![bytes.slice(..at), bytes.slice(at..)], 1000).await;
            assert_eq!(events, expected(), "split at {at}");
            assert!(broken.is_none(), "{broken:?}");
        }
        let single = (0..bytes.len()).map(|at| bytes.slice(at..=at)).collect();
        assert_eq!(events_of(single, 1000).await.0, expected());
    }

    proptest! {
        #[test]
        fn a_stream_reads_the_same_however_it_is_split(cuts in proptest::collection::vec(0..STREAM.len(), 0..8)) {
            let bytes = Bytes::from_static(STREAM.as_bytes());
            let mut cuts = cuts;
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| bytes.slice(pair[0]..pair[1])).collect();
            let (events, broken) = futures_util::FutureExt::now_or_never(events_of(chunks, 1000)).expect("no waits");
            prop_assert_eq!(events, expected());
            prop_assert!(broken.is_none());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
            let bytes = Bytes::from(bytes);
            let at = at.min(bytes.len());
            let chunks = vec![bytes.slice(..at), bytes.slice(at..)];
            prop_assert!(futures_util::FutureExt::now_or_never(events_of(chunks, 1000)).is_some());
        }
    }

    #[tokio::test]
    async fn an_event_beyond_the_limit_breaks_the_stream() {
        let piece = Bytes::from_static(b"data: 0123456789\n");
        let (events, broken) = events_of(vec![piece; 7], 100).await;
        assert!(events.is_empty() && matches!(broken, Some(Broken::TooLarge)), "{events:?} {broken:?}");
        let endless_line = vec![Bytes::from_static(b"0123456789"); 11];
        assert!(matches!(events_of(endless_line, 100).await.1, Some(Broken::TooLarge)));
    }

    #[tokio::test]
    async fn events_and_comments_within_the_limit_never_add_up() {
        let event = Bytes::from_static(b"data: 0123456789\n\n");
        let (events, broken) = events_of(vec![event; 100], 100).await;
        assert!(events.len() == 100 && broken.is_none(), "{} {broken:?}", events.len());
        let across = Bytes::from_static(b"6789\n\ndata: 012345");
        let (events, broken) = events_of(vec![across; 100], 100).await;
        assert!(events.len() == 99 && broken.is_none(), "{} {broken:?}", events.len());
        let comment = Bytes::from_static(b": keep-alive\r\n\r\n");
        assert!(events_of(vec![comment; 100], 100).await.1.is_none());
    }

    #[tokio::test]
    async fn what_is_not_utf8_breaks_the_stream() {
        let (_, broken) = events_of(vec![Bytes::from_static(b"data: \xff\n\n")], 100).await;
        assert!(matches!(broken, Some(Broken::NotText)), "{broken:?}");
    }
}
