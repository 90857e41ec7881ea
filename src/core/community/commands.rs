//! Commands that players write into chat, and orders: what may be carried out for a player or a script.
//!
//! [`COMMANDS`] is the one table. A command is read, it is decided whether chat counts and whether its
//! issuer may, and then it goes to its subject as [`Message::Order`].

use std::convert::Infallible;

use super::orders::{AddressTarget, Code, Command, Length, Login, Target};
use super::rights::{Right, Verdict};
use super::targets::{first_word, quoted_or_word, read_target};
use super::words::Problem;
use super::{Cx, Message, Subject};
use crate::config;
use crate::core::chat_guard::Doubt;
use crate::core::deadlines::Expiring;
use crate::core::servers::{ChatVerdict, ServerId, Speaker};
use crate::jobs::CallId;
use crate::limits;
use crate::protocol::address_range::{AddressRange, RangeError};
use crate::protocol::backend::{Keeper, WebPage};
use crate::protocol::log_targets::log_server;
use crate::protocol::look_alike::is_visible;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// A command of chat.
struct Spec {
    /// As it is written in chat.
    name: &'static str,
    /// The message that says how.
    usage: &'static str,
    /// What its issuer must be allowed; `None`: everybody may.
    right: Option<Right>,
    /// It changes something, and does not only ask.
    changes: bool,
    /// Reads what follows the name. `Err(None)`: the usage is the answer.
    read: fn(&str) -> Result<Command, Option<Problem>>,
}

const COMMANDS: [Spec; 18] = [
    Spec {
        name: "ban",
        usage: "usage_ban",
        right: Some(Right::BanEdit),
        changes: true,
        read: read_ban,
    },
    Spec {
        name: "unban",
        usage: "usage_unban",
        right: Some(Right::BanEdit),
        changes: true,
        read: |rest| Ok(Command::Unban { who: only(rest)? }),
    },
    Spec {
        name: "banip",
        usage: "usage_banip",
        right: Some(Right::BanEdit),
        changes: true,
        read: |rest| {
            let (who, rest) = read_address_target(rest)?;
            let (length, reason) = read_terms(rest)?;
            Ok(Command::BanAddress {
                who,
                length,
                reason,
            })
        },
    },
    Spec {
        name: "unbanip",
        usage: "usage_unbanip",
        right: Some(Right::BanEdit),
        changes: true,
        read: |rest| {
            let (word, rest) = first_word(rest);
            match (word, rest) {
                ("", _) => Err(None),
                (word, "") => Ok(Command::UnbanAddress {
                    range: read_range(word)?,
                }),
                _ => Err(None),
            }
        },
    },
    Spec {
        name: "warn",
        usage: "usage_warn",
        right: Some(Right::WarningEdit),
        changes: true,
        read: |rest| {
            let (who, rest) = read_target(rest).ok_or(None)?;
            let reason = reason(rest)?;
            Ok(Command::Warn { who, reason })
        },
    },
    Spec {
        name: "warns",
        usage: "usage_warns",
        right: Some(Right::WarningShow),
        changes: false,
        read: warnings,
    },
    Spec {
        name: "bans",
        usage: "usage_bans",
        right: Some(Right::BanShow),
        changes: false,
        read: |rest| match rest {
            "" => Ok(Command::Link(WebPage::Bans)),
            address if looks_like_addresses(address) => Ok(Command::AddressBans {
                range: read_range(address)?,
            }),
            rest => Ok(Command::Bans { who: only(rest)? }),
        },
    },
    Spec {
        name: "playtime",
        usage: "usage_playtime",
        right: None,
        changes: false,
        read: |rest| {
            Ok(Command::Playtime {
                who: at_most_one(rest)?,
            })
        },
    },
    Spec {
        name: "dashboard",
        usage: "usage_dashboard",
        right: None,
        changes: false,
        read: |_| Ok(Command::Dashboard),
    },
    Spec {
        name: "who",
        usage: "usage_who",
        right: None,
        changes: false,
        read: |rest| match rest {
            "" => Ok(Command::Who),
            _ => Err(None),
        },
    },
    Spec {
        name: "shop",
        usage: "usage_dashboard",
        right: None,
        changes: false,
        read: |_| Ok(Command::Link(WebPage::Shop)),
    },
    Spec {
        name: "warnings",
        usage: "usage_warns",
        right: Some(Right::WarningShow),
        changes: false,
        read: warnings,
    },
    Spec {
        name: "news",
        usage: "usage_dashboard",
        right: None,
        changes: false,
        read: |_| Ok(Command::Link(WebPage::News)),
    },
    Spec {
        name: "user",
        usage: "usage_user",
        right: None,
        changes: false,
        read: |rest| {
            Ok(Command::UserPage {
                who: at_most_one(rest)?,
            })
        },
    },
    Spec {
        name: "login",
        usage: "usage_login",
        right: None,
        changes: true,
        read: |rest| match (rest, rest.parse()) {
            (_, Ok(code)) => Ok(Command::Login(Login::Code(Code(code)))),
            (yes, _) if yes.eq_ignore_ascii_case("yes") => Ok(Command::Login(Login::Yes)),
            _ => Err(None),
        },
    },
    Spec {
        name: "setgroup",
        usage: "usage_setgroup",
        right: Some(Right::UserEdit),
        changes: true,
        read: read_set_group,
    },
    Spec {
        name: "removegroup",
        usage: "usage_removegroup",
        right: Some(Right::UserEdit),
        changes: true,
        read: |rest| {
            let (who, rest) = read_target(rest).ok_or(None)?;
            let (group, rest) = quoted_or_word(rest);
            let group = (!group.is_empty()).then(|| group.to_owned());
            match rest {
                "" => Ok(Command::RemoveGroup { who, group }),
                _ => Err(None),
            }
        },
    },
    Spec {
        name: "vyhub",
        usage: "usage_bans",
        right: None,
        changes: false,
        read: |_| Ok(Command::State),
    },
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// No command, or one of another plugin.
    NotForUs,
    Command(Command),
    Wrong(Problem),
}

impl Command {
    fn spec(&self) -> Option<&'static Spec> {
        let name = match self {
            Self::Ban { .. } => "ban",
            Self::Unban { .. } => "unban",
            Self::BanAddress { .. } => "banip",
            Self::UnbanAddress { .. } => "unbanip",
            Self::Warn { .. } => "warn",
            Self::Warns { .. } => "warns",
            Self::Bans { .. } | Self::AddressBans { .. } => "bans",
            Self::State => "vyhub",
            Self::SetGroup { .. } => "setgroup",
            Self::RemoveGroup { .. } => "removegroup",
            Self::Playtime { .. } => "playtime",
            Self::UserPage { .. } => "user",
            Self::Dashboard => "dashboard",
            Self::Who => "who",
            Self::Login(_) => "login",
            Self::Link(_) | Self::GetServer | Self::GetUser { .. } | Self::IsBanned { .. } => {
                return None;
            }
        };
        COMMANDS.iter().find(|spec| spec.name == name)
    }

    /// As it is written in chat.
    fn name(&self) -> &'static str {
        self.spec().map_or("", |spec| spec.name)
    }

    /// What its issuer must be allowed; `None`: everybody may, or the backend judges.
    pub fn right(&self) -> Option<Right> {
        self.spec()?.right
    }

    fn changes(&self) -> bool {
        self.spec().is_some_and(|spec| spec.changes)
    }
}

/// Reads one line of chat. `prefixes` are what the owner lets commands begin with.
pub fn parse(line: &str, prefixes: &[String]) -> Parsed {
    let line = line.trim();
    // One prefix can be the beginning of another.
    let found = prefixes.iter().find_map(|prefix| {
        let rest = line.strip_prefix(prefix.as_str())?;
        let (word, rest) = first_word(rest);
        let word = match word.eq_ignore_ascii_case("community") {
            true => "vyhub",
            false => word,
        };
        let called = |spec: &&Spec| word.eq_ignore_ascii_case(spec.name);
        let spec = COMMANDS.iter().find(called)?;
        (!prefix.is_empty()).then_some((spec, prefix, rest))
    });
    let Some((spec, prefix, rest)) = found else {
        return Parsed::NotForUs;
    };
    if line.len() > limits::COMMAND_BYTES_MAX {
        return Parsed::Wrong(Problem::new("too_long", &[]));
    }
    match (spec.read)(rest) {
        Ok(command) => Parsed::Command(command),
        Err(Some(problem)) => Parsed::Wrong(problem),
        Err(None) => Parsed::Wrong(Problem::new(spec.usage, &[("prefix", prefix)])),
    }
}

fn read_ban(rest: &str) -> Result<Command, Option<Problem>> {
    let (who, rest) = read_target(rest).ok_or(None)?;
    let (length, reason) = read_terms(rest)?;
    Ok(Command::Ban {
        who,
        length,
        reason,
    })
}

/// How long a ban lasts, and why.
fn read_terms(rest: &str) -> Result<(Length, String), Option<Problem>> {
    let (word, rest) = first_word(rest);
    if word.is_empty() {
        return Err(None);
    }
    let length = Length::read(word);
    let length = length.ok_or_else(|| Problem::new("length_bad", &[("text", word)]))?;
    Ok((length, reason(rest)?))
}

/// Reads whose addresses a command means, and gives what follows. A player who is called like an address is named in
/// quotes.
fn read_address_target(rest: &str) -> Result<(AddressTarget, &str), Option<Problem>> {
    let (word, after) = first_word(rest);
    match looks_like_addresses(word) {
        true => Ok((AddressTarget::Range(read_range(word)?), after)),
        false => {
            let (who, after) = read_target(rest).ok_or(None)?;
            Ok((AddressTarget::Player(who), after))
        }
    }
}

/// Whether the caller means addresses by a word, and no name.
fn looks_like_addresses(word: &str) -> bool {
    let figures = |byte: u8| byte.is_ascii_digit() || b".:/".contains(&byte);
    word.contains(['.', ':'])
        && word.bytes().all(figures)
        && word.contains(|c: char| c.is_ascii_digit())
}

fn read_range(word: &str) -> Result<AddressRange, Problem> {
    word.parse().map_err(|error| match error {
        RangeError::MoreBits(range) => {
            let values = [("text", word), ("range", &range.to_string())];
            Problem::new("address_bits", &values)
        }
        RangeError::NoAddress | RangeError::NoLength => {
            Problem::new("address_bad", &[("text", word)])
        }
    })
}

fn read_set_group(rest: &str) -> Result<Command, Option<Problem>> {
    let (who, rest) = read_target(rest).ok_or(None)?;
    let (group, rest) = quoted_or_word(rest);
    if group.is_empty() {
        return Err(None);
    }
    let length = match rest {
        "" => Length::Permanent,
        word => Length::read(word).ok_or_else(|| Problem::new("length_bad", &[("text", word)]))?,
    };
    let group = group.to_owned();
    Ok(Command::SetGroup { who, group, length })
}

/// A player and nothing else: more than one word may be a name with spaces, of which the first word is
/// another player.
fn only(rest: &str) -> Result<Target, Option<Problem>> {
    match read_target(rest) {
        Some((who, "")) => Ok(who),
        _ => Err(None),
    }
}

/// The same, or nothing at all.
fn at_most_one(rest: &str) -> Result<Option<Target>, Option<Problem>> {
    match rest {
        "" => Ok(None),
        rest => only(rest).map(Some),
    }
}

fn warnings(rest: &str) -> Result<Command, Option<Problem>> {
    Ok(match at_most_one(rest)? {
        Some(who) => Command::Warns { who },
        None => Command::Link(WebPage::Warnings),
    })
}

fn reason(text: &str) -> Result<String, Problem> {
    match text.chars().any(is_visible) {
        true => Ok(text.into()),
        false => Err(Problem::new("reason_missing", &[])),
    }
}

/// A line of chat.
pub struct Chat {
    pub server: ServerId,
    pub speaker: Speaker,
    pub text: String,
    /// It has waited until it was confirmed who wrote it.
    pub held: bool,
}

/// A player who wrote a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Player {
    pub server: ServerId,
    pub steam: SteamId,
    pub name: String,
}

/// A call that waits for its response.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: CallId,
    /// Until when, on the daemon's clock.
    pub due_ms: u64,
}

/// What is to be carried out on a server, for a player in chat or for a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub server: ServerId,
    pub bundle: Uuid,
    /// In whose name; `None`: that of the server itself.
    pub player: Option<Player>,
    pub call: Option<Call>,
    pub command: Command,
}

impl Cx<'_> {
    /// Whom an order means that changes something: by a command in chat, a player who is on must be confirmed
    /// by the game. A SteamID speaks for itself.
    pub fn confirmed_target(
        &mut self,
        order: &Order,
        who: &Target,
    ) -> Result<(SteamId, String), Problem> {
        let (steam, name) = self.target(order.server, order.bundle, who)?;
        if order.call.is_some()
            || matches!(who, Target::Steam(_))
            || self.servers.is_confirmed(order.server, steam, self.now)
        {
            return Ok((steam, name));
        }
        Err(Problem::new("player_unconfirmed", &[("player", &name)]))
    }
}

#[derive(Default)]
pub struct Commands {
    prefixes: Vec<String>,
    /// Whether there is `!login`.
    login: bool,
    /// Orders that wait until the rights of their issuers are known, by number.
    waiting: Expiring<u64, (Player, Order)>,
    last: u64,
}

impl Subject for Commands {
    type Ticket = Infallible;

    fn configure(&mut self, config: &config::Community) {
        self.prefixes = config.prefixes.clone();
        self.login = config.vyhub().is_some_and(|vyhub| vyhub.login);
    }

    fn on_message(&mut self, message: &Message, cx: &mut Cx<'_>) {
        match message {
            Message::Chat(chat) => self.chat(chat, cx),
            Message::Rights(steam, bundle) | Message::NoRights(steam, bundle) => {
                let waits = |_: &u64, (player, order): &(Player, Order)| {
                    player.steam == *steam && order.bundle == *bundle
                };
                for (_, (player, order)) in self.waiting.remove_where(waits) {
                    decide(&player, order, cx);
                }
            }
            _ => {}
        }
    }

    fn advance(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, (player, order))) = self.waiting.pop_due(cx.now.mono_ms) {
            decide(&player, order, cx);
        }
    }

    fn next_due(&self, _cx: &Cx<'_>) -> Option<u64> {
        self.waiting.next_due()
    }
}

impl Commands {
    fn chat(&mut self, chat: &Chat, cx: &mut Cx<'_>) {
        let (server, speaker, text) = (chat.server, &chat.speaker, &chat.text);
        let Some(steam) = speaker.steam else { return };
        let name = speaker.name.clone();
        let player = Player {
            server,
            steam,
            name,
        };
        match parse(text, &self.prefixes) {
            Parsed::NotForUs => {}
            Parsed::Command(Command::Login(_)) if !self.login => {}
            Parsed::Wrong(problem) if problem.key == "usage_login" && !self.login => {}
            Parsed::Wrong(problem) => {
                let text = cx.words.problem(&problem);
                cx.say(Some(server), steam, &text);
            }
            Parsed::Command(Command::State) => cx.send(Message::StateWanted(player)),
            Parsed::Command(command) if command.changes() => {
                match cx.servers.chat_verdict(server, speaker, chat.held, cx.now) {
                    ChatVerdict::Counts => self.order(player, command, cx),
                    ChatVerdict::Wait => {
                        let (speaker, text) = (speaker.clone(), text.clone());
                        cx.servers.hold(server, speaker, text, cx.now);
                    }
                    ChatVerdict::Refused(doubt) => say_doubt(&player, &command, &doubt, cx),
                }
            }
            // It was held since other parts of the core wait with it.
            Parsed::Command(_) if chat.held => {}
            Parsed::Command(command) => self.order(player, command, cx),
        }
    }

    /// Has a command carried out, if its issuer may. The rights of who seems not to are fetched once more:
    /// they may have changed.
    fn order(&mut self, player: Player, command: Command, cx: &mut Cx<'_>) {
        let Some(bundle) = cx.records.bundle(player.server) else {
            return cx.answer(&player, "state_waiting", &[]);
        };
        let order = Order {
            server: player.server,
            bundle,
            player: Some(player.clone()),
            call: None,
            command,
        };
        let full = self.waiting.len() >= limits::ORDERS_MAX;
        if may(&player, &order, cx) == Verdict::Yes
            || cx.directory.is_fresh(player.steam, bundle, cx.now)
            || full
            || !cx.backend.is_reachable()
        {
            return decide(&player, order, cx);
        }
        // Whether the player is an administrator stands in the user's record.
        cx.directory.want_user(player.steam, cx.now);
        cx.directory.want_rights(player.steam, bundle, cx.now);
        self.last += 1;
        let due_ms = cx.now.mono_ms + limits::ORDER_PATIENCE_MS;
        self.waiting.insert(self.last, (player, order), due_ms);
    }
}

fn may(player: &Player, order: &Order, cx: &Cx<'_>) -> Verdict {
    match order.command.right() {
        Some(right) => cx.directory.may(player.steam, order.bundle, right, cx.now),
        None => Verdict::Yes,
    }
}

fn decide(player: &Player, order: Order, cx: &mut Cx<'_>) {
    let key = match may(player, &order, cx) {
        Verdict::Yes => return cx.send(Message::Order(order)),
        Verdict::Unknown => "rights_unknown",
        Verdict::No => "no_right",
    };
    let command = order.command.name();
    log::info!(
        "{} ({}) may not {command}: {key}",
        player.name.replace(char::is_control, "?"),
        player.steam,
    );
    cx.answer(player, key, &[("command", command)]);
}

/// A command does not count, whoever wrote it. The player in whose name it stands gets the reason.
fn say_doubt(player: &Player, command: &Command, doubt: &Doubt, cx: &mut Cx<'_>) {
    let instead = match cx.backend.keeper {
        Keeper::Vyhub => "VyHub's pages and vpid at the shell do",
        Keeper::Database => "`vpid community` at the shell does",
    };
    log_server!(
        warn,
        cx.label(player.server),
        "{} ({}) wrote {} in chat, which does not count: {}; {instead}",
        player.name.replace(char::is_control, "?"),
        player.steam,
        command.name(),
        doubt.sentence()
    );
    cx.answer(player, doubt.message(), &[("command", command.name())]);
}

#[cfg(test)]
mod tests;
