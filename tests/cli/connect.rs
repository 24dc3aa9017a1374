//! `connect`: trouble is told over MCP, and an unknown address is met with care.

use serde_json::{Value, json};

use crate::SERVER;
use crate::home::Home;

#[test]
fn connect_answers_every_trouble_over_mcp() {
    let home = Home::new();
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let table: [(&[&str], &str); 4] = [
        (&["connect", "nobody"], "unknown"),
        (&["connect", "https://169.254.1.1/mcp"], "invalid"),
        (&["connect", SERVER, "--bearer", "env:NOT_SET"], "invalid"),
        (&["connect", SERVER, "--header", "X-A: file:/dev/zero"], "invalid"),
    ];
    for (args, code) in table {
        let ended = home.run_with(&format!("{initialize}\n"), args);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
        let answer: Value = serde_json::from_str(ended.stdout.trim()).expect("one message and nothing else");
        assert_eq!(
            (&answer["id"], &answer["error"]["data"]["code"]),
            (&json!(1), &json!(code)),
            "{args:?}: {answer}"
        );
    }
    assert_eq!(home.json(&["list", "--json"]), json!([]), "nothing was added");
}

#[test]
fn an_unknown_url_is_added_unless_the_settings_forbid_it() {
    let home = Home::new();
    let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    let ended = home.run_with(request, &["connect", SERVER, "--header", "X-Key: k"]);
    assert_eq!(ended.code, 0);
    let shown = home.json(&["show", "localhost", "--json"]);
    assert_eq!(shown["headers"], json!(["x-key"]), "options given then are stored with it");

    let strict = Home::new();
    strict.write_config("settings.json", r#"{"connect_url": "never"}"#);
    let ended = strict.run_with(request, &["connect", SERVER]);
    assert!(ended.stdout.contains("\"forbidden\""), "{}", ended.stdout);
    assert!(ended.stdout.contains("drawbridge add localhost"), "{}", ended.stdout);
    assert_eq!(strict.json(&["list", "--json"]), json!([]));
}

#[test]
fn an_unknown_url_brings_no_options_that_decide_where_tokens_go() {
    let home = Home::new();
    home.write_config("settings.json", r#"{"connect_url": "allow"}"#);
    let request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    let table: [&[&str]; 5] = [
        &["--proxy", "http://proxy.example:3128"],
        &["--allow-http"],
        &["--allow-private"],
        &["--issuer", "https://issuer.example"],
        &["--resource", "https://else.example/mcp"],
    ];
    for options in table {
        let ended = home.run_with(request, &[&["connect", SERVER], options].concat());
        let answer: Value = serde_json::from_str(ended.stdout.trim()).expect("one message");
        let told = answer["error"]["message"].as_str().expect("a sentence");
        assert_eq!(answer["error"]["data"]["code"], "forbidden", "{options:?}: {answer}");
        assert!(told.contains(options[0]) && !told.contains("proxy.example"), "{told}");
        assert!(
            told.contains("`drawbridge add localhost") && told.contains("with the same options"),
            "{told}"
        );
    }
    assert_eq!(home.json(&["list", "--json"]), json!([]), "nothing was added");
}
