use super::*;
use crate::config::{Backend, Community};

fn words_with(changes: &[(&str, &str)]) -> Words {
    let usual = [
        (
            "ban_kick",
            "Banned: {reason}\nFrom {since} to {until} by {admin} ({id}) {link}",
        ),
        (
            "ban_kick_permanent",
            "Banned: {reason} for ever by {admin} ({id}) {link}",
        ),
        ("no_reason", "no reason"),
        ("unknown_admin", "the system"),
        ("permanent", "permanent"),
        ("minute_one", "1 minute"),
        ("minutes", "{n} minutes"),
        ("hour_one", "1 hour"),
        ("hours", "{n} hours"),
        ("day_one", "1 day"),
        ("days", "{n} days"),
        ("player_unknown", "Nobody here is called {text}"),
    ];
    let all = usual.iter().chain(changes);
    let messages = all.map(|(key, text)| ((*key).into(), (*text).into()));
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    Words {
        messages: messages.collect(),
        time_zone: berlin,
    }
}

fn notice<'a>(reason: &'a str, admin: &'a str) -> BanNotice<'a> {
    BanNotice {
        reason,
        since_s: 1_795_158_000,
        until_s: Some(1_795_158_000 + 86_400),
        admin,
        id: "0a1b2c3d".into(),
        link: "https://vyhub.example/",
    }
}

/// What the console and its line demand.
fn assert_carried(text: &str, bytes_max: usize) {
    assert!(!text.is_empty() && text.len() <= bytes_max, "{text:?}");
    let refused = |c: char| c == '"' || c.is_control() || "\u{2028}\u{2029}".contains(c);
    assert!(!text.contains(refused), "{text:?}");
}

#[test]
fn a_kick_says_everything_about_a_ban() {
    let words = words_with(&[]);
    assert_eq!(
        words.kick(&notice("cheats", "Ann")),
        "Banned: cheats From 2026-11-20 08:00 CET to 2026-11-21 08:00 CET by Ann (0a1b2c3d) \
         https://vyhub.example/"
    );
    let mut ban = notice(" \n", "\u{7}");
    ban.until_s = None;
    assert_eq!(
        words.kick(&ban),
        "Banned: no reason for ever by the system (0a1b2c3d) https://vyhub.example/"
    );
}

#[test]
fn a_reason_turns_no_text_around_it() {
    let words = words_with(&[]);
    let text = words.kick(&notice("a\u{202e}tobmia\u{202c}", "A\u{2066}nn"));
    assert!(text.starts_with("Banned: atobmia From"), "{text:?}");
    assert!(text.contains("by Ann ("), "{text:?}");
    let said = words.chat("player_unknown", &[("text", "B\u{202e}ob")]);
    assert_eq!(said, "Nobody here is called Bob");
}

#[test]
fn the_reason_is_shortened_before_the_admin() {
    let words = words_with(&[]);
    let long = "\u{e9}x".repeat(300);
    let text = words.kick(&notice(&long, "Ann"));
    assert!(text.contains("\u{2026} From 2026") && text.contains("by Ann (0a1b2c3d) https"));
    assert!((limits::KICK_REASON_BYTES_MAX - 3..=400).contains(&text.len()));
    let text = words.kick(&notice(&long, &long));
    assert!(text.starts_with("Banned: \u{2026} From"), "{text}");
    assert!(
        text.ends_with("\u{2026} (0a1b2c3d) https://vyhub.example/"),
        "{text}"
    );
    assert_carried(&text, limits::KICK_REASON_BYTES_MAX);
    let link = format!("https://{long}");
    let mut ban = notice("r", "a");
    ban.link = &link;
    assert_carried(&words.kick(&ban), limits::KICK_REASON_BYTES_MAX);
    // Exactly what fits is not cut.
    let room = limits::KICK_REASON_BYTES_MAX - words.kick(&notice("r", "a")).len() + 1;
    let text = words.kick(&notice(&"r".repeat(room), "a"));
    assert_eq!((text.len(), text.contains('\u{2026}')), (400, false));
}

#[test]
fn no_reason_is_refused_by_the_console() {
    let words = words_with(&[]);
    for reason in [
        "\"; quit; \"",
        "a\nquit",
        "\r\n\0\u{1}\u{7f}\u{85}\u{9b}",
        "\u{2028}quit\u{2029}",
        "{until}{reason}{link}",
        "// \\\" x",
        "\u{202e}\u{200b}",
    ] {
        let text = words.kick(&notice(reason, reason));
        assert_carried(&text, limits::KICK_REASON_BYTES_MAX);
        let said = words.chat("player_unknown", &[("text", reason)]);
        assert_carried(&said, limits::CHAT_BYTES_MAX);
    }
    assert!(
        words
            .kick(&notice("{until}", "a"))
            .contains("Banned: {until} From")
    );
    let silent = words_with(&[("ban_kick", "{reason}"), ("no_reason", " \n")]);
    assert_eq!(silent.kick(&notice("", "")), "ban_kick");
}

#[test]
fn no_text_makes_a_message_too_long_or_unfit() {
    let pieces = [
        "\"",
        "\n",
        "{",
        "}",
        "{reason}",
        "\u{1f980}",
        "\u{2029}",
        " ",
        "abcdefgh",
    ];
    arbtest::arbtest(|u| {
        let mut text = || {
            let mut text = String::new();
            for _ in 0..u.int_in_range(0..=6)? {
                let piece = *u.choose(&pieces)?;
                text.push_str(&piece.repeat(u.int_in_range(0..=60)?));
                text.push_str(u.arbitrary()?);
            }
            arbtest::arbitrary::Result::Ok(text)
        };
        let (reason, admin, link) = (text()?, text()?, text()?);
        let template = text()?;
        for words in [words_with(&[]), words_with(&[("ban_kick", &template)])] {
            let mut ban = notice(&reason, &admin);
            ban.link = &link;
            assert_carried(&words.kick(&ban), limits::KICK_REASON_BYTES_MAX);
            let said = words.chat("player_unknown", &[("text", &reason)]);
            assert_carried(&said, limits::CHAT_BYTES_MAX);
        }
        Ok(())
    });
}

#[test]
fn a_line_of_chat_is_cut_between_characters() {
    let words = words_with(&[("x", "a{text}"), ("nothing", "")]);
    let line = words.chat("x", &[("text", &"\u{1f980}".repeat(100))]);
    assert!(line.ends_with("\u{1f980}\u{2026}"), "{line}");
    assert!((limits::CHAT_BYTES_MAX - 3..=limits::CHAT_BYTES_MAX).contains(&line.len()));
    assert_eq!(words.chat("x", &[("text", "  \n\"b\" ")]), "a 'b'");
    assert_eq!(words.chat("nothing", &[]), "nothing");
    let problem = Problem::new("player_unknown", &[("text", "{text}")]);
    assert_eq!(words.problem(&problem), "Nobody here is called {text}");
}

#[test]
fn dates_are_in_the_owners_zone_at_every_time() {
    let words = words_with(&[]);
    assert_eq!(words.date(1_795_158_000), "2026-11-20 08:00 CET");
    assert_eq!(words.date(1_782_000_000), "2026-06-21 02:00 CEST");
    assert!(words.date(i64::MIN).starts_with("-9999-01"));
    assert!(
        words.date(i64::MAX).starts_with("9999-12") || words.date(i64::MAX).starts_with("10000")
    );
}

#[test]
fn lengths_are_words() {
    let words = words_with(&[]);
    for (seconds, expected) in [
        (0, "0 minutes"),
        (1, "1 minute"),
        (61, "2 minutes"),
        (1_800, "30 minutes"),
        (3_600, "1 hour"),
        (7_200, "2 hours"),
        (5_400, "1 hour 30 minutes"),
        (86_400, "1 day"),
        (7 * 86_400, "7 days"),
        (90_060, "1 day 1 hour 1 minute"),
    ] {
        assert_eq!(words.length(Some(seconds)), expected);
    }
    assert_eq!(words.length(None), "permanent");
    assert!(words.length(Some(u64::MAX)).contains("days"));
}

#[test]
fn an_id_is_short_for_people() {
    let id: Uuid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9".parse().unwrap();
    assert_eq!(short_id(id), "0a1b2c3d");
}

#[test]
fn words_are_made_from_the_configuration() {
    let community = Community {
        backend: Backend::Local(0),
        head: "community",
        rewards: Default::default(),
        messages: [("permanent".to_string(), "immer".to_string())].into(),
        time_zone: TimeZone::UTC,
        prefixes: Vec::new(),
        advert_interval_s: 0,
        advert_prefix: String::new(),
        groups: Default::default(),
        admins_file: None,
        playtime: Default::default(),
    };
    let words = Words::new(&community);
    assert_eq!(
        (words.length(None), words.date(0)),
        ("immer".into(), "1970-01-01 00:00 UTC".into())
    );
}
