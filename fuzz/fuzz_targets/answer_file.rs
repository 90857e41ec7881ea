//! Any text that is encoded for the stock decoder can be read again, and no file comes out larger
//! than was reckoned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use vpid::wire::answer_text::{Decoder, push_text};
use vpid::wire::game_json::Reader;
use vpid::wire::legacy::Identity;
use vpid::wire::{answer_file, call_error};

fuzz_target!(|text: &str| {
    let mut value = String::new();
    push_text(&mut value, text, Decoder::Stock);
    let read = Reader::new(value.as_bytes()).value();
    let mut expected = text.replace('\0', "");
    if expected.ends_with('\\') {
        expected.push(' ');
    }
    assert_eq!(read, Ok(Value::String(expected)));

    let identity = Identity { enc: vec![b'e'; 128], iv: vec![b'i'; 128], timestamp: 1, ticks: 0 };
    let file = answer_file::pack([("_1_", value.as_str())].into_iter(), &identity);
    let reckoned = answer_file::entry_bytes("_1_", &value) + answer_file::frame_bytes(128);
    assert!(file.len() <= reckoned);
    let _ = call_error::CallError::new("Reason", text).to_answer("VPI_Ping");
});
