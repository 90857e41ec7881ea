//! What a script is started with: its file, its interpreter, and the first line of its channel.

use std::io;
use std::path::{Path, PathBuf, absolute};

use serde_json::{Value, json};
use thiserror::Error;

use crate::config::file::other_encoding;
use crate::config::{Config, Engine, Scripts, nearest};
use crate::core::{Launch, LaunchKind, ScriptId};
use crate::io::confinement::Confinement;
use crate::io::python::{PASSWORD, PROGRAM, Spec, StartError, environment};
use crate::io::script_files::{NoScript, find, find_one};
use crate::io::venv::{Unusable, own_interpreter};
use crate::limits;

/// Why a script is not started: a sentence for the operator.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// What the configuration lacks since it was reloaded.
    #[error("the configuration {0} any more")]
    Unconfigured(&'static str),
    /// And which scripts there are.
    #[error("{0}{1}")]
    File(NoScript, String),
    #[error("{0}: there is no such file; correct vpi_interfaces in [scripts]")]
    NoInterfaces(PathBuf),
    #[error("{0}: {1}")]
    Path(PathBuf, io::Error),
    #[error("{0}: Python gets the names of files as text, and this is none; rename it")]
    NotText(PathBuf),
    #[error("{0} {1}")]
    Encoding(PathBuf, &'static str),
    #[error("{0}")]
    Venv(Unusable),
    #[error("{0}")]
    Process(StartError),
}

impl LaunchError {
    /// False: nothing of the script's name is in the folder.
    pub fn has_file(&self) -> bool {
        !matches!(
            self,
            Self::File(NoScript::Neither(..) | NoScript::NoName(_), _)
        )
    }
}

pub fn spec(config: &Config, script: ScriptId, launch: &Launch) -> Result<Spec, LaunchError> {
    let missing = LaunchError::Unconfigured("has no [scripts]");
    let scripts = config.scripts.as_ref().ok_or(missing)?;
    let (path, is_own_folder) = file_of(scripts, launch)?;
    let path = whole(&path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    if let Some(wrong) = other_encoding(&path) {
        return Err(LaunchError::Encoding(path, wrong));
    }
    let settings = scripts.of(&launch.name);
    let interpreter = match &settings.python {
        Some(python) => Some(python.clone()),
        None if is_own_folder => own_interpreter(folder).map_err(LaunchError::Venv)?,
        None => None,
    };
    let is_interfaces = launch.kind == LaunchKind::Interfaces;
    // What several scripts import lies there; the folder of a script that is one file is that already.
    let dir = scripts
        .dir
        .as_deref()
        .filter(|_| is_own_folder && !is_interfaces);
    let shared = dir.map(whole).transpose()?;
    let servers = launch.servers.iter();
    let servers = servers.map(|(id, name)| json!({ "id": id, "name": name }));
    let mut first_line = json!({
        "kind": if is_interfaces { "interfaces" } else { "script" },
        "name": launch.name,
        "id": script.0,
        "path": text(&path)?,
        "folder": text(folder)?,
        "shared": shared.as_deref().map(text).transpose()?,
        "memory_bytes": settings.memory_bytes,
        "stack_bytes": limits::SCRIPT_THREAD_STACK_BYTES,
        "call_ms": settings.call_ms,
        "tasks_max": limits::SCRIPT_TASKS_MAX,
        "servers": servers.collect::<Vec<_>>(),
        "config": settings.config,
        "confine": confinement(config, scripts, launch),
        "vpid": env!("CARGO_PKG_VERSION"),
    });
    if is_interfaces {
        add_interfaces(config, scripts, &mut first_line)?;
    }
    Ok(Spec {
        name: launch.name.clone(),
        interpreter: interpreter.unwrap_or_else(|| scripts.python.clone()),
        folder: folder.to_path_buf(),
        program: PROGRAM.into(),
        first_line: first_line.to_string().into_bytes(),
        environment: match is_interfaces {
            true => environment(&[PASSWORD]),
            false => Vec::new(),
        },
        memory_bytes: settings.memory_bytes,
    })
}

/// What is kept from a script; null: nothing.
fn confinement(config: &Config, scripts: &Scripts, of: &Launch) -> Value {
    let kept = Confinement::of(config, scripts, &of.name);
    let kept = kept.ok().filter(|_| of.kind != LaunchKind::Interfaces);
    kept.map_or(Value::Null, |kept| kept.to_json())
}

/// The file, and whether its folder is its own.
fn file_of(scripts: &Scripts, launch: &Launch) -> Result<(PathBuf, bool), LaunchError> {
    match launch.kind {
        LaunchKind::Script => {
            let missing = LaunchError::Unconfigured("names no folder of scripts");
            let dir = scripts.dir.as_ref().ok_or(missing)?;
            let file = find_one(dir, &launch.name).map_err(|why| no_file(dir, why))?;
            Ok((file.main, &file.folder != dir))
        }
        LaunchKind::Interfaces => {
            let missing = LaunchError::Unconfigured("names no vpi_interfaces");
            let path = scripts.vpi_interfaces.clone().ok_or(missing)?;
            match path.is_file() {
                true => Ok((path, true)),
                false => Err(LaunchError::NoInterfaces(path)),
            }
        }
    }
}

/// With the scripts that there are, where none has this name.
fn no_file(dir: &Path, why: NoScript) -> LaunchError {
    let NoScript::Neither(name, _) = &why else {
        return LaunchError::File(why, String::new());
    };
    let found = find(dir).unwrap_or_default().scripts;
    let found = found.iter().take(limits::SCRIPTS_MAX);
    let names: Vec<&str> = found.map(|script| script.name.as_str()).collect();
    let mut there = match names.is_empty() {
        true => String::new(),
        false => format!("; there is: {}", names.join(", ")),
    };
    if let Some(near) = nearest(name, &names) {
        there += &format!(". Did you mean {near}?");
    }
    LaunchError::File(why, there)
}

/// What files written for VPI expect of it: the database, the secret and scriptdata.
fn add_interfaces(
    config: &Config,
    scripts: &Scripts,
    first_line: &mut Value,
) -> Result<(), LaunchError> {
    let database = config.default_database().map(|id| &config.databases[id]);
    first_line["database"] = match database.map(|database| &database.engine) {
        None => Value::Null,
        Some(Engine::Sqlite(sqlite)) => {
            json!({ "type": "sqlite", "path": text(&whole(&sqlite.path)?)? })
        }
        Some(Engine::Mysql(mysql)) => json!({
            "type": "mysql",
            "host": mysql.host,
            "port": mysql.port,
            "user": mysql.user,
            "password": mysql.password.as_ref().map_or("", |password| &password.0),
            "database": mysql.database,
            "socket": mysql.socket.as_deref().map(text).transpose()?,
        }),
    };
    let legacy = config.servers.iter().find_map(|it| it.legacy.as_ref());
    let secret = legacy.map_or(&[][..], |legacy| legacy.secret.as_bytes());
    first_line["secret"] = String::from_utf8_lossy(secret).into();
    let server = config.servers.first();
    let scriptdata = server.map(|server| text(&server.scriptdata)).transpose()?;
    first_line["scriptdata"] = scriptdata.unwrap_or_default().into();
    let options = scripts.options.iter().map(|option| option.0.as_str());
    first_line["options"] = options.collect();
    Ok(())
}

fn whole(path: &Path) -> Result<PathBuf, LaunchError> {
    absolute(path).map_err(|error| LaunchError::Path(path.to_owned(), error))
}

fn text(path: &Path) -> Result<&str, LaunchError> {
    path.to_str()
        .ok_or_else(|| LaunchError::NotText(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config;
    use crate::core::ServerId;

    const SERVERS: &str = r#"
        [[server]]
        scriptdata = "scriptdata"
        key = "abcdefghijklmnopqrstuvwxyz0123456789"
        [[server]]
        scriptdata = "other"
        legacy_secret = "a-secret-of-the-stock-protocol-01"
        [database]
        type = "sqlite"
        path = "game.db"
    "#;

    fn with_scripts(folder: &Path) -> Config {
        let mut config = config::parse(SERVERS, folder, |_| None).unwrap();
        config.scripts = Some(Scripts {
            dir: Some(folder.join("scripts")),
            vpi_interfaces: Some(folder.join("vpi/vpi_interfaces.py")),
            options: Vec::new(),
            vpi_override: Vec::new(),
            python: "python3".into(),
            order: Vec::new(),
            admins: Vec::new(),
            prefixes: vec!["!".into()],
            settings: config::ScriptSettings::default(),
            each: std::collections::BTreeMap::new(),
        });
        config
    }

    fn launch(kind: LaunchKind, name: &str) -> Launch {
        Launch {
            kind,
            name: name.into(),
            servers: vec![(ServerId(0), "Duels".into())],
        }
    }

    fn first(spec: &Spec) -> Value {
        serde_json::from_slice(&spec.first_line).unwrap()
    }

    #[test]
    fn a_script_is_told_who_it_is_and_nothing_secret() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("scripts/stats");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("main.py"), "").unwrap();
        let mut config = with_scripts(folder.path());
        let settings = config::ScriptSettings {
            call_ms: 500,
            config: json!({ "top": 1u64 << 60 }),
            ..config::ScriptSettings::default()
        };
        let scripts = config.scripts.as_mut().unwrap();
        scripts.each.insert("stats".into(), settings);
        let launch = launch(LaunchKind::Script, "stats");
        let started = spec(&config, ScriptId(3), &launch).unwrap();
        assert_eq!(started.interpreter, Path::new("python3"));
        assert_eq!(started.folder, dir);
        let line = first(&started);
        assert_eq!(line["path"], json!(dir.join("main.py")));
        assert_eq!((&line["id"], &line["call_ms"]), (&json!(3), &json!(500)));
        assert_eq!(line["config"]["top"], json!(1u64 << 60));
        assert_eq!(line["shared"], json!(dir.parent()));
        assert_eq!(line["servers"], json!([{ "id": 0, "name": "Duels" }]));
        for secret in ["secret", "database", "scriptdata"] {
            assert!(line.get(secret).is_none(), "{secret}");
        }
        fs::create_dir_all(dir.join(".venv/bin")).unwrap();
        let problem = spec(&config, ScriptId(3), &launch).unwrap_err().to_string();
        assert!(
            problem.contains("there is no python3 in its bin"),
            "{problem}"
        );
        fs::write(dir.join(".venv/bin/python"), "").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.join(".venv/bin/python"), mode).unwrap();
        let started = spec(&config, ScriptId(3), &launch).unwrap();
        assert_eq!(started.interpreter, dir.join(".venv/bin/python"));
        fs::remove_file(dir.join("main.py")).unwrap();
        let problem = spec(&config, ScriptId(3), &launch).unwrap_err().to_string();
        assert!(problem.contains("neither stats.py nor stats/main.py"));
        assert!(!problem.contains("there is"), "{problem}");
        fs::write(folder.path().join("scripts/stat.py"), "").unwrap();
        let problem = spec(&config, ScriptId(3), &launch).unwrap_err().to_string();
        assert!(
            problem.ends_with("; there is: stat. Did you mean stat?"),
            "{problem}"
        );
    }

    #[test]
    fn by_default_nothing_is_hidden_where_files_are_made_or_replaced_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = with_scripts(folder.path());
        let one = launch(LaunchKind::Script, "stats");
        let hidden = |config: &Config, launch: &Launch| {
            let kept = confinement(config, config.scripts.as_ref().unwrap(), launch);
            let paths = kept["hidden"].as_array().cloned().unwrap_or_default();
            let text = |path: &Value| {
                let bytes: Vec<u8> = serde_json::from_value(path.clone()).unwrap();
                String::from_utf8(bytes).unwrap()
            };
            let paths: Vec<String> = paths.iter().map(text).collect();
            (kept["must"].as_bool(), kept["others"].as_bool(), paths)
        };
        config.state_dir = "/var/lib/vpid".into();
        config.path = Some("/home/tf2/vpid/vpid.toml".into());
        config.scripts.as_mut().unwrap().dir = Some("/home/tf2/vpid/scripts".into());
        let both = ["/home/tf2/vpid/vpid.toml", "/var/lib/vpid"].map(str::to_owned);
        let found = hidden(&config, &one);
        assert_eq!(found, (Some(false), Some(true), both.to_vec()));
        let vpi = launch(LaunchKind::Interfaces, "vpi_interfaces");
        assert_eq!(hidden(&config, &vpi), (None, None, Vec::new()));

        config.path = Some("/etc/vpid/vpid.toml".into());
        config.scripts.as_mut().unwrap().dir = Some("/etc/vpid/scripts".into());
        let found = hidden(&config, &one);
        assert_eq!(
            found,
            (Some(false), Some(false), vec!["/var/lib/vpid".to_owned()])
        );
        config.scripts.as_mut().unwrap().settings.confine = Some(true);
        config.state_dir = "/etc/vpid/state".into();
        config.scripts.as_mut().unwrap().settings.confine = None;
        assert_eq!(hidden(&config, &one), (None, None, Vec::new()));
        config.scripts.as_mut().unwrap().settings.confine = Some(true);
        let (must, others, paths) = hidden(&config, &one);
        assert_eq!((must, others, paths.len()), (Some(true), Some(true), 2));

        config.state_dir = "/tmp/state".into();
        assert_eq!(hidden(&config, &one).2.len(), 2);
        config.scripts.as_mut().unwrap().settings.confine = None;
        assert_eq!(hidden(&config, &one), (None, None, Vec::new()));
        config.state_dir = "/var/lib/vpid".into();
        config.scripts.as_mut().unwrap().settings.confine = Some(false);
        assert_eq!(hidden(&config, &one), (None, None, Vec::new()));
    }

    #[test]
    fn interfaces_are_told_what_files_for_vpi_expect() {
        let folder = tempfile::tempdir().unwrap();
        let config = with_scripts(folder.path());
        let launch = launch(LaunchKind::Interfaces, "vpi_interfaces");
        let problem = spec(&config, ScriptId(1), &launch).unwrap_err().to_string();
        assert!(problem.contains("vpi_interfaces.py: there is no such file"));
        fs::create_dir(folder.path().join("vpi")).unwrap();
        fs::write(folder.path().join("vpi/vpi_interfaces.py"), "").unwrap();
        let line = first(&spec(&config, ScriptId(1), &launch).unwrap());
        assert_eq!(line["kind"], "interfaces");
        assert_eq!(line["shared"], Value::Null);
        assert_eq!(line["secret"], "a-secret-of-the-stock-protocol-01");
        assert_eq!(line["scriptdata"], json!(folder.path().join("scriptdata")));
        let database = json!({ "type": "sqlite", "path": folder.path().join("game.db") });
        assert_eq!(line["database"], database);
    }
}
