//! The counters of changes: who writes adds to them, who reads compares them, and who waits is woken.
//!
//! A transaction adds 1 to the counters of what it changes before it writes rows. The lock of that row puts writers in
//! order, so who sees a counter sees all rows up to it. On a MySQL server, each vpid waits for changes in a statement
//! that sleeps ([`wait`]); who has committed a change ends these statements (`KILL QUERY`, which an account may do to its
//! own connections). A change that comes between a look at the counters and the sleep is not missed, since the
//! statement that sleeps compares them itself.

use std::time::SystemTime;

use crate::io::sql::own::{Own, OwnError};
use crate::limits::LOCAL_WAKE_MAX;
use crate::protocol::backend::Topics;

/// What a counter counts the changes of; in the order of their names, in which transactions lock them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Addresses,
    Adverts,
    Bans,
    /// Rewards that were executed.
    Executed,
    Groups,
    /// Memberships, and who is an administrator.
    Members,
    Rewards,
    /// Options of servers.
    Servers,
    Warnings,
}

impl Topic {
    pub const ALL: [Self; 9] = [
        Self::Addresses,
        Self::Adverts,
        Self::Bans,
        Self::Executed,
        Self::Groups,
        Self::Members,
        Self::Rewards,
        Self::Servers,
        Self::Warnings,
    ];

    /// As it stands in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Adverts => "adverts",
            Self::Bans => "bans",
            Self::Executed => "executed",
            Self::Groups => "groups",
            Self::Members => "members",
            Self::Rewards => "rewards",
            Self::Servers => "servers",
            Self::Warnings => "warnings",
        }
    }
}

/// The values of all counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters([i64; Topic::ALL.len()]);

impl Counters {
    pub fn of(self, topic: Topic) -> i64 {
        self.0[topic as usize]
    }

    pub(super) fn set(&mut self, topic: Topic, value: i64) {
        self.0[topic as usize] = value;
    }

    /// Counters only grow: the later of two values of each.
    pub(super) fn latest(self, other: Self) -> Self {
        let mut latest = self;
        for topic in Topic::ALL {
            latest.set(topic, self.of(topic).max(other.of(topic)));
        }
        latest
    }

    /// Whether one of them is smaller than it was: the database is another one, such as an older copy of it.
    pub(super) fn is_before(self, earlier: Self) -> bool {
        Topic::ALL
            .iter()
            .any(|topic| self.of(*topic) < earlier.of(*topic))
    }

    /// What has changed since.
    pub(super) fn since(self, earlier: Self) -> Topics {
        let moved = |topic| self.of(topic) != earlier.of(topic);
        Topics {
            bans: moved(Topic::Bans),
            addresses: moved(Topic::Addresses),
            groups: moved(Topic::Groups),
            members: moved(Topic::Members),
            adverts: moved(Topic::Adverts),
            rewards: moved(Topic::Rewards),
            servers: moved(Topic::Servers),
        }
    }

    fn sum(self) -> i64 {
        self.0.iter().sum()
    }
}

/// The counters, and the database's clock in unix microseconds.
pub fn read(own: &mut Own) -> Result<(Counters, i64), OwnError> {
    let clock = match own.is_mysql() {
        true => MYSQL_CLOCK,
        false => "0",
    };
    let rows = own.rows(
        &format!("SELECT topic, counter, {clock} FROM vpid_changes"),
        &[],
    )?;
    let mut counters = Counters::default();
    let mut clock_us = None;
    for row in rows {
        let topic = Topic::ALL
            .iter()
            .find(|topic| row[0].text() == Some(topic.name()));
        let counter = row[1].integer().ok_or(OwnError::Odd("vpid_changes"))?;
        if let Some(topic) = topic {
            counters.set(*topic, counter);
        }
        clock_us = row[2].integer();
    }
    match own.is_mysql() {
        true => Ok((counters, clock_us.ok_or(OwnError::Odd("vpid_changes"))?)),
        false => Ok((counters, machine_clock_us())),
    }
}

const MYSQL_CLOCK: &str = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

/// The database's clock in unix microseconds: that of the server, or of this machine where it is a file.
pub fn clock_us(own: &mut Own) -> Result<i64, OwnError> {
    if !own.is_mysql() {
        return Ok(machine_clock_us());
    }
    let rows = own.rows(&format!("SELECT {MYSQL_CLOCK}"), &[])?;
    let clock_us = rows.first().and_then(|row| row[0].integer());
    clock_us.ok_or(OwnError::Odd("vpid_changes"))
}

fn machine_clock_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let us = since.map_or(0, |since| since.as_micros());
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// In a transaction, before its rows are written: counts a change, and gives the value for their `changed`. Of several
/// topics, in their order.
pub fn count(own: &mut Own, topic: Topic) -> Result<i64, OwnError> {
    let name = [topic.name().into()];
    let add = "UPDATE vpid_changes SET counter = counter + 1 WHERE topic = ?";
    if own.run(add, &name)? == 0 {
        return Err(OwnError::Odd("vpid_changes"));
    }
    let rows = own.rows("SELECT counter FROM vpid_changes WHERE topic = ?", &name)?;
    let counter = rows.first().and_then(|row| row[0].integer());
    counter.ok_or(OwnError::Odd("vpid_changes"))
}

/// How a wait has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// The time is over, and nothing has changed.
    Nothing,
    Changed,
}

/// Waits on a MySQL server until something is not as in `known`, for so long.
pub(super) fn wait(own: &mut Own, known: Counters, seconds: i64) -> Result<Waited, OwnError> {
    let sum = known.sum();
    let sql =
        format!("{WAITS} IF((SELECT SUM(counter) FROM vpid_changes) = {sum}, SLEEP({seconds}), 2)");
    match own.number(&sql) {
        Ok(Some(0)) => Ok(Waited::Nothing),
        // MySQL gives 1 where MariaDB says that it was interrupted.
        Ok(_) | Err(OwnError::Busy(_)) => Ok(Waited::Changed),
        Err(error) => Err(error),
    }
}

/// How a statement begins that waits. No other one does.
const WAITS: &str = "SELECT /* vpid waits for changes */";

/// After a change: wakes all who wait for one on a MySQL server, as far as this account can.
pub fn wake(own: &mut Own) -> Result<(), OwnError> {
    if !own.is_mysql() {
        return Ok(());
    }
    let find = format!(
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE ? \
         LIMIT {LOCAL_WAKE_MAX}"
    );
    let waiting = own.rows(&find, &[format!("{WAITS}%").into()])?;
    for id in waiting.iter().filter_map(|row| row[0].integer()) {
        match own.plain(&format!("KILL QUERY {id}")) {
            // It is gone already, or of another account: it looks by itself.
            Ok(()) | Err(OwnError::Refused(_) | OwnError::Busy(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
