//! The views of the main window as routes, and the links that may open one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// What is written plainly in a route.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A view of the main window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// All servers.
    Servers,
    /// One server.
    Server(String),
    /// The form that adds a server, perhaps filled in.
    Add {
        /// The name.
        name: Option<String>,
        /// The address.
        url: Option<String>,
    },
    /// The settings.
    Settings,
    /// The questions that wait for an answer.
    Approvals,
}

impl View {
    /// The form that adds a server, empty.
    pub(crate) const NEW: Self = Self::Add { name: None, url: None };

    /// The route, as it follows the `#`.
    pub(crate) fn route(&self) -> String {
        match self {
            Self::Servers => "/".to_owned(),
            Self::Server(name) => format!("/servers/{}", encoded(name)),
            Self::Add { name, url } => {
                let fields = [("name", name), ("url", url)];
                let given = fields.iter().filter_map(|(field, value)| {
                    value.as_ref().map(|value| format!("{field}={}", encoded(value)))
                });
                let query = given.collect::<Vec<_>>().join("&");
                if query.is_empty() { "/add".to_owned() } else { format!("/add?{query}") }
            }
            Self::Settings => "/settings".to_owned(),
            Self::Approvals => "/approvals".to_owned(),
        }
    }

    /// What a link asks for. There is one verb, `drawbridge://add`, which takes a name and an https
    /// address and only fills the form in (security rule 15).
    pub(crate) fn of_link(link: &str) -> Option<Self> {
        let link = Url::parse(link).ok().filter(|link| link.scheme() == "drawbridge")?;
        if link.host_str() != Some("add") || !matches!(link.path(), "" | "/") {
            return None;
        }
        let value = |wanted: &str| {
            link.query_pairs().find(|(field, _)| field == wanted).map(|(_, value)| value.into_owned())
        };
        let url = value("url").and_then(|url| plain_https(&url));
        Some(Self::Add { name: value("name").filter(|name| name.len() <= 64), url })
    }
}

/// The address as it was understood, not as it was written: the form reads blanks as those of a command line.
fn plain_https(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    is_plain.then(|| url.to_string())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_hold_nothing_that_could_be_read_as_another() {
        let add = View::Add { name: Some("a&url=b".into()), url: Some("https://h/m?x=1#y".into()) };
        let table = [
            (View::Servers, "/"),
            (View::Server("my.server-1".into()), "/servers/my.server-1"),
            (View::Server("../add".into()), "/servers/..%2Fadd"),
            (View::NEW, "/add"),
            (add, "/add?name=a%26url%3Db&url=https%3A%2F%2Fh%2Fm%3Fx%3D1%23y"),
            (View::Settings, "/settings"),
            (View::Approvals, "/approvals"),
        ];
        for (view, route) in table {
            assert_eq!(view.route(), route);
        }
    }

    #[test]
    fn a_link_fills_in_the_form_and_does_nothing_else() {
        let filled = |name: Option<&str>, url: Option<&str>| {
            Some(View::Add { name: name.map(str::to_owned), url: url.map(str::to_owned) })
        };
        let table = [
            (
                "drawbridge://add?name=linear&url=https%3A%2F%2Fh%2Fmcp",
                filled(Some("linear"), Some("https://h/mcp")),
            ),
            ("drawbridge://add", filled(None, None)),
            ("drawbridge://add/?url=http://h/mcp", filled(None, None)),
            ("drawbridge://add?url=javascript:alert(1)", filled(None, None)),
            ("drawbridge://add?url=https://me:secret@h/", filled(None, None)),
            ("drawbridge://add?url=https://h/&header=X-Key:1", filled(None, Some("https://h/"))),
            (
                "drawbridge://add?url=https://h/mcp-remote%20http://evil/%20--allow-http%20--header%20X-A:1",
                filled(None, Some("https://h/mcp-remote%20http://evil/%20--allow-http%20--header%20X-A:1")),
            ),
            ("drawbridge://remove?name=linear", None),
            ("drawbridge://add/more?name=linear", None),
            ("https://add/?name=linear", None),
            ("--background", None),
        ];
        for (link, view) in table {
            assert_eq!(View::of_link(link), view, "{link}");
        }
    }
}
