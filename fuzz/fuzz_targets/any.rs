//! Every target is this program under its own name: what it checks stands in `src/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vpid_fuzz::run(env!("CARGO_BIN_NAME"), bytes));
