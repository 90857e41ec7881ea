//! Bounds of SQL calls, of the owner's queries, and of the lanes of databases.

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

/// Most user variables (`@name`) of one raw query.
pub const SQL_VARIABLES_MAX: usize = 64;

/// Queries of the configuration, statements of one, parameters of one.
pub const QUERIES_MAX: usize = 1_000;
pub const QUERY_STEPS_MAX: usize = 16;
pub const QUERY_PARAMS_MAX: usize = 64;
/// A text parameter's longest value where its owner does not say, in characters.
pub const QUERY_TEXT_CHARS_DEFAULT: usize = 4_096;
pub const QUERY_TEXT_CHARS_MAX: usize = 65_536;
/// Most rows that a query may answer.
pub const QUERY_ROWS_MAX: usize = 1_000;
/// Databases in one configuration.
pub const DATABASES_MAX: usize = 16;
/// Largest schema file, and steps in it.
pub const SCHEMA_FILE_BYTES_MAX: usize = 1 << 20;
/// Connections to one MySQL server.
pub const MYSQL_POOL_DEFAULT: usize = 4;
pub const MYSQL_POOL_MAX: usize = 64;

// The SQL lane.

/// Hosts whose `LAST_INSERT_ID()`, `changes()` and the like are remembered.
pub const SQL_HOST_STATES_MAX: usize = 4_096;
/// Longest answer of one SQL call, as JSON.
pub const SQL_ANSWER_BYTES_MAX: usize = 65_536;
/// Most calls that share a transaction.
pub const SQL_BATCH_JOBS_MAX: usize = 4_096;
/// A transaction that has run this long takes no further call.
pub const SQL_BATCH_MS_MAX: u64 = 100;
/// Longest run of one statement whose call has no deadline.
pub const SQL_STATEMENT_MS_MAX: u64 = 30_000;
/// After this time a call that runs is noted in the state folder: should vpid end before it does,
/// it is begun once more and not again.
pub const SQL_SUSPECT_MS: u64 = 250;
/// How often a call is begun that has not ended when vpid did.
pub const SQL_CALL_TRIES_MAX: u32 = 2;
/// Calls that are noted, at most; and how large the file of notes grows before it is rewritten.
pub const SQL_TRIES_KEPT_MAX: usize = 1_024;
pub const SQL_TRIES_FILE_BYTES_MAX: u64 = 64 * 1_024;
/// SQLite's parser and full-text search go deep.
pub const SQLITE_STACK_BYTES: usize = 2 << 20;
pub const WATCHDOG_STACK_BYTES: usize = 256 << 10;
/// While something runs, its watchdog looks this often.
pub const SQL_LOOK_MS: u64 = 100;
/// A statement that does not end this long after its limit is given up with its connection.
pub const SQL_GIVE_UP_MS: u64 = 500;
/// A call that its lane has not answered this long after its deadline is answered for it.
pub const SQL_OVERDUE_MS: u64 = 250;
/// A call that ran in time and was undone by another's fault may run again until so long after
/// its deadline: before it is answered as overdue.
pub const SQL_LATE_MS: u64 = 100;
/// Calls of one database that were answered as overdue and that its lane still has. Beyond, no
/// more are given to it.
pub const SQL_OVERDUE_CALLS_MAX: usize = 4_096;
/// How long SQLite itself waits for another program's lock.
pub const SQL_BUSY_MS: u64 = 250;
/// How long `vpid check` may keep a lock while it tries a schema beside a running vpid.
pub const SQL_CHECK_MS_MAX: u64 = 1_000;
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
/// Longest text or blob of one value, and longest row, that SQLite makes or reads.
pub const SQL_VALUE_BYTES_MAX: usize = 1 << 20;
/// Longest pattern of `LIKE` and `GLOB`: each of its characters may be compared at each place of
/// a value, and nothing ends that in between.
pub const SQL_PATTERN_BYTES_MAX: usize = 128;
/// What the functions of one statement may cost that work on texts; nothing ends a statement
/// between two of them. One costs 1, of JSON 8, `LIKE` and `GLOB` 40.
pub const SQL_FUNCTIONS_COST_MAX: u32 = 4_096;
/// Arguments of one function: those of `json_set` go through its text once each.
pub const SQL_FUNCTION_ARGUMENTS_MAX: usize = 127;
/// The two texts of `json_patch`, multiplied: each key of one is looked for in the other.
pub const SQL_JSON_PATCH_BYTES2_MAX: u64 = 1 << 30;
/// Deepest nesting of triggers.
pub const SQLITE_TRIGGER_DEPTH_MAX: usize = 100;
/// Longest program that SQLite may make of one statement, in instructions. The longest of vpid's
/// own has some for each parameter.
pub const SQLITE_PROGRAM_MAX: usize = 500_000;
/// SQLite's instructions between two looks at the clock.
pub const SQL_CLOCK_INSTRUCTIONS: i32 = 4_000;

const _: () = assert!(SQL_BUSY_MS < SQL_STATEMENT_MS_MAX);
const _: () = assert!(SQL_LOOK_MS < SQL_SUSPECT_MS && SQL_SUSPECT_MS < SQL_STATEMENT_MS_MAX);
const _: () = assert!(2 * SQL_LOOK_MS < SQL_GIVE_UP_MS);
const _: () = assert!(2 * SQL_LATE_MS < SQL_OVERDUE_MS && SQL_OVERDUE_MS < SQL_GIVE_UP_MS);
const _: () = assert!(SQL_RETRY_MS_MIN <= SQL_RETRY_MS_MAX);
const _: () = assert!(SQL_JOURNAL_PRUNE_MS < SQL_JOURNAL_KEEP_MS);
const _: () = assert!(SQL_COLUMNS_MAX <= SQL_PARAMS_MAX);
const _: () = assert!(SQL_QUERY_BYTES_MAX < SQL_VALUE_BYTES_MAX);
const _: () = assert!(SQL_ANSWER_BYTES_MAX < SQL_VALUE_BYTES_MAX);
const _: () = assert!(4 * SQL_PARAMS_MAX < SQLITE_PROGRAM_MAX);

// MySQL.

/// How long a server may take to accept a connection, and for each answer until it is ready.
pub const MYSQL_CONNECT_MS: u64 = 5_000;
/// Longest text that `REPLACE` changes on MySQL, what it looks for or puts in its place, and how
/// often it may stand in one call. A server compares each byte at each place, MariaDB moves all
/// of the text for each that it replaces, and nothing ends that: some seconds at these lengths.
pub const MYSQL_REPLACED_BYTES_MAX: usize = 32 * 1_024;
pub const MYSQL_REPLACE_BYTES_MAX: usize = 256;
pub const MYSQL_REPLACES_MAX: usize = 16;
/// Statements that were ended and are still at work on a server, since it cannot interrupt a
/// function: with so many, no more raw SQL begins.
pub const MYSQL_BURNING_MAX: usize = 2;
/// Connections with such statements that are remembered.
pub const MYSQL_KILLED_KEPT_MAX: usize = 64;
/// A connection that the server refused, having enough of them, is tried again after this time.
pub const MYSQL_REFUSED_MS: u64 = 30_000;
/// Longest run of what vpid itself sends to a server: beginning, committing, the journal.
pub const MYSQL_OWN_MS_MAX: u64 = 5_000;
/// Longest run of one statement of a schema file.
pub const MYSQL_SCHEMA_MS_MAX: u64 = 3_600_000;
/// How long a statement waits for a lock of another program.
pub const MYSQL_LOCK_WAIT_S: u64 = 2;
/// How often a call is begun that meets deadlocks, or whose connection breaks.
pub const MYSQL_TRIES_MAX: u32 = 5;
/// The pause after the first of them; it doubles.
pub const MYSQL_PAUSE_MS: u64 = 10;
/// A read that began this long ago has its snapshot: a later write of its host may begin.
pub const MYSQL_HEAD_START_MS: u64 = 250;
/// Responses that are recorded at the end of one transaction. With one more, and written as
/// hexadecimal digits, they fit into the smallest packet that a server allows by itself.
pub const MYSQL_BATCH_ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// Largest packet, either way.
pub const MYSQL_PACKET_BYTES_MAX: usize = 16 << 20;
/// Rows that nobody wants and that are read to keep the connection.
pub const MYSQL_SPARE_ROWS_MAX: usize = 10_000;
/// Rows that the journal forgets at once.
pub const MYSQL_PRUNE_ROWS_MAX: usize = 1_000;
/// How long the journal keeps what other vpids have written.
pub const MYSQL_FOREIGN_KEEP_MS: u64 = 86_400_000;
/// The stack of one thread of the pool.
pub const MYSQL_STACK_BYTES: usize = 512 * 1_024;

const _: () = assert!(MYSQL_BURNING_MAX < MYSQL_KILLED_KEPT_MAX);
const _: () = assert!(MYSQL_LOCK_WAIT_S * 1_000 < MYSQL_OWN_MS_MAX);
const _: () = assert!(2 * (MYSQL_BATCH_ANSWER_BYTES_MAX + SQL_ANSWER_BYTES_MAX) < 1 << 20);
const _: () = assert!(SQL_JOURNAL_KEEP_MS < MYSQL_FOREIGN_KEEP_MS);

/// The database of a community: how long a statement is waited for, and the lock of an SQLite file.
pub const OWN_STATEMENT_MS_MAX: u64 = 30_000;
pub const OWN_BUSY_MS: u64 = 5_000;
/// How soon a file is opened again that was locked.
pub const OWN_OPEN_AGAIN_MS: u64 = 20;
/// How often a transaction is begun that another one was in the way of.
pub const OWN_TRIES_MAX: u32 = 5;
const _: () = assert!(OWN_BUSY_MS < OWN_STATEMENT_MS_MAX);

// The worker of a community in a database.

/// Requests under way at once: an SQLite file has one writer.
pub const LOCAL_SEATS_SQLITE: usize = 1;
pub const LOCAL_SEATS_MYSQL: usize = 2;
pub const LOCAL_STACK_BYTES: usize = 1 << 20;
/// Requests that wait.
pub const LOCAL_JOBS_MAX: usize = 10_000;
/// So long after a connection could not be made, none is tried for a request that waited for it.
pub const LOCAL_AGAIN_MS: u64 = 1_000;
/// The pause of what waits for changes after its connection was lost.
pub const LOCAL_LISTEN_AGAIN_MS: u64 = 2_000;
/// How long one statement waits for a change of another vpid; and where these cannot wake it.
pub const LOCAL_WAIT_S: i64 = 25;
pub const LOCAL_POLL_S: i64 = 4;
/// Most of those who wait that one change wakes.
pub const LOCAL_WAKE_MAX: usize = 1_000;
/// How often a vpid notes that it waits, how long that counts, and when it is forgotten.
pub const LOCAL_NOTE_MS: u64 = 600_000;
pub const LOCAL_NOTE_COUNTS_S: i64 = 1_800;
pub const LOCAL_NOTE_KEPT_S: i64 = 86_400;
/// How often an SQLite file is looked at for changes of other programs, while somebody is on and while not.
pub const LOCAL_LOOK_MS: u64 = 2_000;
pub const LOCAL_LOOK_IDLE_MS: u64 = 30_000;
/// So long after the last sign of players somebody may be on.
pub const LOCAL_PLAYERS_MS: u64 = 150_000;
/// Rows of a long table that are read at once, and values of one `IN`.
pub const LOCAL_ROWS_READ_MAX: usize = 5_000;
pub const LOCAL_VALUES_MAX: usize = 100;
/// Players of whom memberships and the like are kept.
pub const LOCAL_PEOPLE_MAX: usize = 10_000;
/// Bans of addresses, groups, rewards that are read of one community; memberships of one player, the latest.
pub const LOCAL_ADDRESSES_MAX: usize = 100_000;
pub const LOCAL_GROUPS_MAX: usize = 1_000;
pub const LOCAL_REWARDS_MAX: usize = 1_000;
pub const LOCAL_MEMBERSHIPS_MAX: usize = 1_000;
/// A player who stays on is noted as seen this often.
pub const LOCAL_SEEN_MS: u64 = 600_000;
/// What another vpid has reported of a server this recently is not overwritten.
pub const LOCAL_SERVER_OWNED_S: i64 = 180;
/// How long it is known which additions were made, how often that is pruned, and how much at once.
pub const LOCAL_DONE_KEPT_S: i64 = 90 * 86_400;
pub const LOCAL_DONE_PRUNE_MS: u64 = 3_600_000;
pub const LOCAL_DONE_PRUNED_MAX: i64 = 1_000;
/// A membership that ended longer ago has no rewards of its end any more.
pub const LOCAL_ENDED_S: i64 = 90 * 86_400;
/// Longest reason and name in a table, in characters.
pub const LOCAL_REASON_CHARS_MAX: usize = 1_000;
pub const LOCAL_NAME_CHARS_MAX: usize = 128;

// The server itself ends no wait, and no reply is waited for too long.
const _: () = assert!(LOCAL_WAIT_S as u64 * 1_000 < OWN_STATEMENT_MS_MAX);
const _: () = assert!(OWN_STATEMENT_MS_MAX < SQL_STATEMENT_MS_MAX + MYSQL_OWN_MS_MAX);
const _: () = assert!(LOCAL_NOTE_MS < LOCAL_NOTE_COUNTS_S as u64 * 1_000);
const _: () = assert!(LOCAL_POLL_S < 5 && LOCAL_LOOK_MS < 5_000);
