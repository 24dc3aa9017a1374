//! What a host does with skills (SEP-2640): reads a skill's files only when it is loaded, and uses
//! none that is not what the server's own entry says.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::bridge::Bridge;

/// Lists the skills.
pub(crate) async fn list(bridge: &mut Bridge) -> Result<Vec<Value>> {
    let result = bridge.ask("skills/list", json!({})).await?;
    Ok(result["skills"].as_array().context("no skills")?.clone())
}

/// Loads a skill, its own text first. Fails at the first file that is not what the entry says.
pub(crate) async fn load(bridge: &mut Bridge, skill: &Value) -> Result<()> {
    for resource in skill["resources"].as_array().context("no files")? {
        let uri = &resource["uri"];
        let read = bridge.ask("resources/read", json!({ "uri": uri })).await?;
        let text = content(&read["contents"][0])?;
        ensure!(resource["size"] == text.len(), "{uri} has another size");
        ensure!(resource["digest"] == digest(&text), "{uri} has another digest");
        if *uri == skill["uri"] {
            ensure!(front_matter(&text)? == skill["frontmatter"], "{uri} describes itself otherwise");
        }
    }
    Ok(())
}

fn content(content: &Value) -> Result<Vec<u8>> {
    if let Some(text) = content["text"].as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let blob = content["blob"].as_str().context("neither text nor blob")?;
    Ok(base64::engine::general_purpose::STANDARD.decode(blob)?)
}

fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The lines `name: value` between the first two rules; the suite's skills hold no other YAML.
fn front_matter(text: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(text)?;
    let (matter, _) =
        text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).context("no front matter")?;
    let pairs = matter.lines().map(|line| line.split_once(": ").context("a line is no pair"));
    pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), Value::from(value)))).collect::<Result<_>>()
}
