//! Whether what a player seems to write into chat is surely this player's.
//!
//! Scripts of a map can make the engine say things in a player's name. On a map on which vpid's own scripts
//! run they cannot, as long as nothing has touched the guard of these; the scripts report that. So each
//! server keeps here how its present map stands, and who is who by the word of its signed session.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{HostId, Now};
use crate::config::ChatCommands;
use crate::limits;
use crate::protocol::signed::messages::{FromGame, Guarding};
use crate::protocol::steam_id::SteamId;

/// Where a line of chat came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatSource {
    /// The engine's log.
    Log,
    /// The signed session of this host. `doubtful`: it cannot tell that the engine reported it.
    Script { host: HostId, doubtful: bool },
}

/// Why a command in chat that changes something does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The owner wants none.
    Off,
    /// The server has no key, so no scripts of vpid.
    NoKey,
    /// No signed session stands on this map.
    NoSession,
    /// The scripts are of an older vpid, or have not reported yet.
    NoReport,
    /// What the scripts report, as a part of a sentence.
    Touched(String),
    /// The scripts cannot tell that the engine reported this line.
    Raised,
    /// Nobody has confirmed who wrote it.
    Unconfirmed,
}

impl Doubt {
    /// For the operator: why, and what helps.
    pub fn sentence(&self) -> String {
        match self {
            Self::Off => "chat_commands is \"off\"".into(),
            Self::NoKey => {
                "the server has no key, so nothing keeps a map's script from writing in \
                            an admin's name; install vpid's own scripts (`vpid init`), or accept \
                            the risk with chat_commands = \"log\""
                    .into()
            }
            Self::NoSession => "vpid's scripts have not begun a session on this map: it may bring \
                                a mapspawn.nut of its own, or one in tf/custom is in the way"
                .into(),
            Self::NoReport => "vpid's scripts in the game have not reported whether chat is \
                               guarded; where they are of an older vpid, `vpid init --vscripts \
                               DIR` brings them up to date"
                .into(),
            Self::Touched(what) => format!("on this map, {what}"),
            Self::Raised => "a script may have raised it, and not the engine".into(),
            Self::Unconfirmed => "neither `status` nor the signed scripts have confirmed that \
                                  this player has this SteamID"
                .into(),
        }
    }

    /// For the player: the key of a message.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Off => "chat_off",
            Self::NoKey => "chat_no_key",
            Self::NoSession | Self::NoReport => "chat_no_session",
            Self::Touched(_) | Self::Raised => "chat_touched",
            Self::Unconfirmed => "chat_unconfirmed",
        }
    }

    /// For a player who reads no messages of VyHub's part.
    pub fn brief(&self) -> &'static str {
        match self {
            Self::Off => "commands in chat are switched off here; use vpid at the shell",
            Self::NoKey => "this server cannot tell who writes in chat; use vpid at the shell",
            Self::NoSession | Self::NoReport => {
                "the server's scripts do not run on this map, so chat is not trusted; use vpid at \
                 the shell"
            }
            Self::Touched(_) | Self::Raised => {
                "scripts of this map could write in your name, so chat is not trusted; use vpid \
                 at the shell"
            }
            Self::Unconfirmed => {
                "the server has not confirmed who you are; try again in a moment, or use vpid at \
                 the shell"
            }
        }
    }
}

/// A map's name without the folder and the number of the workshop.
fn bare(map: &str) -> &str {
    let name = map.rsplit('/').next().unwrap_or(map);
    name.split(".ugc").next().unwrap_or(name)
}

/// The signed session of the present map.
#[derive(Debug)]
struct Standing {
    host: HostId,
    map: String,
    began_ms: u64,
    /// What its scripts reported last.
    report: Option<Guarding>,
    /// They were asked to take the prefixes over.
    told_prefixes: bool,
    /// It is surely under way: it has begun in this run, or was heard of more than once.
    lives: bool,
    /// The map of the first `status` that was asked for since: one with another map is of another map.
    status_map: Option<String>,
}

#[derive(Debug, Default)]
enum Stand {
    /// vpid has just started: a session that goes on may show itself.
    #[default]
    Unknown,
    None,
    Session(Standing),
}

#[derive(Debug, Default)]
pub struct ChatGuard {
    pub policy: ChatCommands,
    has_key: bool,
    /// How commands begin here, in lower case.
    prefixes: Vec<String>,
    stand: Stand,
    /// Who is who by the signed session, by userid.
    ids: BTreeMap<i64, SteamId>,
}

impl ChatGuard {
    pub fn new(policy: ChatCommands, has_key: bool, prefixes: &[String]) -> Self {
        let prefixes = prefixes.iter().map(|prefix| prefix.to_ascii_lowercase());
        Self {
            policy,
            has_key,
            prefixes: prefixes.collect(),
            stand: Stand::Unknown,
            ids: BTreeMap::new(),
        }
    }

    /// The engine logged that a map has started. The session of that map begins a moment later; a line
    /// that was late may come after it. Gives whether the session before it is over.
    pub fn map_started(&mut self, map: &str, now: Now) -> bool {
        if let Stand::Session(standing) = &self.stand
            && bare(&standing.map) == bare(map)
            && now.mono_ms.saturating_sub(standing.began_ms) < limits::CHAT_MAP_LINE_LATE_MS
        {
            return false;
        }
        self.end();
        true
    }

    /// `status`, which was asked for at that time, names the map.
    pub fn status_map(&mut self, map: &str, asked_ms: Option<u64>) {
        let Stand::Session(standing) = &mut self.stand else {
            return;
        };
        if asked_ms.is_none_or(|asked_ms| asked_ms < standing.began_ms) {
            return;
        }
        match &standing.status_map {
            None => standing.status_map = Some(bare(map).to_owned()),
            Some(known) if known == bare(map) => {}
            Some(_) => self.end(),
        }
    }

    /// The session is over, or silent.
    pub fn end(&mut self) {
        self.stand = Stand::None;
        self.ids.clear();
    }

    /// The scripts have fallen silent. Should they be heard again, they say how things stand.
    pub fn silent(&mut self) {
        self.stand = Stand::Unknown;
        self.ids.clear();
    }

    /// The signed session of a host tells something. Gives the prefixes if the host has to be told them,
    /// and what it reports when that is new and doubtful.
    pub fn script(
        &mut self,
        host: HostId,
        message: &FromGame,
        now: Now,
    ) -> (Option<&[String]>, Option<String>) {
        let mut news = None;
        match message {
            FromGame::Event { name, data } => self.event(host, name, data, now),
            FromGame::Heartbeat(data) => {
                self.goes_on(host, data["map"].as_str().unwrap_or_default(), now);
                if self.is_of(host) {
                    self.list(&data["players"]);
                    news = Guarding::read(&data["guard"]).and_then(|report| self.report(report));
                }
            }
            FromGame::Guard(report) => {
                self.goes_on(host, "", now);
                if self.is_of(host) {
                    news = self.report(report.clone());
                }
            }
            _ => {}
        }
        (self.wants_prefixes(host), news)
    }

    fn event(&mut self, host: HostId, name: &str, data: &Value, now: Now) {
        let userid = data["userid"].as_i64();
        match name {
            "map_start" => {
                self.ids.clear();
                self.stand = Stand::Session(Standing {
                    host,
                    map: data["map"].as_str().unwrap_or_default().to_owned(),
                    began_ms: now.mono_ms,
                    report: None,
                    told_prefixes: false,
                    lives: true,
                    status_map: None,
                });
            }
            "map_end" if self.is_of(host) => self.end(),
            "player_active" if self.is_of(host) => self.is_player(userid, data),
            "player_disconnect" if self.is_of(host) => {
                userid.map(|userid| self.ids.remove(&userid));
            }
            _ => {}
        }
    }

    /// A session that an earlier run knew, or that was silent, goes on.
    /// What an earlier map has left may look so as well, once.
    fn goes_on(&mut self, host: HostId, map: &str, now: Now) {
        match &mut self.stand {
            Stand::Unknown => {
                self.stand = Stand::Session(Standing {
                    host,
                    map: map.to_owned(),
                    began_ms: now.mono_ms,
                    report: None,
                    told_prefixes: false,
                    lives: false,
                    status_map: Some(bare(map).to_owned()).filter(|map| !map.is_empty()),
                });
            }
            Stand::Session(standing) if standing.host == host => {
                let later_ms = now.mono_ms.saturating_sub(standing.began_ms);
                standing.lives |= later_ms >= limits::CHAT_SESSION_SEEN_MS;
            }
            _ => {}
        }
    }

    fn is_of(&self, host: HostId) -> bool {
        matches!(&self.stand, Stand::Session(standing) if standing.host == host)
    }

    fn list(&mut self, players: &Value) {
        let Some(players) = players.as_array() else {
            return;
        };
        // A list is made over several ticks, and who came meanwhile does not stand in it.
        if self.ids.len() + players.len() > limits::PLAYERS_MAX {
            self.ids.clear();
        }
        for player in players {
            self.is_player(player["userid"].as_i64(), player);
        }
    }

    fn is_player(&mut self, userid: Option<i64>, data: &Value) {
        let id = data["id"].as_str().and_then(|id| id.parse().ok());
        if let (Some(userid), Some(id)) = (userid, id)
            && self.ids.len() < limits::PLAYERS_MAX
        {
            self.ids.insert(userid, id);
        }
    }

    /// Gives what is new and doubtful.
    fn report(&mut self, report: Guarding) -> Option<String> {
        let Stand::Session(standing) = &mut self.stand else {
            return None;
        };
        let before = standing.report.replace(report.clone());
        let known = before.and_then(|before| before.doubt);
        report.doubt.filter(|doubt| known.as_ref() != Some(doubt))
    }

    fn covers(&self, report: &Guarding) -> bool {
        let mut all = self.prefixes.iter();
        all.all(|prefix| report.prefixes.contains(prefix))
    }

    fn wants_prefixes(&mut self, host: HostId) -> Option<&[String]> {
        let covered = match &self.stand {
            Stand::Session(standing) if standing.host == host => {
                let report = standing.report.as_ref();
                report.is_some_and(|report| self.covers(report))
            }
            _ => return None,
        };
        let Stand::Session(standing) = &mut self.stand else {
            return None;
        };
        if covered || std::mem::replace(&mut standing.told_prefixes, true) {
            return None;
        }
        Some(&self.prefixes)
    }

    /// Why a command from there does not count, whoever wrote it.
    pub fn doubt(&self, source: ChatSource) -> Option<Doubt> {
        match self.policy {
            ChatCommands::Off => return Some(Doubt::Off),
            ChatCommands::Log => return None,
            ChatCommands::Guarded if !self.has_key => return Some(Doubt::NoKey),
            ChatCommands::Guarded => {}
        }
        let Stand::Session(standing) = &self.stand else {
            return Some(Doubt::NoSession);
        };
        match source {
            ChatSource::Script { host, .. } if host != standing.host => {
                return Some(Doubt::NoSession);
            }
            ChatSource::Script { doubtful: true, .. } => return Some(Doubt::Raised),
            _ => {}
        }
        match &standing.report {
            _ if !standing.lives => Some(Doubt::NoReport),
            None => Some(Doubt::NoReport),
            Some(report) if !self.covers(report) => Some(Doubt::NoReport),
            Some(Guarding {
                doubt: Some(doubt), ..
            }) => Some(Doubt::Touched(doubt.clone())),
            Some(_) => None,
        }
    }

    /// Whether the scripts have said that they fall silent.
    pub fn is_silent(&self) -> bool {
        match &self.stand {
            Stand::Session(standing) => standing.report.as_ref().is_some_and(|it| it.silent),
            _ => false,
        }
    }

    /// Who has this userid by the signed session.
    pub fn id_of(&self, userid: i64) -> Option<SteamId> {
        self.ids.get(&userid).copied()
    }
}
