//! The players of the servers, who come and go, and what an admin orders in chat: whatever was on disk
//! once arrives at VyHub once, in order, and holds on the servers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vpid::limits;
use vpid::protocol::steam_id::SteamId;

use super::on_disk;
use crate::vyhub::{Api, BUNDLE, OTHER_BUNDLE};
use crate::world::Outside;

const ADMIN: u32 = 1;
/// What the pace lets go when all players come at once, while vpid starts a few times, each with a burst.
const REQUESTS_PER_MINUTE_MAX: u64 = 60_000 / limits::VYHUB_GAP_MS + 5 * limits::VYHUB_BURST;
/// How long a banned player may be there while RCON works: until `status` comes, and from one kick to the next.
pub const KICKED_MS: u64 = 11_000;
/// One who is there when the ban is accepted.
const KICKED_AT_ONCE_MS: u64 = 1_000;
/// From a ban to its unban, where the admin regrets it.
const REGRET_MS_MAX: u64 = 60_000;

#[derive(Clone, Copy)]
pub struct Manners {
    pub players: u64,
    /// Between two things that happen, on average.
    pub pause_ms: u64,
    /// Of a hundred bans, so many are lifted soon, also before VyHub has them.
    pub regrets_percent: u64,
    /// Nothing is done but bans of one player after the other.
    pub bans_only: bool,
}

/// What was ordered and was on disk once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    Ban(String),
    Unban,
    Warning(String),
}

pub struct Community {
    manners: Manners,
    /// Of each player, in order, with its id and when it was seen.
    pub accepted: BTreeMap<SteamId, Vec<(u64, u64, Accepted)>>,
    /// The numbers of all of these, and when they were created.
    seen: BTreeSet<(u64, String)>,
    ordered: u64,
    next_ms: u64,
    /// When the admin lifts a ban of this player.
    regret: Option<(u64, SteamId)>,
}

pub fn steam(account: u32) -> SteamId {
    SteamId::new(account).expect("an account")
}

impl Community {
    pub fn new(manners: Manners, out: &mut Outside) -> Self {
        out.api.make_admin(steam(ADMIN));
        out.engines[0].join(steam(ADMIN), 0);
        Self {
            manners,
            accepted: BTreeMap::new(),
            seen: BTreeSet::new(),
            ordered: 0,
            // In fair weather, so that the admin is known.
            next_ms: 5_000,
            regret: None,
        }
    }

    /// Nothing happens until then.
    pub fn rest_until(&mut self, ms: u64) {
        self.next_ms = self.next_ms.max(ms);
        if let Some((at_ms, _)) = &mut self.regret {
            *at_ms = ms.max(*at_ms);
        }
    }

    pub fn next_ms(&self, quiet: bool) -> Option<u64> {
        let regret_ms = self.regret.map_or(u64::MAX, |(at_ms, _)| at_ms);
        (!quiet).then_some(self.next_ms.min(regret_ms))
    }

    /// One thing that an admin or a player does.
    pub fn play(&mut self, out: &mut Outside) {
        if let Some((_, player)) = self.regret.take_if(|(at_ms, _)| *at_ms <= out.now.ms) {
            self.order(&format!("!unban {}", player.steam3()), out);
        }
        if out.now.ms < self.next_ms {
            return;
        }
        self.next_ms = out.now.ms + out.random.below(2 * self.manners.pause_ms);
        self.ordered += 1;
        let n = self.ordered;
        if self.manners.bans_only {
            let id = steam(2 + (n % self.manners.players) as u32).steam3();
            return self.order(&format!("!ban {id} 60000 r{n}"), out);
        }
        let player = self.somebody(out);
        let id = player.steam3();
        let server = out.random.below(out.engines.len() as u64) as usize;
        let now_ms = out.now.ms;
        let engine = &mut out.engines[server];
        match out.random.below(11) {
            choice @ 0..=3 => {
                let length = if choice < 3 { "permanent" } else { "999999" };
                self.order(&format!("!ban {id} {length} r{n}"), out);
                let percent = self.manners.regrets_percent;
                if percent > 0 && out.random.chance(percent) {
                    self.regret = Some((now_ms + 1 + out.random.below(REGRET_MS_MAX), player));
                }
            }
            4 | 5 => self.order(&format!("!unban {id}"), out),
            6 => self.order(&format!("!warn {id} r{n}"), out),
            choice => match engine.userid(player) {
                None => drop(engine.join(player, now_ms)),
                Some(userid) if choice == 7 => engine.leave(userid, now_ms),
                Some(_) => {}
            },
        }
    }

    fn somebody(&self, out: &mut Outside) -> SteamId {
        steam(2 + out.random.below(self.manners.players) as u32)
    }

    /// The admin writes this on the first server.
    pub fn order(&self, text: &str, out: &mut Outside) {
        let (engine, now_ms) = (&mut out.engines[0], out.now.ms);
        let admin = engine.userid(steam(ADMIN));
        let admin = admin.unwrap_or_else(|| engine.join(steam(ADMIN), now_ms));
        engine.say(admin, text);
    }

    /// The API forgets a user of whom vpid wants nothing.
    pub fn forget_user(&self, out: &mut Outside) {
        let player = self.somebody(out);
        if !self.accepted.contains_key(&player) {
            out.api.users.remove(&player);
        }
    }

    /// What was on disk once was accepted, whatever happens next.
    pub fn look_at_the_disk(&mut self, out: &mut Outside) {
        for text in std::mem::take(&mut out.disk.accepted) {
            let entry: Value = serde_json::from_str(&text).expect("JSON");
            let reason = || entry["reason"].as_str().unwrap().to_owned();
            let accepted = match entry["kind"].as_str().unwrap() {
                "ban" => Accepted::Ban(reason()),
                "unban" => Accepted::Unban,
                "warning" => Accepted::Warning(reason()),
                "reward" => {
                    on_disk::check_report(&entry, out);
                    continue;
                }
                // `season` looks at these.
                _ => continue,
            };
            let steam: SteamId = entry["steam"].as_str().unwrap().parse().expect("a SteamID");
            let id: u64 = entry["id"].as_u64().expect("an id");
            // A clock that is set back gives the number of one that is gone to another.
            let created = entry["created"].as_str().unwrap().to_owned();
            let is_new = self.seen.insert((id, created));
            assert!(is_new, "{text} was accepted twice");
            let known = self.accepted.entry(steam).or_default();
            known.push((id, out.now.ms, accepted));
        }
    }

    /// When the last word about this player was a ban, if it was.
    fn banned_ms(&self, steam: SteamId) -> Option<u64> {
        let mut of = self.accepted.get(&steam)?.iter().rev();
        match of.find(|(.., accepted)| !matches!(accepted, Accepted::Warning(_)))? {
            (_, at_ms, Accepted::Ban(_)) => Some(*at_ms),
            _ => None,
        }
    }

    /// `disturbed_ms`: when vpid itself was disturbed last.
    pub fn nobody_banned_is_on(&self, disturbed_ms: u64, out: &Outside) {
        let now_ms = out.now.ms;
        let reached = out
            .engines
            .iter()
            .filter(|engine| engine.away_until_ms <= now_ms);
        for engine in reached {
            for (userid, (steam, since_ms)) in &engine.present {
                let Some(banned_ms) = self.banned_ms(*steam) else {
                    continue;
                };
                let ready_ms = disturbed_ms.max(engine.lost_ms);
                let kicked_ms = ready_ms.max(*since_ms) + KICKED_MS;
                let kicked_ms = kicked_ms.max(banned_ms + KICKED_AT_ONCE_MS);
                assert!(
                    now_ms < kicked_ms,
                    "player {userid}, on since {since_ms} ms, is banned since {banned_ms} ms and still on at {now_ms} ms; vpid was disturbed at {ready_ms} ms"
                );
            }
        }
    }

    fn players(&self) -> impl Iterator<Item = SteamId> + use<> {
        (2..2 + self.manners.players as u32).map(steam)
    }

    /// All players come, each to a server.
    pub fn all_come(&self, out: &mut Outside) {
        let now_ms = out.now.ms;
        for (n, player) in self.players().enumerate() {
            let is_on = out.engines.iter().any(|it| it.userid(player).is_some());
            let place = n % out.engines.len();
            if !is_on {
                out.engines[place].join(player, now_ms);
            }
        }
    }

    /// When all have come, those are on whom VyHub's books do not ban.
    pub fn check_who_is_on(&self, out: &Outside) {
        for player in self.players() {
            let is_on = out.engines.iter().any(|it| it.userid(player).is_some());
            let is_banned = out.api.is_banned(player, out.now.right_s());
            assert!(
                is_on != is_banned,
                "{}: on a server: {is_on}, banned by the books: {is_banned}; accepted: {:?}",
                player.steam3(),
                self.accepted.get(&player)
            );
        }
    }

    /// Who is kicked is banned, and by nobody who has lifted that.
    pub fn nobody_else_is_kicked(&self, out: &mut Outside) {
        if out.api.fixed_bans.is_some() {
            return;
        }
        for (server, engine) in out.engines.iter_mut().enumerate() {
            for (at_ms, steam) in engine.kicked.drain(..) {
                assert!(
                    self.banned_ms(steam).is_some(),
                    "{} was kicked from server {server} at {at_ms} ms, and is not banned: {:?}",
                    steam.steam3(),
                    self.accepted.get(&steam)
                );
            }
        }
    }

    /// All that was accepted is at VyHub once, and as it was meant.
    pub fn check(&self, out: &Outside) {
        let open: Vec<&String> = out.disk.outbox.values().collect();
        assert!(open.is_empty(), "still in the outbox: {open:#?}");
        let api = &out.api;
        for (steam, accepted) in &self.accepted {
            let is_unban = |(.., one): &(u64, u64, Accepted)| *one == Accepted::Unban;
            let last_unban = accepted.iter().rposition(is_unban);
            for (at, (id, _, one)) in accepted.iter().enumerate() {
                match one {
                    Accepted::Ban(reason) => {
                        let lifted = last_unban.is_some_and(|unban| at < unban);
                        check_ban(api, *steam, (*id, reason), lifted);
                    }
                    Accepted::Warning(reason) => {
                        let reasons = api.warnings.iter().map(|(_, it)| it.reason.as_ref());
                        let count = reasons.filter(|it| *it == Some(reason)).count();
                        assert_eq!(count, 1, "warnings {id} {reason}");
                    }
                    Accepted::Unban => {}
                }
            }
        }
        self.nothing_was_made_up(api);
        let most = api.requests.values().max().copied().unwrap_or(0);
        // Databases are asked at another pace.
        assert!(
            api.is_local || most <= REQUESTS_PER_MINUTE_MAX,
            "{most} requests in one minute"
        );
    }

    /// Nothing came to VyHub that was never on disk.
    fn nothing_was_made_up(&self, api: &Api) {
        let all = self.accepted.values().flatten();
        let reasons = all.filter_map(|(.., one)| match one {
            Accepted::Ban(reason) | Accepted::Warning(reason) => Some(reason),
            Accepted::Unban => None,
        });
        let reasons: Vec<&String> = reasons.collect();
        let bans = api
            .bans
            .iter()
            .filter(|held| held.ban.bundle != Some(OTHER_BUNDLE));
        let bans = bans.map(|held| &held.ban.reason);
        let warnings = api.warnings.iter().map(|(_, warning)| &warning.reason);
        for reason in bans.chain(warnings).flatten() {
            assert!(
                reasons.contains(&reason),
                "{reason} was sent and never kept"
            );
        }
    }
}

fn check_ban(api: &Api, steam: SteamId, (id, reason): (u64, &String), lifted: bool) {
    let of = |held: &&crate::vyhub::HeldBan| held.ban.reason.as_ref() == Some(reason);
    let bans: Vec<_> = api.bans.iter().filter(of).collect();
    assert_eq!(bans.len(), 1, "ban {id} {reason}: {bans:#?}");
    let admin = api.users[&self::steam(ADMIN)];
    assert_eq!(
        Some(bans[0].user),
        api.users.get(&steam).copied(),
        "{reason}"
    );
    assert_eq!(bans[0].ban.creator, Some(admin), "{reason}");
    assert_eq!(bans[0].ban.bundle, Some(BUNDLE), "{reason}");
    assert_eq!(bans[0].standing, !lifted, "{reason}");
}
