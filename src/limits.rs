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

/// Longest host, so that `<host>_vpi_<unix>_<tick>_output.interface` stays a file name.
pub const HOSTNAME_BYTES_MAX: usize = 200;

/// How often a folder is looked at where inotify cannot be used.
pub const POLL_MS_MIN: u64 = 5;
pub const POLL_MS_DEFAULT: u64 = 50;
pub const POLL_MS_MAX: u64 = 5_000;

/// How long a call whose caller waits may take before it is answered with an error.
pub const CALL_DEADLINE_MS_MIN: u64 = 100;
pub const CALL_DEADLINE_MS_DEFAULT: u64 = 10_000;
pub const CALL_DEADLINE_MS_MAX: u64 = 600_000;

const _: () = {
    assert!(SECRET_BYTES_MAX < SECRET_FILE_BYTES_MAX);
    assert!(SECRET_BYTES_ADVISED <= SECRET_BYTES_NEW && SECRET_BYTES_NEW <= SECRET_BYTES_MAX);
    assert!(HOSTNAME_BYTES_MAX + "_vpi_".len() + 20 + 1 + 10 + "_output.interface".len() <= 255);
    assert!(POLL_MS_MIN <= POLL_MS_DEFAULT && POLL_MS_DEFAULT <= POLL_MS_MAX);
    assert!(CALL_DEADLINE_MS_MIN <= CALL_DEADLINE_MS_DEFAULT);
    assert!(CALL_DEADLINE_MS_DEFAULT <= CALL_DEADLINE_MS_MAX);
};
