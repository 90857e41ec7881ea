//! Texts with places to fill: `{player} is banned`.

/// Puts values into their places, in one pass: what a value holds is never a place itself. A place
/// without a value stays as it is written.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, place) = rest.split_at(open);
        filled.push_str(before);
        let name = place[1..].split(['{', '}']).next().unwrap_or_default();
        let closed = place[1 + name.len()..].starts_with('}');
        let value = values.iter().find(|(key, _)| closed && *key == name);
        rest = match value {
            Some((_, value)) => {
                filled.push_str(value);
                &place[name.len() + 2..]
            }
            None => {
                filled.push('{');
                &place[1..]
            }
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_gets_its_value() {
        for (text, expected) in [
            ("{a}", "1"),
            ("{a}{b}{a}", "1zwei1"),
            ("ä {a} ö {b} ü", "ä 1 ö zwei ü"),
            ("nothing", "nothing"),
            ("", ""),
        ] {
            assert_eq!(fill(text, &[("a", "1"), ("b", "zwei")]), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_place_stays() {
        for text in ["{", "}", "{a", "a}", "{}", "{c}", "{ a}", "{{", "{ä", "{a{"] {
            assert_eq!(fill(text, &[("a", "1")]), text);
        }
        assert_eq!(fill("{{a}}{a{a}", &[("a", "1")]), "{1}{a1");
    }

    #[test]
    fn a_value_is_not_filled_again() {
        let values = [("player", "{reason}"), ("reason", "{player}{")];
        assert_eq!(fill("{player}: {reason}}", &values), "{reason}: {player}{}");
    }

    #[test]
    fn no_text_panics_and_all_around_the_places_is_kept() {
        arbtest::arbtest(|u| {
            let pieces = ["{", "}", "a", "{a}", "é", " "];
            let mut text = String::new();
            for _ in 0..u.int_in_range(0..=12)? {
                text.push_str(u.choose(&pieces)?);
            }
            assert_eq!(fill(&text, &[]), text);
            assert_eq!(fill(&text, &[("a", "{a}")]), text);
            Ok(())
        });
    }
}
