//! Bytes to values and back, pure: no file, socket, clock or thread in here.
//!
//! Everything that crosses from the game, a database or a client is given its shape in this
//! room, so that `core` and `io` can speak of it without knowing each other.

pub mod answer_file;
pub mod answer_text;
pub mod call_error;
pub mod call_file;
pub mod control;
pub mod game_json;
pub mod legacy;
pub mod messages;
pub mod names;
pub mod session_log;
pub mod signed;
pub mod sql;
