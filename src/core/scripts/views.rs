//! Players and servers, as scripts see them.

use serde_json::{Value, json};

use super::Cx;
use crate::core::context::About;
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::protocol::game_report::PlayerReport;

/// A player on a server, as hooks get them; null for a userid that is not there.
pub fn player(server: ServerId, userid: i64, cx: &Cx<'_>) -> Value {
    let game = cx.servers.get(server);
    let person = game.and_then(|game| game.roster.person(userid));
    person.map_or(Value::Null, brief)
}

/// The player that an event is about: as they are known, else as the event has it.
pub fn known_or(
    server: ServerId,
    known: Option<&Person>,
    about: &PlayerReport,
    cx: &Cx<'_>,
) -> Value {
    match known.map_or_else(|| player(server, about.userid, cx), brief) {
        Value::Null => json!({
            "userid": about.userid,
            "name": about.name.as_deref().unwrap_or_default(),
            "steam": about.steam,
            "bot": about.bot.unwrap_or(false),
            "team": about.team.unwrap_or(0),
        }),
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

/// All players of a server, with all that is known.
pub fn players(server: ServerId, cx: &Cx<'_>) -> Value {
    let people = cx.servers.get(server).map(|game| game.roster.people());
    let people = people.into_iter().flatten();
    people.map(|person| whole(server, person, cx)).collect()
}

fn whole(server: ServerId, person: &Person, cx: &Cx<'_>) -> Value {
    let about = about(server, person, cx);
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

/// What is known of a player besides the game. Admins are those of the configuration, too.
pub fn about(server: ServerId, person: &Person, cx: &Cx<'_>) -> About {
    let Some(steam) = person.steam else {
        return About::default();
    };
    let directory = cx.directory;
    let known = directory.and_then(|directory| directory.about(server, steam, cx.now));
    let mut about = known.unwrap_or_default();
    about.admin |= cx.config.admins.contains(&steam);
    about
}

/// A game server.
pub fn server(id: ServerId, uptime_s: Option<u64>, cx: &Cx<'_>) -> Value {
    let Some(game) = cx.servers.get(id) else {
        return Value::Null;
    };
    let host = cx.servers.host(id).and_then(|host| cx.hosts.get(host));
    let (bots, players): (Vec<_>, Vec<_>) = game.roster.people().partition(|one| one.bot);
    json!({
        "id": id.0,
        "name": game.label,
        "host": host.map(|host| host.name.as_str()),
        "map": game.roster.map(),
        "max_players": game.roster.max_players(),
        "players": players.len(),
        "bots": bots.len(),
        "uptime_s": uptime_s,
        "connected": cx.servers.host(id).is_some(),
        "rcon": cx.servers.has_rcon(id),
    })
}
