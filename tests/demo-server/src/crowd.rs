//! Twenty servers of all eras, half of them of no use, as the test and the benchmark of a full config want them.

use crate::config::Eras;

/// How many there are.
pub const SIZE: usize = 20;

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It takes requests and answers none.
    Hangs,
    /// Nothing listens there.
    Down,
    /// It wants a sign-in.
    SignedOut,
    /// It is well.
    None,
}

/// Half of them work; of the others four hang, three are down, three want a sign-in.
pub fn trouble_of(at: usize) -> Trouble {
    match at {
        0..4 => Trouble::Hangs,
        4..7 => Trouble::Down,
        7..10 => Trouble::SignedOut,
        _ => Trouble::None,
    }
}

/// They are of all eras, whatever their trouble.
pub fn eras_of(at: usize) -> Eras {
    [Eras::Legacy, Eras::Modern, Eras::Both][at % 3]
}

/// What a server is called.
pub fn name_of(at: usize) -> String {
    format!("server-{at}")
}
