//! The only code that blocks: files, databases, and later sockets and processes.

mod append_log;
pub mod begun;
pub mod control;
pub mod engine_log;
pub mod files;
pub mod http;
pub mod instance;
pub mod lock;
pub mod overlooked;
pub mod python;
pub mod random;
pub mod rcon;
pub mod rejected;
pub mod script_files;
pub mod seen;
pub mod sessions;
pub mod sql;
pub mod store;
pub mod venv;
