//! What scripts request: answered at once where it can be, else when the result of a call, of a game or of a
//! console is there.
//!
//! A call becomes one like those of games, so that permissions, deadlines and the order of the database are the
//! same.

use ::core::net::IpAddr;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::events::Events;
use super::{Cx, Message, events};
use crate::config::GAME_ACTIONS;
use crate::core::Effect;
use crate::core::accepted_file::{AcceptedFile, Proof, Route};
use crate::core::deadlines::Expiring;
use crate::core::ids::{Caller, RequestId, RunId, ScriptId, ServerId, Source, Ticket};
use crate::core::message;
use crate::core::roster::Person;
use crate::core::servers::GameServer;
use crate::core::trace::Traced;
use crate::limits;
use crate::protocol::call::Call;
use crate::protocol::call_error::CallError;
use crate::protocol::console::{Command, cvar_value, plain, quoted};
use crate::protocol::control::CallRequest;
use crate::protocol::geoip;
use crate::protocol::player_text::without_colours;
use crate::protocol::redact::ShownArgs;
use crate::protocol::script_channel::{self as channel, Request};
use crate::protocol::signed::messages::{Place, Push};
use crate::protocol::steam_id::SteamId;

/// The answer to a request; `None`: it comes later.
type Answer = Result<Option<Value>, CallError>;

/// How the result of what was sent to a game or a console is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    AsItIs,
    /// What a console replied, if it is a text.
    Reply,
    /// The value of a console variable.
    Cvar,
    /// The country of a place.
    Country,
    /// That it was done.
    Nothing,
}

#[derive(Default)]
pub struct Requests {
    /// How many of a process have no answer.
    open: BTreeMap<RunId, usize>,
    /// What was sent to a game or a console.
    sent: Expiring<RequestId, Form>,
    /// Scripts of which nothing runs until a function of another one has returned.
    blocked: BTreeMap<ScriptId, Blocked>,
    /// What operators see of those that have no answer, where they traced when these came.
    traced: BTreeMap<RequestId, TracedRequest>,
    /// Of the last call: see [`Source::Channel`].
    last_source: u64,
}

/// A request that operators see when it has its answer.
struct TracedRequest {
    traced: Traced,
    args: ShownArgs,
    began_ms: u64,
}

/// What a script waits for, so that nothing else of it runs.
struct Blocked {
    request: RequestId,
    /// Whose function it is, and its full name.
    by: ScriptId,
    function: String,
}

impl Requests {
    /// `number`: behind those of all calls of scripts before.
    pub fn start(number: u64) -> Self {
        Self {
            last_source: number,
            ..Self::default()
        }
    }

    pub fn on_request(
        &mut self,
        script: ScriptId,
        run: RunId,
        request: Request,
        events: &Events,
        cx: &mut Cx<'_>,
    ) {
        let id = RequestId {
            script,
            run,
            number: request.number,
        };
        self.trace(id, &request, cx);
        let open = self.open.entry(run).or_default();
        *open += 1;
        let answer = match *open > limits::SCRIPT_REQUESTS_MAX {
            true => fail("QueueFull", "it waits for too much already"),
            false => self.carry_out(id, request, events, cx),
        };
        if let Some(answer) = answer.transpose() {
            self.answer(id, answer.map(|value| value.to_string()), cx);
        }
    }

    /// Answers a request, with JSON text.
    pub fn answer(&mut self, id: RequestId, answer: Result<String, CallError>, cx: &mut Cx<'_>) {
        if cx.scripts.run(id.script) != Some(id.run) {
            return;
        }
        if let Some(open) = self.open.get_mut(&id.run) {
            *open = open.saturating_sub(1);
        }
        if self
            .blocked
            .get(&id.script)
            .is_some_and(|it| it.request == id)
        {
            self.blocked.remove(&id.script);
        }
        if let Some(request) = self.traced.remove(&id) {
            trace_answer(request, &answer, cx);
        }
        let message = match answer {
            Ok(json) => channel::answer(id.number, &json),
            Err(error) => channel::answer_error(id.number, &error.reason, &error.detail),
        };
        cx.scripts[id.script].queue.send(&message);
    }

    /// What was sent to a game or a console has its result.
    pub fn completed(&mut self, id: RequestId, result: Result<Value, CallError>, cx: &mut Cx<'_>) {
        if let Some(form) = self.sent.remove(id) {
            let value = result.and_then(|value| read(form, value));
            self.answer(id, value.map(|value| value.to_string()), cx);
        }
    }

    pub fn on_message(&mut self, message: &Message) {
        if let Message::ProcessEnded(_, run) = message {
            self.open.remove(run);
            self.blocked.retain(|_, it| it.request.run != *run);
            self.sent.remove_where(|id, _| id.run == *run);
            self.traced.retain(|id, _| id.run != *run);
        }
    }

    /// A game that has gone for good never answers, and a script must not wait for ever.
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((id, _)) = self.sent.pop_due(cx.now.mono_ms) {
            let detail = "the game has not answered in time; it may still do what was requested";
            self.answer(id, Err(CallError::new("Timeout", detail)), cx);
        }
    }

    pub fn next_due(&self) -> Option<u64> {
        self.sent.next_due()
    }

    /// Notes a request for operators who trace. A call of what is no function of the game is seen as a call.
    fn trace(&mut self, id: RequestId, request: &Request, cx: &Cx<'_>) {
        let Some(redactor) = cx.out.trace.redactor() else {
            return;
        };
        let args = request.args.as_ref();
        let called = args.and_then(|args| args.get("name")?.as_str());
        let is_call = request.what == "call";
        if is_call && called.is_some_and(|function| cx.functions.is_known(function)) {
            return;
        }
        let args = args.cloned().map_or(Value::Null, Value::Object);
        let args = redactor.args(&request.what, &args);
        let traced = Traced {
            what: "request",
            name: redactor.text(&request.what),
            server: request.server.or_else(|| only_server(cx)),
            script: cx.scripts[id.script].name.clone(),
            args: args.text.clone(),
            ..Traced::default()
        };
        let began_ms = cx.now.mono_ms;
        let request = TracedRequest {
            traced,
            args,
            began_ms,
        };
        self.traced.insert(id, request);
    }

    fn carry_out(
        &mut self,
        id: RequestId,
        request: Request,
        events: &Events,
        cx: &mut Cx<'_>,
    ) -> Answer {
        let args = Args(request.args.unwrap_or_default());
        if let Some(action) = action(&request.what, &args) {
            let file = cx.scripts[id.script].file();
            cx.functions.check_action(&file, action)?;
        }
        match request.what.as_str() {
            "call" => return self.call(id, args, request.server, request.blocks, cx),
            "send" => return send(id.script, &args, cx),
            "geoip" | "country" => {
                return self.locate(id, &request.what, request.server, &args, cx);
            }
            "servers" => {
                let all = cx.servers.iter();
                let up_s = |server| events.uptime_s(server, cx.now);
                let all = all.map(|(server, _)| events::server(server, up_s(server), cx));
                return Ok(Some(all.collect()));
            }
            _ => {}
        }
        let server = one_server(request.server, cx)?;
        match request.what.as_str() {
            "server" => {
                let up_s = events.uptime_s(server, cx.now);
                Ok(Some(events::server(server, up_s, cx)))
            }
            "players" => Ok(Some(events::players(server, cx))),
            "say" => show(server, None, &args, cx),
            "tell" => show(server, Some(userid(server, &args, cx)?), &args, cx),
            "tell_admins" => tell_admins(server, args.text("text")?, cx),
            "tell_all" => tell_all(server, &args, cx),
            "message" => {
                let (name, data) = (args.text("name")?.to_owned(), args.value("data"));
                self.push(id, server, Push::Message { name, data }, cx)
            }
            "hook" => {
                let (name, data) = (args.text("name")?.to_owned(), args.value("data"));
                if !data.is_object() {
                    return fail("ValueError", "a hook takes an object");
                }
                self.push(id, server, Push::Hook { name, data }, cx)
            }
            what => {
                let (command, form) = command(what, server, &args, cx)?;
                self.expect(id, form, cx);
                let ticket = Some(Ticket::Script(id));
                let sent = cx.servers.command(server, command, ticket, cx.out);
                sent.map(|()| None).map_err(|why| {
                    self.sent.remove(id);
                    CallError::new("ServerUnavailable", why.to_string())
                })
            }
        }
    }

    /// Where an address or a player comes from.
    fn locate(
        &mut self,
        id: RequestId,
        what: &str,
        server: Option<ServerId>,
        args: &Args,
        cx: &mut Cx<'_>,
    ) -> Answer {
        let given = args.value("of");
        let written = given.as_str().and_then(geoip::address);
        let address = match written {
            Some(address) => Some(address),
            None => {
                let person = person(one_server(server, cx)?, &given, cx);
                let Some(person) = person else {
                    let detail = "this is neither an address nor a player who is on the server";
                    return fail("PlayerUnknown", detail);
                };
                person.ip().map(IpAddr::V4)
            }
        };
        // Addresses of Steam's relays and of private networks are in no country.
        let Some(address) = address.filter(|address| !geoip::is_nowhere(*address)) else {
            return Ok(Some(Value::Null));
        };
        let form = if what == "country" {
            Form::Country
        } else {
            Form::AsItIs
        };
        self.expect(id, form, cx);
        let request = id;
        cx.out.effects.push(Effect::Locate { request, address });
        Ok(None)
    }

    /// Calls a function by its name: vpid's, a script's, or one of the game.
    fn call(
        &mut self,
        id: RequestId,
        args: Args,
        server: Option<ServerId>,
        blocks: bool,
        cx: &mut Cx<'_>,
    ) -> Answer {
        let wanted: CallArgs = serde_json::from_value(Value::Object(args.0))
            .or_else(|error| fail("ValueError", error.to_string()))?;
        let (function, positional) = (wanted.name, wanted.args);
        let kwargs = wanted.kwargs.filter(|kwargs| !kwargs.is_empty());
        let kwargs = kwargs.map_or(Value::Null, Value::Object);
        let server = server.or_else(|| only_server(cx));
        if !cx.functions.is_known(&function) {
            return self.call_game(id, function, positional, kwargs, server, cx);
        }
        if blocks
            && let Some((by, own)) = cx.functions.of_script(&function)
            && cx
                .functions
                .allows(&cx.scripts[id.script].file(), &function, true)
        {
            if by == id.script {
                let message = channel::own_function(id.number, own);
                self.run_by_itself(id, &message, cx);
                return Ok(None);
            }
            self.block(id, by, &function, cx)?;
        }
        let script = &cx.scripts[id.script];
        let call = Call {
            token: id.number.0.to_string(),
            function,
            args: positional,
            kwargs,
            callback: true,
            script: script.file(),
            timeout_ms: Some(script.settings.call_ms),
            sql_texts: false,
        };
        let route = Route::Script {
            request: id,
            server,
        };
        self.open(Caller::Script(id.script), route, call, cx);
        Ok(None)
    }

    /// An operator calls a function, as a script would.
    pub fn operator_call(&mut self, request: CallRequest, ticket: Ticket, cx: &mut Cx<'_>) {
        let Ticket::Operator(ticket) = ticket else {
            return;
        };
        let call = Call {
            token: ticket.to_string(),
            function: request.name,
            args: Vec::new(),
            kwargs: request.kwargs,
            callback: true,
            script: request.script,
            timeout_ms: Some(request.timeout_ms),
            sql_texts: request.sql_texts,
        };
        let server = only_server(cx);
        let route = Route::Operator { ticket, server };
        self.open(Caller::Operator, route, call, cx);
    }

    fn open(&mut self, caller: Caller, route: Route, call: Call, cx: &mut Cx<'_>) {
        let now = u64::try_from(cx.now.wall_s).unwrap_or(0) * 500_000;
        self.last_source = now.max(self.last_source + 1);
        let accepted = AcceptedFile {
            source: Source::Channel(self.last_source),
            caller,
            proof: Proof::None,
            route,
            recovered: false,
            text: Vec::new(),
            singles: vec![Ok(call).into()],
            chains: Vec::new(),
        };
        cx.out.send(message::Message::Open(Box::new(accepted)));
    }

    /// A script that waits for its own function would wait for ever.
    fn run_by_itself(&mut self, id: RequestId, message: &str, cx: &mut Cx<'_>) {
        if let Some(open) = self.open.get_mut(&id.run) {
            *open = open.saturating_sub(1);
        }
        cx.scripts[id.script].queue.send(message);
    }

    /// Notes that nothing of a script runs until this function of another one has returned. Fails where that one
    /// waits for the first in turn, directly or through others.
    fn block(
        &mut self,
        request: RequestId,
        by: ScriptId,
        function: &str,
        cx: &Cx<'_>,
    ) -> Result<(), CallError> {
        let name = |id: ScriptId| &cx.scripts[id].name;
        let mut chain = format!("{} waits for {function}", name(request.script));
        let mut last = by;
        while let Some(next) = self.blocked.get(&last) {
            chain += &format!(", {} for {}", name(last), next.function);
            last = next.by;
            if last == request.script {
                let detail = format!(
                    "{chain}: none of them could go on; make one of these functions async, with \
                     game.aio.call"
                );
                return fail("Deadlock", detail);
            }
        }
        let blocked = Blocked {
            request,
            by,
            function: function.to_owned(),
        };
        self.blocked.insert(request.script, blocked);
        Ok(())
    }

    fn call_game(
        &mut self,
        id: RequestId,
        function: String,
        mut args: Vec<Value>,
        kwargs: Value,
        server: Option<ServerId>,
        cx: &mut Cx<'_>,
    ) -> Answer {
        let has_function = |server: ServerId| {
            let host = cx.hosts.get(cx.servers.host(server)?)?;
            let game = host.link.as_ref()?.game.as_ref()?;
            game.functions.contains_key(&function).then_some(server)
        };
        let Some(server) = server.and_then(has_function) else {
            let detail =
                format!("neither vpid, a script nor the game has a function {function:.64}");
            return fail("UnknownFunction", detail);
        };
        // A function of the game takes one value.
        let args = match (kwargs, args.len()) {
            (Value::Null, 0) => Value::Null,
            (Value::Null, 1) => args.remove(0),
            (Value::Null, _) => Value::Array(args),
            (kwargs, 0) => kwargs,
            _ => {
                let detail = "a function of the game takes values with names, or without; not both";
                return fail("ValueError", detail);
            }
        };
        let file = cx.scripts[id.script].file();
        if !cx.functions.allows(&file, &function, true) {
            let advice = format!("add {function:?} to its list in [permissions]");
            return fail(
                "PermissionError",
                format!("{file} may not call it; {advice}"),
            );
        }
        self.push(id, server, Push::Call { function, args }, cx)
    }

    /// Sends something to the game script of a server.
    fn push(&mut self, id: RequestId, server: ServerId, push: Push, cx: &mut Cx<'_>) -> Answer {
        let Some(host) = cx.servers.host(server) else {
            let detail = "no script of this game is connected";
            return fail("ServerUnavailable", detail);
        };
        let is_call = matches!(push, Push::Call { .. });
        let form = if is_call { Form::AsItIs } else { Form::Nothing };
        self.expect(id, form, cx);
        cx.out.push(host, push, Some(Ticket::Script(id)));
        Ok(None)
    }

    fn expect(&mut self, id: RequestId, form: Form, cx: &Cx<'_>) {
        let patience_ms = cx.scripts[id.script].settings.call_ms;
        let due_ms = cx.now.mono_ms + patience_ms;
        self.sent.insert(id, form, due_ms);
    }
}

/// A request that operators see has its answer.
fn trace_answer(request: TracedRequest, answer: &Result<String, CallError>, cx: &mut Cx<'_>) {
    if let Some(redactor) = cx.out.trace.redactor() {
        let took_ms = cx.now.mono_ms.saturating_sub(request.began_ms);
        let traced = Traced {
            took_us: Some(took_ms * 1_000),
            outcome: Some(redactor.result(Some(&request.args), answer)),
            ..request.traced
        };
        cx.out.trace.push(traced);
    }
}

/// The name that `[permissions]` has for a request. None for calls, whose functions have names of their own, and for
/// what only reads.
fn action(what: &str, args: &Args) -> Option<&'static str> {
    let shows = matches!(what, "say" | "tell" | "tell_all");
    let name = match what {
        _ if shows && args.text("place").is_ok_and(|place| place == "center") => "center",
        what => what,
    };
    let mut names = GAME_ACTIONS.iter().map(|(name, _)| *name);
    names.find(|action| action.strip_prefix("game.") == Some(name))
}

fn fail<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, CallError> {
    Err(CallError::new(reason, detail))
}

/// What is done by a command of the console, and how its result is read.
fn command(
    what: &str,
    server: ServerId,
    args: &Args,
    cx: &Cx<'_>,
) -> Result<(Command, Form), CallError> {
    let line = match what {
        "kick" => {
            let userid = userid(server, args, cx)?;
            let userid = i32::try_from(userid).unwrap_or(0);
            // Scripts put together what players read, out of what players wrote.
            let reason = without_colours(args.given_text("reason")?.unwrap_or_default());
            let reason = plain(&reason, limits::KICK_REASON_BYTES_MAX);
            return Ok((Command::Kick { userid, reason }, Form::Nothing));
        }
        "command" => {
            let line = args.text("line")?.to_owned();
            return Ok((Command::Console(line), Form::Reply));
        }
        "cvar" if !cx.servers.has_rcon(server) => {
            let detail = "console variables are read by RCON, which this server has not";
            return fail("ServerUnavailable", detail);
        }
        "cvar" => return Ok((Command::Console(args.word("name")?), Form::Cvar)),
        "set_cvar" => {
            let value = quoted(args.text("value")?)
                .or_else(|unfit| fail("ValueError", format!("the value {unfit}")))?;
            format!("{} {value}", args.word("name")?)
        }
        "change_map" => format!("changelevel {}", args.word("map")?),
        what => {
            let detail = format!("vpid has nothing that is called {what:?}");
            return fail("UnknownFunction", detail);
        }
    };
    Ok((Command::Console(line), Form::Nothing))
}

/// What a script gets of a result.
fn read(form: Form, value: Value) -> Result<Value, CallError> {
    match (form, value) {
        (Form::AsItIs, value) => Ok(value),
        (Form::Country, value) => Ok(value["country"].clone()),
        (Form::Reply, Value::String(text)) => Ok(text.into()),
        (Form::Reply | Form::Nothing, _) => Ok(Value::Null),
        (Form::Cvar, value) => match value.as_str().and_then(cvar_value) {
            Some(value) => Ok(value.into()),
            None => fail("GameError", "the game knows no such variable"),
        },
    }
}

/// Sends a message to other scripts.
fn send(from: ScriptId, args: &Args, cx: &mut Cx<'_>) -> Answer {
    const HOOK: &str = "OnMessage";
    let (to, name) = (args.given_text("to")?, args.text("name")?);
    let sender = cx.scripts[from].name.as_str();
    let args = [sender.into(), name.into(), args.value("data")];
    let event = channel::event(HOOK, None, &args);
    let mut reached = 0;
    for id in cx.scripts.ids() {
        let script = &mut cx.scripts[id];
        let is_meant = to.map_or(id != from, |to| script.name == to);
        if is_meant && cx.hooks.has(id, HOOK) {
            reached += u64::from(script.push_event(event.clone()));
        }
    }
    Ok(Some(reached.into()))
}

fn show(server: ServerId, to: Option<i64>, args: &Args, cx: &mut Cx<'_>) -> Answer {
    let Some(place) = Place::parse(args.given_text("place")?.unwrap_or("chat")) else {
        return fail("ValueError", "`place` is chat, center or console");
    };
    if cx.servers.host(server).is_none() && !cx.servers.has_rcon(server) {
        let detail = "there is no RCON, and no script of this game is connected";
        return fail("ServerUnavailable", detail);
    }
    let text = shown(args.text("text")?);
    cx.servers.show(server, to, text, place, cx.out);
    Ok(Some(Value::Null))
}

/// A text for players. The colours of the chat are control characters.
fn shown(text: &str) -> String {
    let fits = |c: char| !c.is_control() || ('\u{1}'..='\u{8}').contains(&c);
    text.chars().filter(|c| fits(*c)).collect()
}

fn tell_admins(server: ServerId, text: &str, cx: &mut Cx<'_>) -> Answer {
    let is_admin = |person: &Person, cx: &Cx<'_>| events::about(server, person, cx).admin;
    tell_each(server, &shown(text), is_admin, cx)
}

/// A line in the chat of each player on the server of whom something is true; answers how many there are.
fn tell_each(
    server: ServerId,
    text: &str,
    is_meant: impl Fn(&Person, &Cx<'_>) -> bool,
    cx: &mut Cx<'_>,
) -> Answer {
    let people = cx.servers.get(server).map(|game| game.roster.people());
    let people = people.into_iter().flatten();
    let meant = people.filter(|person| is_meant(person, cx));
    let meant: Vec<i64> = meant.map(|person| person.userid).collect();
    for userid in &meant {
        let to = Some(*userid);
        cx.servers
            .show(server, to, text.to_owned(), Place::Chat, cx.out);
    }
    Ok(Some(meant.len().into()))
}

/// Tells all who are in everything that the arguments name: a team, a group, the admins or all others, some players.
fn tell_all(server: ServerId, args: &Args, cx: &mut Cx<'_>) -> Answer {
    let text = shown(args.text("text")?);
    let team = args.given(
        "team",
        "a whole number: 1 spectator, 2 RED, 3 BLU",
        whole_number,
    )?;
    let admins = args.given("admins", "true or false", Value::as_bool)?;
    let group = args.given_text("group")?;
    let wanted = args.given("players", "a list of players", Value::as_array)?;
    let wanted: Option<Vec<i64>> = wanted.map(|all| {
        let people = all.iter().filter_map(|one| person(server, one, cx));
        people.map(|person| person.userid).collect()
    });
    let is_meant = |person: &Person, cx: &Cx<'_>| {
        let about = events::about(server, person, cx);
        let of_group = |group: &str| about.groups.iter().any(|name| name == group);
        !person.bot
            && team.is_none_or(|team| person.team == team)
            && admins.is_none_or(|admins| about.admin == admins)
            && group.is_none_or(of_group)
            && wanted
                .as_ref()
                .is_none_or(|all| all.contains(&person.userid))
    };
    tell_each(server, &text, is_meant, cx)
}

/// A whole number; Python may have it as a float.
fn whole_number(value: &Value) -> Option<i64> {
    let float = value.as_f64().filter(|number| number.fract() == 0.0);
    value.as_i64().or(float.map(|number| number as i64))
}

fn only_server(cx: &Cx<'_>) -> Option<ServerId> {
    let mut servers = cx.servers.iter().map(|(server, _)| server);
    let first = servers.next()?;
    servers.next().is_none().then_some(first)
}

fn one_server(wanted: Option<ServerId>, cx: &Cx<'_>) -> Result<ServerId, CallError> {
    match wanted.or_else(|| only_server(cx)) {
        Some(server) if cx.servers.get(server).is_some_and(GameServer::exists) => Ok(server),
        Some(_) => fail("ValueError", "there is no such server"),
        None => {
            let names = cx.servers.iter().map(|(_, game)| game.label.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            let detail = format!("there are several servers; say which: {names}");
            fail("ValueError", detail)
        }
    }
}

/// The player that a value means: a userid (7 or `#7`), or a SteamID in any form, also as a number.
fn person<'a>(server: ServerId, given: &Value, cx: &'a Cx<'_>) -> Option<&'a Person> {
    let roster = &cx.servers.get(server)?.roster;
    match given {
        Value::Number(number) if number.as_i64()? <= i64::from(u32::MAX) => {
            roster.person(number.as_i64()?)
        }
        Value::Number(number) => roster.by_steam(number.to_string().parse().ok()?),
        Value::String(text) => match text.strip_prefix('#') {
            Some(userid) => roster.person(userid.parse().ok()?),
            None => roster.by_steam(text.parse::<SteamId>().ok()?),
        },
        _ => None,
    }
}

/// The player that `player` means.
fn userid(server: ServerId, args: &Args, cx: &Cx<'_>) -> Result<i64, CallError> {
    match person(server, &args.value("player"), cx) {
        Some(person) => Ok(person.userid),
        None => fail("PlayerUnknown", "this player is not on the server"),
    }
}

#[derive(Deserialize)]
struct CallArgs {
    name: String,
    args: Vec<Value>,
    kwargs: Option<Map<String, Value>>,
}

/// Arguments by name.
struct Args(Map<String, Value>);

impl Args {
    fn value(&self, key: &str) -> Value {
        self.0.get(key).cloned().unwrap_or_default()
    }

    fn text(&self, key: &str) -> Result<&str, CallError> {
        let text = self.0.get(key).and_then(Value::as_str);
        text.ok_or_else(|| CallError::new("ValueError", format!("`{key}` must be a text")))
    }

    /// What may be missing or null. What is of another kind than `read` takes is an error that says `kind`, and is not
    /// as if it were missing.
    fn given<'a, T>(
        &'a self,
        key: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, CallError> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => fail("ValueError", format!("`{key}` must be {kind}")),
            },
        }
    }

    fn given_text(&self, key: &str) -> Result<Option<&str>, CallError> {
        self.given(key, "a text", Value::as_str)
    }

    /// One word of a console command, such as the name of a variable or of a map.
    fn word(&self, key: &str) -> Result<String, CallError> {
        let word = self.text(key)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        match (1..=limits::CALL_NAME_BYTES_MAX).contains(&word.len()) && word.chars().all(fits) {
            true => Ok(word.to_owned()),
            false => fail(
                "ValueError",
                format!("`{key}` has letters, digits, and _ - . / only"),
            ),
        }
    }
}
