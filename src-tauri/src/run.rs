//! The one task that fulfils wishes and keeps tray and window up to date.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use drawbridge::api::types::ServerView;
use drawbridge::endpoint::Place;
use drawbridge::failure::{Code, Failure};
use drawbridge::host::account::{CodeSignIn, WindowSignIn};
use drawbridge::host::{AccountRef, Busy, HostHandle};
use drawbridge::paths::Paths;
use drawbridge::registry::AccountLabel;
use futures_util::FutureExt as _;
use tauri::{AppHandle, Manager as _};
use tokio::sync::mpsc;

use crate::about::ClientEntry;
use crate::app::HasTray;
use crate::approval::{ApprovalView, Approvals, Brought};
use crate::events::{ApprovalsChanged, StatusChanged};
use crate::front::Wish;
use crate::guarded::guarded;
use crate::menu::Action;
use crate::notify::{News, Teller};
use crate::tray::Tray;
use crate::view::View;
use crate::{automation, clipboard, sign_in, signing, window};

/// What the task works with.
pub(crate) struct Serving {
    /// The windows.
    pub(crate) app: AppHandle,
    /// The Host.
    pub(crate) host: HostHandle,
    /// The tray icon, once there is a place for one, and that it keeps the Host.
    pub(crate) tray: Option<(Tray, Busy)>,
    /// Where the Host is found.
    pub(crate) place: Place,
    /// The questions that wait.
    pub(crate) approvals: Arc<Approvals>,
    /// Those of them that the person was shown a window for.
    pub(crate) brought: Brought,
    /// Hears of what is worth a notification and does not show in the servers.
    pub(crate) teller: Teller,
}

impl Serving {
    /// Works until nobody can wish any more.
    pub(crate) async fn run(mut self, mut wished: mpsc::Receiver<Wish>) {
        let (mut servers, mut approvals) = (self.host.views(), self.approvals.views());
        let mut pause = self.host.paused().changes();
        tokio::spawn(tell_status(self.app.clone(), self.host.clone()));
        loop {
            tokio::select! {
                wish = wished.recv() => match wish {
                    Some(wish) => guarded(|| self.fulfil(wish)),
                    None => return,
                },
                Ok(()) = servers.changed() => guarded(|| self.draw(&servers.borrow_and_update().clone())),
                _ = pause.next() => guarded(|| self.draw(&servers.borrow_and_update().clone())),
                Ok(()) = approvals.changed() => {
                    let views = approvals.borrow_and_update().clone();
                    guarded(|| self.ask(views));
                }
            }
        }
    }

    fn fulfil(&mut self, wish: Wish) {
        match wish {
            Wish::Show(route) => self.show(&route),
            Wish::SignIn(sign_in) => self.show_sign_in(*sign_in),
            Wish::Code(sign_in) => self.show_code(*sign_in),
            Wish::Click(action) => self.click(action),
            Wish::SignedIn(server, label) => self.teller.tell(News::SignedIn(server, label)),
            Wish::Tray(tray) => self.take_tray(*tray),
        }
    }

    /// From now on people reach the app by its icon, so it stays.
    fn take_tray(&mut self, tray: Tray) {
        self.app.state::<HasTray>().set(true);
        self.tray = Some((tray, self.host.activity().other()));
        // An open window says that there is none.
        let (app, host) = (self.app.clone(), self.host.clone());
        tokio::spawn(async move { tell(&app, StatusChanged(host.status().await)) });
        self.draw(&self.host.servers());
    }

    fn draw(&mut self, servers: &[ServerView]) {
        if let Some((tray, _)) = &mut self.tray {
            tray.update(&self.app, servers, self.host.paused().is_on());
        }
    }

    fn show(&self, route: &str) {
        match window::show(&self.app, route) {
            Ok(()) => self.teller.tell(News::WindowShown),
            Err(failure) => self.tell_of_no_window(failure),
        }
    }

    /// Where no window can be shown, a browser shows the sign-in.
    fn show_sign_in(&self, sign_in: WindowSignIn) {
        let handle = sign_in.handle.clone();
        if let Err(failure) = sign_in::show(&self.app, sign_in) {
            self.tell_of_no_window(failure);
            tokio::spawn(async move {
                match handle.hand_over().await {
                    Some(page) if sign_in::open_in_browser(&page).is_ok() => {}
                    Some(_) | None => handle.decline().await,
                }
            });
        }
    }

    fn tell_of_no_window(&self, failure: Failure) {
        tracing::error!("no window: {}", failure.text());
        self.teller.tell(News::NoWindow(failure));
    }

    fn show_code(&self, sign_in: CodeSignIn) {
        let declining = sign_in.clone();
        if let Err(error) = sign_in::code::show(&self.app, sign_in) {
            tracing::error!(%error, "the window with the code cannot be shown");
            declining.decline();
        }
    }

    /// A question that is new is worth a window. One that is open stays as it is, since something may be half typed
    /// in it or shown only once; its page leads to the questions.
    fn ask(&mut self, views: Vec<ApprovalView>) {
        if self.brought.is_more(&views) && !window::draws_attention(&self.app) {
            self.show(&View::Approvals.route());
        }
        tell(&self.app, ApprovalsChanged(views));
    }

    fn click(&self, action: Action) {
        automation::break_at(&action.id());
        match action {
            Action::Open => self.show(&View::Servers.route()),
            Action::OpenServer(server) => self.show(&View::Server(server).route()),
            Action::Add => self.show(&View::NEW.route()),
            Action::Settings => self.show(&View::Settings.route()),
            Action::Pause => self.host.pause(),
            Action::Resume => self.host.resume(),
            Action::SignIn(server, label) => self
                .spawn(server, label, |host, account| async move { signing::sign_in(&host, &account).await }),
            Action::CancelSignIn(server, label) => self.spawn(server, label, |host, account| async move {
                host.account(&account).await?.cancel_sign_in().await;
                Ok(())
            }),
            Action::SignOut(server, label) => self.spawn(server, label, |host, account| async move {
                host.sign_out(&account).await?;
                Ok(())
            }),
            Action::CopyEntry(server) => {
                if let Err(failure) = copy_entry(&server) {
                    self.teller.tell(News::Refused(server, failure));
                }
            }
            Action::Logs => {
                if let Err(failure) = open_folder(&self.app.state::<Paths>().logs()) {
                    self.teller.tell(News::NotDone(failure));
                }
            }
            Action::Quit => self.quit(),
        }
    }

    /// Does something with an account beside this task. How it went shows in the account's state, save where it did not
    /// begin.
    fn spawn<F>(&self, server: String, label: String, action: impl FnOnce(HostHandle, AccountRef) -> F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let Ok(label) = label.parse::<AccountLabel>() else { return };
        let doing = action(self.host.clone(), AccountRef { server: server.clone(), label: Some(label) });
        let teller = self.teller.clone();
        tokio::spawn(async move {
            let Err(failure) = doing.await else { return };
            tracing::info!(%server, "{}", failure.text());
            // How a sign-in ends is its account's state; whoever closes its window knows.
            if failure.code != Code::SignInFailed {
                teller.tell(News::Refused(server, failure));
            }
        });
    }

    /// The windows go at once, the Host after its last words. Sessions that clients keep open are
    /// then served by a Host without a window.
    fn quit(&self) {
        if let Err(error) = self.place.set_app_was_quit(true) {
            tracing::warn!(%error, "a client may start the app again");
        }
        window::close(&self.app);
        sign_in::close_all(&self.app);
        self.host.ask_to_end();
    }
}

/// Tells the window how everything stands after every change, for as long as the Host is there. It works beside
/// the tray, because a keychain that is slow to answer makes this slow; what changes meanwhile is told at once.
async fn tell_status(app: AppHandle, host: HostHandle) {
    let mut changes = host.changes();
    while changes.next().await.is_some() {
        let telling = async { tell(&app, StatusChanged(host.status().await)) };
        // A panic is logged and shown like every other; what changes next is told again.
        AssertUnwindSafe(telling).catch_unwind().await.ok();
    }
}

fn copy_entry(server: &str) -> Result<(), Failure> {
    let copied = ClientEntry::of(server)
        .map_err(|error| error.to_string())
        .and_then(|entry| clipboard::copy(&entry.as_json(server)));
    copied.map_err(|why| {
        tracing::warn!(%why, "the client entry cannot be copied");
        Failure::new(Code::Internal, "The client entry could not be copied", "Copy it from the server's page")
    })
}

fn open_folder(folder: &Path) -> Result<(), Failure> {
    open::that_detached(folder).map_err(|error| {
        tracing::warn!(%error, "the folder of the logs cannot be opened");
        let next_step = format!("Look into {}", folder.display());
        Failure::new(Code::Internal, "No program could be started that shows the logs", next_step)
    })
}

fn tell(app: &AppHandle, event: impl tauri_specta::Event + serde::Serialize + Clone) {
    if let Err(error) = event.emit_to(app, window::MAIN) {
        tracing::warn!(%error, "the window was not told");
    }
}
