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

// STUB until the branch `game` is here.
impl Command {
    pub fn line(&self) -> Result<String, Unfit> {
        Ok(match self {
            Self::Kick { userid, reason } => format!("kickid {userid} \"{reason}\""),
            Self::Say(text) => format!("say \"{text}\""),
            Self::Status => "status".into(),
            Self::Console(line) => line.clone(),
        })
    }
}
impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unfit")
    }
}
pub fn plain(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}
