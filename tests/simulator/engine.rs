//! A game server's engine: who is on, what it logs, and its console by RCON.

use std::collections::BTreeMap;

use fake_rcon::script;
use vpid::protocol::engine_log::{Line, Who};
use vpid::protocol::rcon::Failure;
use vpid::protocol::steam_id::SteamId;

#[derive(Default)]
pub struct Engine {
    /// RCON does not reach its console until then.
    pub away_until_ms: u64,
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
}

impl Engine {
    pub fn join(&mut self, steam: SteamId, now_ms: u64) -> i64 {
        self.last_userid += 1;
        let userid = self.last_userid + 1;
        self.present.insert(userid, (steam, now_ms));
        let who = who(userid, steam);
        self.lines.push(Line::Connected(who.clone()));
        self.lines.push(Line::Entered(who));
        userid
    }

    pub fn leave(&mut self, userid: i64) {
        if let Some((steam, _)) = self.present.remove(&userid) {
            self.lines.push(Line::Disconnected(who(userid, steam)));
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

    /// Runs a line of the console. `None`: no reply comes.
    pub fn run(&mut self, line: &str, now_ms: u64) -> Option<Result<String, Failure>> {
        let asks = line == "status";
        self.asked_ms.extend(asks.then_some(now_ms));
        if now_ms < self.away_until_ms {
            return Some(Err(Failure::Away("no route".into())));
        }
        if self.hangs {
            return None;
        }
        let mut reply = String::new();
        if let Some(rest) = line.strip_prefix("kickid ") {
            let userid = rest.split(' ').next().expect("a userid");
            self.leave(userid.parse().expect("a userid"));
        } else if let Some(code) = line.strip_prefix("script ") {
            script::read(code, script::DIGITS[0]).expect("code that shows a text");
        } else if line.starts_with("say ") {
            // All read it.
        } else if line == "sv_visiblemaxplayers" {
            reply = format!("\"{line}\" = \"-1\" ( def. \"-1\" )\n");
        } else {
            assert!(asks, "an unexpected command: {line}");
            reply = self.status();
        }
        Some(Ok(reply))
    }

    fn status(&self) -> String {
        let mut text = format!(
            "hostname: x\nmap     : {} at: 0 x, 0 y, 0 z\n\
             players : {} humans, 0 bots (24 max)\n\n\
             # userid name                uniqueid            connected ping loss state  adr\n",
            self.map.as_deref().unwrap_or("cp_first"),
            self.present.len()
        );
        for (userid, (steam, _)) in &self.present {
            let id = steam.steam3();
            text.push_str(&format!(
                "# {userid:>6} \"p{userid}\" {id} 01:00 50 0 active 1.2.3.4:27005\n"
            ));
        }
        text
    }
}

fn who(userid: i64, steam: SteamId) -> Who {
    Who {
        userid,
        name: format!("p{userid}"),
        id: Some(steam),
        bot: false,
    }
}
