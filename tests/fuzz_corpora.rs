//! What was ever fed to a parser goes through it again: the corpora of `fuzz/`, on the stable toolchain.

use std::fs;
use std::path::Path;

#[expect(unreachable_pub, reason = "to the fuzz targets it is a library")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

#[expect(clippy::print_stdout, reason = "it shows only where an input fails")]
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        let path = entry.expect("an entry").path();
        // Named first, so that a failure says which one it was.
        println!("{}", path.display());
        target(&fs::read(path).expect("readable"));
        inputs += 1;
    }
    assert!(inputs > 5, "the corpus of {name} is gone");
}

#[test]
fn the_corpus_of_challenges_is_read() {
    replay("challenge", targets::challenge);
}

#[test]
fn the_corpus_of_resource_metadata_is_read() {
    replay("resource_metadata", targets::resource_metadata);
}

#[test]
fn the_corpus_of_server_metadata_is_read() {
    replay("server_metadata", targets::server_metadata);
}

#[test]
fn the_corpus_of_callbacks_is_read() {
    replay("callback", targets::callback);
}

#[test]
fn the_corpus_of_event_streams_is_read() {
    replay("sse", targets::sse);
}

#[test]
fn the_corpus_of_messages_is_read() {
    replay("envelope", targets::envelope);
}
