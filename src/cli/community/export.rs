//! `vpid community export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Call, Stop, on_database};
use crate::cli::command::{Command, Kind, arg};
use crate::cli::progress::Progress;
use crate::cli::table::printable;
use crate::io::community::export::{self, ExportError, Exported};
use crate::io::files;

pub const EXPORT: Command = Command::sub(
    "export",
    &[arg("FILE", Kind::File)],
    "all of it, as lines of JSON; - is standard output",
    |given| on_database(given, export),
);

/// Where an export goes to.
enum Target {
    /// A file to be, with all links in its path followed.
    File(PathBuf),
    /// A device or a FIFO that is there.
    Stream(File),
}

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
    let path = match target(&name)? {
        Target::File(path) => path,
        Target::Stream(file) => {
            let exported = export::export(call.admin, &mut BufWriter::new(file), &mut show);
            return whole(&exported.map_err(failed)?, &name);
        }
    };
    let mut done = Ok(Exported::default());
    let written = files::write_whole(&path, |file| {
        let mut out = BufWriter::new(file);
        done = export::export(call.admin, &mut out, &mut show);
        // What is not whole does not take the place of an older export.
        match &done {
            Ok(_) => out.flush(),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    });
    drop(progress);
    let exported = done.map_err(failed)?;
    written.map_err(|error| failed(error.into()))?;
    call.say(&format!("{} records are in {name}.", exported.records))?;
    whole(&exported, &name)
}

fn target(name: &str) -> Result<Target, Stop> {
    let path = Path::new(name);
    let unusable = |error: io::Error| Stop::Failed(format!("{name} cannot be written: {error}"));
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Stop::Failed(format!(
            "{name} is a folder; name a file in it"
        ))),
        Ok(found) if found.is_file() => Ok(Target::File(fs::canonicalize(path).map_err(unusable)?)),
        Ok(_) => {
            let file = OpenOptions::new().write(true).open(path);
            Ok(Target::Stream(file.map_err(unusable)?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(to) => Err(Stop::Failed(format!(
                "{name} is a link to {}, which is not there; name that file",
                to.display()
            ))),
            Err(_) => Ok(Target::File(path.to_owned())),
        },
        Err(error) => Err(unusable(error)),
    }
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
        "{} rows are not as vpid writes them, and are missing in {name}; correct or remove them, and export again",
        exported.skipped
    )))
}
