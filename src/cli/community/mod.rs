//! `vpid community`: what an operator does to a community of one's own, on its database. No running vpid is needed,
//! and one that runs follows within seconds.

mod bans;
mod export;
mod groups;
mod import;
mod offers;
mod options;
mod players;
mod servers;

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::command::{Action, Base, Command, Kind, Opt, option};
use super::given::{Given, Stop};
use super::table;
use crate::config::{self, Community, Config, Database};
use crate::io::community::admin::{Admin, AdminError, Listing, Player, is_id};
use crate::protocol::counted::counted;
use crate::protocol::uuid::Uuid;
use options::Options;

pub(super) const COMMAND: Command = Command {
    name: "community",
    summary: "manage the users, groups, bans and more of a community in a database",
    about: "\
Manages a community that is kept in a database ([community] with type = \"local\"), whether vpid runs or not. Servers \
follow within seconds.

A PLAYER is a SteamID ([U:1:22202], STEAM_0:0:11101, 76561197960287930), a name, or a part of one that no other user \
has. A RANGE is an address (203.0.113.7) or a range of them (203.0.113.0/24). Times are 30m, 2h, 7d, 1w. IDs may be \
abbreviated. An option that can stand for several values is repeated: --grant ban_edit --grant ban_show.",
    options: &[option(
        "--database",
        "NAME",
        Kind::Text,
        "the community is in [database.NAME]; \"\" for [database] (default: that of [community])",
    )],
    base: Base::Run,
    examples: &["vpid community ban add [U:1:22202] --for 7d --reason \"aimbot\""],
    action: Action::Commands(&[
        players::USER,
        players::ADMIN,
        groups::GROUP,
        groups::MEMBER,
        bans::BAN,
        bans::WARNING,
        offers::ADVERT,
        offers::REWARD,
        servers::SERVER,
        players::PLAYTIME,
        export::EXPORT,
        import::IMPORT,
    ]),
    ..Command::NONE
};

/// A command that is being carried out.
struct Call<'a> {
    /// What follows the verb.
    words: &'a [String],
    options: Options<'a>,
    config: &'a Config,
    admin: &'a mut Admin,
    out: &'a mut dyn Write,
}

impl From<AdminError> for Stop {
    fn from(error: AdminError) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// Does something to the database of the community.
fn on_database(given: Given, run: fn(&mut Call<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
    let config = config::load_databases(given.path.as_deref(), given.environment());
    on_database_of(&given, "--database", config, run)
}

/// The same with a configuration of which more is needed. `option` names the database.
fn on_database_of(
    given: &Given,
    option: &str,
    config: Result<Config, Vec<config::Problem>>,
    run: fn(&mut Call<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let config = config.map_err(Stop::Configuration)?;
    let database = database(&config, given, option)?.clone();
    let mut admin = Admin::open(&database)?;
    run(&mut Call {
        words: &given.words,
        options: Options(given),
        config: &config,
        admin: &mut admin,
        out: &mut io::stdout(),
    })
}

/// The database of the community.
fn database<'a>(config: &'a Config, given: &Given, option: &str) -> Result<&'a Database, Stop> {
    if let Some(name) = given.text(option) {
        return named(config, name);
    }
    let id = config.community.as_ref().and_then(Community::database);
    id.and_then(|id| config.databases.get(id)).ok_or_else(|| {
        Stop::Failed(format!(
            "the configuration has no [community] with type = \"local\"; name the database with {option} NAME ({option} \
             \"\" for [database])"
        ))
    })
}

fn named<'a>(config: &'a Config, name: &str) -> Result<&'a Database, Stop> {
    let mut databases = config.databases.iter();
    let found = databases.find(|database| database.name == name);
    found.ok_or_else(|| {
        let table = match name {
            "" => "[database] with a database".to_owned(),
            name => format!("[database.{name}]"),
        };
        Stop::Failed(format!("the configuration has no {table}"))
    })
}

impl Call<'_> {
    fn player(&mut self, at: usize) -> Result<Player, Stop> {
        Ok(self.admin.find_player(&self.words[at])?)
    }

    /// The player that a word means, where there is one.
    fn maybe_player(&mut self, at: usize) -> Result<Option<Player>, Stop> {
        match self.words.get(at) {
            Some(text) => Ok(Some(self.admin.find_player(text)?)),
            None => Ok(None),
        }
    }

    /// The id that the first word is.
    fn id(&self) -> Result<String, Stop> {
        let text = &self.words[0];
        match is_id(text) {
            true => Ok(text.clone()),
            false => Err(Stop::Usage(format!(
                "{text:?} is no id; lists show them in their first column"
            ))),
        }
    }

    /// Refuses an edit that changes nothing.
    fn has_change(&self, options: &[Opt]) -> Result<(), Stop> {
        let names: Vec<&str> = options.iter().map(|option| option.name).collect();
        match names.iter().any(|name| self.options.has(name)) {
            true => Ok(()),
            false => Err(Stop::Usage(format!(
                "write what to change: {}",
                names.join(", ")
            ))),
        }
    }

    /// Says that there is something new; for programs, its id.
    fn made(&mut self, id: Uuid, sentence: &str) -> Result<(), Stop> {
        match self.options.has("--json") {
            true => self.json(&json!({"id": id})),
            false => self.say(sentence),
        }
    }

    fn say(&mut self, sentence: &str) -> Result<(), Stop> {
        let said = writeln!(self.out, "{}", table::printable(sentence));
        Ok(table::but_for_a_gone_reader(said)?)
    }

    /// A part of a list, as a table or as JSON.
    fn list<T: Serialize, const N: usize>(
        &mut self,
        (key, none): (&str, &str),
        listing: &Listing<T>,
        head: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<(), Stop> {
        if self.options.has("--json") {
            self.json(&json!({key: to_json(&listing.items)?, "more": listing.more}))?;
            return whole(listing);
        }
        if listing.items.is_empty() && listing.more == 0 && listing.left_out.is_empty() {
            return self.say(none);
        }
        let rows: Vec<[String; N]> = listing.items.iter().map(row).collect();
        let written = table::write(head, &rows, self.out).and_then(|()| match listing.more {
            0 => Ok(()),
            more => writeln!(
                self.out,
                "... and {more} more; --skip and --limit show them."
            ),
        });
        table::but_for_a_gone_reader(written)?;
        whole(listing)
    }

    fn json(&mut self, value: &Value) -> Result<(), Stop> {
        Ok(table::but_for_a_gone_reader(table::write_json(
            value, self.out,
        ))?)
    }

    /// Lines of a name and a value, or an object.
    fn show(&mut self, record: &impl Serialize, lines: &[(&str, String)]) -> Result<(), Stop> {
        if self.options.has("--json") {
            let value = to_json(record)?;
            return self.json(&value);
        }
        let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        let written = lines.iter().try_for_each(|(name, value)| {
            let value = table::printable(value);
            writeln!(self.out, "{name:<width$}{value}")
        });
        Ok(table::but_for_a_gone_reader(written)?)
    }
}

/// Says which rows a list does not have, which is no success.
fn whole<T>(listing: &Listing<T>) -> Result<(), Stop> {
    if listing.left_out.is_empty() {
        return Ok(());
    }
    for row in &listing.left_out {
        eprintln!("left out: {}", table::printable(row));
    }
    Err(Stop::Failed(format!(
        "{} not as vpid writes them, and missing in the list; correct or remove them in the database",
        counted_are(listing.left_out.len() as u64, "row")
    )))
}

fn to_json(record: &impl Serialize) -> Result<Value, Stop> {
    serde_json::to_value(record).map_err(|error| Stop::Failed(error.to_string()))
}

/// `1 ban is`, `2 bans are`.
fn counted_are(count: u64, what: &str) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!("{} {verb}", counted(count, what))
}

/// A moment, to the minute, in UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn maybe_moment(at: Option<Timestamp>, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), moment)
}

fn yes_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}
