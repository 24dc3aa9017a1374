//! Statuses other than success, redirects, and failures below HTTP.

use super::*;
use crate::mcp::Kind;

/// Posts within a session to a server with one answer.
async fn post_in_session(answer: Response) -> (Result<Posted, Error>, Vec<String>) {
    let fake = Fake::start(vec![answer]).await;
    let link = fake.link();
    link.set_session(SessionId::new("s-1"));
    let (sink, mut inbox) = sink();
    let posted = link.post(call(), HeaderMap::new(), sink).await;
    (posted, lines(&mut inbox))
}

#[tokio::test]
async fn a_401_hands_over_its_challenges_as_they_came() {
    let mut answer = with_status(401, json(ANSWER));
    for value in ["Basic realm=\"a\"", "Bearer resource_metadata=\"https://x/\", scope=\"a b\""] {
        answer.headers_mut().append("www-authenticate", HeaderValue::from_static(value));
    }
    let (posted, lines) = post_to(answer, call()).await;
    match posted {
        Err(Error::Unauthorized { status, challenge }) => {
            assert_eq!(status, 401);
            assert_eq!(challenge.len(), 2);
            assert_eq!(challenge[1], "Bearer resource_metadata=\"https://x/\", scope=\"a b\"");
        }
        other => panic!("{other:?}"),
    }
    assert!(lines.is_empty(), "a 401 is never an answer");
}

#[tokio::test]
async fn a_403_is_about_permission_unless_it_answers_the_request() {
    let (posted, _) = post_to(empty(403), call()).await;
    assert!(matches!(posted, Err(Error::Unauthorized { status, .. }) if status == 403), "{posted:?}");
    let (posted, lines) = post_to(with_status(403, json(ANSWER)), call()).await;
    assert!(posted.is_ok_and(|posted| posted.status == 403 && posted.answered));
    assert_eq!(lines, [ANSWER]);
    let mut challenged = with_status(403, json(ANSWER));
    challenged
        .headers_mut()
        .insert("www-authenticate", HeaderValue::from_static("Bearer error=\"insufficient_scope\""));
    let (posted, _) = post_to(challenged, call()).await;
    assert!(matches!(posted, Err(Error::Unauthorized { challenge, .. }) if challenge.len() == 1));
}

#[tokio::test]
async fn an_error_status_whose_body_answers_the_request_is_the_answer() {
    let body = r#"{"id":1,"error":{"code":-32004,"message":"Unsupported protocol version"}}"#;
    for status in [400, 404, 500] {
        let (posted, lines) = post_to(with_status(status, json(body)), call()).await;
        let posted = posted.expect("answered");
        assert!(posted.answered && posted.status == status);
        assert_eq!(lines, [body]);
    }
}

#[tokio::test]
async fn an_error_that_answers_nothing_keeps_its_status_and_message() {
    let body = r#"{"id":null,"error":{"code":-32600,"message":"Bad Request: Server not initialized"}}"#;
    let (posted, lines) = post_to(with_status(400, json(body)), call()).await;
    match posted {
        Err(Error::Status { status, body_message: Some(message), .. }) => {
            assert_eq!(status, 400);
            assert_eq!(*message.kind(), Kind::Response { id: None, is_error: true });
            assert_eq!(message.raw_at(&["error", "code"]), Some("-32600"));
        }
        other => panic!("{other:?}"),
    }
    assert!(lines.is_empty());
    let (posted, _) = post_to(with_status(405, "<script>marked</script>".into_response()), call()).await;
    let error = posted.expect_err("an error");
    assert!(!format!("{error} {error:?}").contains("marked") && !error.may_have_run(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_asks_for_time_is_not_answered_for() {
    for status in [429, 503] {
        let mut answer = with_status(status, json(r#"{"id":1,"error":{"code":1,"message":"busy"}}"#));
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("12"));
        let (posted, lines) = post_to(answer, call()).await;
        match posted {
            Err(Error::Status { status: found, retry_after, .. }) => {
                assert_eq!((found.as_u16(), retry_after), (status, Some(Duration::from_secs(12))));
            }
            other => panic!("{other:?}"),
        }
        assert!(lines.is_empty());
    }
}

#[tokio::test]
async fn a_session_is_gone_only_where_one_was_named() {
    let gone =
        || with_status(404, json(r#"{"id":null,"error":{"code":-32001,"message":"Session not found"}}"#));
    let (posted, _) = post_in_session(gone()).await;
    assert!(matches!(posted, Err(Error::SessionGone)), "{posted:?}");
    let (posted, _) = post_to(gone(), call()).await;
    assert!(matches!(posted, Err(Error::Status { status, .. }) if status == 404), "{posted:?}");

    let bad = || with_status(400, "Invalid Session ID".into_response());
    let (posted, _) = post_in_session(bad()).await;
    assert!(matches!(posted, Err(Error::SessionGone)), "{posted:?}");
    let (posted, _) = post_to(bad(), call()).await;
    assert!(matches!(posted, Err(Error::Status { status, .. }) if status == 400), "{posted:?}");
    let (posted, _) = post_in_session(with_status(400, "Bad arguments".into_response())).await;
    assert!(matches!(posted, Err(Error::Status { .. })), "{posted:?}");
}

#[tokio::test]
async fn what_answers_the_request_is_its_answer_and_no_lost_session() {
    let own_words = [
        (400, r#"{"id":1,"error":{"code":-32602,"message":"sessionId is required"}}"#),
        (404, r#"{"id":1,"error":{"code":-32601,"message":"Method not found"}}"#),
        (404, r#"{"id":1,"error":{"code":-32002,"message":"No resource is in this session id"}}"#),
    ];
    for (status, body) in own_words {
        let (posted, lines) = post_in_session(with_status(status, json(body))).await;
        assert!(posted.expect(body).answered, "{body}");
        assert_eq!(lines, [body], "{status}");
    }
    for status in [400, 404] {
        let body = r#"{"id":1,"error":{"code":-32001,"message":"Session not found"}}"#;
        let (posted, _) = post_in_session(with_status(status, json(body))).await;
        assert!(matches!(posted, Err(Error::SessionGone)), "{status} {posted:?}");
    }
}

#[tokio::test]
async fn an_error_of_a_gateway_may_hide_a_request_that_ran() {
    for (status, may_have_run) in
        [(400, false), (408, true), (409, false), (500, true), (502, true), (504, true)]
    {
        let (posted, _) = post_to(empty(status), call()).await;
        assert_eq!(posted.expect_err("an error").may_have_run(), may_have_run, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_origin_takes_message_and_credentials_along() {
    for status in [307, 308] {
        let redirect = with_status(status, ([("location", "/mcp/?a=b")], "").into_response());
        let mut fake = Fake::start(vec![redirect, json(ANSWER)]).await;
        let (sink, mut inbox) = sink();
        let text = call();
        fake.link().post(text.clone(), HeaderMap::new(), sink).await.expect("posted");
        assert_eq!(lines(&mut inbox), [ANSWER]);
        fake.next().await;
        let second = fake.next().await;
        assert_eq!((second.method.as_str(), second.path.as_str()), ("POST", "/mcp/?a=b"));
        assert_eq!((second.header("x-api-key"), &second.body), (Some("marked"), text.line()));
    }
}

#[tokio::test]
async fn nothing_follows_a_redirect_to_another_origin() {
    for status in [301, 302, 303, 307, 308] {
        let mut other = Fake::start(vec![json(ANSWER)]).await;
        let mut target = other.url.clone();
        target.set_query(Some("marked"));
        let redirect = with_status(status, ([("location", target.to_string())], "").into_response());
        let (posted, _) = post_to(redirect, call()).await;
        let error = posted.expect_err("refused");
        assert!(matches!(error, Error::Redirect { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("the server redirects to {}", other.url));
        assert!(!error.may_have_run());
        assert!(other.nothing_more(), "no request, so no API key, went there");
    }
}

#[tokio::test]
async fn redirects_that_change_the_method_or_never_end_are_refused() {
    for status in [301, 302, 303] {
        let redirect = with_status(status, ([("location", "/other")], "").into_response());
        let (posted, _) = post_to(redirect, call()).await;
        assert!(matches!(posted, Err(Error::Redirect { .. })), "{status} {posted:?}");
    }
    let redirect = || with_status(307, ([("location", "/mcp")], "").into_response());
    let mut fake = Fake::start((0..9).map(|_| redirect()).collect()).await;
    let (sink, _inbox) = sink();
    let posted = fake.link().post(call(), HeaderMap::new(), sink).await;
    assert!(matches!(posted, Err(Error::Redirect { .. })), "{posted:?}");
    let mut requests = 0;
    while !fake.nothing_more() {
        requests += 1;
    }
    assert_eq!(requests, 4, "the first and three more");
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    struct Out;
    impl Authorizer for Out {
        fn headers<'a>(
            &'a self,
            _: &'a Method,
            _: &'a Url,
        ) -> BoxFuture<'a, Result<HeaderMap, AuthorizeError>> {
            Box::pin(async { Err(AuthorizeError::SignedOut) })
        }
        fn observe(&self, _: ResponseHead<'_>) {}
    }
    let mut fake = Fake::start(vec![json(ANSWER)]).await;
    let (sink, _inbox) = sink();
    let link = fake.link_with(|upstream| upstream.authorizer = Arc::new(Out));
    let error = link.post(call(), HeaderMap::new(), sink).await.expect_err("signed out");
    assert!(matches!(error, Error::Authorize(AuthorizeError::SignedOut)) && !error.may_have_run());
    assert!(fake.nothing_more());
}

#[tokio::test]
async fn the_authorizer_is_told_of_every_answer() {
    let redirect = with_status(307, ([("location", "/other")], "").into_response());
    let fake = Fake::start(vec![redirect, empty(401)]).await;
    let key = Arc::new(Key::default());
    let (sink, _inbox) = sink();
    let link = fake.link_with(|upstream| upstream.authorizer = key.clone());
    assert!(link.post(call(), HeaderMap::new(), sink).await.is_err());
    assert_eq!(*key.told.lock().expect("unpoisoned"), [307, 401]);
}

#[tokio::test]
async fn a_server_that_is_not_there_has_not_run_anything() {
    let fake = Fake::start(vec![]).await;
    let (sink, _inbox) = sink();
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    let link = fake.link_with(|upstream| upstream.url.set_port(Some(free.port())).expect("a port"));
    let error = link.post(call(), HeaderMap::new(), sink).await.expect_err("nobody there");
    assert!(
        matches!(error, Error::Unreachable(net::Error::Refused { .. })) && !error.may_have_run(),
        "{error:?}"
    );
}
