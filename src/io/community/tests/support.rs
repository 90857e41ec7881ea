//! A database, vpids on it, and what an owner writes into its tables.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::json;

use crate::config::Database;
use crate::io::community::changes::{Topic, count};
use crate::io::community::{Local, Report, open, row};
use crate::io::sql::own::tests::support::Bed;
use crate::io::sql::own::{Own, OwnError, Value};
use crate::protocol::backend::{
    Failure, FailureKind, Group, Job, Lacking, NewBan, NewMembership, NewWarning, Outcome, Reply,
    Request, ServerState, Topics,
};
use crate::protocol::local_ids::{self, BUNDLE};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn steam(account: u32) -> SteamId {
    SteamId::new(account).unwrap()
}

pub fn user(account: u32) -> Uuid {
    local_ids::user(steam(account))
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A running worker.
pub struct Vpid {
    local: Local,
    reports: Receiver<Report>,
    last: u64,
    /// What was reported as changed since this was taken.
    pub changed: Topics,
}

/// With the servers "one" and "two".
pub fn vpid(bed: &Bed, instance: u64) -> Vpid {
    vpid_on(&bed.database, instance)
}

pub fn vpid_on(database: &Database, instance: u64) -> Vpid {
    let (sender, reports) = channel();
    let names = ["one", "two"].map(|name| (local_ids::server(name), name.to_owned()));
    let local = Local::start(database, instance, names.to_vec(), move |report| {
        let _ = sender.send(report);
    });
    Vpid {
        local,
        reports,
        last: 0,
        changed: Topics::default(),
    }
}

fn together(one: Topics, other: Topics) -> Topics {
    Topics {
        bans: one.bans || other.bans,
        addresses: one.addresses || other.addresses,
        groups: one.groups || other.groups,
        members: one.members || other.members,
        adverts: one.adverts || other.adverts,
        rewards: one.rewards || other.rewards,
        servers: one.servers || other.servers,
    }
}

impl Vpid {
    pub fn outcome(&mut self, request: Request, patience_ms: u64) -> Outcome {
        self.last += 1;
        self.local.submit(Job {
            ticket: self.last,
            request,
            patience_ms,
        });
        loop {
            match self.reports.recv_timeout(PATIENCE).unwrap() {
                Report::Changed(topics) => self.changed = together(self.changed, topics),
                Report::Done(done) => {
                    assert_eq!(done.ticket, self.last);
                    return done.outcome;
                }
            }
        }
    }

    pub fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        self.outcome(request, 20_000).result
    }

    pub fn reply(&mut self, request: Request) -> Reply {
        let kind = request.kind();
        match self.ask(request) {
            Ok(reply) => reply,
            Err(failure) => panic!("{kind}: {failure:?}"),
        }
    }

    /// Takes what was reported until this was.
    pub fn until_changed(&mut self, is: impl Fn(&Topics) -> bool) {
        let began = Instant::now();
        while !is(&self.changed) {
            let left = PATIENCE
                .checked_sub(began.elapsed())
                .expect("a report of a change");
            match self.reports.recv_timeout(left) {
                Ok(Report::Changed(topics)) => self.changed = together(self.changed, topics),
                Ok(report) => panic!("{report:?}"),
                Err(RecvTimeoutError::Timeout) => panic!("no report: {:?}", self.changed),
                Err(error) => panic!("{error}"),
            }
        }
        self.changed = Topics::default();
    }

    /// Whether the thread that waits for changes does so.
    pub fn is_listening(&self) -> bool {
        self.local.shared.known().is_listening
    }

    /// What is known of the database's clock is later by so much than this machine's, until it is read again.
    pub fn advance_clock_s(&self, seconds: i64) {
        let clock_us = Timestamp::now().as_microsecond() + seconds * 1_000_000;
        self.local.shared.known().set_clock(clock_us);
    }

    pub fn stop(self) -> bool {
        self.local.stop(PATIENCE)
    }

    /// With a request under way, and no patience.
    pub fn stop_at_once(self, request: Request) -> bool {
        self.local.submit(Job {
            ticket: self.last + 1,
            request,
            patience_ms: 20_000,
        });
        let Self { local, reports, .. } = self;
        let done = local.stop(Duration::from_millis(50));
        // Nothing is reported any more, and whoever could has ended.
        let left = reports.iter().filter(|it| matches!(it, Report::Done(_)));
        assert_eq!(left.count(), 0);
        done
    }

    pub fn banned(&mut self) -> Vec<SteamId> {
        let Reply::BanList(list) = self.reply(Request::ListBans {
            bundle: BUNDLE,
            newest: false,
        }) else {
            panic!("no list");
        };
        let all = (1..200).map(steam);
        all.filter(|it| list.of(*it).next().is_some()).collect()
    }
}

pub fn ban(change: u64, account: u32) -> NewBan {
    NewBan {
        change,
        user: user(account),
        name: None,
        bundle: BUNDLE,
        length_s: None,
        reason: "cheats".into(),
        created: time("2026-11-30T12:00:00.123456Z"),
        standing: true,
    }
}

pub fn create_ban(ban: NewBan, issuer: Option<Uuid>) -> Request {
    Request::CreateBan { ban, issuer }
}

pub fn end_bans(account: u32, issuer: Option<Uuid>) -> Request {
    Request::EndBans {
        user: user(account),
        bundle: BUNDLE,
        issuer,
    }
}

pub fn warning(change: u64, account: u32) -> NewWarning {
    NewWarning {
        change,
        user: user(account),
        name: None,
        bundle: BUNDLE,
        reason: "language".into(),
    }
}

pub fn membership(change: u64, account: u32, group: Uuid) -> NewMembership {
    NewMembership {
        change,
        user: user(account),
        bundle: BUNDLE,
        group,
        begin: time("2026-11-30T12:00:00Z"),
        end: None,
    }
}

pub fn state(players: &[(u32, &str)]) -> ServerState {
    let activities = players.iter().map(|(account, name)| {
        let shown = json!({ "Nickname": name });
        (user(*account), shown.as_object().unwrap().clone())
    });
    ServerState {
        users_max: 24,
        users_current: players.len(),
        map: "pl_upward".into(),
        is_alive: true,
        activities: activities.collect(),
    }
}

pub fn report_state(server: &str, players: &[(u32, &str)]) -> Request {
    Request::ReportState {
        server: local_ids::server(server),
        state: state(players),
    }
}

/// The owner, at the tables.
pub struct Owner(pub Own);

impl Owner {
    pub fn new(bed: &Bed) -> Self {
        Self(open(&bed.database).unwrap())
    }

    pub fn change(&mut self, topic: Topic, sql: &str, values: &[Value]) {
        self.try_change(topic, sql, values).unwrap();
    }

    pub fn try_change(
        &mut self,
        topic: Topic,
        sql: &str,
        values: &[Value],
    ) -> Result<(), OwnError> {
        self.0.transaction(|own| {
            count(own, topic)?;
            own.run(sql, values).map(drop)
        })
    }

    /// `properties`: such as "ban_edit", or "!ban_edit" where it is denied.
    pub fn group(&mut self, id: u128, level: i64, max_ban_s: Option<i64>, properties: &[&str]) {
        let group = row::id_value(Uuid(id));
        let values = [
            group.clone(),
            format!("group {id}").into(),
            level.into(),
            max_ban_s.into(),
        ];
        let sql =
            "INSERT INTO vpid_groups (id, name, level, max_ban_s, changed) VALUES (?, ?, ?, ?, 0)";
        self.change(Topic::Groups, sql, &values);
        for property in properties {
            let name = property.trim_start_matches('!');
            let values = [group.clone(), name.into(), (name == *property).into()];
            let sql = "INSERT INTO vpid_properties (group_id, name, granted) VALUES (?, ?, ?)";
            self.change(Topic::Groups, sql, &values);
        }
    }

    pub fn admin(&mut self, account: u32) {
        let values = [row::steam_value(steam(account))];
        let sql =
            "INSERT INTO vpid_users (steam, name, admin, created_us) VALUES (?, 'The Admin', 1, 0)";
        self.change(Topic::Members, sql, &values);
    }

    /// `begin`, `end`: seconds from now.
    pub fn member(&mut self, id: u128, account: u32, group: u128, begin: i64, end: Option<i64>) {
        let now_us = Timestamp::now().as_microsecond();
        let values = [
            row::id_value(Uuid(id)),
            row::steam_value(steam(account)),
            row::id_value(Uuid(group)),
            (now_us + begin * 1_000_000).into(),
            end.map(|end| now_us + end * 1_000_000).into(),
        ];
        let sql = "INSERT INTO vpid_members (id, steam, group_id, begin_us, end_us, changed) VALUES (?, ?, ?, ?, ?, 0)";
        self.change(Topic::Members, sql, &values);
    }

    pub fn numbers(&mut self, sql: &str) -> Vec<i64> {
        let rows = self.0.rows(sql, &[]).unwrap();
        rows.iter().map(|row| row[0].integer().unwrap()).collect()
    }

    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.0.rows(sql, &[]).unwrap();
        rows.iter()
            .map(|row| row[0].text().unwrap().to_owned())
            .collect()
    }
}

pub fn forbidden() -> FailureKind {
    FailureKind::Forbidden(Lacking::Issuer)
}

pub fn names(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(|group| group.name.as_str()).collect()
}
