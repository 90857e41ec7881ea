//! Bounds of the script host.

/// Longest name of a script, and of a function or a hook of it.
pub const SCRIPT_NAME_BYTES_MAX: usize = 64;
pub const SCRIPT_FUNCTION_BYTES_MAX: usize = 64;
/// Longest `__version__` of a script that is shown.
pub const SCRIPT_VERSION_CHARS_MAX: usize = 32;
/// Scripts of one vpid.
pub const SCRIPTS_MAX: usize = 64;
/// Functions of one script that are named like hooks and are none, as far as they are named in the log.
pub const SCRIPT_COMPLAINTS_MAX: usize = 10;
/// For so long the same error of a timer is counted and not logged again, of so many errors.
pub const SCRIPT_TIMER_ERROR_MS: u64 = 60_000;
pub const SCRIPT_TIMER_ERRORS_MAX: usize = 8;
/// Times of a script's hooks, functions and timers are counted in so many buckets each, of so many names; others count
/// together. `vpid_stats.py` has the same.
pub const SCRIPT_STATS_BUCKETS: usize = 121;
pub const SCRIPT_STATS_NAMES_MAX: usize = 200;
/// How long an operator's request waits for scripts that are busy, to see what they have counted.
pub const SCRIPT_STATS_MS: u64 = 1_000;
/// Functions and hooks of one script.
pub const SCRIPT_FUNCTIONS_MAX: usize = 1_000;

/// What a script may have by default: memory, time for one function, events
/// that wait.
pub const SCRIPT_MEMORY_BYTES: u64 = 512 << 20;
pub const SCRIPT_CALL_MS: u64 = 10_000;
pub const SCRIPT_QUEUE: usize = 10_000;
/// What the configuration may set.
pub const SCRIPT_MEMORY_MIB_MIN: i64 = 32;
pub const SCRIPT_MEMORY_MIB_MAX: i64 = 65_536;
pub const SCRIPT_CALL_MS_MIN: u64 = 100;
pub const SCRIPT_CALL_MS_MAX: u64 = 600_000;
pub const SCRIPT_QUEUE_MIN: i64 = 10;
pub const SCRIPT_QUEUE_MAX: i64 = 1_000_000;
/// The `config` of a script, as JSON, and how deep it goes.
pub const SCRIPT_CONFIG_BYTES_MAX: usize = 64 << 10;
pub const SCRIPT_CONFIG_DEPTH_MAX: usize = 32;
/// Entries of the folder of scripts that are read.
pub const SCRIPT_FOLDER_ENTRIES_MAX: usize = 10_000;
/// How long `vpid check` waits for an interpreter, and what it reads of it.
pub const SCRIPT_CHECK_MS: u64 = 10_000;
pub const SCRIPT_CHECK_OUTPUT_BYTES_MAX: usize = 16 << 10;
/// What waits for one script, in bytes.
pub const SCRIPT_QUEUE_BYTES_MAX: usize = 8 << 20;

/// Events and calls that a script was given and has not finished, and their bytes.
pub const SCRIPT_WINDOW: usize = 4_096;
pub const SCRIPT_WINDOW_BYTES: usize = 256 << 10;
/// Functions of a script that wait for something at once.
pub const SCRIPT_TASKS_MAX: usize = 1_000;
/// Requests of a script that have no answer.
pub const SCRIPT_REQUESTS_MAX: usize = 1_024;
/// Longest line of a script to vpid.
pub const SCRIPT_LINE_BYTES_MAX: usize = 8 << 20;
/// What is read of a script, and of each of its outputs, in one turn.
pub const SCRIPT_TURN_BYTES_MAX: usize = 256 << 10;
pub const SCRIPT_OUTPUT_TURN_BYTES_MAX: usize = 64 << 10;
/// What waits to be written to a script.
pub const SCRIPT_UNWRITTEN_BYTES_MAX: usize = 64 << 20;

/// Longest line of a script in the log; lines a second, and a burst of them.
pub const SCRIPT_LOG_LINE_BYTES_MAX: usize = 2_000;
pub const SCRIPT_LOG_LINES_PER_S: u64 = 50;
pub const SCRIPT_LOG_BURST: u64 = 200;
/// Lines that are kept for `vpid script log`.
pub const SCRIPT_LOG_KEPT: usize = 200;

/// How long a script may take to load.
pub const SCRIPT_LOAD_MS: u64 = 30_000;
/// Scripts that start with vpid and load at once; for how long one that is not loaded counts among them, and those
/// behind it in `order` wait.
pub const SCRIPT_STARTS_MAX: usize = 4;
pub const SCRIPT_START_PATIENCE_MS: u64 = 2_000;
/// How often `vpid script log --follow` looks for new lines.
pub const SCRIPT_FOLLOW_MS: u64 = 300;
/// How long `vpid script` waits for a load, with the end of what ran before.
pub const SCRIPT_COMMAND_MS: u64 = 45_000;
/// How long an unloading script has for what it does, and for its `OnUnLoad`.
pub const SCRIPT_UNLOAD_MS: u64 = 3_000;
/// How long after an interrupt a script is killed.
pub const SCRIPT_KILL_MS: u64 = 2_000;
/// How long the keeper of a script may take to end it, before both are killed with all that is left.
pub const SCRIPT_KEEPER_MS: u64 = 5_000;
/// How long an interpreter stays when no script runs in it.
pub const SCRIPT_INTERPRETER_UNUSED_MS: u64 = 60_000;
/// The pause before a script that ended is started again, the longest, and for how long it must
/// have run for the first one to hold again.
pub const SCRIPT_RESTART_MS_MIN: u64 = 1_000;
pub const SCRIPT_RESTART_MS_MAX: u64 = 60_000;
pub const SCRIPT_STEADY_MS: u64 = 60_000;
/// How long a call without a callback waits for its script.
pub const SCRIPT_PATIENCE_MS: u64 = 300_000;
/// How long one script may think about a line of chat before the next one sees it.
pub const SCRIPT_VERDICT_MS: u64 = 1_000;
/// Lines of chat that wait for a script's verdict.
pub const SCRIPT_VERDICTS_MAX: usize = 1_000;

/// Calls that were begun on scripts and are remembered across restarts, in `state/begun`.
pub const BEGUN_CALLS_KEPT: usize = 65_536;

/// How often vpid measures what scripts use, and polls those whose end the system does not report.
pub const SCRIPT_LOOK_MS: u64 = 250;
/// The time between measurements doubles up to this while scripts receive and send nothing and use no more memory.
pub const SCRIPT_LOOK_QUIET_MS: u64 = 2_000;
/// What counts as more memory then, of all scripts together.
pub const SCRIPT_GROWTH_BYTES: u64 = 1 << 20;
/// What a script and its processes may use together beyond its memory before it is killed: its
/// own limit comes first, and that does not count the stack.
pub const SCRIPT_MEMORY_SLACK_BYTES: u64 = 16 << 20;
/// Processes of a script, and threads of each, of which the memory is measured.
pub const SCRIPT_PROCESSES_SEEN_MAX: usize = 256;
pub const SCRIPT_THREADS_SEEN_MAX: usize = 1_024;
/// The stack of a thread of a script. It is reserved whole, and counts as memory.
pub const SCRIPT_THREAD_STACK_BYTES: u64 = 2 << 20;

// What a script has to finish, and its OnUnLoad.
const _: () = assert!(2 * SCRIPT_UNLOAD_MS < super::STOP_MS);
const _: () = assert!(SCRIPT_START_PATIENCE_MS < SCRIPT_LOAD_MS);
const _: () = assert!(SCRIPT_RESTART_MS_MIN < SCRIPT_RESTART_MS_MAX);
// Python itself, and a pool of threads as large as asyncio makes one.
const _: () = assert!((64 << 20) + 64 * SCRIPT_THREAD_STACK_BYTES < SCRIPT_MEMORY_BYTES);
const _: () = assert!(SCRIPT_WINDOW_BYTES < SCRIPT_UNWRITTEN_BYTES_MAX);
const _: () = assert!(SCRIPT_COMMAND_MS > SCRIPT_LOAD_MS + SCRIPT_UNLOAD_MS + SCRIPT_KILL_MS);
const _: () = assert!(super::CALLS_RUNNING_MAX + super::FILE_CALLS_MAX < BEGUN_CALLS_KEPT);
