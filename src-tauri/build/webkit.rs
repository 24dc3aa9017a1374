//! Writes what stands for WebKitGTK in the program until it is loaded, see `src/webkit.rs`: an entry
//! of the same name for each of its functions, so that the program links without the library.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use object::{Object as _, ObjectSymbol as _, SymbolKind};

/// The libraries, as the linker calls them, and what the names of their functions begin with.
const LIBRARIES: [(&str, &str); 2] = [("webkit2gtk-4.1", "webkit_"), ("javascriptcoregtk-4.1", "jsc_")];
/// Of what version WebKit is. Asked when the app starts, by a check that no answer fails.
const VERSION: [&str; 3] =
    ["webkit_get_major_version", "webkit_get_minor_version", "webkit_get_micro_version"];

/// Writes `webkit_entries.rs` into the folder: `NAMES`, the functions; `SLOTS`, where each goes; and an entry for each
/// that goes there. Processors that are not known here get none, and the program is linked with WebKit as usual.
pub(crate) fn write_entries(processor: &str, folder: &Path) {
    let jump: fn(usize) -> String = match processor {
        "x86_64" => |slot| format!("jmp qword ptr [rip + {{slots}} + {slot}]"),
        "aarch64" => {
            |slot| format!("adrp x16, {{slots}} + {slot}\nldr x16, [x16, :lo12:{{slots}} + {slot}]\nbr x16")
        }
        _ => return write(folder, &[], ""),
    };
    let mut names: Vec<String> =
        LIBRARIES.iter().flat_map(|(library, prefix)| functions(library, prefix)).collect();
    names.sort_unstable();
    let mut entries = String::from(".pushsection .text.webkit_entries, \"ax\"\n");
    for (number, name) in names.iter().enumerate() {
        let jump = jump(number * 8);
        writeln!(
            entries,
            ".globl {name}\n.hidden {name}\n.type {name}, @function\n.p2align 4\n{name}:\n{jump}"
        )
        .expect("a string takes all");
    }
    entries.push_str(".popsection\n");
    write(folder, &names, &entries);
}

fn write(folder: &Path, names: &[String], entries: &str) {
    let listed: String = names.iter().map(|name| format!("c\"{name}\", ")).collect();
    let first = |name: &String| if VERSION.contains(&name.as_str()) { "no_version" } else { "not_loaded" };
    let slots: String =
        names.iter().map(|name| format!("AtomicPtr::new({} as *mut ()), ", first(name))).collect();
    let count = names.len();
    let text = format!(
        "static NAMES: [&CStr; {count}] = [{listed}];\n\
         static SLOTS: [AtomicPtr<()>; {count}] = [{slots}];\n\
         std::arch::global_asm!(r#\"{entries}\"#, slots = sym SLOTS);\n"
    );
    fs::write(folder.join("webkit_entries.rs"), text).expect("a file of the build");
}

/// The functions of a library that begin so.
fn functions(library: &str, prefix: &str) -> Vec<String> {
    let folder = pkg_config::get_variable(library, "libdir").expect("the library is installed");
    let file = Path::new(&folder).join(format!("lib{library}.so"));
    println!("cargo:rerun-if-changed={}", file.display());
    let bytes = fs::read(&file).expect("the library can be read");
    let library = object::File::parse(bytes.as_slice()).expect("a library");
    let functions = library
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    let names = functions.filter_map(|symbol| symbol.name().ok());
    let wanted = names.filter(|name| name.starts_with(prefix));
    wanted.map(str::to_owned).collect()
}
