//! The archive of `vpid backup`: a tar file of plain files, with a manifest at its end.
//!
//! | name | what |
//! | --- | --- |
//! | `README` | for people who find the file: which vpid made it, and when; always the first |
//! | `state/...` | files of the state folder |
//! | `database/default.db`, `database/named/NAME.db` | databases on SQLite: `[database]`, `[database.NAME]` |
//! | `config/vpid.toml`, `config/...` | the configuration, and files beside it that it names |
//! | `scripts/...` | Python scripts |
//! | `manifest.json` | what an archive has, with sizes and SHA-256; always the last, so that a torn archive has none |
//!
//! Names come from a file that anybody may have made: [`Member::parse`] accepts nothing that leads elsewhere, and
//! what a member is decides where it goes, never its name alone.

pub mod tar;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{BACKUP_FILES_MAX, FILE_NAME_BYTES_MAX};

/// Of the archive.
pub const FORMAT: u32 = 1;
pub const README: &str = "README";
pub const MANIFEST: &str = "manifest.json";
/// The configuration, whatever its file is called.
pub const CONFIG: &str = "vpid.toml";

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// That made it.
    pub vpid: String,
    /// RFC 3339.
    pub created: String,
    /// Of the state folder; 0: it had none.
    pub state_version: u32,
    /// Whether the configuration has its secrets.
    pub secrets: bool,
    /// All members but the readme and this one, in their order.
    pub files: Vec<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub name: String,
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

/// Where a member belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// A path in the state folder, of one or two plain names.
    State(String),
    /// By the name of the database; empty: the default one.
    Database(String),
    /// A path in the folder of the configuration, and in that of scripts.
    Config(String),
    Script(String),
}

const DEFAULT: &str = "default";

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(path) => write!(f, "state/{path}"),
            Self::Database(name) if name.is_empty() => write!(f, "database/{DEFAULT}.db"),
            Self::Database(name) => write!(f, "database/named/{name}.db"),
            Self::Config(path) => write!(f, "config/{path}"),
            Self::Script(path) => write!(f, "scripts/{path}"),
        }
    }
}

impl Member {
    /// Whether an archive has room for its name.
    pub fn fits(&self) -> bool {
        tar::fits(&self.to_string())
    }

    /// None: it is no name of a member.
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, path) = name.split_once('/')?;
        if !is_plain_path(path) {
            return None;
        }
        let path = path.to_owned();
        match kind {
            "state" if path.split('/').count() <= 2 => Some(Self::State(path)),
            "database" => {
                let name = path.strip_suffix(".db")?;
                match name.strip_prefix("named/") {
                    Some(name) if !name.contains('/') => Some(Self::Database(name.to_owned())),
                    None if name == DEFAULT => Some(Self::Database(String::new())),
                    _ => None,
                }
            }
            "config" => Some(Self::Config(path)),
            "scripts" => Some(Self::Script(path)),
            _ => None,
        }
    }
}

/// Plain names with slashes between: no `..`, nothing absolute, nothing that a terminal would obey.
pub fn is_plain_path(path: &str) -> bool {
    let is_plain = |name: &str| {
        !matches!(name, "" | "." | "..")
            && name.len() <= FILE_NAME_BYTES_MAX
            && !name.contains(char::is_control)
    };
    path.len() <= tar::NAME_BYTES_MAX && path.split('/').all(is_plain)
}

/// Whether a name in it begins with a dot. A backup has no such files, since programs other than vpid obey them.
pub fn is_hidden(path: &str) -> bool {
    path.split('/').any(|name| name.starts_with('.'))
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("its manifest is not of a vpid backup ({0})")]
    Json(#[from] serde_json::Error),
    #[error(
        "it was made by {0} in the format {1}, and this vpid knows {FORMAT}; restore it with {0} or newer"
    )]
    Format(String, u32),
    #[error("its manifest lists {0} files, and a backup has at most {BACKUP_FILES_MAX}")]
    TooMany(usize),
    #[error("its manifest has {0:?}, which is not where a backup has files")]
    Name(String),
    #[error("its manifest has {0:?} twice")]
    Twice(String),
}

impl Manifest {
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            vpid: String,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.format != FORMAT {
            let by: String = head.vpid.chars().take(40).collect();
            let by = by.replace(char::is_control, "?");
            return Err(ManifestError::Format(format!("vpid {by}"), head.format));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.files.len() > BACKUP_FILES_MAX {
            return Err(ManifestError::TooMany(manifest.files.len()));
        }
        let mut names: Vec<&str> = Vec::new();
        for file in &manifest.files {
            if Member::parse(&file.name).is_none() {
                return Err(ManifestError::Name(file.name.clone()));
            }
            names.push(&file.name);
        }
        names.sort_unstable();
        match names.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(ManifestError::Twice(two[0].to_owned())),
            None => Ok(manifest),
        }
    }

    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_members_and_lead_nowhere_else() {
        for name in [
            "state/outbox/17.json",
            "state/begun",
            "database/default.db",
            "database/named/default.db",
            "config/vpid.toml",
            "scripts/a/b/c.py",
        ] {
            let member = Member::parse(name).unwrap();
            assert_eq!(member.to_string(), name);
        }
        assert_eq!(
            Member::parse("database/default.db"),
            Some(Member::Database(String::new()))
        );
        let long = "x".repeat(300);
        for name in [
            "",
            "state",
            "state/",
            "/state/a",
            "state//a",
            "state/../a",
            "state/./a",
            "state/a/b/c",
            "scripts/..",
            "scripts/a/../../b",
            "config//etc/passwd",
            "database/x.db",
            "database/default",
            "database/named/a/b.db",
            "database/named/../x.db",
            "state/a\n",
            "state/\u{1b}[2J",
            "other/a",
            "README",
            "manifest.json",
            &format!("state/{long}"),
        ] {
            assert_eq!(Member::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_manifest_comes_back_and_one_that_is_wrong_is_refused_in_words() {
        let listed = |name: &str| Listed {
            name: name.to_owned(),
            size: 1,
            sha256: String::new(),
        };
        let manifest = Manifest {
            format: FORMAT,
            vpid: "0.1.0".into(),
            created: "2026-01-01T00:00:00Z".into(),
            state_version: 1,
            secrets: false,
            files: vec![listed("state/begun")],
        };
        let read = |manifest: &Manifest| Manifest::parse(manifest.text().as_bytes());
        assert_eq!(read(&manifest).unwrap(), manifest);
        let newer = Manifest {
            format: 2,
            vpid: "9\u{1b}".into(),
            ..manifest.clone()
        };
        let twice = Manifest {
            files: vec![listed("state/a"), listed("state/b"), listed("state/a")],
            ..manifest.clone()
        };
        let outside = Manifest {
            files: vec![listed("state/../../a")],
            ..manifest
        };
        for (manifest, word) in [
            (newer, "made by vpid 9? in the format 2"),
            (twice, "\"state/a\" twice"),
            (outside, "\"state/../../a\""),
        ] {
            let problem = read(&manifest).unwrap_err().to_string();
            assert!(problem.contains(word), "{problem}");
        }
        assert!(Manifest::parse(b"{}").is_err());
    }
}
