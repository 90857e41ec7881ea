//! SQL calls as values: what a script asked for, checked, before any database sees it.
//!
//! `parse` turns a function's `kwargs` into a [`SqlCall`], `expr` reads the small expression
//! grammar, `render` writes a call as one statement with bound parameters. Nothing a caller
//! sends is ever pasted into SQL text: identifiers are checked and quoted, operators and
//! function names come from lists, everything else is bound.

/// Where a call stands in its file: the id of the taken file, and the position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    pub file: u64,
    pub index: u32,
}
