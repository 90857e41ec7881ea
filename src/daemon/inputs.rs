//! The input files: what we wrote into each, and whether a client has emptied it since.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::{HostId, InputState};
use crate::io::files::{Folder, Input, Stamp};
use crate::jobs::IdMap;
use crate::limits;
use crate::protocol::names;

/// Answer files by host. A host stands here while something may be in its file.
#[derive(Default)]
pub struct Inputs {
    hosts: IdMap<HostId, Option<Stamp>>,
}

impl Inputs {
    /// Writes a host's input file; an empty text empties it.
    pub fn write(
        &mut self,
        host: HostId,
        name: &str,
        folder: &Folder,
        text: &str,
    ) -> io::Result<()> {
        let stamp = folder.replace(&names::input(name), text.as_bytes())?;
        if text.is_empty() {
            self.hosts.remove(&host);
        } else {
            self.hosts.insert(host, Some(stamp));
        }
        Ok(())
    }

    /// Looks at a host's input file.
    pub fn look(&mut self, host: HostId, name: &str, folder: &Folder) -> InputState {
        let found = folder.input(&names::input(name)).unwrap_or_else(|error| {
            log::warn!(
                "{}: {} cannot be read: {error}",
                folder.path().display(),
                names::input(name)
            );
            Input::Empty
        });
        let state = match found {
            Input::Empty => InputState::Empty,
            Input::Holds(stamp) if self.hosts.get(&host) == Some(&Some(stamp)) => InputState::Ours,
            // Too large for the engine: nobody will ever read or empty it.
            Input::Holds(stamp) if stamp.size() > limits::ENGINE_READ_BYTES_MAX as u64 => {
                InputState::Empty
            }
            Input::Holds(stamp) if age_ms(stamp.mtime_ns) > limits::FOREIGN_INPUT_MS => {
                InputState::Empty
            }
            Input::Holds(_) => InputState::Foreign,
        };
        match state {
            InputState::Empty => drop(self.hosts.remove(&host)),
            InputState::Foreign => drop(self.hosts.insert(host, None)),
            InputState::Ours => {}
        }
        state
    }

    /// A host is not known any more.
    pub fn forget(&mut self, host: HostId) {
        self.hosts.remove(&host);
    }

    /// Hosts whose files may have been emptied without anybody telling.
    pub fn unsettled(&self) -> Vec<HostId> {
        self.hosts.keys().copied().collect()
    }
}

fn age_ms(unix_ns: i64) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_millis() as i64);
    (now - unix_ns / 1_000_000).max(0) as u64
}
