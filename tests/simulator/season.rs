//! A community in its seasons: players come in the evenings, buy in the shop, and what they bought is extended,
//! refunded or runs out. `check` compares VyHub's books with what happened in the games.

mod check;

use vpid::protocol::steam_id::SteamId;

use crate::community::steam;
use crate::vyhub::Packet;
use crate::world::Outside;

/// What groups do in the games, and that what is unclear is left to the owner.
pub const CONFIG: &str = r#"
[vyhub.sourcemod]
admins_simple = '/nowhere/admins_simple.ini'

[vyhub.groups."vip"]
on_add = ['sm_group add %steamid64% %group%']
on_remove = ['sm_group remove %steamid64% %group%']
sourcemod = '@VIP'

[vyhub.groups."supporter"]
on_add = ['sm_group add %steamid64% %group%']
on_remove = ['sm_group remove %steamid64% %group%']
sourcemod = '99:z'

# A name that counts in another bundle alone.
[vyhub.groups."supporter_elsewhere"]
on_add = ['sm_group add %steamid64% %group%']
on_remove = ['sm_group remove %steamid64% %group%']
sourcemod = '@ELSEWHERE'
"#;

/// The accounts of others are below.
const FIRST_ACCOUNT: u32 = 100;
const PLAYERS_ON_MAX: usize = 20;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// When evenings begin, in milliseconds after the world's beginning at 08:00 UTC, and by how much later at most:
/// some go on past midnight.
const EVENING_MS: u64 = 14 * 60 * MINUTE_MS;
const LATER_MS_MAX: u64 = 3 * 60 * MINUTE_MS;
/// Of an evening, which lasts as long again at most.
const LENGTH_MS_MIN: u64 = 10 * MINUTE_MS;
const LENGTH_MS_MORE: u64 = 35 * MINUTE_MS;
/// A night in which vpid goes on.
const NIGHT_MS: u64 = 180 * MINUTE_MS;
/// How long it may take until what vpid has counted is on disk.
pub const SAVED_MS: u64 = 62_000;
/// How long vpid goes on when all have left.
const EMPTY_MS: u64 = 2 * MINUTE_MS;
/// How long what is bought lasts, in seconds.
const LENGTHS_S: [i64; 5] = [600, 1_800, 86_400, 7 * 86_400, 30 * 86_400];

#[derive(Clone, Copy)]
pub struct Manners {
    pub players: u32,
    /// Of a hundred days, so many have an evening.
    pub evening_percent: u64,
    /// Between two things that happen, on average.
    pub pause_ms: u64,
}

/// A run of vpid.
#[derive(Debug, Clone, Copy)]
struct Run {
    from_ms: u64,
    until_ms: u64,
    /// What it saw after this may not have been on disk.
    saved_ms: u64,
}

pub struct Season {
    manners: Manners,
    begins_ms: u64,
    ends_ms: u64,
    /// All have left, and vpid goes on for a while.
    is_empty: bool,
    next_ms: u64,
    /// Of players who have spawned: servers, userids and ids.
    spawned: Vec<(usize, i64, SteamId)>,
    /// The last one may go on.
    runs: Vec<Run>,
    /// In which wave they come once more.
    waves: Vec<Vec<(SteamId, usize)>>,
    /// When the first of them comes, unix seconds.
    waves_s: i64,
}

impl Season {
    pub fn new(manners: Manners, out: &mut Outside) -> Self {
        out.api.members.multigroup = out.random.chance(50);
        let elsewhere = (FIRST_ACCOUNT..FIRST_ACCOUNT + manners.players).step_by(10);
        elsewhere.for_each(|account| out.api.make_known_elsewhere(steam(account)));
        Self {
            manners,
            begins_ms: 0,
            ends_ms: LENGTH_MS_MIN,
            is_empty: false,
            next_ms: MINUTE_MS,
            spawned: Vec::new(),
            runs: Vec::new(),
            waves: Vec::new(),
            waves_s: 0,
        }
    }

    pub fn next_ms(&self, quiet: bool) -> Option<u64> {
        (!quiet).then_some(self.next_ms)
    }

    /// When the next evening begins.
    pub fn begins_ms(&self) -> u64 {
        self.begins_ms
    }

    pub fn vpid_starts(&mut self, out: &mut Outside) {
        for engine in &mut out.engines {
            engine.lines.clear();
        }
        // One may have died while it started.
        self.vpid_ends(out);
        self.runs.push(Run {
            from_ms: out.now.ms,
            until_ms: u64::MAX,
            saved_ms: u64::MAX,
        });
    }

    /// It is stopped, or dies. Also where it is stopped, what came after the last sign of a server is not counted.
    pub fn vpid_ends(&mut self, out: &Outside) {
        let Some(run) = self.runs.last_mut().filter(|run| run.until_ms == u64::MAX) else {
            return;
        };
        let (now_ms, disk) = (out.now.ms, &out.disk);
        run.until_ms = now_ms;
        run.saved_ms = match now_ms < disk.full_until_ms + SAVED_MS {
            true => disk.full_since_ms.saturating_sub(SAVED_MS),
            false => now_ms.saturating_sub(SAVED_MS),
        };
    }

    /// One thing that happens. Gives whether the evening is over.
    pub fn play(&mut self, out: &mut Outside) -> bool {
        let now_ms = out.now.ms;
        if now_ms < self.next_ms {
            return false;
        }
        if now_ms >= self.ends_ms {
            return self.evening_ends(out);
        }
        if now_ms == self.begins_ms {
            // While the machine was off.
            (0..out.random.below(6)).for_each(|_| self.shop(out));
        }
        let pause_ms = out.random.below(2 * self.manners.pause_ms);
        let is_night = self.ends_ms - self.begins_ms >= NIGHT_MS;
        let pause_ms = if is_night { 20 * pause_ms } else { pause_ms };
        self.next_ms = (now_ms + 1 + pause_ms).min(self.ends_ms);
        let place = out.random.below(out.engines.len() as u64) as usize;
        match out.random.below(1_000) {
            0..400 => self.somebody_comes(place, out),
            400..560 => {
                if let Some(userid) = somebody_on(place, out) {
                    out.engines[place].leave(userid, now_ms);
                }
            }
            560..780 => {
                if let Some(userid) = somebody_on(place, out) {
                    self.dies(place, userid, out);
                }
            }
            780..950 => self.shop(out),
            950..985 => {
                let map = format!("cp_map{}", out.random.below(5));
                out.engines[place].change_map(&map);
            }
            985..990 => out.engines[place].break_down(now_ms),
            _ => {}
        }
        false
    }

    fn evening_ends(&mut self, out: &mut Outside) -> bool {
        let now_ms = out.now.ms;
        if !self.is_empty && out.random.chance(50) {
            self.all_leave(out);
            self.is_empty = true;
            self.ends_ms = now_ms + EMPTY_MS;
            self.next_ms = self.ends_ms;
            return false;
        }
        let mut day = now_ms / DAY_MS + 1;
        while !out.random.chance(self.manners.evening_percent) {
            day += 1;
        }
        self.begins_ms = day * DAY_MS + EVENING_MS + out.random.below(LATER_MS_MAX);
        let length_ms = match out.random.chance(4) {
            true => NIGHT_MS,
            false => LENGTH_MS_MIN + out.random.below(LENGTH_MS_MORE),
        };
        self.ends_ms = self.begins_ms + length_ms;
        self.is_empty = false;
        self.next_ms = self.begins_ms;
        true
    }

    fn player(&self, out: &mut Outside) -> SteamId {
        steam(FIRST_ACCOUNT + out.random.below(self.manners.players.into()) as u32)
    }

    /// Few players buy most.
    fn customer(&self, out: &mut Outside) -> SteamId {
        steam(FIRST_ACCOUNT + out.random.below(u64::from(self.manners.players) / 8) as u32)
    }

    fn somebody_comes(&self, place: usize, out: &mut Outside) {
        let player = self.player(out);
        let is_on = out.engines.iter().any(|it| it.userid(player).is_some());
        let engine = &mut out.engines[place];
        if !is_on && engine.present.len() < PLAYERS_ON_MAX {
            engine.join(player, out.now.ms);
        }
    }

    /// Something is bought, extended or given back.
    fn shop(&self, out: &mut Outside) {
        let now_s = out.now.right_s() + out.api.skew_s;
        let length_s = LENGTHS_S[out.random.below(LENGTHS_S.len() as u64) as usize];
        let bought = out.api.shop.bought.len() as u64;
        let chosen = out.random.below(bought.max(1)) as usize;
        match out.random.below(10) {
            0 | 1 if bought > 0 && out.api.shop.bought[chosen].end_s > now_s => {
                if is_at_rest(chosen, out) {
                    out.api.extend(chosen, length_s);
                }
            }
            2 if bought > 0 => out.api.refund(chosen, now_s),
            _ => {
                let place = out.random.below(out.engines.len() as u64) as usize;
                let on = out.random.chance(60).then(|| somebody_on(place, out));
                let on = on
                    .flatten()
                    .map(|userid| out.engines[place].present[&userid].0);
                let player = on.filter(|steam| self.is_ours(*steam));
                let player = player.unwrap_or_else(|| self.customer(out));
                let packet = match out.random.below(90) {
                    0 => Packet::Heap,
                    n => [Packet::Vip, Packet::Coins, Packet::Supporter][n as usize % 3],
                };
                out.api.buy(player, packet, now_s, length_s);
            }
        }
    }

    fn is_ours(&self, steam: SteamId) -> bool {
        self.players().any(|it| it == steam)
    }

    fn players(&self) -> impl Iterator<Item = SteamId> + use<> {
        (FIRST_ACCOUNT..FIRST_ACCOUNT + self.manners.players).map(steam)
    }

    /// One player comes to each server.
    pub fn some_come(&self, out: &mut Outside) {
        self.all_leave(out);
        for (steam, engine) in self.players().zip(&mut out.engines) {
            engine.join(steam, out.now.ms);
        }
    }

    /// Those of a wave come, each to a server. False: all were there.
    pub fn come(&mut self, wave: usize, out: &mut Outside) -> bool {
        if wave == 0 {
            self.all_leave(out);
            self.waves_s = out.now.right_s();
            let places = self.players().zip((0..out.engines.len()).cycle());
            let places: Vec<_> = places.collect();
            let at_once = PLAYERS_ON_MAX * out.engines.len();
            self.waves = places.chunks(at_once).map(<[_]>::to_vec).collect();
        }
        let Some(players) = self.waves.get(wave) else {
            return false;
        };
        for (steam, place) in players {
            out.engines[*place].join(*steam, out.now.ms);
        }
        true
    }

    /// A player dies, and spawns again.
    fn dies(&mut self, place: usize, userid: i64, out: &mut Outside) {
        let engine = &mut out.engines[place];
        engine.kill(userid);
        let (steam, _) = engine.present[&userid];
        self.spawned.push((place, userid, steam));
    }

    pub fn take_spawned(&mut self) -> Vec<(usize, i64, SteamId)> {
        std::mem::take(&mut self.spawned)
    }

    /// Each who is on dies once.
    pub fn die(&mut self, out: &mut Outside) {
        for place in 0..out.engines.len() {
            let on: Vec<i64> = out.engines[place].present.keys().copied().collect();
            on.into_iter()
                .for_each(|userid| self.dies(place, userid, out));
        }
    }

    pub fn all_leave(&self, out: &mut Outside) {
        let now_ms = out.now.ms;
        for engine in &mut out.engines {
            let on: Vec<i64> = engine.present.keys().copied().collect();
            on.into_iter()
                .for_each(|userid| engine.leave(userid, now_ms));
        }
    }
}

fn somebody_on(place: usize, out: &mut Outside) -> Option<i64> {
    let present = &out.engines[place].present;
    let at = out.random.below(present.len().max(1) as u64) as usize;
    present.keys().nth(at).copied()
}

/// No report of what it reactivates is on its way, or may come again: VyHub could not tell it from a report of the
/// next time.
fn is_at_rest(bought: usize, out: &Outside) -> bool {
    let applied = out.api.shop.applied.iter();
    let mut again = applied.filter(|it| it.bought == bought && it.offer.reactivates);
    again.all(|it| {
        let id = it.id.to_string();
        let in_outbox = out.disk.outbox.values().any(|text| text.contains(&id));
        let records = out.disk.rewards.values().filter(|text| text.contains(&id));
        let is_open = |text: &String| text.contains("\"running\"") || text.contains("\"executed\"");
        let waits = in_outbox || records.into_iter().any(is_open);
        !waits && !out.api.is_under_way(it.id)
    })
}
