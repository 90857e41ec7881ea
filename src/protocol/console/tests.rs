//! Whatever players and administrators write: a line runs one command with these arguments, or
//! there is no line.

use super::*;
use crate::protocol::signed::messages::Place;
use fake_rcon::console::{commands, read};
use fake_rcon::script;

/// Names and reasons, none of which may reach a console as anything but itself.
const NASTY: [&str; 86] = [
    "",
    " ",
    "  ",
    "a",
    "plain reason",
    "\"",
    "\"\"",
    "\"\"\"",
    "\\",
    "\\\"",
    "\\\\\"",
    "'",
    "''",
    "`",
    "`quit`",
    "$(quit)",
    "%s%s%n",
    "%22",
    "&quot;;quit",
    ";",
    ";;",
    ";quit",
    "; quit",
    "a;quit;b",
    "\";quit",
    "\";quit;\"",
    "\"; quit; say \"",
    "\\\";quit;\\\"",
    "a\" ;quit",
    "a\";rcon_password x",
    "\n",
    "\nquit",
    "a\nquit\n",
    "a\r\nquit",
    "\rquit",
    "a\u{b}quit",
    "a\u{c}quit",
    "a\tquit",
    "\0",
    "a\0;quit",
    "\0quit",
    "\u{1}quit",
    "\u{7}",
    "\u{1b}[2Jquit",
    "\u{7f}",
    "\u{85}quit",
    "\u{80}",
    "\u{9f}",
    "\u{2028}quit",
    "\u{2029}quit",
    "//",
    "// a",
    "/",
    "a//b",
    "a // b; quit",
    "//\nquit",
    "/* a */",
    "*/quit",
    "http://x.y/;quit",
    ":",
    "a:b",
    "{quit}",
    "(quit)",
    "{};()':",
    "|quit",
    "&&quit",
    "&quit",
    ">x",
    "<x",
    "$quit",
    "#1",
    "!quit",
    "@all",
    "exec server.cfg",
    "alias a quit;a",
    "kickid 3",
    "\u{201d};quit",
    "\u{ff02};quit",
    "\u{ff1b}quit",
    "\u{37e}quit",
    "\u{202e}tiuq",
    "\u{feff}quit",
    "\u{200b}",
    "x\u{301}\u{fe0f}",
    "\u{10ffff}",
    "ends with a backslash\\",
];

/// Pieces that lines are broken with.
const PIECES: [&str; 24] = [
    "\"", ";", "\n", "\r", "\0", "\\", "//", "/", " ", "quit", "say", "a", "'", ":", "{", ")",
    "\t", "\u{7f}", "\u{85}", "\u{2028}", "\u{ff1b}", "ü", "🦀", "%s",
];

fn run(line: &str) -> Vec<Vec<String>> {
    // Nobody knows whether it is given to the console with an end of line.
    let ended = commands(format!("{line}\n").as_bytes());
    assert_eq!(ended, commands(line.as_bytes()));
    ended
}

/// One command, whose rest is this text, bare or in quotation marks.
fn check_rest(line: &str, head: &[&str], text: &str) {
    let ran = run(line);
    assert_eq!(ran.len(), 1, "{text:?}");
    assert!(
        ran[0].starts_with(&head.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "{text:?}"
    );
    let rest = read(line.as_bytes())[0].behind(head.len());
    assert!(
        rest == text || rest == format!("\"{text}\""),
        "{text:?}: {rest}"
    );
    assert!(line.len() <= CONSOLE_LINE_BYTES_MAX);
}

/// One command with exactly these arguments, or no line: which?
fn check(text: &str) -> Option<Unfit> {
    let kick = Command::Kick {
        userid: 42,
        reason: text.to_string(),
    }
    .line();
    match &kick {
        Ok(line) if is_blank(text) => assert_eq!(run(line), [["kickid", "42"]]),
        Ok(line) => check_rest(line, &["kickid", "42"], text),
        Err(_) => {}
    }
    if let Ok(line) = Command::Say(text.to_string()).line() {
        check_rest(&line, &["say"], text);
    }
    if let Ok(argument) = quoted(text) {
        let before_and_after = run(&format!("a {argument} b"));
        let fits = argument.len() <= CONSOLE_LINE_BYTES_MAX - 4;
        assert!(!fits || before_and_after == [["a", text, "b"]], "{text:?}");
    }
    kick.err()
}

#[test]
fn nothing_nasty_is_a_second_command() {
    for text in NASTY {
        let refused = check(text);
        let long = format!("{}{text}", "x".repeat(CONSOLE_LINE_BYTES_MAX - 10));
        check(&long);
        for other in NASTY {
            check(&format!("{text}{other}"));
        }
        let cannot_stand = !is_blank(text) && (text.contains('"') || text.contains(is_control));
        assert_eq!(refused.is_some(), cannot_stand, "{text:?}");
    }
}

#[test]
fn no_mixture_of_anything_is_a_second_command() {
    let mut carried = 0;
    arbtest::arbtest(|u| {
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=12)? {
            match u.int_in_range(0..=4)? {
                0 => text.push_str(u.arbitrary()?),
                1 => text.push_str(&"y".repeat(u.int_in_range(0..=300)?)),
                _ => text.push_str(u.choose(&PIECES)?),
            }
        }
        carried += usize::from(check(&text).is_none());
        let shown = plain(&text, 100);
        assert!(shown.len() <= 100 && check(&shown).is_none(), "{text:?}");
        Ok(())
    });
    assert!(carried > 0, "no text was carried");
}

#[test]
fn lines_are_what_the_engine_expects() {
    let kick = Command::Kick {
        userid: 7,
        reason: "Banned: abc (permanent); see x".into(),
    };
    assert_eq!(
        kick.line().unwrap(),
        "kickid 7 \"Banned: abc (permanent); see x\""
    );
    assert_eq!(
        Command::Say("Hello, ü".into()).line().unwrap(),
        "say Hello, ü"
    );
    assert_eq!(Command::Status.line().unwrap(), "status");
    let owner = "sm_give \"x\" 1; say // done";
    assert_eq!(Command::Console(owner.into()).line().unwrap(), owner);
}

#[test]
fn players_read_no_quotation_marks_where_none_are_needed() {
    let kick = |reason: &str| {
        let (userid, reason) = (7, reason.to_string());
        Command::Kick { userid, reason }.line().unwrap()
    };
    let say = |text: &str| Command::Say(text.to_string()).line().unwrap();
    for text in [
        "a",
        "Banned: x (permanent), see {y}",
        "it's / his",
        "#1",
        "ü",
        "a\\",
    ] {
        assert_eq!(kick(text), format!("kickid 7 {text}"));
        assert_eq!(say(text), format!("say {text}"));
    }
    for text in ["a;b", "http://x", " a", "a ", "\u{a0}a", "//"] {
        assert_eq!(kick(text), format!("kickid 7 \"{text}\""));
        assert_eq!(say(text), format!("say \"{text}\""));
    }
    assert_eq!(
        (kick(""), kick("  ")),
        ("kickid 7".into(), "kickid 7".into())
    );
    // Signs are words of their own, and have to fit with the others.
    let signs = "(".repeat(CONSOLE_BARE_BYTES_MAX);
    assert!(kick(&signs[9..]).ends_with("(("), "bare");
    assert!(kick(&signs).ends_with("((\""), "quoted");
}

#[test]
fn a_variable_is_read_from_what_the_console_prints() {
    let printed =
        "\"sv_visiblemaxplayers\" = \"24\" ( def. \"-1\" )\n - Overrides the max players\n";
    assert_eq!(cvar_value(printed), Some("24"));
    for other in ["", "Unknown command \"x\"\n", "\"x\" = \"open"] {
        assert_eq!(cvar_value(other), None);
    }
}

#[test]
fn a_line_for_the_script_engine_is_one_command() {
    let lines = ScriptLine::prints(None, Place::Chat, "a\"; quit // \\\")");
    let line = Command::Script(lines[0].clone()).line().unwrap();
    let ran = read(line.as_bytes());
    assert_eq!((ran.len(), ran[0].words[0].as_str()), (1, "script"));
    let print = script::read(&ran[0].behind(1), 2).unwrap();
    assert_eq!(print.text, b"a\"; quit // \\\")");
}

#[test]
fn what_cannot_be_carried_is_refused_with_its_reason() {
    let line = |text: &str| Command::Console(text.to_string()).line();
    let say = |text: &str| Command::Say(text.to_string()).line();
    assert_eq!(line("say a\nquit"), Err(Unfit::Control));
    assert_eq!(line("say a\0"), Err(Unfit::Control));
    assert_eq!(
        (line(" \t"), line("")),
        (Err(Unfit::Empty), Err(Unfit::Empty))
    );
    assert_eq!(say(" "), Err(Unfit::Empty));
    assert_eq!(say("a\"b"), Err(Unfit::Quote));
    assert_eq!(say("a\u{2028}b"), Err(Unfit::Control));
    let longest = "a".repeat(SAY_BYTES_MAX);
    assert_eq!(say(&longest), Ok(format!("say {longest}")));
    assert_eq!(say(&format!("{longest}a")), Err(Unfit::TooLongToSay));
    assert_eq!(
        say(&"ü".repeat(SAY_BYTES_MAX / 2 + 1)),
        Err(Unfit::TooLongToSay)
    );
    let kick = |bytes: usize| {
        let (userid, reason) = (7, "a".repeat(bytes));
        Command::Kick { userid, reason }.line()
    };
    let longest = CONSOLE_LINE_BYTES_MAX - "kickid 7 \"\"".len();
    assert_eq!(kick(longest).unwrap().len(), CONSOLE_LINE_BYTES_MAX);
    assert_eq!(kick(longest + 1), Err(Unfit::TooLong));
    assert_eq!(
        line(&"a".repeat(CONSOLE_LINE_BYTES_MAX + 1)),
        Err(Unfit::TooLong)
    );
    assert_eq!(
        Unfit::TooLong.to_string(),
        "is too long: a whole console command has at most 510 bytes"
    );
    assert_eq!(Unfit::Empty.to_string(), "is empty");
}

#[test]
fn the_model_runs_what_the_limit_allows() {
    assert_eq!(
        CONSOLE_LINE_BYTES_MAX,
        fake_rcon::console::COMMAND_BYTES_MAX
    );
}

#[test]
fn a_shown_text_is_plain_and_short() {
    let cases = [
        ("", 5, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "…"),
        ("abcdef", 5, "ab…"),
        ("äöüß", 8, "äöüß"),
        ("äöüßx", 8, "äö…"),
        ("  a \n\t b  ", 9, "a b"),
        ("say \"x\"", 9, "say 'x'"),
        ("ab   ", 2, "ab"),
        ("ab   c", 4, "ab c"),
        ("a bcd", 5, "a bcd"),
        ("a bcdef", 5, "a…"),
        ("abcd", 2, ""),
        ("abc", 0, ""),
        ("\"\"", 2, "''"),
        ("\u{2028}a\u{85}b", 3, "a b"),
        ("a\u{202e}b\u{2066}", 9, "ab"),
    ];
    for (text, bytes_max, expected) in cases {
        assert_eq!(plain(text, bytes_max), expected, "{text:?} {bytes_max}");
    }
    assert_eq!(plain("abc", usize::MAX), "abc");
}
