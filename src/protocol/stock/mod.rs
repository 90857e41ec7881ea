//! The stock protocol: the files of `vpi.nut` and `vpi.py`, and the identity in them.

pub mod call_file;
pub mod legacy;
pub mod response_file;
