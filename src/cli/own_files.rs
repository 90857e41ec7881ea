//! Where commands write files to that the operator names; and files of vpid itself, over which none may write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Config, Engine};
use crate::io::backup::Own;

/// What a command writes to.
pub(super) enum Target {
    /// A file to be, with all links in its path followed.
    File(PathBuf),
    /// A device or a FIFO that is there: it must not become a file.
    Stream(File),
}

impl Target {
    /// # Errors
    ///
    /// A sentence for the operator.
    pub fn of(name: &str) -> Result<Self, String> {
        let path = Path::new(name);
        let unusable = |error: io::Error| format!("{name} cannot be written: {error}");
        match fs::metadata(path) {
            _ if name.is_empty() => Err("the name of the file is empty".to_owned()),
            Ok(found) if found.is_dir() => Err(format!("{name} is a folder; name a file in it")),
            Ok(found) if found.is_file() => {
                let path = fs::canonicalize(path);
                path.map(Self::File).map_err(unusable)
            }
            Ok(_) => {
                let file = OpenOptions::new().write(true).open(path);
                file.map(Self::Stream).map_err(unusable)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
                Ok(to) => Err(format!(
                    "{name} is a link to {}, which is not there; name that file",
                    to.display()
                )),
                Err(_) => Ok(Self::File(path.to_owned())),
            },
            Err(error) => Err(unusable(error)),
        }
    }
}

/// Refuses a file to be written (`target`) that is one of vpid's own: the configuration and files that it names,
/// SQLite databases with what SQLite keeps beside them, and all in the state folder or in a scriptdata folder. Links
/// and `..` in either path do not matter.
///
/// # Errors
///
/// A sentence for the operator.
pub(super) fn refuse_own(config: &Config, target: &Path) -> Result<(), String> {
    let mut own = own_files(config);
    own.add(&config.state_dir);
    for server in &config.servers {
        own.add(&server.scriptdata);
    }
    match own.has(target) {
        true => Err(format!(
            "{} belongs to vpid itself: it is the configuration or a file that it names, a database, or in the state \
             folder or a scriptdata folder. It is not overwritten; choose another name",
            target.display()
        )),
        false => Ok(()),
    }
}

/// The SQLite files, by the names of the databases.
pub(super) fn sqlite_files(config: &Config) -> Vec<(String, PathBuf)> {
    let all = config.databases.iter();
    let files = all.filter_map(|database| match &database.engine {
        Engine::Sqlite(sqlite) => Some((database.name.clone(), sqlite.path.clone())),
        Engine::Mysql(_) => None,
    });
    files.collect()
}

/// What is no script, though it may be in the folder of scripts.
pub(super) fn own_files(config: &Config) -> Own {
    let databases = sqlite_files(config);
    let databases = databases.iter().map(|(_, path)| path.as_path());
    let geoip = config.geoip.iter().flat_map(|geoip| geoip.files());
    let others = [&config.path, &config.log.file, &config.metrics_file];
    let others = others.into_iter().flatten().chain(&config.files);
    let others = others.chain(geoip.map(|(_, path)| path));
    let others = others.chain(config.status_page.as_ref().map(|page| &page.file));
    let scripts = config.scripts.as_ref().and_then(|it| it.dir.as_deref());
    let others = others.map(PathBuf::as_path);
    Own::new(&config.state_dir, scripts, databases, others)
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
