//! The local HTTP endpoint of the built Host: MCP over HTTP against a real server, and everything
//! that must not get in.

#[path = "bridge/support.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the other suite, which needs more of it")]
mod support;

#[path = "http_endpoint/chain.rs"]
mod chain;
#[path = "http_endpoint/client.rs"]
mod client;
#[path = "http_endpoint/legacy.rs"]
mod legacy;
#[path = "http_endpoint/modern.rs"]
mod modern;
#[path = "http_endpoint/refusals.rs"]
mod refusals;
#[path = "http_endpoint/switch.rs"]
mod switch;
