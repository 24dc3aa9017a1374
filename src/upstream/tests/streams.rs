//! Streams that stay open, break off and are resumed.

use super::*;
use crate::mcp::header::MCP_METHOD;

const PRIMED: &str = "id: e1\ndata:\n\n";

fn progress_then_cut() -> Response {
    events(format!("{PRIMED}id: e2\ndata: {NOTE}\n\n"))
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_resumed_where_it_stopped() {
    let rest = events(format!("id: e3\ndata: {ANSWER}\n\n"));
    let mut fake = Fake::start(vec![progress_then_cut(), rest]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    link.set_protocol_version("2025-11-25");
    let (sink, mut inbox) = sink();
    let posted = link.post(call(), HeaderMap::new(), sink).await.expect("posted");
    assert!(posted.answered);
    assert_eq!(lines(&mut inbox), [NOTE, ANSWER]);
    fake.next().await;
    let resumed = fake.next().await;
    assert_eq!((resumed.method.as_str(), resumed.body.len()), ("GET", 0));
    for (name, value) in [
        ("last-event-id", "e2"),
        ("accept", "text/event-stream"),
        ("mcp-session-id", "s-1"),
        ("mcp-protocol-version", "2025-11-25"),
        ("x-api-key", "marked"),
    ] {
        assert_eq!(resumed.header(name), Some(value), "{name}");
    }
    assert_eq!(resumed.header("content-type"), None);
}

#[tokio::test]
async fn the_wait_the_server_asks_for_is_kept_however_often_it_closes() {
    let polls = events("retry: 150\nid: e1\ndata:\n\n");
    let rest = events(format!("data: {ANSWER}\n\n"));
    let mut fake = Fake::start(vec![polls, events(""), rest]).await;
    let (sink, _inbox) = sink();
    assert!(fake.link().post(call(), HeaderMap::new(), sink).await.is_ok_and(|posted| posted.answered));
    let mut last = fake.next().await.at;
    for _ in 0..2 {
        let seen = fake.next().await;
        assert!(seen.at - last >= Duration::from_millis(150), "{:?}", seen.at - last);
        assert_eq!(seen.header("last-event-id"), Some("e1"));
        last = seen.at;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_within_an_event_is_resumed_before_it() {
    let (broken, say) = {
        let (say, mut said) = mpsc::channel::<Result<String, io::Error>>(4);
        let body = Body::from_stream(futures_util::stream::poll_fn(move |context| said.poll_recv(context)));
        (([("content-type", "text/event-stream")], body).into_response(), say)
    };
    let rest = events(format!("data: {ANSWER}\n\n"));
    let begun = format!("id: e1\ndata: {NOTE}\n\nid: e9\ndata: {{\"id\":1,");
    say.send(Ok(begun)).await.expect("room");
    let mut fake = Fake::start(vec![broken, rest]).await;
    let link = fake.link();
    let (sink, mut inbox) = sink();
    let cut = async {
        inbox.recv().await.expect("the stream has begun");
        say.send(Err(io::Error::other("cut"))).await.expect("room");
        inbox.recv().await.expect("the answer")
    };
    let (posted, answer) = tokio::join!(link.post(call(), HeaderMap::new(), sink), cut);
    assert!(posted.is_ok_and(|posted| posted.answered));
    assert_eq!(&answer.message.line()[..], ANSWER.as_bytes());
    fake.next().await;
    assert_eq!(fake.next().await.header("last-event-id"), Some("e1"));
}

#[tokio::test]
async fn without_an_event_id_or_in_the_modern_era_nothing_is_resumed() {
    let mut fake = Fake::start(vec![events(format!("data: {NOTE}\n\n"))]).await;
    let (sink, _inbox) = sink();
    let cut = fake.link().post(call(), HeaderMap::new(), sink.clone()).await;
    assert!(matches!(cut, Err(Error::Cut { may_have_run: true })), "{cut:?}");
    fake.next().await;
    assert!(fake.nothing_more());

    let forgotten = events("id: e1\ndata:\n\nid:\ndata:\n\n");
    let mut fake = Fake::start(vec![forgotten]).await;
    let cut = fake.link().post(call(), HeaderMap::new(), sink.clone()).await;
    assert!(matches!(cut, Err(Error::Cut { may_have_run: true })), "{cut:?}");
    fake.next().await;
    assert!(fake.nothing_more());

    let mut fake = Fake::start(vec![progress_then_cut()]).await;
    let modern = HeaderMap::from_iter([(MCP_METHOD, HeaderValue::from_static("tools/call"))]);
    let cut = fake.link().post(call(), modern, sink).await;
    assert!(matches!(cut, Err(Error::Cut { may_have_run: true })), "{cut:?}");
    fake.next().await;
    assert!(fake.nothing_more());
}

#[tokio::test]
async fn a_refused_resumption_never_looks_like_a_request_that_did_not_run() {
    for refusal in [empty(401), empty(404), empty(405), empty(400), json(ANSWER)] {
        let status = refusal.status();
        let fake = Fake::start(vec![progress_then_cut(), refusal]).await;
        let link = fake.link();
        link.set_session(SessionId::new("s-1"));
        let (sink, _inbox) = sink();
        let cut = link.post(call(), HeaderMap::new(), sink).await;
        assert!(matches!(cut, Err(Error::Cut { may_have_run: true })), "{status} {cut:?}");
    }
}

#[tokio::test]
async fn a_resumption_is_tried_several_times_but_not_for_ever() {
    let rest = events(format!("data: {ANSWER}\n\n"));
    let fake = Fake::start(vec![progress_then_cut(), empty(503), empty(502), rest]).await;
    let (sink, _inbox) = sink();
    assert!(
        fake.link().post(call(), HeaderMap::new(), sink.clone()).await.is_ok_and(|posted| posted.answered)
    );

    let fake = Fake::start(vec![progress_then_cut()]).await;
    let link = fake.link_with(|upstream| upstream.limits.resume_failures = 2);
    let cut = link.post(call(), HeaderMap::new(), sink).await;
    assert!(matches!(cut, Err(Error::Cut { may_have_run: true })), "{cut:?}");
}

#[tokio::test]
async fn dropping_a_request_closes_its_stream() {
    let (stream, say) = open_events(PRIMED);
    let mut fake = Fake::start(vec![stream]).await;
    let link = fake.link();
    let (sink, mut inbox) = sink();
    let request = async {
        let _ = link.post(call(), HeaderMap::new(), sink).await;
    };
    tokio::select! {
        () = request => panic!("the stream is open"),
        _ = async { fake.next().await; say.send(Box::leak(format!("data: {NOTE}\n\n").into_boxed_str())).await.expect("open"); inbox.recv().await } => {}
    }
    say.closed().await;
}

#[tokio::test]
async fn a_response_is_delivered_at_once_even_if_the_stream_stays_open() {
    let (stream, say) = open_events(Box::leak(format!("data: {ANSWER}\n\n").into_boxed_str()));
    let fake = Fake::start(vec![stream]).await;
    let link = fake.link();
    let (sink, mut inbox) = sink();
    let posted = link.post(call(), HeaderMap::new(), sink).await.expect("posted");
    assert!(posted.answered);
    inbox.recv().await.expect("the answer");
    say.send(Box::leak(format!("data: {NOTE}\n\n").into_boxed_str())).await.expect("open");
    let late = inbox.recv().await.expect("what came behind the answer");
    assert_eq!(&late.message.line()[..], NOTE.as_bytes());
    drop(link);
    say.closed().await;
}

#[tokio::test]
async fn a_full_sink_holds_up_its_own_stream_only() {
    let many = format!("data: {NOTE}\n\n").repeat(100);
    let fake = Fake::start(vec![events(format!("{many}data: {ANSWER}\n\n")), json(ANSWER)]).await;
    let link = fake.link();
    let (full, mut inbox) = mpsc::channel(1);
    let slow = link.post(call(), HeaderMap::new(), full);
    let (sink, mut other) = sink();
    let quick = async {
        inbox.recv().await.expect("the stream has begun");
        link.post(call(), HeaderMap::new(), sink).await.expect("posted");
        let answer = other.recv().await.expect("an answer");
        let rest = std::iter::from_fn(|| inbox.try_recv().ok()).count();
        assert!(rest <= 1, "the full sink held {rest}");
        while inbox.recv().await.is_some() {}
        answer
    };
    let (slow, answer) = tokio::join!(slow, quick);
    assert!(slow.expect("posted").answered);
    assert_eq!(&answer.message.line()[..], ANSWER.as_bytes());
}

#[tokio::test]
async fn a_server_without_a_stream_says_so_in_many_ways() {
    for answer in [empty(405), empty(404), empty(400), empty(501), json("{}"), "hello".into_response()] {
        let status = answer.status();
        let fake = Fake::start(vec![answer]).await;
        let (sink, _inbox) = sink();
        let end = fake.link().listen(sink, false).await;
        assert!(matches!(end, Ok(ListenEnd::NotOffered)), "{status} {end:?}");
    }
}

#[tokio::test]
async fn listening_goes_on_over_ends_and_failures() {
    let first = events(format!("id: g1\ndata: {NOTE}\n\n"));
    let (second, say) = open_events(Box::leak(format!("data: {NOTE}\n\n").into_boxed_str()));
    let mut fake = Fake::start(vec![empty(503), first, empty(500), second]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    let (sink, mut inbox) = sink();
    let watch = async {
        for _ in 0..2 {
            let incoming = inbox.recv().await.expect("a message");
            assert!(incoming.for_request.is_none());
        }
        drop(inbox);
    };
    let (end, ()) = tokio::join!(link.listen(sink, false), watch);
    assert!(matches!(end, Ok(ListenEnd::SinkClosed)), "{end:?}");
    say.closed().await;
    let mut resumed_with = Vec::new();
    for _ in 0..4 {
        let seen = fake.next().await;
        assert_eq!(seen.header("mcp-session-id"), Some("s-1"));
        resumed_with.push(seen.header("last-event-id").map(str::to_owned));
    }
    assert_eq!(resumed_with, [None, None, Some("g1".to_owned()), Some("g1".to_owned())]);
}

/// Has credentials every second time it is asked, and none for a moment in between.
#[derive(Default)]
struct Wavering(std::sync::atomic::AtomicBool);

impl Authorizer for Wavering {
    fn headers<'a>(&'a self, _: &'a Method, _: &'a Url) -> BoxFuture<'a, Result<HeaderMap, AuthorizeError>> {
        let has_them = self.0.fetch_xor(true, std::sync::atomic::Ordering::Relaxed);
        let locked = AuthorizeError::Unavailable("the keychain is locked".into());
        Box::pin(async move { if has_them { Ok(HeaderMap::new()) } else { Err(locked) } })
    }

    fn observe(&self, _: ResponseHead<'_>) {}
}

#[tokio::test]
async fn a_stream_that_was_there_once_is_waited_for_whatever_the_server_answers() {
    let first = events(format!("id: g1\ndata: {NOTE}\n\n"));
    let last = events(format!("data: {NOTE}\n\n"));
    let mut fake = Fake::start(vec![first, empty(405), empty(400), empty(302), last]).await;
    let link = fake.link_with(|upstream| upstream.authorizer = Arc::new(Wavering::default()));
    let (sink, mut inbox) = sink();
    tokio::select! {
        end = link.listen(sink, true) => panic!("listening ended: {end:?}"),
        _ = async { for _ in 0..2 { inbox.recv().await; } } => {}
    }
    for last_event in [None, Some("g1"), Some("g1"), Some("g1"), Some("g1")] {
        assert_eq!(fake.next().await.header("last-event-id"), last_event);
    }
}

#[tokio::test]
async fn who_listens_again_with_other_credentials_goes_on_where_it_stopped() {
    let first = events(format!("id: g1\ndata: {NOTE}\n\n"));
    let mut fake = Fake::start(vec![first, empty(401), empty(405), empty(401)]).await;
    let link = fake.link();
    for _ in 0..2 {
        let (sink, _inbox) = sink();
        let end = link.listen(sink, true).await;
        assert!(matches!(end, Err(Error::Unauthorized { .. })), "{end:?}");
    }
    for last_event in [None, Some("g1"), Some("g1"), Some("g1")] {
        assert_eq!(fake.next().await.header("last-event-id"), last_event);
    }
}

#[tokio::test]
async fn listening_ends_where_only_the_session_can_help() {
    let (sink, _inbox) = sink();
    let fake = Fake::start(vec![empty(404)]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    let end = link.listen(sink.clone(), false).await;
    assert!(matches!(end, Err(Error::SessionGone)), "{end:?}");
    let fake = Fake::start(vec![empty(404)]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    let end = link.listen(sink.clone(), true).await;
    assert!(matches!(end, Ok(ListenEnd::NotOffered)), "a new session is not gone: {end:?}");
    let fake = Fake::start(vec![events("data: x\n\n"), empty(404)]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    let end = link.listen(sink.clone(), true).await;
    assert!(matches!(end, Err(Error::SessionGone)), "it had a stream: {end:?}");
    let fake = Fake::start(vec![events("data: x\n\n"), empty(401)]).await;
    let end = fake.link().listen(sink, false).await;
    assert!(matches!(end, Err(Error::Unauthorized { .. })), "{end:?}");
}

#[tokio::test]
async fn ending_a_session_names_it_and_takes_no_for_an_answer() {
    let mut fake = Fake::start(vec![empty(405)]).await;
    let link = fake.link();
    link.delete().await.expect("nothing to end");
    assert!(fake.nothing_more());
    link.set_session(SessionId::new("s-1"));
    link.delete().await.expect("told");
    let seen = fake.next().await;
    assert_eq!((seen.method.as_str(), seen.header("mcp-session-id")), ("DELETE", Some("s-1")));
    assert!(link.session().is_none());
}

#[tokio::test]
async fn a_stream_is_opened_anew_where_it_stopped_once_the_computer_woke_up() {
    let (asleep, _held) = open_events("id: e1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n");
    let (awake, _held_too) = open_events(": hello\n\n");
    let mut fake = Fake::start(vec![asleep, awake]).await;
    let upstream = fake.upstream();
    let network = upstream.network.clone();
    let link = StreamableHttp::new(upstream);
    let (sink, mut inbox) = sink();
    let waking = async {
        inbox.recv().await.expect("the stream is open");
        network.redial();
        (fake.next().await, fake.next().await)
    };
    let (before, after) = tokio::select! {
        seen = waking => seen,
        end = link.listen(sink, false) => panic!("listening ended: {end:?}"),
    };
    assert_eq!(after.header("last-event-id"), Some("e1"));
    assert_ne!(after.peer, before.peer, "over another connection");
}

/// Never gets as far as to send anything.
struct Silent;

impl Authorizer for Silent {
    fn headers<'a>(&'a self, _: &'a Method, _: &'a Url) -> BoxFuture<'a, Result<HeaderMap, AuthorizeError>> {
        Box::pin(std::future::pending())
    }

    fn observe(&self, _: ResponseHead<'_>) {}
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_stream_only_for_a_moment_after_that_was_asked_for() {
    let fake = Fake::start(Vec::new()).await;
    let link = fake.link_with(|upstream| upstream.authorizer = Arc::new(Silent));
    link.set_session(SessionId::new("s-1"));
    let (sink, _inbox) = sink();
    let calling = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = tokio::time::Instant::now();
        link.stream_settled().await;
        before.elapsed()
    };
    tokio::select! {
        biased;
        end = link.listen(sink, true) => panic!("listening ended: {end:?}"),
        waited = calling => assert_eq!(waited, Duration::ZERO),
    }
}
