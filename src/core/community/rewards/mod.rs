//! Rewards: what players have bought, and a server executes for them.
//!
//! 1. Fetched: each minute for all who are on, and for a player who has just come. Of a server whose type is
//!    `SOURCE` none are: the backend executes those itself by RCON, and all would be done twice.
//! 2. Due: by its event, of the list that is known then. `DIRECT` and `DISABLE` are due with each list.
//! 3. Recorded as running, on disk, before anything is sent (`records`). What is executed at each event needs no
//!    record.
//! 4. Executed, one after the other on each server (`run`). What was surely not sent is tried again; what may have
//!    been carried out is unclear, also after a crash, and follows the owner's policy.
//! 5. Recorded as executed, and reported by the outbox, as often as it takes.
//! 6. Remembered until the backend does not list it any more, and after that in case it comes back.

mod operator;
mod records;
mod run;
mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::{Answer, Cx, Message, Subject, Ticket};
use crate::config::{self, OnUnclear};
use crate::core::Now;
use crate::core::message::NotDone;
use crate::core::outbox::Change;
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::{Reply, Request, Reward, RewardEvent};
use crate::protocol::log_targets::log_server;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

use records::{Key, Records, State};
use run::Running;
use task::{Task, Unfit};

pub use records::Record;

/// The result of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    Done,
    /// The backend does not want it; with the reason.
    Refused(String),
    /// It could not be put into the outbox.
    NotKept,
}

/// So many of these, and others the next time.
fn in_turn(
    all: BTreeSet<(SteamId, Uuid)>,
    last: &mut Option<SteamId>,
    room: usize,
) -> Vec<(SteamId, Uuid)> {
    let is_later = |(steam, _): &&(SteamId, Uuid)| last.is_none_or(|last| *steam > last);
    let later = all.iter().filter(is_later);
    let before = all.iter().filter(|it| !is_later(it));
    let chosen: Vec<_> = later.chain(before).take(room).copied().collect();
    *last = chosen.last().map(|(steam, _)| *steam);
    chosen
}

/// A type of servers whose rewards the backend executes itself.
const EXECUTED_BY_BACKEND: &str = "SOURCE";

#[derive(Default)]
pub struct Rewards {
    settings: config::Rewards,
    records: Records,
    servers: BTreeMap<ServerId, Owed>,
    /// Why rewards are not executed that stay open.
    problems: HashMap<Key, Problem>,
    /// Of commands under way.
    last_number: u64,
    /// No report is put into the outbox before this.
    report_due_ms: u64,
    /// vpid is about to end: nothing more is begun.
    is_stopping: bool,
    /// Admins who know that some are unclear.
    notified: BTreeSet<SteamId>,
}

struct Problem {
    unfit: Unfit,
    again_ms: u64,
}

/// Rewards of the players of a server.
#[derive(Default)]
struct Owed {
    /// That rewards are refused here was reported.
    refused: bool,
    /// When the next round is.
    due_ms: u64,
    /// Players whose rewards to fetch, and the earliest time.
    wanted: BTreeSet<SteamId>,
    again_ms: u64,
    /// Whether those who are gone are still listed is to be looked up; and who was the last of them.
    looks_back: bool,
    last_gone: Option<SteamId>,
    /// Since when a list is under way, and of whom.
    under_way: Option<(u64, Vec<SteamId>)>,
    /// Who may have come, and whether their list has: then their `CONNECT` is due.
    came: BTreeMap<SteamId, bool>,
    /// For whom that was decided, by userid: a player comes once.
    decided: BTreeMap<SteamId, i64>,
    /// By event, and then in their order.
    lists: HashMap<SteamId, Vec<Arc<Reward>>>,
    queue: VecDeque<Task>,
    /// What is in the queue.
    queued: HashSet<Uuid>,
    running: Option<Running>,
    /// Nothing is sent before this.
    free_ms: u64,
    /// How often in a row nothing could be sent.
    failures: u32,
    /// That the queue is full was reported, and that a list was cut.
    full: bool,
    is_cut: bool,
    /// That spawns are not known here was reported, and that there is no RCON.
    no_spawns: bool,
    no_rcon: bool,
}

impl Owed {
    /// What a player is owed at an event.
    fn of(&self, steam: SteamId, event: RewardEvent) -> &[Arc<Reward>] {
        let list = self.lists.get(&steam).map_or(&[][..], Vec::as_slice);
        let begin = list.partition_point(|reward| reward.on < event);
        let end = list.partition_point(|reward| reward.on <= event);
        &list[begin..end]
    }

    /// So many rewards of a list had no room. Gives whether lists are cut from now on, if that is new. A list of some
    /// players says nothing of what was left out of others, as long as there is no room.
    fn cut_now(&mut self, left_out: usize) -> Option<bool> {
        let count: usize = self.lists.values().map(Vec::len).sum();
        let is_cut = left_out > 0 || (self.is_cut && count >= limits::REWARDS_MAX);
        let before = std::mem::replace(&mut self.is_cut, is_cut);
        (before != is_cut).then_some(is_cut)
    }

    /// Puts something into the queue that is not there yet.
    fn push(&mut self, task: Task) {
        if self.queue.len() >= limits::REWARD_QUEUE_MAX {
            if !std::mem::replace(&mut self.full, true) {
                log::error!(
                    "{} rewards are queued for one server, and no more are accepted; check that its console \
                     replies",
                    limits::REWARD_QUEUE_MAX
                );
            }
            return;
        }
        if self.queued.insert(task.reward.id) {
            self.queue.push_back(task);
        }
    }

    /// A list has come for these players. Gives how many of its rewards there was no room for.
    fn take(&mut self, users: &[SteamId], rewards: Vec<Reward>) -> usize {
        for steam in users {
            self.lists.remove(steam);
        }
        let asked: HashSet<SteamId> = users.iter().copied().collect();
        let mut count: usize = self.lists.values().map(Vec::len).sum();
        let mut left_out = 0;
        for reward in rewards {
            if asked.contains(&reward.steam) && count >= limits::REWARDS_MAX {
                left_out += 1;
            } else if asked.contains(&reward.steam) {
                count += 1;
                let list = self.lists.entry(reward.steam).or_default();
                list.push(Arc::new(reward));
            }
        }
        for steam in users {
            if let Some(list) = self.lists.get_mut(steam) {
                list.sort_by(|a, b| {
                    let of_event = a.order.total_cmp(&b.order).then(a.id.cmp(&b.id));
                    a.on.cmp(&b.on).then(of_event)
                });
            }
        }
        left_out
    }
}

pub enum Asked {
    List(ServerId),
    /// What runs there is recorded on disk.
    Marked(ServerId),
    /// A command, by its number.
    Command(ServerId, u64),
}

impl Subject for Rewards {
    type Ticket = Asked;

    fn configure(&mut self, config: &config::Community) {
        self.settings = config.rewards.clone();
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Initialized(server, userid) => self.initialized(*server, *userid, cx),
            Message::Left(server, person) => self.left(*server, person, cx),
            Message::Spawned(server, userid) => {
                self.happened(*server, *userid, RewardEvent::Spawn, cx);
            }
            Message::Died(server, userid) => {
                self.happened(*server, *userid, RewardEvent::Death, cx);
            }
            Message::Reported(reward, server, outcome) => {
                self.reported((*reward, *server), outcome, cx);
            }
            Message::Changed(topics) if topics.rewards || topics.members => {
                for owed in self.servers.values_mut() {
                    owed.due_ms = owed.due_ms.min(cx.now.mono_ms);
                }
            }
            Message::Rights(steam, _) => self.tell_admin(*steam, cx),
            Message::Stopping => self.stop(cx),
            _ => {}
        }
    }

    fn on_reply(&mut self, asked: Asked, reply: Answer, cx: &mut Cx<'_>) {
        if let Asked::List(server) = asked {
            self.listed_by_backend(server, reply, cx);
        }
    }

    fn on_stored(&mut self, asked: Asked, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        if let Asked::Marked(server) = asked {
            self.marked(server, result, cx);
        }
    }

    fn on_command(&mut self, asked: Asked, result: Result<String, NotDone>, cx: &mut Cx<'_>) {
        if let Asked::Command(server, number) = asked {
            self.command_done((server, number), result, cx);
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        let ready: Vec<(ServerId, Uuid)> = cx.records.ready().collect();
        for (server, bundle) in ready {
            if self.is_served(server, cx) {
                self.connect(server, cx);
                self.fetch(server, bundle, cx);
            }
        }
        let servers: Vec<ServerId> = self.servers.keys().copied().collect();
        for server in servers {
            self.run(server, cx);
        }
        self.report(cx);
    }

    fn next_due(&self, cx: &Cx<'_>) -> Option<u64> {
        let unreported = self.records.next_unreported();
        let report = unreported.map(|_| self.report_due_ms);
        let servers = self.servers.iter().flat_map(|(server, owed)| {
            let is_ready = cx.records.bundle(*server).is_some() && !owed.refused;
            let fetch =
                (is_ready && owed.under_way.is_none() && self.settings.enabled).then(|| {
                    let wanted = (!owed.wanted.is_empty()).then_some(owed.again_ms);
                    wanted.map_or(owed.due_ms, |again_ms| again_ms.min(owed.due_ms))
                });
            [fetch, owed.run_due_ms()]
        });
        servers.chain([report]).flatten().min()
    }
}

/// What the backend lists.
impl Rewards {
    /// Whether rewards are executed on a server.
    fn is_served(&mut self, server: ServerId, cx: &Cx<'_>) -> bool {
        let owed = self.servers.entry(server).or_default();
        let kind = cx.records.get(server).map_or("", |record| record.kind());
        let refused = kind.eq_ignore_ascii_case(EXECUTED_BY_BACKEND);
        if refused && !owed.refused && self.settings.enabled {
            log_server!(
                warn,
                cx.label(server),
                "no rewards are executed here: this server has the type {kind} in VyHub, which executes \
                 their commands itself over RCON; set the type to GMOD there"
            );
        }
        owed.refused = refused;
        self.settings.enabled && !refused
    }

    /// Requests the rewards of some players, if it is time to.
    fn fetch(&mut self, server: ServerId, bundle: Uuid, cx: &mut Cx<'_>) {
        let Some(owed) = self.servers.get_mut(&server) else {
            return;
        };
        if owed.under_way.is_some() {
            return;
        }
        let (Some(game), Some(record)) = (cx.servers.get(server), cx.records.get(server)) else {
            return;
        };
        let id = record.id;
        if owed.due_ms <= cx.now.mono_ms {
            owed.due_ms = cx.now.mono_ms + limits::VYHUB_ROUND_MS;
            let people = game.roster.people();
            owed.wanted.extend(people.filter_map(|person| person.steam));
            owed.looks_back = true;
        }
        if owed.again_ms > cx.now.mono_ms {
            return;
        }
        let known = |steam: &SteamId| Some((*steam, cx.directory.user(*steam)?.id));
        let on = owed.wanted.iter().filter_map(known);
        let mut users: Vec<(SteamId, Uuid)> = on.take(limits::REWARD_USERS_MAX).collect();
        let room = limits::REWARD_USERS_MAX - users.len();
        if room > 0 && std::mem::take(&mut owed.looks_back) {
            // Whether they are still listed shows when they are forgotten.
            let acknowledged = self.records.acknowledged(id);
            let gone = acknowledged.map(|(record, _)| (record.steam, record.user));
            let on: HashSet<SteamId> = game.roster.people().filter_map(|it| it.steam).collect();
            let gone = gone.filter(|(steam, _)| !on.contains(steam));
            users.extend(in_turn(gone.collect(), &mut owed.last_gone, room));
        }
        if users.is_empty() {
            // Who is not known yet is wanted again once they are.
            return owed.wanted.clear();
        }
        owed.wanted.retain(|steam| {
            let is_known = cx.directory.user(*steam).is_some();
            is_known && !users.iter().any(|(of, _)| of == steam)
        });
        let (steams, users) = users.into_iter().unzip();
        owed.under_way = Some((cx.now.mono_ms, steams));
        let request = Request::ListRewards {
            server: id,
            bundle,
            users,
        };
        cx.request(Ticket::Rewards(Asked::List(server)), request);
    }

    fn listed_by_backend(&mut self, server: ServerId, reply: Answer, cx: &mut Cx<'_>) {
        let Some(owed) = self.servers.get_mut(&server) else {
            return;
        };
        let Some((asked_ms, users)) = owed.under_way.take() else {
            return;
        };
        let listing = match reply {
            Ok(Reply::Rewards(listing)) => listing,
            Ok(_) => return,
            Err(failure) => {
                cx.backend.report_refusal(&failure, cx.now);
                cx.backend.report_unlisted("listing rewards", &failure);
                owed.again_ms = cx.backend.again_ms(limits::VYHUB_USER_RETRY_MS, cx.now);
                owed.wanted.extend(users);
                return log::debug!("rewards could not be fetched: {failure}");
            }
        };
        let waits_for_spawn = |reward: &Reward| reward.on == RewardEvent::Spawn;
        if !owed.no_spawns
            && cx.servers.host(server).is_none()
            && listing.items.iter().any(waits_for_spawn)
        {
            owed.no_spawns = true;
            log_server!(
                warn,
                cx.label(server),
                "a reward is due when its player spawns, which vpid's scripts in the game report, and these are \
                 not connected"
            );
        }
        let listed = listing.items.iter().map(|it| (it.steam, Some(it.id)));
        let listed: BTreeSet<_> = listed.chain(listing.unread).collect();
        let left_out = owed.take(&users, listing.items);
        match owed.cut_now(left_out) {
            Some(true) => log_server!(
                warn,
                cx.label(server),
                "{} lists more than {} open rewards of the players on the server; {left_out} of them are left \
                 out until others are executed; look whether there are some that never end",
                cx.backend.keeper,
                limits::REWARDS_MAX
            ),
            Some(false) => log_server!(
                info,
                cx.label(server),
                "all open rewards of the players on the server are known again"
            ),
            None => {}
        }
        self.settle(server, (asked_ms, &users), &listed, cx);
        for steam in users {
            let game = cx.servers.get(server);
            let person = game.and_then(|game| game.roster.by_steam(steam));
            let Some(owed) = self.servers.get_mut(&server) else {
                return;
            };
            let Some(person) = person.cloned() else {
                owed.lists.remove(&steam);
                continue;
            };
            if let Some(is_listed) = owed.came.get_mut(&steam) {
                *is_listed = true;
            }
            self.due(server, &person, RewardEvent::Direct, cx);
            self.due(server, &person, RewardEvent::Disable, cx);
        }
        self.connect(server, cx);
    }

    /// What the backend knows and does not list any more is forgotten, but for its coming back. `listed`: of
    /// whom, and which; `None`: it may be any.
    fn settle(
        &mut self,
        server: ServerId,
        (asked_ms, users): (u64, &[SteamId]),
        listed: &BTreeSet<(SteamId, Option<Uuid>)>,
        cx: &mut Cx<'_>,
    ) {
        let Some(id) = cx.records.get(server).map(|record| record.id) else {
            return;
        };
        let asked: HashSet<&SteamId> = users.iter().collect();
        let is_missing = |record: &Record, since_ms: u64| {
            let (one, any) = ((record.steam, Some(record.id)), (record.steam, None));
            let is_listed = listed.contains(&one) || listed.contains(&any);
            since_ms < asked_ms && asked.contains(&record.steam) && !is_listed
        };
        let all = self.records.acknowledged(id);
        let missing = all.filter(|(record, since_ms)| is_missing(record, *since_ms));
        let missing: Vec<Record> = missing.map(|(record, _)| record.clone()).collect();
        for record in missing {
            self.keep(record, State::Settled, cx);
        }
    }
}

/// What happens to players.
impl Rewards {
    fn initialized(&mut self, server: ServerId, userid: i64, cx: &mut Cx<'_>) {
        let Some(game) = cx.servers.get(server).filter(|_| self.settings.enabled) else {
            return;
        };
        let Some(person) = game.roster.person(userid) else {
            return;
        };
        let Some(steam) = person.steam else { return };
        let owed = self.servers.entry(server).or_default();
        if owed.decided.get(&steam) != Some(&userid) {
            owed.came.insert(steam, false);
        }
        owed.wanted.insert(steam);
    }

    /// Decides of players whose lists have come whether they have come themselves, or were on when vpid started.
    fn connect(&mut self, server: ServerId, cx: &Cx<'_>) {
        let (Some(owed), Some(game)) = (self.servers.get_mut(&server), cx.servers.get(server))
        else {
            return;
        };
        let listed = owed.came.iter().filter(|(_, is_listed)| **is_listed);
        let decided = listed.filter_map(|(steam, _)| {
            let person = game.roster.by_steam(*steam)?;
            let has_come = game.roster.has_come(person.userid, cx.now)?;
            Some((*steam, person.clone(), has_come))
        });
        for (steam, person, has_come) in decided.collect::<Vec<_>>() {
            if let Some(owed) = self.servers.get_mut(&server) {
                owed.came.remove(&steam);
                owed.decided.insert(steam, person.userid);
            }
            if has_come {
                self.due(server, &person, RewardEvent::Connect, cx);
            }
        }
    }

    fn left(&mut self, server: ServerId, person: &Person, cx: &mut Cx<'_>) {
        let Some(steam) = person.steam else { return };
        self.due(server, person, RewardEvent::Disconnect, cx);
        let game = cx.servers.get(server);
        let is_on = game.is_some_and(|game| game.roster.by_steam(steam).is_some());
        if let Some(owed) = self.servers.get_mut(&server).filter(|_| !is_on) {
            owed.lists.remove(&steam);
            owed.wanted.remove(&steam);
            owed.came.remove(&steam);
            owed.decided.remove(&steam);
        }
        self.notified.remove(&steam);
    }

    fn happened(&mut self, server: ServerId, userid: i64, event: RewardEvent, cx: &mut Cx<'_>) {
        let game = cx.servers.get(server);
        let person = game.and_then(|game| game.roster.person(userid));
        if let Some(person) = person.cloned() {
            self.due(server, &person, event, cx);
        }
    }

    /// Puts into the queue what a player is owed at an event.
    fn due(&mut self, server: ServerId, person: &Person, event: RewardEvent, cx: &Cx<'_>) {
        let (Some(steam), Some(record)) = (person.steam, cx.records.get(server)) else {
            return;
        };
        let Some(owed) = self.servers.get(&server) else {
            return;
        };
        if !self.settings.enabled || owed.refused {
            return;
        }
        let fits = |reward: &&Arc<Reward>| {
            let key = (reward.id, record.id);
            let problem = self.problems.get(&key);
            let waits = problem.is_some_and(|problem| problem.again_ms > cx.now.mono_ms);
            !waits && reward.is_fulfilled && self.is_open(key, reward)
        };
        let due: Vec<Arc<Reward>> = owed.of(steam, event).iter().filter(fits).cloned().collect();
        let has_left = event == RewardEvent::Disconnect;
        if let Some(owed) = self.servers.get_mut(&server) {
            for reward in due {
                owed.push(Task::new(reward, person.clone(), has_left, cx.now));
            }
        }
    }

    /// Whether a reward that is listed has not been executed, as far as this vpid and the backend know.
    fn is_open(&self, (id, server): Key, reward: &Reward) -> bool {
        if reward.executed_on.contains(&server) {
            return false;
        }
        let blocks = |record: &Record| {
            let counts = record.server == server || (reward.once && reward.once_from_all);
            counts && (record.state != State::Settled || !reward.reactivates)
        };
        let elsewhere = reward.once && reward.once_from_all && !reward.executed_on.is_empty();
        !elsewhere && !self.records.of(id).any(blocks)
    }
}

/// What is recorded.
impl Rewards {
    /// What an earlier run has left.
    pub fn start(&mut self, found: Vec<(String, String)>, cx: &mut Cx<'_>) {
        for (name, text) in found {
            match Record::parse(&name, &text) {
                Some(record) => self.records.insert(record, 0),
                None => {
                    log::error!(
                        "rewards/{name}.json is renamed, since it is no record of a reward; this reward may be \
                         executed once more"
                    );
                    cx.store(Shelf::Rewards, name, Some(Content::SetAside), None);
                }
            }
        }
        // Executed, though the record of that was lost with the crash.
        let entries = cx.outbox.all().filter_map(|entry| match entry.change {
            Change::Reward { reward } => Some((reward, entry.server)),
            _ => None,
        });
        for key in entries.collect::<Vec<_>>() {
            if let Some(record) = self.records.get(key).cloned() {
                self.executed(record, cx);
            }
            self.records.reported(key);
        }
        let asks = self.settings.on_unclear == OnUnclear::Ask;
        let is_unclear = |record: &&Record| match record.state {
            State::Running => true,
            // They were reported, and wait for the operator.
            State::Unclear => !asks,
            _ => false,
        };
        let all = || self.records.all();
        let unclear: Vec<Record> = all().filter(is_unclear).cloned().collect();
        let waiting = all().filter(|record| asks && record.state == State::Unclear);
        let waiting = waiting.count();
        if waiting > 0 {
            log::error!("{waiting} rewards of an earlier run are unclear; see `vpid rewards list`");
        }
        for record in unclear {
            let why = record.problem.clone();
            let why = why.unwrap_or_else(|| "vpid ended while it was executed".to_owned());
            self.unclear(record, why, cx);
        }
    }

    /// Records a state on disk. `Acknowledged` stands for `Executed` where the backend needs not to know.
    fn keep(&mut self, mut record: Record, state: State, cx: &mut Cx<'_>) {
        record.state = state;
        record.since_s = cx.now.wall_s;
        let content = Some(Content::Json(record.text()));
        cx.store(Shelf::Rewards, record.file(), content, None);
        self.records.insert(record, cx.now.mono_ms);
    }

    fn forget(&mut self, key: Key, cx: &mut Cx<'_>) {
        if let Some(record) = self.records.remove(key) {
            cx.store(Shelf::Rewards, record.file(), None, None);
        }
    }

    fn executed(&mut self, record: Record, cx: &mut Cx<'_>) {
        let state = match record.once {
            true => State::Executed,
            false => State::Acknowledged,
        };
        self.keep(record, state, cx);
    }

    /// It may have been executed: the owner's policy says what follows.
    fn unclear(&mut self, mut record: Record, why: String, cx: &mut Cx<'_>) {
        let what = record.describe();
        match self.settings.on_unclear {
            OnUnclear::Ask => {
                log::error!(
                    "whether {what} was executed is unclear: {why}. Check in the game, then use `vpid rewards run {id}` or \
                     `vpid rewards skip {id}`",
                    id = record.id
                );
                record.problem = Some(why);
                let server = cx.records.server_of(record.server);
                self.keep(record, State::Unclear, cx);
                self.tell_admins(server, cx);
            }
            OnUnclear::Repeat => {
                log::warn!(
                    "whether {what} was executed is unclear: {why}; it is executed once more"
                );
                self.forget(record.key(), cx);
            }
            OnUnclear::Done => {
                log::warn!("whether {what} was executed is unclear: {why}; it counts as executed");
                record.problem = Some(why);
                self.executed(record, cx);
            }
        }
    }

    /// Puts reports into the outbox, as far as there is room.
    fn report(&mut self, cx: &mut Cx<'_>) {
        while self.report_due_ms <= cx.now.mono_ms
            && let Some(record) = self.records.next_unreported()
        {
            let key = record.key();
            match cx.accept_report(record) {
                true => self.records.reported(key),
                false => self.report_due_ms = cx.now.mono_ms + limits::OUTBOX_UNSURE_MS,
            }
        }
    }

    fn reported(&mut self, key: Key, outcome: &Reported, cx: &mut Cx<'_>) {
        if *outcome == Reported::NotKept {
            self.report_due_ms = cx.now.mono_ms + limits::OUTBOX_UNSURE_MS;
            return self.records.unreported(key);
        }
        let Some(mut record) = self.records.get(key).cloned() else {
            return;
        };
        if let Reported::Refused(why) = outcome {
            log::error!(
                "{} does not accept that {} was executed: {why}. It is neither reported nor executed again",
                cx.backend.keeper,
                record.describe()
            );
            record.problem = Some(why.clone());
        }
        if record.state == State::Executed {
            self.keep(record, State::Acknowledged, cx);
        }
    }

    fn tell_admins(&mut self, server: Option<ServerId>, cx: &mut Cx<'_>) {
        let game = server.and_then(|server| cx.servers.get(server));
        let people = game.map(|game| game.roster.people().filter_map(|person| person.steam));
        let on: Vec<SteamId> = people.into_iter().flatten().collect();
        for steam in on {
            self.notified.remove(&steam);
            self.tell_admin(steam, cx);
        }
    }

    /// Reports to an admin, once, that an operator has to decide something.
    fn tell_admin(&mut self, steam: SteamId, cx: &mut Cx<'_>) {
        let Some((server, _)) = cx.find(None, steam) else {
            return;
        };
        let Some(record) = cx.records.get(server) else {
            return;
        };
        let (id, bundle) = (record.id, record.bundle().map(|bundle| bundle.id));
        let count = self.records.unclear_count(id);
        let Some(bundle) = bundle.filter(|_| count > 0) else {
            return;
        };
        let is_admin = cx.directory.about(steam, bundle, cx.now).admin;
        if is_admin && self.notified.insert(steam) {
            let text = cx
                .words
                .chat("rewards_unclear", &[("count", &count.to_string())]);
            cx.say(Some(server), steam, &text);
        }
    }

    /// How a reward stays open that cannot be executed.
    fn fails(&mut self, key: Key, task: &Task, unfit: Unfit, now: Now) {
        let again_ms = now.mono_ms + limits::REWARD_PROBLEM_MS;
        let problem = Problem { unfit, again_ms };
        if self.problems.len() >= limits::REWARDS_MAX {
            self.problems.clear();
        }
        let before = self.problems.get(&key).map(|problem| &problem.unfit);
        if before != Some(&problem.unfit) {
            log::error!(
                "the reward {:?} of {} ({}) is not executed: {}; it stays open",
                task.reward.name,
                task.person.name.replace(char::is_control, "?"),
                task.reward.steam,
                problem.unfit
            );
        }
        self.problems.insert(key, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::backend::Action;

    fn rewards(account: u32, count: usize) -> Vec<Reward> {
        let reward = |id: usize| Reward {
            id: Uuid(id as u128),
            of: Uuid(1),
            name: String::new(),
            steam: SteamId::new(account).unwrap(),
            user: Uuid(2),
            action: Action::Command(String::new()),
            on: RewardEvent::Direct,
            order: 1.0,
            once: true,
            once_from_all: false,
            reactivates: false,
            is_fulfilled: true,
            applied_packet: Uuid(3),
            packet_title: String::new(),
            amount: None,
            executed_on: Vec::new(),
        };
        (0..count).map(reward).collect()
    }

    #[test]
    fn that_a_list_is_cut_is_known_once_until_it_is_whole_again() {
        let mut owed = Owed::default();
        let [ann, bob] = [5, 6].map(|account| SteamId::new(account).unwrap());
        let all = limits::REWARDS_MAX;
        let mut list = |steam: SteamId, count| {
            let left_out = owed.take(&[steam], rewards(steam.account(), count));
            (left_out, owed.cut_now(left_out))
        };
        assert_eq!(list(ann, all), (0, None));
        assert_eq!(list(bob, 3), (3, Some(true)));
        assert_eq!(list(bob, 3), (3, None));
        assert_eq!(
            list(ann, all),
            (0, None),
            "those of the other are still missing"
        );
        assert_eq!(list(ann, all - 3), (0, Some(false)));
        assert_eq!(list(bob, 3), (0, None));
        assert_eq!(list(bob, 4), (1, Some(true)));
    }
}
