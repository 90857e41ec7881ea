//! Every bound and budget of the program, in one place, the unit last in each name.

/// Longest explanation that goes with an error to the game.
pub const ERROR_DETAIL_BYTES_MAX: usize = 200;
