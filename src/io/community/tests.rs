//! Each request on both engines, and several vpids on one database.

mod changes;
mod outages;
mod plans;
mod several;
mod subjects;
mod support;
