//! One script: how it stands, what waits for it, and what it was given and has not finished.

use std::collections::{BTreeSet, VecDeque};
use std::ops::{Index, IndexMut};

use super::journal::Journal;
use crate::config::ScriptSettings;
use crate::core::ids::{RunId, ScriptId};
use crate::core::{LaunchKind, Now};
use crate::limits;

/// How a script stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Unloaded,
    /// It cannot be loaded, until somebody says so again.
    Failed,
    /// It ended, and is started again then.
    Waiting {
        until_ms: u64,
    },
    /// Its turn at the start is to come.
    Queued,
    Starting {
        run: RunId,
        due_ms: u64,
    },
    Running {
        run: RunId,
    },
    /// It finishes what it has, and is then told to unload.
    Draining {
        run: RunId,
        due_ms: u64,
        again: bool,
    },
    /// It was told to unload.
    Stopping {
        run: RunId,
        due_ms: u64,
        again: bool,
    },
}

impl State {
    /// The process of it, if there is one.
    pub fn run(self) -> Option<RunId> {
        match self {
            Self::Starting { run, .. }
            | Self::Running { run }
            | Self::Draining { run, .. }
            | Self::Stopping { run, .. } => Some(run),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Unloaded => "unloaded",
            Self::Failed => "failed",
            Self::Waiting { .. } => "waiting",
            Self::Queued | Self::Starting { .. } => "starting",
            Self::Running { .. } => "running",
            Self::Draining { .. } | Self::Stopping { .. } => "stopping",
        }
    }
}

/// Something that waits for a script.
pub enum Item {
    Event(String),
    /// By its number; the call itself stands with the open ones.
    Call(u64),
}

#[derive(Default)]
pub struct Script {
    pub name: String,
    pub kind: LaunchKind,
    pub state: State,
    pub settings: ScriptSettings,
    pub hooks: BTreeSet<String>,
    /// What others can call, without the script's name.
    pub functions: BTreeSet<String>,
    pub python: String,
    pub problem: Option<String>,
    /// For what its process was killed.
    pub condemned: Option<String>,
    /// How often it was started again after an end of its own.
    pub restarts: u64,
    pub started_ms: u64,
    /// The pause before the next start.
    pub pause_ms: u64,
    /// Asks without an answer.
    pub asks: usize,
    pub journal: Journal,
    /// Events that found no room.
    pub dropped: u64,
    dropped_told: bool,
    /// It has told what it offers.
    pub was_ready: bool,
    /// Functions that vpid has too, as was said: those that are vpid's all the same, and those
    /// that take the place of vpid's.
    pub shadowed: Vec<String>,
    pub taken: Vec<String>,
    /// A file that is being looked at before the script is loaded anew: the number of the
    /// message, and until when.
    pub checking: Option<(u64, u64)>,
    queue: VecDeque<Item>,
    /// Calls in it that are over.
    stale: usize,
    /// Events in it, and their bytes.
    queued_events: usize,
    queue_bytes: usize,
    /// Sizes of what it was given and has not finished.
    unfinished: VecDeque<usize>,
    unfinished_bytes: usize,
    /// When it last finished something, or got something to do.
    progress_ms: u64,
    interrupted: bool,
    /// What is written to it at the end of this turn.
    outgoing: String,
}

/// What a script that finishes nothing has earned.
pub enum Stuck {
    Interrupt,
    Kill,
}

impl Script {
    pub fn new(name: String, kind: LaunchKind, settings: ScriptSettings) -> Self {
        Self {
            name,
            kind,
            settings,
            pause_ms: limits::SCRIPT_RESTART_MS_MIN,
            ..Self::default()
        }
    }

    /// As others call it: a file's name.
    pub fn file(&self) -> String {
        format!("{}.py", self.name)
    }

    /// Whether what is meant for it may wait for it.
    pub fn takes(&self) -> bool {
        !matches!(self.state, State::Unloaded | State::Failed)
    }

    pub fn waiting(&self) -> usize {
        self.queue.len() + self.unfinished.len()
    }

    /// Puts a call into the queue: there are no more of them than may be under way at all.
    pub fn enqueue_call(&mut self, number: u64) {
        self.queue.push_back(Item::Call(number));
    }

    /// A call in the queue is over. Such calls are taken out when they are the most of it.
    pub fn call_is_over(&mut self, is_open: impl Fn(u64) -> bool) {
        self.stale += 1;
        if self.stale > limits::SCRIPT_STALE_CALLS && 2 * self.stale > self.queue.len() {
            self.queue
                .retain(|item| !matches!(item, Item::Call(number) if !is_open(*number)));
            self.stale = 0;
        }
    }

    pub fn one_less_stale(&mut self) {
        self.stale = self.stale.saturating_sub(1);
    }

    /// Puts an event into the queue. False: there is no room.
    pub fn enqueue(&mut self, event: String) -> bool {
        let full = self.queued_events >= self.settings.queue
            || self.queue_bytes + event.len() > limits::SCRIPT_QUEUE_BYTES_MAX;
        if full {
            self.dropped += 1;
            if !self.dropped_told {
                self.dropped_told = true;
                log::warn!(
                    "script {}: it does not keep up, and {} events wait: what comes now is dropped",
                    self.name,
                    self.queued_events
                );
            }
            return false;
        }
        self.queued_events += 1;
        self.queue_bytes += event.len();
        self.queue.push_back(Item::Event(event));
        true
    }

    /// The next thing to give it, if it has room.
    pub fn next(&mut self) -> Option<Item> {
        let running = matches!(self.state, State::Running { .. });
        let room = self.unfinished.len() < limits::SCRIPT_WINDOW
            && self.unfinished_bytes < limits::SCRIPT_WINDOW_BYTES;
        if !running || !room {
            return None;
        }
        let item = self.queue.pop_front()?;
        if let Item::Event(event) = &item {
            self.queued_events -= 1;
            self.queue_bytes -= event.len();
        }
        if self.queue.is_empty() && self.dropped_told {
            self.dropped_told = false;
            log::info!(
                "script {}: it keeps up again; {} events were dropped so far",
                self.name,
                self.dropped
            );
        }
        Some(item)
    }

    /// Gives it an event or a call.
    pub fn give(&mut self, text: &str, now: Now) {
        if self.unfinished.is_empty() {
            self.progress_ms = now.mono_ms;
            self.interrupted = false;
        }
        self.unfinished.push_back(text.len());
        self.unfinished_bytes += text.len();
        self.tell(text);
    }

    /// Tells it something that is neither.
    pub fn tell(&mut self, text: &str) {
        self.outgoing
            .push(if self.outgoing.is_empty() { '[' } else { ',' });
        self.outgoing.push_str(text);
    }

    /// What is to be written to it now: a whole line.
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        if self.outgoing.is_empty() {
            return None;
        }
        let mut line = std::mem::take(&mut self.outgoing);
        line.push_str("]\n");
        Some(line.into_bytes())
    }

    /// It has finished so many. False: it was not given as many.
    pub fn finished(&mut self, count: usize, now: Now) -> bool {
        for _ in 0..count {
            let Some(bytes) = self.unfinished.pop_front() else {
                return false;
            };
            self.unfinished_bytes -= bytes;
        }
        self.progress_ms = now.mono_ms;
        self.interrupted = false;
        true
    }

    pub fn is_idle(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// When it must have finished something.
    pub fn stuck_due_ms(&self) -> Option<u64> {
        let watched = matches!(self.state, State::Running { .. } | State::Draining { .. });
        let grace_ms = if self.interrupted {
            limits::SCRIPT_KILL_MS
        } else {
            0
        };
        (watched && !self.unfinished.is_empty())
            .then_some(self.progress_ms + self.settings.call_ms + grace_ms)
    }

    pub fn stuck(&mut self, now: Now) -> Option<Stuck> {
        self.stuck_due_ms().filter(|due| *due <= now.mono_ms)?;
        if std::mem::replace(&mut self.interrupted, true) {
            // The end of the process is on its way.
            self.progress_ms = now.mono_ms;
            return Some(Stuck::Kill);
        }
        Some(Stuck::Interrupt)
    }

    /// Its process is gone. What waits goes on waiting.
    pub fn process_ended(&mut self) {
        self.unfinished.clear();
        self.unfinished_bytes = 0;
        self.outgoing.clear();
        self.asks = 0;
        self.checking = None;
        self.interrupted = false;
    }

    /// Nothing waits for it any more.
    pub fn forget_waiting(&mut self) {
        self.queue.clear();
        self.stale = 0;
        self.queued_events = 0;
        self.queue_bytes = 0;
        self.dropped_told = false;
    }
}

/// All scripts that are known, by their ids; none is ever taken out.
#[derive(Default)]
pub struct List(Vec<Script>);

impl List {
    pub fn push(&mut self, script: Script) -> ScriptId {
        self.0.push(script);
        ScriptId(self.0.len() as u32 - 1)
    }

    pub fn get_mut(&mut self, id: ScriptId) -> Option<&mut Script> {
        self.0.get_mut(id.0 as usize)
    }

    pub fn find(&self, name: &str) -> Option<ScriptId> {
        self.ids().find(|id| self[*id].name == name)
    }

    pub fn ids(&self) -> impl Iterator<Item = ScriptId> + use<> {
        (0..self.0.len() as u32).map(ScriptId)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Script> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ScriptId, &mut Script)> {
        self.ids().zip(&mut self.0)
    }
}

impl Index<ScriptId> for List {
    type Output = Script;

    fn index(&self, id: ScriptId) -> &Script {
        &self.0[id.0 as usize]
    }
}

impl IndexMut<ScriptId> for List {
    fn index_mut(&mut self, id: ScriptId) -> &mut Script {
        &mut self.0[id.0 as usize]
    }
}
