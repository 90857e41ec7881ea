//! Every bound and budget of the program, in one place, the unit last in each name.

/// Longest explanation that goes with an error to the game.
pub const ERROR_DETAIL_BYTES_MAX: usize = 200;

// SQL calls, as the game may write them.

/// Longest table or column name: what MySQL allows, so that a script can change engines.
pub const SQL_IDENTIFIER_BYTES_MAX: usize = 64;
/// Longest text that is read as an expression; a quoted text in it counts as well.
pub const SQL_EXPRESSION_BYTES_MAX: usize = 65_536;
/// Deepest nesting of one expression.
pub const SQL_EXPRESSION_DEPTH_MAX: usize = 32;
/// Most parts (literals, columns, operators, functions) of one expression.
pub const SQL_EXPRESSION_NODES_MAX: usize = 256;
/// Most rows of one insert.
pub const SQL_ROWS_MAX: usize = 4_096;
/// Most columns of one call.
pub const SQL_COLUMNS_MAX: usize = 256;
/// Most bound parameters of one statement: SQLite's own limit.
pub const SQL_PARAMS_MAX: usize = 32_766;
/// Longest raw query.
pub const SQL_QUERY_BYTES_MAX: usize = 65_536;

// The SQL lane.

/// Longest answer of one SQL call, as JSON.
pub const SQL_ANSWER_BYTES_MAX: usize = 65_536;
/// Most calls that share a transaction.
pub const SQL_BATCH_JOBS_MAX: usize = 4_096;
/// A transaction that has run this long takes no further call.
pub const SQL_BATCH_MS_MAX: u64 = 100;
/// Longest run of one statement whose call has no deadline.
pub const SQL_STATEMENT_MS_MAX: u64 = 30_000;
/// How long SQLite itself waits for another program's lock.
pub const SQL_BUSY_MS: u64 = 250;
/// First wait before an unavailable database is tried again; it doubles.
pub const SQL_RETRY_MS_MIN: u64 = 100;
/// Longest wait before an unavailable database is tried again.
pub const SQL_RETRY_MS_MAX: u64 = 5_000;
/// How long the journal remembers that a call ran.
pub const SQL_JOURNAL_KEEP_MS: u64 = 120_000;
/// How often the journal is pruned at most.
pub const SQL_JOURNAL_PRUNE_MS: u64 = 10_000;
/// Prepared statements that are kept.
pub const SQL_STATEMENTS_CACHED_MAX: usize = 128;
/// SQLite's page cache.
pub const SQL_PAGE_CACHE_KIB: usize = 1_024;
/// Most memory that SQLite may take, a caller's exploding expression included.
pub const SQL_MEMORY_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// SQLite's instructions between two looks at the clock.
pub const SQL_CLOCK_INSTRUCTIONS: i32 = 4_000;

const _: () = assert!(SQL_BUSY_MS < SQL_STATEMENT_MS_MAX);
const _: () = assert!(SQL_RETRY_MS_MIN <= SQL_RETRY_MS_MAX);
const _: () = assert!(SQL_JOURNAL_PRUNE_MS < SQL_JOURNAL_KEEP_MS);
const _: () = assert!(SQL_COLUMNS_MAX <= SQL_PARAMS_MAX);
