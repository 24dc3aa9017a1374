//! HTTP+SSE, the transport of 2024-11-05: one stream for everything the server says, and an
//! address for what it is told
//! (<https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse>).

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use super::answer::{Awaited, read_messages};
use super::exchange::{Outgoing, discard, media_type, refusal};
use super::sse::{Broken, Event, Events};
use super::{Error, Incoming, Sink, Upstream};
use crate::mcp::Message;
use crate::net::Lane;
use crate::redact::SafeUrl;

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// A connected session. It lives as long as its stream; dropping it closes the stream.
pub struct HttpSse {
    upstream: Upstream,
    endpoint: Url,
    ended: watch::Receiver<Option<Error>>,
    _reader: JoinSet<()>,
}

impl HttpSse {
    /// Opens the stream, waits for the address for messages, and from then on delivers
    /// everything the server says to `sink`.
    ///
    /// # Errors
    /// [`Error::NoEndpoint`] when that address does not come in time, [`Error::Redirect`] when it
    /// lies at another origin, [`Error::NotMcp`] when there is no stream, and what sending returns.
    pub async fn connect(upstream: Upstream, sink: Sink) -> Result<Self, Error> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(EVENTS))]);
        let url = upstream.url.clone();
        let get = Outgoing { lane: Lane::Stream, method: Method::GET, url, headers, body: Bytes::new() };
        let (url, response) = upstream.exchange(get).await?;
        if !response.status.is_success() {
            refusal(response, false, &Awaited::default()).await?;
            return Err(Error::NotMcp { content_type: None });
        }
        let content_type = media_type(&response.headers);
        if content_type.as_deref() != Some(EVENTS) {
            return Err(Error::NotMcp { content_type });
        }
        let mut events = Events::new(response, upstream.limits.message_bytes);
        let named = timeout(upstream.limits.endpoint, read_endpoint(&mut events, &url)).await;
        let endpoint = named.unwrap_or(Err(Error::NoEndpoint))?;
        let (end, ended) = watch::channel(None);
        let mut reader = JoinSet::new();
        reader.spawn(async move {
            let gone = sink.clone();
            let why = tokio::select! {
                () = gone.closed() => Error::SinkClosed,
                why = deliver(events, sink) => why,
            };
            end.send_replace(Some(why));
        });
        Ok(Self { upstream, endpoint, ended, _reader: reader })
    }

    /// Posts one message. Its answer comes on the stream.
    ///
    /// # Errors
    /// [`Error`]; `Unauthorized` promises that the message has not run.
    pub async fn post(&self, message: Message, extra: HeaderMap) -> Result<(), Error> {
        let mut headers = extra;
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        let url = self.endpoint.clone();
        let body = message.line().clone();
        let post = Outgoing { lane: Lane::Request, method: Method::POST, url, headers, body };
        let (_, response) = self.upstream.exchange(post).await?;
        if response.status.is_success() {
            discard(response).await;
            return Ok(());
        }
        // The session is named in the address, so that a 404 means that it is gone.
        refusal(response, true, &Awaited::default()).await.map(drop)
    }

    /// Resolves when the stream has ended, with the reason.
    pub async fn closed(&self) -> Error {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Error::Cut { may_have_run: true }),
            Err(_) => Error::Cut { may_have_run: true },
        }
    }
}

/// Reads up to the `endpoint` event. Credentials go with every message, so the address must be
/// of the origin that they are meant for.
async fn read_endpoint(events: &mut Events, base: &Url) -> Result<Url, Error> {
    loop {
        let Event { name, data, .. } = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) | Err(Broken::NotText | Broken::TooLarge) => return Err(Error::NoEndpoint),
            Err(Broken::Connection(error)) => return Err(Error::Unreachable(error)),
        };
        if name.as_deref() != Some("endpoint") {
            continue;
        }
        let data = data.unwrap_or_default();
        let text = std::str::from_utf8(&data).unwrap_or_default().trim();
        if text.is_empty() {
            return Err(Error::NoEndpoint);
        }
        let endpoint = base.join(text).map_err(|_| Error::NoEndpoint)?;
        if endpoint.origin() != base.origin()
            || !endpoint.username().is_empty()
            || endpoint.password().is_some()
        {
            return Err(Error::Redirect { to: SafeUrl::from(&endpoint) });
        }
        return Ok(endpoint);
    }
}

/// Delivers messages until the stream ends, and says why it did.
async fn deliver(mut events: Events, sink: Sink) -> Error {
    loop {
        let event = match events.next().await {
            Ok(Some(event)) => event,
            Ok(None) => return Error::Cut { may_have_run: true },
            Err(Broken::Connection(error)) => return Error::Unreachable(error),
            Err(Broken::TooLarge) => return Error::TooLarge,
            Err(Broken::NotText) => return Error::InvalidJson,
        };
        let is_message = event.is_message();
        let event_id: Option<std::sync::Arc<str>> = event.id.map(Into::into);
        let Some(data) = event.data.filter(|_| is_message) else { continue };
        match read_messages(data) {
            Ok(messages) => {
                for message in messages {
                    let incoming = Incoming { message, for_request: None, event_id: event_id.clone() };
                    if sink.send(incoming).await.is_err() {
                        return Error::SinkClosed;
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "an event carried no message"),
        }
    }
}
