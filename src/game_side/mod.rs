//! A game server's side of both protocols, for `vpid call`, `vpid bench`, `vpid demo` and the tests.

pub mod bench;
#[cfg(feature = "demo")]
pub mod demo;
pub mod forgetful;
pub mod servers;
pub mod signed;
pub mod stock;
