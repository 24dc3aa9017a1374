//! `drawbridge login`: the Host signs in, this process opens the page, because the browser and the
//! display are the person's own.

use std::io::BufRead as _;
use std::time::Duration;

use http::Method;
use tokio::sync::mpsc;
use url::Url;

use super::client::{Client, Events, NOTHING, account_path};
use super::output;
use super::target::NamedAccount;
use crate::api::types::{OpenBy, PastedRedirect, SecretText, SignInBody, SignInEvent};
use crate::failure::{Code, Failure};
use crate::oauth::browser::{PageOpener, SystemBrowser};

/// How long the Host may take to call a sign-in off.
const CANCEL_LIMIT: Duration = Duration::from_secs(3);

/// Who is warned agrees with this word.
const AGREED: &str = "yes";
const NO_ADDRESS: &str =
    "That is no address. Paste the whole one, beginning with http, that the browser ended at.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A server's name, or `name@account`; a new account label creates the account
    account: NamedAccount,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let mut client = Client::connect().await?;
    let (server, label) = client.account(&args.account).await?;
    let path = account_path(&server, &label);
    let mut events = None;
    let sign_in = async {
        let body = SignInBody { open_by: OpenBy::Caller };
        let started = client.follow(&format!("{path}/sign-in"), &body).await?;
        watch(events.insert(started), &args.account, &path).await
    };
    tokio::select! {
        // Listened for before anything is shown that a person could answer with it.
        biased;
        _ = tokio::signal::ctrl_c() => {}
        outcome = sign_in => if outcome? == Outcome::SignedIn { return Ok(()) },
    }
    // Waited for, so that a sign-in that is started next is another one.
    let _ = tokio::time::timeout(CANCEL_LIMIT, cancel(events, &path)).await;
    Err(cancelled(&args.account))
}

async fn cancel(events: Option<Events>, path: &str) -> Result<(), Failure> {
    Client::connect().await?.tell(Method::DELETE, &format!("{path}/sign-in"), NOTHING).await?;
    if let Some(mut events) = events {
        while events.next::<SignInEvent>().await?.is_some() {}
    }
    Ok(())
}

/// What a sign-in came to, where nothing failed.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    SignedIn,
    /// Somebody was warned and did not agree.
    CalledOff,
}

async fn watch(events: &mut Events, account: &NamedAccount, path: &str) -> Result<Outcome, Failure> {
    let mut lines = lines_of_stdin();
    let mut has_lines = true;
    let mut code_to_agree_to: Option<String> = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            line = lines.recv(), if has_lines => {
                has_lines = line.is_some();
                match (code_to_agree_to.take(), line) {
                    (Some(code), Some(line)) if line == AGREED => output::tell(&code),
                    (Some(_), Some(_) | None) => return Ok(Outcome::CalledOff),
                    (None, Some(line)) if line.contains("://") => hand_over(path, line).await,
                    (None, Some(_)) => output::tell(NO_ADDRESS),
                    (None, None) => {}
                }
                continue;
            }
        };
        match event {
            Some(SignInEvent::Url { url }) => open(&url),
            Some(SignInEvent::Code { user_code, url, complete_url, expires_in, warnings }) => {
                let code = code_text(&user_code, &url, complete_url.as_ref(), expires_in);
                if warnings.is_empty() {
                    output::tell(&code);
                    continue;
                }
                warnings.iter().for_each(|warning| output::tell(&format!("Warning: {warning}")));
                output::tell(&format!(
                    "Type {AGREED} to see the code all the same; anything else calls the sign-in off."
                ));
                if !has_lines {
                    return Ok(Outcome::CalledOff);
                }
                code_to_agree_to = Some(code);
            }
            Some(SignInEvent::Done) => {
                output::tell(&format!("Signed in to {account}."));
                return Ok(Outcome::SignedIn);
            }
            Some(SignInEvent::Failed { failure }) => return Err(failure),
            None => {
                return Err(Failure::new(
                    Code::HostGone,
                    "Drawbridge went away during the sign-in",
                    "Try again",
                ));
            }
        }
    }
}

fn open(url: &Url) {
    match SystemBrowser::from_environment().open(url) {
        Ok(()) => output::tell(&format!(
            "Opened a sign-in page in your browser. If none shows, open this:\n\n  {url}\n"
        )),
        Err(error) => {
            tracing::debug!(%error, "no page was opened");
            output::tell(&format!("Open this page in a browser to sign in:\n\n  {url}\n"));
            if let Some(line) = tunnel(url) {
                output::tell(&format!(
                    "If the browser is on another computer, run this there first:\n\n  {line}\n\n\
                     or sign in there and paste the address of the page that then fails to load here:"
                ));
            }
        }
    }
}

/// What to do with a code.
fn code_text(user_code: &str, url: &Url, complete_url: Option<&Url>, expires_in: u64) -> String {
    let complete = complete_url
        .map(|url| format!("Or open this, and check that it shows the same code:\n\n  {url}\n\n"))
        .unwrap_or_default();
    let minutes = (expires_in / 60).max(1);
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    format!(
        "Open this page in any browser:\n\n  {url}\n\nand enter the code\n\n  {user_code}\n\n{complete}It is good for \
         {minutes} {unit}."
    )
}

/// The command that lets a browser elsewhere reach the callback on this computer.
fn tunnel(url: &Url) -> Option<String> {
    let is_redirect = |name: &str| name == "redirect_uri";
    let redirect = url.query_pairs().find(|(name, _)| is_redirect(name)).map(|(_, value)| value)?;
    let port = Url::parse(&redirect).ok()?.port()?;
    let user = std::env::var("USER").unwrap_or_else(|_| "USER".into());
    Some(format!("ssh -N -L {port}:127.0.0.1:{port} {user}@THIS-COMPUTER"))
}

/// Gives the Host a redirect URL that a person pasted. What is wrong with it leaves the sign-in
/// as it was, so the person can paste another.
async fn hand_over(path: &str, line: String) {
    let body = PastedRedirect { url: SecretText::from(line) };
    let handed = async {
        let mut client = Client::connect().await?;
        client.tell(Method::POST, &format!("{path}/redirect"), Some(&body)).await
    };
    if let Err(failure) = handed.await {
        output::failure(&failure);
    }
}

/// What a person types or pastes. A plain thread reads it, as nothing else can be left waiting there when the
/// program ends.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for line in lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn cancelled(account: &NamedAccount) -> Failure {
    Failure::new(
        Code::SignInFailed,
        "the sign-in was cancelled",
        format!("Start it again with `drawbridge login {account}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_told_with_the_places_to_enter_it() {
        let url = |text: &str| Url::parse(text).expect("url");
        let (page, complete) =
            (url("https://as.example/device"), url("https://as.example/device?user_code=AB-CD"));
        insta::assert_snapshot!(code_text("AB-CD", &page, Some(&complete), 900), @r"
        Open this page in any browser:

          https://as.example/device

        and enter the code

          AB-CD

        Or open this, and check that it shows the same code:

          https://as.example/device?user_code=AB-CD

        It is good for 15 minutes.
        ");
        assert!(code_text("AB-CD", &page, None, 59).ends_with("\n\n  AB-CD\n\nIt is good for 1 minute."));
    }

    #[test]
    fn the_tunnel_leads_to_the_callback() {
        let url = Url::parse(
            "https://as.example/authorize?state=x&redirect_uri=http%3A%2F%2F127.0.0.1%3A41234%2Fcallback",
        )
        .expect("url");
        assert!(tunnel(&url).expect("a line").starts_with("ssh -N -L 41234:127.0.0.1:41234 "));
        assert_eq!(tunnel(&Url::parse("https://as.example/device").expect("url")), None);
    }
}
