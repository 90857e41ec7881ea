//! The community around the game servers: users, bans, warnings, groups, as a backend (VyHub) keeps them.
//!
//! Each subject is a file that owns its state and has the entrances of [`Subject`]. What several subjects
//! read (servers' records, users and rights, lists of bans, the outbox) is in [`Cx`] and changed by the
//! file that it belongs to. Subjects talk by [`Message`]s. Whatever has happened, all of them
//! then get to `advance`, which does whatever is due: so no order of replies, timers and restarts can leave
//! something undone.

mod adverts;
mod backend;
mod bans;
mod changes;
mod clock;
mod commands;
mod directory;
mod functions;
mod groups;
mod history;
mod links;
mod login;
mod observe;
pub mod orders;
mod pace;
mod playtime;
mod questions;
mod records;
mod rewards;
pub mod rights;
mod slots;
mod status;
mod targets;
mod template;
#[cfg(test)]
mod tests;
mod unsaid;
mod warnings;
mod words;

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::context::{self, About, Context};
use super::ids;
use super::message::{self, GameEvent, NotDone};
use super::outbox::{Change, EntryId, List, Outbox, QueueError};
use super::output::Output;
use super::roster::Person;
use super::servers::{NotSent, ServerId, Servers};
use super::{Effect, Now, Timer};
use crate::config::{self, Config};
use crate::jobs::CallId;
use crate::jobs::store::{Content, Found, Shelf, StoreError, Write, Written};
use crate::protocol::backend::{Done, Failure, Reply, Request, Topics};
use crate::protocol::call_error::CallError;
use crate::protocol::console::Command as ConsoleCommand;
use crate::protocol::control::{QueueRequest, RewardsRequest};
use crate::protocol::log_targets::log_server;
use crate::protocol::signed::messages::{Place, Push};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

use backend::Backend;
use bans::addresses::AddressLists;
use bans::lists::Lists;
use commands::{Call, Chat, Order, Player};
use directory::Directory;
use records::Records;
use unsaid::Unsaid;
use words::{Problem, Words};

pub use functions::not_of_it;
pub use orders::{FUNCTIONS, VyhubCall, parse_call};
pub use slots::wrong_option;
pub use words::short_id;

/// The backend's answer to a request.
type Answer = Result<Reply, Failure>;

/// What a part of the community does when something happens.
trait Subject {
    /// By which it recognizes the replies to its requests, and what was stored for it.
    type Ticket;

    fn configure(&mut self, _config: &config::Community) {}
    /// A document that an earlier run has cached.
    fn restore(&mut self, _name: &str, _text: &str, _cx: &mut Cx<'_>) -> serde_json::Result<()> {
        Ok(())
    }
    fn on_message(&mut self, _message: &Message, _cx: &mut Cx<'_>) {}
    fn on_reply(&mut self, _ticket: Self::Ticket, _reply: Answer, _cx: &mut Cx<'_>) {}
    fn on_stored(
        &mut self,
        _ticket: Self::Ticket,
        _result: Result<(), StoreError>,
        _cx: &mut Cx<'_>,
    ) {
    }
    /// A console has run a command, or not.
    fn on_command(
        &mut self,
        _ticket: Self::Ticket,
        _result: Result<String, NotDone>,
        _cx: &mut Cx<'_>,
    ) {
    }
    /// Does whatever is due.
    fn advance(&mut self, _cx: &mut Cx<'_>) {}
    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        None
    }
}

macro_rules! subjects {
    ($($Name:ident $field:ident: $Subject:ty,)*) => {
        #[derive(Default)]
        struct Subjects {
            $($field: $Subject,)*
        }

        /// Whose request it is: the reply goes there and nowhere else.
        #[expect(dead_code, reason = "some subjects request and store nothing")]
        enum Ticket {
            $($Name(<$Subject as Subject>::Ticket),)*
        }

        impl Subjects {
            fn configure(&mut self, config: &config::Community) {
                $(self.$field.configure(config);)*
            }

            fn restore(&mut self, name: &str, text: &str, cx: &mut Cx<'_>) {
                $(if let Err(why) = self.$field.restore(name, text, cx) {
                    let [_, folder, _] = cx.backend.keeper.folders();
                    log::warn!("{folder}/{name}.json is passed over: {why}; it is fetched again");
                })*
            }

            fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
                $(self.$field.on_message(message, cx);)*
            }

            fn on_reply(&mut self, ticket: Ticket, reply: Answer, cx: &mut Cx<'_>) {
                match ticket {
                    $(Ticket::$Name(ticket) => self.$field.on_reply(ticket, reply, cx),)*
                }
            }

            /// A request has its reply, or is given up.
            fn answered(&mut self, done: Done, cx: &mut Cx<'_>) {
                let Some(replied) = cx.backend.learn(&done, cx.now) else {
                    return;
                };
                self.on_reply(replied.ticket, done.outcome.result, cx);
                if replied.accepted {
                    cx.send(Message::KeyAccepted);
                }
            }

            fn on_stored(&mut self, ticket: Ticket, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
                match ticket {
                    $(Ticket::$Name(ticket) => self.$field.on_stored(ticket, result, cx),)*
                }
            }

            fn on_command(&mut self, ticket: Ticket, result: Result<String, NotDone>, cx: &mut Cx<'_>) {
                match ticket {
                    $(Ticket::$Name(ticket) => self.$field.on_command(ticket, result, cx),)*
                }
            }

            fn advance(&mut self, cx: &mut Cx<'_>) {
                $(self.$field.advance(cx);)*
            }

            fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
                [$(self.$field.next_due(cx),)*].into_iter().flatten().min()
            }
        }
    };
}

// All subjects, in the order in which they advance.
subjects! {
    Directory directory: directory::Lookups,
    Records records: records::Fetches,
    Lists lists: bans::lists::Fetches,
    Addresses addresses: bans::addresses::Addresses,
    Status status: status::Status,
    Changes changes: changes::Changes,
    Commands commands: commands::Commands,
    History history: history::History,
    Functions functions: functions::Functions,
    Groups groups: groups::Groups,
    Warnings warnings: warnings::Warnings,
    Bans bans: bans::Bans,
    Adverts adverts: adverts::Adverts,
    Playtime playtime: playtime::Playtimes,
    Links links: links::Links,
    Slots slots: slots::Slots,
    Logins logins: login::Logins,
    Rewards rewards: rewards::Rewards,
}

/// What subjects report to each other, and what happened on a server.
enum Message {
    MapStarted(ServerId),
    /// The game script of a server has a new session.
    SessionBegan(ServerId),
    Chat(Chat),
    /// A player with this userid is known as a user from now on.
    Initialized(ServerId, i64),
    /// A player whose id was known has left.
    Left(ServerId, Box<Person>),
    /// Those of a userid, as far as the game's script reports them.
    Spawned(ServerId, i64),
    /// By the engine's log, or where that does not come, by the game's script.
    Died(ServerId, i64),
    /// Carry this out: its issuer has the right.
    Order(Order),
    /// A player wants to know how things are.
    StateWanted(Player),
    /// The backend accepts the key again.
    KeyAccepted,
    /// A user is known now, or cannot be looked up.
    User(SteamId),
    NoUser(SteamId, Failure),
    /// Rights in a bundle are known afresh, or cannot be fetched.
    Rights(SteamId, Uuid),
    NoRights(SteamId, Uuid),
    /// An entry of the outbox is on disk, and counts from now on.
    Accepted(EntryId),
    /// The list of this bundle that was requested at this moment of the daemon's clock has come, or not.
    Fetched(List, Uuid, u64, bool),
    /// A list that is on disk has every such change of this bundle that was done before this moment of the
    /// daemon's clock.
    Listed(List, Uuid, u64),
    /// What is known of these is old: it was changed in the backend.
    Changed(Topics),
    /// A server has another name or other options than before.
    RecordChanged,
    /// Who is banned, or on a server, may not be as it was.
    BansChanged,
    /// vpid is about to end.
    Stopping,
    /// The result of the report of a reward on a server, by their ids.
    Reported(Uuid, Uuid, rewards::Reported),
}

/// What subjects work with.
struct Cx<'a> {
    servers: &'a mut Servers,
    now: Now,
    out: &'a mut Output,
    words: &'a Words,
    backend: &'a mut Backend,
    records: &'a mut Records,
    directory: &'a mut Directory,
    lists: &'a mut Lists,
    addresses: &'a mut AddressLists,
    outbox: &'a mut Outbox,
    unsaid: &'a mut Unsaid,
    messages: &'a mut VecDeque<Message>,
}

impl Cx<'_> {
    fn send(&mut self, message: Message) {
        self.messages.push_back(message);
    }

    fn request(&mut self, ticket: Ticket, request: Request) {
        self.backend.request(ticket, request, self.now);
    }

    /// Keeps a document on disk, or removes it. With a ticket, its subject gets the result.
    fn store(
        &mut self,
        shelf: Shelf,
        name: String,
        content: Option<Content>,
        ticket: Option<Ticket>,
    ) {
        let ticket = ticket.map(|ticket| self.backend.ticket(ticket));
        self.out.effects.push(Effect::Store(Box::new(Write {
            ticket,
            shelf,
            name,
            content,
        })));
    }

    /// Runs a command on a server's console; its subject gets the result, unless it could not be sent at all.
    fn command(
        &mut self,
        server: ServerId,
        command: ConsoleCommand,
        ticket: Ticket,
    ) -> Result<(), NotSent> {
        let number = self.backend.ticket(ticket);
        let to_us = Some(ids::Ticket::Community(number));
        let sent = self.servers.command(server, command, to_us, self.out);
        if sent.is_err() {
            self.backend.take(number);
        }
        sent
    }

    /// Where a player is: on this server, or else on another.
    fn find(&self, server: Option<ServerId>, steam: SteamId) -> Option<(ServerId, i64)> {
        let places = self.servers.find(steam);
        places.min_by_key(|(place, _)| Some(*place) != server)
    }

    /// Says something to a player on the server where it was ordered, or wherever they play now.
    fn say(&mut self, server: Option<ServerId>, steam: SteamId, text: &str) {
        let Some((server, userid)) = self.find(server, steam) else {
            return self.say_later(server, steam, text);
        };
        self.servers
            .say(server, Some(userid), text, Place::Chat, self.out);
    }

    /// Says something to the player who has written a command.
    fn answer(&mut self, player: &Player, key: &str, values: &[(&str, &str)]) {
        let text = self.words.chat(key, values);
        self.say(Some(player.server), player.steam, &text);
    }

    /// Calls a hook of game scripts and Python scripts. Addresses in its data are for Python scripts only.
    fn hook(&mut self, server: ServerId, name: &str, data: Value) {
        let name = name.to_owned();
        if let Some(host) = self.servers.host(server) {
            let (name, mut data) = (name.clone(), data.clone());
            if let Some(data) = data.as_object_mut()
                && let Some(address) = data.remove(Change::HOOK_ADDRESS)
                && data.get("name") == Some(&address)
            {
                data.insert("name".to_owned(), Value::Null);
            }
            self.out.push(host, Push::Hook { name, data }, None);
        }
        self.out.send(message::Message::Hook { server, name, data });
    }

    /// Reports to scripts that the state folder is read, or was.
    fn loading(&mut self, server: ServerId, name: &str) {
        log_server!(debug, self.label(server), "{name}");
        self.hook(server, name, json!({}));
    }

    fn label(&self, server: ServerId) -> &str {
        self.servers.get(server).map_or("", |game| &game.label)
    }

    /// Responds to a call.
    fn respond(&mut self, call: CallId, response: Result<Value, CallError>) {
        self.out.respond(call, response);
    }

    /// An order was not carried out.
    fn refuse(&mut self, order: &Order, problem: &Problem) {
        let text = self.words.problem(problem);
        match (&order.call, &order.player) {
            (Some(call), _) => {
                let error = match problem.key {
                    "player_higher" => {
                        CallError::new("PermissionError", "the player ranks higher than the issuer")
                    }
                    "group_higher" => CallError::new("PermissionError", text),
                    "groups_unknown" | "rank_unknown" | "addresses_none" => {
                        self.backend.keeper.unavailable(&text)
                    }
                    _ => CallError::new("ValueError", text),
                };
                self.respond(call.id, Err(error));
            }
            (None, Some(player)) => self.say(Some(player.server), player.steam, &text),
            (None, None) => {}
        }
    }

    /// The time by the backend's clock, unix seconds.
    fn time_s(&self) -> i64 {
        self.backend.time_s(self.now)
    }
}

pub struct Community {
    words: Words,
    backend: Backend,
    records: Records,
    directory: Directory,
    lists: Lists,
    addresses: AddressLists,
    outbox: Outbox,
    unsaid: Unsaid,
    messages: VecDeque<Message>,
    subjects: Subjects,
    timer_ms: Option<u64>,
}

impl Community {
    /// `None`: no server is part of a community. `seed`: another one for each vpid.
    pub fn start(config: &Config, found: Found, seed: u64, cx: &mut Context<'_>) -> Option<Self> {
        let settings = config.community.as_ref()?;
        let keeper = settings.keeper();
        let records = Records::new(cx.servers);
        if records.all().is_empty() {
            return None;
        }
        let (mut outbox, unreadable) = Outbox::restore(&found.outbox, seed, cx.now);
        if keeper.knows_additions() {
            outbox.send_playtime_together();
        }
        let mut community = Self {
            words: Words::new(settings),
            backend: Backend::new(keeper, seed),
            records,
            directory: Directory::default(),
            lists: Lists::restore(found.bans),
            addresses: AddressLists::default(),
            outbox,
            unsaid: Unsaid::default(),
            messages: VecDeque::new(),
            subjects: Subjects::default(),
            timer_ms: None,
        };
        community.subjects.configure(settings);
        let (subjects, mut inner) = community.open(cx);
        let servers: Vec<ServerId> = inner.records.all().iter().map(|it| it.server).collect();
        for server in &servers {
            inner.loading(*server, "vyhub_loading_start");
        }
        for (name, why) in unreadable {
            let [folder, ..] = keeper.folders();
            log::error!("{folder}/{name}.json is renamed, and the change in it is not sent: {why}");
            inner.store(Shelf::Outbox, name, Some(Content::SetAside), None);
        }
        for (name, text) in found.cache {
            subjects.restore(&name, &text, &mut inner);
        }
        subjects.rewards.start(found.rewards, &mut inner);
        let open = inner.outbox.open_count();
        if open > 0 {
            log::info!("{open} changes of an earlier run wait to be sent to {keeper}");
        }
        for server in servers {
            inner.loading(server, "vyhub_loading_finish");
        }
        community.advance(cx);
        Some(community)
    }

    fn open<'b>(&'b mut self, cx: &'b mut Context<'_>) -> (&'b mut Subjects, Cx<'b>) {
        let context = Cx {
            servers: cx.servers,
            now: cx.now,
            out: cx.out,
            words: &self.words,
            backend: &mut self.backend,
            records: &mut self.records,
            directory: &mut self.directory,
            lists: &mut self.lists,
            addresses: &mut self.addresses,
            outbox: &mut self.outbox,
            unsaid: &mut self.unsaid,
            messages: &mut self.messages,
        };
        (&mut self.subjects, context)
    }

    pub fn timer_rang(&mut self, cx: &mut Context<'_>) {
        self.timer_ms = None;
        self.advance(cx);
    }

    /// vpid is about to end: saves what is only in memory.
    pub fn stop(&mut self, cx: &mut Context<'_>) {
        self.messages.push_back(Message::Stopping);
        self.advance(cx);
    }

    /// Something was seen on a server.
    pub fn happened(&mut self, server: ServerId, event: GameEvent, cx: &mut Context<'_>) {
        let chat = |speaker, text, held| {
            Message::Chat(Chat {
                server,
                speaker,
                text,
                held,
            })
        };
        self.messages.push_back(match event {
            GameEvent::MapStarted => Message::MapStarted(server),
            GameEvent::SessionBegan => Message::SessionBegan(server),
            GameEvent::Chat(speaker, text) => chat(speaker, text, false),
            GameEvent::HeldChat(speaker, text) => chat(speaker, text, true),
        });
        self.advance(cx);
    }

    /// The backend's reply.
    pub fn answered(&mut self, done: Done, cx: &mut Context<'_>) {
        let (subjects, mut inner) = self.open(cx);
        subjects.answered(done, &mut inner);
        self.advance(cx);
    }

    /// Somebody has changed something in the backend, which says so of itself.
    pub fn changed(&mut self, topics: Topics, cx: &mut Context<'_>) {
        self.messages.push_back(Message::Changed(topics));
        self.advance(cx);
    }

    /// Something is on disk, or could not be written.
    pub fn written(&mut self, written: Written, cx: &mut Context<'_>) {
        let (subjects, mut inner) = self.open(cx);
        let Some(ticket) = inner.backend.take(written.ticket) else {
            return;
        };
        subjects.on_stored(ticket, written.result, &mut inner);
        self.advance(cx);
    }

    /// A console has run a command, or not.
    pub fn command_done(
        &mut self,
        number: u64,
        result: Result<String, NotDone>,
        cx: &mut Context<'_>,
    ) {
        let (subjects, mut inner) = self.open(cx);
        if let Some(ticket) = inner.backend.take(number) {
            subjects.on_command(ticket, result, &mut inner);
            self.advance(cx);
        }
    }

    /// The server of a call whose caller names none.
    ///
    /// # Errors
    ///
    /// A `ValueError` with the servers, where it depends on the server what the call means.
    pub fn server_for(&self, call: &VyhubCall, servers: &Servers) -> Result<ServerId, CallError> {
        functions::server_for(call, self.backend.keeper, &self.records, servers)
    }

    /// A script calls a function. `due_ms`: until when its caller waits, on the daemon's clock.
    pub fn call(
        &mut self,
        id: CallId,
        server: ServerId,
        call: VyhubCall,
        due_ms: u64,
        cx: &mut Context<'_>,
    ) {
        let (subjects, mut inner) = self.open(cx);
        let waiting = Call { id, due_ms };
        subjects.functions.call(waiting, server, call, &mut inner);
        self.advance(cx);
    }

    /// What an operator requests of the outbox.
    pub fn queue(
        &mut self,
        request: &QueueRequest,
        cx: &mut Context<'_>,
    ) -> Result<Value, QueueError> {
        let (subjects, mut inner) = self.open(cx);
        let mut reply = subjects.changes.operate(request, &mut inner)?;
        reply["keeper"] = inner.backend.keeper.to_string().into();
        self.advance(cx);
        Ok(reply)
    }

    /// What an operator requests of rewards.
    pub fn rewards(
        &mut self,
        request: &RewardsRequest,
        cx: &mut Context<'_>,
    ) -> Result<Value, String> {
        let (subjects, mut inner) = self.open(cx);
        let reply = subjects.rewards.operate(request, &mut inner)?;
        self.advance(cx);
        Ok(reply)
    }

    /// Delivers messages and does whatever is due, until nothing is left, and sends what the pace allows; then
    /// sets the timer for what comes next.
    pub fn advance(&mut self, cx: &mut Context<'_>) {
        let (subjects, mut inner) = self.open(cx);
        inner.say_unsaid();
        loop {
            while let Some(message) = inner.messages.pop_front() {
                subjects.on_message(&message, &mut inner);
            }
            subjects.advance(&mut inner);
            let (jobs, given_up, overdue) = inner.backend.release(inner.now);
            let effects = jobs.into_iter().map(|job| Effect::Api(Box::new(job)));
            inner.out.effects.extend(effects);
            if inner.messages.is_empty() && given_up.is_empty() && overdue.is_empty() {
                break;
            }
            for done in overdue {
                subjects.answered(done, &mut inner);
            }
            for ticket in given_up {
                let keeper = inner.backend.keeper;
                let why = match inner.backend.is_reachable() {
                    true => format!("its turn to be sent to {keeper} did not come in time"),
                    false => format!("{keeper} is left alone for now"),
                };
                let failure = Failure::unsent(&why);
                subjects.on_reply(ticket, Err(failure), &mut inner);
            }
        }
        let due_ms = [subjects.next_due(&inner), inner.backend.pace.next_due()];
        let next_ms = due_ms.into_iter().flatten().min();
        if next_ms != self.timer_ms {
            self.timer_ms = next_ms;
            cx.out.timer(Timer::Vyhub, next_ms);
        }
    }
}

impl context::Directory for Community {
    fn about(&self, server: ServerId, steam: SteamId, now: Now) -> Option<About> {
        let bundle = self.records.bundle(server)?;
        Some(self.directory.about(steam, bundle, now))
    }

    fn is_administrator(&self, server: ServerId, steam: SteamId, now: Now) -> bool {
        let bundle = self.records.bundle(server);
        bundle.is_some_and(|bundle| self.directory.is_administrator(steam, bundle, now))
    }
}
