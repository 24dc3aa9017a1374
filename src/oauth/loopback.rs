//! The listener a browser returns to (RFC 8252 §7.3). It is bound before any page opens, answers only requests that
//! name it as their host, and ends with the sign-in. On other users it hangs up, where the system tells whose a connection is:
//! they can read the page's address, `state` and all, off the browser's command line.
//!
//! It knows four pages: our own confirmation and, if need be, a last question under a one-time path, the callback,
//! and "nothing here". What a request
//! means is decided by the sign-in, which answers each [`Event`].

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::registration::RedirectUri;
use super::{CallbackHost, page, same};
use crate::peer;

/// How long the last page may take to reach the browser.
const FAREWELL: Duration = Duration::from_secs(2);
/// Tries to find a port that is free on both loopback addresses.
const PAIR_TRIES: usize = 16;

/// Bound, and not yet answering.
pub struct Listener {
    sockets: Vec<TcpListener>,
    redirect: RedirectUri,
}

/// Something a browser did.
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// What to show for it.
    pub reply: oneshot::Sender<Answer>,
}

/// What a browser did.
pub enum EventKind {
    /// Pressed Continue on our page.
    Continued,
    /// Pressed Cancel on our page.
    Declined,
    /// Said yes to the last question.
    Kept,
    /// Said no to it.
    Discarded,
    /// Came back with this query. Holds the code: not for logs.
    Returned(String),
    /// Is elsewhere, and came back with this query, which a person pasted.
    Pasted(String),
    /// Is a window of ours, and wants to hand over to a real browser.
    HandsOver,
}

/// What a browser is shown.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This address.
    Open(Url),
    /// That its response was not expected.
    Stale,
    /// That the sign-in was cancelled.
    Cancelled,
    /// That what came back is not used.
    Discarded,
    /// That the person is signed in to this server.
    SignedIn(String),
    /// Why it failed.
    Failed(String),
}

impl Listener {
    /// Binds the port; `None` takes any free one. With `localhost` both loopback addresses are held, or none.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] and what else the system says.
    pub async fn bind(host: CallbackHost, port: Option<u16>) -> io::Result<Self> {
        let tries = if port.is_some() { 1 } else { PAIR_TRIES };
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..tries {
            match Self::bind_once(host, port.unwrap_or(0)).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn bind_once(host: CallbackHost, port: u16) -> io::Result<Self> {
        let first = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let port = first.local_addr()?.port();
        let mut sockets = vec![first];
        if host == CallbackHost::Localhost {
            match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
                Ok(second) => sockets.push(second),
                // No IPv6 here at all: then nobody else can hold that address either.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrNotAvailable
                        || error.kind() == io::ErrorKind::Unsupported
                        || error.raw_os_error() == Some(NO_IPV6) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { sockets, redirect: RedirectUri { host, port } })
    }

    /// Where browsers return to.
    pub fn redirect(&self) -> RedirectUri {
        self.redirect
    }

    /// Our own page, at this one-time text.
    pub fn confirm_url(&self, secret: &str) -> Url {
        let RedirectUri { host, port } = self.redirect;
        Url::parse(&format!("http://{}:{port}{}", host.as_str(), confirm_path(secret)))
            .expect("made of safe parts")
    }

    /// Starts to answer, showing our own page under its one-time path, and tells `events`.
    pub fn serve(self, confirm: Confirm, events: mpsc::Sender<Event>) -> Serving {
        let RedirectUri { host, port } = self.redirect;
        let authority = format!("{}:{port}", host.as_str());
        let desk = Arc::new(Desk { authority, confirm, question: OnceLock::new(), events });
        let stop = CancellationToken::new();
        let mut servers = JoinSet::new();
        for socket in self.sockets {
            let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
            let stopped = stop.clone().cancelled_owned();
            servers.spawn(async move {
                if let Err(error) =
                    axum::serve(OwnBrowsers(socket), router).with_graceful_shutdown(stopped).await
                {
                    tracing::debug!(%error, "loopback listener failed");
                }
            });
        }
        Serving { stop, servers, desk }
    }
}

/// A listener that hangs up on other users.
struct OwnBrowsers(TcpListener);

impl axum::serve::Listener for OwnBrowsers {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = axum::serve::Listener::accept(&mut self.0).await;
            let Ok(local) = stream.local_addr() else { continue };
            let looking = tokio::task::spawn_blocking(move || peer::is_of_another_user(peer, local));
            if matches!(looking.await, Ok(false)) {
                return (stream, peer);
            }
            tracing::warn!("another user's process tried to answer a sign-in");
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// EAFNOSUPPORT, where the kernel has no IPv6.
#[cfg(target_os = "linux")]
const NO_IPV6: i32 = 97;
#[cfg(not(target_os = "linux"))]
const NO_IPV6: i32 = 47;

/// Our own page: its one-time text, and its HTML.
#[derive(Clone)]
pub struct Confirm {
    /// The last part of its path.
    pub secret: String,
    /// The page.
    pub html: String,
}

/// Path of our own page.
pub fn confirm_path(secret: &str) -> String {
    format!("/sign-in/{secret}")
}

/// Where the last question is, below [`confirm_path`].
pub const QUESTION: &str = "question";

/// A listener at work; dropping it ends it.
pub struct Serving {
    stop: CancellationToken,
    servers: JoinSet<()>,
    desk: Arc<Desk>,
}

impl Serving {
    /// Puts the last question under its path, at the end of [`confirm_path`]; there is one in a sign-in.
    pub fn ask(&self, html: String) {
        // A second one would be the same.
        self.desk.question.set(html).ok();
    }

    /// Accepts nothing more, and gives the last page a moment to be sent.
    pub async fn close(mut self) {
        self.stop.cancel();
        let drained = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, drained).await.is_err() {
            tracing::debug!("a browser kept its connection open");
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Desk {
    authority: String,
    confirm: Confirm,
    question: OnceLock<String>,
    events: mpsc::Sender<Event>,
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response<Body> {
    if !desk.is_for_us(request.headers()) {
        return shown(StatusCode::FORBIDDEN, "Nothing here", "This address belongs to Drawbridge.");
    }
    let path = request.uri().path();
    if path == RedirectUri::PATH && request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default().to_owned();
        return desk.ask(EventKind::Returned(query)).await;
    }
    match desk.confirm_step(path, request.method()) {
        Some(Step::Show(html)) => html_response(StatusCode::OK, html, true),
        Some(Step::Continue) => desk.ask(EventKind::Continued).await,
        Some(Step::Cancel) => desk.ask(EventKind::Declined).await,
        Some(Step::Keep) => desk.ask(EventKind::Kept).await,
        Some(Step::Discard) => desk.ask(EventKind::Discarded).await,
        None => shown(StatusCode::NOT_FOUND, "Nothing here", "There is no sign-in at this address."),
    }
}

enum Step {
    Show(String),
    Continue,
    Cancel,
    Keep,
    Discard,
}

impl Desk {
    /// A page of another origin may send a browser here, but not with our host name and not as a foreign origin.
    fn is_for_us(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let host =
            hosts.next().is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(self.authority.as_bytes()));
        let origin = headers.get(ORIGIN).is_none_or(|origin| {
            // "null" is what privacy settings make of ours.
            origin == "null" || origin.as_bytes().strip_prefix(b"http://") == Some(self.authority.as_bytes())
        });
        host && origin && hosts.next().is_none()
    }

    fn confirm_step(&self, path: &str, method: &Method) -> Option<Step> {
        let rest = path.strip_prefix("/sign-in/")?;
        let (secret, step) = rest.split_once('/').map_or((rest, None), |(secret, step)| (secret, Some(step)));
        if !same(secret, &self.confirm.secret) {
            return None;
        }
        match (step, method) {
            (None, &Method::GET) => Some(Step::Show(self.confirm.html.clone())),
            (Some("continue"), &Method::POST) => Some(Step::Continue),
            (Some("cancel"), &Method::POST) => Some(Step::Cancel),
            (Some(QUESTION), &Method::GET) => self.question.get().cloned().map(Step::Show),
            (Some("keep"), &Method::POST) => self.question.get().map(|_| Step::Keep),
            (Some("discard"), &Method::POST) => self.question.get().map(|_| Step::Discard),
            _ => None,
        }
    }

    /// Lets the sign-in decide; it has ended where nobody answers.
    async fn ask(&self, kind: EventKind) -> Response<Body> {
        let (reply, answer) = oneshot::channel();
        let answer = match self.events.send(Event { kind, reply }).await {
            Ok(()) => answer.await.unwrap_or(Answer::Stale),
            Err(_) => Answer::Stale,
        };
        match answer {
            Answer::Open(url) => redirect(&url),
            Answer::Stale => shown(
                StatusCode::BAD_REQUEST,
                "This sign-in is not open",
                "It has ended, or belongs to another window. Start again from Drawbridge if you are not signed in.",
            ),
            Answer::Cancelled => {
                shown(StatusCode::OK, "Cancelled", "Nothing was opened. You can close this tab.")
            }
            Answer::Discarded => {
                shown(StatusCode::OK, "Not used", "Nothing was changed. You can close this tab.")
            }
            Answer::SignedIn(server) => shown(
                StatusCode::OK,
                "You are signed in",
                &format!("{server} is ready. You can close this tab."),
            ),
            Answer::Failed(why) => shown(StatusCode::OK, "Signing in did not work", &why),
        }
    }
}

fn redirect(url: &Url) -> Response<Body> {
    let mut response = html_response(StatusCode::SEE_OTHER, String::new(), false);
    // A parsed URL is ASCII without control characters.
    if let Ok(location) = HeaderValue::from_str(url.as_str()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn shown(status: StatusCode, title: &str, text: &str) -> Response<Body> {
    html_response(status, page::message(title, text), false)
}

fn html_response(status: StatusCode, html: String, with_buttons: bool) -> Response<Body> {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // The address of the callback page holds a code; the page with buttons needs its own origin on its requests.
    let referrer = if with_buttons { "same-origin" } else { "no-referrer" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Ok(policy) = HeaderValue::from_str(&page::policy(with_buttons)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
