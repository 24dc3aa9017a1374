//! JSON-RPC messages as they travel: the bytes that came, and just enough of
//! their envelope to route them. No I/O, no typed models of the protocol.
//!
//! A message is never parsed and printed again (design rule: same-era traffic is
//! forwarded byte for byte), so everything here borrows from the original line.
//! Follows the base protocol pages of the MCP specification, every revision.

pub mod era;
pub mod header;
pub mod json;
mod message;
pub mod method;
pub mod oversized;
pub mod tool_headers;
pub mod translate;

pub use message::{Error, Kind, Message, RequestId, error_response, result_response};

/// JSON-RPC: the line was not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON-RPC: JSON, but no request, notification or response.
pub const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC: the receiver does not offer this method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: the parameters do not fit the method.
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC: the receiver failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// The code of an error that the bridge raises in the server's stead.
pub const BRIDGE_ERROR: i64 = -32000;
/// MCP: headers and body of a request do not say the same (modern).
pub const HEADER_MISMATCH: i64 = -32020;
/// MCP: the request is of a version that is not spoken here (modern).
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
