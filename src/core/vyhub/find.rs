//! Whom of those present a command means.

use super::commands::{Problem, Target};
use crate::limits;
use crate::protocol::look_alike::{self, folded};
use crate::protocol::steam_id::SteamId;

/// Somebody on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub userid: i64,
    pub name: &'a str,
    pub steam: Option<SteamId>,
    pub bot: bool,
}

/// A player whom VyHub can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    pub steam: SteamId,
    /// `None`: a SteamID that is not on the server.
    pub present: Option<Candidate<'a>>,
}

/// Finds the one player who is meant: by an exact name before the beginning of one before a part
/// of one, where names that look alike are the same (see [`look_alike`]): who has taken the name
/// of another is asked about, too.
///
/// Bots are never meant. Somebody whose id is not known yet can be meant, and then nobody is
/// found: not another one whose name fits less.
pub fn find<'a>(target: &Target, present: &[Candidate<'a>]) -> Result<Found<'a>, Problem> {
    let people: Vec<_> = present.iter().filter(|one| !one.bot).copied().collect();
    let (text, meant) = match target {
        Target::Steam(steam) => {
            let same = people.iter().filter(|one| one.steam == Some(*steam));
            let present = same.max_by_key(|one| one.userid).copied();
            let steam = *steam;
            return Ok(Found { steam, present });
        }
        Target::Userid(userid) => {
            let meant = people.into_iter().filter(|one| one.userid == *userid);
            (&*format!("#{userid}"), meant.collect())
        }
        Target::Name { text, .. } => (text.as_str(), named(text, people)),
    };
    only(meant, text)
}

/// Those whose names fit best.
fn named<'a>(text: &str, people: Vec<Candidate<'a>>) -> Vec<Candidate<'a>> {
    let text = folded(text);
    if text.is_empty() {
        return Vec::new();
    }
    let how_well = |one: &Candidate| {
        let name = folded(one.name);
        if name == text {
            return Some(0);
        }
        name.find(&text).map(|at| if at == 0 { 1 } else { 2 })
    };
    let best = people.iter().filter_map(how_well).min();
    let fits_best = |one: &Candidate| best.is_some() && how_well(one) == best;
    people.into_iter().filter(fits_best).collect()
}

fn only<'a>(mut meant: Vec<Candidate<'a>>, text: &str) -> Result<Found<'a>, Problem> {
    // Who lost the connection and came back is listed twice for a while.
    meant.sort_by_key(|one| std::cmp::Reverse(one.userid));
    let mut seen = Vec::new();
    meant.retain(|one| {
        let again = one.steam.is_some() && seen.contains(&one.steam);
        seen.push(one.steam);
        !again
    });
    if let [one] = meant[..] {
        let found = one.steam.map(|steam| Found {
            steam,
            present: Some(one),
        });
        return found.ok_or_else(|| Problem::new("player_unknown", &[("text", text)]));
    }
    if meant.is_empty() {
        return Err(Problem::new("player_unknown", &[("text", text)]));
    }
    meant.reverse();
    let shown = meant.iter().take(limits::CANDIDATES_MAX);
    let mut shown: Vec<_> = shown
        .map(|one| format!("#{} {}", one.userid, look_alike::shown(one.name)))
        .collect();
    if meant.len() > shown.len() {
        shown.push("\u{2026}".into());
    }
    let values = [("text", text), ("candidates", &shown.join(", "))];
    Err(Problem::new("player_ambiguous", &values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(userid: i64, name: &str) -> Candidate<'_> {
        Candidate {
            userid,
            name,
            steam: SteamId::new(100 + userid as u32),
            bot: false,
        }
    }

    fn name(text: &str) -> Target {
        let (text, quoted) = (text.into(), false);
        Target::Name { text, quoted }
    }

    /// The userid that is found, or the key of the problem.
    fn who(target: &Target, present: &[Candidate]) -> Result<i64, &'static str> {
        let found = find(target, present).map_err(|problem| problem.key)?;
        let one = found.present.expect("somebody present");
        assert_eq!(one.steam, Some(found.steam));
        Ok(one.userid)
    }

    #[test]
    fn the_better_fit_is_meant() {
        let present = [
            person(2, "Bob"),
            person(3, "bobby"),
            person(4, "Jim-Bobby"),
            person(5, "\u{dc}ber Ann"),
        ];
        for (text, expected) in [
            ("BOB", Ok(2)),
            ("bobb", Ok(3)),
            ("im-b", Ok(4)),
            ("\u{fc}BER", Ok(5)),
            ("ann", Ok(5)),
            (" Ann ", Ok(5)),
            ("bo", Err("player_ambiguous")),
            ("b", Err("player_ambiguous")),
            ("carl", Err("player_unknown")),
            ("", Err("player_unknown")),
            ("\u{3000}", Err("player_unknown")),
        ] {
            assert_eq!(who(&name(text), &present), expected, "{text}");
        }
    }

    #[test]
    fn who_looks_like_another_is_not_taken_for_the_other() {
        for impostor in [
            "Bob\u{200b}",
            "\u{2800}Bob",
            "Bob\u{3164}",
            "BOB",
            " Bob ",
            "B\u{2060}ob",
        ] {
            let present = [
                person(101, "Bob"),
                person(102, impostor),
                person(103, "Bobby"),
            ];
            for text in ["bob", "Bob", impostor] {
                let problem = find(&name(text), &present).unwrap_err();
                assert_eq!(problem.key, "player_ambiguous", "{impostor:?} {text:?}");
                let shown = look_alike::shown(impostor);
                assert_eq!(problem.values[1].1, format!("#101 Bob, #102 {shown}"));
            }
            assert_eq!(who(&Target::Userid(102), &present), Ok(102));
        }
    }

    #[test]
    fn candidates_are_listed_with_their_userids() {
        let present: Vec<_> = (2..9).map(|userid| person(userid, "Twin")).collect();
        let problem = find(&name("twin"), &present[..2]).unwrap_err();
        let values = [("text", "twin"), ("candidates", "#2 Twin, #3 Twin")];
        assert_eq!(problem, Problem::new("player_ambiguous", &values));
        let problem = find(&name("twin"), &present).unwrap_err();
        let listed = &problem.values[1].1;
        assert_eq!(listed.matches("Twin").count(), limits::CANDIDATES_MAX);
        assert!(listed.ends_with("#6 Twin, \u{2026}"), "{listed}");
        assert_eq!(who(&Target::Userid(8), &present), Ok(8));
    }

    #[test]
    fn bots_are_never_meant() {
        let bot = Candidate {
            bot: true,
            ..person(2, "Ann")
        };
        assert_eq!(who(&name("ann"), &[bot]), Err("player_unknown"));
        assert_eq!(who(&Target::Userid(2), &[bot]), Err("player_unknown"));
        assert_eq!(who(&name("ann"), &[bot, person(3, "Ann")]), Ok(3));
        let steam = bot.steam.unwrap();
        assert_eq!(find(&Target::Steam(steam), &[bot]).unwrap().present, None);
    }

    #[test]
    fn nobody_stands_in_for_one_without_an_id() {
        let pending = Candidate {
            steam: None,
            ..person(2, "Ann")
        };
        let annie = person(3, "Annie");
        assert_eq!(who(&name("ann"), &[pending, annie]), Err("player_unknown"));
        assert_eq!(who(&name("an"), &[pending, annie]), Err("player_ambiguous"));
        assert_eq!(who(&Target::Userid(2), &[pending]), Err("player_unknown"));
        let other = Candidate {
            userid: 4,
            ..pending
        };
        assert_eq!(
            who(&name("ann"), &[pending, other]),
            Err("player_ambiguous")
        );
    }

    #[test]
    fn one_player_twice_is_not_two() {
        let back = Candidate {
            userid: 9,
            ..person(2, "Ann")
        };
        let present = [person(2, "Ann"), back];
        assert_eq!(who(&name("ann"), &present), Ok(9));
        assert_eq!(who(&Target::Steam(back.steam.unwrap()), &present), Ok(9));
    }

    #[test]
    fn a_steam_id_need_not_be_present() {
        let steam = SteamId::new(7).unwrap();
        let found = find(&Target::Steam(steam), &[person(2, "Ann")]);
        let expected = Found {
            steam,
            present: None,
        };
        assert_eq!(found, Ok(expected));
    }
}
