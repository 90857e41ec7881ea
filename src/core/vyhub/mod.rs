//! VyHub's game client: registration, status, bans, warnings and the commands for them.
//!
//! Each subject is a file with its own small state. What happens comes in by four entrances
//! (`start`, the timer, something seen in a game, an answer), changes that state, and then
//! [`Vyhub::advance`] does whatever is due. So no order of answers, timers and restarts can leave
//! something undone.

mod about;
mod accepting;
mod api;
mod bans;
mod calls;
pub mod commands;
mod compare;
pub mod find;
mod groups;
mod known_rights;
mod operator;
mod orders;
mod questions;
pub mod rights;
mod sending;
mod served;
mod status;
mod tell;
mod users;
pub mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use serde_json::json;

use super::Timer;
use super::context::Context as Cx;
use super::message::{GameEvent, Message};
use super::outbox::{EntryId, Outbox};
use super::servers::ServerId;
use crate::config::Config;
use crate::protocol::signed::messages::Place;
use crate::protocol::steam_id::SteamId;
use crate::protocol::store::{Content, Found, Shelf, Written};
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{BanList, Done, Failure};

use api::{Api, Kept, News, Purpose};
use bans::Bundle;
use known_rights::KnownRights;
use orders::Orders;
use questions::Questions;
use sending::Way;
use served::Served;
use users::Users;
use words::Words;

pub use calls::{FUNCTIONS, VyhubCall, parse_call};

pub struct Vyhub {
    words: Words,
    prefixes: Vec<String>,
    api: Api,
    served: Vec<Served>,
    bundles: BTreeMap<Uuid, Bundle>,
    /// Lists of an earlier run whose bundles nobody has named yet.
    kept_bans: HashMap<Uuid, BanList>,
    /// Bundles whose list under way may be older than a change.
    refresh_soon: BTreeSet<Uuid>,
    users: Users,
    rights: KnownRights,
    outbox: Outbox,
    /// Entries that are on their way.
    ways: HashMap<EntryId, Way>,
    /// How often VyHub did not know what an entry is about.
    unknown: HashMap<EntryId, u32>,
    /// Warnings that were made in this run, the oldest first.
    warnings_sent: VecDeque<Uuid>,
    /// What players were called in the game when they were banned, the newest last.
    banned_names: VecDeque<(SteamId, String)>,
    orders: Orders,
    /// Entries whose issuers know that they wait.
    told_queued: HashSet<EntryId>,
    questions: Questions,
    calls: calls::Waiting,
    group_calls: groups::GroupCalls,
    /// Where players find VyHub's pages.
    frontend: Option<String>,
    /// Whether everybody has to be looked at again.
    enforce_all: bool,
    kick_due_ms: Option<u64>,
    timer_ms: Option<u64>,
}

impl Vyhub {
    /// `None`: no server is VyHub's. `seed`: another one for each vpid.
    pub fn start(config: &Config, found: Found, seed: u64, cx: &mut Cx<'_>) -> Option<Self> {
        let vyhub = config.vyhub.as_ref()?;
        let ids = cx
            .servers
            .iter()
            .filter_map(|(server, game)| Some((server, game.vyhub?)));
        let served: Vec<Served> = ids.map(|(server, id)| Served::new(server, id)).collect();
        if served.is_empty() {
            return None;
        }
        let (outbox, strangers) = Outbox::restore(&found.outbox, seed);
        let mut client = Self {
            words: Words::new(vyhub.messages.clone(), vyhub.time_zone.clone()),
            prefixes: vyhub.prefixes.clone(),
            api: Api::new(),
            served,
            bundles: BTreeMap::new(),
            kept_bans: HashMap::new(),
            refresh_soon: BTreeSet::new(),
            users: Users::default(),
            rights: KnownRights::default(),
            outbox,
            ways: HashMap::new(),
            unknown: HashMap::new(),
            warnings_sent: VecDeque::new(),
            banned_names: VecDeque::new(),
            orders: Orders::default(),
            told_queued: HashSet::new(),
            questions: Questions::default(),
            calls: calls::Waiting::default(),
            group_calls: groups::GroupCalls::default(),
            frontend: None,
            enforce_all: true,
            kick_due_ms: None,
            timer_ms: None,
        };
        client.each_life_cycle("vyhub_loading_start", cx);
        for (name, why) in strangers {
            log::error!("outbox/{name}.json is set aside, and the change in it is not sent: {why}");
            client
                .api
                .write(Shelf::Outbox, name, Some(Content::SetAside), None, cx.out);
        }
        client.restore_cache(found, cx);
        let open = client.outbox.open_count();
        if open > 0 {
            log::info!("{open} changes of an earlier run are to be sent to VyHub");
        }
        client.each_life_cycle("vyhub_loading_finish", cx);
        client.advance(cx);
        Some(client)
    }

    fn each_life_cycle(&self, name: &str, cx: &mut Cx<'_>) {
        for served in &self.served {
            self.life_cycle(served.server, name, json!({}), cx);
        }
    }

    fn restore_cache(&mut self, found: Found, cx: &mut Cx<'_>) {
        for (name, list) in found.bans {
            let bundle = name.strip_prefix("bans-").and_then(|id| id.parse().ok());
            self.kept_bans.extend(bundle.map(|bundle| (bundle, list)));
        }
        for (name, text) in found.cache {
            let read = if name == known_rights::DOCUMENT {
                KnownRights::restore(&text).map(|rights| self.rights = rights)
            } else {
                let of = |served: &&mut Served| name == Served::document(served.id);
                match self.served.iter_mut().find(of) {
                    Some(served) => served.restore(&text, cx.now),
                    None => Ok(()),
                }
            };
            if let Err(why) = read {
                log::warn!("vyhub/{name}.json is passed over: {why}; it is fetched again");
            }
        }
    }

    /// The timer has rung.
    pub fn timer_rang(&mut self, cx: &mut Cx<'_>) {
        self.timer_ms = None;
        self.advance(cx);
    }

    /// Something was seen on a server.
    pub fn happened(&mut self, server: ServerId, event: GameEvent, cx: &mut Cx<'_>) {
        match event {
            GameEvent::MapStarted => self.state_soon(server, cx),
            GameEvent::SessionBegan => self.greet_session(server, cx),
            GameEvent::Chat(speaker, text) => self.heard(server, speaker, &text, false, cx),
            GameEvent::HeldChat(speaker, text) => self.heard(server, speaker, &text, true, cx),
        }
        self.advance(cx);
    }

    /// An answer of VyHub.
    pub fn answered(&mut self, done: Done, cx: &mut Cx<'_>) {
        let Some(purpose) = self.api.answered(&done) else {
            return;
        };
        let outcome = done.outcome;
        if self.api.learn(&outcome, cx.now) == News::There {
            self.outbox.encourage(cx.now);
            self.users.hurry(cx.now.mono_ms);
        }
        match purpose {
            Purpose::Record(server) => self.record_answered(server, outcome, cx),
            Purpose::Bundle(server) => self.bundle_answered(server, outcome, cx),
            Purpose::Frontend(server) => self.frontend_answered(server, outcome, cx),
            Purpose::State(server) => self.state_answered(server, &outcome, cx),
            Purpose::List(bundle) => self.list_answered(bundle, outcome, cx),
            Purpose::User(steam) => self.user_answered(steam, false, outcome, cx),
            Purpose::NewUser(steam) => self.user_answered(steam, true, outcome, cx),
            Purpose::Groups(steam, bundle) | Purpose::Properties(steam, bundle) => {
                self.rights_answered(steam, bundle, outcome, cx);
            }
            Purpose::Compare(id, page) => self.compared(id, page, outcome, cx),
            Purpose::Send(id) => self.sent(id, outcome, cx),
            Purpose::Question(number) => self.question_answered(number, outcome, cx),
            Purpose::Group(number) => self.group_answered(number, outcome, cx),
        }
        self.advance(cx);
    }

    /// The disk has taken something, or not.
    pub fn written(&mut self, written: Written, cx: &mut Cx<'_>) {
        match self.api.written(written.ticket) {
            Some(Kept::Accepted(id)) => self.accepted(id, written.result, cx),
            Some(Kept::Ended(id)) => {
                self.outbox.recorded(id, written.result.is_ok(), cx.now);
            }
            Some(Kept::Marked(id)) => self.marked(id, written.result, cx),
            Some(Kept::List(bundle, asked_ms)) => {
                self.list_kept(bundle, asked_ms, written.result.is_ok(), cx);
            }
            None => return,
        }
        self.advance(cx);
    }

    /// Does whatever is due, and sets the timer for what comes next.
    pub fn advance(&mut self, cx: &mut Cx<'_>) {
        self.greet(cx);
        self.fetch_records(cx);
        self.use_caches(cx);
        self.fetch_lists(cx);
        self.tell_states(cx);
        self.look_users_up(cx);
        self.look_rights_up(cx);
        self.send_changes(cx);
        self.expire_orders(cx);
        self.expire_questions(cx);
        self.expire_calls(cx);
        self.expire_group_calls(cx);
        let kick = self
            .kick_due_ms
            .is_some_and(|due_ms| due_ms <= cx.now.mono_ms);
        if self.enforce_all || kick {
            self.enforce(cx);
        }
        self.set_timer(cx);
    }

    /// Whoever is new on a server is looked up, and looked at.
    fn greet(&mut self, cx: &mut Cx<'_>) {
        for at in 0..self.served.len() {
            let server = self.served[at].server;
            let Some(game) = cx.servers.get_mut(server) else {
                continue;
            };
            let arrived = game.roster.drain_arrivals();
            drop(game.roster.drain_departures());
            self.enforce_all |= game.roster.take_newly_confirmed();
            for userid in arrived {
                self.enforce_all = true;
                let person = cx
                    .servers
                    .get(server)
                    .and_then(|game| game.roster.person(userid));
                let Some((steam, name)) = person.and_then(|p| Some((p.steam?, p.name.clone())))
                else {
                    continue;
                };
                let data = json!({"userid": userid, "id": steam, "name": name});
                self.hook(server, "vyhub_ply_connected", data, cx);
                match self.users.get(steam) {
                    Some(_) => self.user_known(steam, cx),
                    None => self.users.want(steam, cx.now.mono_ms),
                }
            }
        }
    }

    /// Somebody is known as a user of VyHub now.
    fn user_known(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        let Some(user) = self.users.get(steam).cloned() else {
            return;
        };
        let there: Vec<(ServerId, i64)> = cx.servers.find(steam).collect();
        for (server, userid) in there {
            let Some(served) = self.served(server) else {
                continue;
            };
            if let Some(bundle) = served.bundle() {
                self.rights.want(steam, bundle);
            }
            let data = json!({
                "userid": userid,
                "id": steam,
                "user_id": user.id,
                "username": user.username,
                "admin": user.admin,
            });
            self.hook(server, "vyhub_ply_initialized", data, cx);
        }
        self.ways_of_user(steam, cx);
        self.questions_of_user(steam, cx);
        self.calls_of_user(steam, Ok(&user), cx);
        self.group_calls_of_user(steam, user.id, cx);
    }

    /// Somebody cannot be looked up now.
    fn user_failed(&mut self, steam: SteamId, failure: &Failure, cx: &mut Cx<'_>) {
        self.ways_failed(steam, failure, cx);
        self.questions_failed(steam, cx);
        self.calls_of_user(steam, Err(failure), cx);
        self.group_calls_failed(steam, failure, cx);
        let bundles: Vec<Uuid> = self.bundles.keys().copied().collect();
        for bundle in bundles {
            if self.rights.is_wanted(steam, bundle) && self.users.get(steam).is_none() {
                self.rights.give_up(steam, bundle);
                self.rights_failed(steam, bundle, cx);
            }
        }
    }

    fn rights_known(&mut self, steam: SteamId, bundle: Uuid, cx: &mut Cx<'_>) {
        self.ways_of_issuer(steam, bundle, false, cx);
        self.orders_of_giver(steam, bundle, cx);
    }

    fn rights_failed(&mut self, steam: SteamId, bundle: Uuid, cx: &mut Cx<'_>) {
        self.ways_of_issuer(steam, bundle, true, cx);
        self.orders_of_giver(steam, bundle, cx);
    }

    /// Says something to somebody, wherever they play.
    fn say(&self, steam: SteamId, text: &str, cx: &mut Cx<'_>) {
        let there = cx.servers.find(steam).next();
        if let Some((server, userid)) = there {
            cx.servers
                .say(server, Some(userid), text, Place::Chat, cx.out);
        }
    }

    fn set_timer(&mut self, cx: &mut Cx<'_>) {
        let lists = self.bundles.values().filter(|bundle| bundle.is_idle());
        let dues = [
            self.served.iter().filter_map(Served::due_ms).min(),
            lists.map(|bundle| bundle.due_ms).min(),
            self.users.due_ms(),
            self.outbox.due_ms(),
            self.orders.due_ms(),
            self.questions.due_ms(),
            self.calls.due_ms(),
            self.group_calls.due_ms(),
            self.kick_due_ms,
        ];
        let next_ms = dues.into_iter().flatten().min();
        if next_ms != self.timer_ms {
            self.timer_ms = next_ms;
            cx.out.timer(Timer::Vyhub, next_ms);
        }
    }
}
