//! What the control API refuses.

use std::io::{Read as _, Write as _};

use serde_json::Value;

use crate::SERVER;
use crate::home::Home;

/// Sends raw HTTP to the control API; the status and the body of the answer.
fn control(home: &Home, head: &str, body: &str) -> (u16, String) {
    let socket = home.folder.path().join("home/run/host.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("the Host listens");
    let length = body.len();
    let request =
        format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    // A refusal may come before everything was sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    (head[9..12].parse().expect("a status"), body.to_owned())
}

#[test]
fn every_refusal_of_the_control_api_is_a_failure_with_its_status() {
    let home = Home::new();
    home.ok(&["add", "demo", SERVER]);
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(300 * 1024));
    let table = [
        ("GET /control/v1/servers/nobody", "", 404, "unknown"),
        ("GET /control/v1/servers/nobody/accounts/default/details", "", 404, "unknown"),
        ("POST /control/v1/window", r#"{"view":"/"}"#, 404, "unknown"),
        ("POST /control/v1/servers", r#"{"name":"demo","url":"http://localhost:10/"}"#, 409, "exists"),
        ("POST /control/v1/servers", r#"{"name":"x","url":"https://169.254.1.1/"}"#, 400, "invalid"),
        ("POST /control/v1/servers", r#"{"name":"x","url":"http://192.0.2.1/"}"#, 403, "forbidden"),
        (
            "POST /control/v1/servers",
            r#"{"name":"x","url":"http://localhost:10/","options":{"marked":1}}"#,
            400,
            "version_skew",
        ),
        ("POST /control/v1/servers", "{ marked", 400, "version_skew"),
        ("POST /control/v1/servers", &large, 413, "limit"),
        ("PATCH /control/v1/servers/demo", r#"{"options":{"ca":"relative.pem"}}"#, 400, "invalid"),
        (
            "POST /control/v1/servers/demo/accounts/default/redirect",
            r#"{"url":"http://x/?code=marked"}"#,
            409,
            "sign_in_failed",
        ),
        ("GET /control/v1/no-such-thing", "", 400, "version_skew"),
        ("DELETE /control/v1/status", "", 400, "version_skew"),
    ];
    for (head, body, status, code) in table {
        let (answered, text) = control(&home, head, body);
        assert_eq!(answered, status, "{head}: {text}");
        let failure: Value = serde_json::from_str(&text).expect("a failure");
        assert_eq!(failure["code"], code, "{head}: {text}");
        assert!(!failure["nextStep"].as_str().expect("text").is_empty(), "{head}: {text}");
        assert!(!text.contains("marked"), "a refusal quotes nothing: {text}");
    }
}
