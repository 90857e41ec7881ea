//! The `[[server]]` tables that this run has had: which one a folder and a host belong to, what the
//! present configuration says of each, and the numbers under which they are remembered across restarts.
//!
//! A server keeps its id through every reload. One that the configuration has no longer stays as an entry
//! that serves nothing; one that is new gets the next id.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::config::{Config, Legacy, Secret};
use crate::core::ids::{FolderId, ServerId};
use crate::jobs::remembered::Share;
use crate::protocol::stock::legacy::Identity;

pub struct ServerEntry {
    folder: FolderId,
    path: PathBuf,
    hostname: Option<String>,
    is_served: bool,
    pub key: Option<Secret>,
    pub legacy: Option<Legacy>,
    /// By which its maps and identities are counted, also in later runs.
    pub lasting_id: u64,
    /// Stands for its folder, whatever other servers are in it.
    pub folder_key: u64,
}

impl ServerEntry {
    fn new(server: &crate::config::Server, folder: FolderId) -> Self {
        let path = server.scriptdata.as_os_str().as_bytes();
        let name = server.hostname.as_deref().unwrap_or_default();
        Self {
            folder,
            path: server.scriptdata.clone(),
            hostname: server.hostname.clone(),
            is_served: true,
            key: server.key.clone(),
            legacy: server.legacy.clone(),
            lasting_id: hash(&[b"server", path, name.as_bytes()]),
            folder_key: hash(&[b"folder", path]),
        }
    }

    /// Under which the beginning of a host's map is remembered. The folder's number will not do: it
    /// is another after the next start.
    pub fn map_key(&self, host: &str) -> u64 {
        self.key_of("restart", host)
    }

    /// By which the log of signed sessions knows a host.
    pub fn log_key(&self, host: &str) -> u64 {
        self.key_of("signed", host)
    }

    /// The same of its only host, where it names one.
    pub fn own_log_key(&self) -> Option<u64> {
        Some(self.log_key(self.hostname.as_deref()?))
    }

    /// Under which it is remembered that a host signs. No client makes names that differ only in
    /// case, so those are one host.
    pub fn signing_key(&self, host: &str) -> u64 {
        self.key_of("signs", &host.to_ascii_lowercase())
    }

    /// Whose identities are counted together.
    pub fn share(&self) -> Share {
        self.lasting_id as Share
    }

    fn key_of(&self, what: &str, host: &str) -> u64 {
        let path = self.path.as_os_str().as_bytes();
        hash(&[what.as_bytes(), path, host.as_bytes()])
    }
}

#[derive(Default)]
pub struct Registry {
    /// By their ids.
    all: Vec<ServerEntry>,
    /// Those that are served.
    folders: HashMap<FolderId, Names>,
    /// The same, in the order of the configuration.
    present: Vec<ServerId>,
}

/// The servers of a folder.
#[derive(Default)]
struct Names {
    by_hostname: HashMap<String, ServerId>,
    /// The one without `hostname`, which takes every other host.
    every_other: Option<ServerId>,
}

impl Registry {
    /// Applies a configuration. `folders` are those of its servers, in their order.
    pub fn reconfigure(&mut self, config: &Config, folders: &[FolderId]) {
        for entry in &mut self.all {
            entry.is_served = false;
            (entry.key, entry.legacy) = (None, None);
        }
        self.folders.clear();
        let servers = config.servers.iter().zip(folders);
        let ids = servers.map(|(server, folder)| {
            let is_it = |known: &ServerEntry| {
                (known.folder, &known.hostname) == (*folder, &server.hostname)
            };
            let place = self.all.iter().position(is_it).unwrap_or(self.all.len());
            let (id, entry) = (ServerId(place), ServerEntry::new(server, *folder));
            match self.all.get_mut(place) {
                Some(known) => *known = entry,
                None => self.all.push(entry),
            }
            let names = self.folders.entry(*folder).or_default();
            match &server.hostname {
                Some(name) => drop(names.by_hostname.insert(name.clone(), id)),
                None => names.every_other = Some(id),
            }
            id
        });
        self.present = ids.collect();
    }

    /// The servers of the present configuration, in its order.
    pub fn present(&self) -> &[ServerId] {
        &self.present
    }

    /// The server of a host that is not known yet: the one that names it, else the one that takes every
    /// host of the folder.
    pub fn server_of(&self, folder: FolderId, host: &str) -> Option<ServerId> {
        let names = self.folders.get(&folder)?;
        names.by_hostname.get(host).copied().or(names.every_other)
    }

    /// `None` where the present configuration does not have it.
    pub fn get(&self, server: ServerId) -> Option<&ServerEntry> {
        self.all.get(server.0).filter(|entry| entry.is_served)
    }

    /// Whether it stays remembered that this host signs: as long as its server has a key, and while
    /// no server serves it.
    pub fn still_signs(&self, folder_key: u64, signing_key: u64) -> bool {
        let is_of_folder = |it: &&ServerEntry| it.is_served && it.folder_key == folder_key;
        let of_folder = || self.all.iter().filter(is_of_folder);
        let names_it = |server: &&ServerEntry| {
            let name = server.hostname.as_deref();
            name.is_some_and(|name| server.signing_key(name) == signing_key)
        };
        let mut serve_it: Vec<_> = of_folder().filter(names_it).collect();
        if serve_it.is_empty() {
            serve_it.extend(of_folder().filter(|it| it.hostname.is_none()));
        }
        serve_it.is_empty() || serve_it.iter().any(|server| server.key.is_some())
    }
}

/// Sixty-four bits that stand for an identity. It is random in every character of its iv, so two
/// files never share it by chance; the host is left out so that no other host can use it again.
pub fn fingerprint(identity: &Identity) -> u64 {
    hash(&[
        &identity.iv,
        &identity.enc,
        &identity.timestamp.to_le_bytes(),
        &identity.ticks.to_le_bytes(),
    ])
}

/// The first eight bytes of a SHA-256 over parts that cannot run into each other.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let first = digest[..8].try_into();
    u64::from_le_bytes(first.expect("a digest is longer than that"))
}

#[cfg(test)]
pub mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const FOLDER: FolderId = FolderId(7);

    /// Servers of one folder, by their names; "" for one that takes every other host. `more`: other tables.
    pub fn config(names: &[&str], more: &str) -> Config {
        let table = |name: &&str| {
            let key = "key = 'abcdefghijklmnopqrstuvwxyz0123456789'";
            let hostname = format!("hostname = '{name}'\n");
            let hostname = if name.is_empty() { "" } else { &hostname };
            format!("[[server]]\nscriptdata = '/s'\n{hostname}{key}\n")
        };
        let text = names.iter().map(table).collect::<String>() + more;
        config::parse(&text, Path::new("/"), |_| None).expect("a configuration")
    }

    #[test]
    fn a_server_keeps_its_id_through_every_reload() {
        let mut registry = Registry::default();
        let mut load = |names: &[&str]| {
            let config = config(names, "");
            let folders = vec![FOLDER; names.len()];
            registry.reconfigure(&config, &folders);
            let ids = registry.present().iter().map(|id| id.0);
            let of_host = |host| registry.server_of(FOLDER, host).map(|id| id.0);
            (
                ids.collect::<Vec<_>>(),
                ["red", "blue", "else"].map(of_host),
            )
        };
        let (red, other) = (Some(0), Some(1));
        assert_eq!(load(&["red", ""]), (vec![0, 1], [red, other, other]));
        assert_eq!(
            load(&["blue", "", "red"]),
            (vec![2, 1, 0], [red, Some(2), other])
        );
        assert_eq!(load(&["blue"]), (vec![2], [None, Some(2), None]));
        assert_eq!(load(&["red"]), (vec![0], [red, None, None]));
        assert!(registry.get(ServerId(1)).is_none() && registry.get(ServerId(0)).is_some());
        assert_eq!(registry.server_of(FolderId(8), "red"), None);
    }
}
