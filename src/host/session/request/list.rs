//! A list on its way: the client gets one within the start budget, if need be from what was last known.

use tokio::time::{Instant, timeout};

use super::{Attempt, Ending, MOST_SESSIONS, Missing, NotReady, Request};
use crate::failure::Code;
use crate::host::session::sign_in_tool;

/// The first, and one at a new authorization server.
const MOST_SIGN_INS: usize = 2;

impl Request {
    /// A list waits for the start budget and no longer.
    pub(super) async fn run_list(self) -> Ending {
        let mut generation = 0;
        for _ in 0..MOST_SESSIONS {
            let ready = match self.ready(self.list_deadline, generation, false).await {
                Ok(ready) => ready,
                Err(NotReady::Missing(missing)) => return self.list_without(missing).await,
                Err(NotReady::Down(_) | NotReady::Late) => return Ending::StandIn { sign_in: false },
            };
            generation = ready.generation;
            match self.attempt(&ready).await {
                Attempt::Done(Ending::Failed(failure)) if is_absence(failure.code) => {
                    return Ending::StandIn { sign_in: false };
                }
                Attempt::Done(ending) => return ending,
                Attempt::Missing(missing) => return self.list_without(missing).await,
                Attempt::Again => {}
            }
        }
        Ending::StandIn { sign_in: false }
    }

    async fn list_without(&self, missing: Missing) -> Ending {
        match missing {
            Missing::SignIn => self.list_while_signed_out().await,
            Missing::Permission if self.is_own => Ending::Failed(self.context.more_permission()),
            Missing::Permission => match self.signed_in_for(Missing::Permission).await {
                Ok(()) => self.list_after_sign_in().await.unwrap_or_else(|missing| match missing {
                    Some(missing) => Ending::Failed(self.still_missing(missing)),
                    None => Ending::Failed(self.late()),
                }),
                Err(failure) => Ending::Failed(failure),
            },
        }
    }

    /// Where nothing is known yet, a list waits a little for the sign-in that is under way or begins now, and for another
    /// one if the server has got a new authorization server meanwhile. Once the client has its answer for want of time,
    /// this one is nobody's.
    async fn list_while_signed_out(&self) -> Ending {
        let stand_in = Ending::StandIn { sign_in: self.context.account().is_some() };
        let method = self.message.method().unwrap_or_default();
        let known = self.context.snapshot.read(|snapshot| snapshot.knows(method));
        let Some(account) = self.context.account().filter(|_| !known && !self.is_own) else {
            return stand_in;
        };
        let limit = self.context.limits.list_during_sign_in;
        for _ in 0..MOST_SIGN_INS {
            sign_in_tool::offer_for_list(&self.context).await;
            let mut state = account.state();
            let ended = async {
                state.wait_for(|state| !state.is_signing_in()).await.is_ok_and(|state| state.is_signed_in())
            };
            if !timeout(limit, ended).await.unwrap_or(false) {
                return stand_in;
            }
            match self.list_after_sign_in().await {
                Ok(ending) => return ending,
                Err(Some(Missing::SignIn)) if self.context.has_moved().await => {}
                Err(_) => return stand_in,
            }
        }
        stand_in
    }

    /// The list, now that somebody has signed in; else what is still missing, as far as that is known.
    async fn list_after_sign_in(&self) -> Result<Ending, Option<Missing>> {
        self.link.retry();
        let deadline = Instant::now() + self.context.limits.list_during_sign_in;
        match self.ready(deadline, 0, true).await {
            Ok(ready) => match self.attempt(&ready).await {
                Attempt::Done(ending) => Ok(ending),
                Attempt::Missing(missing) => Err(Some(missing)),
                Attempt::Again => Err(None),
            },
            Err(NotReady::Missing(missing)) => Err(Some(missing)),
            Err(NotReady::Down(_) | NotReady::Late) => Err(None),
        }
    }
}

/// Whether the server was not there at all, so that what was last known has to do.
pub(super) fn is_absence(code: Code) -> bool {
    matches!(code, Code::Unreachable | Code::TimedOut | Code::Tls | Code::Paused)
}
