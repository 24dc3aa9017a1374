//! The MCP server itself, on rmcp: the same handler for every transport and era.

#![allow(deprecated, reason = "logging is deprecated since 2026-07-28, and served as long as clients use it")]

mod ask;
mod calls;
pub(crate) mod changes;
pub(crate) mod corpus;
mod library;
mod logging;
pub(crate) mod tools;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use http::request::Parts;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, Extensions,
    GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use tokio::sync::broadcast;

use crate::auth::Caller;
use crate::config::Eras;
use crate::gate::eras::MODERN;
use crate::shared::{Change, Listener, Shared};

/// One session's handler, or one stateless request's.
pub(crate) struct Demo {
    shared: Arc<Shared>,
    uris: Arc<Mutex<BTreeSet<String>>>,
    /// What happens from the moment that a subscription is accepted, before it is acknowledged.
    accepted: Mutex<Vec<broadcast::Receiver<Change>>>,
    /// What a legacy client wants to hear of the log.
    level: Mutex<Option<LoggingLevel>>,
}

impl Demo {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Demo {
            shared: shared.clone(),
            uris: Arc::default(),
            accepted: Mutex::default(),
            level: Mutex::default(),
        }
    }
}

impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .enable_logging()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("drawbridge-demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("A server to try Drawbridge with. Start with auth_status.")
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        let known = ProtocolVersion::KNOWN_VERSIONS;
        let only = self.shared.config.legacy_version;
        let eras = self.shared.config.eras;
        let is_spoken = |version: &&ProtocolVersion| {
            let version = version.as_str();
            match version < MODERN {
                true => eras != Eras::Modern && only.is_none_or(|only| version == only),
                false => eras != Eras::Legacy,
            }
        };
        Cow::Owned(known.iter().filter(is_spoken).cloned().collect())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let listener = Listener { peer: context.peer, uris: self.uris.clone() };
        crate::lock(&self.shared.listeners).push(listener);
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context.extensions);
        Ok(ListToolsResult::with_all_items(tools::visible(&self.shared, &caller)))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all(&self.shared).into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let level = *crate::lock(&self.level);
        calls::call(&self.shared, level, request, context).await
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(library::prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        library::prompt(&request).map(GetPromptResponse::Complete)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(library::resources()))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(library::templates()))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        library::complete(&request.argument).map(CompleteResult::new)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        *crate::lock(&self.level) = Some(request.level);
        Ok(())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        library::resource(&self.shared, &request.uri).map(ReadResourceResponse::Complete)
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        crate::lock(&self.uris).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        crate::lock(&self.uris).remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        crate::lock(&self.accepted).push(self.shared.changes.subscribe());
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let changes = crate::lock(&self.accepted).pop();
        let changes = changes.unwrap_or_else(|| self.shared.changes.subscribe());
        changes::forward(&self.shared, changes, &context).await;
        Ok(())
    }
}

/// Who sent the HTTP request that a message came with.
fn caller(extensions: &Extensions) -> Caller {
    extensions
        .get::<Parts>()
        .and_then(|parts| parts.extensions.get::<Caller>())
        .cloned()
        .unwrap_or_else(Caller::anonymous)
}
