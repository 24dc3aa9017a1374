//! What a POST carries and how its answer is read.

use super::*;

#[tokio::test]
async fn a_message_goes_out_as_it_came_with_all_its_headers() {
    let mut fake = Fake::start(vec![json(ANSWER)]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    link.set_protocol_version("2025-11-25");
    let text = r#"{ "id" : 1, "method":"tools/call", "x":1e400 }"#;
    let extra = HeaderMap::from_iter([("mcp-name".parse().expect("a name"), HeaderValue::from_static("x"))]);
    let (sink, mut inbox) = sink();
    let posted = link.post(message(text), extra, sink).await.expect("posted");
    assert!(posted.answered && !posted.accepted && posted.session.is_none());
    assert_eq!(lines(&mut inbox), [ANSWER]);

    let seen = fake.next().await;
    assert_eq!((seen.method.as_str(), &seen.body[..]), ("POST", text.as_bytes()));
    for (name, value) in [
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
        ("mcp-session-id", "s-1"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-name", "x"),
        ("x-api-key", "marked"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn an_answer_to_initialize_opens_the_session_before_it_is_delivered() {
    let mut answer = json(ANSWER);
    answer.headers_mut().insert("mcp-session-id", HeaderValue::from_static("fresh"));
    let mut fake = Fake::start(vec![answer]).await;
    let link = Arc::new(fake.link());
    link.set_session(SessionId::new("old"));
    link.set_protocol_version("2025-06-18");
    let (sink, mut inbox) = mpsc::channel(1);
    let session_at_delivery = tokio::spawn({
        let link = Arc::clone(&link);
        async move {
            inbox.recv().await.expect("the answer");
            link.session()
        }
    });
    let initialize = message(r#"{"id":1,"method":"initialize"}"#);
    let posted = link.post(initialize, HeaderMap::new(), sink).await.expect("posted");
    assert_eq!(posted.session.as_ref().map(SessionId::expose), Some("fresh"));
    assert_eq!(session_at_delivery.await.expect("joined").as_ref().map(SessionId::expose), Some("fresh"));
    let seen = fake.next().await;
    assert_eq!((seen.header("mcp-session-id"), seen.header("mcp-protocol-version")), (None, None));
}

#[test]
fn session_ids_are_visible_ascii_and_never_printed() {
    assert!(SessionId::new("").is_none() && SessionId::new("a b").is_none() && SessionId::new("é").is_none());
    let id = SessionId::new("marked").expect("an id");
    assert!(!format!("{id:?} {:?}", id.header()).contains("marked"));
}

#[tokio::test]
async fn json_answers_lose_nothing_but_line_breaks() {
    let pretty =
        "\u{feff}{\r\n  \"id\": 1,\r\n  \"result\": {\"big\": 123456789012345678901234567890}\r\n}\r\n";
    let (posted, lines) = post_to(json(pretty), call()).await;
    assert!(posted.expect("posted").answered);
    assert_eq!(lines, [r#"{"id": 1,"result": {"big": 123456789012345678901234567890}}"#]);
}

#[tokio::test]
async fn batches_come_apart_byte_for_byte() {
    let batch = "[\n{\"method\":\"a\" ,\"params\":1.50},\n{\"id\":1,\"result\":null}]";
    let (posted, lines) = post_to(json(batch), call()).await;
    assert!(posted.expect("posted").answered);
    assert_eq!(lines, ["{\"method\":\"a\" ,\"params\":1.50}", "{\"id\":1,\"result\":null}"]);
}

#[tokio::test]
async fn a_posted_batch_is_answered_when_all_of_it_is() {
    let ask = || message(r#"[{"id":1,"method":"a"},{"id":2,"method":"b"},{"method":"c"}]"#);
    let stream = "data: {\"id\":2,\"result\":{}}\n\ndata: {\"id\":1,\"result\":{}}\n\ndata: {\"id\":9,\"result\":{}}\n\n";
    let (posted, lines) = post_to(events(stream), ask()).await;
    assert!(posted.expect("posted").answered && lines.len() >= 2, "{lines:?}");
    let (posted, _) = post_to(json(r#"[{"id":2,"result":{}}]"#), ask()).await;
    assert!(matches!(posted, Err(Error::Cut { may_have_run: true })), "{posted:?}");
}

#[tokio::test]
async fn a_stream_delivers_everything_up_to_the_response() {
    let request = r#"{"id":1,"method":"sampling/createMessage"}"#;
    let stream = format!(
        "id: e1\ndata:\n\nid: e2\r\ndata: {NOTE}\r\n\r\nevent: ping\ndata: {NOTE}\n\ndata: {request}\n\nevent: message\nid: e3\ndata: {ANSWER}\n\n"
    );
    let fake = Fake::start(vec![events(stream)]).await;
    let (sink, mut inbox) = sink();
    let posted = fake.link().post(call(), HeaderMap::new(), sink).await.expect("posted");
    assert!(posted.answered);
    let mut got = Vec::new();
    while let Ok(incoming) = inbox.try_recv() {
        assert_eq!(incoming.for_request.as_ref().map(RequestId::as_raw), Some("1"));
        let line = String::from_utf8(incoming.message.line().to_vec()).expect("text");
        got.push((line, incoming.event_id.map(|id| id.to_string())));
    }
    let expected = [(NOTE, "e2"), (request, "e2"), (ANSWER, "e3")];
    assert_eq!(got, expected.map(|(line, id)| (line.to_owned(), Some(id.to_owned()))));
}

#[tokio::test]
async fn data_on_several_lines_becomes_one_line() {
    let (posted, lines) =
        post_to(events("data: {\ndata:   \"id\": 1,\ndata:   \"result\": {}\ndata: }\n\n"), call()).await;
    assert!(posted.expect("posted").answered);
    assert_eq!(lines, [r#"{"id": 1,"result": {}}"#]);
}

#[tokio::test]
async fn what_is_taken_without_a_word_is_accepted() {
    let note = || message(NOTE);
    let text = || ([("content-type", "text/plain")], "thank you").into_response();
    for answer in [empty(202), empty(204), empty(200), text(), json("{\"ok\":true}"), events("")] {
        let status = answer.status();
        let (posted, lines) = post_to(answer, note()).await;
        let posted = posted.expect("posted");
        assert!(posted.accepted && !posted.answered && lines.is_empty(), "{status}");
    }
    let (posted, _) = post_to(empty(202), call()).await;
    assert!(posted.is_ok_and(|posted| posted.accepted && !posted.answered));
}

#[tokio::test]
async fn a_notification_is_through_even_if_a_stream_stays_open_behind_it() {
    let (stream, _say) = open_events(Box::leak(format!("data: {NOTE}\n\n").into_boxed_str()));
    let fake = Fake::start(vec![stream]).await;
    let link = fake.link();
    let (sink, mut inbox) = sink();
    let posted = link.post(message(NOTE), HeaderMap::new(), sink).await.expect("posted");
    assert!(posted.accepted);
    assert_eq!(&inbox.recv().await.expect("a message").message.line()[..], NOTE.as_bytes());
}

#[tokio::test]
async fn what_is_not_mcp_is_told_apart_from_what_is_not_json() {
    let html = ([("content-type", "text/html; charset=utf-8")], "<html>").into_response();
    let (posted, _) = post_to(html, call()).await;
    match posted {
        Err(error @ Error::NotMcp { .. }) => {
            assert_eq!(error.to_string(), "what answers there is not an MCP server (it sent text/html)");
        }
        other => panic!("{other:?}"),
    }
    let (posted, _) = post_to(json(r#"{"status":"fine"}"#), call()).await;
    assert!(matches!(posted, Err(Error::NotMcp { .. })), "{posted:?}");
    for body in [r#"{"id":1,"result":"#, "<html>", "\u{1}"] {
        let (posted, _) = post_to(json(body), call()).await;
        assert!(matches!(posted, Err(Error::InvalidJson)), "{body} {posted:?}");
    }
    let (posted, _) = post_to(events("data: {\"id\":1,\"res\n\n"), call()).await;
    assert!(matches!(posted, Err(Error::InvalidJson)), "{posted:?}");
}

#[tokio::test]
async fn an_answer_to_another_request_is_no_answer() {
    let (posted, lines) = post_to(json(r#"{"id":2,"result":{}}"#), call()).await;
    assert!(matches!(posted, Err(Error::Cut { may_have_run: true })), "{posted:?}");
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn an_error_that_names_no_request_is_told_with_the_servers_words() {
    let answer = json("{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"no\\u001b[31m parse\"}}");
    let (posted, lines) = post_to(answer, call()).await;
    assert_eq!(posted.expect_err("an error").to_string(), "the server answered with status 200: no parse");
    assert!(lines.is_empty());
}

#[tokio::test]
async fn answers_have_a_largest_size() {
    let large: &'static str =
        Box::leak(format!("{{\"id\":1,\"result\":\"{}\"}}", "x".repeat(2000)).into_boxed_str());
    let endless = || {
        let pieces =
            futures_util::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(b"          ")));
        Body::from_stream(pieces)
    };
    let as_type =
        |content_type: &'static str, body: Body| ([("content-type", content_type)], body).into_response();
    for answer in [
        json(large),
        as_type("application/json", endless()),
        as_type("text/event-stream", endless()),
        events(format!("data: {large}\n\n")),
        events(format!("id: 1\ndata:\n\ndata: {}\n", "x".repeat(2000))),
    ] {
        let fake = Fake::start(vec![answer]).await;
        let (sink, mut inbox) = sink();
        let link = fake.link_with(|upstream| upstream.limits.message_bytes = 1000);
        let posted = link.post(call(), HeaderMap::new(), sink).await;
        assert!(matches!(posted, Err(Error::TooLarge)), "{posted:?}");
        assert!(lines(&mut inbox).is_empty());
    }
}

#[tokio::test]
async fn a_message_of_many_megabytes_comes_whole() {
    let text = "é".repeat(8 << 20);
    let body = format!("{{\"id\":1,\"result\":\"{text}\"}}");
    for answer in [
        ([("content-type", "application/json")], body.clone()).into_response(),
        events(format!("data: {body}\n\n")),
    ] {
        let (posted, lines) = post_to(answer, call()).await;
        assert!(posted.expect("posted").answered);
        assert!(lines == [body.as_str()], "{} messages", lines.len());
    }
}

#[tokio::test]
async fn connections_are_used_again_after_every_kind_of_answer() {
    let stream = || events(format!("data: {ANSWER}\n\n"));
    let late = futures_util::stream::once(async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Ok::<_, io::Error>("no")
    });
    let refusal = with_status(401, Body::from_stream(late).into_response());
    let answers = vec![
        json(ANSWER),
        refusal,
        empty(202),
        with_status(400, json("{}")),
        json(ANSWER),
        stream(),
        json(ANSWER),
    ];
    let count = answers.len();
    let mut fake = Fake::start(answers).await;
    let link = fake.link();
    let (sink, _inbox) = sink();
    let mut peers = Vec::new();
    for _ in 0..count {
        let _ = link.post(call(), HeaderMap::new(), sink.clone()).await;
        link.tails_are_read().await;
        peers.push(fake.next().await.peer);
    }
    peers.dedup();
    assert_eq!(peers.len(), 1);
}
