//! Any file name is read or refused, and a name that is read holds nothing that leads elsewhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::names;

fuzz_target!(|name: &str| {
    if let Some(parsed) = names::parse(name) {
        assert!(!name.contains('/') && !name.contains(".."));
        assert!(names::is_host(parsed.host));
    }
});
