//! VyHub's API: what it holds, and what goes wrong on the way to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::{
    Ban, BanList, Bundle, Expect, Failure, Group, Links, Listing, Method, Outcome, Page, Property,
    Reply, Request, Server, User, Warning,
};

use crate::random::Random;

pub const SERVER: Uuid = Uuid(0x5e);
pub const BUNDLE: Uuid = Uuid(0xb0);

#[derive(Debug, Clone)]
pub struct HeldBan {
    pub user: Uuid,
    pub ban: Ban,
    pub bundle: Option<Uuid>,
    pub standing: bool,
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

fn listing<T>(items: Vec<T>) -> Listing<T> {
    Listing { items, skipped: 0 }
}

#[derive(Default)]
pub struct Api {
    pub users: BTreeMap<SteamId, Uuid>,
    pub bans: Vec<HeldBan>,
    pub warnings: Vec<(Uuid, Warning)>,
    /// Users who may do everything.
    pub admins: BTreeSet<Uuid>,
    pub weather: Weather,
    /// Its clock less ours, in seconds.
    pub skew_s: i64,
    /// Requests by minute.
    pub requests: BTreeMap<i64, u64>,
    /// When the server told how it is, unix seconds.
    pub states: Vec<i64>,
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

impl Api {
    pub fn new(skew_s: i64) -> Self {
        Self {
            skew_s,
            ..Self::default()
        }
    }

    fn id(&mut self) -> Uuid {
        self.last_id += 1;
        Uuid(1 << 64 | self.last_id)
    }

    pub fn user(&mut self, steam: SteamId) -> Uuid {
        let id = self.id();
        *self.users.entry(steam).or_insert(id)
    }

    /// Somebody looks at a request, and it is answered or not.
    pub fn take(&mut self, request: &Request, now_s: i64, random: &mut Random) -> Outcome {
        *self.requests.entry(now_s / 60).or_default() += 1;
        if request.method == Method::Patch && request.path.starts_with("/server/") {
            self.states.push(now_s);
        }
        // What goes wrong, and whether the request was carried out all the same.
        let applied = random.chance(50);
        let trouble = match (self.weather, random.below(12)) {
            (Weather::Away, _) => Some((Failure::Unreachable("refused".into()), false)),
            (Weather::Mute, _) => Some((Failure::Unclear("no answer".into()), true)),
            (Weather::Refused, _) => Some((status(401, None), false)),
            (Weather::Busy, _) => Some((status(429, Some(120)), false)),
            (Weather::Rough, 0) => Some((Failure::Unclear("reset".into()), applied)),
            (Weather::Rough, 1) => Some((status(500, None), applied)),
            (Weather::Rough, 2) => Some((foreign(502), applied)),
            (Weather::Rough, 3) => Some((foreign(404), false)),
            (Weather::Rough, 4) => Some((status(429, Some(5)), false)),
            (Weather::Rough, 5) => Some((Failure::Unreachable("no route".into()), false)),
            (Weather::Fair | Weather::Rough, _) => None,
        };
        if let Some((failure, applied)) = trouble {
            if applied {
                let _ = self.answer(request, now_s);
            }
            return Outcome {
                result: Err(failure),
                api_s: None,
            };
        }
        Outcome {
            result: self.answer(request, now_s),
            api_s: Some(now_s + self.skew_s),
        }
    }

    fn answer(&mut self, request: &Request, now_s: i64) -> Result<Reply, Failure> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let argument = |name: &str| -> Option<Uuid> {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(key, _)| *key == name)
                .find_map(|(_, value)| value.parse().ok())
        };
        let part = |at: usize| path.split('/').nth(at).unwrap_or_default();
        let body = || request.body.as_ref().expect("a body");
        if let Some(morph) = argument("morph_user_id")
            && !self.admins.contains(&morph)
        {
            return Err(status(403, None));
        }
        Ok(match (request.expect, request.method) {
            (Expect::Server, _) => Reply::Server(Server {
                id: part(2).parse().expect("an id"),
                name: "server".into(),
                kind: "GMOD".into(),
                bundle: Some(BUNDLE),
                extra: json!({}),
            }),
            (Expect::Bundle, _) => Reply::Bundle(Bundle {
                id: BUNDLE,
                name: "bundle".into(),
                multigroup: false,
            }),
            (Expect::Links, _) => Reply::Links(Links::of("https://hub.example")),
            (Expect::Adverts, _) => Reply::Adverts(listing(Vec::new())),
            (Expect::User, Method::Post) => {
                let steam = body()["identifier"].as_str().expect("an identifier");
                let steam: SteamId = steam.parse().expect("a SteamID");
                let id = self.user(steam);
                self.user_reply(steam, id)
            }
            (Expect::User, _) => {
                let steam: SteamId = part(2).parse().expect("a SteamID");
                let id = *self.users.get(&steam).ok_or_else(|| status(404, None))?;
                self.user_reply(steam, id)
            }
            (Expect::Groups, _) => {
                Reply::Groups(listing(self.groups(part(2).parse().expect("an id"))))
            }
            (Expect::BanList, _) => Reply::BanList(self.list(now_s).into()),
            (Expect::Ban, _) => self.create_ban(body(), argument("morph_user_id"))?,
            (Expect::Warning, _) => {
                self.create_warning(body(), argument("morph_user_id"), now_s)?
            }
            (Expect::Bans(_), _) => {
                let of = |held: &&HeldBan| Some(held.user) == argument("user_id");
                let bans = self.bans.iter().rev().filter(of);
                Reply::Bans(page(bans.map(|held| held.ban.clone())))
            }
            (Expect::Warnings(_), _) => {
                let of = |(user, _): &&(Uuid, Warning)| Some(*user) == argument("user_id");
                let warnings = self.warnings.iter().rev().filter(of);
                Reply::Warnings(page(warnings.map(|(_, warning)| warning.clone())))
            }
            (Expect::Nothing, Method::Patch) if path.ends_with("/ban") => {
                assert_eq!(argument("serverbundle_id"), Some(BUNDLE), "{query}");
                self.unban(part(2).parse().expect("an id"))?
            }
            (Expect::Nothing | Expect::Membership, _) => Reply::Nothing,
            (
                Expect::Memberships
                | Expect::Activity
                | Expect::Attribute
                | Expect::Addition
                | Expect::Attributes
                | Expect::Rewards
                | Expect::AppliedReward
                | Expect::Login,
                _,
            ) => return Err(status(404, None)),
        })
    }

    fn user_in(&self, body: &Value) -> Result<Uuid, Failure> {
        let user = body["user_id"].as_str().expect("a user");
        let user: Uuid = user.parse().expect("an id");
        self.knows(user).map(|()| user)
    }

    fn knows(&self, user: Uuid) -> Result<(), Failure> {
        let known = self.users.values().any(|known| *known == user);
        known.then_some(()).ok_or_else(|| status(404, None))
    }

    fn create_warning(
        &mut self,
        body: &Value,
        creator: Option<Uuid>,
        now_s: i64,
    ) -> Result<Reply, Failure> {
        let user = self.user_in(body)?;
        let warning = Warning {
            id: self.id(),
            reason: body["reason"].as_str().map(str::to_owned),
            created: Timestamp::from_second(now_s + self.skew_s).expect("a time"),
            creator,
            creator_name: None,
        };
        self.warnings.push((user, warning.clone()));
        Ok(Reply::Warning(warning))
    }

    fn unban(&mut self, user: Uuid) -> Result<Reply, Failure> {
        self.knows(user)?;
        for held in self.bans.iter_mut().filter(|held| held.user == user) {
            held.standing = false;
        }
        Ok(Reply::Nothing)
    }

    fn create_ban(&mut self, body: &Value, creator: Option<Uuid>) -> Result<Reply, Failure> {
        let user = self.user_in(body)?;
        let created = body["created_on"].as_str().expect("a date");
        let created: Timestamp = created.parse().expect("a date");
        let length_s = body["length"].as_i64();
        let standing = body["status"] == "ACTIVE";
        let ends = length_s
            .map(|length| Timestamp::from_second(created.as_second() + length).expect("a time"));
        let ban = Ban {
            id: self.id(),
            reason: body["reason"].as_str().map(str::to_owned),
            length_s,
            created,
            ends,
            creator,
            creator_name: None,
        };
        let bundle = body["serverbundle_id"].as_str();
        let held = HeldBan {
            user,
            ban: ban.clone(),
            bundle: bundle.and_then(|id| id.parse().ok()),
            standing,
        };
        self.bans.push(held);
        Ok(Reply::Ban(ban))
    }

    fn user_reply(&self, steam: SteamId, id: Uuid) -> Reply {
        Reply::User(User {
            id,
            steam,
            username: None,
            admin: false,
        })
    }

    fn properties(&self, user: Uuid) -> Vec<Property> {
        let granted = self.admins.contains(&user);
        ["ban_edit", "warning_edit"]
            .map(|name| Property {
                name: name.into(),
                granted,
            })
            .into()
    }

    fn groups(&self, user: Uuid) -> Vec<Group> {
        let group = |_: &Uuid| Group {
            id: Uuid(7),
            name: "admins".into(),
            permission_level: 100,
            properties: self.properties(user),
            max_ban_s: None,
            mappings: Vec::new(),
        };
        self.admins.get(&user).map(group).into_iter().collect()
    }

    fn list(&self, now_s: i64) -> BanList {
        let mut list = json!({});
        for (steam, user) in &self.users {
            let now_s = now_s + self.skew_s;
            let active = |held: &&HeldBan| {
                let over = held.ban.ends.is_some_and(|ends| ends.as_second() <= now_s);
                held.user == *user && held.standing && !over
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
