//! What players say, and what the engine says of players: in its log, and as events. Scripts reach both
//! by `Say`, `SendGlobalGameEvent`, and inputs of entities.
//!
//! As in Valve's published code of the game (`Host_Say`, `EventLog.cpp`, `tf_eventlog.cpp`): the log is
//! written by a listener of the events, so an event of a script is logged as one of the engine is.

use std::net::{SocketAddr, UdpSocket};

use game_vm::{Call, Value, Vm};
use serde_json::json;

use super::events;
use super::world::{EntityId, Later, Player, Shared, World};

/// What the engine keeps of a line.
const LINE_BYTES_MAX: usize = 1_023;
/// Of `death_flags`: a spy feigns death.
pub const FEIGNED: i64 = 32;
const DATE: &str = "L 11/20/2026 - 08:00:00: ";

/// Where the log goes by UDP, as by `logaddress_add`.
pub struct LogAddress {
    socket: UdpSocket,
    to: SocketAddr,
    secret: String,
}

impl LogAddress {
    pub fn new(to: SocketAddr, secret: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let secret = secret.into();
        Self { socket, to, secret }
    }
}

impl World {
    /// Writes a line into the log.
    pub fn log(&mut self, line: &[u8]) {
        let mut whole = [DATE.as_bytes(), line, b"\n"].concat();
        whole.truncate(LINE_BYTES_MAX);
        if let Some(log) = &self.log {
            let head = match log.secret.as_str() {
                "" => "R".to_string(),
                secret => format!("S{secret}"),
            };
            let packet = [b"\xff\xff\xff\xff", head.as_bytes(), &whole, b"\0"].concat();
            // It may be that no script listens, as for an engine.
            let _ = log.socket.send_to(&packet, log.to);
        }
        self.logged.push(whole);
    }

    /// None where the world killed: that is another line, which no test needs.
    fn death_line(
        &self,
        victim: &Player,
        attacker: i64,
        weapon: &[u8],
        feigned: bool,
    ) -> Option<Vec<u8>> {
        let attacker = self.by_userid(attacker)?;
        let attacker = shown(attacker, team_name(attacker.team));
        let victim = shown(victim, team_name(victim.team));
        let custom: &[u8] = match feigned {
            true => b" (customkill \"feign_death\")",
            false => b"",
        };
        let with = [b" with \"", weapon, b"\"", custom].concat();
        Some([&attacker, b" killed ".as_slice(), &victim, &with].concat())
    }

    fn by_userid(&self, userid: i64) -> Option<&Player> {
        self.players.get(&i32::try_from(userid).ok()?)
    }
}

/// A player as the log writes one.
fn shown(player: &Player, team: &str) -> Vec<u8> {
    let about = format!("<{}><{}><{team}>\"", player.userid, player.engine_id());
    [b"\"", player.name.as_slice(), about.as_bytes()].concat()
}

fn team_name(team: i32) -> &'static str {
    ["Unassigned", "Spectator", "Red", "Blue"]
        .get(team as usize)
        .unwrap_or(&"")
}

/// An event as the engine raises one, or a script by `SendGlobalGameEvent`: first the log, then scripts.
pub fn raise(world: &Shared, vm: &Vm, name: &str, table: &Value, fields: serde_json::Value) {
    let bytes = |key: &str| match table {
        Value::Object(table) => match vm.get(table, key) {
            Value::Text(text) => text.to_vec(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let number = |key: &str| fields[key].as_i64().unwrap_or(0);
    let userid = number("userid");
    let line = {
        let world = world.borrow();
        let player = world.by_userid(userid);
        let team = player.map_or("", |player| team_name(player.team));
        match name {
            "player_connect" => Some(
                [
                    b"\"".as_slice(),
                    &bytes("name"),
                    format!("<{userid}><").as_bytes(),
                    &bytes("networkid"),
                    b"><>\" connected, address \"",
                    &bytes("address"),
                    b"\"",
                ]
                .concat(),
            ),
            "player_disconnect" => Some(
                [
                    b"\"".as_slice(),
                    &bytes("name"),
                    format!("<{userid}><").as_bytes(),
                    &bytes("networkid"),
                    format!("><{team}>\" disconnected (reason \"").as_bytes(),
                    &bytes("reason"),
                    b"\")",
                ]
                .concat(),
            ),
            "player_activate" => {
                player.map(|player| [&shown(player, ""), b" entered the game".as_slice()].concat())
            }
            "player_changename" => player.map(|player| {
                let about = format!("<{}><{}><{team}>\"", player.userid, player.engine_id());
                [
                    b"\"".as_slice(),
                    &bytes("oldname"),
                    about.as_bytes(),
                    b" changed name to \"",
                    &bytes("newname"),
                    b"\"",
                ]
                .concat()
            }),
            "player_team" => player.map(|player| {
                let joined = format!(" joined team \"{}\"", team_name(number("team") as i32));
                [&shown(player, team), joined.as_bytes()].concat()
            }),
            "player_death" => player.and_then(|victim| {
                let feigned = number("death_flags") & FEIGNED != 0;
                world.death_line(victim, number("attacker"), &bytes("weapon"), feigned)
            }),
            _ => None,
        }
    };
    if let Some(line) = line {
        world.borrow_mut().log(&line);
    }
    events::fire_table(world, vm, name, table, fields);
}

/// What a script raises for all: numbers in events are text or numbers; truth values arrive as 0 and 1.
pub fn send_event(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let fields = call.object(1)?;
    let mut sent = serde_json::Map::new();
    for (key, value) in call.vm.entries(fields) {
        let value = match call.vm.to_json(&value) {
            serde_json::Value::Bool(truth) => u8::from(truth).into(),
            value => value,
        };
        sent.insert(call.vm.display(&key), value);
    }
    let table = call.argument(1).clone();
    raise(world, call.vm, &call.name(0)?, &table, sent.into());
    Ok(Value::Null)
}

/// `Host_Say`: a player, or the console, says something.
pub fn host_say(world: &Shared, vm: &Vm, userid: Option<i32>, text: &[u8], team: bool) {
    let verb = if team { "say_team" } else { "say" };
    {
        let mut world = world.borrow_mut();
        let who = match userid.and_then(|userid| world.players.get(&userid)) {
            Some(player) => shown(player, team_name(player.team)),
            None => b"\"Console<0><Console><Console>\"".to_vec(),
        };
        let said = format!(" {verb} \"");
        world.log(&[&who, said.as_bytes(), text, b"\""].concat());
    }
    let fields = json!({
        "userid": userid.unwrap_or(0), "priority": 1, "text": String::from_utf8_lossy(text),
    });
    let table = vm.from_json(&fields);
    if let Value::Object(table) = &table {
        vm.set(table, "text", &Value::Text(text.into()));
    }
    events::fire_table(world, vm, "player_say", &table, fields);
}

/// What the engine makes of the words of a script: they are cut into arguments as a line of the console
/// is, and a first one that is `say` counts as the command.
fn spoken(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (first, rest) = text.split_at(end.unwrap_or(text.len()));
    let bare = |word: &[u8]| -> Vec<u8> {
        let bare = word.strip_prefix(b"\"").unwrap_or(word);
        bare.strip_suffix(b"\"").unwrap_or(bare).to_vec()
    };
    let word = bare(first).to_ascii_lowercase();
    let words = match word.as_slice() {
        b"say" | b"say_team" => rest.trim_ascii(),
        _ => text,
    };
    let words = match words {
        [b'"', inner @ .., b'"'] => inner,
        words => words,
    };
    // The engine's own check takes these out.
    let kept = words.iter().filter(|byte| !b"\r\n\x1b".contains(byte));
    kept.copied().collect()
}

/// `Say(player, text, team)`.
pub fn say(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let text = spoken(&call.text(1)?);
    let team = match call.argument(2) {
        Value::Bool(team) => *team,
        other => other.as_int().unwrap_or(0) != 0,
    };
    let userid = {
        let world = world.borrow();
        let id = world.entity_of(call.vm, call.argument(0));
        id.and_then(|id| world.player_of(id))
            .map(|player| player.userid)
    };
    host_say(world, call.vm, userid, &text, team);
    Ok(Value::Null)
}

/// An input of an entity. A `point_clientcommand` lets the game of a player run a command; whether the
/// real one takes `say` is not known, so this one does. It comes back a tick later.
pub fn input(
    world: &Shared,
    vm: &Vm,
    to: EntityId,
    (input, param): (&str, &[u8]),
    activator: &Value,
) {
    let mut world = world.borrow_mut();
    let is_client_command = world
        .entities
        .get(&to)
        .is_some_and(|entity| entity.class == "point_clientcommand");
    let id = world.entity_of(vm, activator);
    let userid = id.and_then(|id| world.player_of(id)).map(|one| one.userid);
    let command = String::from_utf8_lossy(param).into_owned();
    let says = ["say ", "say_team "]
        .iter()
        .find_map(|verb| command.trim_start().strip_prefix(verb));
    if let (true, true, Some(userid), Some(said)) = (
        is_client_command,
        input.eq_ignore_ascii_case("Command"),
        userid,
        says,
    ) {
        let (due, said) = (world.tick + 1, said.trim().trim_matches('"').to_string());
        world.later.push((due, Later::Said(userid, said)));
    }
}

/// `EntFireByHandle(entity, input, parameter, delay, activator, caller)`.
pub fn fire_by_handle(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (name, param) = (call.name(1)?, call.text(2)?);
    let to = world.borrow().entity_of(call.vm, call.argument(0));
    if let Some(to) = to {
        input(world, call.vm, to, (&name, &param), call.argument(4));
    }
    Ok(Value::Null)
}

/// `DoEntFire(target, input, parameter, delay, activator, caller)`: the target by its name.
pub fn fire_by_name(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (target, name, param) = (call.name(0)?, call.name(1)?, call.text(2)?);
    let all: Vec<EntityId> = {
        let world = world.borrow();
        let named = world
            .entities
            .iter()
            .filter(|(_, entity)| entity.name.eq_ignore_ascii_case(&target) && !target.is_empty());
        named.map(|(id, _)| *id).collect()
    };
    for to in all {
        input(world, call.vm, to, (&name, &param), call.argument(4));
    }
    Ok(Value::Null)
}

/// `entity.AcceptInput(input, parameter, activator, caller)`.
pub fn accept_input(world: &Shared, call: &Call<'_>) -> Result<Value, String> {
    let (name, param) = (call.name(0)?, call.text(1)?);
    let to = world.borrow().entity_of(call.vm, &call.this);
    let to = to.ok_or("Accessed null instance")?;
    input(world, call.vm, to, (&name, &param), call.argument(2));
    Ok(true.into())
}
