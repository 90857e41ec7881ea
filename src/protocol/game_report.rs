//! What a game script reports of its map and players, as values (docs/protocol.md, Events).
//!
//! Everything here is a claim of the script. A value of another type than it should have is passed over,
//! and so is a report about no player.

use serde_json::{Map, Value};

use crate::limits;
use crate::protocol::engine_log::Who;
use crate::protocol::signed::messages::{FromGame, Guarding};
use crate::protocol::steam_id::SteamId;

/// A player, as far as a report has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlayerReport {
    pub userid: i64,
    pub name: Option<String>,
    pub steam: Option<SteamId>,
    pub bot: Option<bool>,
    /// The engine's number.
    pub team: Option<i64>,
    /// What is played or was chosen, by the engine's number.
    pub class: Option<i64>,
    pub score: Option<i64>,
    /// On this map, where the game counts them.
    pub deaths: Option<u64>,
    /// Milliseconds.
    pub ping: Option<i64>,
    pub alive: Option<bool>,
    /// For how many seconds the player has done nothing.
    pub idle_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum GameReport {
    MapStarted {
        map: String,
        max_players: Option<i64>,
    },
    MapEnded {
        map: String,
        /// Empty where the game does not know it.
        next: String,
    },
    RoundStarted {
        full: Option<bool>,
    },
    RoundWon {
        team: Option<i64>,
    },
    Active(PlayerReport),
    Spawned(PlayerReport),
    TeamChanged {
        player: PlayerReport,
        old: Option<i64>,
    },
    ClassChosen(PlayerReport),
    Died {
        victim: PlayerReport,
        /// Userids; 0 for none.
        attacker: i64,
        assister: i64,
        weapon: Option<String>,
    },
    Left {
        player: PlayerReport,
        reason: Option<String>,
    },
    Said {
        userid: i64,
        text: String,
        /// The script cannot tell that the engine has raised it.
        doubtful: bool,
    },
    /// The whole, every ten seconds. A list of players is made over several ticks.
    Heartbeat {
        map: Option<String>,
        players: Option<Vec<PlayerReport>>,
        guard: Option<Guarding>,
    },
    /// Whether players' chat can be relied on.
    Guard(Guarding),
    /// An event that a game script raised.
    Emitted {
        name: String,
        data: Value,
        script: String,
    },
    /// Nothing that vpid knows: the game runs.
    Other,
}

impl GameReport {
    pub fn read(message: FromGame) -> Self {
        match message {
            FromGame::Event { name, data } => Self::event(&name, &data).unwrap_or(Self::Other),
            FromGame::Heartbeat(data) => {
                let players = data["players"].as_array().map(|list| {
                    let players = list.iter().filter_map(PlayerReport::read);
                    players.take(limits::PLAYERS_MAX).collect()
                });
                Self::Heartbeat {
                    map: text(&data, "map"),
                    players,
                    guard: Guarding::read(&data["guard"]),
                }
            }
            FromGame::Guard(guard) => Self::Guard(guard),
            FromGame::Emit { name, data, script } => Self::Emitted { name, data, script },
            _ => Self::Other,
        }
    }

    /// Its name in traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MapStarted { .. } => "map_start",
            Self::MapEnded { .. } => "map_end",
            Self::RoundStarted { .. } => "round_start",
            Self::RoundWon { .. } => "round_win",
            Self::Active(_) => "player_active",
            Self::Spawned(_) => "player_spawn",
            Self::TeamChanged { .. } => "player_team",
            Self::ClassChosen(_) => "player_class",
            Self::Died { .. } => "player_death",
            Self::Left { .. } => "player_left",
            Self::Said { .. } => "player_say",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Guard(_) => "guard",
            Self::Emitted { .. } => "emit",
            Self::Other => "other",
        }
    }

    /// Whom it is about, where that is one player. Chat has its speaker elsewhere.
    pub fn player(&self) -> Option<&PlayerReport> {
        match self {
            Self::Active(player)
            | Self::Spawned(player)
            | Self::TeamChanged { player, .. }
            | Self::ClassChosen(player)
            | Self::Died { victim: player, .. }
            | Self::Left { player, .. } => Some(player),
            _ => None,
        }
    }

    fn event(name: &str, data: &Value) -> Option<Self> {
        let number = |key: &str| data[key].as_i64();
        let bounded = |key: &str| text(data, key);
        let player = || PlayerReport::read(data);
        Some(match name {
            "map_start" => Self::MapStarted {
                map: bounded("map").unwrap_or_default(),
                max_players: number("max_players"),
            },
            "map_end" => Self::MapEnded {
                map: bounded("map").unwrap_or_default(),
                next: bounded("next").unwrap_or_default(),
            },
            "round_start" => Self::RoundStarted {
                full: data["full"].as_bool(),
            },
            "round_win" => Self::RoundWon {
                team: number("team"),
            },
            "player_active" => Self::Active(player()?),
            "player_spawn" => Self::Spawned(PlayerReport {
                alive: Some(true),
                ..player()?
            }),
            "player_team" => Self::TeamChanged {
                player: player()?,
                old: number("old"),
            },
            "player_class" => Self::ClassChosen(player()?),
            "player_death" => Self::Died {
                victim: player()?,
                attacker: number("attacker").unwrap_or(0),
                assister: number("assister").unwrap_or(0),
                weapon: bounded("weapon"),
            },
            "player_disconnect" => Self::Left {
                player: player()?,
                reason: data["reason"].as_str().map(str::to_owned),
            },
            "player_chat" => Self::Said {
                userid: player()?.userid,
                text: data["text"].as_str()?.to_owned(),
                doubtful: data["doubtful"].as_bool().unwrap_or(false),
            },
            _ => return None,
        })
    }
}

impl PlayerReport {
    /// Of whom no more is known.
    pub fn of(userid: i64) -> Self {
        Self {
            userid,
            ..Self::default()
        }
    }

    fn read(data: &Value) -> Option<Self> {
        let data: &Map<String, Value> = data.as_object()?;
        let number = |key: &str| data.get(key).and_then(Value::as_i64);
        let flag = |key: &str| data.get(key).and_then(Value::as_bool);
        let id = data.get("id").and_then(Value::as_str).unwrap_or_default();
        let bot = (id == "BOT").then_some(true).or(flag("bot"));
        Some(Self {
            userid: number("userid").filter(|userid| is_userid(*userid))?,
            name: data.get("name").and_then(Value::as_str).map(bounded),
            steam: id.parse().ok(),
            bot,
            team: number("team"),
            class: number("class"),
            score: number("score"),
            deaths: number("deaths").and_then(|deaths| deaths.try_into().ok()),
            ping: number("ping"),
            alive: flag("alive"),
            idle_s: number("idle").and_then(|idle_s| idle_s.try_into().ok()),
        })
    }
}

impl From<&Who> for PlayerReport {
    fn from(who: &Who) -> Self {
        Self {
            userid: who.userid,
            name: Some(who.name.clone()),
            steam: who.id,
            bot: Some(who.bot),
            team: who.team,
            ..Self::default()
        }
    }
}

/// The engine's numbers of players; the console is 0.
pub fn is_userid(userid: i64) -> bool {
    (1..=i64::from(i32::MAX)).contains(&userid)
}

/// A name or the like, not longer than any player or map has one.
pub fn bounded(text: &str) -> String {
    text.chars().take(limits::PLAYER_TEXT_CHARS_MAX).collect()
}

fn text(data: &Value, key: &str) -> Option<String> {
    data[key].as_str().map(bounded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, data: Value) -> GameReport {
        let name = name.into();
        GameReport::read(FromGame::Event { name, data })
    }

    #[test]
    fn what_does_not_look_as_it_should_is_passed_over() {
        for data in [
            Value::Null,
            json!([1]),
            json!({"userid": "2"}),
            json!({"userid": 0}),
            json!({"userid": 1u64 << 40}),
        ] {
            assert_eq!(event("player_active", data), GameReport::Other);
        }
        let ann = PlayerReport {
            userid: 2,
            ..PlayerReport::default()
        };
        let data = json!({"userid": 2, "name": 7, "id": "x", "team": "3", "deaths": -1});
        assert_eq!(event("player_active", data), GameReport::Active(ann));
        assert_eq!(
            event("player_chat", json!({"userid": 2})),
            GameReport::Other
        );
        assert_eq!(event("later", json!({"userid": 2})), GameReport::Other);
    }

    #[test]
    fn lists_and_names_are_bounded() {
        let name = "ä".repeat(1_000);
        let all = (1..1_000).map(|userid| json!({"userid": userid, "name": name}));
        let list = json!({"map": name, "players": all.collect::<Vec<_>>()});
        let GameReport::Heartbeat {
            map: Some(map),
            players: Some(players),
            guard: None,
        } = GameReport::read(FromGame::Heartbeat(list))
        else {
            panic!("no heartbeat")
        };
        assert_eq!(players.len(), limits::PLAYERS_MAX);
        let names = players.iter().filter_map(|player| player.name.as_ref());
        for text in names.chain([&map]) {
            assert_eq!(text.chars().count(), limits::PLAYER_TEXT_CHARS_MAX);
        }
        let none = GameReport::read(FromGame::Heartbeat(json!({"players": 7})));
        let expected = GameReport::Heartbeat {
            map: None,
            players: None,
            guard: None,
        };
        assert_eq!(none, expected);
    }

    #[test]
    fn bots_are_marked_by_their_id_or_by_themselves() {
        for (data, bot) in [
            (json!({"userid": 2, "id": "BOT"}), Some(true)),
            (json!({"userid": 2, "bot": true}), Some(true)),
            (
                json!({"userid": 2, "id": "[U:1:5]", "bot": false}),
                Some(false),
            ),
            (json!({"userid": 2, "id": "[U:1:5]"}), None),
        ] {
            let GameReport::Spawned(player) = event("player_spawn", data) else {
                panic!("no player")
            };
            assert_eq!((player.bot, player.alive), (bot, Some(true)));
        }
    }
}
