//! The store that forgets: for tests, and for people who want nothing at rest. It can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Bytes, Error, SecretStore};

/// The values, and what shall go wrong with them.
#[derive(Default)]
struct Inner {
    values: BTreeMap<String, Bytes>,
    locked: bool,
    fail_writes_after: Option<u32>,
    fail_deletes: bool,
    writes: u32,
}

/// The in-memory store.
pub(crate) struct MemoryStore(Arc<Mutex<Inner>>);

/// Looks into a memory store and makes it fail on request.
#[derive(Clone)]
pub struct MemoryControl(Arc<Mutex<Inner>>);

impl MemoryStore {
    pub(super) fn new() -> (Self, MemoryControl) {
        let inner = Arc::<Mutex<Inner>>::default();
        (Self(inner.clone()), MemoryControl(inner))
    }
}

impl MemoryControl {
    /// From now on every call fails as with a locked keychain.
    pub fn lock(&self, locked: bool) {
        guard(&self.0).locked = locked;
    }

    /// From now on every write fails.
    pub fn fail_writes(&self, fail: bool) {
        guard(&self.0).fail_writes_after = fail.then_some(0);
    }

    /// Lets this many writes succeed and fails the ones after.
    pub fn fail_writes_after(&self, successes: u32) {
        guard(&self.0).fail_writes_after = Some(successes);
    }

    /// From now on every deletion fails.
    pub fn fail_deletes(&self, fail: bool) {
        guard(&self.0).fail_deletes = fail;
    }

    /// How many writes were asked for, failed ones included.
    pub fn writes(&self) -> u32 {
        guard(&self.0).writes
    }

    /// The names of all items.
    pub fn names(&self) -> Vec<String> {
        guard(&self.0).values.keys().cloned().collect()
    }

    /// Whether any item holds this text.
    pub fn holds(&self, text: &str) -> bool {
        let found = |value: &Bytes| value.windows(text.len()).any(|window| window == text.as_bytes());
        guard(&self.0).values.values().any(found)
    }

    #[cfg(test)]
    pub(super) fn longest(&self) -> usize {
        guard(&self.0).values.values().map(|value| value.len()).max().unwrap_or(0)
    }
}

impl SecretStore for MemoryStore {
    fn read(&mut self, name: &str) -> Result<Option<Bytes>, Error> {
        Ok(open(&self.0)?.values.get(name).cloned())
    }

    fn write(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let mut inner = open(&self.0)?;
        inner.writes += 1;
        match &mut inner.fail_writes_after {
            Some(0) => return Err(Error::Failed { why: "told to fail".to_owned() }),
            Some(left) => *left -= 1,
            None => {}
        }
        inner.values.insert(name.to_owned(), Bytes::new(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let mut inner = open(&self.0)?;
        if inner.fail_deletes {
            return Err(Error::Failed { why: "told to fail".to_owned() });
        }
        inner.values.remove(name);
        Ok(())
    }

    fn probe(&mut self) -> Result<(), Error> {
        open(&self.0).map(drop)
    }
}

fn open(inner: &Mutex<Inner>) -> Result<MutexGuard<'_, Inner>, Error> {
    let inner = guard(inner);
    if inner.locked { Err(Error::Locked { why: "told to be locked".to_owned() }) } else { Ok(inner) }
}

/// A panic elsewhere leaves the map whole, so a poisoned lock is still good.
fn guard(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}
