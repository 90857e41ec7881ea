//! The memory of this process: keys, passwords and what players write are in it.
//!
//! Linux lets every process of the same user read it (`/proc/PID/mem`, `ptrace`), and writes it into
//! a file after a crash. Both are for debugging, and both are closed here: Python scripts run as the
//! same user. Root can still do both. What this process starts is as open as ever: `exec` opens it.

use std::fs;
use std::ops::Range;
use std::path::Path;

use rustix::mm::{Advice, madvise};
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

/// Gives back the pages of the program that were mapped so far, most of which only the start has needed. Those that are
/// used again come back from the page cache.
pub fn unmap_used_code() {
    for range in own_code() {
        // SAFETY: these pages are mapped privately from the file of this program, are never written (it is compiled as
        // position-independent code, without relocations in its text), and are read from that file again at the next use.
        #[expect(unsafe_code, reason = "the address is a number that the system gives")]
        let _ = unsafe {
            let address = std::ptr::with_exposed_provenance_mut(range.start);
            madvise(address, range.len(), Advice::LinuxDontNeed)
        };
    }
}

/// Where the code of this program is mapped.
fn own_code() -> Vec<Range<usize>> {
    let Ok(program) = fs::read_link("/proc/self/exe") else {
        return Vec::new();
    };
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let of_line = |line: &str| {
        // "address perms offset dev inode          path"
        let (fields, path) = line.split_at(line.find('/')?);
        let mut fields = fields.split_whitespace();
        let (from, to) = fields.next()?.split_once('-')?;
        let is_code = fields.next()? == "r-xp" && Path::new(path) == program;
        let address = |text| usize::from_str_radix(text, 16).ok();
        is_code.then_some(address(from)?..address(to)?)
    };
    maps.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_code_is_found_and_works_after_it_was_unmapped() {
        let here = unmap_used_code as fn() as usize;
        assert!(own_code().iter().any(|range| range.contains(&here)));
        unmap_used_code();
        assert_eq!(own_code().len(), 1);
    }
}
