//! `vpid rewards`: what an operator sees of rewards, and decides.

use std::fmt;

use serde_json::{Value, json};

use super::super::Cx;
use super::Rewards;
use super::records::{Key, Record, State};
use super::task::Task;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::backend::Reward;
use crate::protocol::control::RewardsRequest;
use crate::protocol::uuid::Uuid;

/// Why an operator's request is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorError {
    Unknown(String),
    Ambiguous(String),
    /// It needs no decision.
    Finished(State),
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => {
                write!(f, "there is no open reward {id}; see `vpid rewards list`")
            }
            Self::Ambiguous(id) => {
                write!(f, "several rewards begin with {id}; give more of the id")
            }
            Self::Finished(State::Running) => {
                f.write_str("it is being executed just now; look again in a minute")
            }
            Self::Finished(_) => f.write_str("it was executed already"),
        }
    }
}

impl From<OperatorError> for String {
    fn from(error: OperatorError) -> Self {
        error.to_string()
    }
}

/// A reward that the operator can name.
struct Listed<'a> {
    key: Key,
    /// `None`: a server that vpid does not have any more.
    server: Option<ServerId>,
    record: Option<&'a Record>,
    reward: Option<&'a Reward>,
}

impl Rewards {
    pub fn operate(
        &mut self,
        request: &RewardsRequest,
        cx: &mut Cx<'_>,
    ) -> Result<Value, OperatorError> {
        match request {
            RewardsRequest::List => Ok(self.list(cx)),
            RewardsRequest::Run { id } => {
                let key = self.named(id, cx)?;
                self.run_named(key, cx).map(|text| json!({ "ok": text }))
            }
            RewardsRequest::Skip { id } => {
                let key = self.named(id, cx)?;
                self.skip(key, cx).map(|text| json!({ "ok": text }))
            }
        }
    }

    /// Those that are not finished: with a record, and those that the backend has listed.
    fn listed<'a>(&'a self, cx: &'a Cx<'_>) -> impl Iterator<Item = Listed<'a>> {
        let is_unfinished =
            |record: &&Record| !matches!(record.state, State::Acknowledged | State::Settled);
        let recorded = self
            .records
            .all()
            .filter(is_unfinished)
            .map(|record| Listed {
                key: record.key(),
                server: cx.records.server_of(record.server),
                record: Some(record),
                reward: None,
            });
        let owed = self.servers.iter().flat_map(move |(server, owed)| {
            let id = cx.records.get(*server).map(|record| record.id);
            let rewards = owed.lists.values().flatten();
            rewards.filter_map(move |reward| {
                let key = (reward.id, id?);
                let is_open = self.is_open(key, reward);
                is_open.then_some(Listed {
                    key,
                    server: Some(*server),
                    record: None,
                    reward: Some(reward),
                })
            })
        });
        recorded.chain(owed)
    }

    fn list(&self, cx: &Cx<'_>) -> Value {
        let mut listed = self.listed(cx);
        let first = listed.by_ref().take(limits::REWARDS_LISTED_MAX);
        let first: Vec<Value> = first.map(|one| self.shown(&one, cx)).collect();
        json!({ "rewards": first, "more": listed.count() })
    }

    fn shown(&self, listed: &Listed<'_>, cx: &Cx<'_>) -> Value {
        let server = listed.server.map(|server| cx.label(server).to_owned());
        let mut shown = json!({
            "id": listed.key.0,
            "server": server.unwrap_or_else(|| listed.key.1.to_string()),
            "player": null, "event": null, "since_s": null, "problem": null,
        });
        if let Some(record) = listed.record {
            shown["player"] = record.name.as_str().into();
            shown["steam"] = json!(record.steam);
            shown["reward"] = record.reward.as_str().into();
            shown["packet"] = record.packet.as_str().into();
            shown["state"] = json!(record.state);
            shown["since_s"] = record.since_s.into();
            shown["problem"] = json!(record.problem);
        }
        if let Some(reward) = listed.reward {
            let game = listed.server.and_then(|server| cx.servers.get(server));
            let person = game.and_then(|game| game.roster.by_steam(reward.steam));
            let problem = self.problems.get(&listed.key);
            shown["player"] = json!(person.map(|person| person.name.as_str()));
            shown["steam"] = json!(reward.steam);
            shown["reward"] = reward.name.as_str().into();
            shown["packet"] = reward.packet_title.as_str().into();
            shown["event"] = json!(reward.on);
            shown["state"] = problem.map_or("open", |_| "failed").into();
            shown["problem"] = json!(problem.map(|problem| problem.unfit.to_string()));
        }
        shown
    }

    /// The only one whose id begins so.
    fn named(&self, id: &str, cx: &Cx<'_>) -> Result<Key, OperatorError> {
        let begins = |key: &Key| key.0.to_string().starts_with(id);
        let listed = self.listed(cx).map(|listed| listed.key);
        let mut found = listed.filter(begins);
        let first = found.next();
        let first = first.ok_or_else(|| OperatorError::Unknown(id.to_owned()))?;
        match found.next() {
            Some(_) => Err(OperatorError::Ambiguous(id.to_owned())),
            None => Ok(first),
        }
    }

    fn run_named(&mut self, key: Key, cx: &mut Cx<'_>) -> Result<String, OperatorError> {
        let state = self.records.get(key).map(|record| record.state);
        if let Some(state @ (State::Running | State::Executed)) = state {
            return Err(OperatorError::Finished(state));
        }
        log::warn!("an operator executes the reward {}", key.0);
        self.forget(key, cx);
        self.problems.remove(&key);
        let server = cx.records.server_of(key.1);
        let found = server.and_then(|server| {
            let owed = self.servers.get_mut(&server)?;
            let mut listed = owed.lists.values().flatten();
            let reward = listed.find(|reward| reward.id == key.0)?.clone();
            let game = cx.servers.get(server)?;
            let person = game.roster.by_steam(reward.steam)?.clone();
            owed.push(Task::new(reward, person, false, cx.now));
            Some(())
        });
        Ok(match found {
            Some(()) => "it is executed now".to_owned(),
            None => format!(
                "it is executed at its next event: its player is not on, or {} does not list it now",
                cx.backend.keeper
            ),
        })
    }

    fn skip(&mut self, key: Key, cx: &mut Cx<'_>) -> Result<String, OperatorError> {
        let known = self.records.get(key).cloned();
        let mut record = match known {
            Some(record) if matches!(record.state, State::Running | State::Executed) => {
                return Err(OperatorError::Finished(record.state));
            }
            Some(record) => record,
            None => self
                .record_of(key, cx)
                .ok_or_else(|| OperatorError::Unknown(key.0.to_string()))?,
        };
        log::warn!("an operator skips {}", record.describe());
        self.problems.remove(&key);
        record.problem = Some("skipped by an operator".to_owned());
        self.executed(record, cx);
        Ok("it counts as executed".to_owned())
    }

    /// Of one that the backend has listed.
    fn record_of(&self, key: Key, cx: &Cx<'_>) -> Option<Record> {
        let server = cx.records.server_of(key.1)?;
        let bundle: Uuid = cx.records.bundle(server)?;
        let mut listed = self.servers.get(&server)?.lists.values().flatten();
        let reward = listed.find(|reward| reward.id == key.0)?;
        let game = cx.servers.get(server)?;
        let person = game.roster.by_steam(reward.steam);
        let name = person.map_or("", |person| &person.name);
        Some(Record::new(reward, (key.1, bundle), name, cx.now.wall_s))
    }
}
