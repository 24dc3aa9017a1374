//! Opening a page in the system's browser. The address is one argument of a program, never text for a shell, and
//! never anything but http or https.

use std::process::{Command, Stdio};

use url::Url;

/// Opens pages for people.
pub trait PageOpener: Send + Sync {
    /// Opens the page; returns once a browser was started, not once it shows anything.
    ///
    /// # Errors
    /// [`OpenError`]; the caller then shows the address instead.
    fn open(&self, url: &Url) -> Result<(), OpenError>;
}

/// Why no page opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none, or no display to show it on.
    #[error("no browser can be opened here")]
    NoBrowser,
    /// No window of ours can be shown.
    #[error("no window can be shown now")]
    NoWindow,
    /// Not a page.
    #[error("this is not a web page")]
    NotAPage,
}

/// The browser of the desktop, or the one `BROWSER` names.
#[derive(Debug, Clone)]
pub struct SystemBrowser {
    browser: Option<String>,
    has_display: bool,
}

impl SystemBrowser {
    /// As this process's environment says.
    pub fn from_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            browser: set("BROWSER"),
            has_display: cfg!(not(target_os = "linux"))
                || set("DISPLAY").or_else(|| set("WAYLAND_DISPLAY")).is_some(),
        }
    }

    /// The programs to try, in their order.
    fn commands(&self, url: &Url) -> Vec<Vec<String>> {
        let named = self.browser.as_deref().unwrap_or_default();
        let mut commands: Vec<_> = entries(named).filter_map(|entry| command(entry, url)).collect();
        if self.has_display {
            let system: &[&str] = if cfg!(target_os = "macos") {
                &["open"]
            } else if cfg!(windows) {
                &["rundll32", "url.dll,FileProtocolHandler"]
            } else {
                &["xdg-open"]
            };
            let words = system.iter().map(|&word| word.to_owned());
            commands.push(words.chain([url.as_str().to_owned()]).collect());
        }
        commands
    }
}

impl PageOpener for SystemBrowser {
    fn open(&self, url: &Url) -> Result<(), OpenError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OpenError::NotAPage);
        }
        let started = self.commands(url).iter().any(|command| start(command));
        if started { Ok(()) } else { Err(OpenError::NoBrowser) }
    }
}

/// `BROWSER` is a list, separated by colons; on Windows paths hold colons, so there it is one entry.
fn entries(list: &str) -> impl Iterator<Item = &str> {
    let separator = if cfg!(windows) { '\0' } else { ':' };
    list.split(separator).filter(|entry| !entry.trim().is_empty())
}

/// Words of an entry with the address in place of `%s`, or at the end.
fn command(entry: &str, url: &Url) -> Option<Vec<String>> {
    let has_place = entry.contains("%s");
    let mut words: Vec<_> = entry.split_whitespace().map(|word| word.replace("%s", url.as_str())).collect();
    if !has_place {
        words.push(url.as_str().to_owned());
    }
    // The program itself is never made of the address.
    (!entry.split_whitespace().next()?.contains("%s")).then_some(words)
}

fn start(words: &[String]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Out of our process group, so that a signal to us spares the browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    match command.spawn() {
        Ok(mut child) => {
            // Somebody must collect its exit.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(error) => {
            tracing::debug!(%program, %error, "browser did not start");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(browser: &str, has_display: bool, url: &str) -> Vec<Vec<String>> {
        SystemBrowser { browser: Some(browser.to_owned()), has_display }.commands(&Url::parse(url).unwrap())
    }

    #[cfg(unix)]
    #[test]
    fn the_address_is_one_argument_whatever_it_holds() {
        let url = "https://as.example/?a=$(id)&b=;rm%20-rf";
        assert_eq!(commands("firefox", false, url), [["firefox", url]]);
        assert_eq!(
            commands("ff --new %s -x:w3m", false, url),
            [vec!["ff", "--new", url, "-x"], vec!["w3m", url]]
        );
        assert_eq!(commands("chrome --app=%s", false, url), [["chrome".to_owned(), format!("--app={url}")]]);
        assert_eq!(commands("", true, url).len(), 1);
        assert!(commands(" :%s", false, url).is_empty());
    }

    #[test]
    fn only_pages_are_opened() {
        let browser = SystemBrowser { browser: Some("true".to_owned()), has_display: false };
        for url in ["file:///etc/passwd", "javascript:alert(1)", "drawbridge://add", "data:text/html,x"] {
            assert_eq!(browser.open(&Url::parse(url).unwrap()), Err(OpenError::NotAPage), "{url}");
        }
        assert_eq!(browser.open(&Url::parse("https://h/").unwrap()), Ok(()));
    }

    #[test]
    fn no_program_means_no_browser() {
        let browser = SystemBrowser { browser: Some("/nonexistent/browser".to_owned()), has_display: false };
        assert_eq!(browser.open(&Url::parse("https://h/").unwrap()), Err(OpenError::NoBrowser));
    }
}
