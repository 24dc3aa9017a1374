//! Gives every command of the app a permission of its own, so that even its own window may only do
//! what a capability names.

use std::fs;
use std::path::Path;

const COMMANDS: &[&str] = include!("src/command_names.rs");

fn main() {
    println!("cargo:rerun-if-changed=src/command_names.rs");
    placeholder_pages(Path::new("../ui/dist"));
    #[cfg(target_os = "linux")]
    {
        glib_build_tools::compile_resources(&["theme"], "theme/plain.gresource.xml", "plain.gresource");
        // The loader asks library after library for each of the symbols that WebKit's own libraries look up. These
        // have most of them, so they are asked first; that is a tenth of the time that loading takes.
        for library in ["webkit2gtk-4.1", "javascriptcoregtk-4.1"] {
            println!("cargo:rustc-link-lib=dylib={library}");
        }
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
