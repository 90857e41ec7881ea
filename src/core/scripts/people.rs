//! Players and servers, as scripts see them.

use serde_json::{Value, json};

use super::Scripts;
use crate::core::context::{About, Context};
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::protocol::steam_id::SteamId;

/// Somebody on a server, as hooks get them; null for nobody.
pub fn player(server: ServerId, userid: i64, cx: &Context<'_>) -> Value {
    let game = cx.servers.get(server);
    let person = game.and_then(|game| game.roster.person(userid));
    person.map_or(Value::Null, brief)
}

/// The player that an event is about: as they are known, else as the event has it.
pub fn known_or(server: ServerId, known: Option<&Person>, data: &Value, cx: &Context<'_>) -> Value {
    if let Some(person) = known {
        return brief(person);
    }
    let userid = data["userid"].as_i64().unwrap_or(0);
    match player(server, userid, cx) {
        Value::Null => {
            let id = data["id"].as_str().unwrap_or_default();
            let steam = id.parse::<SteamId>().ok();
            json!({
                "userid": userid,
                "name": data["name"].as_str().unwrap_or_default(),
                "steam": steam,
                "bot": data["bot"].as_bool().unwrap_or(id == "BOT"),
                "team": data["team"].as_i64().unwrap_or(0),
            })
        }
        known => known,
    }
}

fn brief(person: &Person) -> Value {
    json!({
        "userid": person.userid,
        "name": person.name,
        "steam": person.steam,
        "bot": person.bot,
        "team": person.team,
    })
}

impl Scripts {
    /// Everybody on a server, with all that is known.
    pub(super) fn players(&self, server: ServerId, cx: &Context<'_>) -> Value {
        let people = cx.servers.get(server).map(|game| game.roster.people());
        let people = people.into_iter().flatten();
        people
            .map(|person| self.whole(server, person, cx))
            .collect()
    }

    fn whole(&self, server: ServerId, person: &Person, cx: &Context<'_>) -> Value {
        let about = self.about(server, person, cx);
        let mut value = brief(person);
        value["id"] = person.steam.map(|steam| steam.steam3()).into();
        value["score"] = person.score.into();
        value["deaths"] = person.deaths.into();
        value["ping"] = person.ping.into();
        value["address"] = person.address.as_deref().into();
        value["alive"] = person.alive.into();
        value["seconds"] = person.connected_s(cx.now).into();
        value["admin"] = about.admin.into();
        value["user_id"] = about.user.map(|user| user.to_string()).into();
        value["groups"] = about.groups.into();
        value
    }

    /// What is known of somebody besides the game. Admins are those of the configuration, too.
    fn about(&self, server: ServerId, person: &Person, cx: &Context<'_>) -> About {
        let Some(steam) = person.steam else {
            return About::default();
        };
        let known = cx
            .directory
            .and_then(|directory| directory.about(server, steam, cx.now));
        let mut about = known.unwrap_or_default();
        about.admin |= self.config.admins.contains(&steam);
        about
    }

    /// A game server.
    pub(super) fn server(&self, server: ServerId, cx: &Context<'_>) -> Value {
        let Some(game) = cx.servers.get(server) else {
            return Value::Null;
        };
        let host = cx.servers.host(server).and_then(|host| cx.hosts.get(host));
        let (bots, players): (Vec<_>, Vec<_>) = game.roster.people().partition(|one| one.bot);
        json!({
            "id": server.0,
            "name": game.label,
            "host": host.map(|host| host.name.as_str()),
            "map": game.roster.map(),
            "max_players": game.roster.max_players(),
            "players": players.len(),
            "bots": bots.len(),
            "uptime_s": self.uptime_s(server, cx),
            "connected": cx.servers.host(server).is_some(),
            "rcon": cx.servers.has_rcon(server),
        })
    }

    /// Whether somebody on a server is one of its admins.
    pub(super) fn is_admin(&self, server: ServerId, person: &Person, cx: &Context<'_>) -> bool {
        self.about(server, person, cx).admin
    }
}
