//! The deciding part of the bridge: any order of files, results and timers, with any content.

use std::collections::HashSet;
use std::path::Path;

use arbitrary::{Result, Unstructured};
use vpid::config;
use vpid::core::{
    Core, Effect, Event, FileId, FolderId, HostId, InputState, Now, SignedFile, TakenFile,
};
use vpid::jobs::Done;
use vpid::limits;
use vpid::protocol::call_error::CallError;
use vpid::protocol::signed::{self, Id, Keys};
use vpid::protocol::stock::legacy;
use vpid::protocol::stock::response_file;

const SECRET: &str = "a-secret-of-the-stock-protocol-of-some-length";
const KEY: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH";
const STEPS_MAX: usize = 64;
const BEGAN_S: i64 = 1_700_000_000;

struct World {
    core: Core,
    now: Now,
    last_file: FileId,
    /// Files that the core was given and has not finished.
    held: HashSet<FileId>,
}

/// A file is finished once and no other one is; what is written for a game fits into what its
/// engine reads.
pub fn bridge(bytes: &[u8]) {
    let text = format!(
        "[[server]]\nscriptdata = '/nowhere/scriptdata'\nlegacy_secret = '{SECRET}'\nkey = '{KEY}'\n"
    );
    let config = config::parse(&text, Path::new("/nowhere"), |_| None).expect("a configuration");
    let mut world = World {
        core: Core::new(&config, &[FolderId(0)]),
        now: Now {
            mono_ms: 1_000,
            wall_s: BEGAN_S,
        },
        last_file: FileId(1_000),
        held: HashSet::new(),
    };
    let mut choices = Unstructured::new(bytes);
    for _ in 0..STEPS_MAX {
        match world.event(&mut choices) {
            Ok(event) => world.play(event),
            Err(_) => break,
        }
    }
}

impl World {
    fn event(&mut self, choices: &mut Unstructured<'_>) -> Result<Event> {
        let waited_ms = u64::from(choices.arbitrary::<u16>()?);
        if choices.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        self.now.mono_ms += waited_ms;
        self.now.wall_s += waited_ms as i64 / 1_000;
        let host = *choices.choose(&["a", "b", "A", ""])?;
        let mtime_ns = self.now.wall_s * 1_000_000_000 - i64::from(choices.arbitrary::<u32>()?);
        Ok(match choices.int_in_range(0..=5)? {
            0 => Event::Restart {
                folder: FolderId(0),
                host: host.into(),
                mtime_ns,
            },
            1 => Event::Input {
                host: HostId(choices.int_in_range(0..=3)?),
                state: *choices.choose(&[InputState::Empty, InputState::Foreign])?,
            },
            2 => Event::Hello {
                file: self.signed_file(choices, host, None)?,
                nonce: Id::from_random([9; 16]),
            },
            3 => {
                let n = choices.int_in_range(1..=20)?;
                let file = self.signed_file(choices, host, Some(n))?;
                Event::Signed { file, n }
            }
            _ => Event::Calls(self.stock_file(choices, host, mtime_ns)?),
        })
    }

    fn next_file(&mut self) -> FileId {
        self.last_file.0 += 2;
        self.held.insert(self.last_file);
        self.last_file
    }

    /// With calls of any content, and often with an identity that is true.
    fn stock_file(
        &mut self,
        choices: &mut Unstructured<'_>,
        host: &str,
        mtime_ns: i64,
    ) -> Result<TakenFile> {
        let calls: &str = choices.arbitrary()?;
        let bytes = match choices.ratio(3, 4)? {
            true => {
                let mut state = self.last_file.0;
                let identity = legacy::seal(SECRET.as_bytes(), self.now.wall_s, || {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    (state >> 56) as u8
                });
                let text = |bytes: &[u8]| {
                    serde_json::Value::from(String::from_utf8_lossy(bytes).into_owned())
                };
                format!(
                    "{{\"Identity\":{{\"enc\":{},\"iv\":{},\"timestamp\":{},\"ticks\":{}}},\
                     \"Calls\":{calls}}}",
                    text(&identity.enc),
                    text(&identity.iv),
                    identity.timestamp,
                    identity.ticks
                )
            }
            false => calls.into(),
        };
        Ok(TakenFile {
            folder: FolderId(0),
            host: host.into(),
            file: self.next_file(),
            bytes: bytes.into_bytes(),
            mtime_ns,
            recovered: choices.ratio(1, 8)?,
        })
    }

    fn signed_file(
        &mut self,
        choices: &mut Unstructured<'_>,
        host: &str,
        n: Option<u64>,
    ) -> Result<SignedFile> {
        let session = Id::from_random([choices.int_in_range(0..=2)?; 16]);
        let body: &str = choices.arbitrary()?;
        let keys = Keys::of_host(KEY.as_bytes(), host);
        let bytes = match (n, choices.ratio(3, 4)?) {
            (Some(n), true) => {
                let name = signed::of_game(host, session, n);
                signed::seal(&keys.game, &name, 0, body).into_bytes()
            }
            _ => body.as_bytes().to_vec(),
        };
        Ok(SignedFile {
            folder: FolderId(0),
            host: host.into(),
            session,
            file: self.next_file(),
            bytes,
            recovered: choices.ratio(1, 8)?,
        })
    }

    fn play(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.core.handle(event, self.now) {
                match effect {
                    Effect::Remove { file } | Effect::Reject { file, .. } => {
                        assert!(self.held.remove(&file), "file {file:?} is finished twice");
                    }
                    Effect::Sql(job) => {
                        let outcome = match job.id.number() % 4 {
                            0 => Err(CallError::word("DatabaseUnavailable")),
                            _ => Ok("[[1]]".into()),
                        };
                        events.push(Event::SqlDone(vec![Done {
                            id: job.id,
                            outcome,
                        }]));
                    }
                    Effect::WriteAnswers { host, answers } => {
                        let bytes: usize = answers
                            .iter()
                            .map(|(token, value)| response_file::entry_bytes(token, value))
                            .sum();
                        let frame = response_file::frame_bytes(SECRET.len());
                        assert!(bytes + frame <= limits::ENGINE_READ_BYTES_MAX);
                        events.push(Event::AnswersWritten { host, ok: true });
                    }
                    Effect::WriteSigned { text, of, .. } => {
                        assert!(text.len() < limits::ENGINE_READ_BYTES_MAX);
                        if let Some((host, what)) = of {
                            let ok = true;
                            events.push(Event::SignedWritten { host, what, ok });
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}
