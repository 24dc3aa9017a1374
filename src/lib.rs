//! Drawbridge: one local bridge between MCP clients that speak stdio and remote MCP servers
//! behind OAuth.
//!
//! A client starts the **shim** (`drawbridge connect`), which forwards lines to the **Host**
//! over a local socket; the Host owns servers, accounts, tokens and upstream connections.
//! `ARCHITECTURE.md` shows how a message travels.

pub mod api;
pub mod cli;
pub mod client_config;
pub mod endpoint;
pub mod failure;
pub mod host;
pub mod logging;
pub mod mcp;
pub mod net;
pub mod oauth;
pub mod paths;
pub mod peer;
pub mod private_file;
pub mod process;
pub mod redact;
pub mod registry;
pub mod secret;
pub mod shim;
pub mod upstream;
