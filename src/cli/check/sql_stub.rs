//! Stands in for `crate::io::sql` until that is there; only what `vpid check` asks of it.

use std::path::PathBuf;

pub(super) struct SqliteSettings {
    pub path: PathBuf,
    pub full_durability: bool,
}

pub(super) fn check(settings: &SqliteSettings) -> Result<String, String> {
    let existed = settings.path.exists();
    let tried = rusqlite::Connection::open(&settings.path).and_then(|connection| {
        connection.execute_batch("BEGIN IMMEDIATE; CREATE TABLE vpid_check (x); ROLLBACK")?;
        connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0))
    });
    if !existed {
        let _ = std::fs::remove_file(&settings.path);
    }
    let durability = if settings.full_durability {
        "full"
    } else {
        "normal"
    };
    match tried {
        Ok(verdict) if verdict == "ok" => Ok(format!(
            "{} can be written, durability {durability}",
            settings.path.display()
        )),
        Ok(verdict) => Err(verdict),
        Err(error) => Err(error.to_string()),
    }
}
