//! What a player sees of a text of `ClientPrint`: the server sends it in a user message, and the player's game
//! takes it for a message that may have to be translated.

/// What a user message has room for, beside the place, the ends of five texts, and the engine's own.
const TEXT_BYTES_MAX: usize = 248;

/// `None`: nothing, since the message is too long. A translation is shown as `<its name>`.
pub fn text(sent: &[u8]) -> Option<String> {
    if sent.len() > TEXT_BYTES_MAX {
        return None;
    }
    if let Some(name) = sent.strip_prefix(b"#") {
        return Some(format!("<{}>", String::from_utf8_lossy(name)));
    }
    let whole = placed(&String::from_utf8_lossy(sent));
    Some(match whole.starts_with(is_colour) {
        true => without_colours(&whole),
        false => whole,
    })
}

/// `%s1` to `%s4` are places for texts that were not sent. After a `%s` that is none, nothing is shown.
fn placed(text: &str) -> String {
    let mut parts = text.split("%s");
    let mut whole = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.strip_prefix(['1', '2', '3', '4']) {
            Some(rest) => whole.push_str(rest),
            None => break,
        }
    }
    whole
}

fn is_colour(character: char) -> bool {
    matches!(character, '\x01' | '\x03'..='\x08')
}

fn without_colours(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let digits = match character {
            '\x07' => 6,
            '\x08' => 8,
            _ if is_colour(character) => 0,
            _ => {
                shown.push(character);
                continue;
            }
        };
        rest.by_ref().take(digits).for_each(drop);
    }
    shown
}
