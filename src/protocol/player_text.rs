//! Texts as the game's `ClientPrint` shows them as they are meant, in the chat, in the centre and on a
//! player's console. `vscripts/vpi/player_text.nut` has the same rule for what the scripts print.
//!
//! The engine sends such a text in a user message of at most 255 bytes, and the player's game reads
//! it as a message that may have to be translated:
//! - A text that begins with `#` is the name of a translation.
//! - `%s1` to `%s4` are places for texts that were not sent, so they vanish. What it makes of any other
//!   `%s` is not documented, so none is sent.
//! - Colours count only in a text that begins with one. They are `\x01` (the usual one), `\x03` to `\x06`
//!   (of the game), `\x07RRGGBB` and `\x08RRGGBBAA`.

use crate::limits::CLIENT_PRINT_BYTES_MAX;

/// What begins a text in the usual colour; it is not visible itself.
pub const USUAL: &str = "\x01";

/// The text to give to `ClientPrint`: at most [`CLIENT_PRINT_BYTES_MAX`] bytes, cut between characters
/// and outside of colours. A text that it has made is left as it is.
pub fn for_client_print(text: &str) -> String {
    // The engine's texts end with a NUL.
    let text = text.split('\0').next().unwrap_or_default();
    let special = text.starts_with('#') || text.contains("%s") || text.contains(is_colour);
    let mut shown = String::new();
    if special && !text.starts_with(is_colour) {
        shown.push_str(USUAL);
    }
    let mut colour = USUAL;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (piece, after) = rest.split_at(colour_bytes(rest).unwrap_or(character.len_utf8()));
        if is_whole_colour(piece) {
            colour = piece;
        }
        // The colour that holds anyway stands between the two, where it is not visible.
        let splits = piece == "%" && after.starts_with('s');
        let between = if splits { colour } else { "" };
        if shown.len() + piece.len() + between.len() > CLIENT_PRINT_BYTES_MAX {
            break;
        }
        shown.push_str(piece);
        shown.push_str(between);
        rest = after;
    }
    shown
}

fn is_colour(character: char) -> bool {
    matches!(character, '\x01' | '\x03'..='\x08')
}

/// Whether a piece of a text, a character or a colour, is a colour with all its digits.
pub fn is_whole_colour(piece: &str) -> bool {
    piece.starts_with(is_colour) && (piece.len() > 1 || !piece.starts_with(['\x07', '\x08']))
}

/// A text as it can be read where colours do not count.
pub fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let bytes = colour_bytes(rest).unwrap_or(character.len_utf8());
        if !is_whole_colour(&rest[..bytes]) {
            plain.push(character);
        }
        rest = &rest[bytes..];
    }
    plain
}

/// How many bytes the colour `\x07RRGGBB` or `\x08RRGGBBAA` has with which a text begins; `None`
/// without a whole one.
pub fn colour_bytes(text: &str) -> Option<usize> {
    let digits = match text.as_bytes().first()? {
        0x07 => 6,
        0x08 => 8,
        _ => return None,
    };
    let code = text.as_bytes().get(1..=digits)?;
    code.iter().all(u8::is_ascii_hexdigit).then_some(1 + digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_text_stays() {
        for text in ["", "hello", "100 % of ß", "a #1 fan", "% s1", "two\nlines"] {
            assert_eq!(for_client_print(text), text);
        }
    }

    #[test]
    fn a_text_is_no_name_of_a_translation() {
        assert_eq!(for_client_print("#TF_Scout"), "\x01#TF_Scout");
        assert_eq!(for_client_print("#"), "\x01#");
        assert_eq!(for_client_print("\x07FF0000#a"), "\x07FF0000#a");
    }

    #[test]
    fn a_coloured_text_begins_with_a_colour() {
        let red = "\x07FF0000red\x01 again";
        assert_eq!(for_client_print(red), red);
        assert_eq!(
            for_client_print("a \x07FF0000red"),
            "\x01a \x07FF0000red".to_string()
        );
        // Not one of those that a text may begin with.
        assert_eq!(for_client_print("\x02\x03a"), "\x01\x02\x03a");
    }

    #[test]
    fn without_its_colours_a_text_is_itself() {
        let coloured = "\x07FF0000[a] \x01b\x0800ff0080ß";
        assert_eq!(without_colours(coloured), "[a] bß");
        assert_eq!(without_colours("\x07xyz"), "\x07xyz");
    }

    #[test]
    fn places_of_texts_show() {
        assert_eq!(for_client_print("%s1 and %s9"), "\x01%\x01s1 and %\x01s9");
        assert_eq!(for_client_print("100%sure"), "\x01100%\x01sure");
        assert_eq!(for_client_print("%%s1"), "\x01%%\x01s1");
        let red = for_client_print("\x07ff0000%s1 \x0800ff0080%s2\x01%s3");
        assert_eq!(
            red,
            "\x07ff0000%\x07ff0000s1 \x0800ff0080%\x0800ff0080s2\x01%\x01s3"
        );
        // That is no colour, so there is none to repeat.
        assert_eq!(for_client_print("\x07xyz%s1"), "\x07xyz%\x01s1");
    }

    #[test]
    fn a_long_text_ends_between_characters_and_colours() {
        let long = for_client_print(&"ä".repeat(200));
        assert_eq!(long, "ä".repeat(CLIENT_PRINT_BYTES_MAX / 2));
        let odd = for_client_print(&format!("x{}", "ä".repeat(200)));
        assert_eq!(odd.len(), CLIENT_PRINT_BYTES_MAX - 1);
        let code = format!("{}\x07FF0000red", "x".repeat(CLIENT_PRINT_BYTES_MAX - 4));
        assert_eq!(
            for_client_print(&code),
            format!("\x01{}", "x".repeat(CLIENT_PRINT_BYTES_MAX - 4))
        );
        assert_eq!(for_client_print("a\0b"), "a");
    }

    #[test]
    fn the_same_holds_for_every_text_and_once_is_enough() {
        arbtest::arbtest(|u| {
            let pieces = [
                "%", "s", "1", "#", "\x01", "\x02", "\x07", "\x08", "FF0000", "ß", "€", "😀", " ",
            ];
            let mut text = String::new();
            for _ in 0..u.int_in_range(0..=150)? {
                text.push_str(u.choose(&pieces)?);
            }
            let shown = for_client_print(&text);
            assert!(shown.len() <= CLIENT_PRINT_BYTES_MAX);
            assert!(!shown.starts_with('#') && !shown.contains("%s"));
            assert!(shown.starts_with(is_colour) || !shown.contains(is_colour));
            assert_eq!(for_client_print(&shown), shown, "{text:?}");
            Ok(())
        });
    }
}
