//! The sessions of Streamable HTTP: rmcp's own, with an owner each and a count to assert on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::WorkerTransport;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker,
};
use rmcp::transport::streamable_http_server::session::{SessionId, SessionManager};

use crate::stats::Recorder;

/// Sessions by id, and who opened them.
pub(crate) struct Sessions {
    inner: LocalSessionManager,
    owners: Mutex<HashMap<String, String>>,
    recorder: Arc<Recorder>,
    /// Held while they are counted, so that of two counts the newer one stays.
    counted: tokio::sync::Mutex<u64>,
}

impl Sessions {
    pub(crate) fn new(timeout: Duration, recorder: Arc<Recorder>) -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(timeout);
        Sessions { inner, owners: Mutex::default(), recorder, counted: tokio::sync::Mutex::default() }
    }

    pub(crate) async fn len(&self) -> usize {
        self.inner.sessions.read().await.len()
    }

    /// Remembers who opened a session.
    pub(crate) fn claim(&self, id: &str, user: &str) {
        crate::lock(&self.owners).insert(id.to_owned(), user.to_owned());
    }

    /// Whether that user may use the session; unknown sessions are rmcp's to refuse. An anonymous
    /// session becomes that of the first user who signs in within it.
    pub(crate) fn may_use(&self, id: &str, user: &str) -> bool {
        let mut owners = crate::lock(&self.owners);
        match owners.get_mut(id) {
            Some(owner) if owner.is_empty() => {
                user.clone_into(owner);
                true
            }
            Some(owner) => owner == user,
            None => true,
        }
    }

    /// Ends all sessions; their ids are unknown from then on.
    pub(crate) async fn kill_all(&self) {
        let ids: Vec<SessionId> = self.inner.sessions.read().await.keys().cloned().collect();
        for id in ids {
            if let Err(error) = self.close_session(&id).await {
                tracing::debug!(%error, "session was already closing");
            }
        }
    }

    async fn recount(&self) {
        let mut counted = self.counted.lock().await;
        let open = self.len().await as u64;
        let before = std::mem::replace(&mut *counted, open);
        self.recorder.count(|stats| stats.open_sessions = stats.open_sessions - before + open);
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let created = self.inner.create_session().await;
        self.recount().await;
        created
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let closed = self.inner.close_session(id).await;
        crate::lock(&self.owners).remove(id.as_ref());
        self.recount().await;
        closed
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_stream(id, message).await
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.resume(id, last_event_id).await
    }
}
