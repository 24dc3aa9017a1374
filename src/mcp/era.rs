//! Protocol versions and eras, in the words of the specification's versioning page
//! (<https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning>).

use serde::{Deserialize, Serialize};

/// The versions of the legacy era, oldest first.
pub const LEGACY_VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The versions of the modern era, oldest first.
pub const MODERN_VERSIONS: [&str; 1] = ["2026-07-28"];
/// The newest legacy version.
pub const NEWEST_LEGACY: &str = LEGACY_VERSIONS[LEGACY_VERSIONS.len() - 1];
/// The newest modern version.
pub const NEWEST_MODERN: &str = MODERN_VERSIONS[MODERN_VERSIONS.len() - 1];

/// Whether version, identity and capabilities are agreed once or travel with every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "specta", derive(specta::Type))]
#[serde(rename_all = "snake_case")]
pub enum Era {
    /// `initialize` handshake and sessions, up to 2025-11-25.
    Legacy,
    /// Per-request metadata, from 2026-07-28.
    Modern,
}

/// Whether we speak this legacy version.
pub fn is_legacy_version(version: &str) -> bool {
    LEGACY_VERSIONS.contains(&version)
}

/// Whether we speak this modern version.
pub fn is_modern_version(version: &str) -> bool {
    MODERN_VERSIONS.contains(&version)
}
