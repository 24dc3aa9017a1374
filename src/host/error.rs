//! Why the Host did not do what it was asked, and what a person can do about it.

use crate::failure::{Code, Failure};
use crate::oauth::signing_key::InvalidKey;
use crate::registry::header::InvalidHeader;
use crate::registry::{self, AccountLabel, ClientName, ServerName};
use crate::{net, private_file, secret};

/// Why the Host did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such server.
    #[error("there is no server named {name}")]
    UnknownServer {
        /// The name.
        name: String,
    },
    /// The server is there, the account is not.
    #[error("there is no account {label} at {server}")]
    UnknownAccount {
        /// The server.
        server: ServerName,
        /// The account.
        label: AccountLabel,
    },
    /// The name is another server's.
    #[error("there is already a server named {name}")]
    NameTaken {
        /// The name.
        name: ServerName,
    },
    /// The URL is another server's.
    #[error("this address is already there as {name}")]
    UrlTaken {
        /// That server.
        name: ServerName,
    },
    /// Neither a name, `name@account`, nor a URL.
    #[error("{what} is neither a server's name nor an address")]
    NoTarget {
        /// What it is.
        what: String,
    },
    /// Not the whole address of a server. What was written may hold a secret.
    #[error("what you wrote is not an address")]
    NotAnAddress,
    /// Options that say nothing sensible together.
    #[error("{0}")]
    Options(&'static str),
    /// No address of a proxy.
    #[error("{0}")]
    Proxy(&'static str),
    /// A login where everybody may read it.
    #[error("a proxy for all servers has no user name or password")]
    ProxyLogin,
    /// Options in words this Host does not know.
    #[error("this Drawbridge does not know one of the options")]
    UnknownOption,
    /// A key that cannot be used.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// A header that cannot be set.
    #[error(transparent)]
    Header(#[from] InvalidHeader),
    /// A file of certificates that cannot be read.
    #[error(transparent)]
    File(#[from] private_file::Error),
    /// A file of certificate authorities without any.
    #[error("{} holds no certificate in PEM form", path.display())]
    NoCertificate {
        /// The file.
        path: std::path::PathBuf,
    },
    /// A client certificate file without a certificate or key.
    #[error("the client certificate file holds no certificate and key in PEM form")]
    ClientCertificate,
    /// The address cannot be used.
    #[error(transparent)]
    Net(#[from] net::Error),
    /// A config brought an address or secrets that nobody approved.
    #[error("a program wants to use {what}, which you have not approved")]
    NotApproved {
        /// The address, and the names of secrets.
        what: String,
        /// A command that approves it.
        command: String,
        /// Whether the options that the program gave belong to the command.
        with_options: bool,
    },
    /// Somebody else changed the server at the same time.
    #[error("somebody else changed {name} at the same time")]
    Conflict {
        /// The server.
        name: ServerName,
    },
    /// No such client of the HTTP endpoint.
    #[error("there is no local HTTP client named {name}")]
    UnknownClient {
        /// The name.
        name: ClientName,
    },
    /// The name is another client's.
    #[error("there is already a local HTTP client named {name}")]
    ClientExists {
        /// The name.
        name: ClientName,
    },
    /// The list of clients cannot be used.
    #[error("{failure}")]
    Clients {
        /// Why.
        failure: Failure,
    },
    /// The registry cannot be read or written.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The secret store does not do its part.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// Signing in or out did not work.
    #[error("{error}")]
    OAuth {
        /// The server.
        server: ServerName,
        /// Why.
        error: super::account::Error,
    },
    /// A folder cannot be made or used.
    #[error("could not use {}", path.display())]
    Folder {
        /// The folder.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The settings cannot be changed.
    #[error("the settings in {} could not be changed ({why})", path.display())]
    Settings {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing is held back of tools that are not pinned.
    #[error("the tools of {server} are not pinned")]
    NotPinned {
        /// The server.
        server: ServerName,
    },
    /// The tools have changed since the person looked at them.
    #[error("the tools of {server} have changed since you looked at them")]
    OtherTools {
        /// The server.
        server: ServerName,
    },
    /// This Host runs without windows.
    #[error("this Drawbridge runs without windows")]
    NoWindows,
    /// The Host is going away.
    #[error("Drawbridge is shutting down")]
    Stopped,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let (code, next_step) = match error {
            Error::UnknownServer { .. } => {
                (Code::Unknown, "See `drawbridge list`, or add it with `drawbridge add NAME URL`".to_owned())
            }
            Error::UnknownAccount { server, label } => {
                (Code::Unknown, format!("Create it with `drawbridge login {server}@{label}`"))
            }
            Error::UnknownClient { .. } => (Code::Unknown, "See `drawbridge clients list`".into()),
            Error::ClientExists { name } => (
                Code::Exists,
                format!("Choose another name, or run `drawbridge clients revoke {name}` first"),
            ),
            Error::Clients { failure } => return failure.clone(),
            Error::NameTaken { name } => {
                (Code::Exists, format!("Choose another name, or change it with `drawbridge edit {name}`"))
            }
            Error::UrlTaken { name } => (
                Code::Exists,
                format!(
                    "Use {name}; another account is `drawbridge login {name}@LABEL`, and another key is given \
                     with `--bearer` or `--header`"
                ),
            ),
            Error::NoTarget { .. } => {
                (Code::Invalid, "Give a name from `drawbridge list` or an https address".into())
            }
            Error::NotAnAddress => {
                (Code::Invalid, "Write the whole address, as in https://mcp.example.com/mcp".into())
            }
            Error::Options(_) | Error::Header(_) | Error::Key(_) => {
                (Code::Invalid, "Correct the options and try again".into())
            }
            Error::Proxy(_) => (Code::Invalid, "Write its address as http://host:port and try again".into()),
            Error::ProxyLogin => {
                (Code::Invalid, "Leave them out, or give a server that needs them a proxy of its own".into())
            }
            Error::UnknownOption => (Code::VersionSkew, "Quit Drawbridge and start it again".into()),
            Error::File(_) | Error::ClientCertificate | Error::NoCertificate { .. } => {
                (Code::Invalid, "Name a readable file of your own and try again".into())
            }
            Error::Net(error) => return of_net(error),
            Error::NotApproved { command, with_options, .. } => {
                let options = if *with_options { " with the same options" } else { "" };
                let step = format!("If you trust it, run `{command}`{options}, then restart the program");
                (Code::Forbidden, step)
            }
            // It passes, so no program may take it for its last word.
            Error::Conflict { .. } => (Code::TimedOut, "Try again".into()),
            Error::NotPinned { server } => {
                (Code::Invalid, format!("Pin them with `drawbridge edit {server} --pin-tools`"))
            }
            Error::OtherTools { server } => (
                Code::Invalid,
                format!("Look at them again, in the window or with `drawbridge tools {server} --changes`"),
            ),
            Error::Registry(registry::Error::NewerVersion { .. }) => {
                (Code::VersionSkew, "Update Drawbridge; the file was left as it is".into())
            }
            Error::Registry(registry::Error::Io { .. }) | Error::Folder { .. } => {
                (Code::Internal, "Check the disk and the file's permissions".into())
            }
            Error::Settings { .. } => {
                (Code::Invalid, "Correct the file, or let Drawbridge write to it, and try again".into())
            }
            Error::Secret(_) => {
                (Code::Keychain, "Unlock your keychain and try again, or see DRAWBRIDGE_SECRETS".into())
            }
            Error::OAuth { server, error } => return super::failures::of_account(server.as_str(), error),
            Error::NoWindows => (Code::Unknown, "Start the Drawbridge app".into()),
            Error::Stopped => (Code::HostGone, "Try again".into()),
        };
        Failure::new(code, error.to_string(), next_step)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

fn of_net(error: &net::Error) -> Failure {
    let (code, next_step) = match error {
        net::Error::Tls { why, .. } => {
            return Failure::new(Code::Tls, error.to_string(), super::failures::of_tls(*why, ""));
        }
        net::Error::ForbiddenAddress { found: Some(_), .. } => {
            (Code::Forbidden, "If you trust this network, add `--allow-private`")
        }
        net::Error::ForbiddenAddress { found: None, .. } | net::Error::InvalidUrl { .. } => {
            (Code::Invalid, "Check the address")
        }
        net::Error::InsecureUrl { .. } => {
            (Code::Forbidden, "Use an https address, or allow http with `--allow-http`")
        }
        net::Error::Certificate { .. } => (Code::Invalid, "Name a readable PEM file"),
        net::Error::TooLarge { .. } => (Code::Limit, "Tell the server's operator"),
        net::Error::Dns { .. }
        | net::Error::Refused { .. }
        | net::Error::Connect { .. }
        | net::Error::Proxy { .. }
        | net::Error::TimedOut { .. }
        | net::Error::Reset { .. }
        | net::Error::Redirects { .. }
        | net::Error::Status { .. } => {
            (Code::Unreachable, "Check your network and the server's address, then try again")
        }
    };
    Failure::new(code, error.to_string(), next_step)
}
