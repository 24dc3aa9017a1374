//! Errors of the inner modules as failures people can act on: the one place where each gets its
//! code, sentence and next step.

use crate::failure::{Code, Failure};
use crate::host::account;
use crate::host::visible_tools::Refused;
use crate::mcp::method;
use crate::net::TlsTrouble;
use crate::redact::plain;
use crate::{net, oauth, upstream};

/// The server wants somebody to sign in.
pub fn signed_out(server: &str) -> Failure {
    Failure::about(
        server,
        Code::SignedOut,
        format!("You are signed out of {server}"),
        format!("Run `drawbridge login {server}` and sign in"),
    )
}

/// All servers are left alone.
pub fn paused() -> Failure {
    Failure::new(
        Code::Paused,
        "Drawbridge is paused and leaves all servers alone",
        "Run `drawbridge resume`, or choose Resume in its menu, then try again",
    )
}

/// Trouble with the connection to a server.
pub fn of_upstream(server: &str, error: &upstream::Error) -> Failure {
    let again = format!("Check the address with `drawbridge show {server}`");
    match error {
        upstream::Error::Unauthorized { .. } => signed_out(server),
        upstream::Error::Authorize(upstream::AuthorizeError::SignedOut) => signed_out(server),
        upstream::Error::Authorize(upstream::AuthorizeError::Unavailable(_)) => {
            Failure::about(server, Code::SignInFailed, error.to_string(), "Try again in a moment")
        }
        upstream::Error::Unreachable(error) => of_net(server, error),
        upstream::Error::Status { retry_after: Some(after), .. } => {
            let next_step = format!("Try again in {} seconds", after.as_secs().max(1));
            Failure::about(server, Code::ServerError, error.to_string(), next_step)
        }
        upstream::Error::Status { status, .. } if error.is_of_no_mcp_server() => {
            let status = status.as_u16();
            let sentence = format!("what answers at this address is not an MCP server (status {status})");
            let next_step = format!("{again}; many end in /mcp");
            Failure::about(server, Code::NotMcp, sentence, next_step)
        }
        upstream::Error::Status { .. } => Failure::about(server, Code::ServerError, error.to_string(), again),
        upstream::Error::NotMcp { .. } | upstream::Error::InvalidJson | upstream::Error::NoEndpoint => {
            Failure::about(server, Code::NotMcp, error.to_string(), again)
        }
        upstream::Error::TooLarge => {
            Failure::about(server, Code::Limit, error.to_string(), "Ask for less at once")
        }
        upstream::Error::Redirect { .. } => {
            Failure::about(server, Code::Forbidden, error.to_string(), "Add the server under its new address")
        }
        upstream::Error::SessionGone => {
            Failure::about(server, Code::ServerError, error.to_string(), "Try again")
        }
        upstream::Error::Cut { .. } | upstream::Error::SinkClosed => {
            Failure::about(server, Code::Unreachable, error.to_string(), "Try again in a moment")
        }
    }
}

/// The server was removed under a live session.
pub fn removed(server: &str) -> Failure {
    Failure::about(
        server,
        Code::Unknown,
        format!("{server} was removed from Drawbridge"),
        format!("Add it again with `drawbridge add {server} URL`, then restart this MCP client"),
    )
}

/// A call that the person's own rules do not let through.
pub fn of_hidden_tool(server: &str, refused: &Refused) -> Failure {
    let sentence = match refused {
        Refused::Hidden { tool } => {
            format!("The rules for {server} hide the tool {} from this client", plain(tool, 64))
        }
        Refused::Ambiguous => format!("The request to {server} does not name its tool plainly"),
    };
    Failure::about(
        server,
        Code::Forbidden,
        sentence,
        format!("Use another tool; `drawbridge show {server}` shows the rules"),
    )
}

/// A call of a tool that is not as the person accepted it.
pub fn of_held_tool(server: &str, target: &str, tool: &str, has_own_options: bool) -> Failure {
    let look =
        format!("Run `drawbridge tools {target} --changes` to see what has changed, and how to accept it");
    let next_step = match has_own_options {
        // What such a connection is told is no word of the server that the person knows.
        true => format!(
            "{look}. This client connects with options of its own: what only it gets can be accepted once {server} \
             has these options, which `drawbridge edit {server}` gives it"
        ),
        false => look,
    };
    let sentence =
        format!("The tool {} of {server} is not as you accepted it, so it is held back", plain(tool, 64));
    Failure::about(server, Code::Forbidden, sentence, next_step)
}

/// Trouble with one request; says so where it may have run all the same.
pub fn of_request(server: &str, error: &upstream::Error, method: Option<&str>) -> Failure {
    let failure = of_upstream(server, error);
    let repeatable = method.is_some_and(method::is_harmless);
    if repeatable || !error.may_have_run() {
        return failure;
    }
    let sentence = format!("{} The request may or may not have run.", failure.sentence);
    Failure::about(server, Code::MayHaveRun, sentence, "Check before you try it again")
}

/// Trouble on the way to a host.
pub fn of_net(server: &str, error: &net::Error) -> Failure {
    let (code, next_step) = match error {
        net::Error::Tls { why, .. } => (Code::Tls, of_tls(*why, &format!("drawbridge edit {server} "))),
        net::Error::ForbiddenAddress { .. } => (
            Code::Forbidden,
            format!("If you trust this network, run `drawbridge edit {server} --allow-private`"),
        ),
        net::Error::InsecureUrl { .. } => {
            (Code::Forbidden, "Use an https address, or allow http with `--allow-http`".into())
        }
        net::Error::TooLarge { .. } => (Code::Limit, "Tell the server's operator".into()),
        net::Error::InvalidUrl { .. } | net::Error::Certificate { .. } => {
            (Code::Invalid, format!("Correct it with `drawbridge edit {server}`"))
        }
        net::Error::Dns { .. }
        | net::Error::Refused { .. }
        | net::Error::Connect { .. }
        | net::Error::Proxy { .. }
        | net::Error::TimedOut { .. }
        | net::Error::Reset { .. }
        | net::Error::Redirects { .. }
        | net::Error::Status { .. } => {
            (Code::Unreachable, "Check your network and the server's address, then try again".into())
        }
    };
    Failure::about(server, code, error.to_string(), next_step)
}

/// What helps against trouble with an encrypted connection; `command` is what options are given to.
pub(super) fn of_tls(why: TlsTrouble, command: &str) -> String {
    match why {
        TlsTrouble::UnknownAuthority | TlsTrouble::SelfSigned => {
            format!("If the server uses a company certificate, add it with `{command}--ca FILE`")
        }
        TlsTrouble::ClientCertificate => {
            format!(
                "Ask its operator for a client certificate, then name it with `{command}--client-cert FILE`"
            )
        }
        TlsTrouble::NotTls => {
            "Check the address and its port; one without encryption begins with http://".into()
        }
        TlsTrouble::NotYetValid => "Check this computer's date and time, then try again".into(),
        TlsTrouble::WrongHost => "Check the address".into(),
        TlsTrouble::NoAuthorities => "Install your system's CA certificates, or set SSL_CERT_FILE".into(),
        TlsTrouble::Expired | TlsTrouble::Revoked | TlsTrouble::Handshake => {
            "Tell the server's operator".into()
        }
    }
}

/// There is nothing to sign in to.
pub fn no_sign_in(server: &str, has_key: bool) -> Failure {
    let sentence = match has_key {
        true => format!("{server} takes the key that you have stored for it and asks for no sign-in"),
        false => format!("{server} asks for no sign-in"),
    };
    let next_step = format!("Use it as it is; `drawbridge tools {server}` shows what it offers");
    Failure::about(server, Code::Invalid, sentence, next_step)
}

/// The server offers no sign-in, and refuses what is stored for it.
pub fn key_refused(server: &str) -> Failure {
    Failure::about(
        server,
        Code::SignInFailed,
        format!("{server} does not take the key that you have stored for it, and offers no sign-in"),
        format!("Give it another with `drawbridge edit {server} --header` or `--bearer`"),
    )
}

/// Trouble of an account.
pub fn of_account(server: &str, error: &account::Error) -> Failure {
    match error {
        account::Error::SignedOut { .. } | account::Error::NotAgain => signed_out(server),
        account::Error::OAuth(error) => of_oauth(server, error),
        account::Error::Vault(error) => {
            Failure::about(server, Code::Keychain, error.to_string(), "Unlock your keychain and try again")
        }
        account::Error::NoSignIn => Failure::about(
            server,
            Code::SignInFailed,
            error.to_string(),
            format!("Run `drawbridge login {server}`"),
        ),
        account::Error::Stopped => Failure::about(server, Code::HostGone, error.to_string(), "Try again"),
    }
}

/// Trouble with a sign-in or a token.
pub fn of_oauth(server: &str, error: &oauth::Error) -> Failure {
    use oauth::Error;
    let ask_operator = "Tell the server's operator".to_owned();
    let again = format!("Run `drawbridge login {server}` and sign in again");
    if error.refuses_resource() {
        return Failure::new(
            Code::SignInFailed,
            format!(
                "The authorization server of {server} does not take a `resource`, which MCP has us send: {error}"
            ),
            format!("Run `drawbridge edit {server} --no-resource`, then sign in again"),
        );
    }
    let (code, next_step) = match error {
        Error::Network(error) => return of_net(server, error),
        Error::Unavailable { .. } => (Code::Unreachable, "Try again in a moment".to_owned()),
        Error::NotOffered { .. } => {
            (Code::SignInFailed, format!("Use it as it is, or check it with `drawbridge show {server}`"))
        }
        Error::NoAuthorizationServer { .. }
        | Error::ResourceMismatch { .. }
        | Error::InvalidMetadata { .. }
        | Error::NoMetadata { .. }
        | Error::NoPkce { .. }
        | Error::NoDpop { .. }
        | Error::NoSignInPage { .. }
        | Error::InvalidTokenResponse { .. } => (Code::SignInFailed, ask_operator),
        Error::IssuerMismatch { .. } | Error::UnsafeEndpoint { .. } | Error::WrongResponder { .. } => {
            (Code::Forbidden, "Do not sign in there; tell the server's operator".to_owned())
        }
        Error::NoRegistration { .. } | Error::RegistrationRefused { .. } => (
            Code::SignInFailed,
            format!("Ask for a client id, then run `drawbridge edit {server} --client-id ID`"),
        ),
        Error::NoDeviceGrant { .. } => {
            (Code::SignInFailed, format!("Run `drawbridge edit {server} --grant code`, then sign in"))
        }
        Error::ByHand => {
            (Code::SignedOut, format!("Run `drawbridge login {server}` and enter the code it shows"))
        }
        Error::SubjectToken { .. } => (
            Code::SignInFailed,
            format!("Put a token there, or name another source with `drawbridge edit {server}`"),
        ),
        Error::IdentityProviderRefused { .. } => (
            Code::SignInFailed,
            format!(
                "Give a new ID token with `drawbridge edit {server} --idp-id-token`, or ask your administrator"
            ),
        ),
        Error::GrantRefused { .. } => (
            Code::SignInFailed,
            format!(
                "See how it signs in with `drawbridge show {server}`, correct it with `drawbridge edit {server}`, then \
                 run `drawbridge login {server}`"
            ),
        ),
        Error::TokenNotAccepted { .. } => (
            Code::SignInFailed,
            format!(
                "Check `--scope` and `--resource` with `drawbridge show {server}`, or tell the server's operator"
            ),
        ),
        Error::RedirectRefused { .. } => (
            Code::SignInFailed,
            format!(
                "Ask its operator for a client id and a redirect address, then run `drawbridge edit {server} \
                 --client-id ID --callback-host HOST --callback-port PORT`"
            ),
        ),
        Error::ForeignCredentials { .. } => (
            Code::Forbidden,
            format!("If that is right, run `drawbridge edit {server} --client-id ID` with a new one"),
        ),
        Error::PortTaken { .. } => (
            Code::SignInFailed,
            format!("End that program, or run `drawbridge edit {server} --callback-port PORT`"),
        ),
        Error::ForeignAudience { .. } => (
            Code::Forbidden,
            format!(
                "If you trust it with that, run `drawbridge login {server}` with a browser on this computer and allow it"
            ),
        ),
        Error::OtherPerson { .. } => (
            Code::SignInFailed,
            format!(
                "Run `drawbridge logout {server}` first, or sign in as another account with `drawbridge login {server}@LABEL`"
            ),
        ),
        Error::Listener(_) => (Code::SignInFailed, again),
        Error::StateMismatch | Error::NotARedirect => {
            (Code::SignInFailed, "Paste the whole address the browser ended at".to_owned())
        }
        Error::Denied { .. }
        | Error::TokenRefused { .. }
        | Error::Cancelled
        | Error::CodeExpired
        | Error::TimedOut { .. } => (Code::SignInFailed, again),
        Error::NotSaved(_) => (Code::Keychain, "Unlock the keychain and try again".to_owned()),
    };
    Failure::about(server, code, error.to_string(), next_step)
}
