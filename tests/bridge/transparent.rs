//! Rule 1: what one side sends, the other side gets, byte for byte.

use bytes::Bytes;

use crate::support::session;

/// JSON that typed models lose, change or refuse; each stands as `params` of a request and as
/// `result` of an answer.
const AWKWARD: &[&str] = &[
    r#"{}"#,
    r#"{"a":null}"#,
    r#"{"z":1,"a":2,"m":3}"#,
    r#"{ "spaced" : [ 1 , 2 ] , "x":{ } }"#,
    r#"{"big":12345678901234567890}"#,
    r#"{"bigger":123456789012345678901234567890}"#,
    r#"{"negative":-9223372036854775809}"#,
    r#"{"float":1.0}"#,
    r#"{"float":1.10}"#,
    r#"{"float":0.1000000000000000055511151231257827}"#,
    r#"{"exponent":1e3}"#,
    r#"{"exponent":1E+3}"#,
    r#"{"exponent":1e400}"#,
    r#"{"exponent":5e-324}"#,
    r#"{"minus":-0}"#,
    r#"{"minus":-0.0}"#,
    r#"{"escape":"\u0041"}"#,
    r#"{"escape":"\/"}"#,
    r#"{"escape":"\ud83d\ude00"}"#,
    r#"{"lone":"\ud800"}"#,
    r#"{"lone":"\udc00x"}"#,
    r#"{"nul":"\u0000"}"#,
    r#"{"del":""}"#,
    r#"{"emoji":"👩‍👩‍👧‍👦"}"#,
    "{\"rtl\":\"\u{202e}abc\"}",
    r#"{"bom":"﻿"}"#,
    r#"{"separator":"  "}"#,
    r#"{"combining":"é"}"#,
    r#"{"😀":1}"#,
    r#"{"":1}"#,
    r#"{"\u0061":1}"#,
    r#"{"same":1,"same":2}"#,
    r#"{"_meta":null}"#,
    r#"{"_meta":{"x":{"y":[null]}}}"#,
    r#"{"_meta":{"progressToken":12345678901234567890}}"#,
    r#"{"_meta":{"progressToken":"a\u0062"}}"#,
    r#"{"tools":[]}"#,
    r#"{"tools":[{"name":"a","inputSchema":true}]}"#,
    r#"{"tools":null}"#,
    r#"{"content":[{"type":"unknown_kind","data":1}]}"#,
    r#"{"content":[{"type":"text","text":"a","vendor":{"x":1}}],"isError":null}"#,
    r#"{"structuredContent":{"a":1.0},"content":[]}"#,
    r#"{"resultType":"something_new"}"#,
    r#"{"nested":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"#,
    r#"{"method":"tools/call","id":7}"#,
    r#"{"jsonrpc":"1.0"}"#,
    r#"{"error":{"code":1}}"#,
    r#"{"result":{"result":{}}}"#,
    r#"{"uri":"file:///a b?c#d"}"#,
    r#"{"uri":"urn:x:%00"}"#,
    r#"{"base64":"AAAA////=="}"#,
    r#"{"html":"<script>alert(1)</script>&amp;"}"#,
    r#"{"shell":"$(id) `id` ; rm -rf /"}"#,
    r#"{"newline":"a\nb\r\nc\td"}"#,
    r#"{"quote":"\"\\\""}"#,
    r#"{"data":": not a comment","event":"x"}"#,
    r#"{"text":"data: x\n\nevent: y"}"#,
    r#"{"__proto__":{"x":1},"constructor":1}"#,
    r#"{"true":true,"false":false}"#,
    r#"{"array":[1,"1",true,null,{},[]]}"#,
    r#"{"date":"2026-02-30T25:61:61Z"}"#,
    r#"{"version":"2099-01-01"}"#,
    r#"{"zero":0.000000000000000000000000000001}"#,
    r#"{"trailing":"   "}"#,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn awkward_messages_pass_in_both_directions() {
    assert!(AWKWARD.len() >= 60);
    let (server, _home, mut client) = session().await;
    for (index, payload) in AWKWARD.iter().enumerate() {
        let as_sse = index % 2 == 1;
        server.control().script("vendor/awkward", Bytes::from_static(payload.as_bytes()), as_sse);
        server.control().clear_journal();
        let request = format!(
            r#"{{"params":{payload}, "method":"vendor/awkward","id":"r\u002d{index}","jsonrpc":"2.0"}}"#
        );
        client.send(&request).await;
        let answer = client.line().await;
        assert!(answer.contains(&format!(r#""result":{payload}"#)), "sent {payload}, got {answer}");
        let journal = server.control().journal();
        let seen = journal.iter().find(|entry| entry.method.as_deref() == Some("vendor/awkward"));
        assert_eq!(seen.expect("it arrived").body, request.as_bytes(), "{payload}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn odd_ids_come_back_as_they_were() {
    let (server, _home, mut client) = session().await;
    for id in [
        "0",
        "-1",
        "1.0",
        "12345678901234567890",
        r#""""#,
        r#""1""#,
        r#""a b""#,
        r#""\u00e9""#,
        "9007199254740993",
    ] {
        server.control().script("vendor/id", Bytes::from_static(b"{}"), false);
        client.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"vendor/id"}}"#)).await;
        let answer = client.line().await;
        assert!(answer.contains(&format!(r#""id":{id},"#)), "{id}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pushed_messages_arrive_as_they_were_sent() {
    let (server, _home, mut client) = session().await;
    server.control().wait_for(|stats| stats.open_streams == 1).await;
    for payload in AWKWARD {
        let message = format!(r#"{{ "method":"notifications/vendor","params":{payload},"jsonrpc":"2.0"}}"#);
        assert_eq!(server.control().push(message.clone()), 1);
        assert_eq!(client.line().await, message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn unknown_notifications_reach_the_server_as_they_are() {
    let (server, _home, mut client) = session().await;
    let notification =
        r#"{"x-extra":1.10,"jsonrpc":"2.0","method":"notifications/vendor/thing","params":{"a":[null]}}"#;
    client.send(notification).await;
    let wanted = |stats: &demo_server::Stats| stats.method("notifications/vendor/thing") == 1;
    server.control().wait_for(wanted).await;
    let journal = server.control().journal();
    assert!(journal.iter().any(|entry| entry.body == notification.as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_answer_and_a_deep_one_pass() {
    let (server, _home, mut client) = session().await;
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(8 * 1024 * 1024));
    let deep = format!("{}{}", r#"{"a":"#.repeat(5000) + "1", "}".repeat(5000));
    for payload in [large, deep] {
        for as_sse in [false, true] {
            server.control().script("vendor/large", Bytes::from(payload.clone()), as_sse);
            client.send(r#"{"jsonrpc":"2.0","id":1,"method":"vendor/large"}"#).await;
            let answer = client.line().await;
            assert!(answer.contains(&payload), "{} bytes came", answer.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_ping_reaches_a_server_that_is_there() {
    let (server, _home, mut client) = session().await;
    server.control().script("ping", Bytes::from_static(br#"{"odd":1.0}"#), false);
    client.send(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#).await;
    assert!(client.line().await.contains(r#"{"odd":1.0}"#));
}
