//! Every bound and budget of the program, in one place, the unit last in each name.

/// Longest explanation that goes with an error to the game.
pub const ERROR_DETAIL_BYTES_MAX: usize = 200;

/// Largest configuration file that is read.
pub const CONFIG_FILE_BYTES_MAX: usize = 1 << 20;

/// Largest secret file that is read; a secret is one line.
pub const SECRET_FILE_BYTES_MAX: usize = 4096;

/// Longest secret. Every answer carries its encryption and as much of random text.
pub const SECRET_BYTES_MAX: usize = 1024;

/// Secrets shorter than this are served with a warning.
pub const SECRET_BYTES_ADVISED: usize = 32;

/// Length of the secrets that `vpid init` makes.
pub const SECRET_BYTES_NEW: usize = 128;

/// Most `[[server]]` entries.
pub const SERVERS_MAX: usize = 256;

/// Longest host name that is believed (the stock client makes them from `hostname`).
pub const HOST_BYTES_MAX: usize = 128;

/// Largest call file that is read. A stock client with hundreds of calls stays far below.
pub const CALL_FILE_BYTES_MAX: usize = 1 << 20;

/// The engine's `FileToString` reads nothing larger.
pub const ENGINE_READ_BYTES_MAX: usize = 16_384;

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
    assert!(SECRET_BYTES_ADVISED <= SECRET_BYTES_NEW && SECRET_BYTES_NEW <= SECRET_BYTES_MAX);
    assert!(HOST_BYTES_MAX + "_vpi_".len() + 20 + 1 + 10 + "_output.interface".len() <= 255);
    assert!(POLL_MS_MIN <= POLL_MS_DEFAULT && POLL_MS_DEFAULT <= POLL_MS_MAX);
    assert!(CALL_DEADLINE_MS_MIN <= CALL_DEADLINE_MS_DEFAULT);
    assert!(CALL_DEADLINE_MS_DEFAULT <= CALL_DEADLINE_MS_MAX);
};
