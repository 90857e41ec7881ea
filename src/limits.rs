//! Every bound and budget of the program, in one place, the unit last in each name.

mod community;
mod scripts;
mod shares;
mod sql;
mod status;
mod trace;

pub use community::*;
pub use scripts::*;
pub use shares::*;
pub use sql::*;
pub use status::*;
pub use trace::*;

/// Longest explanation that goes with an error to the game.
pub const ERROR_DETAIL_BYTES_MAX: usize = 200;

/// Longest name of a file, on every file system that a game runs on.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Longest host name of the stock protocol: with it, the shortest name of a call file fits.
pub const HOST_BYTES_MAX: usize = FILE_NAME_BYTES_MAX - "_vpi_0_0_output.interface".len();
/// The same of the signed protocol, whose scripts cut it there.
pub const SIGNED_HOST_BYTES_MAX: usize = 128;
/// Largest index of an archive that is looked through for scripts, and most maps of a game.
pub const PACK_INDEX_BYTES_MAX: u64 = 16 << 20;
pub const MAPS_LOOKED_AT_MAX: usize = 2_000;
/// Largest call file that is read. A stock client with hundreds of calls stays far below.
pub const CALL_FILE_BYTES_MAX: usize = 1 << 20;
/// Most calls in one file; a file with more is rejected.
pub const FILE_CALLS_MAX: usize = 4096;
/// Longest token, function or script name of a call.
pub const CALL_NAME_BYTES_MAX: usize = 256;
// Sentences name it.
const _: () = assert!(CALL_NAME_BYTES_MAX == 256);
/// Deepest nesting of what a game sends (the stock encoder gives up at 32).
pub const JSON_DEPTH_MAX: usize = 64;
/// Longest secret of the stock protocol (usually 128). Each answer file carries it twice, and the game
/// reads no file above [`ENGINE_READ_BYTES_MAX`]: with `vpi.py`, the answers of a secret of 8,000 no longer
/// arrive.
pub const SECRET_BYTES_MAX: usize = 7_500;
/// What an answer file has room for beside the longest secret: an error to the longest token.
pub const ANSWER_ROOM_BYTES_MIN: usize = 900;
/// Longest part of a function's name in the error that an answer is too large.
pub const OVERSIZE_NAME_BYTES_MAX: usize = 48;

/// Identities that the replay guard remembers.
pub const IDENTITIES_MAX: usize = 65_536;
/// An identity is believed this long beside the time of its file.
pub const IDENTITY_AGE_S_MAX: u64 = 120;
/// Time zones reach from -12 to +14 hours, and the client adds five.
pub const CLOCK_OFFSET_S_MAX: i64 = 20 * 3600;
/// A clock that steps (summer time) does not step again for this long.
pub const CLOCK_STEP_MS_MIN: u64 = 12 * 3600 * 1000;

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
/// A response that is not fetched is dropped after this long.
pub const ANSWER_EXPIRES_MS: u64 = 30_000;
/// What was just written is left to the client for this long before more is added to it: a third
/// of a tick, so that a flood of answers is not written over and over.
pub const REPLACE_GAP_MS: u64 = 5;
/// A client empties the file within one tick of reading it. A file that is emptied later than
/// this after it was replaced was read itself.
pub const CLIENT_WIPE_MS_MAX: u64 = 30;
/// After a failed write of answers, the next try.
pub const ANSWER_RETRY_MS: u64 = 1_000;

const _: () = assert!(ANSWER_FILE_BYTES_MAX <= ENGINE_READ_BYTES_MAX);
const _: () = assert!(2 * SECRET_BYTES_MAX + 96 + ANSWER_ROOM_BYTES_MIN <= ANSWER_FILE_BYTES_MAX);
// The token and the name with every byte escaped, and the words of the error around them.
const _: () =
    assert!(2 * CALL_NAME_BYTES_MAX + 6 * OVERSIZE_NAME_BYTES_MAX + 96 <= ANSWER_ROOM_BYTES_MIN);
// What a file claims to be its identity is a small part of the file.
const _: () = assert!(16 * SECRET_BYTES_MAX <= CALL_FILE_BYTES_MAX / 8);
const _: () = assert!(REPEAT_GAP_MS < 11 * 15);
const _: () = assert!(REPLACE_GAP_MS < 15);

/// Largest configuration file that is read.
pub const CONFIG_FILE_BYTES_MAX: usize = 1 << 20;

/// Longest name that the owner gives to a database, a query, or a parameter of one.
pub const CONFIG_NAME_BYTES_MAX: usize = 64;

/// Largest secret file that is read; a secret is one line.
pub const SECRET_FILE_BYTES_MAX: usize = 16 << 10;

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

/// Longest absolute path of a file that the engine writes and reads (its buffers have 260 bytes), and how long
/// names of hosts are that should fit.
pub const ENGINE_PATH_BYTES_MAX: usize = 259;
pub const HOST_BYTES_USUAL: usize = 64;

/// `vpid init` looks for the vpi.nut of game modes so deep below the folder for scripts, at so many entries, and
/// for so long.
pub const SCRIPTS_DEPTH_MAX: usize = 4;
pub const SCRIPTS_ENTRIES_MAX: usize = 20_000;
pub const SCRIPTS_LOOK_MS: u64 = 2_000;

/// Largest Squirrel script in which `vpid init` looks for a secret.
pub const SCRIPT_FILE_BYTES_MAX: usize = 1 << 20;

/// `vpid check` warns below the first amount of free space, and calls the second one bad.
pub const FREE_BYTES_ADVISED: u64 = 256 << 20;
pub const FREE_BYTES_MIN: u64 = 8 << 20;

/// `vpid check` warns below this many descriptors: databases, workers and a burst of files.
pub const OPEN_FILES_ADVISED: u64 = 256;

/// Looking for files that are not served: how often at most, in which share of the time, and how many
/// hosts, folders and forms of names are named for one reason.
pub const OVERLOOKED_LOOK_MS: u64 = 5_000;
pub const OVERLOOKED_SHARE: u32 = 100;
pub const OVERLOOKED_NAMED_MAX: usize = 20;
/// How far the only look into subfolders goes, which are of others and may be large: one of MGE has a file
/// for each player.
pub const OVERLOOKED_FOLDERS_MAX: usize = 64;
pub const OVERLOOKED_IN_FOLDER_MAX: usize = 20_000;
pub const OVERLOOKED_BELOW_MAX: usize = 100_000;

/// `vpid check` looks at no more files of a folder than this.
pub const CHECK_FILES_MAX: usize = 100_000;

const _: () = {
    assert!(FREE_BYTES_MIN < FREE_BYTES_ADVISED);
    assert!(SECRET_BYTES_MAX < SECRET_FILE_BYTES_MAX);
    assert!(KEY_BYTES_MIN <= KEY_BYTES_NEW && KEY_BYTES_NEW <= KEY_BYTES_MAX);
    assert!(KEY_BYTES_MAX < SECRET_FILE_BYTES_MAX);
    assert!(SECRET_BYTES_ADVISED <= SECRET_BYTES_NEW && SECRET_BYTES_NEW <= SECRET_BYTES_MAX);
    // What vpid writes for a host, and how it takes the longest of its files (protocol/names.rs).
    assert!(HOST_BYTES_MAX + "_vpi_input.interface.vpid".len() <= FILE_NAME_BYTES_MAX);
    assert!(".3w5e11264sgsf.t".len() <= "_output.interface".len());
    assert!(POLL_MS_MIN <= POLL_MS_DEFAULT && POLL_MS_DEFAULT <= POLL_MS_MAX);
    assert!(CALL_DEADLINE_MS_MIN <= CALL_DEADLINE_MS_DEFAULT);
    assert!(CALL_DEADLINE_MS_DEFAULT <= CALL_DEADLINE_MS_MAX);
};

/// Of files above this size the last byte is looked at before the rest is read.
pub const LAST_BYTE_FIRST_BYTES: u64 = 16 << 10;
/// What one read of a folder gives: some hundreds of names.
pub const LISTING_BYTES: usize = 32 << 10;
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
/// Files of one server that wait and are known by name. What is beyond stays in its folder, and is
/// found by a later scan.
pub const WAITING_FILES_MAX: usize = 100_000;
/// The same of one host, and of all together that have not proven who they are.
pub const HOST_WAITING_FILES_MAX: usize = 25_000;
pub const STRANGERS_WAITING_FILES_MAX: usize = 25_000;
/// So many of each proven host are known by name, whatever waits besides.
pub const HOST_WAITING_FILES_SURE: usize = 64;
/// When so many were taken since one had to stay in its folder, that is scanned again.
pub const RESCAN_FILES: usize = HOST_WAITING_FILES_MAX / 2;
/// File names of one folder that were complained about; further ones are only counted.
pub const COMPLAINTS_MAX: usize = 100;
/// After this time they may be complained about again.
pub const COMPLAINTS_MS: u64 = 3600 * 1000;
/// As much of the file with this vpid's number is read.
pub const INSTANCE_FILE_BYTES_MAX: u64 = 64;
/// Of a backup: files, its manifest (which names each), and its text for people.
pub const BACKUP_FILES_MAX: usize = 300_000;
pub const BACKUP_MANIFEST_BYTES_MAX: u64 = 128 << 20;
pub const BACKUP_README_BYTES_MAX: u64 = 64 << 10;
/// A document of a backup that is edited when it is restored, and its configuration, are read into memory.
pub const BACKUP_TEXT_BYTES_MAX: u64 = 16 << 20;
/// How long a backup waits for the lock of a database, and how many pages it copies until it looks at signals.
pub const BACKUP_DATABASE_BUSY_MS: u64 = 1_000;
pub const BACKUP_PAGES_AT_ONCE: i32 = 4_096;
/// How often it requests a moment without writes, and the pause between.
pub const BACKUP_HOLDS_MAX: usize = 200;
pub const BACKUP_HOLD_PAUSE_MS: u64 = 20;
/// Temporary files of a backup that are so old are of one that was killed.
pub const BACKUP_LEFT_OVER_S: u64 = 24 * 3_600;
/// How deep folders of Python scripts are looked into.
pub const BACKUP_SCRIPTS_DEPTH_MAX: usize = 16;

const _: () = assert!(STORE_FILE_BYTES_MAX <= BACKUP_TEXT_BYTES_MAX);
const _: () = assert!(CONFIG_FILE_BYTES_MAX as u64 <= BACKUP_TEXT_BYTES_MAX);
const _: () = assert!(SESSION_LOG_BYTES_MAX * 2 <= BACKUP_TEXT_BYTES_MAX);

/// And of the file with the version of the state folder.
pub const STATE_VERSION_FILE_BYTES_MAX: u64 = 256;
/// Lines of the log that say the same are counted for so long, then ever longer.
pub const LOG_FOLD_MS_MIN: u64 = 60_000;
pub const LOG_FOLD_MS_MAX: u64 = 3_600_000;
/// Reports that the service manager has not taken yet, and the text of one.
pub const NOTICES_WAITING_MAX: usize = 16;
pub const STATUS_BYTES_MAX: usize = 500;
/// How long `vpid run --exec` waits before it starts again what has ended: at first, at most, and how long a run
/// must last until the first applies again.
pub const RESTART_MS_MIN: u64 = 1_000;
pub const RESTART_MS_MAX: u64 = 60_000;
pub const RESTART_SETTLED_MS: u64 = 60_000;
/// The game starts without vpid if that does not serve within this time.
pub const SERVES_WITHIN_MS: u64 = 30_000;
/// How long vpid may take to end after the game.
pub const SUPERVISED_STOP_MS: u64 = 12_000;
const _: () = assert!(STOP_END_MS < SUPERVISED_STOP_MS);
/// A line of the log or of the console is cut there, and so much of the lines waits for a reader.
pub const SUPERVISED_LINE_BYTES_MAX: usize = 4_096;
pub const CONSOLE_WAITING_BYTES_MAX: usize = 64 << 10;
/// As much of /etc/passwd and /etc/group is read.
pub const USERS_FILE_BYTES_MAX: u64 = 4 << 20;
/// How long `vpid reload` waits for the verdict: databases may have to try the SQL first.
pub const RELOAD_WAIT_MS: u64 = 60_000;
/// So many warnings or errors are written in that time before the rest is counted: of one text to the
/// letter, and of the same words. Changes have more, and what an operator requested.
pub const LOG_SAME_MAX: u32 = 1;
pub const LOG_LIKE_MAX: u32 = 20;
pub const LOG_SAME_NEWS_MAX: u32 = 20;
pub const LOG_LIKE_NEWS_MAX: u32 = 100;
/// And so many of one place in the source, whatever they say.
pub const LOG_PLACE_LINES_MAX: u32 = 200;
/// What is remembered of lines: 200 bytes each, and a text for those that are counted.
pub const LOG_KINDS_MAX: usize = 4_096;
pub const LOG_FOLDED_TEXT_BYTES_MAX: usize = 500;

const _: () = assert!(LOG_SAME_MAX <= LOG_LIKE_MAX && LOG_LIKE_MAX <= LOG_PLACE_LINES_MAX);
const _: () = assert!(LOG_LIKE_NEWS_MAX <= LOG_PLACE_LINES_MAX);
const _: () = assert!(3 * (LOG_PLACE_LINES_MAX as usize) < LOG_KINDS_MAX);

/// As often is a lock file replaced by a new one before it is given up.
pub const LOCK_TRIES_MAX: usize = 16;
/// Things that were in the way of files of ours and are kept in one folder.
pub const ASIDE_MAX: usize = 256;
/// A call file without its closing NUL is rejected after this long.
pub const UNFINISHED_MS: u64 = 5_000;
/// Such files of one folder that are waited for: those of proven hosts, and the others. When there
/// are more, the oldest is not waited for any longer.
pub const UNFINISHED_FILES_MAX: usize = 512;
/// One that found no room to be looked at is tried again after this time.
pub const OVERDUE_RETRY_MS: u64 = 100;

// The parts of one turn of the loop. What is left over waits for the next turn, before which the
// loop does not sleep.

/// Notices of files that are read in one turn, and as many once more after a scan.
pub const TURN_HINTS_MAX: usize = 1_024;
/// What workers report, and what timers bring: until this time has passed, each.
pub const TURN_PART_US: u64 = 3_000;
/// Lines of engines: until this time has passed, and one engine's at least.
pub const TURN_LOG_US: u64 = 1_000;
/// Reports of RCON, VyHub's API and the disk.
pub const TURN_REPORTS_MAX: usize = 256;
/// What scripts say: the same, and at least one script.
pub const TURN_SCRIPTS_US: u64 = 3_000;
/// Reading folders; more where files cannot be taken before that is done.
pub const TURN_SCAN_US: u64 = 1_000;
pub const TURN_SCAN_FIRST_US: u64 = 3_000;
/// Taking files: until this time has passed, so many bytes were read or so many files taken, but one
/// file at least.
pub const TURN_TAKE_US: u64 = 2_000;
pub const TURN_BYTES_MAX: usize = 1 << 20;
pub const TURN_FILES_MAX: usize = 128;
/// Hosts that are found to have no room, or not to be served, while files are taken.
pub const TURN_SKIPS_MAX: usize = 256;
/// Hosts without room that are tried again in one turn.
pub const TURN_RETRIES_MAX: usize = 64;
/// Input files that are looked at in one turn of a sweep.
pub const TURN_INPUTS_MAX: usize = 256;
/// SQL jobs are handed to the worker when so many have come together, at the end of a turn anyway.
pub const SUBMIT_JOBS_MIN: usize = 256;
/// A turn that takes longer is logged.
pub const SLOW_TURN_MS: u64 = 20;

const _: () = {
    assert!(HOST_WAITING_FILES_MAX * 4 <= WAITING_FILES_MAX);
    assert!(STRANGERS_WAITING_FILES_MAX * 4 <= WAITING_FILES_MAX);
    assert!(HOST_WAITING_FILES_SURE < HOST_WAITING_FILES_MAX);
    assert!(FILES_OPEN_MAX <= STRANGERS_WAITING_FILES_MAX);
    assert!(CALL_FILE_BYTES_MAX <= TURN_BYTES_MAX);
    let parts = 2 * TURN_PART_US + TURN_SCRIPTS_US + TURN_LOG_US;
    let parts = parts + TURN_SCAN_FIRST_US + TURN_TAKE_US;
    assert!(parts + 4 * (TURN_HINTS_MAX as u64) < SLOW_TURN_MS * 1_000);
};
/// How long the start waits for databases to try the owner's queries.
pub const START_PREPARE_MS: u64 = 5_000;
/// A configuration file that was edited is read when it has stayed as it is for this long.
pub const EDIT_SETTLES_MS: u64 = 1_000;
/// After SIGTERM, what runs may go on for this long.
pub const STOP_MS: u64 = 7_000;
/// By then vpid has ended, whatever still hangs. A service manager waits longer before it kills.
pub const STOP_END_MS: u64 = 8_000;
/// Answers of an earlier run that lie in an input file are left to the client for this long:
/// then every caller has timed out.
pub const FOREIGN_INPUT_MS: u64 = 4_000;
/// How long the workers of all databases may take to end after that.
pub const DATABASES_STOP_MS: u64 = 400;
/// The same for those of RCON and VyHub, where so much time is left.
pub const LANE_STOP_MS: u64 = 1_000;
/// What is kept of the time for changes that wait for the disk.
pub const STORE_STOP_MS: u64 = 300;
/// A worker's thread ends after so long without work.
pub const WORKER_IDLE_MS: u64 = 10_000;
/// Threads of one pool that may hang at once; with so many, another one takes over.
pub const WORKERS_GIVEN_UP_MAX: usize = 4;

const _: () = assert!(STOP_MS + DATABASES_STOP_MS + STORE_STOP_MS < STOP_END_MS);
/// Callbacks of one host up to which the model of the client's table is kept.
pub const PLAN_CALLBACKS_MAX: usize = 128;
/// A stock client forgets none of fewer answers in the reads that it has.
pub const PLAN_ANSWERS_MIN: usize = 8;
/// Changes that are tried to find out what to withhold; each takes about a microsecond, and
/// mostly a few do.
pub const PLAN_ROUNDS_MAX: usize = 2_000;
/// While more calls than that are under way, nothing is planned: that is a flood and no game.
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
/// Largest hello that is read: its frame, and a body with the names of a version and a map.
pub const SIGNED_HELLO_BYTES_MAX: usize = 4_096;
/// Largest file that is written for a game.
pub const SIGNED_FILE_BYTES_MAX: usize = 16_000;
/// What a file holds besides its body: its first line and its mac.
pub const SIGNED_FRAME_BYTES: usize = 128;
/// No further message is put into a body of this size: a script hashes 64 bytes in 18 µs.
pub const SIGNED_BODY_BYTES_AIM: usize = 2_000;
/// Files without an acknowledgement, each way.
pub const SIGNED_WINDOW: usize = 8;
/// The same with files that only acknowledge or request something again: else two sides whose
/// windows are full could not help each other.
pub const SIGNED_CONTROL_WINDOW: usize = 16;
/// Files that are believed beyond those that came: the last of a map may go beyond the window.
pub const SIGNED_AHEAD_MAX: u64 = SIGNED_CONTROL_WINDOW as u64 + 1;
/// Sessions of a host that were requested and have not begun.
pub const HELLOS_PENDING_MAX: usize = 4;
/// What a game has sent is acknowledged within this time, and at once when so many of its files are not: a game that
/// only reports must not wait for that while half of its window is left.
pub const SIGNED_ACK_MS: u64 = 200;
pub const SIGNED_ACK_FILES: u64 = SIGNED_WINDOW as u64 / 2;
/// A file that is not authentic is requested again this often at most.
pub const SIGNED_AGAIN_MS: u64 = 1_000;
/// Games that are notified that their session is lost, at most.
pub const GONE_FILES_MAX: usize = 16;
/// What waits to be pushed to one game.
pub const HOST_PUSHES_MAX: usize = 1_000;
/// How long a function in the game may take to answer.
pub const PUSH_CALL_MS: u64 = 10_000;

const _: () = assert!(SIGNED_FILE_BYTES_MAX <= ENGINE_READ_BYTES_MAX);
const _: () = assert!(SIGNED_HELLO_BYTES_MAX < SIGNED_GAME_BYTES_MAX);
const _: () = assert!(SIGNED_WINDOW < SIGNED_CONTROL_WINDOW);
const _: () = assert!(SIGNED_BODY_BYTES_AIM + SIGNED_FRAME_BYTES < SIGNED_FILE_BYTES_MAX);
const _: () =
    assert!(SIGNED_HOST_BYTES_MAX + 34 + 20 + ".interface".len() + 30 <= FILE_NAME_BYTES_MAX);
/// The log of signed sessions is rewritten when it is larger.
pub const SESSION_LOG_BYTES_MAX: u64 = 2 << 20;

/// Players that are known of one game; no server has more than 101 slots.
pub const PLAYERS_MAX: usize = 256;
/// What happened to players and was not looked at yet.
pub const ROSTER_NEWS_MAX: usize = 4 * PLAYERS_MAX;
/// Longest name or id of a player that is kept; the engine cuts names at 31 bytes.
pub const PLAYER_TEXT_CHARS_MAX: usize = 128;
/// What the engine makes at most; what is longer was not made by it alone. A name: 32 bytes with
/// its NUL (`MAX_PLAYER_NAME_LENGTH` in const.h of source-sdk-2013). An id: 64 with its NUL
/// (`m_szNetworkIDString` of player.h). Chat: 127 (`Host_Say` in client.cpp).
pub const ENGINE_NAME_BYTES_MAX: usize = 31;
pub const ENGINE_ID_BYTES_MAX: usize = 63;
pub const ENGINE_CHAT_BYTES_MAX: usize = 127;
/// Two rows of `status` are one name at most if they fit into this; the engine pads its rows to more
/// than 60 bytes.
pub const STATUS_NAME_DOUBT_BYTES: usize = 48;
/// A line of the log about players without its date. The engine cuts at 1,023 bytes
/// (`UTIL_LogPrintf` in util.cpp), and with names as long as they get no line comes near: two
/// players, a weapon and three positions are some 400 bytes. Above it, the end that says whom a
/// line is about may have been cut off.
pub const LOG_EVENT_BYTES_MAX: usize = 600;
/// What is kept of a reason to leave, and the longest name of a weapon.
pub const LOG_REASON_CHARS_MAX: usize = 256;
pub const LOG_WEAPON_BYTES_MAX: usize = 64;
/// Functions that a game may register.
pub const GAME_FUNCTIONS_MAX: usize = 1_000;
/// Largest datagram of the engine's log that is read; the engine cuts its lines at half of it.
pub const LOG_LINE_BYTES_MAX: usize = 2_048;
/// Longest `sv_logsecret`, in digits; tools that share it use 16.
pub const LOG_SECRET_DIGITS_MAX: usize = 20;
/// What `vpid init` makes.
pub const LOG_SECRET_DIGITS_NEW: usize = 16;
/// Wrong secrets in a second from which on few tries are left, and for how long after the last.
pub const LOG_WRONG_PER_S: u64 = 16;
pub const LOG_PRESSED_MS: u64 = 10_000;
/// Datagrams a second that are then read of senders that were not right before, of the game's address
/// and of others; and those of one sender.
pub const LOG_TRIES_PER_S: u64 = 8;
pub const LOG_TRIES_OF_ONE_PER_S: u64 = 2;
/// So many useless datagrams within a pause are a flood: nothing is read for the pause, or, where
/// the game's sender is known, what others send is dropped by the kernel for so long.
pub const LOG_FLOOD: u64 = 256;
pub const LOG_PAUSE_MS: u64 = 100;
pub const LOG_CLOSED_MS: u64 = 900;
/// How often wrong secrets are reported, and how long after the first of them.
pub const LOG_REPORT_MS: u64 = 60_000;
pub const LOG_REPORT_SOON_MS: u64 = 1_000;
/// What the system may keep of the engine's log while vpid is busy: some hundreds of lines. Where
/// the system allows less, it is less.
pub const LOG_RECEIVE_BYTES: usize = 256 * 1_024;
/// A game whose script reports every ten seconds is missed after this time.
pub const SILENCE_MS: u64 = 45_000;
/// How long the answer to `status` is waited for that says whether a silent game still runs.
pub const SILENCE_CONSOLE_MS: u64 = 10_000;
/// Files of a session that come so much later than the next one began are of a game that goes on beside it.
pub const DISPLACED_MS: u64 = 1_500;

/// What one connection to the control socket may send in a line, and may have waiting.
pub const CONTROL_LINE_BYTES_MAX: usize = 1 << 16;
pub const CONTROL_WAITING_BYTES_MAX: usize = 1 << 22;
/// Requests of one connection to the control socket that a turn carries out.
pub const CONTROL_REQUESTS_MAX: usize = 8;
/// How long the control socket is left alone when the system has no descriptor or memory for a connection.
pub const CONTROL_SHORTAGE_MS: u64 = 1_000;
/// Connections to the control socket.
pub const CONTROL_CONNECTIONS_MAX: usize = 64;

// The engine's own interfaces.

/// Longest line that an engine's console runs: its buffer of 512 bytes holds an end of line and a
/// NUL as well, and it drops what does not fit.
pub const CONSOLE_LINE_BYTES_MAX: usize = 510;
/// Words of a line that a console separates. It copies them into 512 bytes, each with a NUL, and drops
/// the line where they do not fit (tier1/convar.cpp of source-sdk-2013); signs such as `(` are words
/// when they stand outside of quotation marks.
pub const CONSOLE_WORDS_MAX: usize = 64;
/// Longest line with words outside of quotation marks whose copies surely fit.
pub const CONSOLE_BARE_BYTES_MAX: usize = CONSOLE_LINE_BYTES_MAX - CONSOLE_WORDS_MAX;
/// Longest text that is said as the console: the engine sends 256 bytes, with `Console: ` before the
/// text and what ends it.
pub const SAY_BYTES_MAX: usize = 240;
/// Longest text for `ClientPrint`: a user message has 255 bytes, of which the place, the ends of five
/// texts and what the engine adds are taken.
pub const CLIENT_PRINT_BYTES_MAX: usize = 220;
/// Largest packet of RCON that is believed, without its length: an engine sends 4,106 bytes.
pub const RCON_PACKET_BYTES_MAX: usize = 8_192;
/// Longest reply to one command, put together.
pub const RCON_REPLY_BYTES_MAX: usize = 256 * 1_024;
/// How long a game may take to accept a connection, and then for each answer.
pub const RCON_CONNECT_MS: u64 = 3_000;
pub const RCON_REPLY_MS: u64 = 5_000;
/// After a connection that failed, no other is tried for this long.
pub const RCON_RETRY_MS: u64 = 1_000;
/// The same where the game closed it before it said whether the password is right: it may count
/// such tries, and shut out an address that it counted too often.
pub const RCON_CLOSED_RETRY_MS: u64 = 30_000;
/// Commands that wait for one game.
pub const RCON_QUEUE_MAX: usize = 256;
/// How long a worker that is cut off may take to report it.
pub const RCON_CUT_MS: u64 = 100;
/// How long nothing is sent after a map has started: where server.cfg sets rcon_password, as it does on
/// every map, the engine closes the connections that were let in before.
pub const RCON_SETTLE_MS: u64 = 1_000;
/// A report of a map start so soon after the one that was waited for is of the same map.
pub const RCON_SETTLED_MS: u64 = 10_000;
pub const RCON_STACK_BYTES: usize = 256 * 1_024;

const _: () = assert!(RCON_RETRY_MS <= RCON_CLOSED_RETRY_MS);
const _: () = assert!(LOG_SECRET_DIGITS_NEW <= LOG_SECRET_DIGITS_MAX);
const _: () = assert!(LOG_TRIES_OF_ONE_PER_S < LOG_TRIES_PER_S);
const _: () = assert!(LOG_TRIES_PER_S <= LOG_WRONG_PER_S);
const _: () = assert!(LOG_PAUSE_MS < LOG_CLOSED_MS && LOG_CLOSED_MS < LOG_PRESSED_MS);
const _: () = assert!(ENGINE_NAME_BYTES_MAX < STATUS_NAME_DOUBT_BYTES);
const _: () = assert!(ENGINE_NAME_BYTES_MAX + ENGINE_ID_BYTES_MAX < PLAYER_TEXT_CHARS_MAX);
const _: () = assert!(
    2 * (ENGINE_NAME_BYTES_MAX + ENGINE_ID_BYTES_MAX) + ENGINE_CHAT_BYTES_MAX < LOG_EVENT_BYTES_MAX
);
const _: () = assert!(SAY_BYTES_MAX + "say ".len() < CONSOLE_BARE_BYTES_MAX);
const _: () = assert!(RCON_SETTLE_MS < RCON_SETTLED_MS);
const _: () = assert!(RCON_CONNECT_MS + RCON_REPLY_MS < SILENCE_CONSOLE_MS);
const _: () = assert!(CONSOLE_LINE_BYTES_MAX < RCON_PACKET_BYTES_MAX);

/// A database about addresses: where what it says of itself is looked for, at its end; what of it is read at once; what
/// one record may have.
pub const MMDB_METADATA_BYTES_MAX: u64 = 128 << 10;
pub const MMDB_WINDOW_BYTES: u64 = 512;
pub const MMDB_RECORD_VALUES_MAX: usize = 4_096;
pub const MMDB_RECORD_BYTES_MAX: usize = 128 << 10;
pub const MMDB_RECORD_DEPTH_MAX: usize = 16;
/// Addresses that wait to be looked up.
pub const GEOIP_QUEUE_MAX: usize = 1_024;
pub const GEOIP_STACK_BYTES: usize = 256 << 10;
