//! Files of vpid itself, which no command that writes a file of its own may write over.

use std::path::{Path, PathBuf};

use crate::config::{Config, Engine};
use crate::io::backup::Own;

/// Refuses a file to be written (`target`) that is one of vpid's own: the configuration and files that it names,
/// SQLite databases with what SQLite keeps beside them, and all in the state folder or in a scriptdata folder. Links
/// and `..` in either path do not matter.
///
/// # Errors
///
/// A sentence for the operator.
pub(super) fn refuse_own(config: &Config, target: &Path) -> Result<(), String> {
    match own(config).has(target) {
        true => Err(format!(
            "{} belongs to vpid itself: it is the configuration or a file that it names, a database, or in the state \
             folder or a scriptdata folder. It is not overwritten; choose another name",
            target.display()
        )),
        false => Ok(()),
    }
}

fn own(config: &Config) -> Own {
    let databases = config.databases.iter();
    let databases = databases.filter_map(|database| match &database.engine {
        Engine::Sqlite(sqlite) => Some(sqlite.path.as_path()),
        Engine::Mysql(_) => None,
    });
    let files = [&config.path, &config.log.file, &config.metrics_file];
    let files = files.into_iter().flatten().chain(&config.files);
    let geoip = config.geoip.iter().flat_map(|geoip| geoip.files());
    let files = files.chain(geoip.map(|(_, path)| path));
    let scriptdata = config.servers.iter().map(|server| &server.scriptdata);
    let others = files.chain(scriptdata).map(PathBuf::as_path);
    Own::new(&config.state_dir, None, databases, others)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config;

    #[test]
    fn what_belongs_to_vpid_is_refused_by_every_path_and_what_is_beside_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["state", "scriptdata", "elsewhere"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("key"), "0123456789abcdef".repeat(3)).unwrap();
        fs::write(at("vpid.db"), "").unwrap();
        symlink(at("vpid.db"), at("link")).unwrap();
        symlink(folder.path(), at("elsewhere/all")).unwrap();
        let text = "state_dir = \"state\"\n[[server]]\nscriptdata = \"scriptdata\"\nkey_file = \"key\"\n\
                    [database]\npath = \"vpid.db\"\n";
        let config = config::parse(text, folder.path(), |_| None).unwrap();
        let config = Config {
            path: Some(at("vpid.toml")),
            ..config
        };
        for name in [
            "vpid.toml",
            "key",
            "vpid.db",
            "vpid.db-wal",
            "vpid.db-shm",
            "vpid.db-journal",
            "link",
            "state/new",
            "scriptdata/new",
            "scriptdata/../vpid.db",
            "elsewhere/all/vpid.db",
            "elsewhere/all/state/new",
        ] {
            let refused = refuse_own(&config, &at(name)).unwrap_err();
            assert!(refused.contains("belongs to vpid itself"), "{refused}");
        }
        for name in ["new", "vpid.db-copy", "elsewhere/vpid.db", "state.jsonl"] {
            assert_eq!(refuse_own(&config, &at(name)), Ok(()), "{name}");
        }
    }
}
