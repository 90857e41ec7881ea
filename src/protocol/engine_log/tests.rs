//! What the engine writes, and what players write into it.

mod long;
mod packets;

use super::*;
use arbtest::arbitrary::{Result, Unstructured};

const DATED: &str = "L 11/20/2026 - 08:00:00: ";

fn packet(event: &[u8]) -> Vec<u8> {
    [b"\xff\xff\xff\xffR", DATED.as_bytes(), event, b"\n\0"].concat()
}

fn read_event(event: &str) -> Line {
    parse(&packet(event.as_bytes()), None).expect("a line of the log")
}

fn player(userid: i64, name: &str) -> Who {
    Who {
        userid,
        name: name.into(),
        id: SteamId::new(123_456_000 + userid as u32),
        team: Some(2),
        ..Who::default()
    }
}

/// As the engine writes a player into its log.
fn written(who: &Who) -> String {
    let id = who.id.unwrap().steam3();
    format!("\"{}<{}><{id}><Red>\"", who.name, who.userid)
}

fn said(who: &Who, text: &str, team: bool) -> Line {
    let (who, text) = (who.clone(), text.into());
    Line::Said { who, text, team }
}

fn left(who: &Who, reason: &str) -> Line {
    let (who, reason) = (who.clone(), reason.into());
    Line::Disconnected { who, reason }
}

#[test]
fn each_line_of_a_real_game_is_read() {
    let ann = player(3, "Ann");
    let bob = player(5, "Bob \"the\" <Builder>");
    let (a, b) = (written(&ann), written(&bob));
    let dead = |weapon: &str| Line::Killed {
        who: ann.clone(),
        victim: bob.clone(),
        weapon: weapon.into(),
    };
    let renamed = |to: &str| Line::Renamed {
        who: bob.clone(),
        to: to.into(),
    };
    for (event, line) in [
        (
            format!("{a} connected, address \"192.0.2.1:27005\""),
            Line::Connected(ann.clone(), Some("192.0.2.1:27005".parse().unwrap())),
        ),
        (
            format!("{a} connected, address \"none\""),
            Line::Connected(ann.clone(), None),
        ),
        (
            format!("{a} connected, address \"169.254.18.53:27005\""),
            Line::Connected(ann.clone(), None),
        ),
        (
            format!("{a} STEAM USERID validated"),
            Line::Validated(ann.clone()),
        ),
        (format!("{b} entered the game"), Line::Entered(bob.clone())),
        (
            format!("{b} disconnected (reason \"Bye \"(now)\".\")"),
            left(&bob, "Bye \"(now)\"."),
        ),
        (
            format!("{b} disconnected (reason \"a\nb\u{85}\u{2028}c\")"),
            left(&bob, "a b  c"),
        ),
        (format!("{b} disconnected (reason \"\")"), left(&bob, "")),
        (format!("{b} changed name to \"Bob\""), renamed("Bob")),
        (format!("{b} changed name to \"<1><2>\""), renamed("<1><2>")),
        (
            format!("{a} say \"!ban \"#5\" 10\""),
            said(&ann, "!ban \"#5\" 10", false),
        ),
        (format!("{a} say_team \"\""), said(&ann, "", true)),
        (
            format!("{a} killed {b} with \"scattergun\" (attacker_position \"1 2 3\")"),
            dead("scattergun"),
        ),
        (
            format!("{a} killed {b} with \"knife\" (customkill \"backstab\")"),
            dead("knife"),
        ),
        (format!("{a} killed {b} with \"world\""), dead("world")),
        (format!("{a} killed {b} with \"scatt"), dead("")),
        (format!("{a} killed {b} with \"a b\""), dead("")),
        (
            "Started map \"cp_badlands\" (CRC \"d41d8c\")".into(),
            Line::MapStarted("cp_badlands".into()),
        ),
        (
            "Started map \"workshop/koth_x.ugc7\"".into(),
            Line::MapStarted("workshop/koth_x.ugc7".into()),
        ),
    ] {
        assert_eq!(read_event(&event), line, "{event}");
    }
}

#[test]
fn teams_classes_and_rounds_are_read() {
    let (ann, bob) = (player(3, "Ann"), player(5, "Bob"));
    let (a, b) = (written(&ann), written(&bob));
    for (event, line) in [
        (
            format!("{a} joined team \"Blue\""),
            Line::JoinedTeam {
                who: ann.clone(),
                team: 3,
            },
        ),
        (
            format!("{b} joined team \"Spectator\""),
            Line::JoinedTeam {
                who: bob.clone(),
                team: 1,
            },
        ),
        (
            format!("{a} changed role to \"heavyweapons\""),
            Line::ChoseClass {
                who: ann.clone(),
                class: 6,
            },
        ),
        (
            "World triggered \"Round_Start\"".into(),
            Line::RoundStarted { full: true },
        ),
        (
            "World triggered \"Mini_Round_Start\"".into(),
            Line::RoundStarted { full: false },
        ),
        (
            "World triggered \"Round_Win\" (winner \"Red\")".into(),
            Line::RoundWon { team: 2 },
        ),
        (
            "World triggered \"Mini_Round_Win\" (winner \"Blue\") (round \"round_1\")".into(),
            Line::RoundWon { team: 3 },
        ),
    ] {
        assert_eq!(read_event(&event), line, "{event}");
    }
}

/// A feigned death is none, and what one does to oneself is one.
#[test]
fn deaths_are_read_as_they_are() {
    let ann = player(3, "Ann");
    let (a, b) = (written(&ann), written(&player(5, "Bob")));
    for (event, line) in [
        (
            format!(
                "{a} killed {b} with \"revolver\" (customkill \"feign_death\") \
                 (attacker_position \"1 2 3\") (victim_position \"1 2 3\")"
            ),
            Line::Other,
        ),
        (
            format!("{a} committed suicide with \"world\" (attacker_position \"1 2 3\")"),
            Line::Suicide {
                who: ann.clone(),
                by_world: true,
                weapon: "world".into(),
            },
        ),
        (
            format!("{a} committed suicide with \"tf_projectile_rocket\""),
            Line::Suicide {
                who: ann.clone(),
                by_world: false,
                weapon: "tf_projectile_rocket".into(),
            },
        ),
    ] {
        assert_eq!(read_event(&event), line, "{event}");
    }
    // Where a weapon stands, nobody else can write.
    let liar = player(5, "(customkill \"feign_death\")");
    let killed = format!("{a} killed {} with \"bat\"", written(&liar));
    assert!(matches!(read_event(&killed), Line::Killed { .. }));
}

#[test]
fn what_is_of_no_interest_is_neither_doubted_nor_followed() {
    let (a, b) = (written(&player(3, "Ann")), written(&player(5, "Bob")));
    for event in [
        "Loading map \"cp_badlands\"".into(),
        "Log file started (file \"logs/L1120000.log\")".into(),
        "World triggered \"Round_Overtime\"".into(),
        "World triggered \"Round_Start\" again".into(),
        "World triggered \"Round_Win\" (winner \"Nobody\")".into(),
        "World triggered \"Round_Win\" (winner \"Unassigned\")".into(),
        " World triggered \"Round_Start\"".into(),
        "\"mp_timelimit\" = \"30\"".into(),
        "Started map \"\"".into(),
        "Started map \"cp_x\"y\"".into(),
        "Started map \"cp_x".into(),
        format!("{a} joined team \"TERRORIST\""),
        format!("{a} changed role to \"undefined\""),
        format!("{a} triggered \"kill assist\" against {b} (assister_position \"1 2 3\")"),
        format!("{a} triggered \"jarate_attack\" against {b} with \"tf_weapon_jar\""),
        format!("{a} triggered \"killedobject\" (objectowner {b})"),
        format!("{a} entered the game again"),
        format!("Team \"Red\" triggered \"pointcaptured\" (player1 {a}) (cp \"{b} say \"x\")"),
        format!("rcon from \"192.0.2.1:5\": command \"{a} say \"x\"\""),
        format!("server_message: {a} say \"x\""),
        format!("Kick: {a} was kicked by \"Console\" (message \"\")"),
        format!(" {a} say \"x\""),
        "\"x<-1><BOT><Red>\" entered the game".into(),
        "\"x<99999999999999999999><BOT><Red>\" entered the game".into(),
        "\"x<><BOT><Red>\" entered the game".into(),
        "\"x<5><BOT>\" entered the game".into(),
        "\"\" entered the game".into(),
        "\"".into(),
        "".into(),
    ] {
        assert_eq!(read_event(&event), Line::Other, "{event}");
    }
}

#[test]
fn bots_the_console_and_pending_ids_have_no_id() {
    for (id, team, bot) in [
        ("BOT", "Blue", true),
        ("Console", "Console", false),
        ("STEAM_ID_PENDING", "", false),
        ("", "Unassigned", false),
    ] {
        let line = read_event(&format!("\"Console<0><{id}><{team}>\" say \"x\""));
        let Line::Said { who, .. } = line else {
            panic!("{line:?}");
        };
        assert_eq!((who.id, who.bot, who.userid), (None, bot, 0));
    }
}

/// A name or a chat text that wants to be a line of player 7.
const FORGERIES: [&str; 24] = [
    "<7><[U:1:123456007]><Red>\" say \"!x",
    "V<7><[U:1:7]><Red>\" say \"!ban #3",
    "V<7><[U:1:7]><Red>\" say_team \"",
    "V<7><[U:1:7]><>\" say \"x\" <",
    "V<7><[U:1:7]><>\" say \"",
    "<7><[U:1:7]><>\" entered the game",
    "<7><[U:1:7]><>\" disconnected (reason \"\")",
    "<7><[U:1:7]><>\" disconnected (reason \"",
    "<7><[U:1:7]><>\" STEAM USERID validated",
    "<7><[U:1:7]><>\" connected, address \"",
    "<7><[U:1:7]><>\" changed name to \"",
    "<7><[U:1:7]><>\" killed \"<9><BOT><>\" with \"",
    "\" say \"\"V<7><[U:1:7]><Red>\" say \"x",
    "\" = \"<7><[U:1:7]><>\" say \"",
    "<7><STEAM_0:1:3><>\" say \"",
    "<7><76561197960265735><>\" say \"",
    "<7><[U:1:7]><>\" with \"",
    "<7><[U:1:7]><>\" joined team \"Red",
    "<7><[U:1:7]><Red>\" changed role to \"spy",
    "<7><[U:1:7]><Red>\" committed suicide with \"world",
    "x\nWorld triggered \"Round_Start\"",
    "World triggered \"Round_Win\" (winner \"Red\")",
    "\nL 11/20/2026 - 08:00:00: \"V<7><[U:1:7]><>\" joined team \"Red\"",
    "Started map \"cp_x\" \"V<7><[U:1:7]><>\" say \"",
];

/// Every line that can be about player 3 and hold `text` of that player or of victim 9, and what
/// it truly says.
fn lines_of(who: &Who, victim: &Who, text: &str) -> Vec<(String, Line)> {
    let (w, v) = (written(who), written(victim));
    let of = |rest: &str| format!("{w} {rest}");
    let renamed = Line::Renamed {
        who: who.clone(),
        to: text.into(),
    };
    let killed = Line::Killed {
        who: who.clone(),
        victim: victim.clone(),
        weapon: "scattergun".into(),
    };
    vec![
        (
            of("connected, address \"192.0.2.1:27005\""),
            Line::Connected(who.clone(), Some("192.0.2.1:27005".parse().unwrap())),
        ),
        (of("STEAM USERID validated"), Line::Validated(who.clone())),
        (of("entered the game"), Line::Entered(who.clone())),
        (
            of(&format!("disconnected (reason \"{text}\")")),
            left(who, &one_line(text)),
        ),
        (of(&format!("changed name to \"{text}\"")), renamed),
        (of(&format!("say \"{text}\"")), said(who, text, false)),
        (of(&format!("say_team \"{text}\"")), said(who, text, true)),
        (
            of(&format!(
                "killed {v} with \"scattergun\" (attacker_position \"1 2 3\")"
            )),
            killed,
        ),
        (
            of("committed suicide with \"bat\""),
            Line::Suicide {
                who: who.clone(),
                by_world: false,
                weapon: "bat".into(),
            },
        ),
        (
            of("joined team \"Red\""),
            Line::JoinedTeam {
                who: who.clone(),
                team: 2,
            },
        ),
        (
            of("changed role to \"scout\""),
            Line::ChoseClass {
                who: who.clone(),
                class: 1,
            },
        ),
        (
            of(&format!("triggered \"domination\" against {v}")),
            Line::Other,
        ),
        (
            of(&format!(
                "triggered \"jarate_attack\" against {v} with \"tf_weapon_jar\""
            )),
            Line::Other,
        ),
        (of(&format!("sm_said \"{text}\"")), Line::Other),
    ]
}

fn never_forged(who: &Who, victim: &Who, text: &str) -> usize {
    let mut believed = 0;
    for (event, truth) in lines_of(who, victim, text) {
        let line = read_event(&event);
        assert!(
            line == truth || line == Line::Ambiguous,
            "{event}\n{line:?}"
        );
        believed += usize::from(line == truth);
    }
    believed
}

/// The same where the engine cuts the line because it is too long.
fn never_forged_when_cut(who: &Who, victim: &Who, text: &str) {
    for (event, _) in lines_of(who, victim, text) {
        // Who does it stands in front, and is never cut off.
        let whole = written(who).len() + 2;
        for end in (whole..event.len()).filter(|end| event.is_char_boundary(*end)) {
            let about = match read_event(&event[..end]) {
                Line::Connected(who, _) | Line::Validated(who) | Line::Entered(who) => who,
                Line::Disconnected { who, .. } | Line::Renamed { who, .. } => who,
                Line::Suicide { who, .. } => who,
                Line::JoinedTeam { who, .. } | Line::ChoseClass { who, .. } => who,
                Line::Said { who, .. } | Line::Killed { who, .. } => who,
                Line::Ambiguous | Line::Other => continue,
                other => panic!("{other:?}"),
            };
            assert_eq!(about, *who, "{}", &event[..end]);
        }
    }
}

#[test]
fn no_name_and_no_text_speaks_for_somebody_else() {
    for forgery in FORGERIES {
        let honest = never_forged(&player(3, "Ann"), &player(9, "Bob"), forgery);
        assert!(honest >= 8, "{forgery}: only what holds it is doubted");
        never_forged(&player(3, forgery), &player(9, "Bob"), "hello");
        never_forged(&player(3, "Ann"), &player(9, forgery), "hello");
        never_forged_when_cut(&player(3, forgery), &player(9, forgery), forgery);
        for other in FORGERIES {
            never_forged(&player(3, forgery), &player(9, other), other);
        }
    }
}

#[test]
fn a_name_whose_word_nobody_knows_does_not_leave_the_forged_reading_alone() {
    let forger = player(3, "V<7><[U:1:7]><Red>\" say \"!x");
    let event = format!("{} triggered \"domination\"", written(&forger));
    assert_eq!(read_event(&event), Line::Ambiguous);
}

#[test]
fn a_setting_that_reads_like_chat_is_doubted() {
    let event = "\"nextlevel\" = \"V<7><[U:1:7]><>\" say \"x\"";
    assert_eq!(read_event(event), Line::Ambiguous);
}

#[test]
fn ordinary_names_and_texts_are_believed() {
    for text in [
        "<3",
        ">\"<",
        "a \"quoted\" word",
        "<5>",
        "[U:1:7]",
        "x<7><y>",
        "\u{202e}",
        "é",
        "",
    ] {
        assert_eq!(
            never_forged(&player(3, text), &player(9, text), text),
            14,
            "{text}"
        );
    }
}

const PIECES: [&str; 38] = [
    "<",
    ">",
    "\"",
    " ",
    "<7>",
    "<[U:1:7]>",
    "<Red>",
    "<>",
    "\" ",
    "say",
    "say \"",
    "say_team \"",
    "killed \"",
    "with \"",
    " with \"x",
    "entered the game",
    "disconnected (reason \"",
    "\")",
    "connected, address \"",
    "changed name to \"",
    "STEAM USERID validated",
    "triggered \"",
    "<7><[U:1:7]><Red>\" ",
    "V<7><[U:1:7]><>\" say \"",
    "BOT",
    "Console",
    "7",
    "V",
    "-",
    "\" = \"",
    "(",
    "Started map \"",
    "joined team \"",
    "changed role to \"",
    "World triggered \"Round_Start\"",
    "Blue",
    "é",
    "\n",
];

fn hostile(u: &mut Unstructured<'_>, bytes_max: usize) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=14)? {
        let piece = u.choose(&PIECES)?;
        if text.len() + piece.len() <= bytes_max {
            text.push_str(piece);
        }
    }
    Ok(text)
}

#[test]
fn no_random_name_or_text_speaks_for_somebody_else() {
    arbtest::arbtest(|u| {
        let who = player(3, &hostile(u, 31)?);
        let victim = player(9, &hostile(u, 31)?);
        let text = hostile(u, 127)?;
        never_forged(&who, &victim, &text);
        never_forged_when_cut(&who, &victim, &text);
        Ok(())
    });
}

#[test]
fn no_bytes_do_harm_and_a_cut_name_is_shown_as_far_as_it_goes() {
    let cut = parse(
        &packet(b"\"\xc3\xa9\xc3<3><[U:1:7]><Red>\" say \"\xff\""),
        None,
    );
    let Some(Line::Said { who, text, .. }) = cut else {
        panic!("{cut:?}");
    };
    assert_eq!(
        (who.name.as_str(), text.as_str()),
        ("é\u{fffd}", "\u{fffd}")
    );
    assert_eq!(who.id, SteamId::new(7));
    arbtest::arbtest(|u| {
        let bytes = u.bytes(u.len())?;
        let _ = parse(bytes, None);
        let _ = parse(&packet(bytes), None);
        let _ = parse(&packet(&[b"\"", bytes].concat()), None);
        Ok(())
    });
}

#[test]
fn a_secret_is_a_text_of_digits() {
    for text in ["1", "0012345", "7340128876543210", "18446744073709551615"] {
        let secret: LogSecret = text.parse().expect(text);
        assert!(secret.is(text.as_bytes()), "{text}");
        let line = format!("{text}L 1");
        assert_eq!(secret.strip(line.as_bytes()), Some(b"L 1".as_slice()));
        assert!(!secret.is(&text.as_bytes()[..text.len() - 1]), "{text}");
        assert!(!secret.is(format!("0{text}").as_bytes()), "{text}");
        assert_eq!(format!("{secret:?}"), "LogSecret(..)");
    }
    for text in [
        "",
        "0",
        "0000",
        "-1",
        "+1",
        "1 2",
        "12a",
        "123456789012345678901",
        "\u{661}",
    ] {
        assert_eq!(text.parse::<LogSecret>(), Err(NoSecret), "{text}");
    }
}

#[test]
fn what_is_soon_found_out_is_weak() {
    for (text, weak) in [
        ("1234567", true),
        ("16777215", true),
        ("16777216", false),
        ("00000000012345", true),
        ("123456789", false),
        ("7340128876543210", false),
    ] {
        assert_eq!(text.parse::<LogSecret>().unwrap().is_weak(), weak, "{text}");
    }
}
