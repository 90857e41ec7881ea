//! Cutting texts to a length.

/// As much of the beginning of a text as fits into so many bytes, in whole characters.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_cut_between_characters() {
        let text = "a€b";
        let cuts = [0, 1, 2, 3, 4, 5, 9].map(|bytes_max| cut(text, bytes_max));
        assert_eq!(cuts, ["", "a", "a", "a", "a€", text, text]);
    }
}
