//! vpid: the daemon beside a Team Fortress 2 server.
//!
//! The binary (`main.rs`) is a thin door to this library, so that tests, benches and fuzz
//! targets reach the same code that ships. ARCHITECTURE.md is the map; `tests/all/doors/`
//! holds the doors between these rooms shut where they should be.

pub mod cli;
pub mod config;
pub mod core;
pub mod daemon;
pub mod game_side;
pub mod io;
pub mod jobs;
pub mod limits;
pub mod protocol;
pub mod sql;
pub mod supervise;
pub mod vscripts;
