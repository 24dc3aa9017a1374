//! The few pages the loopback listener shows. No script, no image, nothing loaded; all text of other parties is made
//! plain and escaped.

use base64::Engine;
use sha2::{Digest, Sha256};

use super::login::SignInFacts;
use crate::redact::plain;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem;\
color:#1d2330;background:#fff}h1{font-size:1.4rem}dt{color:#5a6475;margin-top:.8rem}dd{margin:0;\
overflow-wrap:anywhere}p.warn{border-left:4px solid #c2410c;padding-left:.8rem}form{display:inline-block;\
margin:1.5rem .8rem 0 0}button{font:inherit;padding:.5rem 1.4rem;border-radius:.4rem;border:1px solid #5a6475;\
background:#fff;color:inherit}button.go{background:#1d4ed8;border-color:#1d4ed8;color:#fff}\
@media(prefers-color-scheme:dark){body,button{background:#12161f;color:#e6e9ef}dt{color:#a3adbd}}";

/// What a page allows itself. `form-action` is missing from the page with buttons on purpose: browsers apply it to
/// every redirect that follows, and those lead to whatever the authorization server uses.
pub(super) fn policy(with_buttons: bool) -> String {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    let forms = if with_buttons { "" } else { "; form-action 'none'" };
    format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'{forms}")
}

/// Asks before anything is opened in another program's name.
pub(super) fn confirm(facts: &SignInFacts, path: &str) -> String {
    let asked_by = facts.asked_by.as_deref().unwrap_or("you");
    let scopes = if facts.scopes.is_empty() {
        "what the server gives by default".to_owned()
    } else {
        facts.scopes.join(", ")
    };
    let warnings: String = facts
        .warnings
        .iter()
        .map(|warning| format!("<p class=warn>{}</p>", escaped(&plain(warning, 300))))
        .collect();
    let rows = [
        ("Server", facts.server_host.as_str()),
        ("You will sign in at", &facts.sign_in_host),
        ("It asks for", &scopes),
        ("Asked by", asked_by),
    ]
    .map(|(term, text)| format!("<dt>{term}</dt><dd>{}</dd>", escaped(&plain(text, 600))))
    .concat();
    document(
        &format!("Sign in to {}?", plain(&facts.server_name, 100)),
        &format!(
            "{warnings}<dl>{rows}</dl>\
             <form method=post action=\"{path}/continue\"><button class=go>Continue</button></form>\
             <form method=post action=\"{path}/cancel\"><button>Cancel</button></form>"
        ),
    )
}

/// Asks whether tokens that came back are used, for all that is odd about them.
pub(super) fn question(server_name: &str, doubts: &[String], path: &str) -> String {
    let doubts: String =
        doubts.iter().map(|doubt| format!("<p class=warn>{}</p>", escaped(&plain(doubt, 600)))).collect();
    document(
        &format!("Use this sign-in for {}?", plain(server_name, 100)),
        &format!(
            "{doubts}<form method=post action=\"{path}/discard\"><button class=go>Do not use it</button></form>\
             <form method=post action=\"{path}/keep\"><button>Use it</button></form>"
        ),
    )
}

/// The end of a sign-in, or why it is none.
pub(super) fn message(title: &str, text: &str) -> String {
    document(title, &format!("<p>{}</p>", escaped(text)))
}

fn document(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}</html>"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_parties_stay_words() {
        let evil = "<script>alert(1)</script>\"'\u{202e}";
        let facts = SignInFacts {
            server_name: evil.to_owned(),
            server_host: evil.to_owned(),
            sign_in_host: evil.to_owned(),
            scopes: vec![evil.to_owned()],
            asked_by: Some(evil.to_owned()),
            warnings: vec![evil.to_owned()],
        };
        let question = question(evil, &[evil.to_owned()], "/sign-in/x");
        for page in [confirm(&facts, "/sign-in/x"), message(evil, evil), question] {
            assert!(!page.contains("<script") && !page.contains("\"'"), "{page}");
        }
        assert!(!confirm(&facts, "/sign-in/x").contains('\u{202e}'));
    }

    #[test]
    fn a_page_loads_nothing() {
        let page = message("t", "x");
        assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("style=\""));
        assert!(policy(false).starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy(false).contains("form-action 'none'") && !policy(true).contains("form-action"));
    }
}
