//! Answers in the server's stead, and what follows once the server is there after all.

use bytes::Bytes;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::host::account::{AccountState, SignedOut};
use crate::host::failures;
use crate::mcp::era::Era;
use crate::mcp::translate::request;
use crate::mcp::{self, Message, RequestId};

use super::from_client::LISTEN;
use super::from_upstream::list_changed;
use super::held_lists::{HeldList, HeldLists};
use super::link::{Link, LinkState};
use super::patience::Due;
use super::request::Request;
use super::{Session, sign_in_tool, stand_in};

impl Session {
    /// When the next answer is due, whatever the server does.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let initialize = self.initialize_due().map(|due| due.at);
        let list = self.due.iter().map(|(due, _)| due.at).min();
        let crossing = self.held.deadline().into_iter().chain(self.context.calls.deadline());
        initialize.into_iter().chain(list).chain(crossing).min()
    }

    /// Time is up for `initialize`, a list or the like. The server's own answer may still come; a client
    /// that was given another one is then told.
    pub(super) async fn on_deadline(&mut self) {
        let now = Instant::now();
        self.give_up_on_late(now);
        if let Some(due) = self.initialize_due().filter(|due| due.at <= now) {
            self.note_silence(due);
            self.stand_in_for_initialize(None).await;
        }
        let over: Vec<_> = self.due.extract_if(.., |(due, _)| due.at <= now).collect();
        for (due, id) in over {
            let Some(method) = self.pending.get(&id).map(|pending| pending.method.clone()) else { continue };
            if let Some(later) = self.extended(due, &method).filter(|later| later.at > now) {
                self.due.push((later, id));
                continue;
            }
            self.note_silence(due);
            let answer = match &*method {
                "server/discover" => self.stand_in_for_discover(&id, None),
                LISTEN => {
                    if let Some(acknowledged) = self.listens.acknowledge(&id) {
                        self.reply(acknowledged).await;
                    }
                    continue;
                }
                _ => self.stand_in_list(&id, &method, self.sign_in_would_help()),
            };
            self.pending.remove(&id);
            self.give_resume_state().await;
            self.reply(answer).await;
        }
    }

    /// When `initialize` is due, while it waits.
    fn initialize_due(&self) -> Option<Due> {
        let start = self.start.filter(|_| self.initialize.is_some())?;
        self.due_from("initialize", start.at())
    }

    /// A server that has begun to speak meanwhile may take the time that there is.
    fn extended(&self, due: Due, method: &str) -> Option<Due> {
        let at_leisure = || self.due_now(method).filter(|later| due.is_early && !later.is_early);
        at_leisure().or_else(|| self.extended_for_sign_in(method).map(|at| Due { at, is_early: false }))
    }

    /// What was answered from memory early was for want of a word: the server is not waited for so long next time.
    fn note_silence(&self, due: Due) {
        if due.is_early {
            self.context.note_first_word(None);
        }
    }

    /// Where nothing is known yet and somebody is just signing in, the first lists wait for it.
    fn extended_for_sign_in(&self, method: &str) -> Option<Instant> {
        mcp::method::list_member(method)?;
        let is_signing_in = self.context.account()?.state().borrow().is_signing_in();
        let known = self.context.snapshot.read(|snapshot| snapshot.knows(method));
        let start = self.start?.at();
        (is_signing_in && !known).then(|| start + self.context.limits.list_during_sign_in)
    }

    fn sign_in_would_help(&self) -> bool {
        let waits = |link: &Link| {
            matches!(&*link.state().borrow(), LinkState::SignedOut | LinkState::StepUpNeeded(_))
        };
        self.link.as_ref().is_some_and(waits) && self.context.account().is_some()
    }

    /// A list from memory. A client that already has the first pages from the server gets an empty last one, not their
    /// tools a second time; it is told once the list is known whole.
    pub(super) fn stand_in_list(&mut self, id: &RequestId, method: &str, sign_in: bool) -> Bytes {
        let server = self.context.server().to_owned();
        if self.pending.get(id).is_some_and(|pending| pending.is_further_page)
            && let Some(empty) = stand_in::empty(id, method, self.era)
        {
            self.told.lists.insert(method.to_owned(), HeldList::Other);
            return empty;
        }
        let sign_in = sign_in.then_some(server.as_str());
        let known = self.context.known_list(method, self.server_era());
        let result = stand_in::list(method, known.text(), sign_in, self.era);
        let has_our_tool = sign_in.is_some() && method == "tools/list";
        let given = if has_our_tool { HeldList::WithOurTool } else { HeldList::of(known.text()) };
        self.told.lists.insert(method.to_owned(), given);
        match result {
            Some(result) => mcp::result_response(id, &result),
            None => failures::signed_out(&server).response(id),
        }
    }

    /// The tool result that tells the model of a failure.
    pub(super) fn tool_failure(&self, id: &RequestId, failure: &Failure) -> Bytes {
        failure.tool_result(id, self.era == Era::Modern)
    }

    pub(super) async fn on_link(&mut self) {
        let Some(link) = &self.link else { return };
        let state = link.state().borrow().clone();
        match state {
            LinkState::Opening => {}
            LinkState::Ready(ready) => {
                if ready.response.is_some() {
                    self.on_first_word();
                }
                self.handed_over = None;
                self.give_resume_state().await;
                self.on_new_session(&ready);
                if ready.interruptions > std::mem::replace(&mut self.interruptions, ready.interruptions) {
                    self.compare_given_lists();
                }
                match &ready.response {
                    Some(response) if self.initialize.is_some() => {
                        self.answer_initialize(response.line().clone()).await
                    }
                    _ if ready.settled => self.prefetch(),
                    _ => {}
                }
            }
            LinkState::Rejected(answer) => {
                self.on_first_word();
                if self.initialize.is_some() {
                    self.answer_initialize(answer.line().clone()).await;
                }
            }
            LinkState::SignedOut => {
                let why = failures::signed_out(self.context.server());
                self.stand_in_for_initialize(Some(why)).await;
                self.tell_of_own_tool().await;
                self.offer_sign_in();
            }
            // The first list or call asks for more permission.
            LinkState::StepUpNeeded(_) => {
                let why = self.context.more_permission();
                self.stand_in_for_initialize(Some(why)).await;
                self.tell_of_own_tool().await;
            }
            LinkState::Down { failure, .. } => self.stand_in_for_initialize(Some(failure)).await,
        }
    }

    /// A client that was given its tools before the server wanted a sign-in has not got our own: it hears that there
    /// are others now.
    async fn tell_of_own_tool(&mut self) {
        if !self.sign_in_would_help() {
            return;
        }
        let knows_of_it = self.told.lists.get("tools/list") == Some(&HeldList::WithOurTool);
        if let Some(changed) = list_changed("tools/list").filter(|_| self.client_has_tools() && !knows_of_it)
        {
            self.told.lists.insert("tools/list".to_owned(), HeldList::WithOurTool);
            self.tell_of_list(changed).await;
        }
    }

    /// Whether the client was given a list of tools, or a page of it.
    pub(super) fn client_has_tools(&self) -> bool {
        self.given_lists.contains("tools/list") || self.told.lists.contains_key("tools/list")
    }

    pub(super) fn offer_sign_in(&mut self) {
        let context = self.context.clone();
        self.tasks.spawn(async move { sign_in_tool::offer(&context).await });
    }

    /// Somebody signed in to a server that had been answering nobody in particular, or out of it. To the server that
    /// is another caller, so it gets another session, and the client hears of the lists that are others then.
    pub(super) fn on_caller(&mut self, state: &AccountState) {
        let Some(link) = self.link.clone() else { return };
        let LinkState::Ready(ready) = link.state().borrow().clone() else { return };
        let has_changed = match ready.is_signed_in {
            true => {
                state.is_ending() || matches!(state, AccountState::SignedOut { why: SignedOut::ByPerson })
            }
            false => state.is_signed_in(),
        };
        if !has_changed {
            return;
        }
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
            let known = self.context.snapshot.read(|snapshot| snapshot.lists.contains_key(method));
            if known {
                let list = HeldList::of(self.context.known_list(method, self.server_era()).text());
                self.told.lists.entry(method.to_owned()).or_insert(list);
            }
        }
        // The sign-out made us forget them, and every client has asked for tools.
        self.told.lists.entry("tools/list".to_owned()).or_insert(HeldList::Other);
        self.tasks.spawn(async move { link.left(ready.generation).await });
    }

    /// Somebody has signed in, or servers are used again: what was answered in the server's stead is made up for.
    pub(super) fn on_servers_there(&mut self) {
        if let Some(link) = &self.link {
            link.retry();
        }
        self.tell_of_wishes();
        self.prefetch();
    }

    pub(super) async fn answer_initialize(&mut self, line: Bytes) {
        let Some(id) = self.initialize.take().and_then(|message| message.request_id().cloned()) else {
            return;
        };
        if self.pending.remove(&id).is_some() {
            self.reply(line).await;
        }
    }

    /// Answers `initialize` in the server's stead, if it still waits.
    pub(super) async fn stand_in_for_initialize(&mut self, why: Option<Failure>) {
        let Some(message) = self.initialize.as_ref() else { return };
        let Some(id) = message.request_id().cloned() else { return };
        let version = message.string_at(&["params", "protocolVersion"]);
        let server = self.context.server().to_owned();
        let result = self
            .context
            .snapshot
            .read(|snapshot| stand_in::initialize(snapshot, &server, version.as_deref(), why.as_ref()));
        self.told.introduction = true;
        self.answer_initialize(mcp::result_response(&id, &result)).await;
    }

    /// Introduces the server to a modern client in its stead.
    pub(super) fn stand_in_for_discover(&mut self, id: &RequestId, why: Option<&Failure>) -> Bytes {
        let server = self.context.server().to_owned();
        self.told.introduction = true;
        let result = self.context.snapshot.read(|snapshot| stand_in::discover(snapshot, &server, why));
        mcp::result_response(id, &result)
    }

    /// What was promised in the server's stead, and the server does not have, is answered empty.
    pub(super) fn answer_for_absent_capability(&self, id: &RequestId, method: &str) -> Option<Bytes> {
        let capability = stand_in::capability_of(method).filter(|_| self.told.introduction)?;
        let absent = self.context.snapshot.read(|snapshot| {
            let own = snapshot.discover.as_deref().filter(|_| self.era == Era::Modern);
            let said = own.or(snapshot.initialize.as_deref())?;
            Some(mcp::json::member_at(said.get(), &["capabilities", capability]).is_none())
        });
        absent.filter(|absent| *absent).and_then(|_| stand_in::empty(id, method, self.era))
    }

    /// The server may have changed its lists while nobody heard of it: they are asked for again,
    /// and a client that was given another one is told.
    pub(super) fn compare_given_lists(&mut self) {
        self.told.lists = self.held_lists();
    }

    /// The lists that the client has: those from memory, and those from the server as they were last known.
    pub(super) fn held_lists(&self) -> HeldLists {
        let era = self.server_era();
        let known = |method: &String| {
            let is_known = self.context.snapshot.read(|snapshot| snapshot.lists.contains_key(method));
            is_known.then(|| HeldList::of(self.context.known_list(method, era).text()))
        };
        let given = self.given_lists.iter().filter_map(|method| Some((method.clone(), known(method)?)));
        given.chain(self.told.lists.clone()).collect()
    }

    /// Asks for the lists the client was given from memory, to tell it of changes.
    pub(super) fn prefetch(&mut self) {
        let methods: Vec<String> = self.told.lists.keys().cloned().collect();
        for method in methods {
            self.prefetch_page(method, None);
        }
    }

    pub(super) fn prefetch_page(&mut self, method: String, cursor: Option<&str>) {
        let id = self.context.questions.next_id();
        let mut request = serde_json::json!({ "jsonrpc": "2.0", "method": method });
        if let Some(cursor) = cursor {
            request["params"] = serde_json::json!({ "cursor": cursor });
        }
        request["id"] = serde_json::from_str(id.as_raw()).expect("an id is JSON");
        let Ok(message) = Message::parse(request.to_string().into()) else { return };
        let message = match self.era {
            Era::Legacy => message,
            Era::Modern => request::to_modern(&message, &self.client, None).unwrap_or(message),
        };
        self.collector.on_request(&message, self.context.snapshot.generation());
        if let Some(request) = self.request(message) {
            let request = Request { is_own: true, ..request };
            self.prefetching.insert(id.clone(), method);
            self.requests.spawn(async move { (id, request.run().await) });
        }
    }
}
