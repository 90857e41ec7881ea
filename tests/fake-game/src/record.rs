//! What could be observed of the game, in order.

use game_vm::ScriptError;
use serde_json::Value as Json;

use super::shown;

#[derive(Clone, Debug)]
pub enum What {
    MapStart(String),
    MapEnd(String),
    Print(String),
    /// To one player by userid, or to all.
    ClientPrint {
        to: Option<i32>,
        dest: i32,
        text: Vec<u8>,
    },
    /// `bytes` on disk, `None` for a file that is not there. `given`: the script got a text.
    Read {
        name: String,
        bytes: Option<u64>,
        given: bool,
    },
    /// The text, without the closing NUL.
    Write {
        name: String,
        text: Vec<u8>,
    },
    /// A file name that the engine does not take, or a file that could not be written.
    Refused {
        name: String,
    },
    /// `handled`: a script listens to this event.
    Event {
        name: String,
        fields: Json,
        handled: bool,
    },
    /// A console command of a script. None is executed.
    Command(String),
    Error(ScriptError),
}

#[derive(Clone, Debug)]
pub struct Entry {
    /// Maps since the server's start; 1 for the first.
    pub map: u32,
    /// Of the map.
    pub tick: i64,
    pub what: What,
}

/// Entries, with the questions that tests ask most.
#[derive(Clone, Debug, Default)]
pub struct Record(pub Vec<Entry>);

impl Record {
    /// Printed text, put together and cut into lines.
    pub fn prints(&self) -> Vec<String> {
        let texts = self.0.iter().filter_map(|entry| match &entry.what {
            What::Print(text) => Some(text.as_str()),
            _ => None,
        });
        texts
            .collect::<String>()
            .lines()
            .map(str::to_string)
            .collect()
    }

    pub fn errors(&self) -> Vec<&ScriptError> {
        let errors = self.0.iter().filter_map(|entry| match &entry.what {
            What::Error(error) => Some(error),
            _ => None,
        });
        errors.collect()
    }

    /// Names and texts of the files that scripts wrote.
    pub fn writes(&self) -> Vec<(&str, &[u8])> {
        let writes = self.0.iter().filter_map(|entry| match &entry.what {
            What::Write { name, text } => Some((name.as_str(), text.as_slice())),
            _ => None,
        });
        writes.collect()
    }

    /// The fields of the events of a name.
    pub fn events(&self, wanted: &str) -> Vec<&Json> {
        let events = self.0.iter().filter_map(|entry| match &entry.what {
            What::Event { name, fields, .. } if name == wanted => Some(fields),
            _ => None,
        });
        events.collect()
    }

    /// Receiver, destination and text of what players were shown.
    pub fn client_prints(&self) -> Vec<(Option<i32>, i32, String)> {
        let prints = self.0.iter().filter_map(|entry| match &entry.what {
            What::ClientPrint { to, dest, text } => {
                Some((*to, *dest, String::from_utf8_lossy(text).into_owned()))
            }
            _ => None,
        });
        prints.collect()
    }

    /// The same texts as players see them.
    pub fn shown_texts(&self) -> Vec<String> {
        let prints = self.0.iter().filter_map(|entry| match &entry.what {
            What::ClientPrint { text, .. } => Some(shown::text(text)),
            _ => None,
        });
        prints.flatten().collect()
    }
}
