//! What every request to the HTTP endpoint meets first: Host, Origin and token, before anything
//! else of it is looked at (security rule 10). A connection meets `crate::peer` even before that.

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;

/// Why a request gets no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was meant for another host: a web page whose name was pointed at this computer.
    ForeignHost,
    /// It comes from a web page.
    WebPage,
    /// It has no token, or none that works.
    NoToken,
}

/// Looks at one request; the token it shows, which is still to be compared.
///
/// # Errors
/// [`Refusal`]
pub fn check(request: &Parts, port: u16) -> Result<&str, Refusal> {
    if !is_for_us(request, port) {
        return Err(Refusal::ForeignHost);
    }
    if request.headers.contains_key(ORIGIN) {
        return Err(Refusal::WebPage);
    }
    token(request).ok_or(Refusal::NoToken)
}

fn is_for_us(request: &Parts, port: u16) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let own = |host: &[u8]| is_own(host, port);
    own(host.as_bytes())
        && request.uri.authority().map(Authority::as_str).is_none_or(|uri| own(uri.as_bytes()))
}

fn is_own(host: &[u8], port: u16) -> bool {
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| format!("{own}:{port}").as_bytes().eq_ignore_ascii_case(host))
}

fn token(request: &Parts) -> Option<&str> {
    let mut values = request.headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer t");

    #[test]
    fn only_our_own_names_are_hosts() {
        for host in ["127.0.0.1:7", "localhost:7", "LocalHost:7", "[::1]:7"] {
            assert_eq!(check(&request("/", &[("host", host), TOKEN]), 7), Ok("t"), "{host}");
        }
        let foreign = [
            "127.0.0.1",
            "127.0.0.1:8",
            "127.0.0.1:7.evil.example",
            "evil.example:7",
            "localhost.evil.example:7",
            "127.0.0.2:7",
            "0.0.0.0:7",
            "[::]:7",
            "me@127.0.0.1:7",
            "",
        ];
        for host in foreign {
            let request = request("/", &[("host", host), TOKEN]);
            let refused = check(&request, 7);
            assert_eq!(refused, Err(Refusal::ForeignHost), "{host}");
        }
        assert_eq!(check(&request("/", &[TOKEN]), 7), Err(Refusal::ForeignHost));
        let twice = [("host", "127.0.0.1:7"), ("host", "evil.example"), TOKEN];
        assert_eq!(check(&request("/", &twice), 7), Err(Refusal::ForeignHost));
        let absolute = request("http://evil.example/mcp", &[("host", "127.0.0.1:7"), TOKEN]);
        assert_eq!(check(&absolute, 7), Err(Refusal::ForeignHost));
    }

    #[test]
    fn no_web_page_gets_in_whatever_its_origin() {
        for origin in ["http://127.0.0.1:7", "http://localhost:7", "null", "https://evil.example", ""] {
            let request = request("/", &[("host", "127.0.0.1:7"), ("origin", origin), TOKEN]);
            assert_eq!(check(&request, 7), Err(Refusal::WebPage), "{origin}");
        }
    }

    #[test]
    fn host_is_checked_before_origin_and_origin_before_the_token() {
        let all_wrong = request("/", &[("host", "evil.example"), ("origin", "x")]);
        assert_eq!(check(&all_wrong, 7), Err(Refusal::ForeignHost));
        let two_wrong = request("/", &[("host", "localhost:7"), ("origin", "x")]);
        assert_eq!(check(&two_wrong, 7), Err(Refusal::WebPage));
    }

    #[test]
    fn a_token_is_one_bearer_header() {
        for headers in [
            &[][..],
            &[("authorization", "t")],
            &[("authorization", "Basic t")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer t"), ("authorization", "Bearer t")],
        ] {
            let headers = [&[("host", "localhost:7")], headers].concat();
            assert_eq!(check(&request("/", &headers), 7), Err(Refusal::NoToken), "{headers:?}");
        }
        let lower = request("/", &[("host", "localhost:7"), ("authorization", "bearer  t")]);
        assert_eq!(check(&lower, 7), Ok("t"));
    }
}
