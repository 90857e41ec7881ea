//! `vpid community server`.

use jiff::Timestamp;
use serde_json::Value;

use super::options::{LIMIT, SKIP};
use super::{Call, Stop, on_database};
use crate::cli::command::{Action, Command, JSON, Kind, option, text};
use crate::cli::table::{printable, span};
use crate::core::community::wrong_option;

pub const SERVER: Command = Command {
    name: "server",
    summary: "game servers that report to the community",
    action: Action::Commands(&[
        Command::sub("list", &[], "all of them, with their state", |given| {
            on_database(given, list)
        })
        .options(&[LIMIT, SKIP, JSON]),
        Command::sub(
            "edit",
            &[text("NAME")],
            "set options of a server",
            |given| on_database(given, edit),
        )
        .options(&[
            option("--set", "OPTION=VALUE", Kind::Text, "such as res_slots=2").repeated(),
            option("--unset", "OPTION", Kind::Text, "take an option away").repeated(),
        ]),
    ]),
    ..Command::NONE
};

pub fn list(call: &mut Call<'_>) -> Result<(), Stop> {
    let listing = call.admin.servers(call.options.window()?)?;
    let now_s = Timestamp::now().as_second();
    let head = ["NAME", "STATE", "MAP", "PLAYERS", "SEEN", "OPTIONS"];
    let none = "No server has reported to this community yet.";
    call.list(("servers", none), &listing, head, |server| {
        let options = server.options.iter();
        let options: Vec<String> = options
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let ago = |at: Timestamp| format!("{} ago", span(now_s - at.as_second()));
        [
            printable(&server.name),
            if server.alive { "up" } else { "down" }.to_owned(),
            printable(&server.map),
            format!("{}/{}", server.players, server.players_max),
            server.seen.map_or_else(|| "-".to_owned(), ago),
            printable(&options.join(" ")),
        ]
    })
}

pub fn edit(call: &mut Call<'_>) -> Result<(), Stop> {
    let mut edit = Vec::new();
    for text in call.options.all("--set") {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let why = format!("--set must be OPTION=VALUE, such as res_slots=2, not {text:?}");
            return Err(Stop::Usage(why));
        };
        let value = value_of(value);
        if let Some(wrong) = wrong_option(key, &value) {
            return Err(Stop::Usage(format!("--set {text:?}: {key} {wrong}")));
        }
        edit.push((key.to_owned(), Some(value)));
    }
    for key in call.options.all("--unset") {
        edit.push((key.to_owned(), None));
    }
    if edit.is_empty() {
        let why = "write what to change, such as --set res_slots=2 or --unset res_slots";
        return Err(Stop::Usage(why.to_owned()));
    }
    let name = &call.words[0];
    let edited = call.admin.edit_server(name, &edit)?;
    let shown = Value::Object(edited.options);
    if edited.not_set.len() == edit.len() {
        let names = edited.not_set.join(", ");
        let why = format!("{names} was not set; {name} has the options {shown}");
        return Err(Stop::Failed(why));
    }
    for key in &edited.not_set {
        call.say(&format!("{key} was not set."))?;
    }
    call.say(&format!("{name} has the options {shown} now."))
}

/// A number, true or false, or else a text.
fn value_of(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
        _ => text.into(),
    }
}
