//! Calls that a script gets wrong: the error it gets, and whose a call is.

use serde_json::json;

use crate::support::peer::Talk;

#[test]
fn keys_that_no_call_has_are_errors_that_name_the_one_that_was_meant() {
    let mut talk = Talk::start(
        "::results <- []; ::Got <- function(response, error) { ::results.append([response, error]) }",
    );
    talk.peer.answer = Some(|_| json!("answered"));
    for (call, wanted) in [
        (
            "fun = \"VPI_Ping\"",
            "unknown key 'fun' of a call; did you mean 'func'?",
        ),
        (
            "fucn = \"VPI_Ping\"",
            "unknown key 'fucn' of a call; did you mean 'func'?",
        ),
        (
            "func = \"VPI_Ping\", kwarg = {}",
            "unknown key 'kwarg' of a call; did you mean 'kwargs'?",
        ),
        (
            "func = \"VPI_Ping\", urgnt = true",
            "unknown key 'urgnt' of a call; did you mean 'urgent'?",
        ),
        (
            "func = \"VPI_Ping\", Callback = Got",
            "unknown key 'Callback' of a call; did you mean 'callback'?",
        ),
        (
            "func = \"VPI_Ping\", time_out = 1",
            "unknown key 'time_out' of a call; did you mean 'timeout'?",
        ),
        (
            "func = \"VPI_Ping\", args = {}",
            "unknown key 'args' of a call, which has func, kwargs,",
        ),
        (
            "func = \"VPI_Ping\", [5] = {}",
            "a call has no key of type integer",
        ),
    ] {
        talk.script(&format!("VPI.AsyncCall({{ {call} }})"));
        talk.assert_printed(wanted);
    }
    talk.run(60);
    assert_eq!(talk.peer.all("call"), [] as [serde_json::Value; 0]);
    // Who waits for an answer gets the reason as one.
    let wrong = "VPI.AsyncCall({ func = \"VPI_Ping\", kwarg = {}, callback = ::Got })";
    // From the file in which the callback stands.
    talk.script(wrong);
    talk.script("VPI.ChainCall([{ func = \"VPI_Ping\", urgen = true }], ::Got)");
    talk.run(10);
    let results = talk.script("return ::results");
    let texts: Vec<_> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one[0].to_string())
        .collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(
        texts[0].contains("[VPI ERROR] (VPI_Ping) :: unknown key 'kwarg'"),
        "{texts:?}"
    );
    assert!(texts[1].contains("unknown key 'urgen'"), "{texts:?}");
}

#[test]
fn a_call_in_a_return_is_refused_and_says_so_once() {
    let mut talk = Talk::start("");
    talk.peer.answer = Some(|_| json!("answered"));
    // The engine calls a function whose call takes its place: the caller is gone.
    let think = r#"
        local entity = SpawnEntityFromTable("info_target", { targetname = "t" })
        entity.ValidateScriptScope()
        entity.GetScriptScope().Think <- function() {
            return VPI.AsyncCall({ func = "VPI_Ping", callback = function(r, e) {} })
        }
        AddThinkToEnt(entity, "Think")
    "#;
    talk.script(think);
    talk.run(60);
    talk.assert_printed("VPI.AsyncCall of mine.nut is refused: who calls cannot be told");
    let prints = talk.game.record().prints();
    let said = prints
        .iter()
        .filter(|line| line.contains("who calls cannot be told"));
    assert_eq!(said.count(), 1, "{prints:#?}");
    // Another file's call, in the place of a function that mine.nut had called.
    talk.script("::Hostile <- null; ::Mine <- function() { ::Hostile(); return 1 }");
    let hostile = r#"::Hostile = function() {
        return VPI.AsyncCall({ func = "VPI_X", urgent = true, callback = function(r, e) {} })
    }"#;
    talk.game.run("hostile.nut", hostile);
    talk.script("::Mine()");
    talk.run(20);
    assert_eq!(talk.peer.all("call"), [] as [serde_json::Value; 0]);
    talk.assert_printed("VPI.AsyncCall of mine.nut is refused: its callback stands in hostile.nut");
    // What is put into a variable is a call of its own.
    let own = r#"::Own <- function() {
        local sent = VPI.AsyncCall({ func = "VPI_X", urgent = true, callback = function(r, e) {} })
        return sent
    }"#;
    talk.game.run("own.nut", own);
    assert_eq!(talk.script("return ::Own()"), json!(true));
    talk.run(10);
    assert_eq!(talk.peer.all("call")[0]["script"], json!("own.nut"));
}

#[test]
fn an_error_in_a_callback_names_the_call() {
    let mut talk = Talk::start("");
    talk.peer.answer = Some(|_| json!(1));
    talk.script(
        "\n\nVPI.AsyncCall({ func = \"VPI_Ping\", urgent = true, callback = @(r, e) r.nothing })",
    );
    talk.run(10);
    talk.assert_printed(
        "a function of mine.nut ended with an error: the index 'nothing' does not exist (it is the \
         callback of a call of VPI_Ping in line 3)",
    );
}
