//! The only code that blocks: files, databases, sockets and processes.

pub mod admins_file;
mod append_log;
pub mod aside;
pub mod begun;
pub mod control;
pub mod engine_log;
pub mod files;
pub mod http;
pub mod instance;
pub mod lock;
pub mod memory;
pub mod overlooked;
pub mod private;
pub mod python;
pub mod random;
pub mod rcon;
pub mod rejected;
pub mod remembered;
pub mod script_files;
pub mod sessions;
pub mod sql;
pub mod store;
pub mod venv;
mod worker;
