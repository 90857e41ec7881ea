//! The memory of this process: keys, passwords and what players write are in it.
//!
//! Linux lets every process of the same user read it (`/proc/PID/mem`, `ptrace`), and writes it into
//! a file after a crash. Both are for debugging, and both are closed here: Python scripts run as the
//! same user. Root can still do both. What this process starts is as open as ever: `exec` opens it.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Lets no other process of this user into the memory, the environment and the descriptors of this
/// one, and makes the system write no core file of it, nor of what it starts. A system that refuses
/// leaves things as they are: there is nothing that an operator could do about it.
pub fn keep_private() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let hard = getrlimit(Resource::Core).maximum;
    let none = Rlimit {
        current: Some(0),
        maximum: hard,
    };
    let _ = setrlimit(Resource::Core, none);
}
