//! What vpid does for VyHub on its servers: decisions only.

pub mod commands;
pub mod find;
pub mod rights;
pub mod words;
