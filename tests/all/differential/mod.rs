//! vpid beside a model of the stock server: the same calls of the stock protocol on two databases
//! that hold the same, and then the answers and the tables of both.
//!
//! What comes out differently belongs to a class of differences (`classes`), and every class has
//! its line in docs/moving-from-vpi.md. `VPID_SEED=<seed>` plays one seed again; `cargo bench --bench
//! bridge -- --stock DIR --answers` does the same with the real stock server.

pub mod calls;
pub mod classes;
pub mod compare;
pub mod model;
mod played;
mod twins;

use crate::support::Random;
