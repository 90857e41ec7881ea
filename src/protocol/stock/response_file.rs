//! The response file of a stock client: `{"Calls": {token: value, ...}, "Identity": {...}}`.
//!
//! The engine reads nothing above 16,384 bytes (a client whose file is larger hangs until its
//! map ends), so files are packed to at most 16,000. Values arrive here already encoded.

use crate::protocol::response_text::{Decoder, push_text};
use crate::protocol::stock::legacy::Identity;

/// The bytes a response takes in a file: its token, its value, and what stands between them.
pub fn entry_bytes(token: &str, value: &str) -> usize {
    // A token may need escapes; each byte takes two at most. Tokens of real clients need none.
    2 * token.len() + value.len() + 4
}

/// The bytes a file takes besides its responses, for a secret of this length.
pub fn frame_bytes(secret_bytes: usize) -> usize {
    2 * secret_bytes + 96
}

/// Puts a file together. `answers` are tokens with encoded values; no token may stand twice
/// (the stock decoder would give up the whole file).
pub fn pack<'a>(answers: impl Iterator<Item = (&'a str, &'a str)>, identity: &Identity) -> String {
    let mut file = String::with_capacity(4096);
    file.push_str("{\"Calls\":{");
    for (position, (token, value)) in answers.enumerate() {
        if position > 0 {
            file.push(',');
        }
        push_text(&mut file, token, Decoder::Stock);
        file.push(':');
        file.push_str(value);
    }
    file.push_str("},\"Identity\":{\"enc\":");
    push_text(
        &mut file,
        &String::from_utf8_lossy(&identity.enc),
        Decoder::Stock,
    );
    file.push_str(",\"iv\":");
    push_text(
        &mut file,
        &String::from_utf8_lossy(&identity.iv),
        Decoder::Stock,
    );
    file.push_str(&format!(
        ",\"timestamp\":{},\"ticks\":{}}}}}",
        identity.timestamp, identity.ticks
    ));
    file
}

/// Whether an input file holds nothing that its client has not read.
/// The stock client takes a missing file, an empty one, and a NUL (with anything behind it) for
/// empty; blank text comes from hands.
pub fn is_empty(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    bytes[..end].iter().all(u8::is_ascii_whitespace)
}
