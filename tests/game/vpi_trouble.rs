//! Long runs with a folder in which things go wrong, from a seed; and the manual's test vectors.

use std::fs;

use serde_json::{Value as Json, json};
use vpid::protocol::signed;

use crate::support::peer::Talk;

const NOTES: &str = r#"
::answers <- {}
::doubled <- 0
::Note <- function(n, urgent) {
    VPI.AsyncCall({ func = "VPI_Note", kwargs = { n = n, text = "some text to fill files with" }, urgent = urgent, timeout = 900.0,
        callback = function(response, error) { if (n in ::answers) ::doubled++; ::answers[n] <- error ? response : response == n } })
}
"#;

/// xorshift: the same run for the same seed.
struct Dice(u64);

impl Dice {
    fn one_in(&mut self, count: u64) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11).is_multiple_of(count)
    }
}

/// Files vanish and are altered, vpid sleeps; some calls a tick.
fn trouble(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut talk = Talk::start(NOTES);
    talk.peer.answer = Some(|call| call["kwargs"]["n"].clone());
    let mut count = 0;
    for tick in 0..1500 {
        if tick < 1000 && dice.one_in(4) {
            talk.script(&format!("Note({count}, {})", dice.one_in(2)));
            count += 1;
        }
        if tick < 1000 && dice.one_in(60) {
            talk.peer.silent = !talk.peer.silent;
        }
        talk.peer.silent &= tick < 1000;
        let next = talk.peer.last_read() + 1;
        let name = talk.peer.game_file(next);
        if dice.one_in(10) && talk.peer.path(&name).exists() {
            fs::remove_file(talk.peer.path(&name)).unwrap();
            if !talk.peer.silent {
                talk.peer.send(&[json!({"again": next})]);
            }
        }
        for name in talk.peer.names() {
            let kind = signed::parse_name(&name)
                .expect("a name of the protocol")
                .kind;
            if matches!(kind, signed::Kind::Vpid(_)) && dice.one_in(40) {
                let _ = fs::write(talk.peer.path(&name), "vpid1 0 2\n[]\nnonsense\0");
            }
        }
        talk.run(1);
    }
    talk.run(2500);
    let mut notes: Vec<i64> = talk
        .peer
        .all("call")
        .iter()
        .map(|call| call["kwargs"]["n"].as_i64().unwrap())
        .collect();
    notes.sort_unstable();
    assert_eq!(notes, (0..count).collect::<Vec<_>>(), "seed {seed}");
    let check = "local right = 0; foreach (n, answer in ::answers) if (answer == true) right++; return [right, ::doubled]";
    assert_eq!(talk.script(check), json!([count, 0]), "seed {seed}");
    talk.game.assert_no_errors();
}

#[test]
fn nothing_is_lost_or_doubled_whatever_happens_to_files() {
    (1..=12).for_each(trouble);
}

#[test]
fn the_keys_are_those_of_the_manual() {
    let mut talk = Talk::begin("", |setup| {
        setup.script(
            "vpi/sha256.nut",
            include_str!("../../vscripts/vpi/sha256.nut"),
        )
    });
    let code = r#"
        local h = {}
        IncludeScript("vpi/sha256.nut", h)
        local Mac = function(key, text) { local job = h.HmacStart(key, text); h.HmacStep(job, 100); return job }
        local owner = h.HmacKey("0123456789abcdefghijklmnopqrstuvwxyzABCD")
        local a = Mac(owner, "vpid1 game my_server"), b = Mac(owner, "vpid1 vpid my_server")
        local session = "00112233445566778899aabbccddeeff ffeeddccbbaa99887766554433221100"
        local c = Mac(h.HmacKey(h.HmacText(a)), session), d = Mac(h.HmacKey(h.HmacText(b)), session)
        local name = "my_server_00112233445566778899aabbccddeeff_c1.interface"
        local body = "[{\"event\":\"map_start\",\"data\":{\"map\":\"cp_badlands\",\"max_players\":24}}]"
        local file = Mac(h.HmacKey(h.HmacText(c)), name + "\nvpid1 0 69\n" + body)
        local all = []
        foreach (job in [a, b, c, d, file]) all.append(h.HmacHex(job))
        return all
    "#;
    let manual = include_str!("../../docs/protocol.md");
    let digits = talk.script(code);
    for text in digits.as_array().unwrap() {
        assert!(manual.contains(text.as_str().unwrap()), "{digits}");
    }
    assert_ne!(digits[0], Json::Null);
}
