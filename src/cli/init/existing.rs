//! The scripts for a configuration that is there: the first time, and after every update of vpid.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::find::{self, Surroundings};
use super::install::Report;
use super::stock::{fresh_key, toml_text};
use super::{Options, install};
use crate::config::{self, Config, Problem, Server};

/// Where the configuration is that `vpid run` would use here.
pub(super) enum Existing {
    File(PathBuf),
    /// As in panels and containers, where no file is needed.
    Environment,
}

impl Existing {
    pub fn find(options: &Options, around: &Surroundings) -> Option<Self> {
        let set = |name| (around.environment)(name).filter(|value| !value.is_empty());
        let named = options.config.clone();
        if let Some(named) = named.or_else(|| set("VPID_CONFIG").map(PathBuf::from)) {
            let path = around.current.join(named);
            return path.exists().then_some(Self::File(path));
        }
        let usual = around.current.join(config::SEARCH_PATHS[0]);
        let mut files = [usual, around.system_config.clone()].into_iter();
        if let Some(path) = files.find(|path| path.exists()) {
            return Some(Self::File(path));
        }
        let key = set("VPID_KEY").or_else(|| set("VPID_KEY_FILE"));
        key.map(|_| Self::Environment)
    }

    /// Why `--community` does nothing here.
    pub fn without_community(&self) -> String {
        match self {
            Self::File(path) => format!(
                "{} is there already, and is not changed; write into it: [community], and below that type = \"local\"",
                path.display()
            ),
            Self::Environment => {
                "the configuration is in the environment; set VPID_COMMUNITY_TYPE=local there"
                    .to_owned()
            }
        }
    }

    fn load(&self, around: &Surroundings) -> Result<Config, Vec<Problem>> {
        match self {
            Self::File(path) => config::load(Some(path), &around.environment),
            Self::Environment => config::parse("", &around.current, &around.environment),
        }
    }
}

impl fmt::Display for Existing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Environment => f.write_str("the environment"),
        }
    }
}

pub(super) fn run(
    options: &Options,
    existing: &Existing,
    vscripts: &Path,
    around: &Surroundings,
    out: &mut dyn Write,
) -> Result<(), String> {
    let config = existing.load(around).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(|it| format!("\n  {it}")).collect();
        format!(
            "{existing} has problems, and no script was changed; correct them, then run this command again:{}",
            lines.concat()
        )
    })?;
    let folder = find::scripts_folder(vscripts, around);
    let scriptdata = options
        .scriptdata
        .as_deref()
        .map(|given| find::scriptdata_folder(given, around));
    let candidates = candidates(&config, existing, &folder, scriptdata.as_deref())?;
    let server = with_key(&candidates, existing)?;
    let all: Vec<&Path> = config
        .servers
        .iter()
        .map(|server| server.scriptdata.as_path())
        .collect();
    install::look(&folder, &all, install::NAME_ANOTHER)?;
    let key = server.key.as_ref().map(config::Secret::as_bytes);
    let key = String::from_utf8_lossy(key.unwrap_or_default());
    let done = install::install(&folder, &key)?;
    let mut report = Report::new(options, existing.to_string());
    report.say(format!(
        "Configuration: {existing}, unchanged; its key goes into the scripts"
    ));
    report.installed(&done);
    for server in &candidates {
        match make_scriptdata_of_game(&server.scriptdata) {
            Ok(true) => {
                let made = server.scriptdata.display();
                report.say(format!("Game folder: {made} (made now)"));
            }
            Ok(false) => {}
            Err(problem) => report.step(problem),
        }
    }
    if !find::same_place(&server.installed_scripts(), &folder) {
        report.step(format!(
            "vpid looks for the scripts in another folder. In {existing}, below scriptdata = ..., \
             add:\n       vscripts = {}",
            toml_text(&folder.to_string_lossy())
        ));
    }
    for path in &config.exposed {
        let path = path.display();
        report.step(format!(
            "Other users can read the secret in {path}. As its owner, run:\n       chmod 600 '{path}'"
        ));
    }
    report.check_steps();
    report.print(out)
}

/// Brings the scripts of all games of a configuration up to date; a sentence for each folder. Games of the stock
/// scripts alone keep theirs.
pub fn update(config: &Config) -> Vec<Result<String, String>> {
    let existing = match &config.path {
        Some(path) => Existing::File(path.clone()),
        None => Existing::Environment,
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for server in config.servers.iter().filter(|it| it.key.is_some()) {
        let folder = server.installed_scripts();
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let one = |folder: &PathBuf| {
        let servers = config.servers.iter();
        let here: Vec<&Server> = servers
            .filter(|it| find::same_place(&it.installed_scripts(), folder))
            .collect();
        let server = with_key(&here, &existing)?;
        let all: Vec<&Path> = config
            .servers
            .iter()
            .map(|it| it.scriptdata.as_path())
            .collect();
        install::look(folder, &all, install::SET_ANOTHER)?;
        for path in all {
            make_scriptdata_of_game(path)?;
        }
        let key = server.key.as_ref().map(config::Secret::as_bytes);
        let key = String::from_utf8_lossy(key.unwrap_or_default());
        let done = install::install(folder, &key)?;
        Ok(format!(
            "game scripts of version {} are in {}",
            crate::vscripts::version(),
            done.folder.display()
        ))
    };
    folders.iter().map(one).collect()
}

/// So that the first calls of a fresh game do not wait until the folder is found. Whether it was made.
fn make_scriptdata_of_game(path: &Path) -> Result<bool, String> {
    match path.parent().is_some_and(find::is_game) {
        true => super::make_scriptdata(path),
        false => Ok(false),
    }
}

/// The servers whose game loads its scripts from this folder.
fn candidates<'a>(
    config: &'a Config,
    existing: &Existing,
    folder: &Path,
    scriptdata: Option<&Path>,
) -> Result<Vec<&'a Server>, String> {
    let those = |fits: &dyn Fn(&Server) -> bool| -> Vec<&'a Server> {
        config
            .servers
            .iter()
            .filter(|server| fits(server))
            .collect()
    };
    let found = match scriptdata {
        Some(scriptdata) => those(&|server| find::same_place(&server.scriptdata, scriptdata)),
        None => those(&|server| find::same_place(&server.installed_scripts(), folder)),
    };
    if !found.is_empty() {
        return Ok(found);
    }
    if let ([only], None) = (&config.servers[..], scriptdata) {
        return Ok(vec![only]);
    }
    let mut lines: Vec<_> = config
        .servers
        .iter()
        .map(|server| format!("\n  --scriptdata '{}'", server.scriptdata.display()))
        .collect();
    lines.dedup();
    Err(format!(
        "{} does not determine which [[server]] these scripts are for; name it:{}",
        existing,
        lines.concat()
    ))
}

/// The server with the key to install. One vpi.nut holds one.
fn with_key<'a>(candidates: &[&'a Server], existing: &Existing) -> Result<&'a Server, String> {
    let keyed: Vec<_> = candidates
        .iter()
        .filter(|server| server.key.is_some())
        .collect();
    let Some(first) = keyed.first() else {
        let scriptdata: Vec<_> = candidates
            .iter()
            .map(|server| server.scriptdata.display().to_string())
            .collect();
        return Err(format!(
            "the [[server]] of {} has no key, and no script was changed. In {}, add this line \
             below its scriptdata = ..., then run this command again:\n  key = '{}'",
            scriptdata.first().map(String::as_str).unwrap_or_default(),
            existing,
            fresh_key()
        ));
    };
    if keyed.iter().any(|server| server.key != first.key) {
        let hosts: Vec<_> = keyed
            .iter()
            .map(|server| server.hostname.as_deref().unwrap_or("every other host"))
            .collect();
        return Err(format!(
            "the servers for {} have different keys, but one vpi.nut holds one key; in {}, give \
             them the same key",
            hosts.join(" and "),
            existing
        ));
    }
    Ok(first)
}
