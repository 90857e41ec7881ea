//! `vpid community user`, `admin` and `playtime`.

use serde_json::json;

use super::options::{LIMIT, SKIP};
use super::{Call, Stop, maybe_moment, moment, on_database, to_json, whole, yes_no};
use crate::cli::command::{Action, Command, JSON, Kind, option, switch, text};
use crate::cli::table::{printable, span};
use crate::io::community::admin::{Listing, User, UserEdit, steam_id};

const NONE: &str = "No such user.";

pub const USER: Command = Command {
    name: "user",
    summary: "users",
    action: Action::Commands(&[
        Command::sub(
            "list",
            &[text("PART").optional()],
            "all users, or those whose name has PART in it",
            |given| on_database(given, list),
        )
        .options(&[
            switch("--admins", "administrators alone"),
            LIMIT,
            SKIP,
            JSON,
        ]),
        Command::sub(
            "show",
            &[text("PLAYER")],
            "what is known of a user",
            |given| on_database(given, show),
        )
        .options(&[JSON]),
        Command::sub("add", &[text("STEAMID")], "make a user", |given| {
            on_database(given, add)
        })
        .options(&[option(
            "--name",
            "NAME",
            Kind::Text,
            "what the user is called",
        )]),
        Command::sub(
            "edit",
            &[text("PLAYER")],
            "change what a user is called",
            |given| on_database(given, edit),
        )
        .options(&[
            option("--name", "NAME", Kind::Text, "what the user is called")
                .required("\"New name\""),
        ]),
        Command::sub(
            "remove",
            &[text("PLAYER")],
            "remove a user with memberships, warnings and playtime; bans stay",
            |given| on_database(given, remove),
        ),
    ]),
    ..Command::NONE
};

pub const ADMIN: Command = Command {
    name: "admin",
    summary: "administrators, who have all rights",
    action: Action::Commands(&[
        Command::sub("list", &[], "all administrators", |given| {
            on_database(given, list_admins)
        })
        .options(&[LIMIT, SKIP, JSON]),
        Command::sub("add", &[text("PLAYER")], "make a player one", |given| {
            on_database(given, add_admin)
        }),
        Command::sub(
            "remove",
            &[text("PLAYER")],
            "make one an ordinary user",
            |given| on_database(given, remove_admin),
        ),
    ]),
    ..Command::NONE
};

pub const PLAYTIME: Command = Command {
    name: "playtime",
    summary: "how long players have played",
    action: Action::Commands(&[Command::sub(
        "show",
        &[text("PLAYER")],
        "the playtime of a player, in total and by days",
        |given| on_database(given, playtime),
    )
    .options(&[LIMIT, SKIP, JSON])]),
    ..Command::NONE
};

pub fn list(call: &mut Call<'_>) -> Result<(), Stop> {
    let part = call.words.first().map(String::as_str);
    let window = call.options.window()?;
    let admins = call.options.has("--admins");
    let listing = call.admin.users(part, admins, window)?;
    shown(call, &listing)
}

pub fn list_admins(call: &mut Call<'_>) -> Result<(), Stop> {
    let window = call.options.window()?;
    let listing = call.admin.users(None, true, window)?;
    shown(call, &listing)
}

fn shown(call: &mut Call<'_>, listing: &Listing<User>) -> Result<(), Stop> {
    let head = ["STEAMID", "STEAM64", "NAME", "ADMIN", "SINCE", "SEEN"];
    call.list(("users", NONE), listing, head, |user| {
        [
            user.steam3.clone(),
            user.steam.to_string(),
            printable(&user.name),
            yes_no(user.admin),
            moment(user.created),
            maybe_moment(user.seen, "-"),
        ]
    })
}

pub fn show(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    let Some(summary) = call.admin.user_summary(player.steam)? else {
        let why = format!("{player} is no user of the community yet");
        return Err(Stop::Failed(why));
    };
    let user = &summary.user;
    let lines = [
        ("name", user.name.clone()),
        (
            "SteamIDs",
            format!("{} {} {}", user.steam3, user.steam.steam2(), user.steam),
        ),
        ("administrator", yes_no(user.admin)),
        ("groups", summary.groups.join(", ")),
        (
            "bans",
            format!("{}, {} in force", summary.bans, summary.bans_in_force),
        ),
        ("warnings", summary.warnings.to_string()),
        ("playtime", span(summary.playtime_ms / 1_000)),
        ("since", moment(user.created)),
        ("seen", maybe_moment(user.seen, "-")),
    ];
    call.show(&summary, &lines)
}

fn edit_of(call: &Call<'_>) -> UserEdit {
    UserEdit {
        name: call.options.text("--name").map(str::to_owned),
        admin: None,
    }
}

pub fn add(call: &mut Call<'_>) -> Result<(), Stop> {
    let text = &call.words[0];
    let steam = steam_id(text).ok_or_else(|| {
        Stop::Usage(format!(
            "{text:?} is no SteamID; write it as [U:1:22202], STEAM_0:0:11101 or 76561197960287930"
        ))
    })?;
    let is_new = call.admin.add_user(steam, &edit_of(call))?;
    let steam = steam.steam3();
    match is_new {
        true => call.say(&format!("{steam} is a user now.")),
        false => call.say(&format!("{steam} is a user already.")),
    }
}

pub fn edit(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    match call.admin.edit_user(player.steam, &edit_of(call))? {
        true => call.say(&format!("{player} is changed.")),
        false => Err(Stop::Failed(format!(
            "{player} is no user of the community; `vpid community user add` makes one"
        ))),
    }
}

pub fn remove(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    match call.admin.remove_user(player.steam)? {
        true => call.say(&format!("{player} is removed. Bans stay.")),
        false => Err(Stop::Failed(format!(
            "{player} is no user of the community"
        ))),
    }
}

pub fn add_admin(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    match call.admin.set_admin(player.steam, true)? {
        true => call.say(&format!("{player} is an administrator now.")),
        false => call.say(&format!("{player} is an administrator already.")),
    }
}

pub fn remove_admin(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    match call.admin.set_admin(player.steam, false)? {
        true => call.say(&format!("{player} is no administrator any more.")),
        false => Err(Stop::Failed(format!("{player} is no administrator"))),
    }
}

pub fn playtime(call: &mut Call<'_>) -> Result<(), Stop> {
    let player = call.player(0)?;
    let window = call.options.window()?;
    let playtime = call.admin.playtime(player.steam, window)?;
    if call.options.has("--json") {
        let days = to_json(&playtime.days.items)?;
        call.json(&json!({
            "steam": player.steam, "name": player.name, "ms": playtime.ms,
            "days": days, "more": playtime.days.more,
        }))?;
        return whole(&playtime.days);
    }
    let total = span(playtime.ms / 1_000);
    call.say(&format!("{player}: {total} in total"))?;
    call.list(
        ("days", "No day of playtime."),
        &playtime.days,
        ["DAY", "TIME"],
        |day| [printable(&day.day), span(day.ms / 1_000)],
    )
}
