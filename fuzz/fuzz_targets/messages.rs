//! Bodies of signed files, and what an operator's command sends: read or refused, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::session_log::{Note, Sessions};
use vpid::wire::{control, messages};

fuzz_target!(|bytes: &[u8]| {
    let _ = messages::parse(bytes);
    let _ = control::parse(bytes);
    let mut sessions = Sessions::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        if let Some(note) = Note::parse(line) {
            sessions.apply(&note);
        }
    }
    let mut again = Sessions::default();
    sessions.notes().iter().for_each(|note| again.apply(note));
    assert_eq!(again, sessions);
});
