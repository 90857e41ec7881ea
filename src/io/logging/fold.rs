//! Lines that say the same: the first is written, the others are counted, and the count is written
//! after a minute, then ever more seldom while they go on.
//!
//! Errors come at the pace of what causes them: a call for each tick, a file for each look, a host
//! for each name that somebody makes up. What is the same is told by the place in the source and by
//! the words of the line, without numbers, names of files and quoted texts in it. A few lines of the
//! same words are written each (they may be about different hosts or files); lines that are the same
//! to the letter only once. No place writes more than so many lines a minute, whatever it says.
//!
//! Pure: time comes as a value, and what is to be written goes back.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::mem::take;

use crate::limits::{
    LOG_FOLD_MS_MAX, LOG_FOLD_MS_MIN, LOG_FOLDED_TEXT_BYTES_MAX, LOG_KINDS_MAX, LOG_LIKE_MAX,
    LOG_LIKE_NEWS_MAX, LOG_PLACE_LINES_MAX, LOG_SAME_MAX, LOG_SAME_NEWS_MAX,
};
use crate::protocol::cut::cut;

/// A place in the source: file and line.
pub type Place = (&'static str, u32);

/// What has been written lately, and what has been left out. `M` is what goes with a line, such as its level.
pub struct Fold<M> {
    hasher: RandomState,
    /// By the hashes of lines, of their words, and of their places.
    kinds: HashMap<u64, Kind<M>>,
}

impl<M> Default for Fold<M> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            kinds: HashMap::default(),
        }
    }
}

struct Kind<M> {
    /// Since when this is counted, and for how long.
    since_ms: u64,
    window_ms: u64,
    written: u32,
    /// Not written; and the last of them.
    left_out: u64,
    last: Option<(M, String)>,
}

/// How often a line may be written before the rest is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// What goes wrong: it may go on for ever.
    Trouble,
    /// What changed, or was requested.
    Change,
}

impl Pace {
    /// In a window: to the letter, in its words, at its place.
    fn bounds(self) -> [u32; 3] {
        match self {
            Self::Trouble => [LOG_SAME_MAX, LOG_LIKE_MAX, LOG_PLACE_LINES_MAX],
            Self::Change => [LOG_SAME_NEWS_MAX, LOG_LIKE_NEWS_MAX, LOG_PLACE_LINES_MAX],
        }
    }
}

impl<M: Clone> Fold<M> {
    /// Whether a line is to be written now; else it is counted.
    pub fn admit(
        &mut self,
        place: Place,
        (mark, pace): (&M, Pace),
        text: &str,
        now_ms: u64,
    ) -> bool {
        let keys = [
            self.hasher.hash_one((place, 0, text)),
            self.hash_words(place, text),
            self.hasher.hash_one((place, 2)),
        ];
        if self.kinds.len() + keys.len() > LOG_KINDS_MAX {
            self.make_room(now_ms);
        }
        for (key, most) in keys.iter().zip(pace.bounds()) {
            let kind = self.kinds.get_mut(key).filter(|kind| !kind.is_old(now_ms));
            if let Some(kind) = kind
                && kind.written >= most
            {
                kind.left_out += 1;
                kind.last = Some((
                    mark.clone(),
                    cut(text, LOG_FOLDED_TEXT_BYTES_MAX).to_owned(),
                ));
                return false;
            }
        }
        for key in keys {
            let kind = self.kinds.entry(key).or_insert_with(|| Kind::new(now_ms));
            if kind.is_old(now_ms) {
                *kind = Kind::new(now_ms);
            }
            kind.written += 1;
        }
        true
    }

    /// The counts whose time has come, as lines; all there are, when this is `the_end`.
    pub fn due(&mut self, now_ms: u64, the_end: bool) -> Vec<(M, String)> {
        let mut lines = Vec::new();
        self.kinds.retain(|_, kind| {
            if !kind.is_over(now_ms) && !the_end {
                return true;
            }
            let Some((mark, text)) = kind.last.take() else {
                // It has been quiet: the next one is written again.
                return false;
            };
            let seconds = (now_ms - kind.since_ms.min(now_ms)).div_ceil(1_000);
            let count = take(&mut kind.left_out);
            lines.push((kind.since_ms, mark, summary(count, seconds, &text)));
            kind.since_ms = now_ms;
            kind.window_ms = (2 * kind.window_ms).min(LOG_FOLD_MS_MAX);
            true
        });
        lines.sort_by_key(|(since_ms, ..)| *since_ms);
        let lines = lines.into_iter();
        lines.map(|(_, mark, text)| (mark, text)).collect()
    }

    /// More kinds are known than are kept: those go that were quiet, then the older half.
    fn make_room(&mut self, now_ms: u64) {
        self.kinds.retain(|_, kind| !kind.is_old(now_ms));
        if self.kinds.len() + 3 > LOG_KINDS_MAX {
            let mut ages: Vec<(bool, u64)> = self.kinds.values().map(Kind::rank).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            self.kinds.retain(|_, kind| kind.rank() > middle);
        }
    }

    /// Of the words that are neither numbers, names of files nor quoted.
    fn hash_words(&self, place: Place, text: &str) -> u64 {
        use std::hash::Hasher;
        let mut hasher = self.hasher.build_hasher();
        (place, 1).hash(&mut hasher);
        let mut quoted = false;
        for word in text.split_whitespace() {
            let began = quoted;
            quoted ^= word.matches('"').count() % 2 == 1;
            if began || quoted || word.contains('"') {
                continue;
            }
            let word = word.trim_matches(|sign: char| !sign.is_alphanumeric());
            if word.chars().all(char::is_alphabetic) {
                word.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}

impl<M> Kind<M> {
    fn new(now_ms: u64) -> Self {
        Self {
            since_ms: now_ms,
            window_ms: LOG_FOLD_MS_MIN,
            written: 0,
            left_out: 0,
            last: None,
        }
    }

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.since_ms + self.window_ms
    }

    /// Nothing was left out, and it is long ago: the next one counts as the first.
    fn is_old(&self, now_ms: u64) -> bool {
        self.is_over(now_ms) && self.left_out == 0
    }

    /// What can be forgotten first: without a count, and old.
    fn rank(&self) -> (bool, u64) {
        (self.left_out > 0, self.since_ms)
    }
}

fn summary(count: u64, seconds: u64, text: &str) -> String {
    let lines = match count {
        1 => "1 more line".to_owned(),
        _ => format!("{count} more lines"),
    };
    format!("{lines} like this in {seconds} s, the last of them: {text}")
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    const TROUBLE: (&Level, Pace) = (&Level::Warn, Pace::Trouble);
    const HERE: Place = ("src/a.rs", 7);

    fn admitted(
        fold: &mut Fold<Level>,
        texts: impl IntoIterator<Item = String>,
        now_ms: u64,
    ) -> usize {
        let written = texts
            .into_iter()
            .filter(|text| fold.admit(HERE, TROUBLE, text, now_ms));
        written.count()
    }

    #[test]
    fn the_same_line_is_written_once_and_then_counted_ever_more_seldom() {
        let mut fold = Fold::default();
        let same = || "host x: a call failed: no such column".to_owned();
        assert_eq!(admitted(&mut fold, (0..1_000).map(|_| same()), 0), 1);
        assert_eq!(fold.due(LOG_FOLD_MS_MIN - 1, false), []);
        let line = format!(
            "999 more lines like this in 60 s, the last of them: {}",
            same()
        );
        assert_eq!(fold.due(LOG_FOLD_MS_MIN, false), [(Level::Warn, line)]);
        // It goes on: only the counts are written, after 2 minutes, 4, and so on.
        let (mut now_ms, mut lines, mut left_out) = (LOG_FOLD_MS_MIN, 0, 0);
        while now_ms < LOG_FOLD_MS_MIN + 24 * 3_600_000 {
            now_ms += 5_000;
            assert!(!fold.admit(HERE, TROUBLE, &same(), now_ms));
            left_out += 1;
            for (_, text) in fold.due(now_ms, false) {
                lines += 1;
                left_out -= text.split(' ').next().unwrap().parse::<i64>().unwrap();
            }
        }
        assert!((24..40).contains(&lines), "{lines}");
        let rest = fold.due(now_ms, true);
        assert!(rest.len() <= 1);
        let rest = rest.first().map_or(0, |(_, text)| {
            text.split(' ').next().unwrap().parse().unwrap()
        });
        assert_eq!(left_out, rest);
        // After some quiet time it is news again.
        now_ms += 2 * LOG_FOLD_MS_MAX;
        fold.due(now_ms, false);
        fold.due(now_ms + LOG_FOLD_MS_MAX, false);
        assert!(fold.admit(HERE, TROUBLE, &same(), now_ms + LOG_FOLD_MS_MAX));
    }

    #[test]
    fn lines_of_the_same_words_are_counted_together_and_others_are_not_lost() {
        let mut fold = Fold::default();
        let file = |n: u32| format!("h{n}_vpi_{n}_1_output.interface was set aside: it is garbage");
        let written = admitted(&mut fold, (0..10_000).map(file), 0);
        assert_eq!(written, LOG_LIKE_MAX as usize);
        // Another reason at the same place, and the same reason elsewhere.
        let other = "a_vpi_1_1_output.interface was set aside: it is too large";
        assert!(fold.admit(HERE, TROUBLE, other, 1));
        assert!(fold.admit(("src/b.rs", 7), TROUBLE, &file(0), 1));
        let [(level, line)] = &fold.due(2, true)[..] else {
            panic!("one count")
        };
        assert_eq!(*level, Level::Warn);
        let count = 10_000 - LOG_LIKE_MAX;
        let last = file(9_999);
        assert_eq!(
            *line,
            format!("{count} more lines like this in 1 s, the last of them: {last}")
        );
    }

    #[test]
    fn whatever_a_place_says_is_bounded_and_so_is_what_is_remembered() {
        let mut fold = Fold::default();
        let letters = |mut n: u32| {
            let mut word = String::new();
            while n > 0 {
                word.push((b'a' + (n % 26) as u8) as char);
                n /= 26;
            }
            word
        };
        let written = admitted(&mut fold, (0..50_000).map(|n| letters(26 * n + 1)), 0);
        assert_eq!(written, LOG_PLACE_LINES_MAX as usize);
        assert_eq!(fold.due(0, true).len(), 1);
        for line in 0..50_000 {
            fold.admit(("src/c.rs", line), TROUBLE, &letters(line + 1), 5);
            assert!(fold.kinds.len() <= LOG_KINDS_MAX);
        }
    }

    #[test]
    fn news_of_an_operators_doing_is_not_an_error_that_repeats() {
        let mut fold = Fold::default();
        for _ in 0..LOG_SAME_NEWS_MAX {
            assert!(fold.admit(
                HERE,
                (&Level::Info, Pace::Change),
                "the configuration was reloaded",
                0
            ));
        }
        assert!(!fold.admit(
            HERE,
            (&Level::Info, Pace::Change),
            "the configuration was reloaded",
            0
        ));
    }
}
