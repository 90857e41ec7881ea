//! Imports from a VyHub, by the API and key of a server.
//!
//! A server's key cannot list all users. A player is met by a ban or a warning, by being on a server, or by being a
//! user of the community already; only of such players are groups, rights and playtime asked for.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{BanRow, GroupRow, ImportError, Importer, Kind, Row};
use crate::config;
use crate::io::community::row::{Row as Columns, bounded, steam_value};
use crate::io::http::Http;
use crate::io::sql::own::Value;
use crate::limits::{
    GROUP_NAME_CHARS_MAX, IMPORT_BATCH, IMPORT_PLAYERS_MAX, IMPORT_RETRY_MS, IMPORT_TRIES_MAX,
    RETRY_AFTER_S_MAX, VYHUB_GAP_MS, VYHUB_PATIENCE_MS,
};
use crate::protocol::backend::{self, FailureKind, PLAYTIME, Past, Reply, Request as Asked};
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Done, Job, Outcome, Request};

/// Longest pause that an import makes because VyHub asks for it.
const PAUSE_S_MAX: u64 = 120;
const _: () = assert!(PAUSE_S_MAX <= RETRY_AFTER_S_MAX);

/// Requests one after the other, gently.
struct Api {
    http: Http,
    done: mpsc::Receiver<Done>,
}

impl Api {
    fn new(vyhub: &config::Vyhub) -> Result<Self, ImportError> {
        let (send, done) = mpsc::channel();
        let http = Http::start(vyhub, move |outcome| drop(send.send(outcome)));
        let http = http.map_err(|error| ImportError::Vyhub(error.to_string()))?;
        Ok(Self { http, done })
    }

    /// Only what reads is asked, so a request without a reply is made again. `None`: VyHub does not know what it
    /// is about.
    fn ask(&self, request: &Request) -> Result<Option<Reply>, ImportError> {
        let mut tries = 1;
        loop {
            thread::sleep(Duration::from_millis(VYHUB_GAP_MS));
            self.http.submit(Job {
                ticket: 0,
                request: request.clone(),
                patience_ms: VYHUB_PATIENCE_MS,
            });
            // The worker ends each request in its time.
            let done = self.done.recv();
            let done = done.map_err(|_| ImportError::Vyhub("VyHub's worker has ended".into()))?;
            let Outcome { result, .. } = done.outcome;
            let failure = match result.map_err(backend::Failure::from) {
                Ok(reply) => return Ok(Some(reply)),
                Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
                Err(failure) => failure,
            };
            if !failure.is_trouble() || failure.is_refusal() || tries == IMPORT_TRIES_MAX {
                let why = format!(
                    "{} failed: {}; what was imported stays, run the import again",
                    request.path, failure.why
                );
                return Err(ImportError::Vyhub(why));
            }
            let pause = Duration::from_millis(IMPORT_RETRY_MS * u64::from(tries));
            let wanted = Duration::from_secs(failure.retry_after_s.min(PAUSE_S_MAX));
            thread::sleep(pause.max(wanted));
            tries += 1;
        }
    }

    fn asked(&self, request: &Asked) -> Result<Option<Reply>, ImportError> {
        match Request::of(request) {
            Some(request) => self.ask(&request),
            None => Ok(None),
        }
    }
}

/// Which part of a VyHub is imported.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Of the servers of the configuration.
    pub servers: Vec<Uuid>,
    /// Empty: those of the servers.
    pub bundles: Vec<Uuid>,
}

/// Reads all that can be read. `progress` gets how many players of how many are done.
pub fn import(
    importer: &mut Importer<'_>,
    vyhub: &config::Vyhub,
    scope: &Scope,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), ImportError> {
    let api = Api::new(vyhub)?;
    let mut bundles: BTreeSet<Uuid> = scope.bundles.iter().copied().collect();
    if bundles.is_empty() {
        for server in &scope.servers {
            if let Some(Reply::Server(server)) = api.ask(&Request::server(*server))? {
                bundles.extend(server.bundle);
            }
        }
    }
    if bundles.is_empty() {
        let why = "VyHub has no bundle of the servers in vpid.toml; write vyhub_server_id there, or name a bundle \
                   with --bundle";
        return Err(ImportError::Vyhub(why.into()));
    }
    groups(importer, &api)?;
    let mut players = BTreeSet::new();
    for bundle in &bundles {
        past(importer, &api, *bundle, Kind::Bans, &mut players)?;
        past(importer, &api, *bundle, Kind::Warnings, &mut players)?;
    }
    for server in &scope.servers {
        let server = *server;
        if let Some(Reply::Activity(listing)) = api.asked(&Asked::ListActivity { server })? {
            for activity in listing.items {
                let name = activity.username.unwrap_or_default();
                importer.user(activity.steam, &name)?;
                players.insert(activity.steam);
            }
        }
    }
    known_users(importer, &mut players)?;
    let count = players.len();
    for (at, steam) in players.into_iter().enumerate() {
        player(importer, &api, &bundles, steam)?;
        progress(at + 1, count);
    }
    Ok(())
}

fn groups(importer: &mut Importer<'_>, api: &Api) -> Result<(), ImportError> {
    let Some(Reply::Groups(listing)) = api.asked(&Asked::ListGroups)? else {
        return Ok(());
    };
    for group in &listing.items {
        let properties = group.properties.iter();
        importer.group(&GroupRow {
            key: &group.id.to_string(),
            name: bounded(&group.name, GROUP_NAME_CHARS_MAX),
            level: group.permission_level,
            // VyHub's groups say all that they grant.
            inherits: false,
            max_ban_s: group.max_ban_s,
            properties: properties.map(|it| (it.name.clone(), it.granted)).collect(),
        })?;
    }
    for _ in 0..listing.skipped {
        importer.problem(Kind::Groups, "a group of VyHub cannot be read".into());
    }
    Ok(())
}

/// Bans or warnings of a bundle, page by page.
fn past(
    importer: &mut Importer<'_>,
    api: &Api,
    bundle: Uuid,
    kind: Kind,
    players: &mut BTreeSet<SteamId>,
) -> Result<(), ImportError> {
    let mut number = 1;
    loop {
        let request = match kind {
            Kind::Bans => Request::all_bans(Some(bundle), number),
            _ => Request::all_warnings(Some(bundle), number),
        };
        let Some(Reply::Past(page)) = api.ask(&request)? else {
            return Ok(());
        };
        let has_next = page.has_next(number);
        for _ in &page.skipped {
            importer.problem(kind, "a record of VyHub cannot be read".into());
        }
        for record in page.items {
            match record.user.steam {
                Some(steam) => {
                    importer.user(steam, &record.user.name)?;
                    if players.len() < IMPORT_PLAYERS_MAX {
                        players.insert(steam);
                    }
                    one(importer, kind, steam, record)?;
                }
                None => {
                    let why = format!(
                        "{}: its user {} is not on Steam",
                        record.id, record.user.name
                    );
                    importer.problem(kind, why);
                }
            }
        }
        if !has_next {
            return Ok(());
        }
        number += 1;
    }
}

fn one(
    importer: &mut Importer<'_>,
    kind: Kind,
    steam: SteamId,
    record: Past,
) -> Result<(), ImportError> {
    let key = record.id.to_string();
    let issuer = record.creator.as_ref().and_then(|creator| creator.steam);
    let issuer_name = record
        .creator
        .map(|creator| creator.name)
        .unwrap_or_default();
    let created_us = record.created.as_microsecond();
    let ends_us = record.ends.map(jiff::Timestamp::as_microsecond);
    // VyHub does not say when: at the latest now, and not after its end.
    let lifted_us =
        (!record.stands).then(|| ends_us.map_or(importer.now_us, |ends| ends.min(importer.now_us)));
    if kind == Kind::Bans {
        let ban = BanRow {
            steam: Some(steam),
            name: record.user.name,
            reason: record.reason,
            length_s: record.length_s,
            created_us,
            ends_us,
            issuer,
            issuer_name,
            lifted_us,
            lifted_by: None,
        };
        return importer.ban(&key, ban);
    }
    let id = importer.id("warning", &key);
    let row = Row::Warning {
        id,
        steam,
        reason: record.reason,
        created_us,
        issuer,
        issuer_name,
        withdrawn_us: lifted_us,
    };
    importer.push(row, id)
}

/// Players whom the community knows: VyHub may, too.
fn known_users(
    importer: &mut Importer<'_>,
    players: &mut BTreeSet<SteamId>,
) -> Result<(), ImportError> {
    let select =
        format!("SELECT steam FROM vpid_users WHERE steam > ? ORDER BY steam LIMIT {IMPORT_BATCH}");
    let mut last = Some(Value::Integer(0));
    while let Some(from) = last.take() {
        for row in importer.admin.own.rows(&select, &[from])? {
            let steam = Columns::new("vpid_users", row).steam()?;
            if players.len() < IMPORT_PLAYERS_MAX {
                players.insert(steam);
            }
            last = Some(steam_value(steam));
        }
    }
    Ok(())
}

/// A player's rights, memberships and playtime.
fn player(
    importer: &mut Importer<'_>,
    api: &Api,
    bundles: &BTreeSet<Uuid>,
    steam: SteamId,
) -> Result<(), ImportError> {
    let Some(Reply::User(user)) = api.asked(&Asked::FindUser(steam))? else {
        return Ok(());
    };
    importer.user(steam, user.username.as_deref().unwrap_or_default())?;
    if user.admin {
        importer.administrator(steam)?;
    }
    let mut hours = 0.0;
    for bundle in bundles {
        let (user, bundle) = (user.id, *bundle);
        let memberships = api.asked(&Asked::ListMemberships { user, bundle })?;
        if let Some(Reply::Memberships(listing)) = memberships {
            for _ in 0..listing.skipped {
                let why = format!("a membership of {steam} cannot be read");
                importer.problem(Kind::Memberships, why);
            }
            for membership in listing.items {
                let begin_us = membership.begin.as_microsecond();
                let end_us = membership.end.map(jiff::Timestamp::as_microsecond);
                let key = membership.id.to_string();
                match importer.groups.get(&membership.group.to_string()) {
                    Some(group) => {
                        let of = (steam, *group);
                        importer.membership(&key, of, begin_us, end_us)?;
                    }
                    None => {
                        let why = format!("{key}: VyHub does not list its group");
                        importer.problem(Kind::Memberships, why);
                    }
                }
            }
        }
        let attributes = api.asked(&Asked::AttributesOfUser { user, bundle })?;
        if let Some(Reply::Attributes(all)) = attributes
            && let Some(text) = all.get(PLAYTIME)
        {
            match text.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => hours += number,
                _ => {
                    let why = format!("{steam}: {text:?} is no number of hours");
                    importer.problem(Kind::Playtime, why);
                }
            }
        }
    }
    match (hours * 3_600_000.0).round() as i64 {
        0 => Ok(()),
        ms => importer.playtime(steam, ms),
    }
}
