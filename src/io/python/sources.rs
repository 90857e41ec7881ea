//! The host program: what runs in a script's process before the script does. It travels to the
//! process in the first line of its channel, so that none of it need be on disk.

/// Given to the interpreter: reads the first line, and runs the modules in it.
pub const BOOT: &str = "";

/// Names of modules, with their sources.
pub const MODULES: [(&str, &str); 0] = [];
