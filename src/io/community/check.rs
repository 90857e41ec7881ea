//! What `vpid check` says about a community's database. Nothing is made or changed.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{LEDGER, schema};
use crate::config::{Database, Engine};
use crate::io::sql::own::{Own, OwnError, Value};
use crate::limits::CHECK_PATIENCE_MS;
use crate::protocol::uuid::Uuid;

/// What the tables have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub administrators: i64,
    /// Their names.
    pub groups: Vec<String>,
    /// Bans of players that are in force.
    pub bans: i64,
    /// Of our servers, those that another vpid reports, by their ids.
    pub of_others: Vec<Uuid>,
}

/// `servers`: ours. `instance_file`: of the state folder; what is there says which vpid this is. `None`: the tables are
/// yet to be made, or brought up to date.
///
/// # Errors
///
/// The database cannot be reached, or refuses.
pub fn look(
    database: &Database,
    servers: &[Uuid],
    instance_file: &Path,
    now_us: i64,
) -> Result<Option<Look>, OwnError> {
    if let Engine::Sqlite(sqlite) = &database.engine
        && !sqlite.path.exists()
    {
        return Ok(None);
    }
    let mut own = Own::open(database)?;
    own.set_deadline(Instant::now() + Duration::from_millis(CHECK_PATIENCE_MS));
    match own.has_all(&schema()?, LEDGER) {
        Ok(true) => {}
        // There is no ledger yet, as far as can be seen.
        Ok(false) | Err(OwnError::Refused(_)) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut count = |sql: &str, params: &[Value]| {
        let rows = own.rows(sql, params)?;
        Ok(rows.first().and_then(|row| row[0].integer()).unwrap_or(0))
    };
    let administrators = count("SELECT COUNT(*) FROM vpid_users WHERE admin = 1", &[])?;
    let bans = count(
        "SELECT COUNT(*) FROM vpid_bans WHERE lifted_us IS NULL AND (ends_us IS NULL OR ends_us > ?)",
        &[now_us.into()],
    )?;
    let text = |row: &[Value], at: usize| row[at].text().unwrap_or_default().to_owned();
    let groups = own.rows("SELECT name FROM vpid_groups ORDER BY name", &[])?;
    let groups = groups.iter().map(|row| text(row, 0)).collect();
    // Without one, this vpid has never run.
    let instance = std::fs::read_to_string(instance_file).unwrap_or_default();
    let mut of_others = Vec::new();
    for id in servers {
        let sql = "SELECT vpid FROM vpid_servers WHERE id = ?";
        let rows = own.rows(sql, &[id.to_string().into()])?;
        let vpid = rows.first().map(|row| text(row, 0)).unwrap_or_default();
        if !vpid.is_empty() && vpid != instance.trim() {
            of_others.push(*id);
        }
    }
    Ok(Some(Look {
        administrators,
        groups,
        bans,
        of_others,
    }))
}
