//! Whether what a player seems to write into chat is surely this player's.
//!
//! Scripts of a map can make the engine write chat in a player's name. On a map on which vpid's own scripts
//! run they cannot, as long as nothing has touched the guard of these; the scripts report that. So each
//! server keeps here the state of its present map, and who is who by its signed session.

use std::collections::BTreeMap;

use super::{HostId, Now};
use crate::config::ChatCommands;
use crate::limits;
use crate::protocol::game_report::{GameReport, PlayerReport};
use crate::protocol::signed::messages::Guarding;
use crate::protocol::steam_id::SteamId;

/// Where a line of chat came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatSource {
    /// The engine's log.
    Log,
    /// The signed session of this host. `doubtful`: it cannot know that the engine reported it.
    Script { host: HostId, doubtful: bool },
}

/// Why a command in chat that changes something does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// By the configuration.
    Off,
    /// The server has no key, so no scripts of vpid.
    NoKey,
    /// No signed session stands on this map.
    NoSession,
    /// The scripts are of an older vpid, or have not reported yet.
    NoReport,
    /// What the scripts report, as a part of a sentence.
    Touched(String),
    /// The scripts cannot know that the engine reported this line.
    Raised,
    /// It is not confirmed who wrote it.
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

    /// For a player, where there are no messages of the community.
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

/// Whether the scripts know all of these beginnings of commands.
fn covers(prefixes: &[String], report: &Guarding) -> bool {
    let mut all = prefixes.iter();
    all.all(|prefix| report.prefixes.contains(prefix))
}

/// The signed session of the present map.
#[derive(Debug)]
struct GuardedMap {
    host: HostId,
    map: String,
    began_ms: u64,
    /// What its scripts reported last.
    report: Option<Guarding>,
    /// The prefixes were sent to them.
    has_prefixes: bool,
    /// It is surely under way: it has begun in this run, or has reported more than once.
    is_under_way: bool,
    /// The map of the first `status` that was requested since: one with another map is of another map.
    status_map: Option<String>,
}

impl GuardedMap {
    fn new(host: HostId, map: &str, now: Now) -> Self {
        Self {
            host,
            map: map.to_owned(),
            began_ms: now.mono_ms,
            report: None,
            has_prefixes: false,
            is_under_way: false,
            status_map: None,
        }
    }
}

#[derive(Debug, Default)]
enum State {
    /// vpid has just started: a session that goes on may show itself.
    #[default]
    Unknown,
    None,
    Session(GuardedMap),
}

#[derive(Debug, Default)]
pub struct ChatGuard {
    pub policy: ChatCommands,
    pub has_key: bool,
    /// How commands begin here, in lower case.
    prefixes: Vec<String>,
    state: State,
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
            state: State::Unknown,
            ids: BTreeMap::new(),
        }
    }

    /// The engine logged that a map has started. The session of that map begins a moment later; a line
    /// that was late may come after it. Gives whether the session before it is over.
    pub fn map_started(&mut self, map: &str, now: Now) -> bool {
        if let State::Session(session) = &self.state
            && bare(&session.map) == bare(map)
            && now.mono_ms.saturating_sub(session.began_ms) < limits::CHAT_MAP_LINE_LATE_MS
        {
            return false;
        }
        self.end();
        true
    }

    /// `status`, which was requested at that time, names the map.
    pub fn status_map(&mut self, map: &str, requested_ms: Option<u64>) {
        let State::Session(session) = &mut self.state else {
            return;
        };
        if requested_ms.is_none_or(|requested_ms| requested_ms < session.began_ms) {
            return;
        }
        match &session.status_map {
            None => session.status_map = Some(bare(map).to_owned()),
            Some(known) if known == bare(map) => {}
            Some(_) => self.end(),
        }
    }

    /// The session is over, or silent.
    pub fn end(&mut self) {
        self.state = State::None;
        self.ids.clear();
    }

    /// The scripts have fallen silent. With their next message they report the state of chat.
    pub fn silent(&mut self) {
        self.state = State::Unknown;
        self.ids.clear();
    }

    /// The signed session of a host reports something. Gives the prefixes if they are to be sent to the
    /// host, and what makes chat doubtful where that is new.
    pub fn reported(
        &mut self,
        host: HostId,
        report: &GameReport,
        now: Now,
    ) -> (Option<&[String]>, Option<String>) {
        match report {
            GameReport::MapStarted { map, .. } => {
                self.ids.clear();
                self.state = State::Session(GuardedMap {
                    is_under_way: true,
                    ..GuardedMap::new(host, map, now)
                });
            }
            GameReport::Heartbeat { map, .. } => {
                self.goes_on(host, map.as_deref().unwrap_or_default(), now);
            }
            GameReport::Guard(_) => self.goes_on(host, "", now),
            _ => {}
        }
        if self.host() != Some(host) {
            return (None, None);
        }
        let mut doubt = None;
        match report {
            GameReport::MapEnded { .. } => self.end(),
            GameReport::Active(player) => self.is_player(player),
            GameReport::Left { player, .. } => drop(self.ids.remove(&player.userid)),
            GameReport::Heartbeat { players, guard, .. } => {
                self.list(players.as_deref().unwrap_or_default());
                doubt = guard.as_ref().and_then(|guard| self.check(guard));
            }
            GameReport::Guard(guard) => doubt = self.check(guard),
            _ => {}
        }
        (self.wants_prefixes(), doubt)
    }

    /// A session that an earlier run knew, or that was silent, goes on.
    /// What an earlier map has left may look so as well, once.
    fn goes_on(&mut self, host: HostId, map: &str, now: Now) {
        match &mut self.state {
            State::Unknown => {
                self.state = State::Session(GuardedMap {
                    status_map: Some(bare(map).to_owned()).filter(|map| !map.is_empty()),
                    ..GuardedMap::new(host, map, now)
                });
            }
            State::Session(session) if session.host == host => {
                let later_ms = now.mono_ms.saturating_sub(session.began_ms);
                session.is_under_way |= later_ms >= limits::CHAT_SESSION_SEEN_MS;
            }
            _ => {}
        }
    }

    /// Whose session it is.
    pub fn host(&self) -> Option<HostId> {
        match &self.state {
            State::Session(session) => Some(session.host),
            State::Unknown | State::None => None,
        }
    }

    fn list(&mut self, players: &[PlayerReport]) {
        // A list is made over several ticks, and who came meanwhile does not stand in it.
        if self.ids.len() + players.len() > limits::PLAYERS_MAX {
            self.ids.clear();
        }
        for player in players {
            self.is_player(player);
        }
    }

    fn is_player(&mut self, player: &PlayerReport) {
        if let Some(id) = player.steam
            && self.ids.len() < limits::PLAYERS_MAX
        {
            self.ids.insert(player.userid, id);
        }
    }

    /// Gives what makes chat doubtful, where that is new and commands are read from chat.
    fn check(&mut self, report: &Guarding) -> Option<String> {
        let State::Session(session) = &mut self.state else {
            return None;
        };
        let before = session.report.replace(report.clone());
        let known = before.and_then(|before| before.doubt);
        let doubt = report.doubt.clone();
        let reads_commands = !self.prefixes.is_empty();
        doubt.filter(|doubt| reads_commands && known.as_ref() != Some(doubt))
    }

    /// With what commands begin, where the session's scripts do not know it.
    fn wants_prefixes(&mut self) -> Option<&[String]> {
        let State::Session(session) = &mut self.state else {
            return None;
        };
        let report = session.report.as_ref();
        let covered = report.is_some_and(|report| covers(&self.prefixes, report));
        let covered = covered || self.prefixes.is_empty();
        if covered || std::mem::replace(&mut session.has_prefixes, true) {
            return None;
        }
        Some(&self.prefixes)
    }

    /// Why no command from there counts.
    pub fn doubt(&self, source: ChatSource) -> Option<Doubt> {
        match self.policy {
            ChatCommands::Off => return Some(Doubt::Off),
            ChatCommands::Log => return None,
            ChatCommands::Guarded if !self.has_key => return Some(Doubt::NoKey),
            ChatCommands::Guarded => {}
        }
        let State::Session(session) = &self.state else {
            return Some(Doubt::NoSession);
        };
        match source {
            ChatSource::Script { host, .. } if host != session.host => {
                return Some(Doubt::NoSession);
            }
            ChatSource::Script { doubtful: true, .. } => return Some(Doubt::Raised),
            _ => {}
        }
        match &session.report {
            _ if !session.is_under_way => Some(Doubt::NoReport),
            None => Some(Doubt::NoReport),
            Some(report) if !covers(&self.prefixes, report) => Some(Doubt::NoReport),
            Some(Guarding {
                doubt: Some(doubt), ..
            }) => Some(Doubt::Touched(doubt.clone())),
            Some(_) => None,
        }
    }

    /// Whether the scripts have reported that they fall silent.
    pub fn is_silent(&self) -> bool {
        match &self.state {
            State::Session(session) => session.report.as_ref().is_some_and(|it| it.silent),
            _ => false,
        }
    }

    /// Who has this userid by the signed session.
    pub fn id_of(&self, userid: i64) -> Option<SteamId> {
        self.ids.get(&userid).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_is_reported_as_doubtful_once_and_only_where_commands_are_read() {
        let report = GameReport::Guard(Guarding {
            doubt: Some("a script has replaced Say".into()),
            ..Guarding::default()
        });
        for (prefixes, is_reported) in [(&["!".to_owned()][..], true), (&[], false)] {
            let mut guard = ChatGuard::new(ChatCommands::Guarded, true, prefixes);
            let mut reported = || guard.reported(HostId(1), &report, Now::default()).1;
            assert_eq!(reported().is_some(), is_reported);
            assert_eq!(reported(), None);
        }
    }
}
