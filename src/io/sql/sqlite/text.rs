//! What SQLite's own functions for texts give, in a time that grows with the length of their
//! arguments and not with its square. They see bytes, as SQLite does: a text need not be UTF-8.

use std::collections::{HashMap, HashSet};

/// Up to this length a pattern is compared at each place: quicker than preparing it.
const SHORT_BYTES: usize = 16;

/// Longest character that is known: UTF-8 has four bytes, SQLite makes one of more.
const CHARACTER_BYTES_MAX: usize = 12;

/// A pattern, prepared to be found (Knuth, Morris and Pratt).
struct Pattern<'a> {
    bytes: &'a [u8],
    /// For each length of a match that breaks off: how much of it can still be one.
    falls: Vec<u32>,
}

impl<'a> Pattern<'a> {
    /// `bytes` holds one byte at least.
    fn new(bytes: &'a [u8]) -> Self {
        let mut falls = Vec::new();
        if bytes.len() > SHORT_BYTES {
            falls = vec![0; bytes.len()];
            let mut matched = 0;
            for at in 1..bytes.len() {
                while matched > 0 && bytes[at] != bytes[matched] {
                    matched = falls[matched - 1] as usize;
                }
                matched += usize::from(bytes[at] == bytes[matched]);
                falls[at] = u32::try_from(matched).unwrap_or(0);
            }
        }
        Self { bytes, falls }
    }

    /// Where it stands first, at `from` or behind.
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let length = self.bytes.len();
        let last = text.len().checked_sub(length)?;
        if self.falls.is_empty() {
            let first = self.bytes[0];
            let mut places = from..=last;
            return places.find(|&at| text[at] == first && &text[at..at + length] == self.bytes);
        }
        let mut matched = 0;
        for (at, byte) in text.iter().enumerate().skip(from) {
            while matched > 0 && *byte != self.bytes[matched] {
                matched = self.falls[matched - 1] as usize;
            }
            matched += usize::from(*byte == self.bytes[matched]);
            if matched == length {
                return Some(at + 1 - length);
            }
        }
        None
    }
}

/// Whether `replace` leaves the text as it is: SQLite takes what begins with NUL for empty.
pub(super) fn is_empty_pattern(pattern: &[u8]) -> bool {
    pattern.first().is_none_or(|first| *first == 0)
}

/// `replace(text, pattern, with)`; None where the result has more than `bytes_max`.
pub(super) fn replace(
    text: &[u8],
    pattern: &[u8],
    with: &[u8],
    bytes_max: usize,
) -> Option<Vec<u8>> {
    if is_empty_pattern(pattern) {
        return Some(text.to_vec());
    }
    let pattern = Pattern::new(pattern);
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = pattern.find(text, from) {
        out.extend_from_slice(&text[from..at]);
        out.extend_from_slice(with);
        from = at + pattern.bytes.len();
        if out.len() > bytes_max {
            return None;
        }
    }
    out.extend_from_slice(&text[from..]);
    (out.len() <= bytes_max).then_some(out)
}

/// `instr(text, pattern)`: the place of the first character of the first match, from 1 on, or 0.
/// Of blobs, bytes are counted.
pub(super) fn instr(text: &[u8], pattern: &[u8], is_text: bool) -> usize {
    let Some(first) = pattern.first() else {
        return 1;
    };
    if !is_text {
        let found = Pattern::new(pattern).find(text, 0);
        return found.map_or(0, |at| at + 1);
    }
    // A match begins where a character does; the text's first byte always counts as that.
    if is_inner(*first) {
        return usize::from(text.starts_with(pattern));
    }
    let found = Pattern::new(pattern).find(text, 0);
    let begun = |at| text[1..=at].iter().filter(|byte| !is_inner(**byte)).count();
    found.map_or(0, |at| begun(at) + 1)
}

/// A byte of a character that is not its first.
fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The characters that `trim(text, characters)` takes away.
pub(super) struct Trim<'a> {
    /// By byte, the place among all of a character of one byte.
    single: [u32; 256],
    longer: HashMap<&'a [u8], u32>,
    /// Of `longer`.
    lengths: Vec<usize>,
}

impl<'a> Trim<'a> {
    /// None where they are no UTF-8 at all.
    pub(super) fn new(characters: &'a [u8]) -> Option<Self> {
        let mut trim = Self {
            single: [u32::MAX; 256],
            longer: HashMap::new(),
            lengths: Vec::new(),
        };
        let end = characters.iter().position(|byte| *byte == 0);
        let mut rest = &characters[..end.unwrap_or(characters.len())];
        let mut place = 0;
        while let Some(first) = rest.first() {
            let inner = rest[1..].iter().take_while(|byte| is_inner(**byte));
            let length = match *first >= 0xc0 {
                true => 1 + inner.take(CHARACTER_BYTES_MAX).count(),
                false => 1,
            };
            let (character, behind) = rest.split_at(length);
            match length {
                1 => {
                    let known = &mut trim.single[usize::from(*first)];
                    *known = (*known).min(place);
                }
                2..=CHARACTER_BYTES_MAX => {
                    trim.longer.entry(character).or_insert(place);
                    if !trim.lengths.contains(&length) {
                        trim.lengths.push(length);
                    }
                }
                _ => return None,
            }
            rest = behind;
            place += 1;
        }
        Some(trim)
    }

    /// Without the characters at its beginning, its end, or both.
    pub(super) fn of<'t>(&self, mut text: &'t [u8], left: bool, right: bool) -> &'t [u8] {
        while let Some(first) = text.first().filter(|_| left) {
            let length = self.matches(*first, text.len(), |length| &text[..length]);
            if length == 0 {
                break;
            }
            text = &text[length..];
        }
        while let Some(last) = text.last().filter(|_| right) {
            let length = self.matches(*last, text.len(), |length| &text[text.len() - length..]);
            if length == 0 {
                break;
            }
            text = &text[..text.len() - length];
        }
        text
    }

    /// The length of that of the characters which stands here; of several, the first in their
    /// order.
    fn matches<'t>(&self, byte: u8, most: usize, part: impl Fn(usize) -> &'t [u8]) -> usize {
        let mut best = (self.single[usize::from(byte)], 1);
        for length in self
            .lengths
            .iter()
            .copied()
            .filter(|length| *length <= most)
        {
            if let Some(place) = self.longer.get(part(length)) {
                best = best.min((*place, length));
            }
        }
        match best.0 {
            u32::MAX => 0,
            _ => best.1,
        }
    }
}

/// `unhex(text, between)`: None for NULL.
pub(super) fn unhex(text: &[u8], between: &[u8]) -> Option<Vec<u8>> {
    let mut allowed = HashSet::new();
    let mut rest = between;
    while !rest.is_empty() {
        allowed.insert(character(&mut rest));
    }
    let end = text.iter().position(|byte| *byte == 0);
    let mut rest = &text[..end.unwrap_or(text.len())];
    let mut out = Vec::with_capacity(rest.len() / 2);
    while let Some(first) = rest.first() {
        let Some(high) = digit(*first) else {
            if !allowed.contains(&character(&mut rest)) {
                return None;
            }
            continue;
        };
        let low = rest.get(1).copied().and_then(digit)?;
        out.push(high << 4 | low);
        rest = &rest[2..];
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The next character of a text that is not empty, as SQLite reads it.
fn character(rest: &mut &[u8]) -> u32 {
    let first = rest[0];
    *rest = &rest[1..];
    if first < 0xc0 {
        return u32::from(first);
    }
    let mut read = u32::from(match first {
        ..0xe0 => first & 0x1f,
        0xe0..0xf0 => first & 0x0f,
        0xf0..0xf8 => first & 0x07,
        0xf8..0xfc => first & 0x03,
        0xfc..0xfe => first & 0x01,
        _ => 0,
    });
    while let Some(byte) = rest.first().copied().filter(|byte| is_inner(*byte)) {
        read = (read << 6).wrapping_add(u32::from(byte & 0x3f));
        *rest = &rest[1..];
    }
    let is_none = read < 0x80 || read & 0xffff_f800 == 0xd800 || read & 0xffff_fffe == 0xfffe;
    if is_none { 0xfffd } else { read }
}
