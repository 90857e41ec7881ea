//! Whom a command means: a player on the server, or a SteamID.

use super::Cx;
use super::orders::Target;
use super::words::Problem;
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::look_alike::{self, folded, is_visible};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// Up to the first space, and what comes behind the spaces.
pub fn first_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// What stands in quotes in front, or else up to the first space, and what comes behind it.
pub fn quoted_or_word(text: &str) -> (&str, &str) {
    match text.strip_prefix('"') {
        Some(inner) => {
            let (name, rest) = inner.split_once('"').unwrap_or((inner, ""));
            (name.trim(), rest.trim())
        }
        None => first_word(text),
    }
}

/// Reads whom a command means, and gives what follows. `None`: no player is named.
pub fn read_target(text: &str) -> Option<(Target, &str)> {
    let quoted = text.starts_with('"');
    let (name, rest) = quoted_or_word(text);
    if !name.chars().any(is_visible) {
        return None;
    }
    // Those who know the console write ids in quotes.
    if let Ok(id) = name.to_ascii_uppercase().parse() {
        return Some((Target::Steam(id), rest));
    }
    let number = name.strip_prefix('#').filter(|_| !quoted);
    let userid = number
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok());
    let target = match userid {
        Some(userid) => Target::Userid(userid),
        None => Target::Name {
            text: name.into(),
            quoted,
        },
    };
    Some((target, rest))
}

/// Finds the one player who is meant: by an exact name before the beginning of one before a part
/// of one, where names that look alike are the same (see [`look_alike`]): who has taken the name
/// of another is asked about, too.
///
/// Bots are never meant. Somebody whose id is not known yet can be meant, and then nobody is
/// found: not another one whose name fits less. `None`: a SteamID that is not on the server.
fn find<'a>(
    target: &Target,
    present: impl Iterator<Item = &'a Person>,
) -> Result<(SteamId, Option<&'a Person>), Problem> {
    let people = present.filter(|one| !one.bot);
    let (text, meant) = match target {
        Target::Steam(steam) => {
            let same = people.filter(|one| one.steam == Some(*steam));
            return Ok((*steam, same.max_by_key(|one| one.userid)));
        }
        Target::Userid(userid) => {
            let meant = people.filter(|one| one.userid == *userid);
            (&*format!("#{userid}"), meant.collect())
        }
        Target::Name { text, .. } => (text.as_str(), named(text, people.collect())),
    };
    only(meant, text)
}

/// Those whose names fit best.
fn named<'a>(text: &str, people: Vec<&'a Person>) -> Vec<&'a Person> {
    let text = folded(text);
    if text.is_empty() {
        return Vec::new();
    }
    let how_well = |one: &&Person| {
        let name = folded(&one.name);
        if name == text {
            return Some(0);
        }
        name.find(&text).map(|at| if at == 0 { 1 } else { 2 })
    };
    let best = people.iter().filter_map(how_well).min();
    let fits_best = |one: &&Person| best.is_some() && how_well(one) == best;
    people.into_iter().filter(fits_best).collect()
}

fn only<'a>(
    mut meant: Vec<&'a Person>,
    text: &str,
) -> Result<(SteamId, Option<&'a Person>), Problem> {
    // Who lost the connection and came back is listed twice for a while.
    meant.sort_by_key(|one| std::cmp::Reverse(one.userid));
    let mut seen = Vec::new();
    meant.retain(|one| {
        let again = one.steam.is_some() && seen.contains(&one.steam);
        seen.push(one.steam);
        !again
    });
    if meant.len() <= 1 {
        let found = meant.first().and_then(|one| Some((one.steam?, Some(*one))));
        return found.ok_or_else(|| Problem::new("player_unknown", &[("text", text)]));
    }
    meant.reverse();
    let shown = |one: &&Person| format!("#{} {}", one.userid, look_alike::shown(&one.name));
    let mut all: Vec<_> = meant
        .iter()
        .take(limits::CANDIDATES_MAX)
        .map(shown)
        .collect();
    if meant.len() > all.len() {
        all.push("\u{2026}".into());
    }
    Err(several(text, all))
}

/// More than one player may be meant.
pub fn several(text: &str, candidates: Vec<String>) -> Problem {
    let values = [("text", text), ("candidates", &candidates.join(", "))];
    Problem::new("player_ambiguous", &values)
}

impl Cx<'_> {
    /// Whom a command means, and what they are called.
    pub fn target(
        &self,
        server: ServerId,
        bundle: Uuid,
        who: &Target,
    ) -> Result<(SteamId, String), Problem> {
        let game = self.servers.get(server);
        let people = game.into_iter().flat_map(|game| game.roster.people());
        let (steam, present) = find(who, people)?;
        let name = match present {
            Some(present) => present.name.clone(),
            None => self.name_of(bundle, steam),
        };
        Ok((steam, name))
    }

    /// Whom a player means who may have no rights: one who is on, or was. Nobody makes users in the backend by
    /// asking for ids.
    pub fn known_target(
        &self,
        server: ServerId,
        bundle: Uuid,
        who: &Target,
    ) -> Result<(SteamId, String), Problem> {
        let (steam, name) = self.target(server, bundle, who)?;
        let is_known = self.directory.user_id(steam, bundle).is_some();
        match is_known || self.find(None, steam).is_some() {
            true => Ok((steam, name)),
            false => Err(Problem::new("player_unknown", &[("text", &name)])),
        }
    }

    /// What a player is called in a game.
    pub fn present_name(&self, steam: SteamId) -> Option<String> {
        let (server, userid) = self.find(None, steam)?;
        let person = self.servers.get(server)?.roster.person(userid)?;
        Some(person.name.clone())
    }

    /// What a player is called who is not there.
    pub fn name_of(&self, bundle: Uuid, steam: SteamId) -> String {
        let user = self.directory.user(steam);
        let user = user.and_then(|user| user.username.clone());
        let listed = || {
            let ban = self.lists.get(bundle)?.of(steam).next()?;
            Some(ban.username.to_owned())
        };
        let name = user.or_else(listed).filter(|name| !name.is_empty());
        name.unwrap_or_else(|| steam.steam3())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(userid: i64, name: &str) -> Person {
        Person {
            userid,
            name: name.into(),
            steam: SteamId::new(100 + userid as u32),
            ..Person::default()
        }
    }

    fn name(text: &str) -> Target {
        let (text, quoted) = (text.into(), false);
        Target::Name { text, quoted }
    }

    /// The userid that is found, or the key of the problem.
    fn who(target: &Target, present: &[Person]) -> Result<i64, &'static str> {
        let found = find(target, present.iter()).map_err(|problem| problem.key)?;
        let one = found.1.expect("somebody present");
        assert_eq!(one.steam, Some(found.0));
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
                let problem = find(&name(text), present.iter()).unwrap_err();
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
        let problem = find(&name("twin"), present[..2].iter()).unwrap_err();
        let values = [("text", "twin"), ("candidates", "#2 Twin, #3 Twin")];
        assert_eq!(problem, Problem::new("player_ambiguous", &values));
        let problem = find(&name("twin"), present.iter()).unwrap_err();
        let listed = &problem.values[1].1;
        assert_eq!(listed.matches("Twin").count(), limits::CANDIDATES_MAX);
        assert!(listed.ends_with("#6 Twin, \u{2026}"), "{listed}");
        assert_eq!(who(&Target::Userid(8), &present), Ok(8));
    }

    #[test]
    fn bots_are_never_meant() {
        let bot = Person {
            bot: true,
            ..person(2, "Ann")
        };
        let bots = [bot.clone()];
        assert_eq!(who(&name("ann"), &bots), Err("player_unknown"));
        assert_eq!(who(&Target::Userid(2), &bots), Err("player_unknown"));
        let steam = bot.steam.unwrap();
        assert_eq!(who(&name("ann"), &[bot, person(3, "Ann")]), Ok(3));
        let found = find(&Target::Steam(steam), bots.iter());
        assert_eq!(found, Ok((steam, None)));
    }

    #[test]
    fn nobody_stands_in_for_one_without_an_id() {
        let pending = Person {
            steam: None,
            ..person(2, "Ann")
        };
        let annie = person(3, "Annie");
        let both = [pending.clone(), annie];
        assert_eq!(who(&name("ann"), &both), Err("player_unknown"));
        assert_eq!(who(&name("an"), &both), Err("player_ambiguous"));
        assert_eq!(who(&Target::Userid(2), &both[..1]), Err("player_unknown"));
        let other = Person {
            userid: 4,
            ..pending.clone()
        };
        assert_eq!(
            who(&name("ann"), &[pending, other]),
            Err("player_ambiguous")
        );
    }

    #[test]
    fn one_player_twice_is_not_two() {
        let back = Person {
            userid: 9,
            ..person(2, "Ann")
        };
        let steam = back.steam.unwrap();
        let present = [person(2, "Ann"), back];
        assert_eq!(who(&name("ann"), &present), Ok(9));
        assert_eq!(who(&Target::Steam(steam), &present), Ok(9));
    }

    #[test]
    fn a_steam_id_need_not_be_present() {
        let steam = SteamId::new(7).unwrap();
        let present = [person(2, "Ann")];
        let found = find(&Target::Steam(steam), present.iter());
        assert_eq!(found, Ok((steam, None)));
    }
}
