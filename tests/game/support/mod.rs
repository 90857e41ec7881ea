//! What the stories use: the fake game, the real daemon, and a stand-in for it.

pub mod community;
pub mod daemon;
pub mod peer;
pub mod python;

pub use fake_game::{Game, Newcomer, Setup, What, record};
