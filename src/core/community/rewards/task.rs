//! A reward to execute: whether it may be, and its command or code with all values filled in.

use std::fmt;
use std::sync::Arc;

use super::super::Cx;
use super::super::template::{About, Filled, Template, Unfilled, Values, fill_script};
use crate::config::{self, matches};
use crate::core::Now;
use crate::core::roster::Person;
use crate::core::servers::ServerId;
use crate::limits;
use crate::protocol::backend::{Action, Reward, RewardEvent};
use crate::protocol::console::Command;
use crate::protocol::script_line::ScriptLine;
use crate::protocol::template::TemplateError;

/// A reward to execute.
pub struct Task {
    pub reward: Arc<Reward>,
    /// As the player was at the event.
    pub person: Person,
    /// The player need not be on.
    pub has_left: bool,
    /// The game was unreachable since the event: it may have restarted.
    pub has_waited: bool,
    /// Not before this, and not after that, on the daemon's clock.
    pub due_ms: u64,
    pub until_ms: u64,
}

impl Task {
    pub fn new(reward: Arc<Reward>, person: Person, has_left: bool, now: Now) -> Self {
        Self {
            reward,
            person,
            has_left,
            has_waited: false,
            due_ms: now.mono_ms,
            until_ms: now.mono_ms + limits::REWARD_WAIT_MS,
        }
    }

    /// The userid of the player, but not one that may be another's by now.
    fn userid(&self, server: ServerId, cx: &Cx<'_>) -> Option<i64> {
        let userid = self.person.userid;
        let game = cx.servers.get(server);
        let holder = game.and_then(|game| game.roster.person(userid));
        let is_taken = holder.is_some_and(|it| it.steam != Some(self.reward.steam));
        let is_doubtful = self.has_left && (self.has_waited || is_taken);
        (!is_doubtful).then_some(userid)
    }

    /// Whether it must not be executed twice. What is due with each list would be, every minute.
    pub fn is_recorded(&self) -> bool {
        let on = self.reward.on;
        self.reward.once || matches!(on, RewardEvent::Direct | RewardEvent::Disable)
    }
}

/// Why a reward cannot be executed, as a sentence. It stays open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    OtherKind(String),
    Template(TemplateError),
    Unfilled(Unfilled),
    /// This command is not in the owner's list.
    NotAllowed(String),
    NoScripts,
    NoRcon,
    NoRoom,
    /// It cannot be recorded on disk.
    NotKept(String),
    /// The game does not know its command, as it says itself.
    Unknown(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKind(kind) => write!(f, "it is of the type {kind:?}, which vpid does not know"),
            Self::Template(error) => write!(f, "its command {error}; correct the reward"),
            Self::Unfilled(error) => write!(f, "{error}"),
            Self::NotAllowed(command) => write!(
                f,
                "no pattern of `allow` in the table `rewards` of the configuration fits its command {command:?}"
            ),
            Self::NoScripts => {
                f.write_str("it is of the type SCRIPT, and the table `rewards` of the configuration does not have `scripts = true`")
            }
            Self::NoRcon => f.write_str("it is of the type SCRIPT, which needs RCON; see `rcon` of [[server]]"),
            Self::NoRoom => f.write_str(
                "as many rewards as vpid remembers are not finished; see `vpid rewards list`, and whether \
                 the reports are accepted (`vpid queue list`)",
            ),
            Self::NotKept(why) => write!(f, "it cannot be recorded before it is executed: {why}"),
            Self::Unknown(reply) => write!(f, "the game says: {reply}"),
        }
    }
}

impl Task {
    /// What its reward runs, in this order.
    pub fn commands(
        &self,
        server: ServerId,
        settings: &config::Rewards,
        cx: &Cx<'_>,
    ) -> Result<Vec<Command>, Unfit> {
        let values = self.values(server, cx);
        match &self.reward.action {
            Action::Command(text) => self.console_commands(text, settings, &values),
            Action::Script(_) if !settings.scripts => Err(Unfit::NoScripts),
            Action::Script(_) if !cx.servers.has_rcon(server) => Err(Unfit::NoRcon),
            Action::Script(code) => {
                let filled = fill_script(code, &values).map_err(Unfit::Unfilled)?;
                // There is no player of the number 0.
                let userid = self.userid(server, cx).unwrap_or(0);
                let player = format!("local PLAYER=GetPlayerFromUserID({userid});");
                let code = player + &self.known(filled);
                let lines = ScriptLine::runs(&code).into_iter();
                Ok(lines.map(Command::Code).collect())
            }
            Action::Other(kind) => Err(Unfit::OtherKind(kind.clone())),
        }
    }

    /// Each command as the owner has written it must be allowed, before anything is filled in.
    fn console_commands(
        &self,
        text: &str,
        settings: &config::Rewards,
        values: &Values,
    ) -> Result<Vec<Command>, Unfit> {
        let mut commands = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let template = Template::parse(line).map_err(Unfit::Template)?;
            for command in template.commands() {
                let mut patterns = settings.allow.iter();
                if !patterns.any(|pattern| matches(pattern, command)) {
                    return Err(Unfit::NotAllowed(command.to_owned()));
                }
            }
            let filled = template.fill(values).map_err(Unfit::Unfilled)?;
            commands.extend(self.known(filled));
        }
        match commands.is_empty() {
            true => Err(Unfit::Template(TemplateError::Empty)),
            false => Ok(commands),
        }
    }

    /// Places that have no value stay, and are reported.
    fn known<T>(&self, filled: Filled<T>) -> T {
        if !filled.unknown.is_empty() {
            let Reward { name, .. } = &*self.reward;
            let unknown = filled.unknown.join("%, %");
            log::warn!("the reward {name:?} has %{unknown}%, which is not known and stays");
        }
        filled.text
    }

    fn values(&self, server: ServerId, cx: &Cx<'_>) -> Values {
        let reward = &self.reward;
        let about = About {
            user: Some(reward.user),
            steam: reward.steam,
            name: &self.person.name,
            userid: self.userid(server, cx),
        };
        let mut values = cx.values(server, &about);
        values.extend([
            ("applied_packet_id", reward.applied_packet.to_string()),
            ("packet_title", reward.packet_title.clone()),
            ("purchase_amount", reward.amount.clone().unwrap_or_default()),
        ]);
        values
    }
}
