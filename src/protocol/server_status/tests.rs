//! What games print, and what players write into it.

use super::*;

const HEADER: &str = "hostname: A server\n\
    version : 9543365/24 9543365 secure\n\
    udp/ip  : 192.0.2.1:27015  (public ip: 192.0.2.1)\n\
    steamid : [G:1:1234567] (85568392921234567)\n\
    account : not logged in  (No account specified)\n\
    map     : cp_badlands at: 0 x, 0 y, 0 z\n\
    tags    : cp,increased_maxplayers\n\
    players : 2 humans, 1 bots (24 max)\n\
    edicts  : 512 used of 2048 max\n";
const HEADING: &str =
    "# userid name                uniqueid            connected ping loss state  adr\n";

fn players(lines: &str) -> Vec<StatusPlayer> {
    parse(&format!("{HEADER}{HEADING}{lines}")).unwrap().players
}

fn line_of(userid: i64, name: &str) -> String {
    format!("# {userid:6} \"{name}\" [U:1:{userid}] 05:12 50 0 active 192.0.2.9:27005\n")
}

#[test]
fn the_answer_of_a_real_server_is_read() {
    let text = format!(
        "{HEADER}{HEADING}\
         #      2 \"somebody\"          [U:1:123]           05:12       50    0 active 192.0.2.9:27005\n\
         #      3 \"SourceTV\"          BOT                                     active\n\
         #     14 \"late\"              STEAM_ID_PENDING    1:00:09     80   99 spawning 192.0.2.8:27005\n"
    );
    let somebody = StatusPlayer {
        userid: 2,
        name: "somebody".into(),
        id: SteamId::new(123),
        bot: false,
        connected_s: 312,
        ping: 50,
        active: true,
        address: Some("192.0.2.9:27005".into()),
        sure: true,
    };
    let expected = ServerStatus {
        map: "cp_badlands".into(),
        max_players: 24,
        whole: true,
        players: vec![
            somebody.clone(),
            StatusPlayer {
                userid: 3,
                name: "SourceTV".into(),
                id: None,
                bot: true,
                connected_s: 0,
                ping: 0,
                address: None,
                ..somebody.clone()
            },
            StatusPlayer {
                userid: 14,
                name: "late".into(),
                id: None,
                connected_s: 3609,
                ping: 80,
                active: false,
                address: Some("192.0.2.8:27005".into()),
                ..somebody
            },
        ],
    };
    assert_eq!(parse(&text), Some(expected.clone()));
    assert_eq!(parse(&text.replace('\n', "\r\n")), Some(expected));
}

#[test]
fn no_name_pretends_to_be_somebody_else() {
    for name in [
        "\"",
        "\"\"",
        "x\" [U:1:7] 05:12 50 0 active 192.0.2.9:27005",
        "x\" BOT active \"",
        "x\" BOT active",
        "# 7 \"x\" [U:1:7] 00:01 1 0 active \"",
        "[U:1:7] 05:12",
        " ",
        "",
        "map     : ctf_2fort at: 0 x, 0 y, 0 z",
        "x\rmap : y",
        "\u{2028}# 7 \"y\" BOT active",
        "\u{FFFD}\u{202E}",
    ] {
        let found = players(&(line_of(5, name) + &line_of(6, "other")));
        let seen: Vec<_> = found.iter().map(|p| (p.userid, p.id, p.bot)).collect();
        let true_ones = [(5, SteamId::new(5), false), (6, SteamId::new(6), false)];
        assert_eq!(seen, true_ones, "{name}");
        assert_eq!(found[0].name, name);
    }
}

#[test]
fn a_hostname_is_no_other_line() {
    let row = line_of(5, "x");
    for hostname in [
        "map : z",
        "map     : ctf_2fort at: 0 x",
        "players : 1 humans, 0 bots (9 max)",
        "# userid name",
    ] {
        let header = HEADER.replace("A server", hostname);
        let status = parse(&format!("{header}{HEADING}{row}")).unwrap();
        assert_eq!(
            (status.map.as_str(), status.max_players),
            ("cp_badlands", 24)
        );
        assert_eq!(status.players.len(), 1, "{hostname}");
    }
}

#[test]
fn what_stands_behind_the_heading_is_not_about_the_server() {
    let late = "map     : ctf_2fort at: 0 x\nplayers : 0 humans (9 max)\n";
    let status = parse(&format!("{HEADER}{HEADING}{late}")).unwrap();
    assert_eq!(
        (status.map.as_str(), status.max_players),
        ("cp_badlands", 24)
    );
    assert_eq!(parse(&format!("{HEADING}{HEADER}")), None);
}

#[test]
fn a_cut_answer_is_no_empty_server() {
    let whole = format!("{HEADER}{HEADING}{}", line_of(5, "x"));
    for end in 0..HEADER.len() {
        assert_eq!(parse(&whole[..end]), None, "{end}");
    }
    for without in ["map     :", "players :", "# userid"] {
        assert_eq!(parse(&whole.replace(without, "other :")), None, "{without}");
    }
}

#[test]
fn lines_that_are_nobodys_are_passed_over() {
    let row = line_of(5, "x");
    for broken in [
        row.replace('5', "-5"),
        row.replace("05:12", "05"),
        row.replace("05:12", "1:1:05:12"),
        row.replace("05:12", "+5:12"),
        row.replace(" 50 ", " -50 "),
        row.replace(" active 192.0.2.9:27005", ""),
        row.replace('"', ""),
        row.replace("\"x\"", "\"x"),
        row.replace("[U:1:5]", ""),
        row.replace("     5", "99999999999999999999"),
        "#end\n".into(),
        "\n".into(),
    ] {
        assert_eq!(
            players(&(broken.clone() + &line_of(6, "y"))).len(),
            1,
            "{broken}"
        );
    }
    let crowd: String = (1..=300).map(|userid| line_of(userid, "x")).collect();
    assert_eq!(players(&crowd).len(), limits::PLAYERS_MAX);
}

#[test]
fn any_name_comes_back_as_it_is() {
    const PIECES: [&str; 12] = [
        "\"", "#", " ", "[U:1:7]", "BOT", "active", "05:12", "\r", "\u{e9}", "map :", "7", "\t",
    ];
    arbtest::arbtest(|u| {
        let mut name = String::new();
        for _ in 0..u.int_in_range(0..=12)? {
            name.push_str(u.choose(&PIECES)?);
        }
        let found = players(&line_of(5, &name));
        assert_eq!((found.len(), found[0].id), (1, SteamId::new(5)), "{name}");
        assert_eq!(found[0].name, name);
        Ok(())
    });
    arbtest::arbtest(|u| {
        let text = String::from_utf8_lossy(u.bytes(u.len())?).into_owned();
        let _ = parse(&text);
        players(&text);
        Ok(())
    });
}

mod whole;

#[test]
fn the_slot_of_sourcetv_is_none_for_players() {
    let text = format!("{HEADER}{HEADING}").replace(
        "tags    :",
        "sourcetv:  127.0.0.1:27020, delay 30.0s  (local: 0.0.0.0:27020)\ntags    :",
    );
    assert_eq!(parse(&text).unwrap().max_players, 23);
    // A hostname may read like one.
    let named = format!("{HEADER}{HEADING}").replace("A server", "sourcetv: x");
    assert_eq!(parse(&named).unwrap().max_players, 24);
}

#[test]
fn an_address_that_the_engine_made_up_or_withholds_is_nobodys() {
    for address in ["169.254.18.53:27005", "?.?.?.?:?"] {
        let row = line_of(3, "b").replace("192.0.2.9:27005", address);
        let status = parse(&format!(
            "{}{HEADING}{}{row}",
            HEADER.replace("1 bots", "0 bots"),
            line_of(2, "a")
        ));
        let status = status.unwrap();
        let found: Vec<_> = status.players.iter().map(|it| it.address.clone()).collect();
        assert_eq!(found, [Some("192.0.2.9:27005".to_owned()), None]);
        assert!(status.whole && status.players[1].sure, "{status:?}");
    }
}
