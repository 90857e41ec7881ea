//! What keeps the community of a test, VyHub or a database: what is in it, what others do to it, and its outages.
//! Tests that are written with this run with each keeper.

use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
#[cfg(feature = "mysql")]
use test_mariadb::Server;
use vpid::protocol::uuid::Uuid;

#[cfg(feature = "mysql")]
use super::mariadb::Database;
use super::{Community, Visitor, wait_until};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    Vyhub,
    /// In the file of `[database]`.
    Sqlite,
    /// A database of its own on the MariaDB server of all tests.
    #[cfg(feature = "mysql")]
    Mariadb,
    /// The same on a server of its own, which can have outages.
    #[cfg(feature = "mysql")]
    LoneMariadb,
}

impl Keeper {
    /// The test can break it without breaking those of others.
    pub fn has_outages(self) -> bool {
        match self {
            #[cfg(feature = "mysql")]
            Self::LoneMariadb => true,
            _ => false,
        }
    }
}

/// Where a community in a database is.
pub enum Place {
    Nowhere,
    File {
        /// Has locked the file.
        lock: Option<Connection>,
    },
    #[cfg(feature = "mysql")]
    Server {
        database: Database,
        own: Option<Server>,
    },
}

impl Place {
    /// For another vpid.
    pub fn shared(&self) -> Self {
        match self {
            #[cfg(feature = "mysql")]
            Self::Server { database, .. } => Self::Server {
                database: database.clone(),
                own: None,
            },
            _ => panic!("no database that vpids share here"),
        }
    }

    pub fn of(keeper: Keeper) -> Self {
        match keeper {
            Keeper::Vyhub => Self::Nowhere,
            Keeper::Sqlite => Self::File { lock: None },
            #[cfg(feature = "mysql")]
            Keeper::Mariadb => Self::Server {
                database: Database::shared(),
                own: None,
            },
            #[cfg(feature = "mysql")]
            Keeper::LoneMariadb => {
                let own = Server::start();
                Self::Server {
                    database: Database::on(&own),
                    own: Some(own),
                }
            }
        }
    }
}

/// Makes tests of functions that take a [`Keeper`]: a module for each, with a test for each keeper.
macro_rules! with_keepers {
    ($($name:ident: $($keeper:ident)+;)+) => {$(
        mod $name {
            $(crate::support::with_keepers!(@ $keeper $name);)+
        }
    )+};
    (@ vyhub $name:ident) => {
        #[test]
        fn in_vyhub() {
            super::$name(crate::support::Keeper::Vyhub);
        }
    };
    (@ sqlite $name:ident) => {
        #[test]
        fn in_sqlite() {
            super::$name(crate::support::Keeper::Sqlite);
        }
    };
    (@ mariadb $name:ident) => {
        #[cfg(feature = "mysql")]
        #[test]
        fn in_mariadb() {
            super::$name(crate::support::Keeper::Mariadb);
        }
    };
    (@ lone_mariadb $name:ident) => {
        #[cfg(feature = "mysql")]
        #[test]
        fn in_mariadb() {
            super::$name(crate::support::Keeper::LoneMariadb);
        }
    };
}
pub(crate) use with_keepers;

/// A ban, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBan {
    pub steam: u64,
    pub reason: String,
    pub length_s: Option<u64>,
    /// `None`: the server.
    pub issuer: Option<u64>,
    pub is_lifted: bool,
}

/// A warning, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWarning {
    pub steam: u64,
    pub reason: String,
    pub issuer: Option<u64>,
}

/// A server, as its vpid has reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptServer {
    pub map: String,
    pub is_alive: bool,
    pub players_max: u64,
    /// SteamIDs of who is on, sorted.
    pub players: Vec<u64>,
}

fn steam_of(state: &fake_vyhub::State, id: &str) -> Option<u64> {
    let users = state.users();
    let user = users.iter().find(|user| user.id == id)?;
    user.steam.parse().ok()
}

impl Community {
    pub fn is_vyhub(&self) -> bool {
        self.keeper == Keeper::Vyhub
    }

    /// What players are told: with VyHub, and otherwise.
    pub fn either<'a>(&self, vyhub: &'a str, database: &'a str) -> &'a str {
        match self.keeper {
            Keeper::Vyhub => vyhub,
            _ => database,
        }
    }

    /// A file of what was replied, in the state folder.
    pub fn cached(&self, name: &str) -> std::path::PathBuf {
        let folder = match self.keeper {
            Keeper::Vyhub => "vyhub",
            _ => "community",
        };
        self.vpid.path(&format!("state/{folder}/{name}"))
    }

    pub fn bundle_id(&self) -> String {
        match self.keeper {
            Keeper::Vyhub => self.vyhub.bundle_id(),
            _ => vpid::protocol::local_ids::BUNDLE.to_string(),
        }
    }

    /// `vpid community`, which has to do it.
    #[track_caller]
    pub fn operator(&self, arguments: &[&str]) -> String {
        let output = self.vpid.command(&[&["community"], arguments].concat());
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    /// The first column of each row, which is JSON.
    #[track_caller]
    pub fn select(&self, sql: &str) -> Vec<Value> {
        let texts: Vec<String> = match &self.place {
            Place::Nowhere => panic!("no tables"),
            Place::File { .. } => {
                let connection = self.vpid.sql();
                let mut statement = connection.prepare(sql).expect("a statement");
                let rows = statement.query_map([], |row| row.get(0)).expect("rows");
                rows.collect::<Result<_, _>>().expect("texts")
            }
            #[cfg(feature = "mysql")]
            Place::Server { database, .. } => database.query(sql),
        };
        let value = |text: &String| serde_json::from_str(text).expect("JSON");
        texts.iter().map(value).collect()
    }

    /// The id of one who is known there.
    #[track_caller]
    pub fn user_id(&self, who: &Visitor) -> String {
        if !self.is_vyhub() {
            return Uuid(u128::from(who.steam64())).to_string();
        }
        let steam = who.steam64();
        let id = |state: &fake_vyhub::State| state.user(steam).map(|user| user.id.clone());
        self.vyhub.with(|state| id(state)).expect("a user")
    }

    /// The last report of the server's.
    pub fn server(&self) -> Option<KeptServer> {
        if self.is_vyhub() {
            let status = self.vyhub.last_status()?;
            let activities = status["user_activities"].as_array().expect("a list");
            let users: Vec<&str> = activities
                .iter()
                .filter_map(|it| it["user_id"].as_str())
                .collect();
            let mut players: Vec<u64> = self.vyhub.with(|state| {
                let steams = users.iter().filter_map(|id| steam_of(state, id));
                steams.collect()
            });
            players.sort_unstable();
            return Some(KeptServer {
                map: status["map"].as_str()?.to_owned(),
                is_alive: status["is_alive"].as_bool()?,
                players_max: status["users_max"].as_u64()?,
                players,
            });
        }
        let rows = self.select(
            "SELECT JSON_OBJECT('map', map, 'alive', alive, 'max', players_max, 'players', players) \
             FROM vpid_servers WHERE seen_us IS NOT NULL",
        );
        let row = rows.first()?;
        let players = row["players"].as_str().unwrap_or("[]");
        let players: Vec<String> = serde_json::from_str(players).expect("a list of SteamIDs");
        let mut players: Vec<u64> = players.iter().map(|it| it.parse().unwrap()).collect();
        players.sort_unstable();
        Some(KeptServer {
            map: row["map"].as_str()?.to_owned(),
            is_alive: row["alive"] == 1,
            players_max: row["max"].as_u64()?,
            players,
        })
    }

    /// Waits until a report says this.
    #[track_caller]
    pub fn wait_for_server(&self, what: &str, is_so: impl Fn(&KeptServer) -> bool) -> KeptServer {
        super::wait_for(what, || self.server().filter(&is_so))
    }

    /// Options of the owner's, which vpid knows from its next start on. In a database, a server is there only once
    /// its vpid has reported it, so vpid runs for a moment.
    #[track_caller]
    pub fn set_options(&mut self, options: &[(&str, Value)]) {
        if self.is_vyhub() {
            let options = options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()));
            self.vyhub
                .set_server_extra(Value::Object(options.collect()));
            return;
        }
        self.start();
        self.wait_for_server("the server is reported", |_| true);
        self.vpid.stop();
        let name = &self.select("SELECT JSON_QUOTE(name) FROM vpid_servers")[0];
        let mut arguments = vec!["server", "edit", name.as_str().expect("a name")];
        let texts: Vec<String> = options
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) => format!("{name}={text}"),
                value => format!("{name}={value}"),
            })
            .collect();
        for text in &texts {
            arguments.extend(["--set", text]);
        }
        self.operator(&arguments);
    }

    /// As a page does it.
    #[track_caller]
    pub fn take_out_of_groups(&self, who: &Visitor) {
        match self.keeper {
            Keeper::Vyhub => self.vyhub.take_out_of_groups(&self.user_id(who)),
            _ => drop(self.operator(&["member", "remove", &who.steam3()])),
        }
    }

    /// The same for a time.
    #[track_caller]
    pub fn put_in_group_for(&self, who: &Visitor, group: &str, time: Duration) {
        if self.is_vyhub() {
            let id = self.vyhub.with(|state| state.group_named(group));
            let user = self.user_in_vyhub(who);
            self.vyhub
                .put_in_group_for(&user, &id.expect("a group"), time);
            return;
        }
        self.put_in_group(who, group);
        // Shorter than an operator can say.
        let end_us = jiff::Timestamp::now().as_microsecond() + time.as_micros() as i64;
        self.change(&[
            "UPDATE vpid_changes SET counter = counter + 1 WHERE topic = 'members'".to_owned(),
            format!(
                "UPDATE vpid_members SET end_us = {end_us}, changed = \
                 (SELECT counter FROM vpid_changes WHERE topic = 'members') WHERE steam = {}",
                who.steam64()
            ),
        ]);
    }

    /// Statements of another program, in one transaction.
    #[track_caller]
    pub fn change(&self, statements: &[String]) {
        match &self.place {
            Place::Nowhere => panic!("no tables"),
            Place::File { .. } => {
                let text = format!("BEGIN IMMEDIATE; {}; COMMIT", statements.join("; "));
                self.vpid.sql().execute_batch(&text).expect("a change");
            }
            #[cfg(feature = "mysql")]
            Place::Server { database, .. } => {
                let mut connection = database.connection();
                for text in ["BEGIN"]
                    .into_iter()
                    .chain(statements.iter().map(|it| &**it))
                    .chain(["COMMIT"])
                {
                    mysql::prelude::Queryable::query_drop(&mut connection, text).expect("a change");
                }
            }
        }
    }

    /// Names of the groups in which a player is now, sorted.
    #[track_caller]
    pub fn groups_of(&self, who: &Visitor) -> Vec<String> {
        let steam = who.steam64();
        let mut names: Vec<String> = match self.keeper {
            Keeper::Vyhub => self.vyhub.with(|state| state.group_names_now(steam)),
            _ => {
                let now_us = jiff::Timestamp::now().as_microsecond();
                let rows = self.select(&format!(
                    "SELECT JSON_QUOTE(g.name) FROM vpid_members m JOIN vpid_groups g ON g.id = m.group_id \
                     WHERE m.steam = {steam} AND (m.end_us IS NULL OR m.end_us > {now_us})"
                ));
                let name = |row: &Value| row.as_str().expect("a name").to_owned();
                rows.iter().map(name).collect()
            }
        };
        names.sort_unstable();
        names
    }

    /// How many memberships were ever made for a player.
    #[track_caller]
    pub fn memberships_of(&self, who: &Visitor) -> usize {
        let steam = who.steam64();
        match self.keeper {
            Keeper::Vyhub => self.vyhub.with(|state| state.memberships_of(steam)).len(),
            _ => {
                let select =
                    format!("SELECT JSON_QUOTE(id) FROM vpid_members WHERE steam = {steam}");
                self.select(&select).len()
            }
        }
    }

    /// What keeps the community forgets a player; bans stay.
    #[track_caller]
    pub fn remove_user(&self, who: &Visitor) {
        match self.keeper {
            Keeper::Vyhub => self.vyhub.remove_user(who.steam64()),
            _ => drop(self.operator(&["user", "remove", &who.steam3()])),
        }
    }

    /// So many players with a permanent ban each, from [`fake_vyhub::GROWN_STEAM64`] upwards, in VyHub or a file.
    #[track_caller]
    pub fn grow_bans(&self, count: u64) {
        if self.is_vyhub() {
            self.vyhub.grow_bans(count);
            return;
        }
        // Makes the tables.
        self.operator(&["user", "list"]);
        let first = fake_vyhub::GROWN_STEAM64;
        let numbers = format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"
        );
        let now_us = jiff::Timestamp::now().as_microsecond();
        self.change(&[
            "UPDATE vpid_changes SET counter = counter + 1 WHERE topic = 'bans'".to_owned(),
            format!(
                "INSERT INTO vpid_users (steam, name, created_us) {numbers} SELECT {first} + i, 'grown', {now_us} FROM n"
            ),
            format!(
                "INSERT INTO vpid_bans (id, steam, name, reason, created_us, changed) {numbers} \
                 SELECT printf('%08x-0000-4000-8000-000000000000', i), {first} + i, 'grown', 'grown', {now_us}, \
                 (SELECT counter FROM vpid_changes WHERE topic = 'bans') FROM n"
            ),
        ]);
    }

    /// One who is known there.
    pub fn add_user(&self, who: &Visitor) {
        match self.keeper {
            Keeper::Vyhub => drop(self.vyhub.add_user(who.steam64(), &*who.name, false)),
            _ => {
                // Of control characters, operators' commands take none.
                let name = who.name.replace(char::is_control, "?");
                self.operator(&["user", "add", &who.steam3(), "--name", &name]);
            }
        }
    }

    /// A group that grants and denies this.
    pub fn add_group(
        &self,
        name: &str,
        level: i64,
        rights: &[(&str, bool)],
        max_ban_s: Option<u64>,
    ) {
        if self.is_vyhub() {
            self.vyhub.add_group(name, level, rights, max_ban_s);
            return;
        }
        let level = level.to_string();
        let mut arguments = vec!["group", "add", name, "--level", &level, "--inherits", "no"];
        for (right, granted) in rights {
            arguments.extend([if *granted { "--grant" } else { "--deny" }, right]);
        }
        let longest = max_ban_s.map(|s| format!("{}m", s / 60));
        if let Some(longest) = &longest {
            arguments.extend(["--max-ban", longest]);
        }
        self.operator(&arguments);
    }

    /// Puts one who may not be known yet into a group, which is known by its name.
    #[track_caller]
    pub fn put_in_group(&self, who: &Visitor, group: &str) {
        if self.is_vyhub() {
            let id = self.vyhub.with(|state| state.group_named(group));
            let id = id.expect("a group");
            let user = self.user_in_vyhub(who);
            self.vyhub.put_in_group(&user, &id);
            return;
        }
        self.add_user(who);
        self.operator(&["member", "add", &who.steam3(), group]);
    }

    /// The id, which is made where there is none.
    fn user_in_vyhub(&self, who: &Visitor) -> String {
        let known = self.vyhub.with(|state| {
            let user = state.user(who.steam64());
            user.map(|user| user.id.clone())
        });
        known.unwrap_or_else(|| self.vyhub.add_user(who.steam64(), &*who.name, false))
    }

    /// As another server, or a page, does it.
    pub fn ban_elsewhere(&self, who: &Visitor, reason: &str, length_s: Option<u64>) {
        if self.is_vyhub() {
            let user = self.user_in_vyhub(who);
            self.vyhub.add_ban(&user, reason, length_s);
            return;
        }
        let steam = who.steam3();
        let mut arguments = vec!["ban", "add", &steam, "--reason", reason];
        let length = length_s.map(|s| format!("{}m", s / 60));
        if let Some(length) = &length {
            arguments.extend(["--for", length]);
        }
        self.operator(&arguments);
    }

    pub fn add_advert(&self, text: &str, colour: &str) {
        match self.keeper {
            Keeper::Vyhub => self.vyhub.add_advert(text, &format!("#{colour}")),
            _ => drop(self.operator(&["advert", "add", text, "--colour", colour])),
        }
    }

    /// All bans, the oldest first.
    #[track_caller]
    pub fn bans(&self) -> Vec<KeptBan> {
        if self.is_vyhub() {
            return self.vyhub.with(|state| {
                let bans = state.bans().iter();
                let kept = bans.map(|ban| KeptBan {
                    steam: ban.steam.parse().expect("a SteamID"),
                    reason: ban.reason.clone().unwrap_or_default(),
                    length_s: ban.length_s.map(|s| s as u64),
                    issuer: ban.creator.as_ref().and_then(|id| steam_of(state, id)),
                    is_lifted: ban.status == "UNBANNED",
                });
                kept.collect()
            });
        }
        let rows = self.select(
            "SELECT JSON_OBJECT('steam', steam, 'reason', reason, 'length_s', length_s, 'issuer', issuer, \
             'lifted_us', lifted_us) FROM vpid_bans ORDER BY created_us, id",
        );
        let kept = rows.into_iter().map(|row| KeptBan {
            steam: row["steam"].as_u64().expect("a SteamID"),
            reason: row["reason"].as_str().expect("a reason").to_owned(),
            length_s: row["length_s"].as_u64(),
            issuer: row["issuer"].as_u64(),
            is_lifted: !row["lifted_us"].is_null(),
        });
        kept.collect()
    }

    #[track_caller]
    pub fn bans_of(&self, who: &Visitor) -> Vec<KeptBan> {
        let mut bans = self.bans();
        bans.retain(|ban| ban.steam == who.steam64());
        bans
    }

    #[track_caller]
    pub fn warnings(&self) -> Vec<KeptWarning> {
        if self.is_vyhub() {
            return self.vyhub.with(|state| {
                let warnings = state.warnings().iter();
                let kept = warnings.map(|warning| KeptWarning {
                    steam: warning.steam.parse().expect("a SteamID"),
                    reason: warning.reason.clone().unwrap_or_default(),
                    issuer: warning.creator.as_ref().and_then(|id| steam_of(state, id)),
                });
                kept.collect()
            });
        }
        let rows = self.select(
            "SELECT JSON_OBJECT('steam', steam, 'reason', reason, 'issuer', issuer) FROM vpid_warnings \
             ORDER BY created_us, id",
        );
        let kept = rows.into_iter().map(|row| KeptWarning {
            steam: row["steam"].as_u64().expect("a SteamID"),
            reason: row["reason"].as_str().expect("a reason").to_owned(),
            issuer: row["issuer"].as_u64(),
        });
        kept.collect()
    }

    /// SteamIDs of all users, sorted.
    #[track_caller]
    pub fn users(&self) -> Vec<u64> {
        let mut users: Vec<u64> = match self.keeper {
            Keeper::Vyhub => {
                let users = self.vyhub.users().into_iter();
                users.map(|user| user.steam.parse().unwrap()).collect()
            }
            _ => {
                let rows = self.select("SELECT JSON_OBJECT('steam', steam) FROM vpid_users");
                let steam = |row: &Value| row["steam"].as_u64().expect("a SteamID");
                rows.iter().map(steam).collect()
            }
        };
        users.sort_unstable();
        users
    }

    #[track_caller]
    pub fn wait_for_user(&self, who: &Visitor) {
        if self.is_vyhub() {
            let steam = who.steam64();
            self.wait_for_vyhub("a user", |state| state.user(steam).is_some());
            return;
        }
        wait_until("a user", || self.users().contains(&who.steam64()));
    }

    /// Nobody reaches what keeps the community from here on.
    pub fn pause(&mut self) {
        match &mut self.place {
            Place::Nowhere => self.vyhub.pause(),
            Place::File { lock } => {
                let connection = self.vpid.sql();
                connection
                    .execute_batch("BEGIN IMMEDIATE")
                    .expect("a lock of the file");
                *lock = Some(connection);
            }
            #[cfg(feature = "mysql")]
            Place::Server { own, .. } => {
                own.as_mut().expect("a server of its own").kill();
            }
        }
    }

    pub fn resume(&mut self) {
        match &mut self.place {
            Place::Nowhere => self.vyhub.resume(),
            Place::File { lock } => *lock = None,
            #[cfg(feature = "mysql")]
            Place::Server { own, .. } => {
                own.as_mut().expect("a server of its own").restart();
            }
        }
    }

    /// The server that has outages, for those of other kinds.
    #[cfg(feature = "mysql")]
    pub fn mariadb(&self) -> &Server {
        match &self.place {
            Place::Server { own, .. } => own.as_ref().expect("a server of its own"),
            _ => panic!("no MariaDB"),
        }
    }

    /// Nothing was requested of a VyHub that only stands beside.
    pub fn leaves_vyhub_alone(&self) {
        if !self.is_vyhub() {
            let requests = self.vyhub.requests();
            assert!(requests.is_empty(), "{requests:#?}");
            assert!(!self.vpid.log().contains("VyHub"), "{}", self.vpid.log());
        }
    }
}
