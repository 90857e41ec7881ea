//! `vpid community export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::{Call, Stop, counted_are, on_database};
use crate::cli::command::{Command, Kind, arg, switch};
use crate::cli::own_files::{Target, refuse_own};
use crate::cli::progress::Progress;
use crate::cli::table::printable;
use crate::io::backup::BackupError;
use crate::io::community::export::{self, ExportError, Exported};
use crate::io::files;

pub const EXPORT: Command = Command::sub(
    "export",
    &[arg("FILE", Kind::File)],
    "all of it, as lines of JSON; - is standard output",
    |given| on_database(given, export),
)
.options(&[switch("--force", "overwrite FILE")]);

/// To a file, which is there whole or not at all, and readable by its owner only; `-`: to standard output.
pub fn export(call: &mut Call<'_>) -> Result<(), Stop> {
    let name = call.words[0].clone();
    let mut progress = Progress::new();
    let mut show = |records: u64| progress.show(|| format!("{records} records"));
    let failed = |error: ExportError| Stop::Failed(format!("{name}: {error}"));
    if name == "-" {
        let exported = export::export(
            call.admin,
            &mut BufWriter::new(io::stdout().lock()),
            &mut show,
        );
        return whole(&exported.map_err(failed)?, "the output");
    }
    let force = call.options.has("--force");
    let path = match Target::of(&name)? {
        Target::File(path) => path,
        Target::Stream(file) => {
            let exported = export::export(call.admin, &mut BufWriter::new(file), &mut show);
            return whole(&exported.map_err(failed)?, &name);
        }
    };
    refuse_own(call.config, &path)?;
    let exists = || BackupError::Exists(PathBuf::from(&name)).to_string();
    if !force && path.symlink_metadata().is_ok() {
        return Err(Stop::Failed(exists()));
    }
    let mut done = Ok(Exported::default());
    let write = |file: &mut File| {
        let mut out = BufWriter::new(file);
        done = export::export(call.admin, &mut out, &mut show);
        // What is not whole does not take the place of an older export.
        match &done {
            Ok(_) => out.flush(),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    };
    let written = match force {
        true => files::write_whole(&path, write),
        false => files::write_whole_new(&path, write),
    };
    drop(progress);
    let exported = done.map_err(failed)?;
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Stop::Failed(exists()),
        _ => failed(error.into()),
    })?;
    let records = counted_are(exported.records, "record");
    call.say(&format!("{records} in {name}."))?;
    whole(&exported, &name)
}

/// Says what was left out, which is no success.
fn whole(exported: &Exported, name: &str) -> Result<(), Stop> {
    if exported.skipped == 0 {
        return Ok(());
    }
    for row in &exported.shown {
        eprintln!("left out: {}", printable(row));
    }
    Err(Stop::Failed(format!(
        "{} not as vpid writes them, and missing in {name}; correct or remove them, and export again",
        counted_are(exported.skipped, "row")
    )))
}
