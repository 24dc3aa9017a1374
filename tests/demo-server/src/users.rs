//! The people who can sign in, and what the demo pretends to know about them.

use serde::Serialize;

/// Somebody the demo server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name to sign in with.
    pub name: &'static str,
    /// The password for the login form.
    #[serde(skip)]
    pub password: &'static str,
    /// The name to show.
    pub display_name: &'static str,
    /// An address that goes nowhere.
    pub email: &'static str,
    /// What the user may see.
    pub role: Role,
}

/// What a user may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Their own data.
    User,
    /// Financial data too.
    Inspector,
    /// Everything, and the admin panel.
    Admin,
}

/// Everybody who can sign in.
pub const USERS: [User; 3] = [
    User {
        name: "demo",
        password: "demo123",
        display_name: "Demo User",
        email: "demo@example.com",
        role: Role::User,
    },
    User {
        name: "inspector",
        password: "inspector123",
        display_name: "Ines Pector",
        email: "inspector@example.com",
        role: Role::Inspector,
    },
    User {
        name: "admin",
        password: "admin123",
        display_name: "Ada Min",
        email: "admin@example.com",
        role: Role::Admin,
    },
];

/// The user of that name.
pub(crate) fn find(name: &str) -> Option<User> {
    USERS.into_iter().find(|user| user.name == name)
}

/// The user of that name, if the password is theirs.
pub(crate) fn sign_in(name: &str, password: &str) -> Option<User> {
    find(name).filter(|user| user.password == password)
}
