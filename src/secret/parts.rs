//! Values longer than one keychain item may hold, split into numbered parts.
//!
//! An index item under the value's own name holds the value itself (`v<generation>:<value>`), the shape of its parts
//! (`p<generation>:<count>:<digest>`), or that there is none any more (`d<generation>:`). A new value goes under a new
//! generation and the index is written last, so a write that stops half way leaves the old value readable. The index
//! also names what may be left of former values (`v7+6.3,5.2:` has three parts of generation 6 and two of 5), until a
//! later write or deletion has cleared it away.

use sha2::{Digest, Sha256};

use super::{Bytes, Error, SecretStore};

/// Windows allows 2,560 bytes an item; this leaves room for the index text.
pub(super) const PART_BYTES: usize = 2_400;
/// More parts than this are not a secret of ours.
const MAX_PARTS: u32 = 256;

/// More former values than this are not remembered, so that an index stays short.
const MAX_LEFTOVERS: usize = 8;

struct Index {
    generation: u32,
    /// Parts of former values that may still be there.
    leftovers: Vec<Parts>,
    shape: Shape,
}

enum Shape {
    Inline(Bytes),
    Parts { count: u32, digest: String },
    Deleted,
}

/// The parts of one value.
#[derive(Clone, Copy)]
struct Parts {
    generation: u32,
    count: u32,
}

/// Reads the whole value.
pub(super) fn read(store: &mut dyn SecretStore, name: &str) -> Result<Option<Bytes>, Error> {
    let Some(raw) = store.read(name)? else { return Ok(None) };
    let index = Index::parse(&raw).ok_or_else(|| damaged(name, "its index does not parse"))?;
    match index.shape {
        Shape::Deleted => Ok(None),
        Shape::Inline(value) => Ok(Some(value)),
        Shape::Parts { count, digest } => {
            let mut value = Bytes::default();
            for number in 0..count {
                let part = store
                    .read(&part_name(name, index.generation, number))?
                    .ok_or_else(|| damaged(name, "a part is missing"))?;
                value.extend_from_slice(&part);
            }
            if self::digest(&value) == digest {
                Ok(Some(value))
            } else {
                Err(damaged(name, "its parts do not fit"))
            }
        }
    }
}

/// Writes the whole value: parts first, index last, old parts away.
pub(super) fn write(store: &mut dyn SecretStore, name: &str, value: &[u8]) -> Result<(), Error> {
    let old = store.read(name)?.and_then(|raw| Index::parse(&raw));
    let generation = old.as_ref().map_or(0, |old| old.generation.wrapping_add(1));
    let mut leftovers = old.as_ref().map_or_else(Vec::new, |old| old.leftovers.clone());
    leftovers.retain(|parts| parts.delete(store, name).is_err());
    let replaced = old.as_ref().and_then(Index::parts);
    leftovers.extend(replaced);
    if value.len() <= PART_BYTES {
        let mut raw = Bytes::new(head('v', generation, &leftovers).into_bytes());
        raw.extend_from_slice(value);
        store.write(name, &raw)?;
    } else {
        let mut count = 0;
        for part in value.chunks(PART_BYTES) {
            store.write(&part_name(name, generation, count), part)?;
            count += 1;
        }
        let index = format!("{}{count}:{}", head('p', generation, &leftovers), digest(value));
        store.write(name, index.as_bytes())?;
    }
    // The new value stands from here on. What is left of the old one is in the index, for next time.
    replaced.and_then(|parts| parts.delete(store, name).ok());
    Ok(())
}

/// Deletes the value first, so that none can be read half, then its parts, and last the index that names them.
pub(super) fn delete(store: &mut dyn SecretStore, name: &str) -> Result<(), Error> {
    if let Some(old) = store.read(name)?.and_then(|raw| Index::parse(&raw)) {
        let leftovers: Vec<_> = old.leftovers.iter().copied().chain(old.parts()).collect();
        if !leftovers.is_empty() {
            store.write(name, head('d', old.generation, &leftovers).as_bytes())?;
            leftovers.iter().try_for_each(|parts| parts.delete(store, name))?;
        }
    }
    store.delete(name)
}

impl Parts {
    fn delete(self, store: &mut dyn SecretStore, name: &str) -> Result<(), Error> {
        (0..self.count).try_for_each(|number| store.delete(&part_name(name, self.generation, number)))
    }

    /// `6.3`: three parts of generation 6.
    fn parse(text: &str) -> Option<Self> {
        let (generation, count) = text.split_once('.')?;
        Some(Self { generation: generation.parse().ok()?, count: parse_count(count)? })
    }
}

/// How an index begins.
fn head(kind: char, generation: u32, leftovers: &[Parts]) -> String {
    let newest = &leftovers[leftovers.len().saturating_sub(MAX_LEFTOVERS)..];
    let named: Vec<_> =
        newest.iter().map(|Parts { generation, count }| format!("{generation}.{count}")).collect();
    let mark = if named.is_empty() { "" } else { "+" };
    format!("{kind}{generation}{mark}{}:", named.join(","))
}

fn parse_count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| (1..=MAX_PARTS).contains(count))
}

fn part_name(name: &str, generation: u32, number: u32) -> String {
    format!("{name}#{generation}.{number}")
}

fn digest(value: &[u8]) -> String {
    Sha256::digest(value).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn damaged(name: &str, why: &'static str) -> Error {
    Error::Damaged { name: name.to_owned(), why }
}

impl Index {
    fn parse(raw: &[u8]) -> Option<Self> {
        let (kind, rest) = raw.split_first()?;
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let head = std::str::from_utf8(&rest[..colon]).ok()?;
        let (generation, leftovers) = match head.split_once('+') {
            Some((generation, named)) => {
                (generation, named.split(',').map(Parts::parse).collect::<Option<Vec<_>>>()?)
            }
            None => (head, Vec::new()),
        };
        let body = &rest[colon + 1..];
        let shape = match kind {
            b'v' => Shape::Inline(Bytes::new(body.to_vec())),
            b'p' => {
                let (count, digest) = std::str::from_utf8(body).ok()?.split_once(':')?;
                Shape::Parts { count: parse_count(count)?, digest: digest.to_owned() }
            }
            b'd' => Shape::Deleted,
            _ => return None,
        };
        Some(Self { generation: generation.parse().ok()?, leftovers, shape })
    }

    fn parts(&self) -> Option<Parts> {
        match self.shape {
            Shape::Parts { count, .. } => Some(Parts { generation: self.generation, count }),
            Shape::Inline(_) | Shape::Deleted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::memory::MemoryStore;

    fn long(seed: u8, len: usize) -> Vec<u8> {
        (0..len).map(|at| seed.wrapping_add((at % 251) as u8)).collect()
    }

    #[test]
    fn values_of_every_length_come_back() {
        for len in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 10_007] {
            let (mut store, control) = MemoryStore::new();
            write(&mut store, "n", &long(1, len)).unwrap();
            assert_eq!(read(&mut store, "n").unwrap().unwrap().to_vec(), long(1, len), "{len}");
            assert!(control.longest() <= 2_560, "{len}: {}", control.longest());
        }
    }

    #[test]
    fn a_write_that_stops_anywhere_leaves_the_old_or_the_new_value() {
        for (old_len, new_len) in [(10, 6_000), (6_000, 10), (6_000, 7_000), (7_000, 3_000)] {
            for writes in 0..5 {
                let (mut store, control) = MemoryStore::new();
                write(&mut store, "n", &long(1, old_len)).unwrap();
                control.fail_writes_after(writes);
                let outcome = write(&mut store, "n", &long(9, new_len));
                control.fail_writes(false);
                let expected = if outcome.is_ok() { long(9, new_len) } else { long(1, old_len) };
                assert_eq!(
                    read(&mut store, "n").unwrap().unwrap().to_vec(),
                    expected,
                    "{old_len} {new_len} {writes}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_left_behind() {
        let (mut store, control) = MemoryStore::new();
        write(&mut store, "n", &long(1, 9_000)).unwrap();
        assert_eq!(control.names().len(), 5);
        write(&mut store, "n", &long(2, 10)).unwrap();
        assert_eq!(control.names(), ["n"]);
        write(&mut store, "n", &long(3, 5_000)).unwrap();
        delete(&mut store, "n").unwrap();
        assert!(control.names().is_empty());
    }

    #[test]
    fn parts_that_could_not_be_deleted_go_with_the_next_write_or_deletion() {
        let (mut store, control) = MemoryStore::new();
        for seed in 1..20 {
            write(&mut store, "n", &long(seed, 5_000)).unwrap();
        }
        control.fail_deletes(true);
        write(&mut store, "n", &long(50, 10)).unwrap();
        write(&mut store, "n", &long(51, 3_000)).unwrap();
        write(&mut store, "n", &long(52, PART_BYTES)).unwrap();
        assert_eq!(read(&mut store, "n").unwrap().unwrap().to_vec(), long(52, PART_BYTES));
        assert_eq!(control.names().len(), 1 + 3 + 2);
        assert!(control.longest() <= 2_560);
        control.fail_deletes(false);
        write(&mut store, "n", &long(53, 4_000)).unwrap();
        assert_eq!(control.names(), ["n", "n#22.0", "n#22.1"]);

        control.fail_deletes(true);
        assert!(delete(&mut store, "n").is_err());
        assert!(read(&mut store, "n").unwrap().is_none());
        assert!(delete(&mut store, "n").is_err(), "they are still there");
        control.fail_deletes(false);
        delete(&mut store, "n").unwrap();
        assert!(control.names().is_empty());
    }

    #[test]
    fn a_lost_or_foreign_part_is_damage_not_a_value() {
        let (mut store, _control) = MemoryStore::new();
        write(&mut store, "n", &long(1, 5_000)).unwrap();
        store.write("n#0.1", b"other").unwrap();
        assert!(matches!(read(&mut store, "n"), Err(Error::Damaged { .. })));
        store.delete("n#0.1").unwrap();
        assert!(matches!(read(&mut store, "n"), Err(Error::Damaged { .. })));
        for raw in [&b""[..], b"v", b"x0:a", b"p0:0:aa", b"p0:9999:aa", b"p0:aa", b"v1+:a", b"v1+2:a"] {
            store.write("n", raw).unwrap();
            assert!(matches!(read(&mut store, "n"), Err(Error::Damaged { .. })), "{raw:?}");
        }
    }
}
