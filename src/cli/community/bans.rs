//! `vpid community ban` and `warning`.

use serde_json::json;

use super::options::{LIMIT, SKIP};
use super::{Call, Stop, counted_are, maybe_moment, moment, on_database, to_json, whole, yes_no};
use crate::cli::command::{Action, Command, JSON, Kind, Opt, option, switch, text};
use crate::cli::table::{printable, span};
use crate::core::community::orders::{Unbannable, bannable};
use crate::core::community::short_id as short;
use crate::io::community::admin::{
    AddressBan, AdminError, Ban, BanEdit, BanFilter, BanFound, Issuer, NewBan, Terms, Window,
    is_id, steam_id,
};
use crate::limits::ADDRESS_BAN_BITS_MIN;
use crate::protocol::address_range::{AddressRange, RangeError};

const REASON: Opt = option("--reason", "TEXT", Kind::Text, "why");

pub const BAN: Command = Command {
    name: "ban",
    summary: "bans of players and of addresses",
    action: Action::Commands(&[
        Command::sub(
            "list",
            &[text("PLAYER|RANGE").optional()],
            "the bans in force",
            |given| on_database(given, list),
        )
        .options(&[
            switch("--all", "lifted ones and those that are over too"),
            switch("--addresses", "bans of addresses"),
            LIMIT,
            SKIP,
            JSON,
        ]),
        Command::sub("show", &[text("ID")], "a ban with all its data", |given| {
            on_database(given, show)
        })
        .options(&[JSON]),
        Command::sub(
            "add",
            &[text("PLAYER|RANGE")],
            "ban a player or a range of addresses",
            |given| on_database(given, add),
        )
        .options(&[
            REASON.required("\"aimbot\""),
            option(
                "--for",
                "TIME",
                Kind::Text,
                "how long, such as 7d (default: permanently)",
            ),
            JSON,
        ]),
        Command::sub("edit", &[text("ID")], "change a ban", |given| {
            on_database(given, edit)
        })
        .options(&[
            REASON,
            option(
                "--for",
                "TIME",
                Kind::Text,
                "how long, such as 7d, or permanent; counted from when it was created",
            ),
        ]),
        Command::sub(
            "remove",
            &[text("PLAYER|RANGE|ID")],
            "lift a ban",
            |given| on_database(given, remove),
        ),
    ]),
    ..Command::NONE
};

pub const WARNING: Command = Command {
    name: "warning",
    summary: "warnings",
    action: Action::Commands(&[
        Command::sub(
            "list",
            &[text("PLAYER").optional()],
            "the warnings in force",
            |given| on_database(given, warnings),
        )
        .options(&[switch("--all", "withdrawn ones too"), LIMIT, SKIP, JSON]),
        Command::sub("add", &[text("PLAYER")], "warn a player", |given| {
            on_database(given, add_warning)
        })
        .options(&[REASON.required("\"spawn camping\""), JSON]),
        Command::sub("remove", &[text("ID")], "withdraw a warning", |given| {
            on_database(given, remove_warning)
        }),
    ]),
    ..Command::NONE
};

/// The range that a word is; an error where it can only be meant as one.
fn range(word: &str) -> Result<Option<AddressRange>, Stop> {
    let digits = |sign: char| sign.is_ascii_digit() || matches!(sign, '.' | '/');
    match word.parse::<AddressRange>() {
        Ok(range) => Ok(Some(range)),
        Err(RangeError::NoAddress) if !(word.contains('.') && word.chars().all(digits)) => Ok(None),
        Err(RangeError::NoAddress) => {
            Err(Stop::Usage(format!("{word:?} {}", RangeError::NoAddress)))
        }
        // A name may have a slash in it.
        Err(_) if !word.chars().all(digits) => Ok(None),
        Err(why) => Err(Stop::Usage(format!("{word:?} {why}"))),
    }
}

fn issuer(issuer: &Issuer) -> String {
    match (issuer.name.is_empty(), issuer.steam) {
        (false, _) => printable(&issuer.name),
        (true, Some(steam)) => steam.steam3(),
        (true, None) => "-".to_owned(),
    }
}

fn state(terms: &Terms) -> String {
    let state = match (terms.in_force, terms.lifted.is_some()) {
        (true, _) => "in force",
        (false, true) => "lifted",
        (false, false) => "over",
    };
    state.to_owned()
}

fn length(length_s: Option<i64>) -> String {
    length_s.map_or_else(|| "permanent".to_owned(), span)
}

pub fn list(call: &mut Call<'_>) -> Result<(), Stop> {
    let range = match call.words.first() {
        Some(word) => range(word)?,
        None => None,
    };
    let (window, all) = (call.options.window()?, call.options.has("--all"));
    if range.is_some() || call.options.has("--addresses") {
        if range.is_none() && !call.words.is_empty() {
            let why = "--addresses takes an address or a range, such as 203.0.113.0/24";
            return Err(Stop::Usage(why.to_owned()));
        }
        let listing = call.admin.address_bans(range, all, window)?;
        let head = ["ID", "RANGE", "STATE", "SINCE", "UNTIL", "BY", "REASON"];
        return call.list(("bans", "No ban of an address."), &listing, head, |ban| {
            [
                short(ban.id),
                printable(&ban.range),
                state(&ban.terms),
                moment(ban.terms.created),
                maybe_moment(ban.terms.ends, "-"),
                issuer(&ban.terms.issuer),
                printable(&ban.terms.reason),
            ]
        });
    }
    // A row that is left out is no reason to say nothing of the others.
    let listed = of_players(call, all, window);
    if call.words.is_empty() && !call.options.has("--json") {
        hint_at_addresses(call)?;
    }
    listed
}

/// How many bans of addresses are in force.
fn of_addresses(call: &mut Call<'_>) -> Result<u64, Stop> {
    let none = Window { limit: 0, skip: 0 };
    Ok(call.admin.address_bans(None, false, none)?.more)
}

/// A list of those in force must not look as if there were no others.
fn hint_at_addresses(call: &mut Call<'_>) -> Result<(), Stop> {
    match of_addresses(call)? {
        0 => Ok(()),
        1 => call.say("1 ban of an address is in force, too: --addresses shows it."),
        more => call.say(&format!(
            "{more} bans of addresses are in force, too: --addresses shows them."
        )),
    }
}

fn of_players(call: &mut Call<'_>, all: bool, window: Window) -> Result<(), Stop> {
    let steam = call.maybe_player(0)?.map(|player| player.steam);
    let listing = call.admin.bans(&BanFilter { steam, all }, window)?;
    if call.options.has("--json") && call.words.is_empty() {
        let in_force = of_addresses(call)?;
        call.json(&json!({
            "bans": to_json(&listing.items)?, "more": listing.more, "address_bans_in_force": in_force,
        }))?;
        return whole(&listing);
    }
    let head = [
        "ID", "STEAMID", "NAME", "STATE", "SINCE", "UNTIL", "BY", "REASON",
    ];
    call.list(("bans", "No ban."), &listing, head, |ban| {
        [
            short(ban.id),
            ban.steam.steam3(),
            printable(&ban.name),
            state(&ban.terms),
            moment(ban.terms.created),
            maybe_moment(ban.terms.ends, "-"),
            issuer(&ban.terms.issuer),
            printable(&ban.terms.reason),
        ]
    })
}

pub fn show(call: &mut Call<'_>) -> Result<(), Stop> {
    let id = call.id()?;
    let found = call.admin.ban(&id)?;
    let lines = match &found {
        BanFound::Player(ban) => of_player(ban),
        BanFound::Address(ban) => of_range(ban),
    };
    call.show(&found, &lines)
}

fn of_player(ban: &Ban) -> Vec<(&'static str, String)> {
    let player = format!("{} {} {}", ban.name, ban.steam.steam3(), ban.steam);
    let mut lines = vec![("id", ban.id.to_string()), ("player", player)];
    lines.extend(rest(&ban.terms));
    lines
}

fn of_range(ban: &AddressBan) -> Vec<(&'static str, String)> {
    let mut lines = vec![("id", ban.id.to_string()), ("range", ban.range.clone())];
    lines.extend(rest(&ban.terms));
    lines
}

fn rest(terms: &Terms) -> [(&'static str, String); 7] {
    [
        ("reason", terms.reason.clone()),
        ("length", length(terms.length_s)),
        ("since", moment(terms.created)),
        ("until", maybe_moment(terms.ends, "-")),
        ("by", issuer(&terms.issuer)),
        ("in force", yes_no(terms.in_force)),
        ("lifted", maybe_moment(terms.lifted, "-")),
    ]
}

pub fn add(call: &mut Call<'_>) -> Result<(), Stop> {
    let reason = call.options.required("--reason").to_owned();
    let length_s = call.options.length("--for")?.flatten();
    let ban = NewBan {
        length_s,
        reason: &reason,
    };
    let (who, id) = match range(&call.words[0])? {
        Some(range) => {
            bannable(range).map_err(|why| refused(range, why))?;
            (range.to_string(), call.admin.add_address_ban(range, &ban)?)
        }
        None => {
            let player = call.player(0)?;
            let id = call.admin.add_ban(&player, &ban)?;
            (player.to_string(), id)
        }
    };
    let how_long = match length_s.and_then(|seconds| i64::try_from(seconds).ok()) {
        Some(seconds) => format!("for {}", span(seconds)),
        None => "permanently".to_owned(),
    };
    let sentence = format!("{who} is banned {how_long}. The ban is {}.", short(id));
    call.made(id, &sentence)
}

/// By the rule that the commands in chat have.
fn refused(range: AddressRange, why: Unbannable) -> Stop {
    Stop::Usage(match why {
        Unbannable::Wide => format!(
            "{range} is too wide: the widest range that can be banned is /{ADDRESS_BAN_BITS_MIN}; ban narrower ones"
        ),
        Unbannable::Reserved => format!(
            "{range} cannot be banned: addresses of private networks, of the server itself (127.0.0.1), those that \
             providers share (100.64.0.0/10) and those of Steam's relays (169.254.0.0/16) are no player's own; ban the \
             accounts instead"
        ),
    })
}

pub fn edit(call: &mut Call<'_>) -> Result<(), Stop> {
    if !call.options.has("--for") && !call.options.has("--reason") {
        let why = "write what to change: --for or --reason";
        return Err(Stop::Usage(why.to_owned()));
    }
    let edit = BanEdit {
        length_s: call.options.length("--for")?,
        reason: call.options.text("--reason").map(str::to_owned),
    };
    let id = call.id()?;
    let found = call.admin.ban(&id)?;
    call.admin.edit_ban(&found, &edit)?;
    call.say(&format!("The ban {} is changed.", short(found.id())))
}

pub fn remove(call: &mut Call<'_>) -> Result<(), Stop> {
    let word = &call.words[0];
    if let Some(range) = range(word)? {
        let lifted = call.admin.lift_of_range(range)?;
        let lifted = counted_are(lifted, "ban");
        return call.say(&format!("{range}: {lifted} lifted."));
    }
    // As long as lists show them; a name may look so, too.
    let is_long = steam_id(word).is_none() && is_id(word) && word.len() >= 8;
    let found = match is_long.then(|| call.admin.ban(word)).transpose() {
        Err(AdminError::NoRecord { .. }) => None,
        found => found?,
    };
    if let Some(found) = found {
        let id = short(found.id());
        return match call.admin.lift(&found)? {
            true => call.say(&format!("The ban {id} is lifted.")),
            false => Err(Stop::Failed(format!("the ban {id} is not in force"))),
        };
    }
    let player = call.player(0)?;
    let lifted = call.admin.lift_of_player(&player)?;
    let lifted = counted_are(lifted, "ban");
    call.say(&format!("{player}: {lifted} lifted."))
}

pub fn warnings(call: &mut Call<'_>) -> Result<(), Stop> {
    let steam = call.maybe_player(0)?.map(|player| player.steam);
    let (all, window) = (call.options.has("--all"), call.options.window()?);
    let listing = call.admin.warnings(steam, all, window)?;
    let head = [
        "ID",
        "STEAMID",
        "NAME",
        "SINCE",
        "WITHDRAWN",
        "BY",
        "REASON",
    ];
    call.list(("warnings", "No warning."), &listing, head, |warning| {
        [
            short(warning.id),
            warning.steam.steam3(),
            printable(&warning.name),
            moment(warning.created),
            maybe_moment(warning.withdrawn, "-"),
            issuer(&warning.issuer),
            printable(&warning.reason),
        ]
    })
}

pub fn add_warning(call: &mut Call<'_>) -> Result<(), Stop> {
    let reason = call.options.required("--reason").to_owned();
    let player = call.player(0)?;
    let id = call.admin.add_warning(&player, &reason)?;
    let sentence = format!("{player} is warned. The warning is {}.", short(id));
    call.made(id, &sentence)
}

pub fn remove_warning(call: &mut Call<'_>) -> Result<(), Stop> {
    let id = call.id()?;
    let warning = call.admin.withdraw_warning(&id)?;
    let id = short(warning.id);
    match warning.withdrawn {
        None => call.say(&format!("The warning {id} is withdrawn.")),
        Some(_) => Err(Stop::Failed(format!(
            "the warning {id} was withdrawn before"
        ))),
    }
}
