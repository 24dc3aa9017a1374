//! The transport of 2024-11-05.

use super::*;

const ENDPOINT: &str = "event: endpoint\ndata: /messages?sessionId=marked\n\n";

#[tokio::test]
async fn messages_go_to_the_endpoint_and_answers_come_on_the_stream() {
    let (stream, say) = open_events(ENDPOINT);
    let mut fake = Fake::start(vec![stream, with_status(202, "Accepted".into_response())]).await;
    let (sink, mut inbox) = sink();
    let link = HttpSse::connect(fake.upstream(), sink).await.expect("connected");
    let get = fake.next().await;
    assert_eq!((get.method.as_str(), get.header("accept")), ("GET", Some("text/event-stream")));
    link.post(call(), HeaderMap::new()).await.expect("posted");
    let post = fake.next().await;
    assert_eq!((post.method.as_str(), post.path.as_str()), ("POST", "/messages?sessionId=marked"));
    assert_eq!((post.header("x-api-key"), &post.body), (Some("marked"), call().line()));
    say.send(Box::leak(format!("event: message\ndata: {ANSWER}\n\n").into_boxed_str())).await.expect("open");
    assert_eq!(&inbox.recv().await.expect("an answer").message.line()[..], ANSWER.as_bytes());
    drop(say);
    assert!(matches!(link.closed().await, Error::Cut { .. }));
    assert!(inbox.recv().await.is_none());
}

#[tokio::test]
async fn an_endpoint_at_another_origin_gets_nothing() {
    let mut other = Fake::start(vec![]).await;
    for target in
        [other.url.to_string(), other.url.as_str().replace("http://", "//"), "https://evil.example/x".into()]
    {
        let fake = Fake::start(vec![events(format!("event: endpoint\ndata: {target}\n\n"))]).await;
        let (sink, _inbox) = sink();
        let error = HttpSse::connect(fake.upstream(), sink).await.err().expect("refused");
        assert!(matches!(error, Error::Redirect { .. }) && !error.may_have_run(), "{target} {error:?}");
    }
    assert!(other.nothing_more());
    for target in ["http://me:pw@HOST/x", "http://me@HOST/x"] {
        let own = Fake::start(vec![]).await;
        let authority = format!("127.0.0.1:{}", own.url.port().expect("a port"));
        let fake = Fake::start(vec![events(format!(
            "event: endpoint\ndata: {}\n\n",
            target.replace("HOST", &authority)
        ))])
        .await;
        let (sink, _inbox) = sink();
        assert!(HttpSse::connect(fake.upstream(), sink).await.is_err(), "{target}");
    }
}

#[tokio::test]
async fn a_server_that_names_no_endpoint_is_no_such_server() {
    let (sink, _inbox) = sink();
    for stream in ["", "data: x\n\n", "event: endpoint\ndata:\n\n", "event: endpoint\ndata: http://[\n\n"] {
        let fake = Fake::start(vec![events(stream)]).await;
        let error = HttpSse::connect(fake.upstream(), sink.clone()).await.err().expect(stream);
        assert!(matches!(error, Error::NoEndpoint), "{stream:?} {error:?}");
    }
    let fake = Fake::start(vec![json("{}")]).await;
    let error = HttpSse::connect(fake.upstream(), sink.clone()).await.err().expect("JSON");
    assert!(matches!(error, Error::NotMcp { .. }), "{error:?}");
    let fake = Fake::start(vec![empty(401)]).await;
    let error = HttpSse::connect(fake.upstream(), sink).await.err().expect("401");
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_is_waited_for_no_longer_than_the_limit() {
    let (stream, _say) = open_events(": hello\n\n");
    let fake = Fake::start(vec![stream]).await;
    let (sink, _inbox) = sink();
    let mut upstream = fake.upstream();
    upstream.limits.endpoint = Duration::from_millis(20);
    let error = HttpSse::connect(upstream, sink).await.err().expect("too slow");
    assert!(matches!(error, Error::NoEndpoint), "{error:?}");
}

#[tokio::test]
async fn a_forgotten_session_and_a_dropped_one_end() {
    let (stream, say) = open_events(ENDPOINT);
    let fake = Fake::start(vec![stream, empty(404)]).await;
    let (sink, _inbox) = sink();
    let link = HttpSse::connect(fake.upstream(), sink).await.expect("connected");
    let gone = link.post(call(), HeaderMap::new()).await;
    assert!(matches!(gone, Err(Error::SessionGone)), "{gone:?}");
    drop(link);
    say.closed().await;
}

#[tokio::test]
async fn a_sink_that_nobody_reads_closes_the_stream() {
    let (stream, say) = open_events(ENDPOINT);
    let fake = Fake::start(vec![stream]).await;
    let (sink, inbox) = sink();
    let link = HttpSse::connect(fake.upstream(), sink).await.expect("connected");
    drop(inbox);
    assert!(matches!(link.closed().await, Error::SinkClosed));
    say.closed().await;
}
