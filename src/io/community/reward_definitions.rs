//! Rewards as owners define them.

use jiff::Timestamp;

use super::row::{Row, readable};
use crate::io::sql::own::{Own, OwnError};
use crate::limits::LOCAL_REWARDS_MAX;
use crate::protocol::backend::RewardEvent;
use crate::protocol::uuid::Uuid;

/// A reward as the owner has defined it.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub id: Uuid,
    pub name: String,
    /// `None`: for every player.
    pub group: Option<Uuid>,
    pub event: RewardEvent,
    pub command: String,
    pub once: bool,
    pub once_from_all: bool,
    pub position: i64,
    pub created: Timestamp,
}

const EVENTS: [(&str, RewardEvent); 6] = [
    ("DIRECT", RewardEvent::Direct),
    ("CONNECT", RewardEvent::Connect),
    ("SPAWN", RewardEvent::Spawn),
    ("DEATH", RewardEvent::Death),
    ("DISCONNECT", RewardEvent::Disconnect),
    ("DISABLE", RewardEvent::Disable),
];

impl Definition {
    /// All that are enabled.
    pub fn read_all(own: &mut Own) -> Result<Vec<Self>, OwnError> {
        let select = format!(
            "SELECT id, name, group_id, event, command, once, once_from_all, position, created_us FROM vpid_rewards \
         WHERE enabled <> 0 ORDER BY position, id LIMIT {LOCAL_REWARDS_MAX}"
        );
        let rows = own.rows(&select, &[])?.into_iter().map(|row| {
            let mut row = Row::new("vpid_rewards", row);
            let (id, name, group) = (row.id()?, row.text()?, row.id_or_null()?);
            let event = row.text()?;
            let event = EVENTS.iter().find(|(name, _)| *name == event);
            Ok(Self {
                id,
                name,
                group,
                event: event.ok_or(OwnError::Odd("vpid_rewards"))?.1,
                command: row.text()?,
                once: row.flag()?,
                once_from_all: row.flag()?,
                position: row.number()?,
                created: row.time()?,
            })
        });
        let (definitions, skipped) = readable(rows)?;
        if skipped > 0 {
            log::warn!(
                "table vpid_rewards: {skipped} rewards are not as vpid reads them and are left out; see docs/community.md, and \
                 correct them there"
            );
        }
        Ok(definitions)
    }
}
