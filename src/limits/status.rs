//! Bounds of what vpid shows of itself.

/// Upper bounds of the buckets in which calls are counted by the time that they took.
pub const LATENCY_BOUNDS_MS: [u64; 16] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 120_000, 600_000,
];
/// How many minutes of calls, their times and players are kept: six hours.
pub const HISTORY_MINUTES_MAX: usize = 360;
/// Of how many of these, with the present one, latencies are shown.
pub const LATENCY_MINUTES: usize = 5;
/// Hosts of each server, and players of one and of all servers, that are shown by name.
pub const STATUS_HOSTS_MAX: usize = 8;
pub const STATUS_SERVER_PEOPLE_MAX: usize = 128;
pub const STATUS_PEOPLE_MAX: usize = 1_024;
/// Warnings and errors that are shown, and the text of one.
pub const STATUS_PROBLEMS_MAX: usize = 20;
pub const STATUS_PROBLEM_BYTES_MAX: usize = 400;
/// A server of which nothing has come for so long since the start is a problem.
pub const HEALTH_UNSEEN_S: i64 = 120;

/// How often the file of metrics is written at most.
pub const METRICS_INTERVAL_MS: u64 = 15_000;
/// What happens within so short a time is written together.
pub const STATUS_SETTLES_MS: u64 = 200;
/// How often the status page is written at most.
pub const STATUS_PAGE_MS_MIN: u64 = 1_000;
pub const STATUS_PAGE_MS_DEFAULT: u64 = 5_000;
pub const STATUS_PAGE_MS_MAX: u64 = 3_600_000;
/// How often a browser loads it again at most.
pub const STATUS_REFRESH_S_MIN: u64 = 5;
/// What waits for the worker: for each of both files, that an earlier one is removed, and it is written.
pub const STATUS_FILES_WAITING_MAX: usize = 4;
pub const STATUS_FILES_STACK_BYTES: usize = 256 << 10;
/// As much of a file that will be replaced is read, to see whether vpid has written it.
pub const STATUS_MARK_BYTES: usize = 256;

const _: () = {
    let mut at = 1;
    while at < LATENCY_BOUNDS_MS.len() {
        assert!(LATENCY_BOUNDS_MS[at - 1] < LATENCY_BOUNDS_MS[at]);
        at += 1;
    }
    assert!(LATENCY_BOUNDS_MS[LATENCY_BOUNDS_MS.len() - 1] >= super::CALL_DEADLINE_MS_MAX);
    assert!(LATENCY_MINUTES <= HISTORY_MINUTES_MAX);
    assert!(STATUS_PAGE_MS_MIN <= STATUS_PAGE_MS_DEFAULT);
    // In the reply to `vpid status`, a sign of a player's name takes up to 6 bytes, and the rest of a player 150; a host
    // takes 350, a server with its names and its folder 1,500, a problem twice its text.
    let people = STATUS_PEOPLE_MAX * (6 * super::PLAYER_TEXT_CHARS_MAX + 150);
    let servers = super::SERVERS_MAX * 1_500;
    let hosts = super::SERVERS_MAX * STATUS_HOSTS_MAX * 350;
    let problems = 2 * STATUS_PROBLEMS_MAX * STATUS_PROBLEM_BYTES_MAX;
    assert!(people + servers + hosts + problems < super::CONTROL_WAITING_BYTES_MAX / 2);
};
