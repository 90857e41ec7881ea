//! The known names that a misspelt one resembles.

/// The known name that `name` is most likely a slip of; none when nothing is close.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|&candidate| (distance(name, candidate), candidate))
        .filter(|&(distance, candidate)| {
            // A name of which half differs is another one.
            let longest = name.len().max(candidate.len());
            distance <= candidate.len().div_ceil(3).min(3) && 2 * distance < longest
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The end of a sentence: `; did you mean poll_ms?`, or nothing.
pub(super) fn did_you_mean(name: &str, known: &[&str]) -> String {
    nearest(name, known).map_or(String::new(), |near| format!("; did you mean {near}?"))
}

/// How many bytes must be added, dropped, replaced or swapped with the next to make one name of the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let replaced = above[j] + usize::from(l != r);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_what_is_near_is_suggested() {
        let commands = ["run", "check", "queue", "community"];
        assert_eq!(nearest("rnu", &commands), Some("run"));
        assert_eq!(nearest("chekc", &commands), Some("check"));
        assert_eq!(nearest("comunnity", &commands), Some("community"));
        assert_eq!(nearest("nur", &commands), None);
        assert_eq!(nearest("tcsh", &["bash", "zsh", "fish"]), None);
        assert_eq!(nearest("bsh", &["bash"]), Some("bash"));
    }
}
