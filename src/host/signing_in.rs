//! A sign-in that the person asks for, and what they hear where there is nothing to sign in to.

use super::account::{self, AskedBy, OpenWith, Prompt, SignIn, SignInRequest};
use super::{AccountRef, HostHandle, failures};
use crate::failure::{Code, Failure};
use crate::oauth;

impl HostHandle {
    /// Begins a sign-in, or joins the one that is under way. A server that nobody is signed in to is looked
    /// at first, because it may do without.
    ///
    /// # Errors
    /// Why it did not begin: above all that the server asks for none, or goes by a key.
    pub async fn sign_in(&self, account: &AccountRef, open: OpenWith) -> Result<SignIn, Failure> {
        let entry = self.entry(&account.server).await?;
        self.not_while_paused()?;
        let label = account.label.clone().unwrap_or_else(|| entry.default_account());
        let handle = self.live(&entry, &label).await?.handle;
        let is_signed_in = handle.state().borrow().is_signed_in();
        let looked = match is_signed_in {
            true => None,
            false => Some(self.probe_as(&entry, &label).await),
        };
        let is_served = matches!(looked, Some(Ok(_)));
        let nothing_offered = || match is_served {
            true => failures::no_sign_in(&account.server, entry.has_own_key()),
            false => failures::key_refused(&account.server),
        };
        if entry.has_own_authorization() {
            let trouble = looked.and_then(Result::err).filter(|failure| failure.code != Code::SignedOut);
            return Err(trouble.unwrap_or_else(nothing_offered));
        }
        let request = SignInRequest {
            asked_by: AskedBy::Person,
            prompt: Prompt::Clicked,
            open,
            challenge: Vec::new(),
            only_if_offered: is_served || entry.has_own_key(),
        };
        handle.sign_in(request).await.map_err(|error| match offers_none(&error) {
            true => nothing_offered(),
            false => failures::of_account(&account.server, &error),
        })
    }
}

fn offers_none(error: &account::Error) -> bool {
    matches!(error, account::Error::OAuth(error) if matches!(**error, oauth::Error::NotOffered { .. }))
}
