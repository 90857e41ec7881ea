//! Console commands of the engine, typed, and the one function that quotes.
//!
//! A Source console has no way to escape a quote: `;` separates commands outside of quotes, a
//! newline ends one anywhere, `//` begins a comment, and a line has 511 bytes. So what cannot be
//! carried is refused; nothing is left out or changed on the way.

/// What vpid lets a server do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Out, by the engine's number of the player, and not by a name.
    Kick { userid: i32, reason: String },
    /// To everybody, as the console.
    Say(String),
    /// Who is on: read by [`super::server_status`].
    Status,
    /// A whole line that the owner has written.
    Console(String),
}

/// Why a text cannot stand in a command. Each is a sentence's end: "the reason {}".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    Quote,
    Control,
    TooLong,
    Empty,
}
