//! A call file that was rejected or saved, read as vpid reads it: its calls, and what proves that they are a game's.

use std::fmt::{self, Display, Formatter};
use std::io;

use thiserror::Error;

use crate::config::Config;
use crate::io::sessions;
use crate::limits;
use crate::protocol::call::CallResult;
use crate::protocol::signed::messages::{self, BodyError, FromGame};
use crate::protocol::signed::{self, Id, Keys, Kind, Name, NotAuthentic};
use crate::protocol::stock::call_file::{self, FileError};
use crate::protocol::stock::legacy;

/// Why nothing of a file can be run.
#[derive(Debug, Error)]
pub enum Unreadable {
    #[error("{0}; correct the path")]
    Io(#[from] io::Error),
    #[error("it is no regular file; - reads what another program writes from standard input")]
    NotAFile,
    #[error(
        "it has more than {} bytes, which no call file has",
        limits::CALL_FILE_BYTES_MAX
    )]
    TooLarge,
    #[error("{0}")]
    Stock(#[from] FileError),
    #[error("{0}")]
    Frame(NotAuthentic),
    #[error("its messages cannot be read ({0})")]
    Body(#[from] BodyError),
    #[error("it requests a session, and has no calls")]
    Hello,
}

/// What proves that the calls of a file are those that a game wrote.
#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    /// The signature is good.
    Signed,
    /// It has the secret of the server with this name; that ties nothing to the calls.
    Stock(String),
    OtherSecret,
    NoIdentity,
    /// The session is not known any more, so its key cannot be made.
    Expired,
    /// The signature was not made with a key of the configuration, or the file was changed.
    Wrong,
    /// The name of the file, which is signed too, is not that of a game's file.
    Renamed,
}

/// Calls that run one after the other. `stops`: an error ends them.
pub struct List {
    pub calls: Vec<CallResult>,
    pub stops: bool,
}

pub struct CallFile {
    /// As far as its name says.
    pub host: Option<String>,
    pub proof: Proof,
    pub lists: Vec<List>,
    /// Messages that are no calls.
    pub others: usize,
}

impl CallFile {
    /// `name`: without folders; empty where it is not known.
    pub fn read(name: &str, bytes: &[u8], config: &Config) -> Result<Self, Unreadable> {
        if bytes.len() > limits::CALL_FILE_BYTES_MAX {
            return Err(Unreadable::TooLarge);
        }
        // What rejected files are called begins with when they came.
        let stamped = name.split_once('-');
        let is_stamp = |stamp: &str| stamp.len() == 20 && stamp.bytes().all(|b| b.is_ascii_digit());
        let name = match stamped {
            Some((stamp, name)) if is_stamp(stamp) => name,
            _ => name,
        };
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = &bytes[..end.unwrap_or(bytes.len())];
        match text.starts_with(b"vpid1 ") {
            true => Self::signed(name, text, config),
            false => Self::stock(name, text, config),
        }
    }

    pub fn calls(&self) -> usize {
        self.lists.iter().map(|list| list.calls.len()).sum()
    }

    pub fn is_signed(&self) -> bool {
        self.proof == Proof::Signed
    }

    fn stock(name: &str, text: &[u8], config: &Config) -> Result<Self, Unreadable> {
        let identity = call_file::scan(text)?;
        let outline = call_file::outline(text)?;
        let proof = identity.map_or(Proof::NoIdentity, |identity| {
            let mut servers = config.servers.iter();
            let made_with = servers.find(|server| {
                let legacy = server.legacy.as_ref();
                legacy.is_some_and(|it| legacy::verify(it.secret.as_bytes(), &identity))
            });
            made_with.map_or(Proof::OtherSecret, |server| Proof::Stock(server.label()))
        });
        let singles = outline.singles.into_iter().map(|call| vec![call]);
        let lists = singles.chain(outline.chains).map(|calls| List {
            calls: calls.iter().map(|call| call.call.read(text)).collect(),
            stops: false,
        });
        Ok(Self {
            host: crate::protocol::names::parse(name).map(|name| name.host.to_owned()),
            proof,
            lists: lists.collect(),
            others: 0,
        })
    }

    fn signed(name: &str, text: &[u8], config: &Config) -> Result<Self, Unreadable> {
        let opened = signed::open_unchecked(text).map_err(Unreadable::Frame)?;
        let name = signed::parse_name(name);
        let (host, proof) = match name {
            Some(Name {
                kind: Kind::Hello, ..
            }) => return Err(Unreadable::Hello),
            Some(Name {
                host,
                session,
                kind: Kind::Game(n) | Kind::Taken { n, .. },
            }) => (Some(host), proof(host, session, n, text, config)?),
            _ => (None, Proof::Renamed),
        };
        let mut file = Self {
            host: host.map(str::to_owned),
            proof,
            lists: Vec::new(),
            others: 0,
        };
        for message in messages::parse(opened.body)? {
            let (calls, stops) = match message {
                FromGame::Call(call) => (vec![call], false),
                FromGame::Chain(calls) => (calls, true),
                _ => {
                    file.others += 1;
                    continue;
                }
            };
            file.lists.push(List { calls, stops });
        }
        Ok(file)
    }
}

/// Whether the signature of the game's file `n` is that of a session that is known.
fn proof(host: &str, session: Id, n: u64, text: &[u8], config: &Config) -> io::Result<Proof> {
    let Some(nonce) = sessions::nonce_of(&config.state_dir, session)? else {
        return Ok(Proof::Expired);
    };
    let name = signed::of_game(host, session, n);
    let mut keys = config.servers.iter().filter_map(|it| it.key.as_ref());
    let is_good = keys.any(|key| {
        let keys = Keys::of_host(key.as_bytes(), host).of_session(session, nonce);
        signed::open(&keys.game, &name, text).is_ok()
    });
    Ok(if is_good { Proof::Signed } else { Proof::Wrong })
}

/// What it says of the calls, as a sentence.
impl Display for Proof {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed => out.write_str("its signature is good"),
            Self::Stock(server) => write!(
                out,
                "it is not signed: its identity has the secret of {server}, which does not show that these \
                 calls were beside it"
            ),
            Self::OtherSecret => out.write_str(
                "it is not signed, and its identity has another secret than each server",
            ),
            Self::NoIdentity => out.write_str("it is not signed, and has no identity"),
            Self::Expired => out
                .write_str("its session is not known any more, so its signature cannot be checked"),
            Self::Wrong => out.write_str(
                "its signature is wrong: it was made with another key, or the file was changed",
            ),
            Self::Renamed => out.write_str(
                "its signature cannot be checked without the name that the game has given the file",
            ),
        }
    }
}
