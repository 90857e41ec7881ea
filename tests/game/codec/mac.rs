//! HMAC-SHA256 in the game, against another implementation and what is written down.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::{bytes, game, literal};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Any bytes, the same ones for a seed.
fn some_bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn macs_of_every_length_are_right_in_any_slices() {
    let (_dir, mut game) = game();
    for length in (0..=200).chain([1000, 16_000]) {
        let key = some_bytes(length % 65, length as u64 + 1000);
        let text = some_bytes(length, length as u64);
        let code = format!(
            "local key = codec.HmacKey({}), text = {};
            return [1, 3, 16].map(@(blocks) codec.HmacHex(Mac(key, text, blocks)))",
            literal(&key),
            literal(&text),
        );
        let expected = hex(&mac(&key, &text));
        let expected = json!([expected, expected, expected]);
        assert_eq!(game.run("t.nut", &code), expected, "of {length} bytes");
    }
}

#[test]
fn a_mac_can_be_a_key() {
    let (_dir, mut game) = game();
    for seed in 0..40 {
        let (key, text) = (some_bytes(40, seed), some_bytes(30, seed + 100));
        let code = format!(
            "local text = codec.HmacText(Mac(codec.HmacKey({}), {}, 9)), key = codec.HmacKey(text)
            return [Bytes(text), codec.HmacHex(Mac(key, \"text\", 9))]",
            literal(&key),
            literal(&text),
        );
        let derived = mac(&key, &text);
        let result = game.run("t.nut", &code);
        assert_eq!(bytes(&result[0]), derived);
        assert_eq!(result[1], json!(hex(&mac(&derived, b"text"))));
    }
}

/// RFC 4231, section 4: those whose keys are not hashed first.
#[test]
fn published_macs_are_right() {
    let cases: [(&[u8], &[u8], &str); 4] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &std::array::from_fn::<u8, 25, _>(|at| at as u8 + 1),
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        ),
    ];
    let (_dir, mut game) = game();
    for (key, text, expected) in cases {
        let (key, text) = (literal(key), literal(text));
        let code = format!("return codec.HmacHex(Mac(codec.HmacKey({key}), {text}, 2))");
        assert_eq!(game.run("t.nut", &code), json!(expected));
    }
}

/// The vectors of docs/protocol.md, keys and files.
#[test]
fn the_protocol_is_kept() {
    let document = include_str!("../../../docs/protocol.md");
    let (_dir, mut game) = game();
    let code = r#"
        local owner = codec.HmacKey("0123456789abcdefghijklmnopqrstuvwxyzABCD"), host = "my_server"
        local session = "00112233445566778899aabbccddeeff", nonce = "ffeeddccbbaa99887766554433221100"
        local a = Mac(owner, "vpid1 game " + host, 16), b = Mac(owner, "vpid1 vpid " + host, 16)
        local ka = codec.HmacKey(codec.HmacText(a)), kb = codec.HmacKey(codec.HmacText(b))
        local c = Mac(ka, session + " " + nonce, 16), d = Mac(kb, session + " " + nonce, 16)
        local kc = codec.HmacKey(codec.HmacText(c)), kd = codec.HmacKey(codec.HmacText(d))
        local File = @(key, what, ack, body) codec.HmacHex(Mac(key, format(
            "%s_%s_%s.interface\nvpid1 %d %d\n%s", host, session, what, ack, body.len(), body), 16))
        local macs = [a, b, c, d].map(@(job) codec.HmacHex(job))
        macs.extend([
            File(ka, "hello", 0, "{\"version\":1,\"script\":\"0.1.0\",\"map\":\"cp_badlands\"}"),
            File(kb, "welcome", 0, "{\"version\":1,\"vpid\":\"0.1.0\",\"nonce\":\"" + nonce + "\"}"),
            File(kc, "c1", 0,
                "[{\"event\":\"map_start\",\"data\":{\"map\":\"cp_badlands\",\"max_players\":24}}]"),
            File(kd, "d1", 1, "[]")
        ])
        return macs
    "#;
    let macs = game.run("t.nut", code);
    let macs = macs.as_array().expect("eight macs");
    assert_eq!(macs.len(), 8);
    for (mac, line) in macs
        .iter()
        .zip(["A = ", "B = ", "C = ", "D = ", "", "", "", ""])
    {
        let mac = mac.as_str().expect("digits");
        assert!(
            document.contains(&format!("    {line}{mac}\n")),
            "{line}{mac}"
        );
    }
}

#[test]
fn a_step_does_what_it_may_and_not_more() {
    let (_dir, mut game) = game();
    let code = r#"
        local key = codec.HmacKey("key"), text = "x", seen = []
        while (text.len() < 1000) text += text
        foreach (size in [0, 55, 56, 64, 1000]) {
            local job = codec.HmacStart(key, text.slice(0, size)), all = job.left, steps = []
            steps.append(codec.HmacStep(job, 0))
            while (!job.done) {
                local before = job.left, did = codec.HmacStep(job, 5)
                steps.append(before - did == job.left ? did : "miscounted")
            }
            steps.append(codec.HmacStep(job, 5))
            seen.append([all, steps])
        }
        return seen
    "#;
    let expected = json!([
        [2, [0, 2, 0]],
        [2, [0, 2, 0]],
        [3, [0, 3, 0]],
        [3, [0, 3, 0]],
        [17, [0, 5, 5, 5, 2, 0]]
    ]);
    assert_eq!(game.run("t.nut", code), expected);
}

#[test]
fn a_key_has_64_bytes_at_most() {
    let (_dir, mut game) = game();
    let (most, more) = (literal(&[7; 64]), literal(&[7; 65]));
    let code = format!(
        "return [codec.HmacHex(Mac(codec.HmacKey({most}), \"\", 1)), codec.HmacKey({more})]"
    );
    let expected = json!([hex(&mac(&[7; 64], b"")), null]);
    assert_eq!(game.run("t.nut", &code), expected);
}
