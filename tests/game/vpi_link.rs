//! The session: hello, welcome, files in order, acknowledgements, and what goes wrong with them.

use serde_json::json;

use crate::support::peer::Talk;

#[test]
fn a_session_begins_and_says_what_is_played() {
    let mut talk = Talk::start("");
    talk.assert_quiet();
    let start = json!({"map": "cp_first", "max_players": 24});
    assert_eq!(talk.peer.events("map_start"), [start]);
    talk.run(200);
    talk.assert_quiet();
    let status = talk.script("return VPI.Status()");
    assert_eq!(status["connected"], json!(true));
    assert_eq!(status["host"], json!("my_server"));
}
