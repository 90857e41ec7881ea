//! The servers of the configuration, as hosts see them, and the numbers under which hosts and
//! servers are remembered across restarts.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::config::{Config, Legacy, Secret};
use crate::core::FolderId;
use crate::jobs::remembered::Share;
use crate::protocol::stock::legacy::Identity;

pub struct Server {
    pub folder: FolderId,
    path: PathBuf,
    pub hostname: Option<String>,
    pub key: Option<Secret>,
    pub legacy: Option<Legacy>,
    /// By which its share of everything is counted.
    pub id: u64,
    /// Stands for its folder, whatever other servers are in it.
    pub folder_key: u64,
}

impl Server {
    /// Under which the beginning of a host's map is remembered. The folder's number will not do: it
    /// is another after the next start.
    pub fn map_key(&self, host: &str) -> u64 {
        self.key_of("restart", host)
    }

    /// By which the log of signed sessions knows a host.
    pub fn log_key(&self, host: &str) -> u64 {
        self.key_of("signed", host)
    }

    /// Under which it is remembered that a host signs. No client makes names that differ only in
    /// case, so those are one host.
    pub fn signing_key(&self, host: &str) -> u64 {
        self.key_of("signs", &host.to_ascii_lowercase())
    }

    /// Whose identities are counted together.
    pub fn share(&self) -> Share {
        self.id as Share
    }

    fn key_of(&self, what: &str, host: &str) -> u64 {
        let path = self.path.as_os_str().as_bytes();
        hash(&[what.as_bytes(), path, host.as_bytes()])
    }
}

pub fn servers(config: &Config, folders: &[FolderId]) -> Vec<Server> {
    let with_folders = config.servers.iter().zip(folders);
    with_folders
        .map(|(server, folder)| {
            let path = server.scriptdata.as_os_str().as_bytes();
            let name = server.hostname.as_deref().unwrap_or_default();
            Server {
                folder: *folder,
                path: server.scriptdata.clone(),
                hostname: server.hostname.clone(),
                key: server.key.clone(),
                legacy: server.legacy.clone(),
                id: hash(&[b"server", path, name.as_bytes()]),
                folder_key: hash(&[b"folder", path]),
            }
        })
        .collect()
}

/// Whether it stays remembered that this host signs: as long as its server has a key, and while
/// nobody serves it.
pub fn still_signs(servers: &[Server], folder_key: u64, host: u64) -> bool {
    let of_folder = || servers.iter().filter(|s| s.folder_key == folder_key);
    let names_it = |server: &&Server| {
        let name = server.hostname.as_deref();
        name.is_some_and(|name| server.signing_key(name) == host)
    };
    let serves_it: Vec<&Server> = match of_folder().any(|server| names_it(&server)) {
        true => of_folder().filter(names_it).collect(),
        false => of_folder().filter(|s| s.hostname.is_none()).collect(),
    };
    serves_it.is_empty() || serves_it.iter().any(|server| server.key.is_some())
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
