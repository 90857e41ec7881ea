//! What was done with applied rewards: one record for each and each server, on disk before anything follows from
//! it. A record stays for as long as the backend could list its reward, so that nothing is executed twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::protocol::backend::Reward;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The form of the files.
const VERSION: u64 = 1;

/// An applied reward on a server of the backend's.
pub type Key = (Uuid, Uuid);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: u64,
    /// Of the applied reward.
    pub id: Uuid,
    pub server: Uuid,
    pub bundle: Uuid,
    pub user: Uuid,
    pub steam: SteamId,
    /// What the player, the reward and its packet were called.
    pub name: String,
    pub reward: String,
    pub packet: String,
    /// The backend is to know.
    pub once: bool,
    pub state: State,
    /// Since when it is so, unix seconds.
    pub since_s: i64,
    /// What went wrong.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is about to be executed, or is. After a crash, it may have been.
    Running,
    /// It was, and the backend is to know.
    Executed,
    /// The backend knows, or needs not to.
    Acknowledged,
    /// And does not list it any more.
    Settled,
    /// It may have been executed.
    Unclear,
    /// The game has refused it, and may have executed a part.
    Failed,
}

impl Record {
    pub fn new(reward: &Reward, (server, bundle): (Uuid, Uuid), name: &str, since_s: i64) -> Self {
        Self {
            version: VERSION,
            id: reward.id,
            server,
            bundle,
            user: reward.user,
            steam: reward.steam,
            name: name.to_owned(),
            reward: reward.name.clone(),
            packet: reward.packet_title.clone(),
            once: reward.once,
            state: State::Running,
            since_s,
            problem: None,
        }
    }

    /// From its file. `None`: it is none of this name and version.
    pub fn parse(name: &str, text: &str) -> Option<Self> {
        let record: Self = serde_json::from_str(text).ok()?;
        (record.version == VERSION && record.file() == name).then_some(record)
    }

    pub fn key(&self) -> Key {
        (self.id, self.server)
    }

    /// Its file's name, without the ending.
    pub fn file(&self) -> String {
        format!("{}-{}", self.server, self.id)
    }

    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// For a sentence: "the reward VIP of Ann (76561…)".
    pub fn describe(&self) -> String {
        let plain = |text: &str| text.replace(char::is_control, "?");
        let (reward, name) = (plain(&self.reward), plain(&self.name));
        format!("the reward {reward:?} of {name} ({})", self.steam)
    }
}

/// All records.
#[derive(Default)]
pub struct Records {
    all: BTreeMap<Key, Record>,
    /// Those to be reported that have no entry in the outbox.
    unreported: BTreeSet<Key>,
    /// Those that are acknowledged, and since when on the daemon's clock.
    acknowledged: BTreeMap<Key, u64>,
    /// Those that nothing needs but a reward that comes back, the oldest first.
    settled: BTreeSet<(i64, Key)>,
    /// Those for the operator.
    troubled: BTreeSet<Key>,
}

impl Records {
    pub fn get(&self, key: Key) -> Option<&Record> {
        self.all.get(&key)
    }

    /// Of one applied reward, on all servers.
    pub fn of(&self, id: Uuid) -> impl Iterator<Item = &Record> {
        let range = (id, Uuid(0))..=(id, Uuid(u128::MAX));
        self.all.range(range).map(|(_, record)| record)
    }

    pub fn insert(&mut self, record: Record, now_ms: u64) {
        let key = record.key();
        self.remove(key);
        match record.state {
            State::Running => {}
            State::Executed => drop(self.unreported.insert(key)),
            State::Acknowledged => drop(self.acknowledged.insert(key, now_ms)),
            State::Settled => drop(self.settled.insert((record.since_s, key))),
            State::Unclear | State::Failed => drop(self.troubled.insert(key)),
        }
        self.all.insert(key, record);
    }

    pub fn remove(&mut self, key: Key) -> Option<Record> {
        let record = self.all.remove(&key)?;
        self.unreported.remove(&key);
        self.acknowledged.remove(&key);
        self.settled.remove(&(record.since_s, key));
        self.troubled.remove(&key);
        Some(record)
    }

    /// Its report is in the outbox.
    pub fn reported(&mut self, key: Key) {
        self.unreported.remove(&key);
    }

    pub fn next_unreported(&self) -> Option<&Record> {
        self.all.get(self.unreported.first()?)
    }

    /// The report of an executed one is not in the outbox any more.
    pub fn unreported(&mut self, key: Key) {
        if self.get(key).is_some_and(|it| it.state == State::Executed) {
            self.unreported.insert(key);
        }
    }

    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.all.values()
    }

    /// Those that are acknowledged on a server, and since when.
    pub fn acknowledged(&self, server: Uuid) -> impl Iterator<Item = (&Record, u64)> {
        let here = self.acknowledged.iter();
        let here = here.filter(move |((_, of), _)| *of == server);
        here.filter_map(|(key, since_ms)| Some((self.all.get(key)?, *since_ms)))
    }

    /// How many may have been executed, on a server.
    pub fn unclear_count(&self, server: Uuid) -> usize {
        let all = self.troubled.iter().filter(|(_, of)| *of == server);
        let unclear = all.filter(|key| self.all[*key].state == State::Unclear);
        unclear.count()
    }

    /// Makes room for one more; gives what is forgotten for that. The error: there is none.
    pub fn make_room(&mut self) -> Result<Option<Record>, ()> {
        if self.all.len() < limits::REWARD_RECORDS_MAX {
            return Ok(None);
        }
        let oldest = self.settled.first().map(|(_, key)| *key).ok_or(())?;
        Ok(self.remove(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u128, state: State) -> Record {
        Record {
            version: VERSION,
            id: Uuid(id),
            server: Uuid(1),
            bundle: Uuid(2),
            user: Uuid(3),
            steam: SteamId::new(5).unwrap(),
            name: "Ann".into(),
            reward: "VIP".into(),
            packet: "Gold".into(),
            once: true,
            state,
            since_s: id as i64,
            problem: None,
        }
    }

    #[test]
    fn a_record_comes_back_from_its_file_and_from_no_other() {
        let record = record(7, State::Unclear);
        let (name, text) = (record.file(), record.text());
        assert_eq!(Record::parse(&name, &text), Some(record));
        for (name, text) in [
            ("x", text.clone()),
            (&*name, "{".into()),
            (&*name, text.replace("\"version\": 1", "\"version\": 2")),
        ] {
            assert_eq!(Record::parse(name, &text), None);
        }
        assert!(name.len() <= limits::STORE_NAME_BYTES_MAX);
    }

    #[test]
    fn the_oldest_that_nothing_needs_make_room_and_no_others() {
        let mut records = Records::default();
        for id in 0..limits::REWARD_RECORDS_MAX as u128 {
            assert_eq!(records.make_room(), Ok(None));
            records.insert(record(id, State::Executed), 0);
        }
        assert_eq!(records.make_room(), Err(()));
        for id in [9, 8] {
            records.insert(record(id, State::Settled), 0);
        }
        let forgotten = records.make_room().unwrap().unwrap();
        assert_eq!(forgotten.id, Uuid(8));
        assert!(records.get(forgotten.key()).is_none());
        assert_eq!(records.make_room(), Ok(None));
    }

    #[test]
    fn each_state_has_its_index() {
        let mut records = Records::default();
        let key = (Uuid(7), Uuid(1));
        for (state, unreported, acknowledged, unclear) in [
            (State::Running, false, 0, 0),
            (State::Executed, true, 0, 0),
            (State::Acknowledged, false, 1, 0),
            (State::Settled, false, 0, 0),
            (State::Unclear, false, 0, 1),
            (State::Failed, false, 0, 0),
        ] {
            records.insert(record(7, state), 5);
            assert_eq!(records.next_unreported().is_some(), unreported, "{state:?}");
            assert_eq!(records.acknowledged(Uuid(1)).count(), acknowledged);
            assert_eq!(records.acknowledged(Uuid(9)).count(), 0);
            assert_eq!(records.unclear_count(Uuid(1)), unclear);
        }
        records.insert(record(7, State::Executed), 5);
        records.reported(key);
        assert!(records.next_unreported().is_none());
        records.unreported(key);
        assert!(records.next_unreported().is_some());
        assert!(records.remove(key).is_some());
        assert!(records.next_unreported().is_none() && records.all().next().is_none());
    }
}
