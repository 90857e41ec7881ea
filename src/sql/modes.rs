//! Calls whose texts depend on the mode of the MySQL server: which it is, only a connection knows.

use super::SqlCall;
use super::error::Error;
use super::literals::SqlMode;

/// What a call is in each mode.
#[derive(Debug, Clone, PartialEq)]
pub struct Readings {
    first: SqlCall,
    /// In the order of [`SqlMode::ALL`].
    each: [InMode; 4],
}

#[derive(Debug, Clone, PartialEq)]
enum InMode {
    First,
    Other(SqlCall),
    Wrong(Error),
}

impl Readings {
    /// The call, where it is the same in all modes; else one that its connection decides. `read`
    /// gives the call in a mode; `minds` says what of a mode can make a difference to it.
    pub(super) fn of(
        minds: SqlMode,
        read: impl Fn(SqlMode) -> Result<SqlCall, Error>,
    ) -> Result<SqlCall, Error> {
        let [usual, plain, ansi, both] = SqlMode::ALL;
        let usual = read(usual);
        if minds == SqlMode::default() {
            return usual;
        }
        let read_if = |minded: bool, mode, same: &Result<_, _>| match minded {
            true => read(mode),
            false => same.clone(),
        };
        let plain = read_if(minds.no_backslash_escapes, plain, &usual);
        let ansi = read_if(minds.ansi_quotes, ansi, &usual);
        let both = match (minds.ansi_quotes, minds.no_backslash_escapes) {
            (true, true) => read(both),
            (true, false) => ansi.clone(),
            (false, _) => plain.clone(),
        };
        let each = [usual, plain, ansi, both];
        let Some(first) = each.iter().find_map(|read| read.as_ref().ok()).cloned() else {
            let [usual, ..] = each;
            return usual;
        };
        let each = each.map(|read| match read {
            Ok(call) if call == first => InMode::First,
            Ok(call) => InMode::Other(call),
            Err(error) => InMode::Wrong(error),
        });
        match each.iter().all(|reading| *reading == InMode::First) {
            true => Ok(first),
            false => Ok(SqlCall::ByMode(Box::new(Self { first, each }))),
        }
    }

    /// The call in this mode.
    pub fn under(&self, mode: SqlMode) -> Result<&SqlCall, Error> {
        match &self.each[mode.place()] {
            InMode::First => Ok(&self.first),
            InMode::Other(call) => Ok(call),
            InMode::Wrong(error) => Err(error.clone()),
        }
    }

    /// One of them, for what is the same of all: function and table.
    pub fn any(&self) -> &SqlCall {
        &self.first
    }
}
