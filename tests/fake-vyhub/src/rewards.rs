//! Rewards: what users have bought, listed for a server, and reported as executed.

use serde_json::{Map, Value, json};

use crate::FakeVyhub;
use crate::answer::Answer;
use crate::call::Call;
use crate::models::user_short;
use crate::state::{State, iso};

/// Longest address of a request that everything on the way carries.
const TARGET_BYTES_MAX: usize = 4_000;

/// An applied reward, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardRecord {
    pub id: String,
    pub user: String,
    pub applied_packet: String,
    pub name: String,
    pub packet: String,
    pub amount: Option<String>,
    /// `COMMAND` or `SCRIPT`, and its command or code.
    pub kind: String,
    pub text: String,
    pub event: String,
    pub order: f64,
    pub once: bool,
    pub once_from_all: bool,
    pub reactivates: bool,
    /// `None`: it has no requirements.
    pub fulfilled: Option<bool>,
    /// The packet is in force.
    pub active: bool,
    /// `OPEN`, `EXECUTED` or `FAILED`.
    pub status: String,
    pub executed_on: Vec<String>,
}

impl FakeVyhub {
    /// A user buys a packet with one reward: a command that is executed once, at this event. Gives its id.
    pub fn add_reward(&self, user: &str, event: &str, command: &str) -> String {
        self.with(|state| {
            let reward = RewardRecord {
                id: state.new_id(),
                user: user.to_owned(),
                applied_packet: state.new_id(),
                name: "VIP".into(),
                packet: "Gold".into(),
                amount: Some("5.00 EUR".into()),
                kind: "COMMAND".into(),
                text: command.to_owned(),
                event: event.to_owned(),
                order: 1.0,
                once: true,
                once_from_all: false,
                reactivates: false,
                fulfilled: None,
                active: true,
                status: "OPEN".into(),
                executed_on: Vec::new(),
            };
            let id = reward.id.clone();
            state.rewards.push(reward);
            id
        })
    }

    /// Changes a reward in any way.
    #[track_caller]
    pub fn edit_reward(&self, id: &str, edit: impl FnOnce(&mut RewardRecord)) {
        self.with(|state| {
            let mut rewards = state.rewards.iter_mut();
            edit(
                rewards
                    .find(|it| it.id == id)
                    .expect("a reward with this id"),
            );
        });
    }

    /// The packet is bought once more before it ends.
    #[track_caller]
    pub fn extend_reward(&self, id: &str) {
        self.edit_reward(id, |reward| {
            reward.status = "OPEN".into();
            reward.executed_on.clear();
        });
    }

    #[track_caller]
    pub fn reward(&self, id: &str) -> RewardRecord {
        self.with(|state| {
            let mut rewards = state.rewards.iter();
            let found = rewards.find(|it| it.id == id);
            found.expect("a reward with this id").clone()
        })
    }

    /// The type of the server.
    pub fn set_server_type(&self, kind: &str) {
        self.with(|state| state.server_fields.insert("type".into(), kind.into()));
    }
}

impl State {
    /// Of the users that are named, else of all.
    pub(crate) fn applied_rewards(&mut self, call: &Call) -> Answer {
        let users: Vec<&str> = call.all("user_id").collect();
        let label = "GET /packet/reward/applied/user";
        let query = call.query.iter();
        let bytes: usize = query
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        if bytes > TARGET_BYTES_MAX {
            self.violation(label, "the address is longer than 4,000 bytes");
        }
        if users.is_empty() {
            self.violation(label, "without user_id the rewards of all users are listed");
        }
        let Some(server) = call.parameter("for_server_id") else {
            self.violation(label, "without for_server_id executed ones are listed too");
            return Answer::sentence(422, "for_server_id");
        };
        let is_here = call
            .all("serverbundle_id")
            .any(|bundle| bundle == self.bundle);
        let by_steam = call.parameter("foreign_ids") == Some("true");
        let mut lists = Map::new();
        for reward in &self.rewards {
            let of_user = users.is_empty() || users.contains(&reward.user.as_str());
            let status: Vec<&str> = call.all("status").collect();
            let of_status = status.is_empty() || status.contains(&reward.status.as_str());
            // What is disabled has an event of its own, and stays in the list for that.
            let active = reward.active == (reward.event != "DISABLE");
            let wanted = call
                .parameter("active")
                .is_none_or(|active| active == "true");
            let done = reward.executed_on.iter().any(|on| on == server);
            if !(is_here && of_user && of_status && active == wanted && !done) {
                continue;
            }
            let Some(user) = self.users.get(&reward.user) else {
                continue;
            };
            let key = if by_steam { &user.steam } else { &user.id };
            let list = lists.entry(key.clone()).or_insert_with(|| json!([]));
            if let Value::Array(list) = list {
                list.push(self.reward_model(reward));
            }
        }
        Answer::ok(&lists.into())
    }

    pub(crate) fn edit_applied_reward(&mut self, call: &Call) -> Answer {
        let label = format!("PATCH /packet/reward/applied/{}", call.id);
        let servers = call.body["executed_on"].as_array().cloned();
        if servers != Some(vec![json!(self.server)]) {
            self.violation(&label, "executed_on is the own server, and no other");
        }
        let server = self.server.clone();
        let found = self.rewards.iter().position(|it| it.id == call.id);
        let Some(at) = found else {
            let msg = "This applied reward does not exist.";
            return Answer::refused(404, "applied_reward_not_found", msg);
        };
        if !self.rewards[at].once {
            self.violation(&label, "it is not executed once, so nobody wants to know");
        }
        let reward = &mut self.rewards[at];
        if !reward.executed_on.contains(&server) {
            reward.executed_on.push(server);
        }
        if reward.once_from_all {
            reward.status = "EXECUTED".into();
        }
        Answer::ok(&self.reward_model(&self.rewards[at]))
    }

    /// `AppliedRewardModel`.
    fn reward_model(&self, reward: &RewardRecord) -> Value {
        let user = self.users.get(&reward.user).map(user_short);
        let key = match reward.kind.as_str() {
            "SCRIPT" => "script",
            _ => "command",
        };
        let set = reward.fulfilled.map(|fulfilled| {
            json!({"id": self.server, "name": "set", "formula": [], "requirements": [], "fulfilled": fulfilled})
        });
        let purchase = reward.amount.as_ref().map(|amount| {
            json!({
                "id": self.server, "date": iso(self.now()), "user": user, "amount_total": 5.0,
                "amount_text": amount, "status": "FINISHED", "credits": null,
                "currency": {"symbol": "E", "name": "Euro", "code": "EUR"},
            })
        });
        json!({
            "id": reward.id,
            "active": reward.active,
            "reward": {
                "name": reward.name,
                "type": reward.kind,
                "data": {key: reward.text},
                "order": reward.order,
                "once": reward.once,
                "once_from_all": reward.once_from_all,
                "on_event": reward.event,
                "reactivate_on_extend": reward.reactivates,
                "id": self.server,
                "serverbundle": self.bundle_short(),
                "requirement_set": set,
            },
            "user": user,
            "applied_packet_id": reward.applied_packet,
            "applied_packet": {
                "id": reward.applied_packet,
                "status": if reward.active { "ENABLED" } else { "DISABLED" },
                "packet": {"id": self.bundle, "title": reward.packet},
                "purchase": purchase,
                "bounds": "[)",
                "begin": iso(self.now()),
                "end": null,
            },
            "status": reward.status,
            "executed_on": reward.executed_on,
        })
    }
}
