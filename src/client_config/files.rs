//! Where the MCP clients that we know keep their config.

use std::path::{Path, PathBuf};

/// An MCP client whose config file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its name, for people.
    pub name: &'static str,
    /// Its config file, which need not exist.
    pub path: PathBuf,
    pub(super) shape: Shape,
}

/// How a config file holds its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// JSON, perhaps with comments; the entries are an object under this name.
    Json(&'static str),
    /// TOML; the entries are tables under this name.
    Toml(&'static str),
}

const MCP_SERVERS: Shape = Shape::Json("mcpServers");

/// The known clients of the person who runs this program; none where no home folder is known.
pub fn of_user() -> Vec<Client> {
    directories::BaseDirs::new()
        .map_or_else(Vec::new, |folders| known(folders.home_dir(), folders.config_dir()))
}

fn known(home: &Path, config: &Path) -> Vec<Client> {
    let client = |name, path, shape| Client { name, path, shape };
    vec![
        client("Claude Desktop", config.join("Claude/claude_desktop_config.json"), MCP_SERVERS),
        client("Claude Code", home.join(".claude.json"), MCP_SERVERS),
        client("Cursor", home.join(".cursor/mcp.json"), MCP_SERVERS),
        client("VS Code", config.join("Code/User/mcp.json"), Shape::Json("servers")),
        client("Windsurf", home.join(".codeium/windsurf/mcp_config.json"), MCP_SERVERS),
        client("Gemini CLI", home.join(".gemini/settings.json"), MCP_SERVERS),
        client("Codex", home.join(".codex/config.toml"), Shape::Toml("mcp_servers")),
        client("Zed", zed(home, config), Shape::Json("context_servers")),
    ]
}

/// It keeps to the way of Linux on macOS too.
fn zed(home: &Path, config: &Path) -> PathBuf {
    if cfg!(windows) { config.join("Zed/settings.json") } else { home.join(".config/zed/settings.json") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_file_of_its_own() {
        let known = known(Path::new("/h"), Path::new("/h/c"));
        let paths: std::collections::BTreeSet<_> = known.iter().map(|client| &client.path).collect();
        assert_eq!(paths.len(), known.len());
        assert_eq!(known[0].path, Path::new("/h/c/Claude/claude_desktop_config.json"));
    }
}
