//! Which servers exist: a versioned JSON file that only the Host writes.
//!
//! The file holds no secret: of headers it knows the names, of client secrets that there is one.
//! Fields it does not know survive a rewrite; a file it cannot read is kept aside and reported; a
//! file of a newer Drawbridge is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

mod entry;
pub mod header;
mod name;
mod tool_rules;

pub use entry::{
    AccountEntry, CallbackHost, GrantChoice, IdpEntry, OAuthEntry, ServerEntry, SignInChoice, TransportChoice,
};
pub use name::{AccountLabel, ClientName, InvalidName, ServerId, ServerName, name_for};
pub use tool_rules::ToolRules;

/// The version of the file's layout.
const VERSION: u64 = 1;

/// Why the registry cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Written by a newer Drawbridge.
    #[error("{} was written by a newer version of Drawbridge", path.display())]
    NewerVersion {
        /// The file, untouched.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A file that could not be read as a registry, and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFile {
    /// The file under its new name.
    pub kept_as: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// All server entries, and the file they live in.
#[derive(Debug, Clone)]
pub struct Registry {
    path: PathBuf,
    document: Document,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Document {
    version: u64,
    #[serde(default)]
    servers: Vec<ServerEntry>,
    /// References to secrets that somebody approved, by origin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    approved: BTreeMap<String, BTreeSet<String>>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Registry {
    /// Reads the file; a missing one is an empty registry. A broken one is renamed, so that its
    /// content is not lost when the next change is written.
    ///
    /// # Errors
    /// [`Error::NewerVersion`], or [`Error::Io`] when the file is there and cannot be read.
    pub fn load(path: impl Into<PathBuf>) -> Result<(Self, Option<BrokenFile>), Error> {
        let path = path.into();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Self::empty(path), None)),
            Err(source) => return Err(Error::Io { path, source }),
        };
        if version_of(&text).is_some_and(|version| version > VERSION) {
            return Err(Error::NewerVersion { path });
        }
        match parse(&text) {
            Ok(document) => Ok((Self { path, document }, None)),
            Err(why) => {
                let kept_as = keep_aside(&path)?;
                Ok((Self::empty(path), Some(BrokenFile { kept_as, why })))
            }
        }
    }

    fn empty(path: PathBuf) -> Self {
        let document =
            Document { version: VERSION, servers: Vec::new(), approved: BTreeMap::new(), other: Map::new() };
        Self { path, document }
    }

    /// The entries in the order they were added.
    pub fn servers(&self) -> &[ServerEntry] {
        &self.document.servers
    }

    /// The entry of that name.
    pub fn by_name(&self, name: &str) -> Option<&ServerEntry> {
        self.servers().iter().find(|entry| entry.name.as_str() == name)
    }

    /// The entry with that id.
    pub fn by_id(&self, id: &ServerId) -> Option<&ServerEntry> {
        self.servers().iter().find(|entry| entry.id == *id)
    }

    /// The entry with that URL. URLs match after normalising scheme, host and default port.
    pub fn by_url(&self, url: &Url) -> Option<&ServerEntry> {
        self.servers().iter().find(|entry| entry.url == *url)
    }

    /// Adds an entry, or replaces the one with its id.
    pub fn put(&mut self, entry: ServerEntry) {
        match self.document.servers.iter_mut().find(|other| other.id == entry.id) {
            Some(place) => *place = entry,
            None => self.document.servers.push(entry),
        }
    }

    /// Takes an entry out.
    pub fn take(&mut self, id: &ServerId) -> Option<ServerEntry> {
        let index = self.servers().iter().position(|entry| entry.id == *id)?;
        Some(self.document.servers.remove(index))
    }

    /// Those of the references that nobody has approved for the origin of `url` yet.
    pub fn unapproved<'a>(&self, url: &Url, references: &'a [String]) -> Vec<&'a str> {
        let approved = self.document.approved.get(&origin(url));
        let is_new = |reference: &&str| approved.is_none_or(|approved| !approved.contains(*reference));
        references.iter().map(String::as_str).filter(is_new).collect()
    }

    /// Remembers that these references may be sent to the origin of `url`.
    pub fn approve(&mut self, url: &Url, references: &[String]) {
        if !references.is_empty() {
            self.document.approved.entry(origin(url)).or_default().extend(references.iter().cloned());
        }
    }

    /// Forgets what was approved for an origin that no entry has any more.
    pub fn forget_unused_approvals(&mut self) {
        let used: BTreeSet<String> = self.servers().iter().map(|entry| origin(&entry.url)).collect();
        self.document.approved.retain(|origin, _| used.contains(origin));
    }

    /// Writes the file: the old content or the new one survives a crash, never half of each.
    ///
    /// # Errors
    /// [`Error::Io`]; the old file is still there.
    pub fn save(&self) -> Result<(), Error> {
        // People keep their configuration in linked folders; the link stays.
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let failed = |source| Error::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_vec_pretty(&self.document).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        write_atomically(&path, &text).map_err(failed)
    }
}

/// Replaces a file by `content`, readable for its owner alone.
///
/// # Errors
/// What the file system says.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn version_of(text: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(text).ok()?.get("version")?.as_u64()
}

fn parse(text: &[u8]) -> Result<Document, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let mut names = BTreeSet::new();
    match document.servers.iter().find(|entry| !names.insert(entry.name.as_str())) {
        Some(twice) => Err(format!("two servers are named {}", twice.name)),
        None => Ok(document),
    }
}

fn keep_aside(path: &Path) -> Result<PathBuf, Error> {
    let aside = (1..).map(|number| path.with_extension(format!("broken-{number}.json")));
    let kept_as = aside.into_iter().find(|name| !name.exists()).unwrap_or_else(|| path.into());
    std::fs::rename(path, &kept_as).map_err(|source| Error::Io { path: path.into(), source })?;
    Ok(kept_as)
}

#[cfg(test)]
mod tests;
