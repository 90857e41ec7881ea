//! Whatever a text is, code shows it and does nothing else, in every Squirrel.

use super::*;
use fake_rcon::console;
use fake_rcon::script::{self, DIGITS};

const HOSTILE: [&str; 12] = [
    "\"); SendToServerConsole(\"quit\"); (\"",
    "\\\"); quit(); //",
    "\\",
    "\n}quit(",
    "\0quit",
    "\x07FF5757abc\x01def",
    "\x01abc 0123",
    "é0 éa éé Éff",
    "🦀; quit // \u{2028}",
    "%s1 #a",
    "\" + (function() { quit() })() + \"",
    "]]>-->*/",
];

fn reader(userid: i32, account: u32) -> Option<Reader> {
    let steam = SteamId::new(account);
    Some(Reader { userid, steam })
}

/// What is shown of a text, line by line; each is one command that only shows.
fn shown(to: Option<Reader>, place: Place, text: &str) -> Vec<String> {
    let lines = ScriptLine::prints(to, place, text);
    let lines = lines.iter().map(|line| {
        let ran = console::read(line.as_str().as_bytes());
        assert_eq!(
            (ran.len(), ran[0].words[0].as_str()),
            (1, "script"),
            "{text:?}"
        );
        assert!(line.as_str().len() <= CONSOLE_BARE_BYTES_MAX);
        let code = ran[0].behind(1);
        let prints = DIGITS.map(|digits| script::read(&code, digits));
        assert_eq!(prints[0], prints[1], "{text:?}");
        let print = prints.into_iter().next().flatten();
        let print = print.unwrap_or_else(|| panic!("{text:?}: {code}"));
        assert_eq!(print.to, to.map(|to| to.userid.into()));
        let id = to.and_then(|to| to.steam).map(SteamId::steam3);
        assert_eq!(print.id, id);
        String::from_utf8(print.text).expect("cut between characters")
    });
    lines.collect()
}

#[test]
fn no_text_gets_out_of_its_literal() {
    for text in HOSTILE {
        for other in HOSTILE {
            let text = format!("{text}{other}");
            let expected = for_client_print(&text);
            for to in [None, reader(7, 0), reader(i32::MAX, u32::MAX)] {
                let shown = shown(to, Place::Chat, &text);
                assert_eq!(shown, [expected.as_str()], "{text:?}");
            }
        }
    }
}

#[test]
fn no_mixture_gets_out_of_its_literal() {
    let pieces = [
        "\"",
        "\\",
        "\\x",
        "\\\"",
        ";",
        "//",
        "\n",
        "\0",
        "a",
        "0",
        "f",
        "é",
        "🦀",
        " ",
        ")",
        "%s1",
        "\x07FF00aa",
        "\x08FF00aa80",
        "\x01",
        "\x07",
    ];
    arbtest::arbtest(|u| {
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=60)? {
            text.push_str(u.choose(&pieces)?);
        }
        let place = *u.choose(&[Place::Chat, Place::Center, Place::Console])?;
        shown(reader(12, 7), place, &text);
        shown(None, place, &text);
        Ok(())
    });
}

#[test]
fn the_code_is_short_and_readable() {
    let line = |to, place, text: &str| ScriptLine::prints(to, place, text)[0].0.clone();
    assert_eq!(
        line(None, Place::Chat, "Hi, \"Bob\""),
        r#"script ClientPrint(null,3,"Hi, \x22\x42ob\x22")"#
    );
    assert_eq!(
        line(reader(7, 0), Place::Center, "a"),
        r#"script foreach(p in[GetPlayerFromUserID(7)])if(p)ClientPrint(p,4,"a")"#
    );
    assert_eq!(
        line(reader(7, 5), Place::Console, "a"),
        concat!(
            r#"script foreach(p in[GetPlayerFromUserID(7)])if(p)foreach(d in"#,
            r#"[NetProps.GetPropString(p,"m_szNetworkIDString")])"#,
            r#"if(d.find("[U:")!=0||d=="[U:1:5]")ClientPrint(p,2,"a")"#
        )
    );
}

#[test]
fn a_long_text_comes_as_several_lines_in_its_colour() {
    let text = format!("\x07FF0000{}", "мир войне ".repeat(11));
    let shown = shown(reader(7, 5), Place::Chat, &text);
    assert!(shown.len() > 1, "{shown:?}");
    for line in &shown {
        assert!(line.starts_with("\x07FF0000"), "{line:?}");
        assert!(line.ends_with("мир") || line.ends_with("войне"), "{line:?}");
    }
    let words: Vec<_> = shown.iter().flat_map(|line| line[7..].split(' ')).collect();
    assert_eq!(words, ["мир", "войне"].repeat(11));
    // Where a later text replaces the one before, there is one.
    let one = super::tests::shown(reader(7, 5), Place::Center, &text);
    assert_eq!(one, shown[..1]);
    // Without blanks it is cut between characters.
    let all = super::tests::shown(None, Place::Chat, &"я".repeat(110));
    assert_eq!(all.concat().replace(USUAL, ""), "я".repeat(110));
}

#[test]
fn code_of_any_length_comes_as_it_is_and_in_one_command_a_line() {
    let hostile = HOSTILE.concat();
    for code in ["", "x", &hostile, &hostile.repeat(40), &"\"".repeat(3_000)] {
        let lines = ScriptLine::runs(code);
        let mut given = Vec::new();
        for line in &lines {
            let ran = console::read(line.as_str().as_bytes());
            assert_eq!(ran.len(), 1, "{line:?}");
            assert_eq!(ran[0].words[0], "script");
            assert!(line.as_str().len() <= CONSOLE_BARE_BYTES_MAX);
            let inside = line.as_str().split_once('"');
            let inside = inside.and_then(|(_, rest)| rest.rsplit_once('"'));
            given.extend(inside.map(|(inside, _)| inside.to_owned()));
        }
        let whole: String = given.concat();
        let mut bytes = Vec::new();
        let mut rest = whole.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            (bytes, rest) = match after {
                [b'x', high, low, after @ ..] if *first == b'\\' => {
                    let digits = String::from_utf8(vec![*high, *low]).unwrap();
                    bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                    (bytes, after)
                }
                after => {
                    bytes.push(*first);
                    (bytes, after)
                }
            };
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), code);
        let last = lines.last().unwrap().as_str();
        assert!(last.starts_with("script compilestring(") && last.ends_with(")()"));
    }
}
