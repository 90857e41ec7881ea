//! Any bytes are a call file or are none; neither takes the daemon along.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = vpid::wire::call_file::parse(bytes);
});
