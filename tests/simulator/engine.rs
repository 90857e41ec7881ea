//! A game server's engine: who is on, what it logs, and its console by RCON. It remembers who was on when, and
//! what the owner's commands did.

use std::collections::BTreeMap;

use fake_rcon::script;
use vpid::protocol::engine_log::{Line, Who};
use vpid::protocol::rcon::Failure;
use vpid::protocol::steam_id::SteamId;

use crate::random::Random;

/// How the commands of owners begin that are remembered.
const OWNERS: &str = "sm_";

/// A player was on from one moment to another.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    pub steam: SteamId,
    pub from_ms: u64,
    pub until_ms: u64,
    /// The engine broke down, and nothing was logged.
    pub cut: bool,
}

#[derive(Default)]
pub struct Engine {
    /// RCON does not reach its console until then.
    pub away_until_ms: u64,
    away_ms: Vec<(u64, u64)>,
    /// Replies of RCON get lost until then, or the commands before them.
    pub rough_until_ms: u64,
    /// When a command or its reply was lost last.
    pub lost_ms: u64,
    /// Its console takes commands and does not reply.
    pub hangs: bool,
    map: Option<String>,
    /// Who is on, by userid, and since when.
    pub present: BTreeMap<i64, (SteamId, u64)>,
    last_userid: i64,
    /// What it has logged and vpid has not received.
    pub lines: Vec<Line>,
    /// When `status` was asked for.
    pub asked_ms: Vec<u64>,
    /// Commands of the owner's that were run, and when.
    pub ran: Vec<(u64, String)>,
    /// Of those who have left.
    pub visits: Vec<Visit>,
    /// Who was kicked since this was looked at, and when.
    pub kicked: Vec<(u64, SteamId)>,
}

impl Engine {
    pub fn join(&mut self, steam: SteamId, now_ms: u64) -> i64 {
        self.last_userid += 1;
        let userid = self.last_userid + 1;
        self.present.insert(userid, (steam, now_ms));
        let who = who(userid, steam);
        self.lines.push(Line::Connected(who.clone(), None));
        self.lines.push(Line::Entered(who));
        userid
    }

    pub fn leave(&mut self, userid: i64, now_ms: u64) {
        if let Some((steam, from_ms)) = self.present.remove(&userid) {
            self.lines.push(Line::Disconnected {
                who: who(userid, steam),
                reason: String::new(),
            });
            self.visits.push(Visit {
                steam,
                from_ms,
                until_ms: now_ms,
                cut: false,
            });
        }
    }

    /// All who are on are gone, and userids begin anew.
    pub fn break_down(&mut self, now_ms: u64) {
        let visits = std::mem::take(&mut self.present).into_values();
        self.visits.extend(visits.map(|(steam, from_ms)| Visit {
            steam,
            from_ms,
            until_ms: now_ms,
            cut: true,
        }));
        self.last_userid = 0;
        self.lines.clear();
        self.change_map("cp_first");
    }

    pub fn kill(&mut self, userid: i64) {
        if let Some((steam, _)) = self.present.get(&userid) {
            self.lines.push(Line::Suicide {
                who: who(userid, *steam),
                by_world: true,
                weapon: "world".into(),
            });
        }
    }

    pub fn userid(&self, steam: SteamId) -> Option<i64> {
        let mut present = self.present.iter();
        let (userid, _) = present.find(|(_, (of, _))| *of == steam)?;
        Some(*userid)
    }

    pub fn say(&mut self, userid: i64, text: &str) {
        let (steam, _) = self.present[&userid];
        self.lines.push(Line::Said {
            who: who(userid, steam),
            text: text.into(),
            team: false,
        });
    }

    /// All stay, on another map.
    pub fn change_map(&mut self, map: &str) {
        self.map = Some(map.into());
        self.lines.push(Line::MapStarted(map.into()));
    }

    /// RCON does not reach it until then.
    pub fn is_away_until(&mut self, now_ms: u64, until_ms: u64) {
        self.away_until_ms = until_ms;
        self.away_ms.push((now_ms, until_ms));
    }

    /// Replies get lost until then.
    pub fn is_rough_until(&mut self, now_ms: u64, until_ms: u64) {
        self.rough_until_ms = until_ms;
        self.away_ms.push((now_ms, until_ms));
    }

    /// For how long RCON may not have reached it between these moments, with so much around each time.
    pub fn unreachable_ms(&self, from_ms: u64, until_ms: u64, around_ms: u64) -> u64 {
        let within = |(from, until): &(u64, u64)| {
            let until = until.min(&until_ms);
            let ms = until.saturating_sub(*from.max(&from_ms));
            ms + if ms > 0 { around_ms } else { 0 }
        };
        self.away_ms.iter().map(within).sum()
    }

    /// Runs a line of the console. `None`: no reply comes.
    pub fn run(
        &mut self,
        line: &str,
        now_ms: u64,
        random: &mut Random,
    ) -> Option<Result<String, Failure>> {
        let asks = line == "status";
        self.asked_ms.extend(asks.then_some(now_ms));
        if now_ms < self.away_until_ms {
            return Some(Err(Failure::Away("no route".into())));
        }
        if self.hangs {
            return None;
        }
        let trouble = now_ms < self.rough_until_ms && random.chance(30);
        if trouble {
            self.lost_ms = now_ms;
        }
        if trouble && random.chance(50) {
            return Some(Err(Failure::Unclear("it broke off before".into())));
        }
        let mut reply = String::new();
        if line.starts_with(OWNERS) {
            self.ran.push((now_ms, line.to_owned()));
        } else if let Some(rest) = line.strip_prefix("kickid ") {
            let userid = rest.split(' ').next().expect("a userid");
            let userid = userid.parse().expect("a userid");
            let present = self.present.get(&userid);
            self.kicked
                .extend(present.map(|(steam, _)| (now_ms, *steam)));
            self.leave(userid, now_ms);
        } else if let Some(code) = line.strip_prefix("script ") {
            script::read(code, script::DIGITS[0]).expect("code that shows a text");
        } else if line.starts_with("say ") {
            // All read it.
        } else if line == "sv_visiblemaxplayers" {
            reply = format!("\"{line}\" = \"-1\" ( def. \"-1\" )\n");
        } else {
            assert!(asks, "an unexpected command: {line}");
            reply = self.status(now_ms);
        }
        Some(match trouble {
            true => Err(Failure::Unclear("it broke off after".into())),
            false => Ok(reply),
        })
    }

    fn status(&self, now_ms: u64) -> String {
        let mut text = format!(
            "hostname: x\nmap     : {} at: 0 x, 0 y, 0 z\n\
             players : {} humans, 0 bots (24 max)\n\n\
             # userid name                uniqueid            connected ping loss state  adr\n",
            self.map.as_deref().unwrap_or("cp_first"),
            self.present.len()
        );
        for (userid, (steam, from_ms)) in &self.present {
            let (id, connected) = (steam.steam3(), connected(now_ms - from_ms));
            text.push_str(&format!(
                "# {userid:>6} \"p{userid}\" {id} {connected} 50 0 active 1.2.3.4:27005\n"
            ));
        }
        text
    }
}

/// A time in full seconds, as `status` writes it.
fn connected(ms: u64) -> String {
    let (minutes, s) = (ms / 60_000, ms / 1_000 % 60);
    match minutes / 60 {
        0 => format!("{minutes:02}:{s:02}"),
        hours => format!("{hours}:{:02}:{s:02}", minutes % 60),
    }
}

fn who(userid: i64, steam: SteamId) -> Who {
    Who {
        userid,
        name: format!("p{userid}"),
        id: Some(steam),
        ..Who::default()
    }
}
