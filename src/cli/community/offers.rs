//! `vpid community advert` and `reward`.

use super::options::{ENABLED, LIMIT, POSITION, SKIP, YES_NO};
use super::{Call, Stop, on_database, yes_no};
use crate::cli::command::{Action, Command, JSON, Kind, Opt, option, text};
use crate::cli::table::printable;
use crate::core::community::short_id as short;
use crate::io::community::admin::{
    AdvertEdit, NewAdvert, NewReward, RewardEdit, event_name, event_of,
};
use crate::protocol::template::Template;

const COLOUR: Opt = option(
    "--colour",
    "RRGGBB",
    Kind::Text,
    "of the text, such as FF8800",
);
const ADVERT_EDITS: &[Opt] = &[
    option("--text", "TEXT", Kind::Text, "a new text"),
    COLOUR,
    POSITION,
    ENABLED,
];

pub const ADVERT: Command = Command {
    name: "advert",
    summary: "texts that are shown from time to time",
    action: Action::Commands(&[
        Command::sub("list", &[], "all adverts", |given| {
            on_database(given, adverts)
        })
        .options(&[LIMIT, SKIP, JSON]),
        Command::sub("add", &[text("TEXT")], "make an advert", |given| {
            on_database(given, add_advert)
        })
        .options(&[COLOUR, POSITION, ENABLED, JSON]),
        Command::sub("edit", &[text("ID")], "change an advert", |given| {
            on_database(given, edit_advert)
        })
        .options(ADVERT_EDITS),
        Command::sub("remove", &[text("ID")], "remove an advert", |given| {
            on_database(given, remove_advert)
        }),
    ]),
    ..Command::NONE
};

const COMMANDS: Opt = option(
    "--command",
    "COMMANDS",
    Kind::Text,
    "what the server's console runs, with ; between several",
);
const OF_GROUP: Opt = option(
    "--group",
    "GROUP",
    Kind::Text,
    "for members of this group; none: for every player",
);
const EVENT: Opt = option(
    "--event",
    "EVENT",
    Kind::Words(&[
        "direct",
        "connect",
        "spawn",
        "death",
        "disconnect",
        "disable",
    ]),
    "when: direct, connect, spawn, death, disconnect or disable",
);
const ONCE: Opt = option(
    "--once",
    "yes|no",
    YES_NO,
    "once for each membership on each server; without a group, for each player",
);
const ONCE_FROM_ALL: Opt = option(
    "--once-from-all",
    "yes|no",
    YES_NO,
    "the same on all servers together",
);
const REWARD_EDITS: &[Opt] = &[
    option("--name", "NAME", Kind::Text, "a new name"),
    COMMANDS,
    OF_GROUP,
    EVENT,
    ONCE,
    ONCE_FROM_ALL,
    POSITION,
    ENABLED,
];

pub const REWARD: Command = Command {
    name: "reward",
    summary: "commands that run for members of a group",
    action: Action::Commands(&[
        Command::sub("list", &[], "all rewards", |given| {
            on_database(given, rewards)
        })
        .options(&[LIMIT, SKIP, JSON]),
        Command::sub("add", &[text("NAME")], "make a reward", |given| {
            on_database(given, add_reward)
        })
        .options(&[
            COMMANDS.required("\"sm_say %nick%\""),
            OF_GROUP,
            EVENT,
            ONCE,
            ONCE_FROM_ALL,
            POSITION,
            ENABLED,
            JSON,
        ]),
        Command::sub("edit", &[text("ID")], "change a reward", |given| {
            on_database(given, edit_reward)
        })
        .options(REWARD_EDITS),
        Command::sub("remove", &[text("ID")], "remove a reward", |given| {
            on_database(given, remove_reward)
        }),
    ]),
    ..Command::NONE
};

pub fn adverts(call: &mut Call<'_>) -> Result<(), Stop> {
    let listing = call.admin.adverts(call.options.window()?)?;
    let head = ["ID", "POSITION", "ENABLED", "COLOUR", "TEXT"];
    call.list(("adverts", "No advert."), &listing, head, |advert| {
        [
            short(advert.id),
            advert.position.to_string(),
            yes_no(advert.enabled),
            printable(&advert.colour),
            printable(&advert.content.replace('\n', " / ")),
        ]
    })
}

fn advert_of(call: &Call<'_>) -> Result<AdvertEdit, Stop> {
    let colour = match call.options.text("--colour") {
        Some(text) => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let why = format!("--colour must be six digits such as FF8800, not {text:?}");
                return Err(Stop::Usage(why));
            }
            Some(digits.to_ascii_uppercase())
        }
        None => None,
    };
    Ok(AdvertEdit {
        content: call.options.text("--text").map(str::to_owned),
        colour,
        position: call.options.0.number("--position"),
        enabled: call.options.0.truth("--enabled"),
    })
}

pub fn add_advert(call: &mut Call<'_>) -> Result<(), Stop> {
    let advert = NewAdvert {
        content: &call.words[0],
        edit: advert_of(call)?,
    };
    let id = call.admin.add_advert(&advert)?;
    call.made(id, &format!("The advert {} is added.", short(id)))
}

pub fn edit_advert(call: &mut Call<'_>) -> Result<(), Stop> {
    call.has_change(ADVERT_EDITS)?;
    let (id, edit) = (call.id()?, advert_of(call)?);
    let id = call.admin.edit_advert(&id, &edit)?;
    call.say(&format!("The advert {} is changed.", short(id)))
}

pub fn remove_advert(call: &mut Call<'_>) -> Result<(), Stop> {
    let id = call.id()?;
    let advert = call.admin.remove_advert(&id)?;
    call.say(&format!("The advert {} is removed.", short(advert.id)))
}

pub fn rewards(call: &mut Call<'_>) -> Result<(), Stop> {
    let listing = call.admin.rewards(call.options.window()?)?;
    let head = [
        "ID", "POSITION", "ENABLED", "NAME", "GROUP", "EVENT", "ONCE", "COMMAND",
    ];
    call.list(("rewards", "No reward."), &listing, head, |reward| {
        [
            short(reward.id),
            reward.position.to_string(),
            yes_no(reward.enabled),
            printable(&reward.name),
            printable(reward.group.as_deref().unwrap_or("(every player)")),
            event_name(reward.event).to_ascii_lowercase(),
            match (reward.once, reward.once_from_all) {
                (_, true) => "on one server".to_owned(),
                (once, false) => yes_no(once),
            },
            printable(&reward.command),
        ]
    })
}

fn reward_of(call: &Call<'_>) -> Result<RewardEdit, Stop> {
    let command = call.options.text("--command");
    if let Some(command) = command {
        let parsed = Template::parse(command);
        parsed.map_err(|why| Stop::Usage(format!("--command: {command:?} {why}")))?;
    }
    let event = call.options.text("--event").and_then(event_of);
    let group = call.options.text("--group");
    Ok(RewardEdit {
        name: call.options.text("--name").map(str::to_owned),
        command: command.map(str::to_owned),
        group: group.map(|name| (name != "none").then(|| name.to_owned())),
        event,
        once: call.options.0.truth("--once"),
        once_from_all: call.options.0.truth("--once-from-all"),
        position: call.options.0.number("--position"),
        enabled: call.options.0.truth("--enabled"),
    })
}

pub fn add_reward(call: &mut Call<'_>) -> Result<(), Stop> {
    let command = call.options.required("--command");
    let reward = NewReward {
        name: &call.words[0],
        command,
        edit: reward_of(call)?,
    };
    let id = call.admin.add_reward(&reward)?;
    call.made(id, &format!("The reward {} is added.", short(id)))
}

pub fn edit_reward(call: &mut Call<'_>) -> Result<(), Stop> {
    call.has_change(REWARD_EDITS)?;
    let (id, edit) = (call.id()?, reward_of(call)?);
    let id = call.admin.edit_reward(&id, &edit)?;
    call.say(&format!("The reward {} is changed.", short(id)))
}

pub fn remove_reward(call: &mut Call<'_>) -> Result<(), Stop> {
    let id = call.id()?;
    let reward = call.admin.remove_reward(&id)?;
    call.say(&format!("The reward {} is removed.", short(reward.id)))
}
