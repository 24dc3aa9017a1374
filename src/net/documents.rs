//! Metadata documents: fetched with a few redirects, and kept as long as their servers let them be (RFC 9111), so that
//! who needs the same one again soon asks nobody.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};
use tokio::time::Instant;
use url::Url;

use super::{ConnectionSettings, Error, Lane, Network, lock, retry_after};

const EVENT_STREAM: &[u8] = b"text/event-stream";
/// Redirects of a metadata document that are followed.
const METADATA_REDIRECTS: usize = 3;
/// None is kept longer, whatever its server says: who signs in for a server may change.
const LONGEST: Duration = Duration::from_secs(3600);
/// As many are kept, of this size; others are fetched each time.
const MOST_KEPT: usize = 64;
const LARGEST_KEPT: usize = 64 * 1024;

/// Documents that need not be fetched again yet.
#[derive(Default)]
pub(super) struct Documents(Mutex<HashMap<(Url, ConnectionSettings), Kept>>);

struct Kept {
    body: Bytes,
    asked_for: Instant,
    came: SystemTime,
    lifetime: Duration,
}

impl Kept {
    /// By the wall clock, which goes on while the computer sleeps; one that was put back says nothing.
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.came).is_ok_and(|age| age < self.lifetime)
    }
}

impl Documents {
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// The document, where it was asked for after `since`.
    fn find(&self, url: &Url, settings: &ConnectionSettings, since: Option<Instant>) -> Option<Bytes> {
        let documents = lock(&self.0);
        let kept = documents.get(&(url.clone(), settings.clone()))?;
        let is_new_enough = since.is_none_or(|since| since <= kept.asked_for);
        (is_new_enough && kept.is_fresh(SystemTime::now())).then(|| kept.body.clone())
    }

    fn keep(&self, url: &Url, settings: &ConnectionSettings, kept: Kept) {
        let key = (url.clone(), settings.clone());
        let mut documents = lock(&self.0);
        documents.remove(&key);
        if kept.lifetime.is_zero() || kept.body.len() > LARGEST_KEPT {
            return;
        }
        if documents.len() >= MOST_KEPT {
            let now = SystemTime::now();
            documents.retain(|_, kept| kept.is_fresh(now));
        }
        if documents.len() < MOST_KEPT {
            documents.insert(key, kept);
        }
    }
}

/// How long an answer may be used again, by its `Cache-Control`, `Expires` and `Age`; not at all where they say nothing.
fn lifetime(url: &Url, headers: &HeaderMap, came: SystemTime) -> Duration {
    let mut request = http::Request::new(());
    let Ok(uri) = url.as_str().parse() else { return Duration::ZERO };
    *request.uri_mut() = uri;
    let mut answer = http::Response::new(());
    *answer.headers_mut() = headers.clone();
    let options = CacheOptions {
        shared: false,
        cache_heuristic: 0.0,
        immutable_min_time_to_live: Duration::ZERO,
        ..CacheOptions::default()
    };
    let policy = CachePolicy::new_options(&request, &answer, came, options);
    if policy.is_storable() { policy.time_to_live(came).min(LONGEST) } else { Duration::ZERO }
}

impl Network {
    /// A metadata document as [`get_metadata`](Self::get_metadata) fetches it, or as it came before, where its server
    /// let it be kept until now. One that was asked for before `since` is fetched anew.
    ///
    /// # Errors
    /// As [`get_metadata`](Self::get_metadata).
    pub async fn metadata(
        &self,
        url: &Url,
        settings: &ConnectionSettings,
        since: Option<Instant>,
    ) -> Result<Option<Bytes>, Error> {
        match self.inner.documents.find(url, settings, since) {
            Some(kept) => Ok(Some(kept)),
            None => self.get_metadata(url, settings).await,
        }
    }

    /// Fetches a metadata document, following up to three redirects, each checked like the
    /// first. `None` where the server says that there is none (4xx), or streams events.
    ///
    /// # Errors
    /// [`Error::Status`] for 5xx and 429, [`Error::Redirects`], [`Error::TooLarge`],
    /// [`Error::TimedOut`] and what [`send`](Self::send) returns.
    pub async fn get_metadata(
        &self,
        url: &Url,
        settings: &ConnectionSettings,
    ) -> Result<Option<Bytes>, Error> {
        let limit = self.inner.limits.metadata;
        match tokio::time::timeout(limit, self.follow_metadata(url, settings)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::TimedOut { url: url.into(), sent: true }),
        }
    }

    async fn follow_metadata(
        &self,
        url: &Url,
        settings: &ConnectionSettings,
    ) -> Result<Option<Bytes>, Error> {
        let (first, asked_for) = (url, Instant::now());
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let mut url = url.clone();
        for _ in 0..=METADATA_REDIRECTS {
            let mut response = self
                .exchange(Lane::Request, Method::GET, url.clone(), headers.clone(), Bytes::new(), settings)
                .await?;
            let status = response.status;
            if status.is_success() {
                // Some MCP servers answer any GET with a stream that never ends.
                if is_event_stream(&response.headers) {
                    return Ok(None);
                }
                let body = response.read(self.inner.limits.document_bytes).await?;
                // What a redirect led to is not at this address for as long as it may be kept itself.
                if url == *first {
                    let came = SystemTime::now();
                    let lifetime = lifetime(&url, &response.headers, came);
                    let kept = Kept { body: body.clone(), asked_for, came, lifetime };
                    self.inner.documents.keep(first, settings, kept);
                }
                return Ok(Some(body));
            }
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(Error::Status {
                    url: (&url).into(),
                    status,
                    retry_after: retry_after(&response.headers),
                });
            }
            if status.is_client_error() {
                return Ok(None);
            }
            url = redirect_target(&url, &response.headers)?;
        }
        Err(Error::Redirects { url: (&url).into() })
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.len() >= EVENT_STREAM.len() && kind[..EVENT_STREAM.len()].eq_ignore_ascii_case(EVENT_STREAM)
}

/// Where a redirect leads. From https it leads to https.
fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(target) = location.and_then(|text| from.join(text).ok()) else {
        return Err(Error::Redirects { url: from.into() });
    };
    if from.scheme() == "https" && target.scheme() == "http" {
        return Err(Error::InsecureUrl { url: (&target).into() });
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_document_is_kept_as_long_as_its_server_says_and_an_hour_at_most() {
        let came = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let dated = ("date", "Tue, 14 Nov 2023 22:13:20 GMT");
        let url = Url::parse("https://as.example/.well-known/x").unwrap();
        let table: &[(&[(&str, &str)], u64)] = &[
            (&[], 0),
            (&[("last-modified", "Tue, 14 Nov 2000 22:13:20 GMT")], 0),
            (&[("cache-control", "max-age=600")], 600),
            (&[("cache-control", "private, max-age=600")], 600),
            (&[("cache-control", "max-age=600"), ("age", "500")], 100),
            (&[("cache-control", "public, max-age=31536000, immutable")], 3600),
            (&[("cache-control", "no-store, max-age=600")], 0),
            (&[("cache-control", "no-cache")], 0),
            (&[("cache-control", "max-age=600"), ("vary", "*")], 0),
            (&[("expires", "Tue, 14 Nov 2023 22:23:20 GMT"), dated], 600),
            (&[("expires", "0"), dated], 0),
        ];
        for (given, seconds) in table {
            let found = lifetime(&url, &headers(given), came);
            assert_eq!(found, Duration::from_secs(*seconds), "{given:?}");
        }
    }

    #[tokio::test]
    async fn only_so_many_documents_of_a_moderate_size_are_kept() {
        let documents = Documents::default();
        let settings = ConnectionSettings::default();
        let url = |number: usize| Url::parse(&format!("https://as.example/{number}")).unwrap();
        let kept = |size: usize, lifetime: u64| Kept {
            body: Bytes::from(vec![b' '; size]),
            asked_for: Instant::now(),
            came: SystemTime::now(),
            lifetime: Duration::from_secs(lifetime),
        };
        documents.keep(&url(0), &settings, kept(LARGEST_KEPT + 1, 600));
        documents.keep(&url(1), &settings, kept(1, 0));
        assert!(documents.find(&url(0), &settings, None).is_none());
        assert!(documents.find(&url(1), &settings, None).is_none());
        for number in 0..MOST_KEPT + 10 {
            documents.keep(&url(number), &settings, kept(1, 600));
        }
        let found =
            (0..MOST_KEPT + 10).filter(|number| documents.find(&url(*number), &settings, None).is_some());
        assert_eq!(found.count(), MOST_KEPT);
        let later = Instant::now() + Duration::from_secs(1);
        assert!(documents.find(&url(0), &settings, Some(later)).is_none(), "asked for before");
    }

    #[test]
    fn a_redirect_never_leads_from_https_to_http() {
        let from = Url::parse("https://a.example/x").expect("a URL");
        let to = |target: &'static str| {
            redirect_target(&from, &HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(target))]))
        };
        assert!(matches!(to("http://localhost/"), Err(Error::InsecureUrl { .. })));
        assert_eq!(to("/y").expect("same origin").as_str(), "https://a.example/y");
        assert!(matches!(redirect_target(&from, &HeaderMap::new()), Err(Error::Redirects { .. })));
    }
}
