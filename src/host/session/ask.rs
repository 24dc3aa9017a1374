//! Requests of our own: the handshake, the probe, and tool lists nobody asked for.

use http::HeaderMap;
use tokio::sync::mpsc;

use crate::mcp::{Kind, Message};
use crate::upstream::{self, Incoming, Posted};

use super::authorized::{Refused, operation};
use super::context::Context;
use super::transport::Transport;

/// Sends one request and waits for its answer; what else comes with it goes on to the client.
pub(super) async fn ask(
    context: &Context,
    transport: &Transport,
    request: &Message,
) -> Result<(Posted, Message), Refused> {
    ask_with(context, transport, request, HeaderMap::new()).await
}

/// Like [`ask`], with headers besides those that follow from the request.
pub(super) async fn ask_with(
    context: &Context,
    transport: &Transport,
    request: &Message,
    headers: HeaderMap,
) -> Result<(Posted, Message), Refused> {
    let (posted, response) = if transport.answers_posts() {
        ask_by_post(context, transport, request, headers).await?
    } else {
        ask_by_stream(context, transport, request).await?
    };
    let cut = Refused::Upstream(upstream::Error::Cut { may_have_run: true });
    response.map(|response| (posted, response)).ok_or(cut)
}

/// The answer comes on the response to the POST.
async fn ask_by_post(
    context: &Context,
    transport: &Transport,
    request: &Message,
    headers: HeaderMap,
) -> Result<(Posted, Option<Message>), Refused> {
    let (sink, mut incoming) = mpsc::channel(16);
    let operation = operation(request);
    let post = || transport.post_with(request.clone(), headers.clone(), sink.clone());
    let posting = context.authorized_for(&operation, post);
    tokio::pin!(posting);
    let mut response = None;
    let posted = loop {
        tokio::select! {
            biased;
            Some(message) = incoming.recv() => keep_response(context, message, request, &mut response).await,
            posted = &mut posting => break posted?,
        }
    };
    while let Ok(message) = incoming.try_recv() {
        keep_response(context, message, request, &mut response).await;
    }
    Ok((posted, response))
}

/// The answer comes on the one stream, which the session reads.
async fn ask_by_stream(
    context: &Context,
    transport: &Transport,
    request: &Message,
) -> Result<(Posted, Option<Message>), Refused> {
    let answer = context.expect_answer(request);
    let posted = context.authorized(|| transport.post(request.clone(), context.incoming.clone())).await?;
    let response = tokio::select! {
        response = answer => response,
        () = transport.closed() => None,
    };
    Ok((posted, response))
}

async fn keep_response(
    context: &Context,
    incoming: Incoming,
    request: &Message,
    response: &mut Option<Message>,
) {
    match incoming.message.kind() {
        Kind::Response { id, .. } if id.as_ref() == request.request_id() => {
            *response = Some(incoming.message)
        }
        Kind::Response { .. } => {}
        Kind::Request { .. } | Kind::Notification | Kind::Batch => {
            let _ = context.incoming.send(incoming).await;
        }
    }
}
