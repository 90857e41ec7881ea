//! What scripts want: done at once where it can be, else handed on with a ticket.

use serde_json::{Map, Value, json};

use super::Scripts;
use super::requests::{Form, read};
use crate::core::context::Context;
use crate::core::ids::{Caller, RequestId, RunId, ScriptId, ServerId, Source, Ticket};
use crate::core::message::Message;
use crate::core::opening::{Opening, Proof, Route};
use crate::limits;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::console::{Command, plain, quoted};
use crate::protocol::script_channel::{self as channel, Ask};
use crate::protocol::signed::messages::{Place, Push};
use crate::protocol::steam_id::SteamId;

/// What becomes of a wish: an answer, or `None` when that comes later.
type Wish = Result<Option<Value>, CallError>;

impl Scripts {
    pub(super) fn ask(&mut self, script: ScriptId, run: RunId, ask: Ask, cx: &mut Context<'_>) {
        let key = RequestId {
            script,
            run,
            number: ask.id,
        };
        let asking = &mut self.all[script].asks;
        *asking += 1;
        let outcome = match *asking > limits::SCRIPT_ASKS_MAX {
            true => Err(CallError::new("QueueFull", "it waits for too much already")),
            false => self.wish(key, ask, cx),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(value)) => self.answered(key, Ok(value.to_string())),
            Err(error) => self.answered(key, Err(error)),
        }
    }

    /// The answer to something that a script has asked for, as JSON text.
    pub fn answered(&mut self, key: RequestId, outcome: Result<String, CallError>) {
        let Some(script) = self.all.get_mut(key.script) else {
            return;
        };
        if script.state.run() != Some(key.run) {
            return;
        }
        script.asks = script.asks.saturating_sub(1);
        script.tell(&match outcome {
            Ok(json) => channel::answer(key.number, &json),
            Err(error) => channel::answer_error(key.number, &error.reason, &error.detail),
        });
    }

    fn wish(&mut self, key: RequestId, ask: Ask, cx: &mut Context<'_>) -> Wish {
        let args = Args(ask.args);
        let at = |cx: &Context<'_>| one_server(ask.server, cx);
        match ask.what.as_str() {
            "call" => self.wants_call(key, args, ask.server, cx),
            "say" => say(at(cx)?, None, &args, cx),
            "tell" => {
                let server = at(cx)?;
                let userid = userid(server, &args, cx)?;
                say(server, Some(userid), &args, cx)
            }
            "tell_admins" => self.tell_admins(at(cx)?, args.text("text")?, cx),
            "players" => Ok(Some(self.players(at(cx)?, cx))),
            "server" => {
                let server = at(cx)?;
                Ok(Some(self.server(server, cx)))
            }
            "servers" => {
                let all = cx.servers.iter().map(|(server, _)| self.server(server, cx));
                Ok(Some(all.collect()))
            }
            "send" => self.send(key.script, &args),
            "message" => {
                let (name, data) = (args.text("name")?.to_owned(), args.value("data"));
                self.push(key, at(cx)?, Push::Message { name, data }, cx)
            }
            "hook" => {
                let (name, data) = (args.text("name")?.to_owned(), args.value("data"));
                if !data.is_object() {
                    return Err(CallError::new("ValueError", "a hook takes an object"));
                }
                self.push(key, at(cx)?, Push::Hook { name, data }, cx)
            }
            _ => self.wants_command(key, &ask.what, &args, at(cx)?, cx),
        }
    }

    /// What is done by a command of the console.
    fn wants_command(
        &mut self,
        key: RequestId,
        what: &str,
        args: &Args,
        server: ServerId,
        cx: &mut Context<'_>,
    ) -> Wish {
        let (command, form) = match what {
            "kick" => {
                let userid = userid(server, args, cx)?;
                let userid = i32::try_from(userid).unwrap_or(0);
                // Scripts put together what players read, out of what players wrote.
                let reason = args.text("reason").unwrap_or_default();
                let reason = plain(reason, limits::KICK_REASON_BYTES_MAX);
                (Command::Kick { userid, reason }, Form::Nothing)
            }
            "command" => (Command::Console(args.text("line")?.to_owned()), Form::Reply),
            "cvar" if !cx.servers.has_rcon(server) => {
                let detail = "console variables are read by RCON, which this server has not";
                return Err(CallError::new("ServerUnavailable", detail));
            }
            "cvar" => (Command::Console(args.word("name")?), Form::Cvar),
            "set_cvar" => {
                let value = quoted(args.text("value")?);
                let value = value
                    .map_err(|unfit| CallError::new("ValueError", format!("the value {unfit}")))?;
                let line = format!("{} {value}", args.word("name")?);
                (Command::Console(line), Form::Nothing)
            }
            "change_map" => {
                let line = format!("changelevel {}", args.word("map")?);
                (Command::Console(line), Form::Nothing)
            }
            what => {
                let detail = format!("vpid has nothing that is called {what:?}");
                return Err(CallError::new("UnknownFunction", detail));
            }
        };
        let number = self.begin_request(key, form, cx);
        let ticket = Some(Ticket::Script(number));
        let sent = cx.servers.command(server, command, ticket, cx.out);
        match sent {
            Ok(()) => Ok(None),
            Err(why) => {
                self.requests.take(number);
                Err(CallError::new("ServerUnavailable", why))
            }
        }
    }

    /// Calls a function by its name: vpid's, a script's, or one of the game.
    fn wants_call(
        &mut self,
        key: RequestId,
        mut args: Args,
        server: Option<ServerId>,
        cx: &mut Context<'_>,
    ) -> Wish {
        let function = args.text("name")?.to_owned();
        let positional = match args.take("args") {
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        let kwargs = match args.take("kwargs") {
            Value::Object(kwargs) if !kwargs.is_empty() => Value::Object(kwargs),
            _ => Value::Null,
        };
        if !cx.functions.is_known(&function) {
            return self.wants_game_call(key, function, positional, kwargs, server, cx);
        }
        let script = &self.all[key.script];
        let call = Call {
            token: key.number.to_string(),
            function,
            args: positional,
            kwargs,
            callback: true,
            script: script.file(),
            timeout_ms: Some(script.settings.call_ms),
            sql_texts: false,
        };
        let server = server.or_else(|| only_server(cx));
        let opening = Opening {
            source: self.next_source(cx),
            caller: Caller::Script(key.script),
            proof: Proof::None,
            route: Route::Script {
                request: key,
                server,
            },
            recovered: false,
            text: Vec::new(),
            singles: vec![Ok(call).into()],
            chains: Vec::new(),
        };
        cx.out.send(Message::Open(Box::new(opening)));
        Ok(None)
    }

    fn wants_game_call(
        &mut self,
        key: RequestId,
        function: String,
        mut args: Vec<Value>,
        kwargs: Value,
        server: Option<ServerId>,
        cx: &mut Context<'_>,
    ) -> Wish {
        let detail = format!("neither vpid, a script nor the game has a function {function:.64}");
        let unknown = || CallError::new("UnknownFunction", detail.clone());
        let Some(server) = server.or_else(|| only_server(cx)) else {
            return Err(unknown());
        };
        let host = cx.servers.host(server).and_then(|host| cx.hosts.get(host));
        let game = host.and_then(|host| host.link.as_ref()?.game.as_ref());
        if game.is_none_or(|game| !game.functions.contains_key(&function)) {
            return Err(unknown());
        }
        // A function of the game takes one value.
        let args = match (kwargs, args.len()) {
            (Value::Null, 0) => Value::Null,
            (Value::Null, 1) => args.remove(0),
            (Value::Null, _) => Value::Array(args),
            (kwargs, 0) => kwargs,
            _ => {
                let detail = "a function of the game takes values with names, or without; not both";
                return Err(CallError::new("ValueError", detail));
            }
        };
        let file = self.all[key.script].file();
        if !cx.functions.allows(&file, &function, true) {
            let detail = format!("{file} may not call it; see [permissions]");
            return Err(CallError::new("PermissionError", detail));
        }
        self.push(key, server, Push::Call { function, args }, cx)
    }

    /// Sends something to the script of a game.
    fn push(&mut self, key: RequestId, server: ServerId, push: Push, cx: &mut Context<'_>) -> Wish {
        let Some(host) = cx.servers.host(server) else {
            let detail = "no script of this game is connected";
            return Err(CallError::new("ServerUnavailable", detail));
        };
        let form = match push {
            Push::Call { .. } => Form::AsItIs,
            _ => Form::Nothing,
        };
        let number = self.begin_request(key, form, cx);
        cx.out.push(host, push, Some(Ticket::Script(number)));
        Ok(None)
    }

    /// By its number, a ticket of [`Ticket::Script`].
    fn begin_request(&mut self, key: RequestId, form: Form, cx: &Context<'_>) -> u64 {
        let patience_ms = self.all[key.script].settings.call_ms;
        let due_ms = cx.now.mono_ms + patience_ms;
        self.requests.begin(key, form, due_ms)
    }

    /// What a script sent to a game or a console has ended.
    pub fn completed(&mut self, number: u64, outcome: Result<Value, String>) {
        let Some((request, form)) = self.requests.take(number) else {
            return;
        };
        let outcome = outcome.map_err(|why| CallError::new("GameError", why));
        let value = outcome.and_then(|value| read(form, value));
        self.answered(request, value.map(|value| value.to_string()));
    }

    /// A game that has gone for good answers nothing any more, and a script must not wait for ever.
    pub(super) fn expire_requests(&mut self, cx: &Context<'_>) {
        while let Some(request) = self.requests.pop_due(cx.now) {
            let detail = "the game has not answered in time; it may still do what was asked";
            self.answered(request, Err(CallError::new("Timeout", detail)));
        }
    }

    /// A message from script to script.
    fn send(&mut self, from: ScriptId, args: &Args) -> Wish {
        let (to, name) = (args.text("to").ok(), args.text("name")?);
        let sender = self.all[from].name.clone();
        let text = channel::event(
            "OnMessage",
            None,
            &[sender.into(), name.into(), args.value("data")],
        );
        let mut reached = 0;
        for (id, script) in self.all.iter_mut() {
            let meant = to.map_or(id != from, |to| script.name == to);
            if meant && script.takes() && script.hooks.contains("OnMessage") {
                reached += u64::from(script.enqueue(text.clone()));
            }
        }
        Ok(Some(reached.into()))
    }

    fn tell_admins(&mut self, server: ServerId, text: &str, cx: &mut Context<'_>) -> Wish {
        let Some(game) = cx.servers.get(server) else {
            return Ok(Some(0.into()));
        };
        let people = game.roster.people();
        let admins = people.filter(|person| self.is_admin(server, person, cx));
        let admins: Vec<i64> = admins.map(|person| person.userid).collect();
        for userid in &admins {
            cx.servers
                .say(server, Some(*userid), text, Place::Chat, cx.out);
        }
        Ok(Some(admins.len().into()))
    }

    fn next_source(&mut self, cx: &Context<'_>) -> Source {
        let now = u64::try_from(cx.now.wall_s).unwrap_or(0) * 500_000;
        self.last_source = now.max(self.last_source + 1);
        Source::Channel(self.last_source)
    }
}

/// Arguments by name.
struct Args(Map<String, Value>);

impl Args {
    fn value(&self, key: &str) -> Value {
        self.0.get(key).cloned().unwrap_or_default()
    }

    fn take(&mut self, key: &str) -> Value {
        self.0.remove(key).unwrap_or_default()
    }

    fn text(&self, key: &str) -> Result<&str, CallError> {
        let text = self.0.get(key).and_then(Value::as_str);
        text.ok_or_else(|| CallError::new("ValueError", format!("`{key}` must be a text")))
    }

    /// One word of a console command, such as the name of a variable or of a map.
    fn word(&self, key: &str) -> Result<String, CallError> {
        let word = self.text(key)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        match (1..=limits::CALL_NAME_BYTES_MAX).contains(&word.len()) && word.chars().all(fits) {
            true => Ok(word.to_owned()),
            false => {
                let detail = format!("`{key}` has letters, digits, and _ - . / only");
                Err(CallError::new("ValueError", detail))
            }
        }
    }
}

fn only_server(cx: &Context<'_>) -> Option<ServerId> {
    let mut servers = cx.servers.iter().map(|(server, _)| server);
    let first = servers.next()?;
    servers.next().is_none().then_some(first)
}

fn one_server(wanted: Option<ServerId>, cx: &Context<'_>) -> Result<ServerId, CallError> {
    if let Some(server) = wanted {
        let known = cx.servers.get(server).map(|_| server);
        return known.ok_or_else(|| CallError::new("ValueError", "there is no such server"));
    }
    only_server(cx).ok_or_else(|| {
        let names = cx.servers.iter().map(|(_, game)| game.label.as_str());
        let names: Vec<&str> = names.collect();
        let detail = format!("there are several servers; say which: {}", names.join(", "));
        CallError::new("ValueError", detail)
    })
}

/// Whom `player` means: a userid, or a SteamID.
fn userid(server: ServerId, args: &Args, cx: &Context<'_>) -> Result<i64, CallError> {
    let roster = cx.servers.get(server).map(|game| &game.roster);
    let found = match args.value("player") {
        Value::Number(number) => {
            let userid = number.as_i64();
            userid.and_then(|userid| roster?.person(userid))
        }
        Value::String(text) => {
            let steam = text.parse::<SteamId>().ok();
            steam.and_then(|steam| roster?.by_steam(steam))
        }
        _ => None,
    };
    let found = found.map(|person| person.userid);
    found.ok_or_else(|| CallError::new("PlayerUnknown", "this player is not on the server"))
}

fn say(server: ServerId, to: Option<i64>, args: &Args, cx: &mut Context<'_>) -> Wish {
    if cx.servers.host(server).is_none() && !cx.servers.has_rcon(server) {
        let detail = "there is no RCON, and no script of this game is connected";
        return Err(CallError::new("ServerUnavailable", detail));
    }
    let place = args.text("place").unwrap_or("chat");
    let place = Place::parse(place)
        .ok_or_else(|| CallError::new("ValueError", "`place` is chat, center or console"))?;
    // The colours of the chat are control characters.
    let fits = |c: char| !c.is_control() || ('\u{1}'..='\u{8}').contains(&c);
    let text = args.text("text")?.chars().filter(|c| fits(*c)).collect();
    cx.servers.show(server, to, text, place, cx.out);
    Ok(Some(json!(null)))
}
