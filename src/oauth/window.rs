//! What may be shown in a window of ours, and what such a window is for (security rule 9).

use url::Url;

use super::endpoint::site;
use super::registration::RedirectUri;

/// Authorization servers that are known to turn windows of other programs away.
const REFUSING: [&str; 1] = ["accounts.google.com"];

/// What they say then, in the address of their error page.
const REFUSAL: &str = "disallowed_useragent";

/// Where our script in a page goes when the page asks for a passkey, which windows of other programs cannot give. Nothing
/// is ever loaded from there. A page may go there by itself, so it means nothing but the page's own word.
pub const PASSKEY: &str = "drawbridge-sign-in:passkey";

/// Whether the page works in browsers only: it is known to, or says so.
pub fn needs_browser(page: &Url) -> bool {
    page.host_str().is_some_and(|host| REFUSING.contains(&host))
        || page.query().is_some_and(|query| query.contains(REFUSAL))
}

/// What a window does about an address that its page wants to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Navigation {
    /// Goes there.
    Go,
    /// Does not.
    Refused,
    /// Does not; the page says that it needs a passkey.
    AsksForPasskey,
    /// This is the end: the query of the redirect, which holds the code.
    Returned(String),
}

impl Navigation {
    /// Pages are https, or http on this computer; frames may also be empty. The redirect address is never fetched.
    pub fn of(url: &Url, redirect: RedirectUri) -> Self {
        if returns_to(url, redirect) {
            return Self::Returned(url.query().unwrap_or_default().to_owned());
        }
        if url.as_str() == PASSKEY {
            return Self::AsksForPasskey;
        }
        let is_page = match url.scheme() {
            "https" => url.host_str().is_some(),
            "http" => super::endpoint::is_loopback(url),
            "about" => matches!(url.path(), "blank" | "srcdoc"),
            _ => false,
        };
        let is_plain = url.username().is_empty() && url.password().is_none();
        if is_page && is_plain { Self::Go } else { Self::Refused }
    }
}

fn returns_to(url: &Url, redirect: RedirectUri) -> bool {
    url.scheme() == "http"
        && url.host_str() == Some(redirect.host.as_str())
        && url.port_or_known_default() == Some(redirect.port)
        && url.path() == RedirectUri::PATH
}

/// Where a page lies, for the bar above it: its site, in letters that cannot be mistaken.
pub fn shown_site(url: &Url) -> String {
    if url.scheme() == "about" { String::new() } else { site(url) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::CallbackHost;

    #[test]
    fn a_window_goes_to_pages_and_nowhere_else() {
        let redirect = RedirectUri { host: CallbackHost::Ipv4, port: 1455 };
        let returned = |query: &str| Navigation::Returned(query.to_owned());
        let table = [
            ("https://as.example/authorize?x=1", Navigation::Go),
            ("https://as.example:8443/", Navigation::Go),
            ("http://127.0.0.1:8765/login", Navigation::Go),
            ("http://localhost:8765/login", Navigation::Go),
            ("http://[::1]:8765/login", Navigation::Go),
            ("about:blank", Navigation::Go),
            ("about:srcdoc", Navigation::Go),
            ("http://127.0.0.1:1455/callback?code=c&state=s", returned("code=c&state=s")),
            ("http://127.0.0.1:1455/callback", returned("")),
            ("http://127.0.0.1:1456/callback?code=c", Navigation::Go),
            ("https://127.0.0.1:1455/callback?code=c", Navigation::Go),
            ("http://as.example/", Navigation::Refused),
            ("http://127.0.0.1.example/", Navigation::Refused),
            ("http://10.0.0.1/", Navigation::Refused),
            ("https://user:secret@as.example/", Navigation::Refused),
            ("about:config", Navigation::Refused),
            ("file:///etc/passwd", Navigation::Refused),
            ("javascript:alert(1)", Navigation::Refused),
            ("data:text/html,x", Navigation::Refused),
            ("blob:https://as.example/1", Navigation::Refused),
            ("tauri://localhost/index.html", Navigation::Refused),
            ("asset://localhost/etc/passwd", Navigation::Refused),
            ("ipc://localhost/status", Navigation::Refused),
            ("drawbridge://add?url=https://h/", Navigation::Refused),
            ("mailto:a@h", Navigation::Refused),
            ("view-source:https://as.example/", Navigation::Refused),
            ("webkit://gpu", Navigation::Refused),
            ("drawbridge-sign-in:passkey", Navigation::AsksForPasskey),
            ("drawbridge-sign-in:passkey?x=1", Navigation::Refused),
            ("drawbridge-sign-in:", Navigation::Refused),
        ];
        for (url, expected) in table {
            assert_eq!(Navigation::of(&Url::parse(url).expect("a URL"), redirect), expected, "{url}");
        }
    }

    #[test]
    fn the_bar_shows_the_site_in_plain_letters() {
        let table = [
            ("https://login.accounts.example.co.uk/x", "example.co.uk"),
            ("https://\u{430}pple.com/", "xn--pple-43d.com"),
            ("http://127.0.0.1:8765/", "127.0.0.1"),
            ("about:blank", ""),
        ];
        for (url, shown) in table {
            assert_eq!(shown_site(&Url::parse(url).expect("a URL")), shown, "{url}");
        }
    }

    #[test]
    fn who_turns_windows_away_is_left_to_browsers() {
        let table = [
            ("https://accounts.google.com/o/oauth2/v2/auth", true),
            ("https://as.example/error?error=disallowed_useragent", true),
            ("https://as.example/authorize?client_id=c", false),
            ("https://accounts.google.com.example/", false),
            ("about:blank", false),
        ];
        for (page, needed) in table {
            assert_eq!(needs_browser(&Url::parse(page).expect("a URL")), needed, "{page}");
        }
    }
}
