//! One simulator: the pure core in a world of models, from one seed, without a file, a socket or a clock.
//!
//! `workloads` is the registry: what is switched on, and which seeds are played. A run that fails prints its
//! workload and seed, and how to play it again. `world` lets everything happen in the order of its time;
//! `daemon` carries out what the core decides. The other files are the models, each with what it checks
//! itself; what must hold in the end stands in `book` (calls), `community` (changes) and `world`.

pub(crate) mod book;
pub(crate) mod community;
pub(crate) mod costs;
pub(crate) mod daemon;
pub(crate) mod database;
pub(crate) mod disk;
pub(crate) mod engine;
pub(crate) mod on_disk;
pub(crate) mod python;
#[path = "../all/support/random.rs"]
pub(crate) mod random;
pub(crate) mod season;
pub(crate) mod signed;
pub(crate) mod stock;
pub(crate) mod stories;
pub(crate) mod vyhub;
pub(crate) mod workloads;
pub(crate) mod world;
