//! What the engine would not have written by itself: longer than it lets things be, or cut.

use super::*;

/// An event's texts have no bound, and the engine cuts the line: what names the true one is gone.
#[test]
fn a_line_that_lost_its_end_forges_nothing() {
    let forgery = "V<7><[U:1:7]><Red>\" say \"!ban x\"";
    for padding in [1, 31, 500, 600, 900] {
        let name = format!("{}{forgery}", "x".repeat(padding));
        let whole = format!("\"{name}<5><[U:1:9]><>\" connected, address \"\"");
        assert_eq!(read_event(&whole), Line::Ambiguous, "{whole}");
    }
    // The line as the engine cuts it, at 1,023 bytes with the forgery at its very end.
    let name = format!("{}{forgery}", "x".repeat(1_022 - forgery.len()));
    let event = format!("\"{name}");
    assert_eq!(event.len(), 1_023);
    assert_eq!(read_event(&event), Line::Ambiguous);
    // The name of the one who is forged may be short, too, with any rubbish in front.
    let front = format!("\"{}\" {forgery}", "x".repeat(985));
    assert_eq!(read_event(&front), Line::Ambiguous);
}

#[test]
fn what_is_longer_than_the_engine_makes_it_is_nobodys() {
    let of = |name: usize, id: usize, rest: &str| {
        let id = format!("[U:1:7]{}", "x".repeat(id - 7));
        let event = format!("\"{}<5><{id}><Red>\" {rest}", "n".repeat(name));
        read_event(&event) == Line::Ambiguous
    };
    let say = |bytes: usize| format!("say \"{}\"", "t".repeat(bytes));
    let rename = |bytes: usize| format!("changed name to \"{}\"", "t".repeat(bytes));
    let victim = |bytes: usize| {
        let name = "v".repeat(bytes);
        format!("killed \"{name}<6><[U:1:8]><Blue>\" with \"bat\"")
    };
    for (name, id, rest, doubtful) in [
        (31, 63, say(127), false),
        (32, 7, say(1), true),
        (31, 64, say(1), true),
        (1, 7, say(128), true),
        (1, 7, rename(31), false),
        (1, 7, rename(32), true),
        (1, 7, victim(31), false),
        (1, 7, victim(32), true),
        (1, 7, "entered the game".into(), false),
        (32, 7, "entered the game".into(), true),
        (
            1,
            7,
            format!("disconnected (reason \"{}\")", "r".repeat(560)),
            true,
        ),
    ] {
        assert_eq!(of(name, id, &rest), doubtful, "{name} {id} {rest}");
    }
    // What is about nobody may be as long as it likes.
    let captured = format!(
        "Team \"Red\" triggered \"pointcaptured\" {}",
        "x".repeat(900)
    );
    assert_eq!(read_event(&captured), Line::Other);
    let map = format!("Started map \"{}\"", "m".repeat(700));
    assert_eq!(read_event(&map), Line::Other);
}
