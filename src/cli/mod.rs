//! The commands, one file each. `main.rs` reads the command line and turns outcomes into exit
//! codes.

pub mod bench;
pub mod call;
pub mod check;
#[cfg(feature = "demo")]
pub mod demo;
mod engine_paths;
pub mod game;
pub mod init;
pub mod logging;
pub mod operate;
pub mod queue;
pub mod script;
mod scripts;
mod shadow;
pub mod signed_game;
pub mod squirrel;
mod table;
