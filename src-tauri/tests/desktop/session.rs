//! A desktop session of a test's own: display, session bus, keyring and home. It ends with the test.

use std::ffi::OsString;
use std::io::Write as _;
use std::iter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use url::Url;
use zbus::fdo::DBusProxy;

use crate::app::log;
use crate::{LIMIT, until};

/// A bus that starts no service by itself, so that nothing of this computer takes part.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=PATH</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A program that writes what it should show into a file beside it, which nobody sees half written.
const SHOWS: &str = "#!/bin/sh\nprintf %s \"$1\" >\"$0.part\" && mv \"$0.part\" \"$0.shown\"\n";
/// The one that opens a person's folders and files.
const OPENER: &str = "bin/xdg-open";

/// A running desktop session.
pub(crate) struct Session {
    folder: TempDir,
    display: String,
    bus: zbus::Connection,
    /// Killed when they are dropped.
    _services: Vec<Child>,
}

impl Session {
    /// Starts one; nothing runs in it yet.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "run", "home", "data", "config", "cache", "state"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for program in ["browser", OPENER].map(|name| folder.path().join(name)) {
            std::fs::write(&program, SHOWS).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let (bus_daemon, bus) = start_bus(folder.path()).await;
        let (screen, display) = start_display().await;
        let mut session = Self { folder, display, bus, _services: vec![bus_daemon, screen] };
        let keyring = session.start_keyring().await;
        session._services.push(keyring);
        session
    }

    /// A program that runs in it, with nothing of this test's own environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", self.folder("home"))
            .env("XDG_RUNTIME_DIR", self.folder("run"))
            .env("XDG_DATA_HOME", self.folder("data"))
            .env("XDG_CONFIG_HOME", self.folder("config"))
            .env("XDG_CACHE_HOME", self.folder("cache"))
            .env("XDG_STATE_HOME", self.folder("state"))
            .env("DBUS_SESSION_BUS_ADDRESS", bus_address(self.folder.path()))
            .env("DISPLAY", &self.display)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("BROWSER", self.folder("browser"))
            .env("DRAWBRIDGE_IDLE_EXIT", "20s")
            .env("DRAWBRIDGE_HOME", self.drawbridge_home())
            .env("DRAWBRIDGE_LOG", "drawbridge=debug,warn")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Where Drawbridge keeps everything.
    pub(crate) fn drawbridge_home(&self) -> PathBuf {
        self.folder("drawbridge")
    }

    /// The session bus.
    pub(crate) fn bus(&self) -> &zbus::Connection {
        &self.bus
    }

    /// The name of the display.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// What the browser shows, if it was started.
    pub(crate) fn page_in_browser(&self) -> Option<Url> {
        let page = std::fs::read_to_string(self.folder("browser.shown")).ok()?;
        Some(Url::parse(&page).expect("a browser gets an address"))
    }

    /// The folder that was opened for the person, if one was.
    pub(crate) fn opened_folder(&self) -> Option<PathBuf> {
        let opened = self.folder(OPENER).with_extension("shown");
        std::fs::read_to_string(opened).ok().map(PathBuf::from)
    }

    /// A folder or file of it.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// This computer's programs, but for those that the session has itself.
    fn path(&self) -> OsString {
        let others = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(iter::once(self.folder("bin")).chain(std::env::split_paths(&others))).unwrap()
    }

    async fn start_keyring(&self) -> Child {
        let mut keyring = self
            .command(Path::new("gnome-keyring-daemon"))
            .args(["--foreground", "--unlock", "--components=secrets"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("gnome-keyring-daemon starts (scripts/setup test installs it)");
        let mut password = keyring.stdin.take().unwrap();
        password.write_all(b"throw-away").await.unwrap();
        drop(password);
        let bus = DBusProxy::new(&self.bus).await.unwrap();
        until("the keyring", async || {
            let name = "org.freedesktop.secrets".try_into().unwrap();
            bus.name_has_owner(name).await.unwrap().then_some(())
        })
        .await;
        keyring
    }
}

/// A test that fails tells what the app has logged.
impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", log(self));
        }
    }
}

fn bus_address(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}

async fn start_bus(folder: &Path) -> (Child, zbus::Connection) {
    let config = folder.join("bus.conf");
    let mut file = std::fs::File::create(&config).unwrap();
    file.write_all(BUS.replace("PATH", &folder.join("bus").display().to_string()).as_bytes()).unwrap();
    let mut daemon = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--print-address=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("dbus-daemon starts (scripts/setup test installs it)");
    first_line(daemon.stdout.take().unwrap()).await;
    let address = bus_address(folder);
    let bus = zbus::connection::Builder::address(address.as_str()).unwrap().build().await.unwrap();
    (daemon, bus)
}

async fn start_display() -> (Child, String) {
    let mut screen = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset", "-r"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("Xvfb starts (scripts/setup test installs it)");
    let number = first_line(screen.stdout.take().unwrap()).await;
    (screen, format!(":{}", number.trim()))
}

/// What a service says once it is ready.
pub(crate) async fn first_line(output: ChildStdout) -> String {
    let mut line = String::new();
    timeout(LIMIT, BufReader::new(output).read_line(&mut line)).await.expect("it starts").unwrap();
    line
}
