//! No identity but one of the secret verifies, and each that is sealed does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::legacy::{Identity, seal, verify};

fuzz_target!(|input: (Vec<u8>, Vec<u8>, i64, i64, u64)| {
    let (enc, iv, timestamp, ticks, seed) = input;
    let secret = b"#a secret that nobody has#";
    assert!(!verify(secret, &Identity { enc, iv, timestamp, ticks }));
    let mut state = seed | 1;
    let random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    assert!(verify(secret, &seal(secret, timestamp, random)));
});
