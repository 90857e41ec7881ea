//! Real scripts in a fake game: tests of the game itself, and of the daemon with scripts.

mod callbacks;
mod client;
mod codec;
mod engine;
mod recording;
mod stock;
mod support;
