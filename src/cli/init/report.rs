//! What `vpid init` says: what was done, then what is left to do, in order.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Options;
use super::install::{Done, Mapspawn};
use crate::cli::engine_paths;
use crate::cli::shadow;
use crate::config::Secret;
use crate::limits::{ENGINE_PATH_BYTES_MAX, HOST_BYTES_USUAL};
use crate::vscripts;
use crate::vscripts::squirrel::Returned;

pub(super) struct Report {
    /// As it is shown.
    config: String,
    /// The options that have to be said again for this configuration and this game.
    config_named: bool,
    scriptdata_named: Option<PathBuf>,
    said: Vec<String>,
    steps: Vec<String>,
}

impl Report {
    pub fn new(options: &Options, config: String) -> Self {
        Self {
            config,
            config_named: options.config.is_some(),
            scriptdata_named: options.scriptdata.clone(),
            said: Vec::new(),
            steps: Vec::new(),
        }
    }

    pub fn say(&mut self, line: String) {
        self.said.push(line);
    }

    pub fn step(&mut self, step: String) {
        self.steps.push(step);
    }

    /// ` --config FILE`, where the owner chose the name and so must repeat it.
    pub fn config_option(&self) -> String {
        match self.config_named {
            true => format!(" --config '{}'", self.config),
            false => String::new(),
        }
    }

    pub fn wrote(&mut self, scriptdata: &Path, made: bool) {
        let made = if made { " (made now)" } else { "" };
        self.say(format!("Wrote {} (mode 600)", self.config));
        self.say(format!("Game folder: {}{made}", scriptdata.display()));
    }

    pub fn installed(&mut self, done: &Done) {
        let folder = done.folder.display();
        let made = if done.made { " (made now)" } else { "" };
        let version = vscripts::version();
        self.say(format!(
            "Scripts: version {version}, in {folder}{made}\n  \
             vpi.nut         with the key, mode {:o}{}",
            done.mode,
            match &done.replaced {
                Some(old) if *old == version => "; written again".to_owned(),
                Some(old) => format!("; was version {old}"),
                None => String::new(),
            }
        ));
        self.say(match done.config_kept {
            true => "  vpi_config.nut  yours, left as it is".into(),
            false => "  vpi_config.nut  new; it is yours to edit".into(),
        });
        self.say(match done.mapspawn {
            Mapspawn::Installed => "  mapspawn.nut    new".into(),
            Mapspawn::Includes => "  mapspawn.nut    yours, left as it is".into(),
            Mapspawn::Lacks => "  mapspawn.nut    yours, left as it is; see below".into(),
        });
        if let Some(backup) = &done.backup {
            let backup = backup.display();
            self.say(format!("The vpi.nut that was there is kept as {backup}"));
            self.step(format!(
                "If you use its white list (SOURCE_WHITELIST), copy it from\n       {backup}\n     \
                 into\n       {folder}/vpi_config.nut"
            ));
        }
        if done.mapspawn == Mapspawn::Lacks {
            self.step(format!(
                "At the top of {folder}/mapspawn.nut, paste this line:\n       {}",
                vscripts::include_line()
            ));
        }
        if !done.reading.is_empty() {
            self.step(done.reading.clone());
        }
        for file in shadow::find(&done.folder).custom {
            self.step(format!(
                "The game loads {file}\n     instead of vpid's. Remove it, or, if it is a mapspawn.nut of yours, \
                 put this\n     line at its top:\n       {}",
                vscripts::include_line()
            ));
        }
    }

    /// Where the path leaves little room for names of hosts.
    pub fn room_for_hosts(&mut self, scriptdata: &Path, signs: bool) {
        let room = engine_paths::room_for_host(scriptdata, signs);
        if room.is_none_or(|room| room < HOST_BYTES_USUAL) {
            self.say(format!(
                "Mind: this path is so long that the game can serve {}: it reads and writes no file \
                 whose whole path has more than {ENGINE_PATH_BYTES_MAX} bytes. Better move the game to a \
                 shorter path",
                match room {
                    None | Some(0) => "no hostname at all".into(),
                    Some(room) => format!("hostnames of up to {room} characters only"),
                }
            ));
        }
    }

    /// The scripts are not in the game yet, and stock ones may be.
    pub fn install_later(&mut self, folder: &Path, stock: &[PathBuf]) {
        let install = format!(
            "vpid init --vscripts '{}'{}",
            folder.display(),
            self.config_option()
        );
        let Some(first) = stock.first() else {
            self.step(format!("Bring the scripts into the game: {install}"));
            return;
        };
        let scriptdata = self.scriptdata_named.as_ref();
        let scriptdata = scriptdata.map(|path| format!(" --scriptdata '{}'", path.display()));
        self.step(format!(
            "{} is the stock script or one of a game mode, which this configuration does not serve. Either \
             change to vpid's scripts, which sign what they write (the stock one is kept beside \
             them):\n       {install}\n     or keep the stock script:\n       vpid init --legacy \
             --force{}{}",
            first.display(),
            scriptdata.unwrap_or_default(),
            self.config_option()
        ));
    }

    /// The stock script cannot go on as it is.
    pub fn new_secret(&mut self, script: Option<&Path>, found: &Returned, line: usize) {
        self.say(format!(
            "Secret: a new one, in line {line} of the configuration"
        ));
        let place = match (script, found) {
            (Some(path), Returned::Empty { line: at }) => {
                format!("In {}, put this in place of line {at}:", path.display())
            }
            (Some(path), Returned::Text { text, line: at }) => {
                let why = Secret::new(text)
                    .err()
                    .map_or(String::new(), |it| it.to_string());
                let why = why.split(';').next().unwrap_or_default();
                format!(
                    "The secret in {} cannot be kept ({why}). Put this in place of line {at}:",
                    path.display()
                )
            }
            (Some(path), Returned::Nothing) => {
                format!("In {}, let GetSecret do nothing but this:", path.display())
            }
            (None, _) => {
                "No vpi.nut was found. In yours, let GetSecret do nothing but this:".into()
            }
        };
        self.step(format!(
            "{place}\n       return @\"SECRET\";\n     For SECRET, copy legacy_secret from {}, \
             line {line}, without the quotes around it.",
            self.config
        ));
    }

    /// A configuration for our scripts: what comes after they are in the game.
    pub fn start_steps(&mut self) {
        self.try_everything();
        self.step(format!(
            "Start vpid: vpid run{} (stop python vpi.py first, if it runs)",
            self.config_option()
        ));
        self.restart_the_map();
    }

    /// New scripts for a vpid that may run already.
    pub fn check_steps(&mut self) {
        self.try_everything();
        self.restart_the_map();
    }

    /// From vpi.py to vpid, with the stock script.
    pub fn change_over_steps(&mut self) {
        self.step(format!(
            "In {}, name the database that vpi.py has under [database], and your vpi_interfaces.py under \
             [scripts], if it has functions of your own (docs/moving-from-vpi.md)",
            self.config
        ));
        self.try_everything();
        self.step("Stop the old server: python vpi.py".into());
        self.step(format!(
            "Start the new one: vpid run{}",
            self.config_option()
        ));
    }

    fn try_everything(&mut self) {
        self.step(format!(
            "Try everything a start needs: vpid check{}",
            self.config_option()
        ));
    }

    fn restart_the_map(&mut self) {
        self.step(
            "Restart the map, so that the game loads the scripts: changelevel MAP in its console"
                .into(),
        );
    }

    pub fn print(self, out: &mut dyn Write) -> Result<(), String> {
        let mut text = self.said.join("\n") + "\n\nWhat to do next:\n";
        for (number, step) in (1..).zip(self.steps) {
            text += &format!("  {number}. {step}\n");
        }
        out.write_all(text.as_bytes())
            .map_err(|error| format!("all was done, but the report cannot be written: {error}"))
    }
}
