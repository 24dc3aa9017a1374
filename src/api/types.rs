//! The words of `/control/v1`, for CLI and tray alike.
//!
//! What the Host answers holds no secret; what it is told may, and those values print as
//! `[redacted]`.

mod account;
mod changes;
mod checkup;
mod clients;
mod details;
mod options;
mod secret;
mod server;
mod sign_in;
mod status;

pub use crate::failure::Failure as FailureView;
pub use account::{AccountStateView, AccountView, PersonView};
pub use changes::{Changes, Edited, NewServer, Unset};
pub use checkup::{CheckName, CheckOutcome, CheckView, Checkup, ServerCheckup};
pub use clients::{ClientView, ClientsView, EndpointView, NewClient};
pub use details::{
    AcceptTools, DetailsView, HeldToolView, HeldToolsView, HeldWhy, LineChange, LineView, ReachView,
    ToolEffect, ToolView,
};
pub use options::{ResourceOption, ServerOptions};
pub use secret::{HeaderOption, SecretOption, SecretText};
pub use server::{IdpView, OAuthView, ProbeView, ServerView, SubjectView};
pub use sign_in::{OpenBy, PastedRedirect, SignInBody, SignInEvent, SignedOut};
pub use status::{SetProxy, ShowWindow, StatusView, VaultView};
