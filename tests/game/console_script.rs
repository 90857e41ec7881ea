//! Lines that vpid sends for `script`, run in the game's script engine.

use fake_rcon::console;
use tempfile::TempDir;
use vpid::protocol::player_text::for_client_print;
use vpid::protocol::script_line::{Reader, ScriptLine};
use vpid::protocol::signed::messages::Place;

use crate::support::{Game, Setup};

const HOSTILE: [&str; 14] = [
    "hello",
    "\"); SendToServerConsole(\"quit\"); (\"",
    "\\\"); quit(); //",
    "\\",
    "\\x41",
    "\n}quit(",
    "\x07FF5757abc \x01def",
    "\x01abc 0123",
    "é0 éa éé Éff",
    "🦀f0; quit // \u{2028}",
    "%s1 #a 100%",
    "#TF_Scout",
    "\" + (function() { throw \"a\" })() + \"",
    "]]>-->*/ @\"x\"",
];

fn game() -> (TempDir, Game) {
    let dir = TempDir::new().expect("a folder");
    let game = Setup::new(dir.path())
        .script("mapspawn.nut", "")
        .start("cp_test");
    (dir, game)
}

/// Runs a line as a console does, which gives the rest of it to the script engine.
fn run(game: &mut Game, line: &ScriptLine) {
    let line = line.as_str().as_bytes();
    let commands = console::read(line);
    assert_eq!((commands.len(), &*commands[0].words[0]), (1, "script"));
    game.run("console", &commands[0].behind(1));
}

#[test]
fn hostile_texts_are_shown_as_they_are_and_do_nothing_else() {
    let (_dir, mut game) = game();
    let ann = game.join("Ann", "[U:1:5]");
    game.clear_record();
    for text in HOSTILE {
        for (place, dest) in [(Place::Console, 2), (Place::Chat, 3), (Place::Center, 4)] {
            let steam = "[U:1:5]".parse().ok();
            let to_ann = Reader { userid: ann, steam };
            for to in [
                None,
                Some(to_ann),
                Some(Reader {
                    steam: None,
                    ..to_ann
                }),
            ] {
                for line in ScriptLine::prints(to, place, text) {
                    run(&mut game, &line);
                }
                let shown = (to.map(|_| ann), dest, for_client_print(text));
                assert_eq!(game.record().client_prints(), [shown], "{text:?}");
                let others = game.record().0.len();
                assert_eq!(others, 1, "{:?}", game.record());
                game.clear_record();
            }
        }
    }
    game.assert_no_errors();
}

/// Escapes beside digits, colours that are cut, and what the code itself is made of.
#[test]
fn mixtures_are_shown_as_they_are() {
    const PIECES: [&str; 24] = [
        "\"",
        "\\",
        "\\x",
        "\\x4",
        ";",
        "//",
        "\n",
        "\r",
        "\t",
        "a",
        "0",
        "F",
        "\u{e9}",
        "\u{1f980}",
        " ",
        "\")",
        "%s1",
        "%",
        "#",
        "\u{1}",
        "\u{7}",
        "\u{7}FF00aa",
        "\u{8}FF00aa80",
        "@\"",
    ];
    let (_dir, mut game) = game();
    let ann = game.join("Ann", "[U:1:5]");
    let steam = "[U:1:5]".parse().ok();
    let to_ann = Some(Reader { userid: ann, steam });
    let mut state = 11_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for round in 0..300 {
        let count = below(25);
        let text: String = (0..count).map(|_| PIECES[below(PIECES.len())]).collect();
        let to = to_ann.filter(|_| round % 2 == 0);
        game.clear_record();
        // All of it stands in one line.
        let lines = ScriptLine::prints(to, Place::Chat, &text);
        lines.iter().for_each(|line| run(&mut game, line));
        let shown = (
            to.map(|_| ann),
            3,
            for_client_print(text.trim_end_matches(' ')),
        );
        if lines.len() == 1 {
            assert_eq!(game.record().client_prints(), [shown], "{text:?}");
        }
        assert_eq!(game.record().0.len(), lines.len(), "{text:?}");
    }
    game.assert_no_errors();
}

#[test]
fn who_has_left_or_is_another_by_now_is_shown_nothing() {
    let (_dir, mut game) = game();
    let ann = game.join("Ann", "[U:1:5]");
    let pending = game.join("Bob", "STEAM_ID_PENDING");
    let mut print = |userid: i32, id: &str| {
        let steam = id.parse().ok();
        game.clear_record();
        for line in ScriptLine::prints(Some(Reader { userid, steam }), Place::Chat, "psst") {
            run(&mut game, &line);
        }
        game.record().client_prints().len()
    };
    assert_eq!(print(ann, "[U:1:5]"), 1);
    assert_eq!(print(ann, "[U:1:6]"), 0);
    // The engine does not say yet who it is.
    assert_eq!(print(pending, "[U:1:6]"), 1);
    assert_eq!(print(999, "[U:1:5]"), 0);
    assert_eq!(print(999, ""), 0);
    game.leave(ann, "Disconnect by user.");
    game.clear_record();
    for line in ScriptLine::prints(
        Some(Reader {
            userid: ann,
            steam: None,
        }),
        Place::Chat,
        "psst",
    ) {
        run(&mut game, &line);
    }
    assert!(game.record().client_prints().is_empty());
    game.assert_no_errors();
}
