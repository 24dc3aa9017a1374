//! What one era says, in the words of another. Pure: messages in, messages out; no I/O, no clock.
//!
//! *Legacy* peers (2024-11-05 to 2025-11-25) agree on version, identity and capabilities once, in
//! `initialize`, and servers ask clients by requests of their own. *Modern* ones (2026-07-28) say
//! all that with every request, and servers ask in results. Messages are edited in their own text:
//! what both eras can say keeps its bytes, unknown members included.
//!
//! Follows <https://modelcontextprotocol.io/specification/2026-07-28/changelog> and the pages it
//! names.

pub mod answer;
mod edit;
pub mod handshake;
pub mod input;
pub mod meta;
pub mod request;
pub mod subscription;
pub mod versions;

#[cfg(test)]
mod properties;
