//! `vpid community group` and `member`.

use crate::core::community::short_id as short;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::options::{LIMIT, SKIP, YES_NO};
use super::{Call, Stop, counted_are, maybe_moment, moment, on_database, yes_no};
use crate::cli::command::{Action, Command, JSON, Kind, Opt, option, switch, text};
use crate::cli::table::{printable, span};
use crate::core::community::rights::Right;
use crate::io::community::admin::{Group, GroupEdit, Joined, MemberFilter};

const LEVEL: Opt = option(
    "--level",
    "N",
    Kind::Number,
    "who has a higher one cannot be banned or warned by its members",
);
const INHERITS: Opt = option(
    "--inherits",
    "yes|no",
    YES_NO,
    "whether it has the rights of groups with lower levels",
);
const RIGHT: Kind = Kind::Words(&[
    Right::ALL[0].property(),
    Right::ALL[1].property(),
    Right::ALL[2].property(),
    Right::ALL[3].property(),
    Right::ALL[4].property(),
    Right::ALL[5].property(),
]);
const GRANT: Opt = option(
    "--grant",
    "RIGHT",
    RIGHT,
    "ban_edit, ban_show, warning_edit, warning_show, user_edit or reserved_slot_use",
)
.repeated();
const DENY: Opt = option(
    "--deny",
    "RIGHT",
    RIGHT,
    "takes a right from all members, whatever other groups grant",
)
.repeated();
const MAX_BAN: Opt = option(
    "--max-ban",
    "TIME",
    Kind::Text,
    "the longest ban of its members, or none",
);
const CLEAR: Opt = option(
    "--clear",
    "RIGHT",
    Kind::Text,
    "the group neither grants nor denies it any more",
)
.repeated();
const NAME: Opt = option("--name", "NAME", Kind::Text, "a new name");
const EDITS: &[Opt] = &[LEVEL, INHERITS, GRANT, DENY, MAX_BAN, NAME, CLEAR];

pub const GROUP: Command = Command {
    name: "group",
    summary: "groups and their rights",
    action: Action::Commands(&[
        Command::sub("list", &[], "all groups", |given| on_database(given, list))
            .options(&[LIMIT, SKIP, JSON]),
        Command::sub(
            "show",
            &[text("GROUP")],
            "a group with its rights",
            |given| on_database(given, show),
        )
        .options(&[JSON]),
        Command::sub("add", &[text("NAME")], "make a group", |given| {
            on_database(given, add)
        })
        .options(&[LEVEL, INHERITS, GRANT, DENY, MAX_BAN]),
        Command::sub("edit", &[text("GROUP")], "change a group", |given| {
            on_database(given, edit)
        })
        .options(EDITS),
        Command::sub(
            "remove",
            &[text("GROUP")],
            "remove a group and end its memberships",
            |given| on_database(given, remove),
        ),
    ]),
    ..Command::NONE
};

pub const MEMBER: Command = Command {
    name: "member",
    summary: "who is in which group",
    action: Action::Commands(&[
        Command::sub(
            "list",
            &[text("PLAYER").optional()],
            "memberships",
            |given| on_database(given, members),
        )
        .options(&[
            option("--group", "GROUP", Kind::Text, "of this group alone"),
            switch("--all", "ended ones too"),
            LIMIT,
            SKIP,
            JSON,
        ]),
        Command::sub(
            "add",
            &[text("PLAYER"), text("GROUP")],
            "put a player into a group",
            |given| on_database(given, add_member),
        )
        .about("A player who is in it keeps the membership with the new end.")
        .options(&[option(
            "--for",
            "TIME",
            Kind::Text,
            "how long, such as 30d (default: without an end)",
        )]),
        Command::sub(
            "remove",
            &[text("PLAYER"), text("GROUP").optional()],
            "take a player out of a group, or out of all",
            |given| on_database(given, remove_member),
        ),
    ]),
    ..Command::NONE
};

fn properties(group: &Group, granted: bool) -> String {
    let properties = group.properties.iter();
    let names = properties.filter(|(_, is_granted)| **is_granted == granted);
    let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
    match names.is_empty() {
        true => "-".to_owned(),
        false => names.join(", "),
    }
}

/// The same for a table, where all of them would be too wide.
fn properties_or_all(group: &Group, granted: bool) -> String {
    let of_all = Right::ALL
        .iter()
        .map(|right| group.properties.get(right.property()));
    match of_all.flatten().filter(|is| **is == granted).count() {
        count if count == Right::ALL.len() => "all".to_owned(),
        _ => properties(group, granted),
    }
}

fn max_ban(group: &Group) -> String {
    group.max_ban_s.map_or_else(|| "any".to_owned(), span)
}

pub fn list(call: &mut Call<'_>) -> Result<(), Stop> {
    let groups = call.admin.groups()?;
    let listing = call.options.part(groups)?;
    let head = [
        "NAME", "LEVEL", "INHERITS", "MEMBERS", "MAX BAN", "GRANTS", "DENIES",
    ];
    call.list(("groups", "No group yet."), &listing, head, |group| {
        [
            printable(&group.name),
            group.level.to_string(),
            yes_no(group.inherits),
            group.members.to_string(),
            max_ban(group),
            printable(&properties_or_all(group, true)),
            printable(&properties_or_all(group, false)),
        ]
    })
}

pub fn show(call: &mut Call<'_>) -> Result<(), Stop> {
    let group = call.admin.group(&call.words[0])?;
    let lines = [
        ("name", group.name.clone()),
        ("id", group.id.to_string()),
        ("level", group.level.to_string()),
        ("inherits", yes_no(group.inherits)),
        ("longest ban", max_ban(&group)),
        ("grants", properties(&group, true)),
        ("denies", properties(&group, false)),
        ("members", group.members.to_string()),
    ];
    call.show(&group, &lines)
}

/// Whether it is granted, of each right that the options name.
fn rights(call: &Call<'_>) -> Result<BTreeMap<String, Option<bool>>, Stop> {
    let mut rights = BTreeMap::new();
    for (option, granted) in [
        ("--grant", Some(true)),
        ("--deny", Some(false)),
        ("--clear", None),
    ] {
        for name in call.options.all(option) {
            if rights.insert(name.to_owned(), granted).is_some() {
                return Err(Stop::Usage(format!(
                    "{name} can be granted, denied or cleared, and only once"
                )));
            }
        }
    }
    Ok(rights)
}

fn edit_of(call: &Call<'_>) -> Result<GroupEdit, Stop> {
    let max_ban_s = call.options.length("--max-ban")?;
    let seconds = |length: Option<u64>| length.and_then(|it| i64::try_from(it).ok());
    Ok(GroupEdit {
        name: call.options.text("--name").map(str::to_owned),
        level: call.options.0.number("--level"),
        inherits: call.options.0.truth("--inherits"),
        max_ban_s: max_ban_s.map(seconds),
        properties: rights(call)?,
    })
}

pub fn add(call: &mut Call<'_>) -> Result<(), Stop> {
    let (name, edit) = (&call.words[0], edit_of(call)?);
    call.admin.add_group(name, &edit)?;
    call.say(&format!("There is a group {name:?} now."))
}

pub fn edit(call: &mut Call<'_>) -> Result<(), Stop> {
    call.has_change(EDITS)?;
    let edit = edit_of(call)?;
    let name = call.admin.edit_group(&call.words[0], &edit)?;
    call.say(&format!("The group {name:?} is changed."))
}

pub fn remove(call: &mut Call<'_>) -> Result<(), Stop> {
    let (name, ended) = call.admin.remove_group(&call.words[0])?;
    call.say(&format!(
        "The group {name:?} is removed, and {} ended.",
        counted_are(ended, "membership")
    ))
}

pub fn members(call: &mut Call<'_>) -> Result<(), Stop> {
    let filter = MemberFilter {
        steam: call.maybe_player(0)?.map(|player| player.steam),
        group: call.options.text("--group").map(str::to_owned),
        all: call.options.has("--all"),
    };
    let listing = call.admin.members(&filter, call.options.window()?)?;
    let head = ["ID", "STEAMID", "NAME", "GROUP", "SINCE", "UNTIL"];
    call.list(("members", "No membership."), &listing, head, |member| {
        [
            short(member.id),
            member.steam.steam3(),
            printable(&member.name),
            printable(&member.group),
            moment(member.begin),
            maybe_moment(member.end, "-"),
        ]
    })
}

fn until(end: Option<Timestamp>) -> String {
    end.map_or_else(
        || "without an end".to_owned(),
        |end| format!("until {} UTC", moment(end)),
    )
}

pub fn add_member(call: &mut Call<'_>) -> Result<(), Stop> {
    let length = call.options.length("--for")?.flatten();
    let end = length.map(|seconds| {
        let length = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        Timestamp::now().checked_add(length)
    });
    let end = end.transpose();
    let end = end.map_err(|_| Stop::Usage("--for is too long".to_owned()))?;
    let player = call.player(0)?;
    let (group, joined) = call.admin.add_member(player.steam, &call.words[1], end)?;
    let now = until(end);
    match joined {
        Joined::New => call.say(&format!("{player} is in the group {group:?} {now}.")),
        Joined::Changed(before) if before == end => {
            call.say(&format!("{player} is in the group {group:?} already."))
        }
        Joined::Changed(before) => {
            let before = until(before);
            call.say(&format!(
                "{player} is in the group {group:?} {now}; it was {before}."
            ))
        }
    }
}

pub fn remove_member(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    let group = call.words.get(1).map(String::as_str);
    let ended = call.admin.remove_member(&player, group)?;
    let ended = counted_are(ended, "membership");
    call.say(&format!("{player}: {ended} ended."))
}
