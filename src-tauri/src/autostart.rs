//! Whether the app starts when the person logs in. On Linux this is a file of ours where desktops look for such (Desktop
//! Application Autostart Specification); on other systems a plugin knows their ways.

use tauri::{AppHandle, Builder, Wry};

/// How the desktop starts the app.
const ARGUMENT: &str = "--at-login";

/// The app with what this needs of it.
pub(crate) fn prepare(app: Builder<Wry>) -> Builder<Wry> {
    system::prepare(app)
}

/// Whether it starts.
pub(crate) fn is_on(app: &AppHandle) -> bool {
    system::is_on(app)
}

/// Has it start, or not.
///
/// # Errors
/// What the system says.
pub(crate) fn set(app: &AppHandle, on: bool) -> Result<(), String> {
    system::set(app, on).map_err(|error| error.to_string())
}

#[cfg(target_os = "linux")]
mod system {
    use std::path::{Path, PathBuf};
    use std::{env, fs, io};

    use drawbridge::registry::write_atomically;
    use gtk::glib;
    use tauri::{AppHandle, Builder, Manager as _, Wry};

    use super::ARGUMENT;

    /// How desktops switch such a file off and keep it.
    const OFF: [&str; 2] = ["Hidden=true", "X-GNOME-Autostart-enabled=false"];

    pub(super) fn prepare(app: Builder<Wry>) -> Builder<Wry> {
        app
    }

    pub(super) fn is_on(_app: &AppHandle) -> bool {
        fs::read_to_string(file()).is_ok_and(|entry| !entry.lines().any(|line| OFF.contains(&line.trim())))
    }

    pub(super) fn set(app: &AppHandle, on: bool) -> io::Result<()> {
        if on {
            let program =
                app.env().appimage.map_or_else(env::current_exe, |image| Ok(PathBuf::from(image)))?;
            return write(&file(), &program);
        }
        match fs::remove_file(file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write(file: &Path, program: &Path) -> io::Result<()> {
        // One that was replaced while it runs has no path any more.
        if !program.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        write_atomically(file, entry(program)?.as_bytes())
    }

    fn file() -> PathBuf {
        glib::user_config_dir().join("autostart/Drawbridge.desktop")
    }

    fn entry(program: &Path) -> io::Result<String> {
        let program = quoted(program.to_str().ok_or(io::ErrorKind::InvalidFilename)?);
        Ok(format!(
            "[Desktop Entry]\nType=Application\nName=Drawbridge\nExec={program} {ARGUMENT}\nTerminal=false\n\
             StartupNotify=false\n"
        ))
    }

    /// One word of a command: quoted, without field codes, and then as any text in such a file (Desktop Entry
    /// Specification, "The Exec key" and "Possible value types").
    fn quoted(word: &str) -> String {
        let mut quoted = String::from("\"");
        for letter in word.chars() {
            match letter {
                '"' | '`' | '$' | '\\' => quoted.extend(['\\', letter]),
                '%' => quoted.push_str("%%"),
                _ => quoted.push(letter),
            }
        }
        quoted.push('"');
        quoted.replace('\\', r"\\").replace('\n', r"\n")
    }

    #[cfg(test)]
    mod tests {
        use std::process::{Child, Command, Stdio};

        use super::*;

        /// A program that runs until its input ends, and its path as the system knows it.
        fn running(program: &Path) -> (Child, impl Fn() -> PathBuf) {
            let child = Command::new(program).stdin(Stdio::piped()).spawn().expect("it starts");
            let link = format!("/proc/{}/exe", child.id());
            (child, move || fs::read_link(&link).expect("it runs"))
        }

        #[test]
        fn a_program_that_was_replaced_while_it_runs_is_not_named() {
            let folder = tempfile::tempdir().expect("a folder");
            let (file, program) = (folder.path().join("autostart/app.desktop"), folder.path().join("app"));
            fs::copy("/bin/cat", &program).expect("a program");
            let (mut child, path) = running(&program);
            write(&file, &path()).expect("written");
            fs::remove_file(&file).expect("it was written");

            fs::copy("/bin/cat", folder.path().join("new")).expect("another program");
            fs::rename(folder.path().join("new"), &program).expect("replaced");

            let refused = write(&file, &path()).expect_err("refused");
            assert_eq!(refused.kind(), io::ErrorKind::NotFound);
            assert!(!file.exists());
            drop(child.stdin.take());
            child.wait().expect("it ends");
        }

        #[test]
        fn a_desktop_reads_the_program_as_it_is_named() {
            for name in
                ["/usr/bin/drawbridge-app", "/home/a b/c", r#"/opt/"q"/`$x`/\n\/100%u"#, "/a\nHidden=true"]
            {
                let (entry, file) = (entry(Path::new(name)).expect("a name"), glib::KeyFile::new());
                file.load_from_data(&entry, glib::KeyFileFlags::NONE).expect("an entry");
                let command = file.string("Desktop Entry", "Exec").expect("a command");
                let words = glib::shell_parse_argv(command.as_str()).expect("words");
                assert_eq!(words, [name.replace('%', "%%").as_str(), ARGUMENT]);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use tauri::{AppHandle, Builder, Wry};
    use tauri_plugin_autostart::{Error, ManagerExt as _};

    use super::ARGUMENT;

    pub(super) fn prepare(app: Builder<Wry>) -> Builder<Wry> {
        app.plugin(tauri_plugin_autostart::Builder::new().arg(ARGUMENT).build())
    }

    pub(super) fn is_on(app: &AppHandle) -> bool {
        app.autolaunch().is_enabled().unwrap_or(false)
    }

    pub(super) fn set(app: &AppHandle, on: bool) -> Result<(), Error> {
        let autolaunch = app.autolaunch();
        if on { autolaunch.enable() } else { autolaunch.disable() }
    }
}
