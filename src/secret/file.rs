//! The encrypted file a person without a keychain may opt into.
//!
//! One file holds all items: `DBSECRETS1`, a nonce of 24 bytes, then XChaCha20-Poly1305 over a JSON object from name
//! to base64 value. The key comes from `DRAWBRIDGE_SECRETS_KEY=file:PATH` or from a systemd credential, 32 bytes as
//! they are, in hex or in base64. Without it the store is locked; nothing is ever written in the clear.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use secrecy::zeroize::Zeroizing;

use super::{Bytes, Error, SecretStore};

const MAGIC: &[u8] = b"DBSECRETS1";
const NONCE_BYTES: usize = 24;
const KEY_VARIABLE: &str = "DRAWBRIDGE_SECRETS_KEY";
const CREDENTIAL: &str = "drawbridge-secrets-key";
/// A key file is small; anything larger is another file.
const MAX_KEY_FILE: u64 = 16 * 1024;
const MAX_STORE_FILE: u64 = 64 * 1024 * 1024;

/// Where the key of the file store is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeySource {
    File(PathBuf),
    /// The variable is there but does not say `file:PATH`.
    Malformed,
    Missing,
}

/// All items in one encrypted file.
pub(crate) struct FileStore {
    path: PathBuf,
    key: KeySource,
}

type Items = BTreeMap<String, Bytes>;

impl KeySource {
    /// What the environment of this process says.
    pub(super) fn from_environment() -> Self {
        let var = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::from_vars(var)
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        if let Some(value) = var(KEY_VARIABLE) {
            return match value.strip_prefix("file:") {
                Some(path) if !path.is_empty() => Self::File(PathBuf::from(path)),
                _ => Self::Malformed,
            };
        }
        let credential = var("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(CREDENTIAL));
        credential.filter(|path| path.exists()).map_or(Self::Missing, Self::File)
    }

    fn read(&self) -> Result<Zeroizing<[u8; 32]>, Error> {
        match self {
            Self::File(path) => {
                let text = read_key_file(path).map_err(|why| locked(format!("{}: {why}", path.display())))?;
                parse_key(&text).ok_or_else(|| locked(format!("{} holds no key of 32 bytes", path.display())))
            }
            Self::Malformed => Err(locked(format!("{KEY_VARIABLE} must say file:PATH"))),
            Self::Missing => Err(locked(format!("set {KEY_VARIABLE}=file:PATH to the file with its key"))),
        }
    }
}

impl FileStore {
    pub(super) fn new(state_dir: &Path, key: KeySource) -> Self {
        Self { path: state_dir.join("secrets.enc"), key }
    }

    fn cipher(&self) -> Result<XChaCha20Poly1305, Error> {
        let key = self.key.read()?;
        Ok(XChaCha20Poly1305::new(&Key::from(*key)))
    }

    fn load(&self) -> Result<Items, Error> {
        let cipher = self.cipher()?;
        let mut sealed = Vec::new();
        match fs::File::open(&self.path) {
            Ok(file) => {
                file.take(MAX_STORE_FILE).read_to_end(&mut sealed).map_err(|error| self.failed(&error))?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Items::new()),
            Err(error) => return Err(self.failed(&error)),
        };
        let rest = sealed.strip_prefix(MAGIC).ok_or_else(|| self.damaged("it is not a file of ours"))?;
        let (nonce, text) =
            rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| self.damaged("it is cut short"))?;
        let opened = cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: MAGIC })
            .map_err(|_| locked("its key does not open it, or it was changed by another hand".to_owned()))?;
        decode(&Bytes::new(opened)).ok_or_else(|| self.damaged("its content does not parse"))
    }

    fn save(&self, items: &Items) -> Result<(), Error> {
        let mut nonce = [0u8; NONCE_BYTES];
        rand::rngs::OsRng
            .try_fill_bytes(&mut nonce)
            .map_err(|error| Error::Failed { why: error.to_string() })?;
        let plain = encode(items);
        let sealed = self
            .cipher()?
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: MAGIC })
            .map_err(|_| Error::Failed { why: "it could not be encrypted".to_owned() })?;
        self.replace(&[MAGIC, &nonce, &sealed].concat()).map_err(|error| self.failed(&error))
    }

    /// Atomic: the file is the old or the new one, also after a power cut.
    fn replace(&self, content: &[u8]) -> std::io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // tempfile creates with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        #[cfg(unix)]
        fs::File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::Failed { why: format!("{}: {error}", self.path.display()) }
    }

    fn damaged(&self, why: &'static str) -> Error {
        Error::Damaged { name: self.path.display().to_string(), why }
    }
}

impl SecretStore for FileStore {
    fn read(&mut self, name: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.load()?.remove(name))
    }

    fn write(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let mut items = self.load()?;
        items.insert(name.to_owned(), Bytes::new(value.to_vec()));
        self.save(&items)
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let mut items = self.load()?;
        if items.remove(name).is_some() { self.save(&items) } else { Ok(()) }
    }

    fn probe(&mut self) -> Result<(), Error> {
        self.load().map(drop)
    }
}

fn locked(why: String) -> Error {
    Error::Locked { why }
}

fn encode(items: &Items) -> Bytes {
    let mut out = Bytes::default();
    out.push(b'{');
    for (at, (name, value)) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        // Names hold no character that JSON escapes, see `ItemName`.
        let value = Zeroizing::new(STANDARD.encode(value));
        out.extend_from_slice(format!("\"{name}\":\"").as_bytes());
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
    out
}

fn decode(text: &[u8]) -> Option<Items> {
    let raw: BTreeMap<String, Zeroizing<String>> = serde_json::from_slice::<BTreeMap<String, String>>(text)
        .ok()?
        .into_iter()
        .map(|(name, value)| (name, Zeroizing::new(value)))
        .collect();
    raw.into_iter()
        .map(|(name, value)| Some((name, Bytes::new(STANDARD.decode(value.as_bytes()).ok()?))))
        .collect()
}

/// A regular file of this user or root, that others cannot write; opened without waiting, so that a pipe put in its
/// place cannot hold us up.
fn read_key_file(path: &Path) -> Result<Bytes, String> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path).map_err(|error| error.to_string())?;
    let facts = file.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("is not a regular file".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let me = rustix::process::geteuid().as_raw();
        if facts.uid() != me && facts.uid() != 0 {
            return Err("belongs to another user".to_owned());
        }
        if facts.mode() & 0o022 != 0 {
            return Err("can be written by other users".to_owned());
        }
    }
    let mut text = Bytes::default();
    file.take(MAX_KEY_FILE).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

fn parse_key(raw: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(key) = <[u8; 32]>::try_from(raw) {
        return Some(Zeroizing::new(key));
    }
    let text = std::str::from_utf8(raw).ok()?.trim();
    let bytes = match text.len() {
        64 => Bytes::new(unhex(text)?),
        _ => [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|engine| engine.decode(text).ok().map(Bytes::new))?,
    };
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Home {
        dir: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            let home = Self { dir: tempfile::tempdir().unwrap() };
            home.key(&[7; 32]);
            home
        }

        fn key(&self, raw: &[u8]) {
            fs::write(self.dir.path().join("key"), raw).unwrap();
        }

        fn store(&self) -> FileStore {
            FileStore::new(&self.dir.path().join("state"), KeySource::File(self.dir.path().join("key")))
        }

        fn sealed(&self) -> PathBuf {
            self.dir.path().join("state/secrets.enc")
        }
    }

    #[test]
    fn values_survive_and_the_file_shows_nothing() {
        let home = Home::new();
        home.store().write("a/b/c", b"rt-marked").unwrap();
        home.store().write("a/b/d", &[0, 255, 10]).unwrap();
        assert_eq!(home.store().read("a/b/c").unwrap().unwrap().to_vec(), b"rt-marked");
        assert_eq!(home.store().read("a/b/d").unwrap().unwrap().to_vec(), [0, 255, 10]);
        home.store().delete("a/b/d").unwrap();
        assert!(home.store().read("a/b/d").unwrap().is_none());
        let raw = fs::read(home.sealed()).unwrap();
        for mark in [&b"marked"[..], b"a/b/c"] {
            assert!(!raw.windows(mark.len()).any(|window| window == mark));
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_this_user_only() {
        use std::os::unix::fs::PermissionsExt;
        let home = Home::new();
        home.store().write("n", b"v").unwrap();
        assert_eq!(fs::metadata(home.sealed()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn without_its_key_the_store_is_locked_and_nothing_is_written() {
        let home = Home::new();
        for key in [KeySource::Missing, KeySource::Malformed, KeySource::File(home.dir.path().join("absent"))]
        {
            let mut store = FileStore::new(home.dir.path(), key);
            assert!(matches!(store.write("n", b"v"), Err(Error::Locked { .. })));
            assert!(matches!(store.probe(), Err(Error::Locked { .. })));
        }
        assert_eq!(fs::read_dir(home.dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_key_neither_opens_nor_overwrites() {
        let home = Home::new();
        home.store().write("n", b"v").unwrap();
        let before = fs::read(home.sealed()).unwrap();
        home.key(&[8; 32]);
        assert!(matches!(home.store().read("n"), Err(Error::Locked { .. })));
        assert!(matches!(home.store().write("n", b"w"), Err(Error::Locked { .. })));
        assert_eq!(fs::read(home.sealed()).unwrap(), before);
    }

    #[test]
    fn a_changed_file_is_refused() {
        let home = Home::new();
        home.store().write("n", b"v").unwrap();
        let whole = fs::read(home.sealed()).unwrap();
        for at in [0, MAGIC.len(), whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(home.sealed(), changed).unwrap();
            assert!(home.store().read("n").is_err(), "{at}");
        }
        fs::write(home.sealed(), &whole[..MAGIC.len() + 3]).unwrap();
        assert!(home.store().read("n").is_err());
    }

    #[test]
    fn keys_come_raw_in_hex_and_in_base64() {
        let key = [0xabu8; 32];
        let hex = "ab".repeat(32) + "\n";
        let base64 = STANDARD.encode(key);
        for raw in [&key[..], hex.as_bytes(), base64.as_bytes(), base64.trim_end_matches('=').as_bytes()] {
            assert_eq!(parse_key(raw).map(|key| *key), Some(key));
        }
        for raw in [&[1u8; 31][..], &[1; 33], b"", b"hello", "zz".repeat(32).as_bytes()] {
            assert!(parse_key(raw).is_none());
        }
    }

    #[test]
    fn the_key_is_named_by_variable_or_systemd_credential() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CREDENTIAL), [1; 32]).unwrap();
        let folder = dir.path().to_string_lossy().into_owned();
        let source = |key: Option<&str>, folder: Option<&str>| {
            let (key, folder) = (key.map(str::to_owned), folder.map(str::to_owned));
            KeySource::from_vars(|name| if name == KEY_VARIABLE { key.clone() } else { folder.clone() })
        };
        assert_eq!(source(None, None), KeySource::Missing);
        assert_eq!(source(None, Some("/nonexistent")), KeySource::Missing);
        assert_eq!(source(None, Some(&folder)), KeySource::File(dir.path().join(CREDENTIAL)));
        assert_eq!(source(Some("file:/k"), Some(&folder)), KeySource::File("/k".into()));
        assert_eq!(source(Some("the-key-itself"), None), KeySource::Malformed);
        assert_eq!(source(Some("file:"), None), KeySource::Malformed);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let home = Home::new();
        let path = home.dir.path().join("key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(home.store().probe(), Err(Error::Locked { .. })));
        let folder = FileStore::new(home.dir.path(), KeySource::File(home.dir.path().to_owned()));
        assert!(matches!(folder.key.read(), Err(Error::Locked { .. })));
    }
}
