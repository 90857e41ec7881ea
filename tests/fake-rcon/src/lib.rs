//! A game server's console and RCON, for tests and the demo of vpid.

pub mod console;
