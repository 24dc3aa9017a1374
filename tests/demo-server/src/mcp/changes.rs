//! Telling clients that something changed: legacy sessions by notification, modern ones on their
//! `subscriptions/listen` stream.

use std::sync::Arc;

use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::SubscriptionContext;
use rmcp::{Peer, RoleServer};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::shared::{Change, Shared};

/// Tells legacy sessions of changes until the server stops.
pub(crate) async fn announce(shared: Arc<Shared>, mut changes: Receiver<Change>) {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = shared.shutdown.cancelled() => return,
        };
        match change {
            Ok(change) => tell_sessions(&shared, &change).await,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn tell_sessions(shared: &Shared, change: &Change) {
    let peers: Vec<Peer<RoleServer>> = {
        let mut listeners = crate::lock(&shared.listeners);
        listeners.retain(|listener| !listener.peer.is_transport_closed());
        listeners
            .iter()
            .filter(|listener| match change {
                Change::Updated(uri) => crate::lock(&listener.uris).contains(uri),
                Change::Tools | Change::Prompts | Change::Resources => true,
            })
            .map(|listener| listener.peer.clone())
            .collect()
    };
    for peer in peers {
        let told = match change {
            Change::Tools => peer.notify_tool_list_changed().await,
            Change::Prompts => peer.notify_prompt_list_changed().await,
            Change::Resources => peer.notify_resource_list_changed().await,
            Change::Updated(uri) => {
                let update = ResourceUpdatedNotificationParam::new(uri.clone());
                peer.notify_resource_updated(update).await
            }
        };
        if let Err(error) = told {
            tracing::debug!(%error, "a session is gone");
        }
    }
}

/// Sends changes down a modern subscription until either side ends it.
pub(crate) async fn forward(shared: &Shared, mut changes: Receiver<Change>, context: &SubscriptionContext) {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = context.cancelled() => return,
            () = shared.shutdown.cancelled() => return,
        };
        match change {
            Ok(change) => tell_subscriber(context, &change).await,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn tell_subscriber(context: &SubscriptionContext, change: &Change) {
    let sink = context.sink();
    let told = match change {
        Change::Tools => sink.notify_tool_list_changed().await,
        Change::Prompts => sink.notify_prompt_list_changed().await,
        Change::Resources => sink.notify_resource_list_changed().await,
        Change::Updated(uri) => sink.notify_resource_updated(uri).await,
    };
    if let Err(error) = told {
        tracing::debug!(%error, "not subscribed, or gone");
    }
}
