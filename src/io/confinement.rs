//! What is kept from a script, as the configuration says. `vpid_confine.py` carries it out.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};

use serde_json::{Value, json};

use crate::config::{Config, Scripts};

/// Where everybody makes files: by default, scripts are not confined if vpid's are there, else they could make none.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
/// Where the system replaces files while scripts run, such as resolv.conf: by default, nothing is hidden there, since a
/// confined script would not reach the new ones.
const REPLACED: [&str; 1] = ["/etc"];

/// What is kept from a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// It is not started without.
    pub must: bool,
    pub hidden: Vec<PathBuf>,
    /// Other scripts as well, if it has a folder of its own.
    pub others: bool,
    /// What is vpid's and is not hidden, since it is in `/etc`.
    pub left_out: Vec<PathBuf>,
}

/// Why nothing is kept from a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconfined {
    /// `confine = false`.
    Wanted,
    /// This file of vpid's is where everybody makes files.
    Temporary(PathBuf),
    /// All that is vpid's is in `/etc`.
    Replaced,
}

impl Confinement {
    pub fn of(config: &Config, scripts: &Scripts, name: &str) -> Result<Self, Unconfined> {
        let wanted = scripts.of(name).confine;
        if wanted == Some(false) {
            return Err(Unconfined::Wanted);
        }
        let mut kept = Self {
            must: wanted.is_some(),
            hidden: own_files(config),
            others: true,
            left_out: Vec::new(),
        };
        if kept.must {
            return Ok(kept);
        }
        if let Some(path) = kept.hidden.iter().find(|path| is_in(path, &TEMPORARY)) {
            return Err(Unconfined::Temporary(path.clone()));
        }
        let is_replaced = |path: &mut PathBuf| is_in(path, &REPLACED);
        kept.left_out = kept.hidden.extract_if(.., is_replaced).collect();
        let dir = scripts.dir.as_deref().and_then(|dir| absolute(dir).ok());
        kept.others = dir.is_some_and(|dir| !is_in(&dir, &REPLACED));
        match kept.hidden.is_empty() && !kept.others {
            true => Err(Unconfined::Replaced),
            false => Ok(kept),
        }
    }

    /// For `vpid_confine.py`. Paths are bytes.
    pub fn to_json(&self) -> Value {
        let hidden = self.hidden.iter().map(|path| path.as_os_str().as_bytes());
        json!({ "must": self.must, "hidden": hidden.collect::<Vec<_>>(), "others": self.others })
    }
}

fn own_files(config: &Config) -> Vec<PathBuf> {
    // What all users can read is no secret, such as certificates of authorities, which others need.
    let is_kept = |path: &&PathBuf| {
        let metadata = path.metadata();
        !metadata.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o004 != 0)
    };
    let files = config.files.iter().filter(is_kept);
    let all = config.path.iter().chain(&config.exposed).chain(files);
    let all = all.chain([&config.state_dir]);
    all.filter_map(|path| absolute(path).ok()).collect()
}

/// Whether a path is in one of the folders, by its name or by what it leads to.
fn is_in(path: &Path, folders: &[&str]) -> bool {
    let led_to = path.ancestors().find_map(|folder| {
        let rest = path.strip_prefix(folder).ok()?;
        Some(folder.canonicalize().ok()?.join(rest))
    });
    let is_below = |path: &Path| folders.iter().any(|it| path.starts_with(it));
    is_below(path) || led_to.is_some_and(|path| is_below(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_also_where_its_link_leads() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        symlink("/etc", real.join("etc")).unwrap();
        let real = real.canonicalize().unwrap();
        let below = |path: &Path, folder: &Path| is_in(path, &[folder.to_str().unwrap()]);
        // Also what is not there yet.
        assert!(below(&link.join("state/deep"), &real));
        assert!(below(&link.join("state"), &link));
        assert!(!below(&real.join("state"), &link));
        assert!(is_in(&link.join("etc/vpid/vpid.toml"), &REPLACED));
        assert!(!is_in(&link.join("etcetera"), &REPLACED));
    }
}
