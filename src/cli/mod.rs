//! The commands, one file each. `main.rs` reads the command line and turns outcomes into exit
//! codes.

pub mod call;
pub mod check;
mod engine_paths;
pub mod init;
pub mod logging;
pub mod operate;
pub mod queue;
pub mod script;
mod shadow;
mod table;
