//! Names and frames of the signed protocol: nothing panics, what is sealed opens, and nothing else
//! does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::signed::{Id, Keys, of_game, open, parse_name, seal};

fuzz_target!(|input: (&str, &[u8], &str, u64)| {
    let (name, bytes, body, ack) = input;
    let _ = parse_name(name);
    let session = Id::from_random([7; 16]);
    let keys = Keys::of_host(b"0123456789abcdefghijklmnopqrstuvwxyz", "host");
    let name = of_game("host", session, 1);
    assert!(open(&keys.game, &name, bytes).is_err());
    let ack = ack % 1_000_000;
    let file = seal(&keys.game, &name, ack, body);
    let opened = open(&keys.game, &name, file.as_bytes()).expect("what was sealed");
    assert_eq!((opened.ack, opened.body), (ack, body.as_bytes()));
});
