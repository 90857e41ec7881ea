//! Real scripts in a fake game: tests of the game itself, and of the daemon with scripts.

mod callbacks;
mod engine;
mod stock;
mod support;
