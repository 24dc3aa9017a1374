//! Asking the Host over its control API: HTTP/1.1 on the local socket.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::control::PREFIX;
use crate::api::types::ServerView;
use crate::endpoint::{self, Place, StartError, Stream};
use crate::failure::{Code, Failure};
use crate::registry::{AccountLabel, ServerName};

use super::target::NamedAccount;

/// A connection to the Host.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// The body of a request that has none.
pub const NOTHING: Option<&()> = None;

impl Client {
    /// Connects to the Host, starting one where none runs.
    ///
    /// # Errors
    /// There is none and none can be started.
    pub async fn connect() -> Result<Self, Failure> {
        let place = place()?;
        let stream = match endpoint::connect(&place).await {
            Err(endpoint::Error::NotRunning) => {
                endpoint::start_host(&place).await.map_err(|error| no_host(&error))?
            }
            other => other.map_err(|error| no_host(&error.into()))?,
        };
        Self::over(stream).await
    }

    /// Connects to the Host if one runs.
    ///
    /// # Errors
    /// The one that runs cannot be used.
    pub async fn connect_to_running() -> Result<Option<Self>, Failure> {
        match endpoint::connect(&place()?).await {
            Err(endpoint::Error::NotRunning) => Ok(None),
            Ok(stream) => Self::over(stream).await.map(Some),
            Err(error) => Err(no_host(&error.into())),
        }
    }

    async fn over(stream: Stream) -> Result<Self, Failure> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| lost())?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Why the Host did not give it.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, NOTHING).await
    }

    /// Has something done and takes the answer.
    ///
    /// # Errors
    /// Why the Host did not do it.
    pub async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let answer = self.exchange(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|_| skew())
    }

    /// Has something done.
    ///
    /// # Errors
    /// Why the Host did not do it.
    pub async fn tell(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(), Failure> {
        self.exchange(method, path, body).await.map(drop)
    }

    /// Has something done that is told about line by line.
    ///
    /// # Errors
    /// Why the Host did not begin.
    pub async fn follow(&mut self, path: &str, body: &impl Serialize) -> Result<Events, Failure> {
        let answer = self.send(Method::POST, path, Some(body)).await?;
        Ok(Events { body: answer.into_body(), buffer: BytesMut::new() })
    }

    /// The account somebody means, with its label.
    pub(super) async fn account(
        &mut self,
        given: &NamedAccount,
    ) -> Result<(ServerName, AccountLabel), Failure> {
        let server: ServerView = self.get(&server_path(&given.server)).await?;
        let label = given.label.clone().unwrap_or(server.default_account);
        Ok((server.name, label))
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Bytes, Failure> {
        let answer = self.send(method, path, body).await?;
        Ok(answer.into_body().collect().await.map_err(|_| lost())?.to_bytes())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let text = body.map(|body| serde_json::to_vec(body).expect("requests are plain JSON"));
        let request = Request::builder()
            .method(method)
            .uri(format!("{PREFIX}{path}"))
            .header(HOST, "drawbridge")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(text.unwrap_or_default())))
            .expect("paths are made of names");
        self.sender.ready().await.map_err(|_| lost())?;
        let answer = self.sender.send_request(request).await.map_err(|_| lost())?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = answer.into_body().collect().await.map_err(|_| lost())?.to_bytes();
        Err(serde_json::from_slice(&text).unwrap_or_else(|_| unexpected(status)))
    }
}

/// Lines that the Host writes while something goes on.
pub struct Events {
    body: Incoming,
    buffer: BytesMut,
}

impl Events {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or the Host speaks another version.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let line = self.buffer.split_to(end + 1);
                return serde_json::from_slice(&line).map(Some).map_err(|_| skew());
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(lost()),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

/// The path of a server.
pub fn server_path(name: &ServerName) -> String {
    format!("/servers/{name}")
}

/// The path of an account.
pub fn account_path(name: &ServerName, label: &AccountLabel) -> String {
    format!("/servers/{name}/accounts/{label}")
}

/// Where the Host is found.
///
/// # Errors
/// No home folder is known.
pub fn place() -> Result<Place, Failure> {
    Place::find().map_err(|error| error.failure())
}

fn no_host(error: &StartError) -> Failure {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(
        Code::HostGone,
        format!("Drawbridge could not be started ({error}{source})"),
        "Run `drawbridge serve` in a terminal to see why",
    )
}

fn lost() -> Failure {
    Failure::new(Code::HostGone, "Drawbridge does not answer", "Try again; if it stays so, quit it first")
}

fn skew() -> Failure {
    Failure::new(Code::VersionSkew, "another version of Drawbridge is running", "Quit it, then try again")
}

fn unexpected(status: StatusCode) -> Failure {
    let sentence = format!("Drawbridge answered with status {}", status.as_u16());
    Failure::new(Code::VersionSkew, sentence, "Quit it, then try again")
}
