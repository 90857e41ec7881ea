//! VyHub's API: what it holds, and what goes wrong on the way to it.

mod attributes;
pub mod local;
pub mod members;
mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use vpid::protocol::backend::{NewBan, NewWarning, Request};
use vpid::protocol::local_ids;
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::{
    Ban, BanList, Bundle, Failure, Links, Listing, Outcome, Page, Reply, RewardList, Server, User,
    Warning,
};

use crate::random::Random;

use attributes::Attributes;
use members::{Members, SUPPORTER, VIP};
pub use shop::{Applied, Packet, Shop};

pub const SERVER: Uuid = Uuid(0x5e);

/// As the configuration of a community in a database has it.
pub fn server_name(place: usize) -> String {
    format!("server {place}")
}
pub const BUNDLE: Uuid = vpid::protocol::local_ids::BUNDLE;
/// One without a server of ours.
pub const OTHER_BUNDLE: Uuid = Uuid(1);

/// How long after its sending a request is carried out at most, in seconds: VyHub gives up then.
const CARRIED_OUT_S_MAX: u64 = 20;

#[derive(Debug, Clone)]
pub struct HeldBan {
    pub user: Uuid,
    pub ban: Ban,
    pub standing: bool,
}

impl HeldBan {
    /// As it stands at this moment of VyHub's clock.
    fn at(&self, now_s: i64) -> Ban {
        let is_over = self.ban.ends.is_some_and(|ends| ends.as_second() <= now_s);
        Ban {
            active: Some(self.standing && !is_over),
            ..self.ban.clone()
        }
    }
}

/// How the way to it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weather {
    #[default]
    Fair,
    /// Each request has its own trouble, by chance.
    Rough,
    /// No connection at all.
    Away,
    /// Everything is taken, and no answer comes.
    Mute,
    /// The key is refused.
    Refused,
    /// It asks to be left alone for a while.
    Busy,
}

/// Whether a request that fails is carried out all the same.
enum Fate {
    Lost,
    CarriedOut,
    /// After so many seconds.
    Later(u64),
}

fn listing<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, skipped: 0 }
}

#[derive(Default)]
pub struct Api {
    /// It is a community's database: see `local`.
    pub is_local: bool,
    /// Of a database, what changes have made, by their kinds and ids.
    done: BTreeMap<(&'static str, u64), Reply>,
    pub users: BTreeMap<SteamId, Uuid>,
    pub bans: Vec<HeldBan>,
    /// A list instead of one of these.
    pub fixed_bans: Option<Arc<BanList>>,
    pub warnings: Vec<(Uuid, Warning)>,
    pub members: Members,
    pub shop: Shop,
    pub attributes: Attributes,
    /// Users who may do everything.
    admins: BTreeSet<Uuid>,
    pub weather: Weather,
    /// Its clock less ours, in seconds.
    pub skew_s: i64,
    /// Requests by minute.
    pub requests: BTreeMap<i64, u64>,
    /// When the server told how it is, unix seconds.
    pub states: Vec<i64>,
    /// Who is on each server, by its last report.
    on: BTreeMap<Uuid, Vec<Uuid>>,
    /// Requests that were sent and are carried out then, unix seconds.
    under_way: Vec<(i64, Request)>,
    last_id: u128,
}

fn page<T>(items: impl Iterator<Item = T>) -> Page<T> {
    let items: Vec<T> = items.collect();
    let total = items.len() as u64;
    Page {
        items,
        skipped: Vec::new(),
        total,
    }
}

fn status(code: u16, retry_after_s: Option<u64>) -> Failure {
    let detail = Some(format!("status {code}"));
    Failure::Status {
        code,
        retry_after_s,
        detail,
    }
}

/// From something between vpid and VyHub, in its own words.
fn foreign(code: u16) -> Failure {
    Failure::Status {
        code,
        retry_after_s: None,
        detail: None,
    }
}

fn next_id(last: &mut u128) -> Uuid {
    *last += 1;
    Uuid(1 << 64 | *last)
}

impl Api {
    /// The server at a place, as its backend calls it.
    pub fn server(&self, place: usize) -> Uuid {
        match self.is_local {
            true => local_ids::server(&server_name(place)),
            false => Uuid(SERVER.0 + place as u128),
        }
    }

    pub fn new(is_local: bool, skew_s: i64) -> Self {
        Self {
            is_local,
            skew_s,
            ..Self::default()
        }
    }

    pub fn user(&mut self, steam: SteamId) -> Uuid {
        let last = &mut self.last_id;
        let user = self.users.entry(steam);
        if self.is_local {
            return *user.or_insert_with(|| vpid::protocol::local_ids::user(steam));
        }
        *user.or_insert_with(|| next_id(last))
    }

    /// Whether a ban of our bundle holds.
    pub fn is_banned(&self, steam: SteamId, now_s: i64) -> bool {
        let user = self.users.get(&steam);
        let is_of = |held: &&HeldBan| Some(&held.user) == user && held.ban.bundle == Some(BUNDLE);
        let mut bans = self.bans.iter().filter(is_of);
        bans.any(|held| held.at(now_s + self.skew_s).active == Some(true))
    }

    /// A user who may do everything.
    pub fn make_admin(&mut self, steam: SteamId) {
        let user = self.user(steam);
        self.admins.insert(user);
        let id = next_id(&mut self.last_id);
        self.members
            .add(id, (user, BUNDLE), members::ADMINS, 0, None);
    }

    /// A user is banned for ever, and has a group, on servers that are not ours.
    pub fn make_known_elsewhere(&mut self, steam: SteamId) {
        let user = self.user(steam);
        let id = next_id(&mut self.last_id);
        self.members.add(id, (user, OTHER_BUNDLE), VIP, 0, None);
        self.bans.push(HeldBan {
            user,
            ban: Ban {
                id: next_id(&mut self.last_id),
                reason: Some("banned elsewhere".into()),
                length_s: None,
                created: Timestamp::UNIX_EPOCH,
                ends: None,
                creator: None,
                creator_name: None,
                bundle: Some(OTHER_BUNDLE),
                active: Some(true),
            },
            standing: true,
        });
    }

    /// A request arrives, and is answered or not, so many milliseconds later.
    pub fn take(&mut self, request: &Request, now_s: i64, random: &mut Random) -> (Outcome, u64) {
        *self.requests.entry(now_s / 60).or_default() += 1;
        self.catch_up(now_s);
        if let Request::ReportState { .. } = request {
            self.states.push(now_s);
        }
        let by_chance = match random.chance(50) {
            true => Fate::CarriedOut,
            false => Fate::Lost,
        };
        let later = Fate::Later(1 + random.below(CARRIED_OUT_S_MAX - 1));
        let unclear = || Failure::Unclear("no answer".into());
        let mut delay_ms = 20 + random.below(400);
        let trouble = match (self.weather, random.below(14)) {
            (Weather::Away, _) => Some((Failure::Unreachable("refused".into()), Fate::Lost)),
            (Weather::Mute, 0..4) => Some((unclear(), later)),
            (Weather::Mute, _) => Some((unclear(), Fate::CarriedOut)),
            (Weather::Refused, _) => Some((status(401, None), Fate::Lost)),
            (Weather::Busy, _) => Some((status(429, Some(120)), Fate::Lost)),
            (Weather::Rough, 0) => Some((unclear(), by_chance)),
            (Weather::Rough, 1) => Some((status(500, None), by_chance)),
            (Weather::Rough, 2) => Some((foreign(502), by_chance)),
            (Weather::Rough, 3) => Some((foreign(404), Fate::Lost)),
            (Weather::Rough, 4) => Some((status(429, Some(5)), Fate::Lost)),
            (Weather::Rough, 5) => Some((Failure::Unreachable("no route".into()), Fate::Lost)),
            (Weather::Rough, 6) => Some((unclear(), later)),
            (Weather::Rough, 7) => {
                delay_ms = random.below(CARRIED_OUT_S_MAX * 1_000);
                None
            }
            (Weather::Fair | Weather::Rough, _) => None,
        };
        let Some((failure, fate)) = trouble else {
            let outcome = Outcome {
                result: self.answer(request, now_s),
                api_s: Some(now_s + self.skew_s),
            };
            return (outcome, delay_ms);
        };
        match fate {
            Fate::Lost => {}
            Fate::CarriedOut => drop(self.answer(request, now_s)),
            Fate::Later(s) => self.under_way.push((now_s + s as i64, request.clone())),
        }
        let outcome = Outcome {
            result: Err(failure),
            api_s: None,
        };
        (outcome, delay_ms)
    }

    /// Whether a report of this reward will be carried out.
    pub fn is_under_way(&self, of: Uuid) -> bool {
        let is_it = |request: &Request| matches!(request, Request::ReportReward { reward, .. } if *reward == of);
        self.under_way.iter().any(|(_, request)| is_it(request))
    }

    /// Carries out what arrived late, in the order of its time.
    fn catch_up(&mut self, now_s: i64) {
        let is_due = |(at_s, _): &mut (i64, Request)| *at_s <= now_s;
        let mut due: Vec<_> = self.under_way.extract_if(.., is_due).collect();
        due.sort_by_key(|(at_s, _)| *at_s);
        for (at_s, request) in due {
            drop(match self.is_local {
                true => self.answer_once(&request, at_s),
                false => self.answer(&request, at_s),
            });
        }
    }

    fn answer(&mut self, request: &Request, now_s: i64) -> Result<Reply, Failure> {
        // What it says itself is by its own clock.
        let now_s = now_s + self.skew_s;
        if let Some(morph) = request.issuer()
            && !self.admins.contains(&morph)
        {
            return Err(status(403, None));
        }
        Ok(match request {
            Request::FindServer(id) => server_reply(*id),
            Request::FindBundle(_) => Reply::Bundle(Bundle {
                id: BUNDLE,
                name: "bundle".into(),
                multigroup: self.members.multigroup,
            }),
            Request::FindLinks => Reply::Links(Links::of("https://hub.example")),
            Request::ListAdverts(_) => Reply::Adverts(listing(Vec::new())),
            Request::ReportState { server, state } => {
                let users = state.activities.iter().map(|(user, _)| *user);
                self.on.insert(*server, users.collect());
                server_reply(*server)
            }
            Request::CreateUser(steam) => user_reply(*steam, self.user(*steam)),
            Request::FindUser(steam) => {
                let id = *self.users.get(steam).ok_or_else(|| status(404, None))?;
                user_reply(*steam, id)
            }
            Request::ListBans { bundle, .. } => {
                let fixed = self.fixed_bans.clone();
                Reply::BanList(fixed.unwrap_or_else(|| self.list(*bundle, now_s).into()))
            }
            Request::CreateBan { ban, issuer } => self.create_ban(ban, *issuer)?,
            Request::CreateWarning { warning, issuer } => {
                self.create_warning(warning, *issuer, now_s)?
            }
            Request::BansOfUser { user, bundle, .. } => {
                let of = |held: &&HeldBan| held.user == *user && held.ban.bundle == Some(*bundle);
                let bans = self.bans.iter().rev().filter(of);
                Reply::Bans(page(bans.map(|held| held.at(now_s))))
            }
            Request::WarningsOfUser { user, .. } => {
                let warnings = self.warnings.iter().rev().filter(|(of, _)| of == user);
                Reply::Warnings(page(warnings.map(|(_, warning)| warning.clone())))
            }
            Request::EndBan { ban, .. } => self.lift(*ban)?,
            Request::EndBans { user, bundle, .. } => self.unban(*user, *bundle)?,
            Request::GroupsOfUser { .. }
            | Request::ListGroups
            | Request::ListMemberships { .. }
            | Request::CreateMembership { .. }
            | Request::EndMembership { .. }
            | Request::EndMemberships { .. }
            | Request::EndMembershipsOfGroup { .. } => self.answer_members(request, now_s)?,
            Request::ListActivity { server } => self.activity(*server),
            Request::FindAttribute(_)
            | Request::CreateAttribute(_)
            | Request::AddToAttribute(_)
            | Request::AttributesOfUser { .. } => self.answer_attributes(request)?,
            Request::ListRewards { server, users, .. } => Reply::Rewards(RewardList {
                items: self.shop.open(*server, users, now_s),
                ..RewardList::default()
            }),
            Request::ReportReward { reward, server, .. } => {
                self.shop.executed(*reward, *server)?;
                Reply::Nothing
            }
            Request::ConfirmLogin { .. }
            | Request::ListAddressBans { .. }
            | Request::CreateAddressBan { .. }
            | Request::EndAddressBans { .. }
            | Request::AddAllToAttribute(_) => return Err(status(404, None)),
        })
    }

    fn knows(&self, user: Uuid) -> Result<(), Failure> {
        let known = self.users.values().any(|known| *known == user);
        known.then_some(()).ok_or_else(|| status(404, None))
    }

    fn create_warning(
        &mut self,
        new: &NewWarning,
        creator: Option<Uuid>,
        now_s: i64,
    ) -> Result<Reply, Failure> {
        self.knows(new.user)?;
        let warning = Warning {
            id: next_id(&mut self.last_id),
            reason: Some(new.reason.clone()),
            created: Timestamp::from_second(now_s).expect("a time"),
            creator,
            creator_name: None,
        };
        self.warnings.push((new.user, warning.clone()));
        Ok(Reply::Warning(warning))
    }

    fn unban(&mut self, user: Uuid, bundle: Uuid) -> Result<Reply, Failure> {
        self.knows(user)?;
        let of = |held: &&mut HeldBan| held.user == user && held.ban.bundle == Some(bundle);
        for held in self.bans.iter_mut().filter(of) {
            held.standing = false;
        }
        Ok(Reply::Nothing)
    }

    fn lift(&mut self, ban: Uuid) -> Result<Reply, Failure> {
        let held = self.bans.iter_mut().find(|held| held.ban.id == ban);
        held.ok_or_else(|| status(404, None))?.standing = false;
        Ok(Reply::Nothing)
    }

    fn create_ban(&mut self, new: &NewBan, creator: Option<Uuid>) -> Result<Reply, Failure> {
        self.knows(new.user)?;
        let length_s = new.length_s.map(|length_s| length_s as i64);
        let end = |length| Timestamp::from_second(new.created.as_second() + length);
        let ban = Ban {
            id: next_id(&mut self.last_id),
            reason: Some(new.reason.clone()),
            length_s,
            created: new.created,
            ends: length_s.map(|length| end(length).expect("a time")),
            creator,
            creator_name: None,
            bundle: Some(new.bundle),
            active: Some(new.standing),
        };
        let held = HeldBan {
            user: new.user,
            ban: ban.clone(),
            standing: new.standing,
        };
        self.bans.push(held);
        Ok(Reply::Ban(ban))
    }

    fn list(&self, bundle: Uuid, now_s: i64) -> BanList {
        let mut list = json!({});
        for (steam, user) in &self.users {
            let active = |held: &&HeldBan| {
                let over = held.ban.ends.is_some_and(|ends| ends.as_second() <= now_s);
                let is_of = held.user == *user && held.ban.bundle == Some(bundle);
                is_of && held.standing && !over
            };
            let bans = self.bans.iter().filter(active).map(|held| {
                json!({
                    "id": held.ban.id, "reason": held.ban.reason, "length": held.ban.length_s,
                    "created_on": held.ban.created.to_string(), "status": "ACTIVE", "active": true,
                    "ends_on": held.ban.ends.map(|ends| ends.to_string()), "creator": null,
                    "user": {"id": user, "username": null, "type": "STEAM", "identifier": steam, "avatar": null},
                })
            });
            let bans: Vec<Value> = bans.collect();
            if !bans.is_empty() {
                list[steam.to_string()] = bans.into();
            }
        }
        BanList::read(list.to_string().as_bytes()).expect("a good list")
    }
}

fn server_reply(id: Uuid) -> Reply {
    Reply::Server(Server {
        id,
        name: "server".into(),
        kind: "GMOD".into(),
        bundle: Some(BUNDLE),
        extra: json!({}),
    })
}

fn user_reply(steam: SteamId, id: Uuid) -> Reply {
    Reply::User(User {
        id,
        steam,
        username: None,
        admin: false,
    })
}
