//! How much of what is for all one host, one server or all stock hosts may have. What comes beyond
//! waits in its folder.
//!
//! A server may have as much as it leaves for the others, a host as much as it leaves of that: so
//! whoever comes first has a quarter at most, and whoever comes next finds room. Hosts of the stock
//! protocol, which anybody can make up who has read one file, have three quarters of each together.

use super::{ANSWER_FILE_BYTES_MAX, CALL_FILE_BYTES_MAX, FILE_CALLS_MAX, SERVERS_MAX};

/// Of what others leave, a server has one part in so many, and a host of what its server has.
pub const SERVER_PARTS: usize = 2;
pub const HOST_PARTS: usize = 2;
/// Stock hosts together have so many quarters of what is for all, and of what their server has.
pub const STOCK_QUARTERS: usize = 3;

/// Call files that are claimed and not finished.
pub const FILES_OPEN_MAX: usize = 4_096;
pub const SERVER_FILES_MIN: usize = 16;
pub const HOST_FILES_MIN: usize = 8;

/// Calls that may be under way at once. Soft by one file, which may hold [`FILE_CALLS_MAX`].
pub const CALLS_RUNNING_MAX: usize = 16_384;
pub const SERVER_CALLS_MIN: usize = 64;
pub const HOST_CALLS_MIN: usize = 32;
/// The same for one host, together with the answers that it has not fetched.
pub const HOST_CALLS_OPEN_MAX: usize = 4_096;

/// Bytes of files and calls that wait or run, as they lie in memory. Soft by one file.
pub const CALL_BYTES_MAX: usize = 32 << 20;
pub const SERVER_CALL_BYTES_MIN: usize = 128 << 10;
pub const HOST_CALL_BYTES_MIN: usize = 64 << 10;

/// Bytes of answers that were not fetched, or are kept to be repeated. Beyond, the oldest of the
/// host are dropped.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
pub const SERVER_ANSWER_BYTES_MIN: usize = 64 << 10;
pub const HOST_ANSWER_BYTES_MIN: usize = 2 * ANSWER_FILE_BYTES_MAX;
/// The same for one host, and in count.
pub const HOST_ANSWER_BYTES_MAX: usize = 4 << 20;
pub const HOST_ANSWERS_MAX: usize = 8_192;
/// Answers that wait beside the response file of a stock host which has never read that, before no more
/// of its files are claimed.
pub const UNREAD_ANSWERS_MAX: usize = 8;
/// Answers of one host that are kept to be repeated.
pub const HOST_REPEATS_MAX: usize = 1_024;

/// Bytes that wait for a game before nothing more is pushed to it.
pub const HOST_PUSH_BYTES_MAX: usize = 2 << 20;
/// What an answer takes in memory besides its texts.
pub const ANSWER_OVERHEAD_BYTES: usize = 192;
/// What a call takes besides its values.
pub const CALL_OVERHEAD_BYTES: usize = 384;
/// What a byte of a call takes while it runs: the text, and what is made of it.
pub const CALL_BYTE_COST: usize = 2;
/// What a value of a call takes while it runs: as it was read, and as a part of a statement.
pub const CALL_VALUE_COST_BYTES: usize = 112;
/// Most values of one call. No database takes as many.
pub const CALL_VALUES_MAX: usize = 65_536;

/// What calls are read and started with one event, and of one host before the next one's turn: bytes
/// as they came. Reading a megabyte takes some 7 ms, and deciding what is to be done for it as much.
pub const EVENT_START_BYTES: usize = 128 << 10;
pub const HOST_START_BYTES: usize = 16 << 10;
/// What a call counts for at least.
pub const CALL_START_BYTES_MIN: usize = 192;

/// Hosts that are known at once.
pub const HOSTS_KEPT_MAX: usize = 512;
/// Hosts among them that have proven nothing, where a server serves such.
pub const ANONYMOUS_HOSTS_MAX: usize = 64;
/// Hosts that are looked at to find one that can be forgotten.
pub const FORGET_LOOKS_MAX: usize = 16;
/// A game that has been silent for so long, with nothing left to do for it, is forgotten.
pub const HOST_IDLE_MS: u64 = 3600 * 1000;
/// For how long a host counts as proven after a file of it was authenticated.
pub const HOST_PROVEN_MS: u64 = 600 * 1000;

/// Beginnings of maps that are remembered, of known hosts and of all other names.
pub const MAPS_BEGUN_KEPT: usize = 4_096;
/// Records in `state/maps` until it is rewritten.
pub const MAPS_BEGUN_RECORDS_MAX: usize = 65_536;

/// Hosts whose signed sessions are remembered.
pub const SIGNED_HOSTS_MAX: usize = 1_024;
/// Hosts of which is remembered that they sign.
pub const SIGNING_HOSTS_MAX: usize = 2_048;
/// Lines of the log of sessions: that a host signs, a file that is open, and all that is said of
/// two sessions and of those that were requested.
pub const SIGNING_LINE_BYTES: usize = 40;
pub const OPEN_FILE_LINE_BYTES: usize = 96;
pub const SESSION_LINES_BYTES: usize = 1_200;

/// Largest hello that is read: its map and versions.
pub const HELLO_BYTES_MAX: usize = 4_096;

const _: () = {
    assert!(SERVER_PARTS * HOST_PARTS >= 4);
    assert!(STOCK_QUARTERS < 4);
    assert!(HOST_CALLS_OPEN_MAX * 4 <= CALLS_RUNNING_MAX);
    assert!(HOST_ANSWER_BYTES_MAX * 4 <= ANSWER_BYTES_MAX);
    // What every server is sure of is there.
    assert!(SERVER_FILES_MIN * SERVERS_MAX <= FILES_OPEN_MAX);
    assert!(SERVER_CALLS_MIN * SERVERS_MAX <= CALLS_RUNNING_MAX);
    assert!(SERVER_CALL_BYTES_MIN * SERVERS_MAX <= CALL_BYTES_MAX);
    assert!(SERVER_ANSWER_BYTES_MIN * SERVERS_MAX <= ANSWER_BYTES_MAX);
    assert!(HOST_FILES_MIN * 2 <= SERVER_FILES_MIN);
    assert!(HOST_CALLS_MIN * 2 <= SERVER_CALLS_MIN);
    assert!(HOST_CALL_BYTES_MIN * 2 <= SERVER_CALL_BYTES_MIN);
    assert!(HOST_ANSWER_BYTES_MIN * 2 <= SERVER_ANSWER_BYTES_MIN);
    assert!(HOST_CALLS_OPEN_MAX + FILE_CALLS_MAX <= HOST_ANSWERS_MAX);
    // One file, and the largest call that is started alone.
    assert!(CALL_FILE_BYTES_MAX * 4 <= CALL_BYTES_MAX);
    assert!(
        CALL_FILE_BYTES_MAX * CALL_BYTE_COST + CALL_VALUES_MAX * CALL_VALUE_COST_BYTES
            <= CALL_BYTES_MAX / 2
    );
    assert!(HOST_START_BYTES < EVENT_START_BYTES);
    assert!(ANONYMOUS_HOSTS_MAX * 4 <= HOSTS_KEPT_MAX);
    assert!(MAPS_BEGUN_KEPT * 2 <= MAPS_BEGUN_RECORDS_MAX);
    assert!(HOSTS_KEPT_MAX < SIGNED_HOSTS_MAX && SIGNED_HOSTS_MAX <= SIGNING_HOSTS_MAX);
    // What counts is so much less than the log that it is seldom rewritten.
    assert!(
        SIGNING_HOSTS_MAX * SIGNING_LINE_BYTES
            + SIGNED_HOSTS_MAX * SESSION_LINES_BYTES
            + FILES_OPEN_MAX * OPEN_FILE_LINE_BYTES
            < super::SESSION_LOG_BYTES_MAX as usize * 9 / 10
    );
};
