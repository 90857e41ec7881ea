//! Calls of scripts, from VPI.Call to the callback.

use serde_json::json;

use crate::support::peer::Talk;

const STORY: &str = r#"
::answers <- {}
::Ask <- function(name, func, kwargs, urgent) {
    return ::VPI.AsyncCall({
        func = func, kwargs = kwargs, urgent = urgent,
        callback = function(response, error) {
            ::answers[name] <- { response = response, error = error, tick = GetFrameCount() }
        }
    })
}
"#;

#[test]
fn an_urgent_call_is_answered_within_three_ticks() {
    let mut talk = Talk::start(STORY);
    talk.peer.answer = Some(|call| call["kwargs"].clone());
    talk.run(20);
    let start = talk.game.tick();
    let queued = talk.script("return Ask(\"x\", \"VPI_Ping\", { n = [1, 2.5, null, \"\\x07q\"] }, true)");
    assert_eq!(queued, json!(true));
    talk.run(5);
    let answers = talk.script("return ::answers");

    assert_eq!(answers["x"]["response"], json!({"n": [1, 2.5, null, "\u{7}q"]}));
    assert_eq!(answers["x"]["error"], json!(false));
    assert_eq!(answers["x"]["tick"], json!(start + 2));
    talk.assert_quiet();
}
