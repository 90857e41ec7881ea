//! Lines for the console command `script <code>`, which runs code in the game's script engine: the only
//! way in which code is put together out of untrusted texts.
//!
//! The console gives the rest of such a line to the script engine as it stands (vscript_shared.cpp of
//! source-sdk-2013). So the text stands in the code as one literal of letters, digits, a few signs,
//! and `\xHH` for each other byte: nothing in it ends the literal, the code or the line. Squirrel reads
//! two digits behind `\x`, and older ones up to four; so what follows an escape and could be read as
//! its digit is escaped as well.
//!
//! The code has no `;`, which the console takes for the end of the command outside of quotation marks.

#[cfg(test)]
mod tests;

use std::fmt::Write;

use crate::limits::CONSOLE_BARE_BYTES_MAX;
use crate::protocol::player_text::{USUAL, colour_bytes, for_client_print, is_whole_colour};
use crate::protocol::signed::messages::Place;
use crate::protocol::steam_id::SteamId;

/// One line that shows players a text, and does nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptLine(String);

/// The one player whom a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    pub userid: i32,
    /// Shown only if the userid is not another account's by now: userids begin again with the server.
    pub steam: Option<SteamId>,
}

impl ScriptLine {
    /// What shows a text to one player or all. One that is too long for a line, when all of it that is no
    /// plain ASCII has been escaped, comes as several in the chat, and is cut elsewhere, since each text
    /// in the centre replaces the one before.
    pub fn prints(to: Option<Reader>, place: Place, text: &str) -> Vec<Self> {
        let text = for_client_print(text);
        let before = before(to, place);
        let room = CONSOLE_BARE_BYTES_MAX - before.len() - BEHIND.len();
        let (mut lines, mut rest, mut colour) = (Vec::new(), text.trim_end_matches(' '), "");
        loop {
            let (piece, next_colour) = split(rest, colour, room);
            let shown = literal(&format!("{colour}{piece}"));
            lines.push(Self(format!("{before}{shown}{BEHIND}")));
            rest = &rest[piece.len()..];
            colour = next_colour;
            if rest.trim().is_empty() || place == Place::Center {
                return lines;
            }
            rest = rest.trim_start_matches(' ');
        }
    }

    /// What runs code, whatever stands in it. Code that is too long for a line is put together in the game out of
    /// several, of which the last one runs it.
    pub fn runs(code: &str) -> Vec<Self> {
        let whole = format!("script compilestring(\"{}\")()", literal(code));
        if whole.len() <= CONSOLE_BARE_BYTES_MAX {
            return vec![Self(whole)];
        }
        let (mut lines, mut rest, mut sets) = (Vec::new(), code, "<-");
        while !rest.is_empty() {
            let before = format!("script ::{CODE}{sets}\"");
            let mut escaped = Literal::default();
            let ends = |(_, sign): &(usize, char)| {
                escaped.push(sign.encode_utf8(&mut [0; 4]));
                before.len() + escaped.text.len() >= CONSOLE_BARE_BYTES_MAX
            };
            let end = rest.char_indices().find(ends);
            let (piece, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            lines.push(Self(format!("{before}{}\"", literal(piece))));
            (rest, sets) = (after, "+=");
        }
        lines.push(Self(format!("script compilestring(::{CODE})()")));
        lines
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where code is put together in the game.
const CODE: &str = "vpid_code";

/// The code behind the inside of the literal.
const BEHIND: &str = "\")";

/// The code before it.
fn before(to: Option<Reader>, place: Place) -> String {
    // HUD_PRINTCONSOLE, HUD_PRINTTALK and HUD_PRINTCENTER.
    let place = match place {
        Place::Console => 2,
        Place::Chat => 3,
        Place::Center => 4,
    };
    let Some(Reader { userid, steam }) = to else {
        return format!("script ClientPrint(null,{place},\"");
    };
    // Without `;`, a loop over one value is what gives it a name.
    let mut code = format!("script foreach(p in[GetPlayerFromUserID({userid})])if(p)");
    if let Some(steam) = steam {
        // The engine's copy of the id is not always up to date: it may be unknown as yet.
        let _ = write!(
            code,
            "foreach(d in[NetProps.GetPropString(p,\"m_szNetworkIDString\")])\
             if(d.find(\"[U:\")!=0||d==\"[U:1:{}]\")",
            steam.account()
        );
    }
    let _ = write!(code, "ClientPrint(p,{place},\"");
    code
}

/// As much of a text as fits behind a colour, if possible up to a blank, and the colour in force behind
/// it.
fn split<'a>(text: &'a str, colour: &'a str, room: usize) -> (&'a str, &'a str) {
    let mut escaped = Literal::default();
    escaped.push(colour);
    let (mut end, mut blank, mut last) = (0, None, if colour.is_empty() { USUAL } else { colour });
    let mut at_blank = last;
    while let Some(character) = text[end..].chars().next() {
        let bytes = colour_bytes(&text[end..]).unwrap_or(character.len_utf8());
        let piece = &text[end..end + bytes];
        escaped.push(piece);
        if escaped.text.len() > room {
            return match blank {
                Some(blank) if blank > end / 2 => (&text[..blank], at_blank),
                _ => (&text[..end], last),
            };
        }
        if piece == " " {
            (blank, at_blank) = (Some(end), last);
        }
        if is_whole_colour(piece) {
            last = piece;
        }
        end += bytes;
    }
    (text, last)
}

/// The inside of a literal that is a text.
fn literal(text: &str) -> String {
    let mut escaped = Literal::default();
    escaped.push(text);
    escaped.text
}

/// The inside of a literal that is being put together.
#[derive(Default)]
pub struct Literal {
    text: String,
    /// It ends with an escape, which a digit would go on.
    open: bool,
}

impl Literal {
    pub fn into_text(self) -> String {
        self.text
    }

    /// Code that stands in it or around it, as it is, but for what would go on with an escape.
    pub fn push_code(&mut self, code: &str) {
        let digits = code.bytes().take_while(u8::is_ascii_hexdigit);
        let escaped = if self.open { digits.count() } else { 0 };
        self.push(&code[..escaped]);
        self.text.push_str(&code[escaped..]);
        self.open &= escaped == code.len();
    }

    pub fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b" .,:-_!?()[]+=*".contains(&byte);
            self.open = !plain || (self.open && byte.is_ascii_hexdigit());
            let _ = match self.open {
                true => write!(self.text, "\\x{byte:02x}"),
                false => write!(self.text, "{}", char::from(byte)),
            };
        }
    }
}
