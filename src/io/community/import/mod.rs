//! Imports: what other programs know of players, written into a community's tables.
//!
//! The id of each row follows from its source and from the key that it has there, so that a repetition finds what
//! is there and leaves it as it is, whatever an operator has made of it since: a ban that was lifted stays lifted.
//! Without [`Importer::applies`] nothing is written, and the report says what would be.

pub mod exported;
pub mod files;
pub mod sourcebans;
pub mod vyhub;

mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::admin::{Admin, AdminError};
use super::export::Table;
use super::row::bounded;
use crate::io::sql::own::{OwnError, Value};
use crate::limits::{
    GROUP_NAME_CHARS_MAX, IMPORT_BATCH, IMPORT_PROBLEMS_SHOWN_MAX, PLAYTIME_MS_MAX,
    RIGHT_NAME_CHARS_MAX,
};
use crate::protocol::address_range::AddressRange;
use crate::protocol::imports::sourcemod::{FLAGS, Powers};
use crate::protocol::look_alike::turns;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;

/// The day of playtime that was imported: before all others, since it is not known of which days it is.
const PLAYTIME_DAY: &str = "1970-01-01";
/// By how much the end of a ban may differ from what follows from its length: sources have fractions of seconds.
const BAN_END_SLACK_S: u64 = 60;

/// Why an import ended before its time, as a sentence. What was written stays; a repetition goes on.
#[derive(Debug, Error)]
pub enum ImportError {
    #[error("{0}")]
    Admin(#[from] AdminError),
    /// The database from which is imported.
    #[error("{0}")]
    Source(OwnError),
    #[error(
        "{0}; look whether --database and --prefix lead to the tables of SourceBans++, and whether the account may \
         read them"
    )]
    SourceTables(String),
    #[error("{0}")]
    File(#[from] crate::config::file::Error),
    #[error("{0}")]
    Input(String),
    #[error("{0}")]
    Vyhub(String),
    /// A file of `vpid community export`.
    #[error("{0}")]
    Exported(String),
}

impl From<OwnError> for ImportError {
    fn from(error: OwnError) -> Self {
        Self::Admin(error.into())
    }
}

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Users,
    Administrators,
    Groups,
    Memberships,
    Bans,
    AddressBans,
    Warnings,
    Playtime,
    /// What vpid has nothing for, by its name.
    Other(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Administrators => "administrators",
            Self::Groups => "groups",
            Self::Memberships => "memberships",
            Self::Bans => "bans",
            Self::AddressBans => "bans of addresses",
            Self::Warnings => "warnings",
            Self::Playtime => "playtimes",
            Self::Other(name) => name,
        })
    }
}

/// What became of the records of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub read: u64,
    pub new: u64,
    /// There were so many already.
    pub known: u64,
    pub problems: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

pub type Report = BTreeMap<Kind, Count>;

/// A row to be.
#[derive(Debug, Clone, PartialEq)]
enum Row {
    User {
        steam: SteamId,
        name: String,
    },
    Administrator {
        id: Uuid,
        steam: SteamId,
    },
    Membership {
        id: Uuid,
        steam: SteamId,
        group: Uuid,
        begin_us: i64,
        end_us: Option<i64>,
    },
    Ban(Uuid, BanRow),
    AddressBan(Uuid, AddressRange, BanRow),
    Warning {
        id: Uuid,
        steam: SteamId,
        reason: String,
        created_us: i64,
        issuer: Option<SteamId>,
        issuer_name: String,
        withdrawn_us: Option<i64>,
    },
    /// All that the source has of a player; it takes the place of what was imported before.
    Playtime {
        steam: SteamId,
        ms: i64,
    },
    /// As another community has it, with a value for each column.
    Copied {
        table: &'static Table,
        values: Vec<Value>,
    },
}

/// A ban of either kind. Of an address, `steam` and `name` are not used.
#[derive(Debug, Clone, PartialEq)]
pub struct BanRow {
    pub steam: Option<SteamId>,
    pub name: String,
    pub reason: String,
    pub length_s: Option<i64>,
    pub created_us: i64,
    pub ends_us: Option<i64>,
    pub issuer: Option<SteamId>,
    pub issuer_name: String,
    pub lifted_us: Option<i64>,
    pub lifted_by: Option<SteamId>,
}

impl Row {
    fn kind(&self) -> Kind {
        match self {
            Self::User { .. } => Kind::Users,
            Self::Administrator { .. } => Kind::Administrators,
            Self::Membership { .. } => Kind::Memberships,
            Self::Ban(..) => Kind::Bans,
            Self::AddressBan(..) => Kind::AddressBans,
            Self::Warning { .. } => Kind::Warnings,
            Self::Playtime { .. } => Kind::Playtime,
            Self::Copied { table, .. } => exported::kind(table),
        }
    }
}

impl BanRow {
    /// With the length that its end follows from, whatever the source says.
    fn agreeing(mut self) -> Self {
        let created_us = self.created_us;
        self.ends_us = self.ends_us.map(|ends_us| ends_us.max(created_us));
        let by_end = self.ends_us.map(|ends_us| {
            let length_us = ends_us.saturating_sub(created_us);
            (length_us / 1_000_000).max(1)
        });
        let agrees = |(length_s, by_end): (i64, i64)| {
            length_s > 0 && length_s.abs_diff(by_end) <= BAN_END_SLACK_S
        };
        if !self.length_s.zip(by_end).is_some_and(agrees) {
            self.length_s = by_end;
        }
        self
    }
}

/// A name without what moves a cursor or turns the text around, and without blanks around it.
fn clean(name: &str) -> String {
    let name: String = name
        .chars()
        .filter(|c| !c.is_control() && !turns(*c))
        .collect();
    name.trim().to_owned()
}

/// Whether a right's name is as short as those of all that vpid knows.
fn is_right(name: &str) -> bool {
    name.chars().count() <= RIGHT_NAME_CHARS_MAX
}

/// A group as a source has it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow<'a> {
    pub key: &'a str,
    pub name: &'a str,
    pub level: i64,
    pub inherits: bool,
    pub max_ban_s: Option<i64>,
    pub properties: BTreeMap<String, bool>,
}

/// Writes what an import reads, some hundreds of rows at once, and counts it.
pub struct Importer<'a> {
    admin: &'a mut Admin,
    /// By which ids are made: `banned_user.cfg`, `vyhub` and so on.
    source: String,
    /// False: nothing is written.
    pub applies: bool,
    /// When it began, by the clock of the database.
    now_us: i64,
    waiting: Vec<Row>,
    /// What was read before, so that a dry run counts nothing twice.
    seen: HashSet<(Kind, Uuid)>,
    /// Ids of groups by their keys.
    groups: HashMap<String, Uuid>,
    /// Of groups with flags of SourceMod's, by their names in small letters.
    called: HashMap<String, (Uuid, String)>,
    report: Report,
    wrote: bool,
    /// Gets how many records were read, from time to time.
    pub progress: Option<Box<dyn FnMut(u64) + 'a>>,
}

impl<'a> Importer<'a> {
    pub fn new(admin: &'a mut Admin, source: &str, applies: bool) -> Result<Self, ImportError> {
        Ok(Self {
            now_us: admin.now_us()?,
            admin,
            source: source.to_owned(),
            applies,
            waiting: Vec::new(),
            seen: HashSet::new(),
            groups: HashMap::new(),
            called: HashMap::new(),
            report: Report::new(),
            wrote: false,
            progress: None,
        })
    }

    /// The id of what has this key in the source.
    fn id(&self, kind: &str, key: &str) -> Uuid {
        let mut sha = Sha256::new();
        for part in ["vpid import", &self.source, kind, key] {
            sha.update(part);
            sha.update([0]);
        }
        let digest: [u8; 32] = sha.finalize().into();
        let first = digest.iter().take(16);
        Uuid(first.fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }

    fn count(&mut self, kind: Kind) -> &mut Count {
        self.report.entry(kind).or_default()
    }

    /// Something that was read and is not imported.
    pub fn problem(&mut self, kind: Kind, why: String) {
        let count = self.count(kind);
        count.read += 1;
        self.note(kind, why);
    }

    /// The same of what was counted as read.
    fn note(&mut self, kind: Kind, why: String) {
        let count = self.count(kind);
        count.problems += 1;
        if count.shown.len() < IMPORT_PROBLEMS_SHOWN_MAX {
            count.shown.push(why);
        }
    }

    /// So many records of a kind that vpid has nothing for.
    pub fn nothing_for(&mut self, what: &'static str, records: u64, why: &str) {
        if records > 0 {
            let count = self.count(Kind::Other(what));
            count.read += records;
            count.problems += records;
            count.shown.push(why.to_owned());
        }
    }

    pub fn user(&mut self, steam: SteamId, name: &str) -> Result<(), ImportError> {
        let name = clean(name);
        self.push(Row::User { steam, name }, Uuid(steam.as_u64().into()))
    }

    /// Of a player with all rights. Whom an operator made none again stays none.
    pub fn administrator(&mut self, steam: SteamId) -> Result<(), ImportError> {
        let id = self.id("administrator", &steam.to_string());
        self.push(Row::Administrator { id, steam }, id)
    }

    pub fn ban(&mut self, key: &str, ban: BanRow) -> Result<(), ImportError> {
        let id = self.id("ban", key);
        self.push(Row::Ban(id, ban.agreeing()), id)
    }

    pub fn address_ban(
        &mut self,
        key: &str,
        range: AddressRange,
        ban: BanRow,
    ) -> Result<(), ImportError> {
        let id = self.id("address ban", key);
        self.push(Row::AddressBan(id, range, ban.agreeing()), id)
    }

    pub fn playtime(&mut self, steam: SteamId, ms: i64) -> Result<(), ImportError> {
        if !(0..=PLAYTIME_MS_MAX).contains(&ms) {
            let why = format!("{steam}: {ms} ms are no playtime; it is at most {PLAYTIME_MS_MAX}");
            self.problem(Kind::Playtime, why);
            return Ok(());
        }
        self.push(Row::Playtime { steam, ms }, Uuid(steam.as_u64().into()))
    }

    /// A membership in a group that was imported before.
    pub fn membership(
        &mut self,
        key: &str,
        (steam, group): (SteamId, Uuid),
        begin_us: i64,
        end_us: Option<i64>,
    ) -> Result<(), ImportError> {
        let id = self.id("membership", key);
        let row = Row::Membership {
            id,
            steam,
            group,
            begin_us,
            end_us,
        };
        self.push(row, id)
    }

    fn push(&mut self, row: Row, id: Uuid) -> Result<(), ImportError> {
        let kind = row.kind();
        if !self.seen.insert((kind, id)) {
            // Users are met again and again.
            if kind != Kind::Users {
                let count = self.count(kind);
                count.read += 1;
                count.known += 1;
            }
            return Ok(());
        }
        self.push_row(row)
    }

    /// The same of what a source has once.
    fn push_row(&mut self, row: Row) -> Result<(), ImportError> {
        self.count(row.kind()).read += 1;
        self.waiting.push(row);
        match self.waiting.len() < IMPORT_BATCH {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// The group with this key, or else of this name, which is made where there is none. One that is there stays
    /// as it is.
    pub fn group(&mut self, group: &GroupRow<'_>) -> Result<Uuid, ImportError> {
        if let Some(id) = self.groups.get(group.key) {
            return Ok(*id);
        }
        self.group_as(self.id("group", group.key), group)
    }

    /// The same with this id, where it is made.
    fn group_as(&mut self, id: Uuid, group: &GroupRow<'_>) -> Result<Uuid, ImportError> {
        self.count(Kind::Groups).read += 1;
        let name = match clean(group.name) {
            name if name.is_empty() => bounded(group.key, GROUP_NAME_CHARS_MAX).to_owned(),
            name => name,
        };
        let group = &GroupRow {
            key: group.key,
            name: &name,
            level: group.level,
            inherits: group.inherits,
            max_ban_s: group.max_ban_s,
            properties: group.properties.clone(),
        };
        for name in group.properties.keys().filter(|name| !is_right(name)) {
            let (group, name) = (group.name, bounded(name, RIGHT_NAME_CHARS_MAX));
            let why = format!(
                "{group:?}: no right of vpid's has a name as long as {name:?}...; it is left out"
            );
            self.note(Kind::Groups, why);
        }
        let known = rows::group(self.admin, id, Some(group.name))?;
        match known {
            Some(_) => self.count(Kind::Groups).known += 1,
            None => self.count(Kind::Groups).new += 1,
        }
        if known.is_none() && self.applies {
            self.admin.write_group(id, group)?;
            self.wrote = true;
        }
        let id = known.unwrap_or(id);
        self.groups.insert(group.key.to_owned(), id);
        Ok(id)
    }

    /// Whether there is a group with this id, here or among what was imported.
    fn has_group(&mut self, id: Uuid) -> Result<bool, ImportError> {
        if self.groups.values().any(|known| *known == id) {
            return Ok(true);
        }
        let is_here = rows::group(self.admin, id, None)?.is_some();
        if is_here {
            self.groups.insert(id.to_string(), id);
        }
        Ok(is_here)
    }

    /// A player of SourceMod's with flags and perhaps groups, each with what it has. Gives whether the player has any
    /// rights.
    fn sourcemod_admin(
        &mut self,
        (steam, name): (SteamId, &str),
        (flags, immunity): (&str, u32),
        groups: &[(&str, &str, u32)],
    ) -> Result<bool, ImportError> {
        let powers = Powers::of(flags);
        if powers.is_nothing() && groups.is_empty() {
            return Ok(false);
        }
        self.user(steam, name)?;
        let mut is_admin = groups.iter().map(|(_, flags, _)| Powers::of(flags).admin);
        if powers.admin || is_admin.any(|is_admin| is_admin) {
            self.administrator(steam)?;
        }
        let own = match powers.admin || powers.properties.is_empty() {
            true => None,
            false => Some(named_after(flags, immunity)),
        };
        let own = own.as_deref().map(|name| (name, flags, immunity));
        for (name, flags, immunity) in groups.iter().copied().chain(own) {
            let group = self.by_flags(name, flags, immunity)?;
            let key = format!("{steam} {name}");
            self.membership(&key, (steam, group), self.now_us, None)?;
        }
        Ok(true)
    }

    /// The group with what these flags of SourceMod grant; or one of the same name but for case, as it is: vpid has
    /// no two such groups.
    fn by_flags(&mut self, name: &str, flags: &str, immunity: u32) -> Result<Uuid, ImportError> {
        if let Some(id) = self.groups.get(name) {
            return Ok(*id);
        }
        let called = clean(bounded(name, GROUP_NAME_CHARS_MAX));
        let folded = called.to_lowercase();
        let id = self.id("group", name);
        let known = match self.called.get(&folded).cloned() {
            Some(known) => Some(known),
            None => rows::group_alike(self.admin, id, &called)?,
        };
        if let Some((id, known)) = known.filter(|(_, known)| *known != called) {
            let count = self.count(Kind::Groups);
            count.read += 1;
            count.known += 1;
            let why = format!(
                "group {called:?} is taken as {known:?}, since their names differ in case alone; its members get what \
                 {known:?} grants"
            );
            self.note(Kind::Groups, why);
            self.groups.insert(name.to_owned(), id);
            return Ok(id);
        }
        let id = self.make_by_flags(name, flags, immunity)?;
        self.called.entry(folded).or_insert((id, called));
        Ok(id)
    }

    fn make_by_flags(
        &mut self,
        name: &str,
        flags: &str,
        immunity: u32,
    ) -> Result<Uuid, ImportError> {
        let powers = Powers::of(flags);
        let all = FLAGS.iter().flat_map(|(_, names)| names.iter().copied());
        let names: Vec<&str> = match powers.admin {
            true => all.collect(),
            false => powers.properties.iter().copied().collect(),
        };
        let granted = names.into_iter().map(|name| (name.to_owned(), true));
        self.group(&GroupRow {
            key: name,
            name: bounded(name, GROUP_NAME_CHARS_MAX),
            level: immunity.into(),
            inherits: false,
            max_ban_s: None,
            properties: granted.collect(),
        })
    }

    /// Writes what waits, in one transaction.
    fn flush(&mut self) -> Result<(), ImportError> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut new = Vec::new();
        for row in waiting {
            let is_new = rows::is_new(&mut self.admin.own, &row)?;
            let count = self.count(row.kind());
            match is_new {
                true => {
                    count.new += 1;
                    new.push(row);
                }
                false => count.known += 1,
            }
        }
        if self.applies && !new.is_empty() {
            self.admin.write_rows(&new)?;
            self.wrote = true;
        }
        let read = self.report.values().map(|count| count.read).sum();
        if let Some(progress) = &mut self.progress {
            progress(read);
        }
        Ok(())
    }

    /// Writes the rest, and gives what became of all.
    pub fn finish(mut self) -> Result<Report, ImportError> {
        self.flush()?;
        self.progress = None;
        Ok(std::mem::take(&mut self.report))
    }
}

/// vpids that run are told of what was written, also where the import ended before its time.
impl Drop for Importer<'_> {
    fn drop(&mut self) {
        if self.wrote {
            self.admin.announce();
        }
    }
}

/// A group for players who have flags of their own in SourceMod.
fn named_after(flags: &str, immunity: u32) -> String {
    let mut flags: Vec<char> = flags.chars().filter(char::is_ascii_lowercase).collect();
    flags.sort_unstable();
    flags.dedup();
    let flags: String = flags.into_iter().collect();
    match immunity {
        0 => format!("SourceMod {flags}"),
        level => format!("SourceMod {flags} {level}"),
    }
}
