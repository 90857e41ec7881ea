//! The community with one server on which Ann plays, and a backend whose replies each test decides.

mod addresses;
mod groups;
mod local;
mod refused;
mod rewards;
mod slots;
mod unsaid;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::config;
use crate::core::context::Shared;
use crate::core::functions::Functions;
use crate::core::hosts::Hosts;
use crate::core::ids::FolderId;
use crate::core::outbox::{Change, Issuer, NewEntry, State};
use crate::jobs::store::StoreError;
use crate::limits;
use crate::protocol::backend::{
    self, BanList, Bundle, FailureKind, Group, Lacking, Links, Listed, Listing, Property, Server,
    User, WebPage,
};
use crate::protocol::ban_list::of;
use crate::protocol::rcon;
use crate::protocol::server_status;

const CONFIG: &str = "[[server]]\nscriptdata = '/s'\nhostname = 'one'\n\
    key = '0123456789abcdef0123456789abcdef'\n\
    vyhub_server_id = '00000000-0000-0000-0000-000000000001'\n\
    [vyhub]\napi_url = 'http://127.0.0.1:1/v1'\napi_key = 'k'\n";
pub(super) const STATUS: &str = "map     : cp_a at: 0 x\nplayers : 1 humans, 0 bots (24 max)\n# userid name\n\
    # 7 \"Ann\" [U:1:5] 05:12 50 0 active 192.0.2.9:27005\n";
pub(super) const EMPTY: &str =
    "map     : cp_a at: 0 x\nplayers : 0 humans, 0 bots (24 max)\n# userid name\n";

pub(super) const ONE: ServerId = ServerId(0);
pub(super) const BUNDLE: Uuid = Uuid(2);

pub(super) fn ann() -> SteamId {
    SteamId::new(5).unwrap()
}

fn admin() -> SteamId {
    SteamId::new(9).unwrap()
}

pub(super) fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        reachable: true,
        ..Failure::unclear("x")
    }
}

fn banned(steam: SteamId) -> Answer {
    let ban = Listed {
        id: Uuid(77),
        steam,
        username: "Bad",
        reason: "x",
        creator: "",
        created_s: 1_800_000_000,
        ends_s: None,
    };
    Ok(Reply::BanList(of(&[ban]).into()))
}

/// As it is while nothing is wrong.
pub(super) fn fair(request: &Request) -> Answer {
    Ok(match request {
        Request::FindServer(id) => Reply::Server(Server {
            id: *id,
            name: "one".into(),
            kind: String::new(),
            bundle: Some(BUNDLE),
            extra: json!({}),
        }),
        Request::FindBundle(id) => Reply::Bundle(Bundle {
            id: *id,
            name: "b".into(),
            multigroup: false,
        }),
        Request::FindLinks => {
            let pages = [
                (WebPage::Bans, "https://hub/bans"),
                (WebPage::Shop, "https://hub/shop"),
                (WebPage::User, "https://hub/user/{id}"),
                (WebPage::Dashboard, "https://hub/server/{id}"),
            ];
            Reply::Links(Links::new(
                pages.map(|(page, link)| (page, link.to_owned())),
            ))
        }
        Request::FindUser(steam) | Request::CreateUser(steam) => Reply::User(user(*steam, false)),
        Request::GroupsOfUser { .. } => groups(Vec::new(), 0),
        Request::ListBans { .. } => Reply::BanList(BanList::default().into()),
        Request::ListAdverts(_) => Reply::Adverts(Listing {
            items: Vec::new(),
            skipped: 0,
        }),
        _ => Reply::Nothing,
    })
}

fn user(steam: SteamId, admin: bool) -> User {
    User {
        id: Uuid(u128::from(steam.account())),
        steam,
        username: None,
        admin,
    }
}

fn groups(items: Vec<Group>, skipped: usize) -> Reply {
    Reply::Groups(Listing { items, skipped })
}

fn may_ban() -> Group {
    Group {
        id: Uuid(3),
        name: "admins".into(),
        permission_level: 1,
        properties: vec![Property {
            name: "ban_edit".into(),
            granted: true,
        }],
        max_ban_s: None,
        mappings: Vec::new(),
    }
}

pub(super) struct World {
    pub(super) shared: Shared,
    pub(super) out: Output,
    pub(super) now: Now,
    pub(super) community: Community,
    /// When the game replied last.
    seen_ms: u64,
    /// Nothing comes from the game.
    pub(super) quiet: bool,
    /// What came on disk; after so many more, vpid crashes.
    pub(super) written: Vec<Write>,
    pub(super) writes_left: usize,
    /// Documents whose names begin so cannot be written.
    pub(super) unwritable: Option<&'static str>,
    due_ms: Option<u64>,
    /// What the game replies to `status`, every minute.
    status: &'static str,
    /// Requests without a reply.
    open: Vec<backend::Job>,
    /// All requests, with when they were sent.
    sent: Vec<(u64, Request)>,
    /// What the console was to run, apart from questions, and what it replies.
    console: Vec<String>,
    console_reply: Result<String, rcon::Failure>,
    /// What it replies instead to some lines.
    console_replies: fn(&str) -> Result<String, rcon::Failure>,
    /// Hooks, with their data.
    hooks: Vec<(String, Value)>,
    /// Those of the game's script.
    game_hooks: Vec<(String, Value)>,
    /// The newest content of documents.
    stored: BTreeMap<String, Content>,
    store_reply: Result<(), StoreError>,
    /// Texts of documents, by their shelf and name, and whether any can be written.
    disk: BTreeMap<(Shelf, String), String>,
    is_full: bool,
}

impl World {
    pub(super) fn new() -> Self {
        Self::found(Found::default(), at(100_000))
    }

    /// With what an earlier run has left on disk.
    pub(super) fn found(found: Found, now: Now) -> Self {
        Self::made(CONFIG, (found, now), STATUS)
    }

    fn of(config: &str, found: Found, status: &'static str) -> Self {
        Self::made(config, (found, at(100_000)), status)
    }

    fn made(config: &str, (found, now): (Found, Now), status: &'static str) -> Self {
        let config = config::parse(config, Path::new("/"), |_| None).unwrap();
        let mut shared = Shared {
            hosts: Hosts::default(),
            servers: Servers::default(),
            functions: Functions::new(&config),
        };
        let servers: Vec<ServerId> = (0..config.servers.len()).map(ServerId).collect();
        shared.reconfigure(&config, &vec![FolderId(0); servers.len()]);
        shared.servers.connect(&config, &servers);
        let mut out = Output::default();
        see(&mut shared, status, now);
        let disk = found.rewards.iter().map(|it| (Shelf::Rewards, it));
        let disk = disk.chain(found.outbox.iter().map(|it| (Shelf::Outbox, it)));
        let disk = disk.map(|(shelf, (name, text))| ((shelf, name.clone()), text.clone()));
        let disk = disk.collect();
        let community = Community::start(&config, found, 1, &mut shared.context(now, &mut out));
        let mut world = Self {
            shared,
            out,
            now,
            community: community.unwrap(),
            seen_ms: now.mono_ms,
            quiet: false,
            written: Vec::new(),
            writes_left: usize::MAX,
            unwritable: None,
            due_ms: None,
            status,
            open: Vec::new(),
            sent: Vec::new(),
            console: Vec::new(),
            console_reply: Ok(String::new()),
            hooks: Vec::new(),
            game_hooks: Vec::new(),
            stored: BTreeMap::new(),
            store_reply: Ok(()),
            console_replies: |_| Ok(String::new()),
            disk,
            is_full: false,
        };
        world.carry_out();
        world
    }

    fn carry_out(&mut self) {
        while !self.out.effects.is_empty() || self.out.has_messages() {
            let effects = std::mem::take(&mut self.out.effects);
            let mut written = Vec::new();
            for effect in effects {
                match effect {
                    Effect::Api(job) => {
                        self.sent.push((self.now.mono_ms, job.request.clone()));
                        self.open.push(*job);
                    }
                    Effect::Store(write) => {
                        let fails = |begin: &&str| write.name.starts_with(*begin);
                        if self.unwritable.as_ref().is_some_and(fails) {
                            let why = StoreError::NoName("full".into());
                            written.extend(write.ticket.map(|it| (it, Err(why))));
                            continue;
                        }
                        let result = match self.is_full {
                            true => Err(StoreError::TooManyWait),
                            false => self.store_reply.clone(),
                        };
                        written.extend(write.ticket.map(|it| (it, result)));
                        let key = (write.shelf, write.name.clone());
                        match &write.content {
                            _ if self.is_full => {}
                            Some(Content::Json(text)) => drop(self.disk.insert(key, text.clone())),
                            _ => drop(self.disk.remove(&key)),
                        }
                        let (name, content) = (write.name.clone(), write.content.clone());
                        self.stored.extend(content.map(|it| (name, it)));
                        self.written.push(*write);
                        self.writes_left -= 1;
                        if self.writes_left == 0 {
                            return self.crash();
                        }
                    }
                    Effect::Rcon { server, job } => self.run_command(server, job),
                    Effect::SetTimer { at_ms, .. } => self.due_ms = Some(at_ms),
                    Effect::CancelTimer(_) => self.due_ms = None,
                    _ => {}
                }
            }
            for (ticket, result) in written {
                let cx = &mut self.shared.context(self.now, &mut self.out);
                self.community.written(Written { ticket, result }, cx);
            }
            while let Some(message) = self.out.next_message() {
                let cx = &mut self.shared.context(self.now, &mut self.out);
                match message {
                    message::Message::CommandDone(number, result) => {
                        self.community.command_done(number, result, cx);
                    }
                    message::Message::Hook { name, data, .. } => self.hooks.push((name, data)),
                    message::Message::Push {
                        push: Push::Hook { name, data },
                        ..
                    } => self.game_hooks.push((name, data)),
                    _ => {}
                }
            }
        }
    }

    /// Nothing happens any more.
    fn crash(&mut self) {
        self.out.effects.clear();
        self.open.clear();
        self.due_ms = None;
    }

    fn run_command(&mut self, server: ServerId, job: rcon::Job) {
        let result = match (self.console_replies)(&job.line) {
            Ok(text) if text.is_empty() => self.console_reply.clone(),
            other => other,
        };
        self.console.push(job.line);
        let done = rcon::Done {
            server,
            ticket: job.ticket,
            result,
        };
        let servers = &mut self.shared.servers;
        servers.rcon_done(done, self.now, &mut self.out);
    }

    pub(super) fn advance(&mut self) {
        if self.writes_left == 0 {
            return;
        }
        let cx = &mut self.shared.context(self.now, &mut self.out);
        self.community.timer_rang(cx);
        self.carry_out();
    }

    fn done(&mut self, ticket: u64, result: Answer) {
        let api_s = result.is_ok().then_some(self.now.wall_s);
        let outcome = backend::Outcome { result, api_s };
        let cx = &mut self.shared.context(self.now, &mut self.out);
        self.community.answered(Done { ticket, outcome }, cx);
        self.carry_out();
    }

    /// Replies to what waits, as far as `reply` gives something.
    fn reply(&mut self, reply: &mut impl FnMut(&Request) -> Option<Answer>) {
        let mut at = 0;
        while at < self.open.len() {
            match reply(&self.open[at].request) {
                Some(result) => {
                    let ticket = self.open.remove(at).ticket;
                    self.done(ticket, result);
                }
                None => at += 1,
            }
        }
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.writes_left == 0
    }

    /// Lets so many seconds pass.
    pub(super) fn run(&mut self, seconds: u64, mut reply: impl FnMut(&Request) -> Option<Answer>) {
        let end_ms = self.now.mono_ms + seconds * 1_000;
        loop {
            if self.seen_ms + 60_000 <= self.now.mono_ms {
                self.seen_ms = self.now.mono_ms;
                if !self.quiet {
                    self.see(self.status);
                }
            }
            self.reply(&mut reply);
            let next_ms = self.due_ms.unwrap_or(end_ms).max(self.now.mono_ms + 1);
            if next_ms > end_ms {
                break;
            }
            self.now = at(next_ms);
            self.advance();
        }
        self.now = at(end_ms);
        self.advance();
    }

    fn fair(&mut self, seconds: u64) {
        self.run(seconds, |request| Some(fair(request)));
    }

    pub(super) fn see(&mut self, status: &'static str) {
        self.status = status;
        see(&mut self.shared, status, self.now);
        self.advance();
    }

    pub(super) fn count(&self, is_it: impl Fn(&Request) -> bool) -> usize {
        let sent = self.sent.iter().filter(|(_, request)| is_it(request));
        sent.count()
    }

    fn bans(&self) -> usize {
        self.community.lists.get(BUNDLE).map_or(0, BanList::len)
    }

    /// A ban by the administrator that is on disk.
    pub(super) fn add_ban(&mut self) -> EntryId {
        let issuer = Issuer {
            steam: admin(),
            user: Uuid(9),
            name: "Admin".into(),
        };
        let new = NewEntry {
            change: Change::Ban {
                length_s: None,
                reason: "x".into(),
                standing: true,
            },
            server: Uuid(1),
            bundle: BUNDLE,
            whom: SteamId::new(6).unwrap().into(),
            name: "Bad".into(),
            issuer: Some(issuer),
            call: None,
        };
        let created = jiff::Timestamp::new(self.now.wall_s, 1_000).unwrap();
        let outbox = &mut self.community.outbox;
        let entry = outbox.accept(new, created, self.now.wall_s, self.now);
        let id = entry.unwrap().id;
        outbox.stored(id);
        self.advance();
        id
    }

    fn order(&mut self, message: Message) -> Option<EntryId> {
        let before: Vec<EntryId> = self.community.outbox.all().map(|entry| entry.id).collect();
        self.community.messages.push_back(message);
        self.advance();
        let mut entries = self.community.outbox.all().map(|entry| entry.id);
        entries.find(|id| !before.contains(id))
    }

    pub(super) fn state(&self, id: EntryId) -> Option<State> {
        Some(self.community.outbox.get(id)?.state)
    }
}

pub(super) fn at(mono_ms: u64) -> Now {
    Now {
        mono_ms,
        wall_s: 1_800_000_000 + (mono_ms / 1_000) as i64,
    }
}

pub(super) fn see(shared: &mut Shared, status: &str, now: Now) {
    let status = server_status::parse(status).unwrap();
    shared
        .servers
        .get_mut(ONE)
        .unwrap()
        .roster
        .status(&status, now);
}

/// An order of the administrator in chat, or of the server itself.
fn order(player: Option<SteamId>, command: orders::Command) -> Message {
    let player = player.map(|steam| Player {
        server: ONE,
        steam,
        name: "Admin".into(),
    });
    Message::Order(Order {
        server: ONE,
        bundle: BUNDLE,
        player,
        call: None,
        command,
    })
}

fn is_list(request: &Request) -> bool {
    matches!(request, Request::ListBans { .. })
}

/// A report with users.
fn is_full(request: &Request) -> bool {
    matches!(request, Request::ReportState { state, .. } if !state.activities.is_empty())
}

fn is_report(request: &Request) -> bool {
    matches!(request, Request::ReportState { .. })
}

#[test]
fn one_empty_list_lifts_no_ban_and_a_second_one_soon_after_does() {
    let mut world = World::new();
    let some = |request: &Request| match is_list(request) {
        true => Some(banned(SteamId::new(6).unwrap())),
        false => Some(fair(request)),
    };
    world.run(10, some);
    assert_eq!(world.bans(), 1);
    let mut empty = 0;
    world.run(70, |request| match is_list(request) {
        true => {
            empty += 1;
            (empty == 1).then(|| fair(request))
        }
        false => Some(fair(request)),
    });
    assert_eq!(world.bans(), 1);
    // The second one was requested soon, and is this one.
    let lists = world.sent.iter().filter(|(_, request)| is_list(request));
    let times: Vec<u64> = lists.map(|(at_ms, _)| *at_ms).collect();
    let last = &times[times.len() - 2..];
    assert!(last[1] - last[0] <= 2 * limits::VYHUB_SOON_MS, "{times:?}");
    world.fair(1);
    assert_eq!(world.bans(), 0);
}

#[test]
fn requests_that_get_no_reply_keep_their_places_for_a_while_only() {
    let mut world = World::new();
    world.fair(10);
    world.run(600, |_| None);
    let before = world.sent.len();
    world.run(600, |_| None);
    assert!(world.sent.len() > before + 3, "{}", world.sent.len());
    // Late replies are passed over.
    world.fair(1);
    let before = world.sent.len();
    world.fair(120);
    assert!(world.sent.len() > before + 3);
}

#[test]
fn a_record_of_a_server_that_a_full_disk_did_not_take_is_written_a_minute_later() {
    let mut world = World::new();
    world.is_full = true;
    world.fair(300);
    let is_kept = |world: &World| {
        let mut kept = world.disk.keys();
        kept.any(|(_, name)| name.starts_with("server"))
    };
    assert!(!is_kept(&world));
    world.is_full = false;
    world.fair(70);
    assert!(is_kept(&world), "{:?}", world.disk.keys());
}

#[test]
fn a_refusal_that_is_about_no_user_makes_reports_with_users_rare() {
    let mut world = World::new();
    world.fair(30);
    let before = (
        world.count(is_full),
        world.count(is_report),
        world.sent.len(),
    );
    world.run(4 * 3_600, |request| match is_full(request) {
        true => Some(Err(failure(FailureKind::NotFound))),
        false => Some(fair(request)),
    });
    let full = world.count(is_full) - before.0;
    assert!((5..15).contains(&full), "{full}");
    let all = world.count(is_report) - before.1;
    assert!((200..300).contains(&all), "{all}");
    // And they come back.
    world.fair(3_700);
    assert!(world.count(is_full) > before.0 + full + 1);
}

#[test]
fn a_doubted_user_who_left_is_looked_up_again_when_they_are_back() {
    let mut world = World::new();
    world.fair(30);
    let mut refused = false;
    world.run(70, |request| match request {
        Request::FindUser(_) => Some(Err(failure(FailureKind::Broken))),
        _ if is_full(request) && !std::mem::replace(&mut refused, true) => {
            Some(Err(failure(FailureKind::NotFound)))
        }
        _ => Some(fair(request)),
    });
    assert!(refused);
    world.see(EMPTY);
    world.run(120, |request| match request {
        Request::FindUser(_) => Some(Err(failure(FailureKind::Broken))),
        _ => Some(fair(request)),
    });
    world.see(STATUS);
    let before = world.count(is_full);
    world.fair(180);
    assert!(world.count(is_full) > before);
}

#[test]
fn groups_that_cannot_all_be_read_become_no_rights() {
    let mut world = World::new();
    let with = |items: &[Group], skipped| {
        let reply = groups(items.to_vec(), skipped);
        move |request: &Request| match request {
            Request::GroupsOfUser { .. } => Some(Ok(reply.clone())),
            _ => Some(fair(request)),
        }
    };
    world.run(30, with(&[may_ban()], 0));
    let known = |world: &World| world.community.directory.rights(ann(), BUNDLE).cloned();
    let before = known(&world).expect("rights");
    assert_eq!(before.groups, [may_ban()]);
    world.run(900, with(&[], 1));
    assert_eq!(known(&world), Some(before));
    world.run(900, with(&[], 0));
    assert!(known(&world).unwrap().groups.is_empty());
}

#[test]
fn a_server_does_not_wait_for_the_address_of_the_pages() {
    let mut world = World::new();
    world.run(1, |request| match request {
        Request::FindUser(_) | Request::FindBundle(_) => None,
        _ => Some(fair(request)),
    });
    // VyHub wants to be left alone for an hour, and then replies to what it has already.
    let busy = Failure {
        retry_after_s: 3_600,
        ..failure(FailureKind::Busy)
    };
    world.run(1, |request| match request {
        Request::FindUser(_) => Some(Err(busy.clone())),
        _ => None,
    });
    world.run(1, |request| Some(fair(request)));
    world.run(15, |_| None);
    assert!(world.community.records.bundle(ONE).is_some());
}

#[test]
fn an_administrator_who_was_removed_is_found_out_whatever_reply_comes_first() {
    let mut world = World::new();
    world.fair(10);
    let admins = |request: &Request| match request {
        Request::FindUser(steam) => Some(Ok(Reply::User(user(*steam, *steam == admin())))),
        _ => Some(fair(request)),
    };
    let directory = &mut world.community.directory;
    directory.want_user(admin(), world.now);
    directory.want_rights(admin(), BUNDLE, world.now);
    world.advance();
    world.run(5, admins);
    assert!(
        world
            .community
            .directory
            .rights(admin(), BUNDLE)
            .unwrap()
            .admin
    );
    let id = world.add_ban();
    let refuses = |request: &Request| match request {
        // This one is slow.
        Request::FindUser(steam) if *steam == admin() => None,
        Request::CreateBan { .. } => Some(Err(failure(FailureKind::Forbidden(Lacking::Unsaid)))),
        _ => Some(fair(request)),
    };
    world.run(5, refuses);
    assert_eq!(world.state(id), Some(State::Sending));
    world.run(5, |request| match request {
        Request::FindUser(_) => Some(fair(request)),
        _ => refuses(request),
    });
    assert_eq!(world.state(id), Some(State::Dead));
    assert!(
        !world
            .community
            .directory
            .rights(admin(), BUNDLE)
            .unwrap()
            .admin
    );
}

#[test]
fn a_change_whose_turn_did_not_come_says_so() {
    let mut world = World::new();
    world.fair(10);
    let id = world.add_ban();
    world.run(2, |request| match request {
        Request::CreateBan { .. } => None,
        Request::FindUser(_) => None,
        _ => Some(fair(request)),
    });
    let turn = |problem: &str| problem.contains("turn");
    // All places are taken when it is marked as sent.
    let pace = &mut world.community.backend.pace;
    let busy = Failure {
        retry_after_s: 60,
        ..failure(FailureKind::Busy)
    };
    let job = backend::Job {
        ticket: u64::MAX,
        request: Request::ListGroups,
        patience_ms: 1,
    };
    pace.push(job, u64::MAX);
    world.advance();
    let pace = &mut world.community.backend.pace;
    assert!(pace.learn(u64::MAX, Some(&busy), world.now).is_some());
    world.run(5, |request| match request {
        Request::FindUser(_) => Some(fair(request)),
        _ => None,
    });
    let entry = world.community.outbox.get(id).unwrap();
    let problem = entry.problem.as_deref().unwrap_or_default();
    assert!(turn(problem), "{problem}");
    assert_eq!(world.community.subjects.changes.remembered_count(), 0);
}

#[test]
fn what_is_known_of_players_and_entries_goes_with_them() {
    let mut world = World::new();
    world.fair(10);
    assert_eq!(world.community.subjects.directory.reported_count(), 1);
    world.see(EMPTY);
    world.fair(130);
    assert_eq!(world.community.subjects.directory.reported_count(), 0);
    let id = world.add_ban();
    world.run(3, |request| match request {
        Request::CreateBan { .. } => Some(Err(failure(FailureKind::NotFound))),
        _ => Some(fair(request)),
    });
    assert_eq!(world.community.subjects.changes.remembered_count(), 2);
    let id = id.to_string();
    let cx = &mut world.shared.context(world.now, &mut world.out);
    let dropped = world.community.queue(&QueueRequest::Drop { id }, cx);
    assert!(dropped.is_ok(), "{dropped:?}");
    assert_eq!(world.community.subjects.changes.remembered_count(), 0);
}

fn ban_of(id: u128, created_s: i64) -> backend::Ban {
    backend::Ban {
        id: Uuid(id),
        reason: None,
        length_s: None,
        created: jiff::Timestamp::from_second(created_s).unwrap(),
        ends: None,
        creator: None,
        creator_name: None,
        bundle: Some(BUNDLE),
        active: Some(true),
    }
}

/// An unban that waits for the backend, on disk. It was ordered a second from now at the latest.
fn add_unban(world: &mut World) -> EntryId {
    let unban = NewEntry {
        change: Change::Unban,
        server: Uuid(1),
        bundle: BUNDLE,
        whom: SteamId::new(6).unwrap().into(),
        name: "Bad".into(),
        issuer: None,
        call: None,
    };
    let created = jiff::Timestamp::new(world.now.wall_s, 1_000).unwrap();
    let outbox = &mut world.community.outbox;
    let entry = outbox.accept(unban, created, world.now.wall_s + 1, world.now);
    let id = entry.unwrap().id;
    outbox.stored(id);
    world.advance();
    id
}

fn delayed_unban(world: &mut World) -> EntryId {
    let id = add_unban(world);
    let away = Failure {
        reachable: false,
        ..failure(FailureKind::Unreachable)
    };
    world.run(600, |_| Some(Err(away.clone())));
    id
}

/// Whether a ban is sent as standing, when an unban was ordered behind it, or dropped from the queue again.
#[test]
fn a_ban_is_sent_as_lifted_if_an_unban_waits_behind_it() {
    for (is_ordered, is_dropped) in [(true, false), (false, false), (true, true)] {
        let mut world = World::new();
        world.fair(30);
        world.add_ban();
        if is_ordered {
            let id = add_unban(&mut world).to_string();
            let cx = &mut world.shared.context(world.now, &mut world.out);
            if is_dropped {
                let dropped = world.community.queue(&QueueRequest::Drop { id }, cx);
                assert!(dropped.is_ok(), "{dropped:?}");
            }
        }
        let mut standing = Vec::new();
        world.run(10, |request| {
            if let Request::CreateBan { ban, .. } = request {
                standing.push(ban.standing);
            }
            Some(fair(request))
        });
        let is_lifted = is_ordered && !is_dropped;
        assert_eq!(standing, [!is_lifted], "{is_ordered} {is_dropped}");
    }
}

/// It was not sent when it could not be recorded, so what comes meanwhile counts for the next try.
#[test]
fn a_ban_whose_sending_cannot_be_recorded_is_decided_anew() {
    for (first, second) in [(false, true), (true, false)] {
        let mut world = World::new();
        world.fair(30);
        world.add_ban();
        let mut unban = first.then(|| add_unban(&mut world));
        world.is_full = true;
        world.fair(20);
        if let Some(id) = unban.take() {
            let cx = &mut world.shared.context(world.now, &mut world.out);
            let request = QueueRequest::Drop { id: id.to_string() };
            assert!(world.community.queue(&request, cx).is_ok());
        }
        if second {
            add_unban(&mut world);
        }
        world.is_full = false;
        let (mut standing, mut compared) = (Vec::new(), 0);
        world.run(120, |request| {
            match request {
                Request::CreateBan { ban, .. } => standing.push(ban.standing),
                Request::BansOfUser { .. } if standing.is_empty() => compared += 1,
                _ => {}
            }
            Some(fair(request))
        });
        assert_eq!(standing, [first], "the unban comes second: {second}");
        assert_eq!(compared, 0);
    }
}

/// The newest list of the backend cannot have it, and nothing else has it yet.
#[test]
fn a_ban_that_is_still_being_written_can_be_lifted() {
    let mut world = World::new();
    world.fair(30);
    let ban = NewEntry {
        change: Change::Ban {
            length_s: None,
            reason: "x".into(),
            standing: true,
        },
        server: Uuid(1),
        bundle: BUNDLE,
        whom: SteamId::new(6).unwrap().into(),
        name: "Bad".into(),
        issuer: None,
        call: None,
    };
    let created = jiff::Timestamp::new(world.now.wall_s, 1_000).unwrap();
    let outbox = &mut world.community.outbox;
    outbox.accept(ban, created, world.now.wall_s, world.now);
    let who = orders::Target::Steam(SteamId::new(6).unwrap());
    let unban = order(None, orders::Command::Unban { who });
    assert!(world.order(unban).is_some());
}

#[test]
fn an_unban_that_an_outage_has_delayed_lifts_no_ban_that_came_meanwhile() {
    // How many records cannot be read; whether a ban came meanwhile; and what is lifted.
    let rows: [(usize, bool, &[u128], usize); 4] = [
        (0, true, &[71, 72], 0),
        (0, false, &[71, 72], 0),
        (1, true, &[71, 72], 0),
        (1, false, &[], 1),
    ];
    for (skipped, comes, lifted, whole) in rows {
        let mut world = World::new();
        world.fair(30);
        let ordered_s = world.now.wall_s;
        let id = delayed_unban(&mut world);
        let over = backend::Ban {
            active: Some(false),
            ..ban_of(74, ordered_s - 60)
        };
        let elsewhere = backend::Ban {
            bundle: None,
            ..ban_of(75, ordered_s - 60)
        };
        // The first may have come before the order, by a clock that is not exact.
        let (first, second) = (ban_of(71, ordered_s + 1), ban_of(72, ordered_s - 60));
        let mut stand = vec![first, second, over, elsewhere];
        stand.extend(comes.then(|| ban_of(73, ordered_s + 300)));
        let mut ended = Vec::new();
        world.run(120, |request| match request {
            Request::BansOfUser { .. } => Some(Ok(Reply::Bans(backend::Page {
                items: stand.clone(),
                skipped: vec![None; skipped],
                total: (stand.len() + skipped) as u64,
            }))),
            Request::EndBan { ban, .. } => {
                ended.push(ban.0);
                stand.retain(|it| it.id != *ban);
                Some(Ok(Reply::Nothing))
            }
            _ => Some(fair(request)),
        });
        ended.sort_unstable();
        assert_eq!(ended, lifted, "{skipped} {comes}");
        let is_whole = |it: &Request| matches!(it, Request::EndBans { .. });
        assert_eq!(world.count(is_whole), whole);
        let is_open = !matches!(world.state(id), None | Some(State::Done));
        assert_eq!(is_open, skipped > 0 && comes, "{:?}", world.state(id));
    }
}

#[test]
fn what_is_done_in_a_bundle_without_servers_goes_away() {
    let mut world = World::new();
    world.fair(10);
    let id = world.add_ban();
    world.community.outbox.get_mut(id).unwrap().bundle = Uuid(4);
    world.run(30, |request| match request {
        Request::CreateBan { ban, .. } => {
            let made = backend::Ban {
                id: Uuid(8),
                reason: None,
                length_s: None,
                created: ban.created,
                ends: None,
                creator: None,
                creator_name: None,
                bundle: Some(BUNDLE),
                active: Some(true),
            };
            Some(Ok(Reply::Ban(made)))
        }
        _ => Some(fair(request)),
    });
    assert_eq!(world.state(id), None);
}

#[test]
fn an_operator_waits_for_what_is_asked_of_this_kind_of_change_only() {
    let mut world = World::new();
    let busy = Failure {
        retry_after_s: 86_400,
        ..failure(FailureKind::Broken)
    };
    world.run(10, |request| match request {
        Request::ListAdverts(_) => Some(Err(busy.clone())),
        _ => Some(fair(request)),
    });
    let away = Failure {
        reachable: false,
        ..failure(FailureKind::Unreachable)
    };
    let id = world.add_ban();
    world.run(300, |request| match is_list(request) {
        true => Some(Err(busy.clone())),
        false => Some(Err(away.clone())),
    });
    let mut retry = |id: EntryId| {
        let request = QueueRequest::Retry {
            id: Some(id.to_string()),
        };
        let cx = &mut world.shared.context(world.now, &mut world.out);
        world.community.queue(&request, cx)
    };
    assert!(retry(8).is_err());
    let reply = retry(id).unwrap();
    assert!(reply["wait_s"].as_u64().unwrap() < 60, "{reply}");
}

#[test]
fn an_operator_reads_when_a_change_is_tried_also_where_its_kind_has_a_pause() {
    let mut world = World::new();
    world.fair(10);
    let id = world.add_ban();
    let busy = Failure {
        retry_after_s: 600,
        ..failure(FailureKind::Broken)
    };
    world.run(10, |request| match request {
        Request::CreateBan { .. } => Some(Err(busy.clone())),
        _ => Some(fair(request)),
    });
    let entry = world.community.outbox.get(id).unwrap();
    assert!(entry.next_s > world.now.wall_s + 500, "{entry:?}");
}
