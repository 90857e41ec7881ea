//! Of what operators see of the work while it is done: the ring of the last moments, and `vpid trace`.

use super::{CALL_NAME_BYTES_MAX, CONTROL_WAITING_BYTES_MAX, SLOW_TURN_MS};

/// What the ring of the last moments takes in memory.
pub const RING_BYTES_MAX: usize = 256 << 10;
/// As much of a name stands in it; of a longer one, the begin and the end.
pub const RING_NAME_BYTES_MAX: usize = 31;
/// Turns and steps of the loop that take less are not in it.
pub const RING_STEP_US_MIN: u64 = 1_000;
/// A turn that takes longer writes it to the state folder, but not again within the second time.
pub const RING_TURN_MS: u64 = 200;
pub const RING_PAUSE_MS: u64 = 600_000;
/// So many of these files are kept.
pub const RING_FILES_MAX: usize = 5;
pub const RING_STACK_BYTES: usize = 256 << 10;

const _: () = assert!(SLOW_TURN_MS < RING_TURN_MS);

/// Arguments and results are shown up to so many bytes, and names.
pub const TRACE_TEXT_BYTES_MAX: usize = 300;
/// Lines that a reader has not taken yet; further ones are dropped, and counted.
pub const TRACE_WAITING_BYTES_MAX: usize = 256 << 10;

const _: () = assert!(CALL_NAME_BYTES_MAX <= TRACE_TEXT_BYTES_MAX);
const _: () = assert!(2 * TRACE_WAITING_BYTES_MAX <= CONTROL_WAITING_BYTES_MAX);
