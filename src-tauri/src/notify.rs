//! Shows what `notice` finds worth telling, where the person wants that, and does what a click on it means.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use drawbridge::api::types::ServerView;
use drawbridge::failure::Failure;
use drawbridge::host::account::{AccountState, Identity};
use drawbridge::host::tool_changes::LastChanges;
use drawbridge::host::{AccountRef, HostHandle};
use futures_util::FutureExt as _;
use tauri::{AppHandle, Manager as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::front::{Wish, Wishes};
use crate::notice::{self, Cause, ClientChanges, Notice, Notices, Step};
use crate::settings::SettingsFile;

mod post;

use post::Post;

/// News that may wait.
const QUEUE: usize = 16;
/// What is over sooner than this is not worth a notification.
const LASTING: Duration = Duration::from_secs(1);
/// How long an account may take to stand as signed in once its sign-in has ended.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
/// The name of what a click anywhere on a notification does.
const CLICK: &str = "default";
/// The name of what its button does.
const BUTTON: &str = "button";

/// What does not show in how the servers stand.
pub(crate) enum News {
    /// A sign-in has worked in a window: server and label.
    SignedIn(String, String),
    /// The main window is in front.
    WindowShown,
    /// No window can be shown.
    NoWindow(Failure),
    /// What a click was to do with a server was refused.
    Refused(String, Failure),
    /// What a click was to do beside the servers did not work.
    NotDone(Failure),
    /// Something has panicked.
    Defect,
    /// Somebody has changed entries of the client of this name.
    ClientChanged(&'static str, ClientChanges),
}

/// What the person did about a notification.
#[derive(Debug)]
enum Heard {
    /// Did what this name stands for.
    Chosen(u32, String),
    /// It has gone; perhaps because the person closed it.
    Closed { id: u32, by_person: bool },
}

/// What makes for notifications.
struct Heeded {
    told: mpsc::Receiver<News>,
    servers: watch::Receiver<Arc<Vec<ServerView>>>,
    tools: watch::Receiver<LastChanges>,
}

/// Takes news.
#[derive(Clone)]
pub(crate) struct Teller(mpsc::Sender<News>);

impl Teller {
    /// Starts the task that shows notifications; it ends with the app.
    pub(crate) fn spawn(app: &AppHandle, host: &HostHandle) -> Self {
        let (news, told) = mpsc::channel(QUEUE);
        let notifier = Notifier {
            app: app.clone(),
            host: host.clone(),
            post: None,
            notices: Notices::default(),
            shown: HashMap::new(),
        };
        tokio::spawn(notifier.run_on(told));
        Self(news)
    }

    /// Takes news; what finds no room is old soon.
    pub(crate) fn tell(&self, news: News) {
        if let Err(error) = self.0.try_send(news) {
            tracing::debug!(%error, "a notification was left out");
        }
    }
}

/// Decides, shows and listens.
struct Notifier {
    app: AppHandle,
    host: HostHandle,
    /// The way to the desktop, once it was needed.
    post: Option<Arc<Post>>,
    notices: Notices,
    /// What is shown, by the desktop's number for it.
    shown: HashMap<u32, Notice>,
}

impl Notifier {
    /// Begins anew after a defect, knowing what it knew.
    async fn run_on(mut self, told: mpsc::Receiver<News>) {
        let (hearing, mut heard) = mpsc::channel(QUEUE);
        let mut news = Heeded { told, servers: self.host.views(), tools: self.host.tool_changes() };
        news.servers.mark_changed();
        while AssertUnwindSafe(self.run(&mut news, &hearing, &mut heard)).catch_unwind().await.is_err() {}
    }

    async fn run(
        &mut self,
        Heeded { told, servers, tools }: &mut Heeded,
        hearing: &mpsc::Sender<Heard>,
        heard: &mut mpsc::Receiver<Heard>,
    ) {
        let mut due = None;
        loop {
            let at = due.unwrap_or_else(Instant::now);
            let steps = tokio::select! {
                news = told.recv() => match news {
                    Some(News::SignedIn(server, label)) => self.signed_in(server, label).await,
                    Some(News::WindowShown) => self.notices.window_is_shown(),
                    Some(News::NoWindow(failure)) => self.notices.of_no_window(&failure),
                    Some(News::Refused(server, failure)) => vec![Step::Show(notice::refused(server, &failure))],
                    Some(News::NotDone(failure)) => vec![Step::Show(notice::not_done(&failure))],
                    Some(News::Defect) => self.notices.of_defect(),
                    Some(News::ClientChanged(client, changes)) if self.are_wanted() => {
                        self.notices.of_client(client, &changes)
                    }
                    Some(News::ClientChanged(..)) => continue,
                    None => return,
                },
                Ok(()) = servers.changed() => {
                    due.get_or_insert_with(|| Instant::now() + LASTING);
                    continue;
                }
                () = sleep_until(at), if due.is_some() => {
                    due = None;
                    let views = servers.borrow_and_update().clone();
                    if self.are_wanted() { self.notices.of_servers(&views) } else { Vec::new() }
                }
                Ok(()) = tools.changed() => {
                    let changes = tools.borrow_and_update().clone();
                    if self.are_wanted() { self.notices.of_tools(&changes) } else { Vec::new() }
                }
                Some(heard) = heard.recv() => self.heard(heard),
            };
            for step in steps {
                match step {
                    Step::Show(notice) => self.show(notice, hearing).await,
                    Step::Withdraw(cause) => self.withdraw(&cause).await,
                }
            }
        }
    }

    fn are_wanted(&self) -> bool {
        self.app.state::<SettingsFile>().allows_notifications()
    }

    /// Its state may follow a moment after its end.
    async fn signed_in(&self, server: String, label: String) -> Vec<Step> {
        if !self.are_wanted() {
            return Vec::new();
        }
        let account = AccountRef { server: server.clone(), label: label.parse().ok() };
        let Ok(handle) = self.host.account(&account).await else { return Vec::new() };
        let mut state = handle.state();
        let Ok(Ok(state)) = timeout(SETTLE_LIMIT, state.wait_for(AccountState::is_signed_in)).await else {
            return Vec::new();
        };
        let AccountState::SignedIn { identity, .. } = &*state else { return Vec::new() };
        let who = identity.as_ref().map(Identity::shown);
        vec![Step::Show(notice::signed_in(&(server, label), who))]
    }

    fn heard(&mut self, heard: Heard) -> Vec<Step> {
        match heard {
            Heard::Chosen(id, what) => {
                let Some(notice) = self.shown.get(&id) else { return Vec::new() };
                let action = match &notice.button {
                    Some((_, action)) if what == BUTTON => action,
                    Some(_) | None => &notice.click,
                };
                self.app.state::<Wishes>().wish(Wish::Click(action.clone()));
                let cause = notice.cause.clone();
                self.notices.seen(&cause);
                // Some desktops leave one where it is after a click.
                return vec![Step::Withdraw(cause)];
            }
            Heard::Closed { id, by_person } => {
                let closed = self.shown.remove(&id);
                if let Some(notice) = closed.filter(|_| by_person) {
                    self.notices.seen(&notice.cause);
                }
            }
        }
        Vec::new()
    }

    /// Shows a notification in the place of one with the same cause.
    async fn show(&mut self, notice: Notice, hearing: &mpsc::Sender<Heard>) {
        let before = self.number_of(&notice.cause).unwrap_or_default();
        let (known, hearing, shown) = (self.post.clone(), hearing.clone(), notice.clone());
        let showing = tokio::task::spawn_blocking(move || {
            let post = match known {
                Some(post) => post,
                None => Arc::new(Post::open(hearing)?),
            };
            let id = post.show(&shown, before);
            Some((post, id))
        });
        if let Ok(Some((post, id))) = showing.await {
            self.post = Some(post);
            if let Some(id) = id {
                self.shown.insert(id, notice);
            }
        }
    }

    async fn withdraw(&mut self, cause: &Cause) {
        let (Some(id), Some(post)) = (self.number_of(cause), self.post.clone()) else { return };
        self.shown.remove(&id);
        tokio::task::spawn_blocking(move || post.withdraw(id)).await.ok();
    }

    fn number_of(&self, cause: &Cause) -> Option<u32> {
        self.shown.iter().find(|(_, notice)| notice.cause == *cause).map(|(id, _)| *id)
    }
}
