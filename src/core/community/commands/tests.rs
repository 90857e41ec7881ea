use super::*;

fn read(line: &str) -> Parsed {
    parse(line, &["!".into(), "/".into(), "!!".into()])
}

fn wrong(line: &str) -> Problem {
    match read(line) {
        Parsed::Wrong(problem) => problem,
        other => panic!("{line}: {other:?}"),
    }
}

fn name(text: &str, quoted: bool) -> Target {
    let text = text.into();
    Target::Name { text, quoted }
}

fn steam(account: u32) -> Target {
    Target::Steam(SteamId::new(account).unwrap())
}

fn ban(who: Target, length: Length, reason: &str) -> Parsed {
    let reason = reason.into();
    Parsed::Command(Command::Ban {
        who,
        length,
        reason,
    })
}

#[test]
fn every_command_is_read() {
    use Length::{Permanent, Seconds};
    let cheats = Seconds(1_800);
    for (line, expected) in [
        ("!ban Ann 30 x", ban(name("Ann", false), cheats, "x")),
        (
            "  /BAN #12 2h a b ",
            ban(Target::Userid(12), Seconds(7_200), "a b"),
        ),
        ("!!Ban [U:1:7] perm x", ban(steam(7), Permanent, "x")),
        ("!ban [u:1:7] 1w :/", ban(steam(7), Seconds(604_800), ":/")),
        ("!ban STEAM_0:1:3 FOREVER x", ban(steam(7), Permanent, "x")),
        (
            "!ban \"STEAM_0:1:3\" 7D x",
            ban(steam(7), Seconds(604_800), "x"),
        ),
        (
            "!ban 76561197960265735 1 x",
            ban(steam(7), Seconds(60), "x"),
        ),
        (
            "!ban \" A \u{fc} \"30m  x",
            ban(name("A \u{fc}", true), cheats, "x"),
        ),
        (
            "!ban \"#12\" 30 \"x\"",
            ban(name("#12", true), cheats, "\"x\""),
        ),
        ("!ban #1b 30 x", ban(name("#1b", false), cheats, "x")),
        ("!ban # 30 x", ban(name("#", false), cheats, "x")),
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    let who = name("Ann", false);
    let far = "#99999999999999999999";
    for (line, expected) in [
        ("!unban Ann", Command::Unban { who: who.clone() }),
        ("!warns Ann", Command::Warns { who: who.clone() }),
        (
            "!bans \"Ann B",
            Command::Bans {
                who: name("Ann B", true),
            },
        ),
        (
            &format!("!bans {far}"),
            Command::Bans {
                who: name(far, false),
            },
        ),
        (
            "!warn Ann  do not",
            Command::Warn {
                who,
                reason: "do not".into(),
            },
        ),
        ("!vyhub", Command::State),
        ("!community", Command::State),
        ("!vyhub state", Command::State),
    ] {
        assert_eq!(read(line), Parsed::Command(expected), "{line}");
    }
}

#[test]
fn addresses_are_read_where_a_player_or_a_range_may_stand() {
    let of = |who| Command::BanAddress {
        who,
        length: Length::Seconds(1_800),
        reason: "x y".into(),
    };
    let range = |text: &str| text.parse::<AddressRange>().unwrap();
    let by_range = |text| of(AddressTarget::Range(range(text)));
    let by_player = |who| of(AddressTarget::Player(who));
    for (line, expected) in [
        ("!banip 203.0.113.7 30 x y", by_range("203.0.113.7")),
        ("!BANIP 203.0.113.0/24 30m x y", by_range("203.0.113.0/24")),
        ("!banip Ann 30 x y", by_player(name("Ann", false))),
        ("!banip #12 30 x y", by_player(Target::Userid(12))),
        ("!banip [U:1:7] 30 x y", by_player(steam(7))),
        ("!banip STEAM_0:1:3 30 x y", by_player(steam(7))),
        ("!banip 1337 30 x y", by_player(name("1337", false))),
        ("!banip v1.2 30 x y", by_player(name("v1.2", false))),
        ("!banip ... 30 x y", by_player(name("...", false))),
        (
            "!banip \"203.0.113.7\" 30 x y",
            by_player(name("203.0.113.7", true)),
        ),
        (
            "!unbanip 203.0.113.0/24",
            Command::UnbanAddress {
                range: range("203.0.113.0/24"),
            },
        ),
        (
            "!bans 203.0.113.7",
            Command::AddressBans {
                range: range("203.0.113.7"),
            },
        ),
        ("!who", Command::Who),
    ] {
        assert_eq!(read(line), Parsed::Command(expected), "{line}");
    }
    for (line, key) in [
        ("!banip", "usage_banip"),
        ("!banip 203.0.113.7", "usage_banip"),
        ("!banip 203.0.113.7 30", "reason_missing"),
        ("!banip 203.0.113.7 x y", "length_bad"),
        ("!banip 203.0.113 30 x", "address_bad"),
        ("!banip 203.0.113.256 30 x", "address_bad"),
        ("!banip 203.0.113.7:27005 30 x", "address_bad"),
        ("!banip 203.0.113.0/33 30 x", "address_bad"),
        ("!banip 203.0.113.7/24 30 x", "address_bits"),
        ("!bans 203.0.113.7/24", "address_bits"),
        ("!unbanip", "usage_unbanip"),
        ("!unbanip Ann", "address_bad"),
        ("!unbanip 203.0.113.7 x", "usage_unbanip"),
        ("!who is", "usage_who"),
    ] {
        assert_eq!(wrong(line).key, key, "{line}");
    }
    let expected = [("text", "203.0.113.7/24"), ("range", "203.0.113.0/24")];
    assert_eq!(
        wrong("!unbanip 203.0.113.7/24"),
        Problem::new("address_bits", &expected)
    );
}

#[test]
fn commands_of_players_need_no_player() {
    for (line, expected) in [
        ("!playtime", Command::Playtime { who: None }),
        ("!user", Command::UserPage { who: None }),
        ("!bans", Command::Link(WebPage::Bans)),
        ("!warns", Command::Link(WebPage::Warnings)),
        ("!Warnings", Command::Link(WebPage::Warnings)),
        ("!shop now", Command::Link(WebPage::Shop)),
        ("!news", Command::Link(WebPage::News)),
        ("!dashboard", Command::Dashboard),
        ("!login YES", Command::Login(Login::Yes)),
        (
            "!login 00000000-0000-0000-0000-00000000abcd",
            Command::Login(Login::Code(Code(Uuid(0xabcd)))),
        ),
    ] {
        assert_eq!(read(line), Parsed::Command(expected), "{line}");
    }
}

#[test]
fn unicode_spaces_part_words_too() {
    let line = "\u{2003}!ban\u{3000}\u{3000}Ann\u{a0}30\u{2003}a\u{a0}b\u{3000}";
    let expected = ban(name("Ann", false), Length::Seconds(1_800), "a\u{a0}b");
    assert_eq!(read(line), expected);
}

#[test]
fn the_rest_of_chat_is_left_alone() {
    for line in [
        "",
        " ",
        "!",
        "!!",
        "! ban Ann 1 x",
        "ban Ann 1 x",
        "!banana",
        "!ban,",
        "!kick Ann",
        "!!!ban Ann 1 x",
        "hello !ban Ann 1 x",
        "!b\u{430}n Ann 1 x",
        "\u{200b}!ban Ann 1 x",
    ] {
        assert_eq!(read(line), Parsed::NotForUs, "{line}");
    }
    assert_eq!(parse("vyhub", &["".into()]), Parsed::NotForUs);
    assert_eq!(parse("!vyhub", &[]), Parsed::NotForUs);
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (line, key) in [
        ("!ban", "usage_ban"),
        ("!ban Ann", "usage_ban"),
        ("!ban \"Ann 30 x", "usage_ban"),
        ("!ban \"\" 30 x", "usage_ban"),
        ("!ban \u{200b} 30 x", "usage_ban"),
        ("!ban Ann 30", "reason_missing"),
        ("!ban Ann 30 \u{200b} \u{2800}", "reason_missing"),
        ("!warn Ann", "reason_missing"),
        ("!warn", "usage_warn"),
        ("!unban", "usage_unban"),
        ("!unban Bad Guy", "usage_unban"),
        ("!warns Bad Guy", "usage_warns"),
        ("!warnings Bad Guy", "usage_warns"),
        ("!bans Bad Guy", "usage_bans"),
        ("!playtime Bad Guy", "usage_playtime"),
        ("!user Bad Guy", "usage_user"),
        ("!login", "usage_login"),
        ("!login 123", "usage_login"),
        (&format!("!ban Ann 30 {}", "x".repeat(600)), "too_long"),
    ] {
        assert_eq!(wrong(line).key, key, "{line}");
    }
    assert_eq!(wrong("/ban"), Problem::new("usage_ban", &[("prefix", "/")]));
}

#[test]
fn only_a_length_is_a_length() {
    let digits = "3".repeat(30);
    let years = limits::BAN_S_MAX / 60;
    assert!(matches!(
        read(&format!("!ban A {years} x")),
        Parsed::Command(_)
    ));
    let (over, huge) = ((years + 1).to_string(), u64::MAX.to_string());
    for text in [
        "0",
        "0m",
        "000",
        "-5",
        "+5",
        "1.5",
        "30s",
        "m",
        "h",
        &digits,
        "0x10",
        "\u{663}",
        "30mm",
        "permanently",
        "Guy",
        &over,
        &huge,
        &format!("{huge}w"),
    ] {
        let expected = Problem::new("length_bad", &[("text", text)]);
        assert_eq!(wrong(&format!("!ban Bad {text} x")), expected);
    }
}

#[test]
fn no_line_panics_and_every_command_is_whole() {
    let pieces = [
        "!",
        "/",
        "ban",
        "unban",
        "warn",
        "warns",
        "bans",
        "playtime",
        "user",
        "login",
        "yes",
        "vyhub",
        " ",
        "\u{3000}",
        "\"",
        "#",
        "12",
        "[U:1:7]",
        "STEAM_0:1:3",
        "30",
        "m",
        "perm",
        "0",
        "\u{200b}",
        "\u{e9}",
        "Ann",
    ];
    let mut commands = 0;
    arbtest::arbtest(|u| {
        let mut line = String::from(*u.choose(&["!ban ", "!warn ", "/unban ", ""])?);
        for _ in 0..u.int_in_range(0..=12)? {
            match u.ratio(1, 8)? {
                true => line.push_str(u.arbitrary()?),
                false => line.push_str(u.choose(&pieces)?),
            }
        }
        let Parsed::Command(command) = read(&line) else {
            return Ok(());
        };
        commands += 1;
        let (Command::Ban { reason, .. } | Command::Warn { reason, .. }) = &command else {
            return Ok(());
        };
        assert!(
            reason.chars().any(is_visible) && reason.trim() == reason,
            "{line}"
        );
        assert!(line.trim_end().ends_with(reason.as_str()), "{line}");
        if let Command::Ban {
            length: Length::Seconds(seconds),
            ..
        } = command
        {
            assert!((1..=limits::BAN_S_MAX).contains(&seconds), "{line}");
        }
        Ok(())
    });
    assert!(commands > 0);
}

#[test]
fn a_code_is_shown_nowhere() {
    let Parsed::Command(command) = read("!login 00000000-0000-0000-0000-00000000abcd") else {
        panic!("a command")
    };
    assert!(!format!("{command:?}").contains("abcd"), "{command:?}");
}
