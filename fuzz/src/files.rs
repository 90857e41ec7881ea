//! Files of games: names, stock call files and identities, signed files and their messages.

use serde_json::Value;
use vpid::protocol::call_error;
use vpid::protocol::control;
use vpid::protocol::game_json::Reader;
use vpid::protocol::names as stock_names;
use vpid::protocol::response_text::{Decoder, push_text};
use vpid::protocol::signed as frames;
use vpid::protocol::signed::{Id, Keys, of_game};
use vpid::protocol::stock::call_file as calls;
use vpid::protocol::stock::legacy::{Identity, seal, verify};
use vpid::protocol::stock::response_file as answers;

use super::{text, with};

/// Any text that is encoded for the stock decoder can be read again, and no file comes out larger
/// than was reckoned.
pub fn answer_file(bytes: &[u8]) {
    let text = text(bytes);
    let mut value = String::new();
    push_text(&mut value, &text, Decoder::Stock);
    let read = Reader::new(value.as_bytes()).value();
    let mut expected = text.replace('\0', "");
    if expected.ends_with('\\') {
        expected.push(' ');
    }
    assert_eq!(read, Ok(Value::String(expected)));

    let identity = Identity {
        enc: vec![b'e'; 128],
        iv: vec![b'i'; 128],
        timestamp: 1,
        ticks: 0,
    };
    let file = answers::pack([("_1_", value.as_str())].into_iter(), &identity);
    let reckoned = answers::entry_bytes("_1_", &value) + answers::frame_bytes(128);
    assert!(file.len() <= reckoned);
    let _ = call_error::CallError::new("Reason", text).to_answer("VPI_Ping");
}

/// Any bytes are a call file or are none. The look for an identity, the outline and the reading of each
/// call find the same in a file.
pub fn call_file(bytes: &[u8]) {
    let identity = calls::scan(bytes);
    let Ok(outline) = calls::outline(bytes) else {
        return;
    };
    // Only an identity beyond reason is refused by the look alone.
    assert!(
        identity.is_ok() || bytes.len() > 16_384,
        "what can be read was not passed over"
    );
    let chained = outline.chains.iter().flatten();
    for sketch in outline.singles.iter().chain(chained) {
        let callback = match sketch.call.read(bytes) {
            Ok(call) => {
                assert_eq!(call.token, sketch.token);
                assert_eq!(call.function, sketch.function);
                call.callback
            }
            Err(_) => sketch.callback,
        };
        assert_eq!(callback, sketch.callback);
    }
}

/// No identity but one of the secret verifies, and each that is sealed does.
pub fn legacy(bytes: &[u8]) {
    with(
        bytes,
        |(enc, iv, timestamp, ticks, seed): (Vec<u8>, Vec<u8>, i64, i64, u64)| {
            let secret = b"#a secret that nobody has#";
            let forged = Identity {
                enc,
                iv,
                timestamp,
                ticks,
            };
            assert!(!verify(secret, &forged));
            let mut state = seed | 1;
            let random = || {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 56) as u8
            };
            assert!(verify(secret, &seal(secret, timestamp, random)));
        },
    );
}

/// Bodies of signed files, and what an operator's command sends: read or refused.
pub fn messages(bytes: &[u8]) {
    let _ = vpid::protocol::signed::messages::parse(bytes);
    let _ = control::parse(bytes);
}

/// Any file name is read or refused, and a name that is read holds nothing that leads elsewhere.
pub fn names(bytes: &[u8]) {
    let name = text(bytes);
    if let Some(parsed) = stock_names::parse(&name) {
        assert!(!name.contains(['/', '\0']) && name != "..");
        assert!(stock_names::is_host(parsed.host));
    }
    if frames::parse_name(&name).is_some() {
        assert!(!name.contains('/') && !name.contains(".."));
    }
}

/// Frames of the signed protocol: what is sealed opens, and nothing else does.
pub fn signed(bytes: &[u8]) {
    with(bytes, |(ack, body, bytes): (u64, &str, &[u8])| {
        let session = Id::from_random([7; 16]);
        let keys = Keys::of_host(b"0123456789abcdefghijklmnopqrstuvwxyz", "host");
        let name = of_game("host", session, 1);
        assert!(frames::open(&keys.game, &name, bytes).is_err());
        let ack = ack % 1_000_000;
        let file = frames::seal(&keys.game, &name, ack, body);
        let opened = frames::open(&keys.game, &name, file.as_bytes()).expect("what was sealed");
        assert_eq!((opened.ack, opened.body), (ack, body.as_bytes()));
    });
}
