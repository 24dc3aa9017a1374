//! Gives every command of the app a permission of its own, so that even its own window may only do
//! what a capability names, and on Linux writes what the app needs to start without WebKit.

#[cfg(target_os = "linux")]
use std::env;
use std::fs;
use std::path::Path;

#[cfg(target_os = "linux")]
#[path = "build/webkit.rs"]
mod webkit;

const COMMANDS: &[&str] = include!("src/command_names.rs");

fn main() {
    println!("cargo:rerun-if-changed=src/command_names.rs");
    placeholder_pages(Path::new("../ui/dist"));
    #[cfg(target_os = "linux")]
    {
        glib_build_tools::compile_resources(&["theme"], "theme/plain.gresource.xml", "plain.gresource");
        let processor = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
        let folder = env::var("OUT_DIR").expect("cargo sets it");
        webkit::write_entries(&processor, Path::new(&folder));
    }
    let attributes =
        tauri_build::Attributes::new().app_manifest(tauri_build::AppManifest::new().commands(COMMANDS));
    tauri_build::try_build(attributes).expect("the app's configuration is right");
}

/// Checks of the Rust code alone need no pages, but a file in their place.
fn placeholder_pages(folder: &Path) {
    let page = folder.join("index.html");
    if page.exists() {
        return;
    }
    fs::create_dir_all(folder).expect("a folder for the pages");
    let text =
        "<!doctype html><title>Drawbridge</title><p>The pages of the app are not built: run `make app`.";
    fs::write(page, text).expect("a page");
}
