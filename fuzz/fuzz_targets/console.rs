//! Any text is refused, or is one argument of one command, and the same text.
#![no_main]

use fake_rcon::console::commands;
use libfuzzer_sys::fuzz_target;
use vpid::wire::console::{Command, plain, quoted};

fuzz_target!(|input: (i32, String, u16)| {
    let (userid, text, chars_max) = input;
    if let Ok(line) = (Command::Kick {
        userid,
        reason: text.clone(),
    })
    .line()
    {
        assert_eq!(
            commands(line.as_bytes()),
            [["kickid", &userid.to_string(), &text]]
        );
    }
    if let Ok(line) = Command::Say(text.clone()).line() {
        assert_eq!(commands(line.as_bytes()), [["say", &text]]);
    }
    if let Ok(line) = Command::Console(text.clone()).line() {
        assert_eq!(line, text);
    }
    let shown = plain(&text, chars_max.into());
    assert!(shown.chars().count() <= chars_max.into());
    assert!(quoted(&shown).is_ok() || shown.len() > 500);
});
