//! Servers for tests.

use drawbridge::api::types::ServerView;

/// A server whose accounts stand so.
pub(crate) fn server(name: &str, accounts: &[(&str, serde_json::Value)]) -> ServerView {
    let accounts: Vec<_> =
        accounts.iter().map(|(label, state)| serde_json::json!({ "label": label, "state": state })).collect();
    serde_json::from_value(serde_json::json!({
        "name": name, "url": "https://h/mcp", "transport": "auto", "class": "public", "signIn": "window",
        "headers": [], "bearer": false, "allowHttp": false, "allowPrivate": false, "ca": null,
        "clientCert": null, "proxy": null, "tools": {}, "defaultAccount": "default", "accounts": accounts,
        "oauth": {
            "clientId": null, "hasClientSecret": false, "hasPrivateKey": false, "keyAlg": null,
            "clientMetadataUrl": null, "grant": "code", "assertion": "none",
            "idp": {
                "issuer": null, "tokenEndpoint": null, "clientId": null, "hasClientSecret": false,
                "idToken": "none"
            },
            "scope": null, "resource": null, "issuer": null, "callbackPort": null, "callbackHost": "127.0.0.1"
        },
    }))
    .expect("a server")
}
