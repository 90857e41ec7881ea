//! Bounds of what serves game servers and VyHub: RCON, the engine's log, the API, the outbox.

// VyHub.

/// Changes that wait to be sent, and from how many on the operator is warned.
pub const OUTBOX_ENTRIES_MAX: usize = 10_000;
pub const OUTBOX_ENTRIES_ADVISED: usize = 500;
/// Changes that are sent at once.
pub const OUTBOX_BUSY_MAX: usize = 2;
/// The pause of one change after its first failure, and the longest.
pub const OUTBOX_RETRY_MS_MIN: u64 = 5_000;
pub const OUTBOX_RETRY_MS_MAX: u64 = 300_000;
/// How long a change waits that VyHub takes from no caller: the owner must change something first.
pub const OUTBOX_HELD_MS: u64 = 300_000;
/// How often a user is made for one change before it is given up.
pub const OUTBOX_USER_TRIES_MAX: u32 = 3;
/// Where the backend keeps whole seconds, times this far apart may be the same.
pub const SAME_TIME_S: i64 = 1;
/// Longest wait that the API may demand.
pub const RETRY_AFTER_S_MAX: u64 = 86_400;
/// A change that could not be judged is looked at again after this time.
pub const OUTBOX_UNSURE_MS: u64 = 30_000;
/// How long after a request was sent VyHub may still be carrying it out, when no reply says otherwise.
pub const VYHUB_SETTLE_S: i64 = 25;
/// A change that is done is kept for so long at least: one that is alike must not be taken for it.
pub const OUTBOX_DONE_MS: u64 = 5_000;
/// Requests under way at once; one place is kept for changes.
pub const VYHUB_BUSY_MAX: usize = 3;
/// From one request to the next while many wait, how many may come at once before that, and how slow they get
/// where VyHub finds this too fast. It allows ten a second.
pub const VYHUB_GAP_MS: u64 = 200;
pub const VYHUB_GAP_MS_MAX: u64 = 2_000;
pub const VYHUB_BURST: u64 = 4;
/// The same two for a database: 20 servers that fill up at once have looked up all their players in seconds, and
/// locks that others hold are gone soon.
pub const COMMUNITY_GAP_MS: u64 = 5;
pub const COMMUNITY_GAP_MS_MAX: u64 = 500;
/// The longest pause after which a subject repeats a request to a database.
pub const COMMUNITY_AGAIN_MS: u64 = 2_000;
/// The pause of a kind of request, and of all requests, after a first failure, and the longest.
pub const PACE_KIND_MS_MIN: u64 = 1_000;
pub const PACE_WHOLE_MS_MIN: u64 = 5_000;
pub const PACE_MS_MAX: u64 = 60_000;
/// The longest of a kind of changes: each of them has pauses of its own.
pub const PACE_CHANGE_MS_MAX: u64 = 4_000;
/// Failures of one kind in a row that are reported to the operator.
pub const PACE_FAILURES_REPORTED: u32 = 5;
/// So long after its time is over, a request without a reply is given up.
pub const PACE_OVERDUE_MS: u64 = 10_000;
/// How long a request waits for its turn, and a change that is marked as sent.
pub const PACE_WAIT_MS: u64 = 10_000;
pub const PACE_CHANGE_WAIT_MS: u64 = 2_000;
/// That VyHub is unreachable is reported after this time, if it was reported shortly before, and what that is.
pub const VYHUB_AWAY_MS: u64 = 60_000;
pub const VYHUB_AWAY_AGAIN_MS: u64 = 600_000;
/// How far VyHub's clock may be from this machine's while nothing is known of it.
pub const CLOCK_UNKNOWN_MS: i64 = 300_000;
/// Where this machine's clock has moved by more against the one that nothing sets, it was set, or the machine
/// was suspended.
pub const CLOCK_MOVED_MS: i64 = 1_500;
/// Two clocks drift apart by one part of so many at most.
pub const CLOCK_DRIFT_PART: i64 = 5_000;
/// How long one request may take, and one for a whole list of bans.
pub const VYHUB_PATIENCE_MS: u64 = 20_000;
pub const VYHUB_LIST_PATIENCE_MS: u64 = 120_000;
/// How often the state of a server is reported, and a list of bans is fetched.
pub const VYHUB_ROUND_MS: u64 = 60_000;
/// How soon after a change the list is fetched, and after a new map the state is reported.
pub const VYHUB_SOON_MS: u64 = 1_000;
/// After a report without users was accepted, one with users follows so soon.
pub const VYHUB_FULL_REPORT_MS: u64 = 5_000;
/// Where that is refused again and again, it follows after a pause that doubles up to this.
pub const VYHUB_FULL_REPORT_MS_MAX: u64 = 3_600_000;
/// The record of a server is refreshed after this time.
pub const VYHUB_RECORD_MS: u64 = 3_600_000;
/// What was known of a server before is good for so long.
pub const VYHUB_RECORD_S_MAX: i64 = 7 * 86_400;
/// How long a start waits for VyHub before it uses what was known before.
pub const VYHUB_CACHE_MS: u64 = 3_000;
/// A player who could not be looked up is looked up again after this time.
pub const VYHUB_USER_RETRY_MS: u64 = 60_000;
/// Users that are known; those on a server are never forgotten.
pub const VYHUB_USERS_MAX: usize = 10_000;
/// Requests for users and their rights that are under way at once.
pub const VYHUB_LOOKUPS_MAX: usize = 4;
/// Rights of a user are refreshed after this time.
pub const VYHUB_RIGHTS_MS: u64 = 300_000;
/// Users whose rights are kept on disk.
pub const VYHUB_RIGHTS_KEPT_MAX: usize = 500;
/// How often the adverts of a bundle are fetched, how many are kept, how long each, and its lines.
pub const VYHUB_ADVERTS_MS: u64 = 300_000;
pub const ADVERTS_MAX: usize = 100;
pub const ADVERT_CHARS_MAX: usize = 2_000;
pub const ADVERT_LINES_MAX: usize = 10;
/// Longest pause from one advert to the next, and longest text in front of each line.
pub const ADVERT_INTERVAL_S_MAX: u64 = 86_400;
pub const ADVERT_PREFIX_CHARS_MAX: usize = 32;
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
/// Players whose groups are kept, the latest that were seen, and groups of each.
pub const GROUP_PLAYERS_MAX: usize = 10_000;
pub const GROUPS_OF_PLAYER_MAX: usize = 32;
/// Longest name of a server in a community of one's own.
pub const SERVER_NAME_CHARS_MAX: usize = 128;
/// Longest name of a mapping; commands of `on_add` and `on_remove`.
pub const GROUP_NAME_CHARS_MAX: usize = 64;
/// Longest name of a right of a community in a database.
pub const RIGHT_NAME_CHARS_MAX: usize = 64;
pub const GROUP_COMMANDS_MAX: usize = 16;
/// Commands for groups that could not be run are run again after this time, and how often where the game can be
/// reached; and how long the result of one is waited for.
pub const GROUP_AGAIN_MS: u64 = 10_000;
pub const GROUP_TRIES_MAX: u32 = 5;
pub const GROUP_COMMANDS_MS: u64 = 60_000;
/// A membership begins so long before its order: the two clocks may differ, and orders differ within a second.
pub const MEMBERSHIP_EARLY_S: i64 = 5;
/// A group that has ended is forgotten after this time.
pub const GROUP_ENDED_S: i64 = 86_400;
/// Largest file of SourceMod's admins, and what can stand in a line of it: the longest grant that SourceMod reads, and
/// its immunity.
pub const ADMINS_FILE_BYTES_MAX: u64 = 8 << 20;
pub const GRANT_BYTES_MAX: usize = 63;
pub const GRANT_IMMUNITY_DIGITS_MAX: usize = 6;

/// What an entry of the outbox remembers of other changes and records of its player.
pub const ENTRY_OTHERS_MAX: usize = 200;

/// Two signs of a server that are further apart leave open whether a player was on all the time.
pub const PLAYTIME_QUIET_MS: u64 = 30_000;
/// After so long who does nothing is idle for sure.
pub const PLAYTIME_IDLE_MINUTES_MAX: u64 = 1_440;
/// Players who have left and may only have seemed to.
pub const PLAYTIME_GONE_MAX: usize = 1_000;
/// Playtime: how often it is counted; how soon it is on disk after that; how often it is sent.
pub const PLAYTIME_STEP_MS: u64 = 15_000;
pub const PLAYTIME_WRITE_MS: u64 = 45_000;
pub const PLAYTIME_ROUND_MS: u64 = 3_600_000;
/// What is sent is a multiple of this time, which is so many millionths of an hour exactly.
pub const PLAYTIME_QUANTUM_MS: u64 = 18;
pub const PLAYTIME_QUANTUM_MILLIONTHS: u64 = 5;
/// By so much VyHub may round a total.
pub const PLAYTIME_ROUNDED_HOURS: f64 = 0.01;
/// Players and days whose time waits, and what each takes in its file.
pub const PLAYTIME_COUNTERS_MAX: usize = 6_000;
pub const PLAYTIME_COUNTER_BYTES: usize = 160;
/// Entries of the outbox that playtime takes at once, and how many dead letters of it there may be: most of the
/// outbox stays free for bans.
pub const OUTBOX_PLAYTIME_MAX: usize = 100;
/// Additions that a database gets at once, in one transaction.
pub const ADDITIONS_MAX: usize = 100;
pub const OUTBOX_PLAYTIME_DEAD_MAX: usize = 500;

const _: () = assert!(PLAYTIME_STEP_MS + PLAYTIME_WRITE_MS <= 60_000);
const _: () = assert!(PLAYTIME_STEP_MS + STATUS_BESIDE_MS < ROSTER_LIVE_MS);
/// Most playtime that an import takes for a player without a day: 100 years. So no sum of them overflows.
pub const PLAYTIME_MS_MAX: i64 = 100 * 365 * 86_400_000;
/// The same for a row of one day. It is more than a day, since time that waited for the backend is added on one.
pub const PLAYTIME_DAY_MS_MAX: i64 = 31 * 86_400_000;
const _: () = assert!(PLAYTIME_QUANTUM_MS * 1_000_000 == PLAYTIME_QUANTUM_MILLIONTHS * 3_600_000);
const _: () = assert!(
    (PLAYTIME_COUNTERS_MAX * PLAYTIME_COUNTER_BYTES) as u64 + 1_024 <= STORE_FILE_BYTES_MAX
);
const _: () = assert!(OUTBOX_PLAYTIME_MAX < OUTBOX_ENTRIES_ADVISED);

/// Players whom `!dashboard` lists.
pub const DASHBOARD_LINES_MAX: usize = 100;
/// `!login`: how many codes a player can try in a while, how long the second command has time, and how many
/// players are known who have tried.
pub const LOGIN_TRIES_MAX: u32 = 3;
pub const LOGIN_TRIES_MS: u64 = 600_000;
pub const LOGIN_CONFIRM_MS: u64 = 30_000;
pub const LOGINS_MAX: usize = 256;

/// How often `status` is requested where it is the only source of who is on, and where it is not.
pub const STATUS_ALONE_MS: u64 = 5_000;
pub const STATUS_BESIDE_MS: u64 = 60_000;
/// The pause between two, where something happened that only `status` can settle, such as who has
/// come: players can bring that about. So many come without a pause first, since a banned player
/// is kicked once `status` has confirmed who it is.
pub const STATUS_SOON_MS: u64 = 1_000;
pub const STATUS_BURST: u64 = 10;

/// How long the new map is waited for, where the game closed RCON instead of replying to the
/// command: less than a function of a script may take.
pub const CHANGE_MAP_MS: u64 = 8_000;

/// Lines of one engine's log that are read in one turn.
pub const TURN_LOG_LINES_MAX: usize = 256;
/// How often it is reported that VyHub refuses the key.
pub const VYHUB_SHOUT_MS: u64 = 3_600_000;
/// What changes have made in this run, to distinguish a later one with the same words.
pub const MADE_REMEMBERED_MAX: usize = 1_000;

/// Names under which players were banned in this run. VyHub may know them by other ones.
pub const BANNED_NAMES_REMEMBERED_MAX: usize = 1_000;

/// Rights that were fetched this recently are not fetched again for a command.
pub const RIGHTS_FRESH_MS: u64 = 10_000;
/// Commands that wait for rights, and questions for VyHub.
pub const ORDERS_MAX: usize = 64;
/// How long each of them waits.
pub const ORDER_PATIENCE_MS: u64 = 5_000;
pub const QUESTION_PATIENCE_MS: u64 = 15_000;

const _: () = assert!(OUTBOX_ENTRIES_ADVISED < OUTBOX_ENTRIES_MAX);
const _: () = assert!(OUTBOX_RETRY_MS_MIN < OUTBOX_RETRY_MS_MAX);
const _: () = assert!(VYHUB_BUSY_MAX <= HTTP_THREADS_MAX);
const _: () = assert!(VYHUB_BURST + 1_000 / VYHUB_GAP_MS < 10);
const _: () = assert!(VYHUB_SETTLE_S as u64 * 1_000 > VYHUB_PATIENCE_MS + PACE_CHANGE_WAIT_MS);
const _: () = assert!(CHANGE_MAP_MS < super::SCRIPT_CALL_MS);

// VyHub: commands, rights and words.

/// Bans of addresses of one list, and how long their reasons and the names of those who made them are kept, in bytes
/// of a file of JSON; what else a row of it takes.
pub const ADDRESS_BANS_MAX: usize = 10_000;
pub const ADDRESS_BAN_REASON_BYTES_MAX: usize = 200;
pub const ADDRESS_BAN_CREATOR_BYTES_MAX: usize = 60;
const ADDRESS_BAN_ROW_BYTES: usize = 150;
const _: () = assert!(
    (ADDRESS_BANS_MAX
        * (ADDRESS_BAN_REASON_BYTES_MAX + ADDRESS_BAN_CREATOR_BYTES_MAX + ADDRESS_BAN_ROW_BYTES)
        + 1_024) as u64
        <= STORE_FILE_BYTES_MAX
);
/// The widest range of addresses that a command, a script or the shell may ban has so many bits in common.
pub const ADDRESS_BAN_BITS_MIN: u8 = 16;
/// A player who wrote `!who` gets no other list before this time.
pub const WHO_AGAIN_MS: u64 = 10_000;
/// A line of chat in which a command is looked for; the engine cuts at 127 bytes, scripts do not.
pub const COMMAND_BYTES_MAX: usize = 512;
/// Longest ban that has an end: a hundred years.
pub const BAN_S_MAX: u64 = 100 * 365 * 86_400;
/// Players that are listed to a caller who may have meant any of them.
pub const CANDIDATES_MAX: usize = 5;
/// Rights that were fetched longer ago than this are not known any more.
pub const VYHUB_RIGHTS_S_MAX: i64 = 7 * 86_400;
/// How far in the future they may have been fetched, by a clock that was set back since.
pub const VYHUB_RIGHTS_AHEAD_S_MAX: i64 = 86_400;
/// The reason that a kicked player reads: with the command around it, it fits into a line of the console
/// without quotation marks.
pub const KICK_REASON_BYTES_MAX: usize = 400;
const _: () =
    assert!("kickid 2147483647 ".len() + KICK_REASON_BYTES_MAX <= super::CONSOLE_BARE_BYTES_MAX);
/// One line of chat to players; the engine carries up to 255 bytes with what is around it.
pub const CHAT_BYTES_MAX: usize = 220;
/// What is to be said to players of whom vpid does not know yet whether they are on, and for how long it waits.
pub const UNSAID_MAX: usize = 100;
pub const UNSAID_MS: u64 = 90_000;

// Whether chat can be relied on.

/// Longest account of what makes chat doubtful, and beginnings of commands that scripts report.
pub const CHAT_DOUBT_CHARS_MAX: usize = 200;
pub const CHAT_PREFIXES_MAX: usize = 64;
/// How much later than the session of its map the log's line of a map can come.
pub const CHAT_MAP_LINE_LATE_MS: u64 = 10_000;
/// A session that was not seen to begin is under way when it reports once more, so much later.
pub const CHAT_SESSION_SEEN_MS: u64 = 2_000;
/// Commands that wait until it is confirmed who wrote them, and for how long each does.
pub const CHAT_HELD_MAX: usize = 64;
pub const CHAT_HELD_MS: u64 = 5_000;

// Who is on a server.

/// Longest address of a player, with its port.
pub const PLAYER_ADDRESS_BYTES_MAX: usize = 64;

/// A source that has reported this recently is live.
pub const ROSTER_LIVE_MS: u64 = 150_000;
/// What happens this shortly before an answer to `status` is read may be younger than the answer.
pub const ROSTER_OVERTAKEN_MS: u64 = 5_000;
/// Of a game with players, something comes within this time, also while it loads a map.
pub const ROSTER_ASLEEP_MS: u64 = 60_000;
/// Who was on before a map change has this long to be seen by the script again.
pub const ROSTER_MAP_CHANGE_MS: u64 = 120_000;
/// A player whom the engine has not mentioned for so long is gone when the script reports it.
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
/// Rows in which a list may differ from the one that it shares most rows with, before it is made one of its own.
pub const BANS_PATCH_MAX: usize = 1_000;
/// Longest line of a list that is kept.
pub const BANS_LINE_BYTES_MAX: usize = 16 << 10;

/// Users whose rewards are requested at once: their ids fit into an address of 4,000 bytes.
pub const REWARD_USERS_MAX: usize = 80;
/// Rewards of one list, and the longest command or script of one.
pub const REWARDS_MAX: usize = 20_000;
pub const REWARD_TEXT_BYTES_MAX: usize = 16 << 10;

/// What is remembered of rewards that were executed, and how many wait to be on one server.
pub const REWARD_RECORDS_MAX: usize = 10_000;
pub const REWARD_QUEUE_MAX: usize = 2_000;
/// Reports of rewards that wait in the outbox: most of it stays free for bans.
pub const OUTBOX_REWARDS_MAX: usize = 2_000;
/// How far ahead of the clock the ids of a run begin at most, in microseconds: more than a day, so that hardly any two
/// runs have one in common.
pub const OUTBOX_IDS_SPREAD: u64 = 100_000_000_000;
/// From one command of rewards to the next on one server.
pub const REWARD_GAP_MS: u64 = 50;
/// Rewards of one server that are looked at in one turn.
pub const REWARD_TURN_MAX: usize = 50;
/// The pause after a command could not be sent, and the longest.
pub const REWARD_RETRY_MS_MIN: u64 = 5_000;
pub const REWARD_RETRY_MS_MAX: u64 = 60_000;
/// How long a reward waits for its server; after that it waits for its next event.
pub const REWARD_WAIT_MS: u64 = 600_000;
/// How soon it is looked again whether a player is confirmed.
pub const REWARD_CONFIRM_MS: u64 = 1_000;
/// A command without a result is unclear after this time.
pub const REWARD_RUN_MS: u64 = 120_000;
/// A reward that cannot be executed is tried again after this time.
pub const REWARD_PROBLEM_MS: u64 = 300_000;
/// So long after the first player of a server whose scripts send no lists, these may still report who was on before
/// vpid.
pub const REWARD_FOUND_ON_MS: u64 = 15_000;
/// Patterns of commands that are allowed.
pub const REWARD_PATTERNS_MAX: usize = 100;
/// Rewards that one listing shows.
pub const REWARDS_LISTED_MAX: usize = 1_000;

const _: () = assert!(OUTBOX_REWARDS_MAX * 2 <= OUTBOX_ENTRIES_MAX);
const _: () = assert!(
    REWARD_RUN_MS > super::RCON_CONNECT_MS + super::RCON_REPLY_MS + super::RCON_CLOSED_RETRY_MS
);

/// Requests under way at once.
pub const HTTP_THREADS_MAX: usize = 3;
pub const HTTP_STACK_BYTES: usize = 512 << 10;
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
pub const HTTP_REWARDS_BYTES_MAX: u64 = 32 << 20;
pub const HTTP_LIST_BYTES_MAX: u64 = 256 << 20;
/// Largest file of certificates to trust.
pub const CA_FILE_BYTES_MAX: usize = 1 << 20;
/// What one connection reads and writes at once.
pub const HTTP_READ_BYTES: usize = 32 << 10;
pub const HTTP_WRITE_BYTES: usize = 16 << 10;

// What is kept by name in the state folder.

/// Longest name, without what is put behind it.
pub const STORE_NAME_BYTES_MAX: usize = 100;
/// Largest document; largest list of bans.
pub const STORE_FILE_BYTES_MAX: u64 = 4 << 20;
pub const STORE_LIST_BYTES_MAX: u64 = 1 << 30;
/// Bans that change at once and are appended to the journal of a list; with more, the list is written as a whole. The
/// same for the bytes of one change. A journal that is longer is made a whole list too; and what is read of one at most.
pub const STORE_CHANGES_MAX: usize = 4_000;
pub const STORE_CHANGES_BYTES_MAX: usize = 1 << 20;
pub const STORE_JOURNAL_BYTES: u64 = 1 << 20;
pub const STORE_JOURNAL_BYTES_MAX: u64 = 8 << 20;
/// Documents that are read of one folder.
pub const STORE_FILES_MAX: usize = 100_000;
/// Changes that wait to be written, and those that share one look at the disk.
pub const STORE_WRITES_MAX: usize = 100_000;
pub const STORE_BATCH_MAX: usize = 256;
/// How long documents are not written for a backup, at most.
pub const STORE_HOLD_MS: u64 = 5_000;
pub const STORE_STACK_BYTES: usize = 512 << 10;
/// Files of one name that were set aside as unreadable.
pub const STORE_UNREADABLE_MAX: usize = 10;

const _: () = assert!(HTTP_KEEP_FOR_CHANGES_MS < HTTP_KEEP_MS);
const _: () = assert!(HTTP_BODY_BYTES_MAX < HTTP_LIST_BYTES_MAX);
const _: () = assert!(BANS_TEXT_BYTES_MAX < u32::MAX as usize);
const _: () =
    assert!(STORE_JOURNAL_BYTES + (STORE_CHANGES_BYTES_MAX as u64) < STORE_JOURNAL_BYTES_MAX);
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
/// Entries that a running vpid lists, as JSON.
pub const QUEUE_LIST_BYTES_MAX: usize = 3 << 20;
const _: () = assert!(QUEUE_LIST_BYTES_MAX + 1_024 < super::CONTROL_WAITING_BYTES_MAX);
/// Files that are read of the queue when no vpid runs, and the largest of them.
pub const QUEUE_FILES_MAX: usize = 100_000;
pub const QUEUE_FILE_BYTES_MAX: u64 = 1 << 20;
/// `vpid check` waits this long for each answer.
pub const CHECK_PATIENCE_MS: u64 = 10_000;
/// `vpid check` warns when VyHub's clock and ours are further apart.
pub const CHECK_CLOCK_S_MAX: u64 = 120;

// A community of one's own: what operators write into its database, and what is imported into it.

/// Longest name of a user, and longest reason of what was imported, in its column.
pub const COMMUNITY_NAME_CHARS_MAX: usize = 128;
pub const COMMUNITY_REASON_CHARS_MAX: usize = 1_000;
/// Groups that are read.
pub const COMMUNITY_GROUPS_MAX: usize = 10_000;
/// Longest command of a reward, and the options of a server together.
pub const COMMUNITY_COMMAND_CHARS_MAX: usize = 1_000;
pub const COMMUNITY_SERVER_OPTIONS_BYTES_MAX: usize = 16 << 10;
/// How many lines a list has where the operator does not say, and at most.
pub const COMMUNITY_LIST_DEFAULT: usize = 50;
pub const COMMUNITY_LIST_MAX: usize = 100_000;
/// Largest file that is imported, and its longest line.
pub const IMPORT_FILE_BYTES_MAX: usize = 64 << 20;
pub const IMPORT_LINE_BYTES_MAX: usize = 4_096;
/// The longest line of an export: options of a server, each of their characters escaped.
pub const EXPORT_LINE_BYTES_MAX: usize = 256 << 10;
/// Nesting of SourceMod's files of keys and values.
pub const IMPORT_DEPTH_MAX: usize = 16;
/// Records that are written in one transaction, and read from a table at once.
pub const IMPORT_BATCH: usize = 500;
/// Lines about what cannot be imported that are shown of each kind.
pub const IMPORT_PROBLEMS_SHOWN_MAX: usize = 20;
/// Players of a VyHub that are asked about.
pub const IMPORT_PLAYERS_MAX: usize = 1_000_000;
/// How often a request of an import is made, and the pause after one that failed.
pub const IMPORT_TRIES_MAX: u32 = 5;
pub const IMPORT_RETRY_MS: u64 = 2_000;

const _: () = assert!(REASON_CHARS_MAX <= COMMUNITY_REASON_CHARS_MAX);
const _: () = assert!(COMMUNITY_LIST_DEFAULT <= COMMUNITY_LIST_MAX);
