//! SourceMod's admins: `admins_simple.ini`, `admins.cfg` and `admin_groups.cfg`, and what its flags mean here.
//!
//! A line of `admins_simple.ini` is an identity, then flags or `@` and a group, both perhaps with an immunity in
//! front (`99:z`), then perhaps a password (admin-simple.sp of SourceMod).

use std::collections::BTreeSet;

use super::key_values::{self, Section};
use super::{Entry, Problem, lines, without_comment, words};
use crate::protocol::steam_id::SteamId;

/// What stands in one of these files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Admin(Admin),
    Group(Group),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub steam: SteamId,
    /// Empty where there is none.
    pub name: String,
    /// Letters.
    pub flags: String,
    pub groups: Vec<String>,
    pub immunity: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub flags: String,
    pub immunity: u32,
}

/// What flags give.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Powers {
    /// All rights, whatever groups say.
    pub admin: bool,
    /// Names of properties of groups.
    pub properties: BTreeSet<&'static str>,
}

/// The flags that mean something here, with the properties that they grant; docs/community.md has the same table.
/// To lift bans is a part of `ban_edit`, which also bans: `e` alone does not grant it.
pub const FLAGS: [(char, &[&str]); 6] = [
    ('a', &["reserved_slot_use"]),
    ('b', &["ban_show", "warning_show"]),
    ('c', &["warning_edit", "warning_show"]),
    ('d', &["ban_edit", "ban_show"]),
    ('e', &["ban_show"]),
    ('z', &[]),
];

impl Powers {
    pub fn of(flags: &str) -> Self {
        let known = FLAGS.iter().filter(|(flag, _)| flags.contains(*flag));
        Self {
            admin: flags.contains('z'),
            properties: known.flat_map(|(_, names)| names.iter().copied()).collect(),
        }
    }

    pub fn is_nothing(&self) -> bool {
        !self.admin && self.properties.is_empty()
    }
}

/// The entries of a file of any of the three kinds.
pub fn read(file: &[u8]) -> Vec<Entry<Item>> {
    let read: fn(&Section) -> Result<Item, Problem> = match key_values::head(file).as_deref() {
        Some("admins") => |section| admin_of(section).map(Item::Admin),
        Some("groups") => |section| group_of(section).map(Item::Group),
        _ => return simple(file).collect(),
    };
    let (sections, problem) = key_values::sections(file);
    let entries = sections.iter().map(|section| Entry {
        line: section.line,
        read: read(section),
    });
    let problem = problem.map(|(line, problem)| Entry {
        line,
        read: Err(problem),
    });
    entries.chain(problem).collect()
}

fn simple(file: &[u8]) -> impl Iterator<Item = Entry<Item>> {
    lines(file).filter_map(|(line, text)| {
        let read = text.and_then(|text| {
            let words = words(without_comment(&text, true))?;
            match words.is_empty() {
                true => Ok(None),
                false => line_of(&words).map(|admin| Some(Item::Admin(admin))),
            }
        });
        let read = read.transpose()?;
        Some(Entry { line, read })
    })
}

fn line_of(words: &[String]) -> Result<Admin, Problem> {
    let identity = &words[0];
    let steam = steam(identity)?;
    let grant = words.get(1).ok_or(Problem::Missing("flags or a group"))?;
    if words.get(2).is_some_and(|password| !password.is_empty()) {
        return Err(Problem::Password(identity.clone()));
    }
    let (immunity, rest) = match grant.split_once(':') {
        Some((number, rest)) => (number.trim().parse().ok(), rest.trim()),
        None => (Some(0), grant.trim()),
    };
    let immunity = immunity.ok_or_else(|| Problem::NoFlags(grant.clone()))?;
    let (flags, groups) = match rest.strip_prefix('@') {
        Some(group) if !group.trim().is_empty() => (String::new(), vec![group.trim().to_owned()]),
        _ => (flags(rest)?, Vec::new()),
    };
    Ok(Admin {
        steam,
        name: String::new(),
        flags,
        groups,
        immunity,
    })
}

/// Whom an identity means.
fn steam(identity: &str) -> Result<SteamId, Problem> {
    let text = || identity.to_owned();
    if let Ok(steam) = identity.trim().to_ascii_uppercase().parse() {
        return Ok(steam);
    }
    let begins = |start: &str| identity.to_ascii_uppercase().starts_with(start);
    if identity.starts_with('!') {
        return Err(Problem::ByAddress(text()));
    }
    match begins("STEAM_") || begins("[U:") {
        true => Err(Problem::NoSteamId(text())),
        false => Err(Problem::ByName(text())),
    }
}

fn flags(text: &str) -> Result<String, Problem> {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphabetic());
    match letters && !text.is_empty() {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Problem::NoFlags(text.to_owned())),
    }
}

fn immunity(section: &Section) -> Result<u32, Problem> {
    match section.value("immunity").map(str::trim) {
        None | Some("") => Ok(0),
        // Of old files; others name a group, which is no level.
        Some(text) => Ok(text.parse().unwrap_or(0)),
    }
}

fn admin_of(section: &Section) -> Result<Admin, Problem> {
    let identity = section.value("identity");
    let identity = identity.ok_or(Problem::Missing("\"identity\""))?;
    match section.value("auth").unwrap_or_default() {
        auth if auth.eq_ignore_ascii_case("steam") => {}
        auth if auth.eq_ignore_ascii_case("ip") => {
            return Err(Problem::ByAddress(identity.to_owned()));
        }
        _ => return Err(Problem::ByName(identity.to_owned())),
    }
    if section.value("password").is_some_and(|it| !it.is_empty()) {
        return Err(Problem::Password(section.name.clone()));
    }
    let all = section.all("flags").filter(|text| !text.is_empty());
    let groups = section.all("group").filter(|text| !text.is_empty());
    Ok(Admin {
        steam: steam(identity)?,
        name: section.name.clone(),
        flags: all.map(flags).collect::<Result<_, _>>()?,
        groups: groups.map(str::to_owned).collect(),
        immunity: immunity(section)?,
    })
}

fn group_of(section: &Section) -> Result<Group, Problem> {
    let all = section.all("flags").filter(|text| !text.is_empty());
    Ok(Group {
        name: section.name.clone(),
        flags: all.map(flags).collect::<Result<_, _>>()?,
        immunity: immunity(section)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(account: u32, flags: &str, groups: &[&str], immunity: u32) -> Item {
        Item::Admin(Admin {
            steam: SteamId::new(account).unwrap(),
            name: String::new(),
            flags: flags.to_owned(),
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            immunity,
        })
    }

    #[test]
    fn lines_of_admins_simple_are_read_as_sourcemod_reads_them() {
        let file = "; comment\n// another\n\"STEAM_0:0:11101\" \"99:z\" // owner\n\"[U:1:7]\" \"abd\"\n[U:1:8] @Moderators\n\
                    \"[U:1:9]\" \"5:@VIP ; not a comment\"\n";
        let entries = read(file.as_bytes());
        let read: Vec<_> = entries.into_iter().map(|it| it.read.unwrap()).collect();
        let expected = [
            admin(22_202, "z", &[], 99),
            admin(7, "abd", &[], 0),
            admin(8, "", &["Moderators"], 0),
            admin(9, "", &["VIP ; not a comment"], 5),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn who_cannot_be_known_by_a_steam_id_is_named() {
        for (line, problem) in [
            (
                "\"!127.0.0.1\" \"z\"",
                Problem::ByAddress("!127.0.0.1".into()),
            ),
            ("\"BAILOPAN\" \"z\"", Problem::ByName("BAILOPAN".into())),
            (
                "\"STEAM_0:9:1\" \"z\"",
                Problem::NoSteamId("STEAM_0:9:1".into()),
            ),
            ("\"[U:1:7]\"", Problem::Missing("flags or a group")),
            ("\"[U:1:7]\" \"a1\"", Problem::NoFlags("a1".into())),
            ("\"[U:1:7]\" \"x:a\"", Problem::NoFlags("x:a".into())),
            (
                "\"[U:1:7]\" \"z\" \"secret\"",
                Problem::Password("[U:1:7]".into()),
            ),
            ("\"[U:1:7] \"z\"", Problem::NoSteamId("[U:1:7] ".into())),
        ] {
            let entries = read(line.as_bytes());
            match &entries[0].read {
                Err(found) if *found == problem => {}
                // A lost quotation mark takes the rest with it.
                found => assert!(line.matches('"').count() % 2 == 1, "{line}: {found:?}"),
            }
        }
    }

    #[test]
    fn admins_and_groups_with_keys_and_values_are_read() {
        let file = "\"Admins\" {\n \"bob\" { \"auth\" \"steam\" \"identity\" \"STEAM_0:0:11101\" \"flags\" \"ab\" \"group\" \"Mods\" \
                    \"immunity\" \"7\" }\n \"eve\" { \"auth\" \"name\" \"identity\" \"eve\" }\n}";
        let entries = read(file.as_bytes());
        let Ok(Item::Admin(bob)) = &entries[0].read else {
            panic!("{entries:?}")
        };
        assert_eq!((&*bob.name, &*bob.flags, bob.immunity), ("bob", "ab", 7));
        assert_eq!(bob.groups, ["Mods"]);
        assert_eq!(entries[1].read, Err(Problem::ByName("eve".into())));
        let group = read(b"Groups { \"Mods\" { flags \"bcd\" immunity 20 } }");
        let Ok(Item::Group(mods)) = &group[0].read else {
            panic!("{group:?}")
        };
        assert_eq!(
            (&*mods.name, &*mods.flags, mods.immunity),
            ("Mods", "bcd", 20)
        );
    }

    #[test]
    fn flags_mean_what_the_table_says() {
        assert!(Powers::of("az").admin);
        assert_eq!(
            Powers::of("d").properties,
            BTreeSet::from(["ban_edit", "ban_show"])
        );
        assert!(!Powers::of("e").properties.contains("ban_edit"));
        assert!(Powers::of("fghijklmnopqrst").is_nothing());
    }

    #[test]
    fn no_bytes_are_too_much() {
        arbtest::arbtest(|u| {
            let bytes: Vec<u8> = u.arbitrary()?;
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(read(&bytes).len() <= bytes.len() + lines);
            Ok(())
        });
    }
}
