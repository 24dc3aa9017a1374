//! Signing in with a code that the person types into a browser on any computer (RFC 8628), for machines without one.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::net::{ConnectionSettings, Network};
use crate::oauth::client::Choice;
use crate::oauth::discovery::Discovered;
use crate::oauth::doubt;
use crate::oauth::dpop::{self, DpopKey};
use crate::oauth::identity::Expected;
use crate::oauth::login::{Farewell, Finished, LoginRequest, SignInFacts, facts};
use crate::oauth::registration::{ClientRegistration, Registrations};
use crate::oauth::token::{TokenClient, TokenResponse, TokenSet, seconds};
use crate::oauth::{Error, endpoint};
use crate::redact::plain;
use crate::secret::AuthorizationCode;

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 §3.2 and §3.5: between questions where the server does not say, and what `slow_down` adds.
const INTERVAL: Duration = Duration::from_secs(5);
/// No server is asked more often, and none makes us wait longer between questions.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// A code that lives longer is given up then.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// Longer codes are nothing a person types.
const LONGEST_CODE: usize = 40;

/// What the person needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePrompt {
    /// What they type.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: Url,
    /// Where it is typed in already.
    pub verification_uri_complete: Option<Url>,
    /// How long it is good.
    pub expires_in: Duration,
}

/// A sign-in that waits for a person elsewhere.
pub struct DeviceLogin {
    network: Network,
    registrations: Registrations,
    request: LoginRequest,
    discovered: Discovered,
    registration: ClientRegistration,
    dpop: Option<DpopKey>,
    answer: Authorization,
    facts: SignInFacts,
}

/// RFC 8628 §3.2.
#[derive(Debug)]
struct Authorization {
    device_code: AuthorizationCode,
    prompt: DevicePrompt,
    interval: Duration,
}

impl DeviceLogin {
    /// Finds out where to sign in and gets a code.
    ///
    /// # Errors
    /// Any [`Error`] of discovery, registration and the device authorization endpoint.
    pub async fn prepare(
        network: Network,
        registrations: Registrations,
        request: LoginRequest,
    ) -> Result<Self, Error> {
        let LoginRequest { settings, options, challenge, .. } = &request;
        let discovered = request.discover(&network).await?;
        let issuer = || discovered.server.issuer.to_string();
        let endpoint = discovered.server.device_authorization_endpoint.clone();
        let endpoint = endpoint.ok_or_else(|| Error::NoDeviceGrant { issuer: issuer() })?;
        let choice = Choice {
            network: &network,
            settings,
            registrations: &registrations,
            options,
            discovered: &discovered,
        };
        let client = choice.for_device(DEVICE_CODE).await?;
        let first = ask_for_code(&network, settings, &endpoint, &client.registration, &discovered).await;
        let (registration, answer) = match first {
            Err(error) if client.may_be_forgotten && error.is_about_client() => {
                let registration = choice.register_for_device(DEVICE_CODE).await?;
                let again = ask_for_code(&network, settings, &endpoint, &registration, &discovered).await?;
                (registration, again)
            }
            answer => (client.registration, answer?),
        };
        let dpop = dpop::key_for(challenge.as_ref(), &discovered)?;
        let facts = facts(&request, &discovered, &answer.prompt.verification_uri);
        Ok(Self { network, registrations, request, discovered, registration, dpop, answer, facts })
    }

    /// What to show the person.
    pub fn prompt(&self) -> &DevicePrompt {
        &self.answer.prompt
    }

    /// What the person should know about it.
    pub fn facts(&self) -> &SignInFacts {
        &self.facts
    }

    /// Waits for the person, then takes the tokens.
    ///
    /// # Errors
    /// [`Error::Cancelled`], [`Error::CodeExpired`], [`Error::Denied`] and those of the token endpoint.
    pub async fn finish(self, cancel: CancellationToken) -> Result<Finished, Error> {
        let tokens = self.poll(&cancel).await.map(|answer| self.tokens(answer))?;
        if let Err(error) = self.take(&tokens, &cancel).await {
            self.client().give_back(&tokens).await;
            return Err(error);
        }
        Ok(Finished { tokens, farewell: Farewell::without_page() })
    }

    /// Why tokens that came cannot be kept.
    async fn take(&self, tokens: &TokenSet, cancel: &CancellationToken) -> Result<(), Error> {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let choice = Choice {
            network: &self.network,
            settings: &self.request.settings,
            registrations: &self.registrations,
            options: &self.request.options,
            discovered: &self.discovered,
        };
        choice.bind(&self.registration).await?;
        // The browser is elsewhere, so nobody can be asked.
        match doubt::about(tokens, &self.request).first() {
            Some(doubt) => Err(doubt.to_error(&self.request)),
            None => Ok(()),
        }
    }

    fn tokens(&self, answer: TokenResponse) -> TokenSet {
        let now = SystemTime::now();
        let issuer = &self.discovered.server.issuer;
        let expected = Expected { issuer, client_id: &self.registration.client_id, nonce: None, now };
        let identity = answer.id_token.as_ref().and_then(|token| token.identity(expected).ok());
        let tokens = TokenSet::issued(answer, &self.discovered, &self.registration, self.dpop.as_ref(), now);
        TokenSet { identity, ..tokens }
    }

    fn client(&self) -> TokenClient<'_> {
        TokenClient {
            network: &self.network,
            settings: &self.request.settings,
            registration: &self.registration,
            dpop: self.dpop.as_ref(),
        }
    }

    /// Asks until there are tokens. A question under way is not cut short: what it brings must be given back then.
    async fn poll(&self, cancel: &CancellationToken) -> Result<TokenResponse, Error> {
        let client = self.client();
        let Discovered { server, resource, .. } = &self.discovered;
        let deadline = Instant::now() + self.answer.prompt.expires_in;
        let mut interval = self.answer.interval;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Err(Error::Cancelled),
                () = tokio::time::sleep_until(deadline) => return Err(Error::CodeExpired),
                () = tokio::time::sleep(interval) => {}
            }
            let mut form =
                vec![("grant_type", DEVICE_CODE), ("device_code", self.answer.device_code.expose())];
            form.extend(resource.as_deref().map(|resource| ("resource", resource)));
            match client.ask(&server.token_endpoint, form).await {
                Ok(answer) => return Ok(answer),
                Err(error) => interval = after(error, interval)?,
            }
        }
    }
}

/// RFC 8628 §3.5: how long to wait before the next question, or why there is none.
fn after(error: Error, interval: Duration) -> Result<Duration, Error> {
    let longer = if error.is_transient() {
        (interval * 2).max(error.retry_after().unwrap_or_default())
    } else {
        let Error::TokenRefused { code, description } = error else { return Err(error) };
        match code.as_str() {
            "authorization_pending" => interval,
            "slow_down" => interval + INTERVAL,
            "expired_token" => return Err(Error::CodeExpired),
            "access_denied" => return Err(Error::Denied { code, description }),
            _ => return Err(Error::TokenRefused { code, description }),
        }
    };
    Ok(longer.clamp(*INTERVALS.start(), *INTERVALS.end()))
}

/// RFC 8628 §3.1.
async fn ask_for_code(
    network: &Network,
    settings: &ConnectionSettings,
    endpoint: &Url,
    registration: &ClientRegistration,
    discovered: &Discovered,
) -> Result<Authorization, Error> {
    let scope = discovered.scopes.param();
    let named = [("scope", scope.as_deref()), ("resource", discovered.resource.as_deref())];
    let form = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let client = TokenClient { network, settings, registration, dpop: None };
    let body = client.ask_for_body(endpoint, form).await?;
    let address = |raw: &str| endpoint::parse("verification address", raw, network, settings);
    read_authorization(&body, address)
}

fn read_authorization(
    body: &[u8],
    address: impl Fn(&str) -> Result<Url, Error>,
) -> Result<Authorization, Error> {
    let invalid = |why| Error::InvalidTokenResponse { why };
    let document: Map<String, Value> = serde_json::from_slice(body).map_err(|_| invalid("it is not JSON"))?;
    let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let number = |key: &str| document.get(key).and_then(seconds).map(Duration::from_secs);
    let device_code = text("device_code").ok_or_else(|| invalid("it has no device code"))?;
    let user_code = text("user_code").ok_or_else(|| invalid("it has no code for the person"))?;
    // It is shown as it is: what a terminal would not show so is no code.
    if plain(user_code, LONGEST_CODE) != user_code {
        return Err(invalid("its code for the person cannot be shown"));
    }
    // Google's older spelling.
    let verification = text("verification_uri").or_else(|| text("verification_url"));
    let verification = verification.ok_or_else(|| invalid("it has no address for the person"))?;
    let interval = number("interval").unwrap_or(INTERVAL);
    Ok(Authorization {
        device_code: AuthorizationCode::new(device_code),
        prompt: DevicePrompt {
            user_code: user_code.to_owned(),
            verification_uri: address(verification)?,
            verification_uri_complete: text("verification_uri_complete").map(&address).transpose()?,
            expires_in: number("expires_in").unwrap_or(LONGEST).min(LONGEST),
        },
        interval: interval.clamp(*INTERVALS.start(), *INTERVALS.end()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Error {
        Error::TokenRefused { code: code.to_owned(), description: None }
    }

    #[test]
    fn questions_come_as_seldom_as_the_server_wants() {
        let seconds = Duration::from_secs;
        let busy = |retry_after| Error::Unavailable { status: 503, retry_after };
        let table = [
            (refused("authorization_pending"), 5, Some(5)),
            (refused("slow_down"), 5, Some(10)),
            (refused("slow_down"), 58, Some(60)),
            (busy(None), 5, Some(10)),
            (busy(Some(seconds(30))), 5, Some(30)),
            (busy(Some(seconds(3600))), 5, Some(60)),
            (refused("access_denied"), 5, None),
            (refused("expired_token"), 5, None),
            (refused("invalid_grant"), 5, None),
            (Error::InvalidTokenResponse { why: "x" }, 5, None),
        ];
        for (error, interval, expected) in table {
            let shown = error.to_string();
            assert_eq!(after(error, seconds(interval)).ok(), expected.map(seconds), "{shown}");
        }
        assert!(matches!(after(refused("expired_token"), INTERVAL), Err(Error::CodeExpired)));
        assert!(matches!(after(refused("access_denied"), INTERVAL), Err(Error::Denied { .. })));
    }

    #[test]
    fn what_the_person_is_shown_is_checked_first() {
        let address = |raw: &str| Url::parse(raw).map_err(|_| Error::NotARedirect);
        let read = |extra: &str| {
            let body = format!(r#"{{"device_code":"d","expires_in":600{extra}}}"#);
            read_authorization(body.as_bytes(), address)
        };
        let fine =
            read(r#","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device""#).unwrap();
        assert_eq!(fine.prompt.user_code, "WDJB-MJHT");
        assert_eq!((fine.interval, fine.prompt.expires_in), (INTERVAL, Duration::from_secs(600)));
        let patient = read(
            r#","user_code":"A","verification_url":"https://as.example/d","interval":"0","expires_in":1e9"#,
        );
        assert_eq!(patient.unwrap().interval, *INTERVALS.start());
        for bad in [
            r#","verification_uri":"https://as.example/device""#,
            r#","user_code":"A""#,
            r#","user_code":"A","verification_uri":"not an address""#,
            r#","user_code":"A","verification_uri":"https://a.example","verification_uri_complete":"x""#,
            r#","user_code":"\u001b[2JA","verification_uri":"https://as.example/device""#,
            r#","user_code":"A\u202eB","verification_uri":"https://as.example/device""#,
            r#","user_code":"0123456789012345678901234567890123456789X","verification_uri":"https://a.example""#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
