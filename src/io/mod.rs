//! io

pub mod sql;
