//! How `vpi.nut` starts, and where it does not.

use serde_json::{Value as Json, json};

use crate::support::peer::{KEY, Peer, Talk, config, with_key};
use crate::support::{Game, Setup, What};

const SPY: &str = include_str!("scripts/spy.nut");

#[test]
fn without_a_key_it_says_so_and_does_nothing() {
    for (key, what) in [
        ("PUT-THE-KEY-OF-vpid.toml-HERE", "There is no key in vpi.nut yet"),
        ("too short", "has to have 32 to 64 characters"),
        ("a key with spaces in it, long enough, yes", "printable characters"),
    ] {
        let mut talk = Talk::begin("", |setup| setup.script("vpi.nut", &with_key(key)));
        talk.run(100);
        talk.game.join("bob", "[U:1:5]");
        talk.run(1000);
        talk.assert_printed(what);
        let told = talk.game.record().client_prints();
        assert_eq!(told.iter().filter(|(_, dest, text)| *dest == 3 && text.contains(what)).count(), 1);
        let code = "return [\"VPI\" in getroottable(), typeof StringToFile]";
        assert_eq!(talk.script(code), json!([false, "native function"]));
        assert!(talk.peer.names().is_empty());
        talk.game.assert_no_errors();
    }
}
