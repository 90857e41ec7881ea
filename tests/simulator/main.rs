//! One simulator: the pure core in a world of models, from one seed, without a file, a socket or a clock.
//!
//! `workloads` is the registry: what is switched on, and which seeds are played. A run that fails prints its
//! workload and seed, and how to play it again. `world` lets everything happen in the order of its time;
//! `daemon` carries out what the core decides. The other files are the models, each with what it checks
//! itself; what must hold in the end stands in `book` (calls), `community` (changes) and `world`.

mod book;
mod community;
mod daemon;
mod database;
mod disk;
mod engine;
mod python;
#[path = "../all/support/random.rs"]
mod random;
mod signed;
mod stock;
mod stories;
mod vyhub;
mod workloads;
mod world;
