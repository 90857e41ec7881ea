//! A server's hostname as it stands in the names of its files.

/// What the stock client makes of the game's `hostname` variable: lower case, letters and
/// digits kept, spaces, control and non-ASCII bytes turned into `_`, the rest dropped, a real
/// `_` too. (If the hostname ends in `_` the client drops what it else would turn into `_`.)
///
/// A text of `a-z 0-9 _` alone stays as it is: owners copy it from file names.
pub fn host_of(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if text.bytes().all(|byte| plain(byte) || byte == b'_') {
        return text.to_owned();
    }
    let fill = !text.ends_with('_');
    text.bytes()
        .map(|byte| byte.to_ascii_lowercase())
        .filter_map(|byte| match byte {
            _ if plain(byte) => Some(char::from(byte)),
            0..=32 | 128.. if fill => Some('_'),
            _ => None,
        })
        .collect()
}
