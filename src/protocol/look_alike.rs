//! Names as people see them: two that look the same on a screen compare as the same.
//!
//! What is covered: characters that show nothing, white space of every kind and number, the case of
//! letters, and other forms of the same character (NFKC: `e` and an accent, full width, styled
//! letters). What is not: letters of other scripts that resemble each other, such as a Cyrillic
//! `а` and a Latin `a`; people who read those scripts distinguish them by their words.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Signs that turn the direction of writing around would mix up what stands beside them.
pub fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A character as a terminal may get it.
pub fn harmless(c: char) -> char {
    if c.is_control() || turns(c) { '?' } else { c }
}

/// Whether a character can be seen by itself; what joins, directs or fills cannot. The code points
/// of `Default_Ignorable_Code_Point` (Unicode, DerivedCoreProperties.txt), and what fonts show as
/// nothing: the empty Braille pattern, the Hangul fillers, annotations.
pub fn is_visible(c: char) -> bool {
    !is_ignorable(c) && !c.is_whitespace()
}

fn is_ignorable(c: char) -> bool {
    let unseen = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    unseen || (c.is_control() && !c.is_whitespace())
}

/// A name for comparing. Empty: nothing of it can be seen.
pub fn folded(name: &str) -> String {
    if is_plain(name) {
        return name.to_ascii_lowercase();
    }
    let seen: String = name.chars().filter(|c| !is_ignorable(*c)).collect();
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(&seen);
    // One character after the other, so that a part of a name is folded as the whole is.
    let lower = composed.chars().filter(|c| !is_ignorable(*c));
    let lower: String = lower.flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words.join(" ")
}

/// Whether only the case of its letters can be folded.
pub fn is_plain(name: &str) -> bool {
    // Lists have a million names: one pass.
    let mut before = b' ';
    let plain = name.bytes().all(|byte| {
        let fits = byte.is_ascii_graphic() || (byte == b' ' && before != b' ');
        before = byte;
        fits
    });
    plain && (before != b' ' || name.is_empty())
}

/// A name without what is invisible, for sentences.
pub fn shown(name: &str) -> String {
    let seen: String = name.chars().filter(|c| !is_ignorable(*c)).collect();
    let words: Vec<&str> = seen.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_is_alike() {
        for alike in [
            "bob",
            "BOB",
            " Bob ",
            "Bob\u{200b}",
            "\u{2800}Bob",
            "B\u{ad}ob",
            "Bob\u{3164}",
            "\u{115f}\u{1160}Bob\u{ffa0}",
            "\u{202e}Bob\u{202c}",
            "B\u{200d}o\u{34f}b\u{fe0f}",
            "Bob\u{e0100}",
            "Bob\u{a0}\u{3000}",
            "Bob\u{7}",
            "\u{ff22}\u{ff4f}\u{ff42}",
            "\u{1d401}\u{1d428}\u{1d41b}",
            "\u{24b7}ob",
        ] {
            assert_eq!(folded(alike), "bob", "{alike:?}");
        }
        assert_eq!(folded("Jose\u{301}"), folded("jos\u{e9}"));
        assert_eq!(folded("a \u{2003}\t b"), "a b");
        for other in ["Bo b", "B0b", "Bobb", "B\u{43e}b", "B\u{f6}b"] {
            assert_ne!(folded(other), "bob", "{other:?}");
        }
        for nothing in ["", " ", "\u{200b}", "\u{3164}\u{2800} \u{feff}"] {
            assert_eq!(folded(nothing), "", "{nothing:?}");
            assert!(!nothing.chars().any(is_visible), "{nothing:?}");
        }
        assert_eq!(shown("\u{2800} Big\u{200b}  Bob\u{202e}"), "Big Bob");
    }

    #[test]
    fn what_is_folded_stays_as_it_is() {
        arbtest::arbtest(|u| {
            let name: String = u.arbitrary()?;
            let once = folded(&name);
            assert!(once.chars().all(|c| c == ' ' || is_visible(c)), "{name:?}");
            if is_plain(&name) {
                assert_eq!(once, name.to_lowercase());
            }
            Ok(())
        });
    }
}
