//! Console commands of the engine, typed, and the functions that put untrusted texts into them.
//!
//! A Source console has no way to escape a quote: `;` separates commands outside of quotes, a
//! newline ends one anywhere, `//` begins a comment, and a line that is longer than 510 bytes is
//! not run. So what cannot be carried is refused; nothing is left out or changed on the way.
//!
//! `say` and `kickid` show the rest of their line as it is, with the quotation marks around it. So a
//! text that the console passes on unchanged stands there without any.

#[cfg(test)]
mod tests;

use crate::limits::{CONSOLE_BARE_BYTES_MAX, CONSOLE_LINE_BYTES_MAX, SAY_BYTES_MAX};
use crate::protocol::cut::cut;
use crate::protocol::look_alike::turns;
use crate::protocol::script_line::ScriptLine;

/// Ends what was cut.
const CUT: &str = "…";

/// What vpid lets a server do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Out, by the engine's number of the player, and not by a name.
    Kick { userid: i32, reason: String },
    /// To all players, as the console.
    Say(String),
    /// A text for players, by the game's script engine.
    Script(ScriptLine),
    /// Code of a reward, or a part of it, for the same.
    Code(ScriptLine),
    /// Who is on: read by [`crate::protocol::server_status`].
    Status,
    /// How many slots the owner wants players to see: read by [`cvar_value`].
    VisibleSlots,
    /// Shows players this many slots; -1: all of them.
    ShowSlots(i64),
    /// A whole line that the owner has written.
    Console(String),
}

/// Why a text cannot stand in a command. Each is a sentence's end: "the reason {}".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("has a \", which no console command can carry")]
    Quote,
    #[error("has a line break or another control character")]
    Control,
    #[error("is too long: a whole console command has at most {CONSOLE_LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("is too long: the console says at most {SAY_BYTES_MAX} bytes")]
    TooLongToSay,
    #[error("is empty")]
    Empty,
}

impl Command {
    /// Whether it goes before texts and what else waits: who is to be kicked plays on until then, and it takes a
    /// `status` to know who that is. Players decide how many texts there are.
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::Kick { .. } | Self::Status)
    }

    /// The line that does it, without an end of line. It is one command, but for
    /// [`Command::Console`], which is what its owner has written, as it is.
    pub fn line(&self) -> Result<String, Unfit> {
        let line = match self {
            Self::Kick { userid, reason } if is_blank(reason) => format!("kickid {userid}"),
            Self::Kick { userid, reason } => with_rest(&format!("kickid {userid}"), reason)?,
            Self::Say(text) if is_blank(text) => return Err(Unfit::Empty),
            Self::Say(text) if text.len() > SAY_BYTES_MAX => return Err(Unfit::TooLongToSay),
            Self::Say(text) => with_rest("say", text)?,
            Self::Script(line) | Self::Code(line) => line.as_str().to_owned(),
            Self::Status => "status".to_string(),
            Self::VisibleSlots => "sv_visiblemaxplayers".to_string(),
            Self::ShowSlots(slots) => format!("sv_visiblemaxplayers {slots}"),
            Self::Console(line) if is_blank(line) => return Err(Unfit::Empty),
            Self::Console(line) if line.contains(is_control) => return Err(Unfit::Control),
            Self::Console(line) => line.clone(),
        };
        fitting(line)
    }
}

/// A command with a text behind it: as it is where the console passes it on unchanged, else as one
/// argument.
fn with_rest(command: &str, text: &str) -> Result<String, Unfit> {
    let quoted = format!("{command} {}", quoted(text)?);
    let bare = format!("{command} {text}");
    let stays = bare.len() <= CONSOLE_BARE_BYTES_MAX
        && !text.contains(';')
        && !text.contains("//")
        && text.trim() == text;
    Ok(if stays { bare } else { quoted })
}

/// A text as one argument of a console command. The only way for untrusted texts.
pub fn quoted(text: &str) -> Result<String, Unfit> {
    if text.contains('"') {
        return Err(Unfit::Quote);
    }
    if text.contains(is_control) {
        return Err(Unfit::Control);
    }
    fitting(format!("\"{text}\""))
}

/// The value in what a console prints of a variable: `"name" = "value" ( def. "..." ) ...`.
/// `None`: it knows no such variable.
pub fn cvar_value(reply: &str) -> Option<&str> {
    let (_, after) = reply.split_once(" = \"")?;
    Some(after.split_once('"')?.0)
}

/// Whether the console says that it has no such command.
pub fn is_unknown(reply: &str) -> bool {
    reply.trim_start().starts_with("Unknown command")
}

/// A text as it may be shown, at most so many bytes of it: `"` becomes `'`, control
/// characters become spaces, several spaces become one, what turns the text around is left out, and what is too long
/// ends in `…`.
///
/// This changes the text, so it is for code that composes a message and means to, such as one with a
/// player's name in it. Nothing on the way to a console does it by itself.
pub fn plain(text: &str, bytes_max: usize) -> String {
    let text = text.replace(turns, "");
    let words = text.split(|character| character == ' ' || is_control(character));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let shown = words.join(" ").replace('"', "'");
    if shown.len() <= bytes_max {
        return shown;
    }
    match bytes_max.checked_sub(CUT.len()) {
        Some(room) => format!("{}{CUT}", cut(&shown, room).trim_end_matches(' ')),
        None => String::new(),
    }
}

fn fitting(line: String) -> Result<String, Unfit> {
    match line.len() {
        0..=CONSOLE_LINE_BYTES_MAX => Ok(line),
        _ => Err(Unfit::TooLong),
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// What ends a line for any reader, and all that moves a terminal.
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}
