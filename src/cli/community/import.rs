//! `vpid community import`.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::options::APPLY;
use super::{Call, Stop, named, on_database, on_database_of};
use crate::cli::command::{Action, Command, JSON, Kind, Number, arg, option};
use crate::cli::progress::Progress;
use crate::cli::table::{self, printable};
use crate::config::{self, Community};
use crate::io::community::import::{
    ImportError, Importer, Report, exported, files, sourcebans, vyhub,
};
use crate::io::sql::own::Own;

pub const IMPORT: Command = Command {
    name: "import",
    summary: "from other programs, and from exports of vpid",
    about: "\
An import only reports, until --apply is given. It can be repeated: nothing is imported twice, and what was changed or \
lifted since stays so; what was removed comes back. An import of an export adds what is missing, and updates nothing \
that is there: to move, import the last export, made while the vpids are stopped, into a database that has none of it.",
    options: &[APPLY, JSON],
    action: Action::Commands(&[
        Command::sub(
            "vpid",
            &[arg("FILE", Kind::File)],
            "what another vpid has exported; - is standard input",
            |given| on_database(given, vpid),
        ),
        Command::sub(
            "banned_user",
            &[arg("FILE", Kind::File)],
            "cfg/banned_user.cfg of the game; - is standard input",
            |given| on_database(given, banned_user),
        ),
        Command::sub(
            "banned_ip",
            &[arg("FILE", Kind::File)],
            "cfg/banned_ip.cfg of the game; - is standard input",
            |given| on_database(given, banned_ip),
        ),
        Command::sub(
            "sourcemod",
            &[arg("FILE", Kind::File).number(Number::OneOrMore)],
            "admins_simple.ini, admins.cfg and admin_groups.cfg of SourceMod",
            |given| on_database(given, sourcemod),
        ),
        Command::sub(
            "sourcebans",
            &[],
            "from tables of SourceBans++ in a database of the configuration",
            |given| {
                let config = config::load_databases(given.path.as_deref(), given.environment());
                on_database_of(&given, "--into", config, sourcebans)
            },
        )
        .options(&[
            option("--database", "NAME", Kind::Text, "the tables are in [database.NAME]").required("sourcebans"),
            option(
                "--prefix",
                "TEXT",
                Kind::Text,
                "what the names of the tables begin with (default: sb)",
            ),
            option(
                "--into",
                "NAME",
                Kind::Text,
                "the community is in [database.NAME]; \"\" for [database] (default: that of [community])",
            ),
        ]),
        Command::sub("vyhub", &[], "from the VyHub of [vyhub]", |given| {
            let config = config::load(given.path.as_deref(), given.environment());
            on_database_of(&given, "--database", config, vyhub)
        })
        .options(&[option("--bundle", "ID", Kind::Text, "what belongs to this bundle alone").repeated()]),
    ]),
    ..Command::NONE
};

/// The prefix that SourceBans++ proposes when it is installed.
const PREFIX: &str = "sb";

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        Stop::Failed(error.to_string())
    }
}

/// Runs an import, and shows what became of it.
fn run(
    call: &mut Call<'_>,
    source: &str,
    read: impl FnOnce(&mut Importer<'_>) -> Result<(), ImportError>,
) -> Result<(), Stop> {
    let applies = call.options.has("--apply");
    let mut progress = Progress::new();
    let mut importer = Importer::new(call.admin, source, applies)?;
    importer.progress = Some(Box::new(move |read| {
        progress.show(|| format!("{read} records"))
    }));
    read(&mut importer)?;
    let report = importer.finish()?;
    if call.options.has("--json") {
        return call.json(&as_json(&report, applies));
    }
    Ok(table::but_for_a_gone_reader(show(
        &report, applies, call.out,
    ))?)
}

fn as_json(report: &Report, applies: bool) -> Value {
    let kinds = report.iter().map(|(kind, count)| {
        json!({
            "kind": kind.to_string(), "read": count.read, "new": count.new, "known": count.known,
            "not_imported": count.problems, "problems": count.shown,
        })
    });
    json!({"applied": applies, "kinds": kinds.collect::<Vec<Value>>()})
}

fn show(report: &Report, applies: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if report.is_empty() {
        return writeln!(out, "There is nothing to import.");
    }
    let rows: Vec<[String; 5]> = report
        .iter()
        .map(|(kind, count)| {
            let numbers = [count.read, count.new, count.known, count.problems];
            let [read, new, known, problems] = numbers.map(|number| number.to_string());
            [kind.to_string(), read, new, known, problems]
        })
        .collect();
    let new = if applies { "IMPORTED" } else { "NEW" };
    let head = ["WHAT", "READ", new, "KNOWN", "NOT IMPORTED"];
    table::write(head, &rows, out)?;
    for (kind, count) in report {
        if count.problems > 0 {
            writeln!(out, "\nNot imported, {kind}:")?;
        }
        for line in &count.shown {
            writeln!(out, "  {}", printable(line))?;
        }
        let shown = count.shown.len() as u64;
        // A kind that vpid has nothing for has one sentence for all of its records.
        if shown > 1 && count.problems > shown {
            writeln!(out, "  ... and {} more.", count.problems - shown)?;
        }
    }
    match applies {
        true => Ok(()),
        false => writeln!(out, "\nNothing was written. Add --apply to import this."),
    }
}

pub fn banned_user(call: &mut Call<'_>) -> Result<(), Stop> {
    let path = Path::new(&call.words[0]);
    run(call, "banned_user.cfg", |importer| {
        files::banned_users(importer, path)
    })
}

pub fn banned_ip(call: &mut Call<'_>) -> Result<(), Stop> {
    let path = Path::new(&call.words[0]);
    run(call, "banned_ip.cfg", |importer| {
        files::banned_addresses(importer, path)
    })
}

pub fn sourcemod(call: &mut Call<'_>) -> Result<(), Stop> {
    let paths = call.words;
    run(call, "sourcemod", |importer| files::admins(importer, paths))
}

/// What another vpid has exported; `-`: from standard input.
pub fn vpid(call: &mut Call<'_>) -> Result<(), Stop> {
    let name = call.words[0].clone();
    if name == "-" {
        let mut input = io::stdin().lock();
        return run(call, "vpid", |importer| {
            exported::import(importer, &mut input, "standard input")
        });
    }
    let unreadable = |error| Stop::Failed(format!("{name} could not be read: {error}"));
    let file = File::open(&name).map_err(unreadable)?;
    let can_be_read_twice = file.metadata().map_err(unreadable)?.is_file();
    let mut input = BufReader::new(file);
    if can_be_read_twice {
        // What is not whole is refused before anything is written.
        exported::check(&mut input, &name)?;
        input.rewind().map_err(unreadable)?;
    }
    run(call, "vpid", |importer| {
        exported::import(importer, &mut input, &name)
    })
}

pub fn sourcebans(call: &mut Call<'_>) -> Result<(), Stop> {
    let name = call.options.required("--database");
    let prefix = call.options.text("--prefix").unwrap_or(PREFIX);
    let prefix = sourcebans::prefix(prefix).ok_or_else(|| {
        Stop::Usage(format!(
            "--prefix must be what the names of SourceBans's tables begin with, such as sb, not {prefix:?}"
        ))
    })?;
    let database = named(call.config, name)?;
    let mut source = Own::open(database).map_err(|error| Stop::Failed(error.to_string()))?;
    sourcebans::check(&mut source, prefix)?;
    run(call, &format!("sourcebans {name} {prefix}"), |importer| {
        sourcebans::import(importer, &mut source, prefix)
    })
}

pub fn vyhub(call: &mut Call<'_>) -> Result<(), Stop> {
    let of_community = call.config.community.as_ref().and_then(Community::vyhub);
    let Some(vyhub) = call.config.import_from.as_ref().or(of_community) else {
        let why = "the configuration has no [vyhub]; write api_url and api_key_file there";
        return Err(Stop::Failed(why.to_owned()));
    };
    let bundles = call.options.all("--bundle").map(|text| {
        let wrong = |()| Stop::Usage(format!("--bundle: {text:?} is no id of a bundle in VyHub"));
        text.parse().map_err(wrong)
    });
    let bundles = bundles.collect::<Result<Vec<_>, _>>()?;
    let servers = call.config.servers.iter();
    let scope = vyhub::Scope {
        servers: servers.filter_map(|server| server.vyhub_id).collect(),
        bundles,
    };
    let mut progress = Progress::new();
    run(call, "vyhub", |importer| {
        importer.progress = None;
        // Moved, so that its line is gone before the report.
        vyhub::import(importer, vyhub, &scope, move |done, count| {
            progress.show(|| format!("{done} of {count} players"));
        })
    })
}
