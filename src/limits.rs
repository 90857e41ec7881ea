//! Every bound and budget of the program, in one place, the unit last in each name.

/// Longest explanation that goes with an error to the game.
pub const ERROR_DETAIL_BYTES_MAX: usize = 200;

/// Longest host name that is believed (the stock client makes them from `hostname`).
pub const HOST_BYTES_MAX: usize = 128;
/// Largest call file that is read. A stock client with hundreds of calls stays far below.
pub const CALL_FILE_BYTES_MAX: usize = 1 << 20;
/// Most calls in one file; a file with more is set aside.
pub const FILE_CALLS_MAX: usize = 4096;
/// Longest token, function or script name of a call.
pub const CALL_NAME_BYTES_MAX: usize = 256;
/// Deepest nesting of what a game sends (the stock encoder gives up at 32).
pub const JSON_DEPTH_MAX: usize = 64;
/// Longest secret of the stock protocol (usually 128).
pub const SECRET_BYTES_MAX: usize = 1024;

/// Identities that the replay guard remembers.
pub const IDENTITIES_MAX: usize = 65_536;
/// An identity is believed this long beside the time of its file.
pub const IDENTITY_AGE_S_MAX: u64 = 120;
/// Time zones reach from -12 to +14 hours, and the client adds five.
pub const CLOCK_OFFSET_S_MAX: i64 = 20 * 3600;
/// A clock that steps (summer time) does not step again for this long.
pub const CLOCK_STEP_MS_MIN: u64 = 12 * 3600 * 1000;
/// Above this many hosts, those that have been silent are forgotten.
pub const HOSTS_KEPT_MAX: usize = 256;
/// A host is silent after this long.
pub const HOST_IDLE_MS: u64 = 3600 * 1000;

/// An answer file never exceeds this (the stock server's own bound).
pub const ANSWER_FILE_BYTES_MAX: usize = 16_000;
/// The engine's `FileToString` reads nothing larger.
pub const ENGINE_READ_BYTES_MAX: usize = 16_384;
/// A stock caller times out 3 s after writing. The client looks for that every 0.5 s, and
/// overlooks some as it overlooks answers, so the last may still wait after two such looks.
pub const REPEAT_AFTER_CALL_MS: u64 = 4_300;
/// A late answer is repeated at least for two of the client's slow reads.
pub const REPEAT_AFTER_FETCH_MS: u64 = 2_100;
/// A stock client reads every 11 ticks (165 ms) at most.
pub const REPEAT_GAP_MS: u64 = 120;
/// While a call runs, repetitions wait for its answer, but not longer.
pub const REPEAT_HOLD_MS: u64 = 1_000;
/// An answer that nobody fetches is dropped after this long.
pub const ANSWER_EXPIRES_MS: u64 = 30_000;
/// Answers kept for one host, in count and in bytes.
pub const HOST_ANSWERS_MAX: usize = 8_192;
pub const HOST_ANSWER_BYTES_MAX: usize = 4 << 20;
/// What was just written is left to the client for this long before more is added to it: a third
/// of a tick, so that a flood of answers is not written over and over.
pub const REPLACE_GAP_MS: u64 = 5;
/// A client empties the file within one tick of reading it. A file that is emptied later than
/// this after it was replaced was read itself.
pub const CLIENT_WIPE_MS_MAX: u64 = 30;
/// After a failed write of answers, the next try.
pub const ANSWER_RETRY_MS: u64 = 1_000;

const _: () = assert!(ANSWER_FILE_BYTES_MAX <= ENGINE_READ_BYTES_MAX);
const _: () = assert!(2 * SECRET_BYTES_MAX + 96 < ANSWER_FILE_BYTES_MAX / 2);
const _: () = assert!(REPEAT_GAP_MS < 11 * 15);
const _: () = assert!(REPLACE_GAP_MS < 15);
const _: () = assert!(HOST_CALLS_OPEN_MAX + FILE_CALLS_MAX <= HOST_ANSWERS_MAX);
/// Answers of one host that are kept to be repeated.
pub const HOST_REPEATS_MAX: usize = 1_024;

/// Calls that may be under way at once. Beyond, files wait in their folder. Soft by one file,
/// which may hold [`FILE_CALLS_MAX`].
pub const CALLS_RUNNING_MAX: usize = 16_384;
/// The same for one host, together with the answers that it has not fetched.
pub const HOST_CALLS_OPEN_MAX: usize = 4_096;
/// Call files that are taken and not finished.
pub const FILES_OPEN_MAX: usize = 4_096;

/// Largest configuration file that is read.
pub const CONFIG_FILE_BYTES_MAX: usize = 1 << 20;

/// Longest name that the owner gives to a database, a query, or a parameter of one.
pub const CONFIG_NAME_BYTES_MAX: usize = 64;

/// Largest secret file that is read; a secret is one line.
pub const SECRET_FILE_BYTES_MAX: usize = 4096;

/// Secrets shorter than this are served with a warning.
pub const SECRET_BYTES_ADVISED: usize = 32;

/// How long a key of the signed protocol is, and those that `vpid init` makes.
pub const KEY_BYTES_MIN: usize = 32;
pub const KEY_BYTES_MAX: usize = 64;
pub const KEY_BYTES_NEW: usize = 48;

/// Length of the stock secrets that `vpid init` makes.
pub const SECRET_BYTES_NEW: usize = 128;

/// Most `[[server]]` entries.
pub const SERVERS_MAX: usize = 256;

/// How often a folder is looked at where inotify cannot be used.
pub const POLL_MS_MIN: u64 = 5;
pub const POLL_MS_DEFAULT: u64 = 50;
pub const POLL_MS_MAX: u64 = 5_000;

/// How long a call whose caller waits may take before it is answered with an error.
pub const CALL_DEADLINE_MS_MIN: u64 = 100;
pub const CALL_DEADLINE_MS_DEFAULT: u64 = 10_000;
pub const CALL_DEADLINE_MS_MAX: u64 = 600_000;

/// Largest Squirrel script in which `vpid init` looks for a secret.
pub const SCRIPT_FILE_BYTES_MAX: usize = 1 << 20;

/// `vpid check` warns below the first amount of free space, and calls the second one bad.
pub const FREE_BYTES_ADVISED: u64 = 256 << 20;
pub const FREE_BYTES_MIN: u64 = 16 << 20;

/// `vpid check` warns below this many descriptors: databases, lanes and a burst of files.
pub const OPEN_FILES_ADVISED: u64 = 256;

/// `vpid check` looks at no more files of a folder than this.
pub const CHECK_FILES_MAX: usize = 100_000;

const _: () = {
    assert!(FREE_BYTES_MIN < FREE_BYTES_ADVISED);
    assert!(SECRET_BYTES_MAX < SECRET_FILE_BYTES_MAX);
    assert!(KEY_BYTES_MIN <= KEY_BYTES_NEW && KEY_BYTES_NEW <= KEY_BYTES_MAX);
    assert!(KEY_BYTES_MAX < SECRET_FILE_BYTES_MAX);
    assert!(SECRET_BYTES_ADVISED <= SECRET_BYTES_NEW && SECRET_BYTES_NEW <= SECRET_BYTES_MAX);
    assert!(HOST_BYTES_MAX + "_vpi_".len() + 20 + 1 + 10 + "_output.interface".len() <= 255);
    assert!(POLL_MS_MIN <= POLL_MS_DEFAULT && POLL_MS_DEFAULT <= POLL_MS_MAX);
    assert!(CALL_DEADLINE_MS_MIN <= CALL_DEADLINE_MS_DEFAULT);
    assert!(CALL_DEADLINE_MS_DEFAULT <= CALL_DEADLINE_MS_MAX);
};

/// A look at a taken file that the game is still writing is repeated this often, 1 ms apart.
pub const TAKE_RETRIES_MAX: u32 = 20;
/// Up to this size an input file is read to see whether it is blank.
pub const BLANK_INPUT_BYTES_MAX: u64 = 64;
/// Rejected files kept, in count and in bytes.
pub const REJECTED_FILES_MAX: usize = 200;
pub const REJECTED_BYTES_MAX: u64 = 16 << 20;

/// How often everything is looked at in spite of inotify, and how many such looks it takes
/// until a folder that seems unchanged is read all the same.
pub const SWEEP_MS: u64 = 5_000;
pub const SWEEPS_FOR_FULL_SCAN: u32 = 12;
/// The same where the folder is polled.
pub const POLLS_FOR_FULL_SCAN: u32 = 100;
/// A folder that changed this recently may have changed again within one file system granule.
pub const SCAN_TRUST_MS: u64 = 2_000;
/// Waiting files that are remembered by name; beyond, the folder is scanned again.
pub const WAITING_FILES_MAX: usize = 100_000;
/// File names that were complained about.
pub const COMPLAINTS_MAX: usize = 1_000;
/// A call file without its closing NUL is set aside after this long.
pub const UNFINISHED_MS: u64 = 5_000;
/// Files taken in one turn, before the loop looks at everything else again.
pub const TURN_FILES_MAX: usize = 128;
/// Files of one host that are taken before the next host's.
pub const HOST_TURN_FILES_MAX: usize = 8;
/// SQL jobs are handed to the lane when so many have come together, at the end of a turn anyway.
pub const SUBMIT_JOBS_MIN: usize = 256;
/// A turn that takes longer is logged.
pub const SLOW_TURN_MS: u64 = 20;
/// How long the start waits for databases to try the owner's queries.
pub const START_PREPARE_MS: u64 = 5_000;
/// A configuration file that was edited is read when it has stayed as it is for this long.
pub const EDIT_SETTLES_MS: u64 = 1_000;
/// After SIGTERM, what runs may go on for this long.
pub const STOP_MS: u64 = 5_000;
/// Answers of an earlier run that lie in an input file are left to the client for this long:
/// then every caller has timed out.
pub const FOREIGN_INPUT_MS: u64 = 4_000;
/// How long the SQL lane may take to end after that.
pub const LANE_STOP_MS: u64 = 1_000;
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

/// Queries of the configuration, statements of one, parameters of one.
pub const QUERIES_MAX: usize = 1_000;
pub const QUERY_STEPS_MAX: usize = 16;
pub const QUERY_PARAMS_MAX: usize = 64;
/// A text parameter's longest value where its owner does not say, in characters.
pub const QUERY_TEXT_CHARS_DEFAULT: usize = 4_096;
pub const QUERY_TEXT_CHARS_MAX: usize = 65_536;
/// Most rows that a query may answer.
pub const QUERY_ROWS_MAX: usize = 1_000;
/// How long an answer may be given again.
pub const QUERY_CACHE_S_MAX: u64 = 86_400;
/// Answers that are kept to be given again, in count and in bytes.
pub const CACHE_ANSWERS_MAX: usize = 1_000;
pub const CACHE_BYTES_MAX: usize = 4 << 20;
/// Databases in one configuration.
pub const DATABASES_MAX: usize = 16;
/// Largest schema file, and steps in it.
pub const SCHEMA_FILE_BYTES_MAX: usize = 1 << 20;
/// Connections to one MySQL server.
pub const MYSQL_POOL_DEFAULT: usize = 4;
pub const MYSQL_POOL_MAX: usize = 64;

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
/// SQLite's instructions between two looks at the clock.
pub const SQL_CLOCK_INSTRUCTIONS: i32 = 4_000;

const _: () = assert!(SQL_BUSY_MS < SQL_STATEMENT_MS_MAX);
const _: () = assert!(SQL_RETRY_MS_MIN <= SQL_RETRY_MS_MAX);
const _: () = assert!(SQL_JOURNAL_PRUNE_MS < SQL_JOURNAL_KEEP_MS);
const _: () = assert!(SQL_COLUMNS_MAX <= SQL_PARAMS_MAX);

/// Callbacks of one host up to which the model of the client's table is kept.
pub const PLAN_CALLBACKS_MAX: usize = 128;
/// A stock client forgets none of fewer answers in the reads that it has.
pub const PLAN_ANSWERS_MIN: usize = 8;
/// Changes that are tried to find out what to withhold; each takes about a microsecond, and
/// mostly a few do.
pub const PLAN_ROUNDS_MAX: usize = 2_000;
/// While more calls than that are under way, nobody plans: that is a flood and no game.
pub const PLAN_CALLS_RUNNING_MAX: usize = 512;
/// No plan looks further ahead than this many reads.
pub const PLAN_READS_MAX: usize = 12;
/// A stock client reads soon after a write, then every 66 ticks.
pub const CLIENT_READ_MS: u64 = 990;
/// A stock caller gives up this long after its call was written, by default.
pub const CLIENT_TIMEOUT_MS: u64 = 3_000;
/// The client looks for late callers every 33 ticks.
pub const CLIENT_TIMEOUT_CHECK_MS: u64 = 495;

// The signed protocol (docs/protocol.md).

/// Largest file of a game that is read.
pub const SIGNED_GAME_BYTES_MAX: usize = 65_536;
/// Largest file that is written for a game.
pub const SIGNED_FILE_BYTES_MAX: usize = 16_000;
/// What a file holds besides its body: its first line and its mac.
pub const SIGNED_FRAME_BYTES: usize = 128;
/// No further message is put into a body of this size: a script hashes 64 bytes in 18 µs.
pub const SIGNED_BODY_BYTES_AIM: usize = 2_000;
/// Files without an acknowledgement, each way.
pub const SIGNED_WINDOW: usize = 8;
/// The same with files that only acknowledge or ask for something again: else two sides whose
/// windows are full could not help each other.
pub const SIGNED_CONTROL_WINDOW: usize = 16;
/// Files that are believed beyond those that came: the last of a map may go beyond the window.
pub const SIGNED_AHEAD_MAX: u64 = SIGNED_CONTROL_WINDOW as u64 + 1;
/// Sessions of a host that were asked for and have not begun.
pub const HELLOS_PENDING_MAX: usize = 4;
/// What a game has sent is acknowledged within this time.
pub const SIGNED_ACK_MS: u64 = 200;
/// A file that cannot be believed is asked for again this often at most.
pub const SIGNED_AGAIN_MS: u64 = 1_000;
/// Games that are told that their session is lost, until that has an end.
pub const GONE_FILES_MAX: usize = 16;
/// What waits to be pushed to one game.
pub const HOST_PUSHES_MAX: usize = 1_000;
/// How long a function in the game may take to answer.
pub const PUSH_CALL_MS: u64 = 10_000;

const _: () = assert!(SIGNED_FILE_BYTES_MAX <= ENGINE_READ_BYTES_MAX);
const _: () = assert!(SIGNED_WINDOW < SIGNED_CONTROL_WINDOW);
const _: () = assert!(SIGNED_BODY_BYTES_AIM + SIGNED_FRAME_BYTES < SIGNED_FILE_BYTES_MAX);
const _: () = assert!(HOST_BYTES_MAX + 34 + 20 + ".interface".len() + 30 <= 255);
/// The log of signed sessions is rewritten when it is larger.
pub const SESSION_LOG_BYTES_MAX: u64 = 1 << 20;

/// Players that are known of one game; no server has more than 101 slots.
pub const PLAYERS_MAX: usize = 256;
/// Longest name or id of a player that is kept; the engine cuts names at 31 bytes.
pub const PLAYER_TEXT_CHARS_MAX: usize = 128;
/// Functions that a game may register.
pub const GAME_FUNCTIONS_MAX: usize = 1_000;
/// Largest datagram of the engine's log that is read; the engine cuts its lines at half of it.
pub const LOG_LINE_BYTES_MAX: usize = 2_048;
/// What the system may keep of the engine's log while vpid is busy: some hundreds of lines. Where
/// the system allows less, it is less.
pub const LOG_RECEIVE_BYTES: usize = 256 * 1_024;
/// A game whose script tells something every ten seconds is missed after this time.
pub const SILENCE_MS: u64 = 45_000;

/// What one connection to the control socket may send in a line, and may have waiting.
pub const CONTROL_LINE_BYTES_MAX: usize = 1 << 16;
pub const CONTROL_WAITING_BYTES_MAX: usize = 1 << 22;
/// Connections to the control socket.
pub const CONTROL_CONNECTIONS_MAX: usize = 64;

// The engine's own interfaces.

/// Longest line that an engine's console runs: its buffer of 512 bytes holds an end of line and a
/// NUL as well, and it drops what does not fit.
pub const CONSOLE_LINE_BYTES_MAX: usize = 510;
/// Largest packet of RCON that is believed, without its length: an engine sends 4,106 bytes.
pub const RCON_PACKET_BYTES_MAX: usize = 8_192;
/// Longest reply to one command, put together.
pub const RCON_REPLY_BYTES_MAX: usize = 256 * 1_024;
/// How long a game may take to accept a connection, and then for each answer.
pub const RCON_CONNECT_MS: u64 = 3_000;
pub const RCON_REPLY_MS: u64 = 5_000;
/// After a connection that failed, nobody tries again for this long.
pub const RCON_RETRY_MS: u64 = 1_000;
/// The same where the game closed it before it said whether the password is right: it may count
/// such tries, and shut out an address that it counted too often.
pub const RCON_CLOSED_RETRY_MS: u64 = 30_000;
/// Commands that wait for one game.
pub const RCON_QUEUE_MAX: usize = 256;
/// How long a lane that is cut off may take to say so.
pub const RCON_CUT_MS: u64 = 100;
/// The stack of one lane's thread.
pub const RCON_STACK_BYTES: usize = 256 * 1_024;

const _: () = assert!(RCON_RETRY_MS <= RCON_CLOSED_RETRY_MS);
const _: () = assert!(CONSOLE_LINE_BYTES_MAX < RCON_PACKET_BYTES_MAX);

// MySQL.

/// How long a server may take to accept a connection, and for each answer until it is ready.
pub const MYSQL_CONNECT_MS: u64 = 5_000;
/// Longest run of what vpid itself asks of a server: beginning, committing, the journal.
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
/// Reads that one connection answers before it looks for writes.
pub const MYSQL_READS_MAX: usize = 64;
/// Answers that are written down at the end of one transaction. With one more, and written as
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

const _: () = assert!(MYSQL_LOCK_WAIT_S * 1_000 < MYSQL_OWN_MS_MAX);
const _: () = assert!(2 * (MYSQL_BATCH_ANSWER_BYTES_MAX + SQL_ANSWER_BYTES_MAX) < 1 << 20);
const _: () = assert!(SQL_JOURNAL_KEEP_MS < MYSQL_FOREIGN_KEEP_MS);

// VyHub.

/// Changes that wait to be sent, and from how many on the operator is warned.
pub const OUTBOX_ENTRIES_MAX: usize = 10_000;
pub const OUTBOX_ENTRIES_ADVISED: usize = 500;
/// Changes that are sent at once, and the pause from one to the next.
pub const OUTBOX_BUSY_MAX: usize = 2;
pub const OUTBOX_GAP_MS: u64 = 100;
/// The pause after a first failure, and the longest.
pub const OUTBOX_RETRY_MS_MIN: u64 = 5_000;
pub const OUTBOX_RETRY_MS_MAX: u64 = 300_000;
/// How long a change waits that VyHub takes from nobody: somebody must change something first.
pub const OUTBOX_HELD_MS: u64 = 300_000;
/// How often a user is made for one change before it is given up.
pub const OUTBOX_USER_TRIES_MAX: u32 = 3;
/// Bans of one player that are alike are told apart by more than this.
pub const SAME_BAN_S: i64 = 1;
/// Longest wait that the API may ask for.
pub const RETRY_AFTER_S_MAX: u64 = 86_400;
/// After an answer that VyHub did not write.
pub const FOREIGN_ANSWER_S: u64 = 30;
/// How long one request may take, and one for a whole list of bans.
pub const VYHUB_PATIENCE_MS: u64 = 20_000;
pub const VYHUB_LIST_PATIENCE_MS: u64 = 120_000;
/// How often a server tells how it is, and a list of bans is fetched.
pub const VYHUB_ROUND_MS: u64 = 60_000;
/// How soon after a change the list is fetched, and after a new map the server tells how it is.
pub const VYHUB_SOON_MS: u64 = 1_000;
/// What a server is in VyHub is asked for again after this time.
pub const VYHUB_RECORD_MS: u64 = 3_600_000;
/// What was known of a server before is good for so long.
pub const VYHUB_RECORD_S_MAX: i64 = 7 * 86_400;
/// A player who could not be looked up is looked up again after this time.
pub const VYHUB_USER_RETRY_MS: u64 = 60_000;
/// Users that are known; those on a server are never forgotten.
pub const VYHUB_USERS_MAX: usize = 10_000;
/// Requests for users and their rights that are under way at once.
pub const VYHUB_LOOKUPS_MAX: usize = 4;
/// Rights of a user are asked for again after this time.
pub const VYHUB_RIGHTS_MS: u64 = 300_000;
/// Users whose rights are kept on disk.
pub const VYHUB_RIGHTS_KEPT_MAX: usize = 500;
/// A banned player who is still there is kicked again after this time.
pub const KICK_AGAIN_MS: u64 = 5_000;
/// Longest reason of a ban or warning, in characters.
pub const REASON_CHARS_MAX: usize = 300;
/// Lines that a command answers.
pub const COMMAND_LINES_MAX: usize = 5;
/// Pages of a user's bans that are looked through.
pub const VYHUB_PAGES_MAX: u64 = 20;
/// Calls of scripts that wait for VyHub.
pub const VYHUB_CALLS_MAX: usize = 256;

/// How often `status` is asked for where nothing else tells who is on, and where something does.
pub const STATUS_ALONE_MS: u64 = 5_000;
pub const STATUS_BESIDE_MS: u64 = 60_000;
/// After something that only `status` can settle.
pub const STATUS_SOON_MS: u64 = 250;

/// Lines of one engine's log that are read in one turn.
pub const TURN_LOG_LINES_MAX: usize = 256;
/// How often it is said that VyHub refuses the key.
pub const VYHUB_SHOUT_MS: u64 = 3_600_000;
/// Warnings of this run that are told from later ones with the same words.
pub const WARNINGS_REMEMBERED_MAX: usize = 1_000;
/// Longest text that is said as the console.
pub const SAY_CHARS_MAX: usize = 120;

/// Rights that were fetched this recently are not fetched again for a command.
pub const RIGHTS_FRESH_MS: u64 = 10_000;
/// Commands that wait for rights, and questions for VyHub.
pub const ORDERS_MAX: usize = 64;
/// How long each of them waits.
pub const ORDER_PATIENCE_MS: u64 = 5_000;
pub const QUESTION_PATIENCE_MS: u64 = 15_000;

const _: () = assert!(OUTBOX_ENTRIES_ADVISED < OUTBOX_ENTRIES_MAX);
const _: () = assert!(OUTBOX_RETRY_MS_MIN < OUTBOX_RETRY_MS_MAX);

// VyHub: commands, rights and words.

/// A line of chat in which a command is looked for; the engine cuts at 127 bytes, scripts say more.
pub const COMMAND_BYTES_MAX: usize = 512;
/// Longest ban that has an end: a hundred years.
pub const BAN_S_MAX: u64 = 100 * 365 * 86_400;
/// Players that are named to somebody who may have meant any of them.
pub const CANDIDATES_MAX: usize = 5;
/// Rights that VyHub has told longer ago than this are not known any more.
pub const VYHUB_RIGHTS_S_MAX: i64 = 7 * 86_400;
/// How far in the future they may have been told, by a clock that was set back since.
pub const VYHUB_RIGHTS_AHEAD_S_MAX: i64 = 86_400;
/// What a kicked player is told: with the command around it, it fits into a line of the console.
pub const KICK_REASON_BYTES_MAX: usize = 400;
/// One line of chat to players; the engine carries up to 255 bytes with what is around it.
pub const CHAT_BYTES_MAX: usize = 220;

// Who is on a server.

/// A source that has told something this recently is live.
pub const ROSTER_LIVE_MS: u64 = 150_000;
/// What happens this shortly before an answer to `status` is read may be younger than the answer.
pub const ROSTER_OVERTAKEN_MS: u64 = 5_000;
/// Who was on before a map change has this long to be seen by the script again.
pub const ROSTER_MAP_CHANGE_MS: u64 = 120_000;
/// Who was not mentioned by the engine for so long is gone when the script says so.
pub const ROSTER_UNCONFIRMED_MS: u64 = 900_000;

const _: () = assert!(ROSTER_OVERTAKEN_MS < ROSTER_LIVE_MS);
const _: () = assert!(ROSTER_LIVE_MS < ROSTER_UNCONFIRMED_MS);

// VyHub's API.

/// Longest explanation of VyHub's that is shown.
pub const VYHUB_DETAIL_CHARS_MAX: usize = 300;
/// Longest name of a user that is kept, and longest reason of a listed ban.
pub const VYHUB_NAME_CHARS_MAX: usize = 64;
pub const BAN_REASON_CHARS_MAX: usize = 512;
/// Longest address of VyHub's pages.
pub const VYHUB_URL_BYTES_MAX: usize = 500;
/// Bans of one list, and their texts together.
pub const BANS_MAX: usize = 1_000_000;
pub const BANS_TEXT_BYTES_MAX: usize = 256 << 20;
/// Texts that many bans may share: few admins write few reasons.
pub const BANS_SHARED_TEXTS_MAX: usize = 4_096;
/// Longest line of a list that is kept.
pub const BANS_LINE_BYTES_MAX: usize = 16 << 10;

/// Requests under way at once.
pub const HTTP_THREADS_MAX: usize = 3;
pub const HTTP_STACK_BYTES: usize = 512 << 10;
/// A thread without requests ends after this time, if it is not the last.
pub const HTTP_THREAD_IDLE_MS: u64 = 10_000;
/// Requests that wait.
pub const HTTP_JOBS_MAX: usize = 10_000;
/// How long a name may take to be looked up, and a connection to be there, with TLS.
pub const HTTP_CONNECT_MS: u64 = 5_000;
/// Longest time for one request.
pub const HTTP_PATIENCE_MS_MAX: u64 = 3_600_000;
/// A connection that was idle this long is not used again; and not for what changes something,
/// since the other side may just be closing it.
pub const HTTP_KEEP_MS: u64 = 30_000;
pub const HTTP_KEEP_FOR_CHANGES_MS: u64 = 2_000;
/// Names being looked up: what hangs cannot be ended.
pub const HTTP_LOOKUPS_MAX: usize = 8;
/// Largest answer; lists of bans are read as they come.
pub const HTTP_BODY_BYTES_MAX: u64 = 1 << 20;
pub const HTTP_LIST_BYTES_MAX: u64 = 256 << 20;
/// Largest file of certificates to trust.
pub const CA_FILE_BYTES_MAX: u64 = 1 << 20;
/// What one connection reads and writes at once.
pub const HTTP_READ_BYTES: usize = 32 << 10;
pub const HTTP_WRITE_BYTES: usize = 16 << 10;

// What is kept by name in the state folder.

/// Longest name, without what is put behind it.
pub const STORE_NAME_BYTES_MAX: usize = 100;
/// Largest document; largest list of bans.
pub const STORE_FILE_BYTES_MAX: u64 = 1 << 20;
pub const STORE_LIST_BYTES_MAX: u64 = 1 << 30;
/// Documents that are read of one folder.
pub const STORE_FILES_MAX: usize = 100_000;
/// Changes that wait to be written, and those that share one look at the disk.
pub const STORE_WRITES_MAX: usize = 100_000;
pub const STORE_BATCH_MAX: usize = 256;
/// Files of one name that were set aside as unreadable.
pub const STORE_UNREADABLE_MAX: usize = 10;

const _: () = assert!(HTTP_KEEP_FOR_CHANGES_MS < HTTP_KEEP_MS);
const _: () = assert!(HTTP_BODY_BYTES_MAX < HTTP_LIST_BYTES_MAX);
const _: () = assert!(BANS_TEXT_BYTES_MAX < u32::MAX as usize);
const _: () = assert!(BAN_REASON_CHARS_MAX * 4 < u16::MAX as usize);
const _: () = assert!(6 * (BAN_REASON_CHARS_MAX + 2 * VYHUB_NAME_CHARS_MAX) < BANS_LINE_BYTES_MAX);
// VyHub, RCON and the engine's log, as the configuration has them.

/// Longest address of the API, and of a game's console.
pub const ADDRESS_BYTES_MAX: usize = 300;
/// Longest key of VyHub's API, and longest password of a game's console.
pub const API_KEY_BYTES_MAX: usize = 512;
pub const RCON_PASSWORD_BYTES_MAX: usize = 256;
/// What may begin a command in chat: how many, and how long each.
pub const PREFIXES_MAX: usize = 8;
pub const PREFIX_CHARS_MAX: usize = 8;
/// Longest name of a language, as its file is called.
pub const LANGUAGE_BYTES_MAX: usize = 32;
/// Largest file of a language, and longest text in it.
pub const MESSAGES_FILE_BYTES_MAX: usize = 256 << 10;
pub const MESSAGE_CHARS_MAX: usize = 400;

// What operators see of the queue.

/// Longest id of an entry.
pub const QUEUE_ID_BYTES_MAX: usize = 100;
/// Files that are read of the queue when no vpid runs, and the largest of them.
pub const QUEUE_FILES_MAX: usize = 100_000;
pub const QUEUE_FILE_BYTES_MAX: u64 = 1 << 20;
/// `vpid check` waits this long for each answer.
pub const CHECK_PATIENCE_MS: u64 = 10_000;
/// `vpid check` warns when VyHub's clock and ours are further apart.
pub const CHECK_CLOCK_S_MAX: u64 = 120;
