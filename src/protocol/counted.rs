//! Numbers of things in sentences.

use std::fmt::Display;

/// `1 file`, `2 files`. For things whose plural takes an s.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {what}{ending}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular_and_all_others_are_plural() {
        assert_eq!(counted(1_usize, "file"), "1 file");
        assert_eq!(counted(0_u64, "file"), "0 files");
        assert_eq!(counted(2_i64, "file"), "2 files");
    }
}
