//! One whole that can contradict itself: what it then says of nobody.

use super::*;

/// A real answer, with so many announced.
fn answer(humans: usize, bots: usize, rows: &str) -> ServerStatus {
    let counts = format!("players : {humans} humans, {bots} bots (24 max)");
    let header = HEADER.replace("players : 2 humans, 1 bots (24 max)", &counts);
    parse(&format!("{header}{HEADING}{rows}")).expect("a whole answer")
}

/// Userid, account and whether it is sure, for each row.
fn rows(status: &ServerStatus) -> Vec<(i64, Option<SteamId>, bool)> {
    let rows = status.players.iter();
    rows.map(|row| (row.userid, row.id, row.sure)).collect()
}

fn of(userid: i64) -> (i64, Option<SteamId>, bool) {
    (userid, SteamId::new(userid as u32), true)
}

const BANNED: u32 = 22_202;

/// The row of userid 15, who is banned.
fn banned(name: &str) -> String {
    format!("#     15 \"{name}\" [U:1:{BANNED}] 05:12 50 0 active 192.0.2.9:27005\n")
}

const BOT: &str = "#      3 \"SourceTV\"          BOT                                     active\n";

#[test]
fn fewer_rows_than_the_heading_counts_are_not_all() {
    let thirteen: String = (1..=13).map(|userid| line_of(userid, "x")).collect();
    for (humans, bots, whole) in [
        (13, 0, true),
        (30, 0, false),
        (13, 1, false),
        (12, 0, false),
    ] {
        let status = answer(humans, bots, &thirteen);
        assert_eq!((status.whole, status.players.len()), (whole, 13));
        // What is there is what is there: no two of them fit into one name.
        assert!(status.players.iter().all(|row| row.sure), "{humans} {bots}");
    }
    assert!(answer(0, 0, "").whole, "a server that is empty");
    assert!(answer(1, 1, &(line_of(2, "x") + BOT)).whole);
    assert!(!answer(2, 0, &(line_of(2, "x") + BOT)).whole);
    // One cannot be read: it stays where it was.
    let unread = line_of(5, "x").replace("05:12", "five");
    let status = answer(2, 0, &(line_of(4, "x") + &unread));
    assert_eq!((status.whole, rows(&status)), (false, vec![of(4)]));
    let status = answer(2, 0, &(unread + &line_of(6, "x")));
    assert_eq!((status.whole, rows(&status)[0].0), (false, 6));
    assert!(!status.players[0].sure, "it may be the rest of a name");
}

#[test]
fn older_headings_count_all_together() {
    let header = HEADER.replace("2 humans, 1 bots", "2");
    let of = |rows: &str| parse(&format!("{header}{HEADING}{rows}")).unwrap().whole;
    assert!(of(&(line_of(2, "x") + BOT)));
    assert!(!of(BOT));
    let unknown = HEADER.replace("2 humans, 1 bots", "some");
    let status = parse(&format!("{unknown}{HEADING}{BOT}")).unwrap();
    assert!(!status.whole && status.players[0].sure);
}

#[test]
fn a_name_over_several_lines_is_one_name() {
    for name in [
        "\n#12\"",
        "\nplain\nlines",
        "a\n# 12 \"b",
        "\r",
        "\n",
        "x\r\n# 12 \"y",
        "x\" [U:1:7] 0:1 1 0 active\nfoo",
        "x\" BOT active\nfoo",
        "\n# userid name",
        "map     : x\n",
    ] {
        let text = line_of(12, "innocent") + &banned(name) + &line_of(16, "other");
        let status = answer(3, 0, &text);
        let expected = [of(12), (15, SteamId::new(BANNED), true), of(16)];
        assert_eq!(rows(&status), expected, "{name:?}");
        assert!(status.whole, "{name:?}");
        assert_eq!(status.players[1].name, name.replace("\r\n", "\n"));
    }
}

/// A name that ends its own row and begins another: the heading knows how many there are.
#[test]
fn a_name_that_makes_two_rows_of_one_makes_all_doubtful() {
    for name in [
        "\" [U:1:7] 0:1 1 0 active\n#12 \"",
        "x\" BOT active\n#12 \"",
        "\" UNKNOWN 0:1 1 0 a\n#9 \"",
    ] {
        assert!(name.len() <= limits::ENGINE_NAME_BYTES_MAX, "{name}");
        // Also where as many others are missing as the name brings.
        for (humans, bots) in [(2, 0), (3, 0), (2, 1), (9, 2)] {
            let text = line_of(4, "innocent") + &banned(name) + BOT;
            let status = answer(humans, bots + 1, &text);
            let split_bot = name.contains("BOT");
            if (humans, bots, split_bot) == (2, 1, true) {
                // A bot is missing, and nothing can tell.
                continue;
            }
            assert!(!status.whole, "{name}");
            let sure = rows(&status).into_iter().filter(|(_, _, sure)| *sure);
            let sure: Vec<i64> = sure.map(|(userid, ..)| userid).collect();
            assert_eq!(sure, [4, 3], "{name}");
        }
    }
}

#[test]
fn what_is_there_twice_is_not_sure() {
    let again = line_of(7, "y").replace("[U:1:7]", "[U:1:5]");
    let status = answer(3, 0, &(line_of(5, "x") + &again + &line_of(6, "z")));
    let five = SteamId::new(5);
    let expected = [(5, five, false), (7, five, false), of(6)];
    assert_eq!((status.whole, rows(&status)), (false, expected.to_vec()));
    let again = line_of(5, "y").replace("[U:1:5]", "[U:1:9]");
    let status = answer(2, 0, &(line_of(5, "x") + &again));
    assert!(!status.whole && rows(&status).iter().all(|(_, _, sure)| !sure));
    // Bots and pending ids are nobody's.
    let two = BOT.to_owned() + &BOT.replace("     3", "     4");
    assert!(answer(0, 2, &two).whole);
}

#[test]
fn a_hostname_that_writes_a_table_of_its_own_is_found_out() {
    let row = "# 12 \"v\" [U:1:22202] 05:12 50 0 active 192.0.2.9:5";
    let table = "map : z\nplayers : 2 humans, 0 bots (24 max)\n# userid name\n";
    for hostname in [
        "x\nplayers : 0 humans, 0 bots (24 max)".to_owned(),
        format!("x\n{table}{row}"),
        format!("x\n{table}"),
        "x\nmap : z".to_owned(),
    ] {
        let header = HEADER.replace("A server", &hostname);
        let header = header.replace("2 humans, 1 bots", "2 humans, 0 bots");
        let text = format!("{header}{HEADING}{}{}", line_of(5, "x"), line_of(6, "y"));
        let status = parse(&text).unwrap();
        assert!(!status.whole, "{hostname}");
        assert!(rows(&status).iter().all(|(_, _, sure)| !sure), "{hostname}");
    }
    // Tags stand behind the map, and before the players.
    let header = HEADER.replace("cp,incr", "players : 0 humans, 0 bots (24 max)");
    let rows = line_of(5, "x") + &line_of(6, "y") + BOT;
    assert!(parse(&format!("{header}{HEADING}{rows}")).unwrap().whole);
}

#[test]
fn an_answer_that_was_cut_is_not_whole() {
    let text = line_of(5, "x") + &line_of(6, "y");
    for end in 0..text.len() {
        let status = answer(2, 0, &text[..end]);
        for (userid, id, sure) in rows(&status) {
            assert_eq!(id, SteamId::new(userid as u32), "{end}");
            assert!(sure || end > text.len() - 25, "{end}");
        }
        // The address alone may be cut.
        assert!(!status.whole || end > text.len() - 25, "{end}");
    }
}

/// As plugins print around the table.
#[test]
fn what_plugins_add_is_passed_over() {
    let header = HEADER.to_owned() + "        Spawns Points Kills\nScout       0      0     0\n\n";
    let behind = "Loaded plugins:\n---------------------\n0:\t\"Some v4.75, x\"\n------\n";
    let rows = line_of(5, "x") + &line_of(6, "y") + BOT;
    for behind in [behind, "#end\n", "\n\n"] {
        let status = parse(&format!("{header}{HEADING}{rows}{behind}")).unwrap();
        assert!(status.whole && status.players.len() == 3, "{behind}");
    }
}

#[test]
fn no_random_name_changes_who_another_is() {
    const PIECES: [&str; 16] = [
        "\n",
        "\n",
        "\"",
        "#",
        " ",
        "# 12 \"",
        "\n#12 \"",
        "[U:1:7]",
        " BOT active",
        "active",
        " 0:1 1 0 active",
        "\" [U:1:7] 0:1 1 0 active",
        "\r\n",
        "players : 0 (9 max)",
        "x",
        "7",
    ];
    arbtest::arbtest(|u| {
        let mut name = String::new();
        for _ in 0..u.int_in_range(0..=8)? {
            let piece = u.choose(&PIECES)?;
            if name.len() + piece.len() <= limits::ENGINE_NAME_BYTES_MAX {
                name.push_str(piece);
            }
        }
        let missing = u.int_in_range(0..=1)?;
        let text = line_of(12, "innocent") + &banned(&name) + &line_of(16, "other");
        let status = answer(3 + missing, 0, &text);
        for (userid, id, sure) in rows(&status) {
            let truth = match userid {
                12 | 16 => SteamId::new(userid as u32),
                15 => SteamId::new(BANNED),
                _ => None,
            };
            assert!(!sure || id == truth, "{name:?}: {userid} is {id:?}");
        }
        assert!(!(status.whole && missing > 0), "{name:?}");
        Ok(())
    });
}

#[test]
fn a_name_that_ends_its_row_and_begins_the_next_is_found_out() {
    let name = "x\" [U:1:7] 05:12 50 0 atvi e\n#1";
    let row = |name: &str| line_of(4, "a") + &line_of(5, name) + &line_of(6, "b");
    for name in [
        name,
        &name.replace(" e\n", " 1.1.1.1:1\n"),
        &name.replace(" e\n", "\n"),
    ] {
        for humans in [2, 3, 4] {
            let status = answer(humans, 0, &row(name));
            let sure = rows(&status).into_iter().filter(|(.., sure)| *sure);
            assert!(
                sure.clone().all(|row| row == of(4) || row == of(6)),
                "{name:?}"
            );
            assert!(!status.whole, "{name:?}");
        }
    }
}
