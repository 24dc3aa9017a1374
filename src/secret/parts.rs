//! Values longer than one keychain item may hold, split into numbered parts.
//!
//! An index item under the value's own name holds either the value itself (`v<generation>:<value>`) or the shape of
//! its parts (`p<generation>:<count>:<digest>`). A new value goes under a new generation and the index is written
//! last, so a write that stops half way leaves the old value readable.

use sha2::{Digest, Sha256};

use super::{Bytes, Error, SecretStore};

/// Windows allows 2,560 bytes an item; this leaves room for the index text.
pub(super) const PART_BYTES: usize = 2_400;
/// More parts than this are not a secret of ours.
const MAX_PARTS: u32 = 256;

struct Index {
    generation: u32,
    shape: Shape,
}

enum Shape {
    Inline(Bytes),
    Parts { count: u32, digest: String },
}

/// Reads the whole value.
pub(super) fn read(store: &mut dyn SecretStore, name: &str) -> Result<Option<Bytes>, Error> {
    let Some(raw) = store.read(name)? else { return Ok(None) };
    let index = Index::parse(&raw).ok_or_else(|| damaged(name, "its index does not parse"))?;
    match index.shape {
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
    if value.len() <= PART_BYTES {
        let mut raw = Bytes::new(format!("v{generation}:").into_bytes());
        raw.extend_from_slice(value);
        store.write(name, &raw)?;
    } else {
        let mut count = 0;
        for part in value.chunks(PART_BYTES) {
            store.write(&part_name(name, generation, count), part)?;
            count += 1;
        }
        store.write(name, format!("p{generation}:{count}:{}", digest(value)).as_bytes())?;
    }
    // The new value stands from here on; what is left of the old one is only litter.
    if let Some(old) = old {
        delete_parts(store, name, &old).ok();
    }
    Ok(())
}

/// Deletes the index first, so that no half value can be read, then the parts.
pub(super) fn delete(store: &mut dyn SecretStore, name: &str) -> Result<(), Error> {
    let old = store.read(name)?.and_then(|raw| Index::parse(&raw));
    store.delete(name)?;
    old.map_or(Ok(()), |old| delete_parts(store, name, &old))
}

fn delete_parts(store: &mut dyn SecretStore, name: &str, index: &Index) -> Result<(), Error> {
    let Shape::Parts { count, .. } = index.shape else { return Ok(()) };
    (0..count).try_for_each(|number| store.delete(&part_name(name, index.generation, number)))
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
        let generation = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let body = &rest[colon + 1..];
        let shape = match kind {
            b'v' => Shape::Inline(Bytes::new(body.to_vec())),
            b'p' => {
                let (count, digest) = std::str::from_utf8(body).ok()?.split_once(':')?;
                let count = count.parse().ok().filter(|count| (1..=MAX_PARTS).contains(count))?;
                Shape::Parts { count, digest: digest.to_owned() }
            }
            _ => return None,
        };
        Some(Self { generation, shape })
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
    fn a_lost_or_foreign_part_is_damage_not_a_value() {
        let (mut store, _control) = MemoryStore::new();
        write(&mut store, "n", &long(1, 5_000)).unwrap();
        store.write("n#0.1", b"other").unwrap();
        assert!(matches!(read(&mut store, "n"), Err(Error::Damaged { .. })));
        store.delete("n#0.1").unwrap();
        assert!(matches!(read(&mut store, "n"), Err(Error::Damaged { .. })));
        for raw in [&b""[..], b"v", b"x0:a", b"p0:0:aa", b"p0:9999:aa", b"p0:aa"] {
            store.write("n", raw).unwrap();
            assert!(matches!(read(&mut store, "n"), Err(Error::Damaged { .. })), "{raw:?}");
        }
    }
}
