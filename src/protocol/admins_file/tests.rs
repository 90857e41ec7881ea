use super::*;

const FILE: &str = "// admins\r\n\"STEAM_0:1:16\" \"99:z\"\n";

fn block_of(lines: &str) -> String {
    format!("{BEGIN}\n{lines}{END}\n")
}

fn with(file: &str, lines: &str) -> Result<String, Damaged> {
    with_block(file.as_bytes(), lines).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_block_is_put_behind_the_owners_lines_and_replaced_where_it_stands() {
    let first = with(FILE, "a\n").unwrap();
    assert_eq!(first, format!("{FILE}{}", block_of("a\n")));
    let more = format!("{first}\"STEAM_0:0:2\" \"b\"");
    let second = with(&more, "").unwrap();
    assert_eq!(
        second,
        format!("{FILE}{}\"STEAM_0:0:2\" \"b\"", block_of(""))
    );
    // Without an end of the last line, with the line ends of another system, and empty.
    assert_eq!(with("x", "").unwrap(), format!("x\n{}", block_of("")));
    let windows = format!("x\r\n  {BEGIN} \r\nold\r\n{END}\r\ny\r\n");
    assert_eq!(
        with(&windows, "a\n").unwrap(),
        format!("x\r\n{}y\r\n", block_of("a\n"))
    );
    assert_eq!(with("", "").unwrap(), block_of(""));
    assert_eq!(with(&format!("{BEGIN}\n{END}"), "").unwrap(), block_of(""));
}

#[test]
fn a_damaged_block_is_refused_whatever_is_damaged() {
    for (file, expected) in [
        (format!("{BEGIN}\nx\n"), Damaged::NoEnd),
        (format!("x\n{END}\n"), Damaged::NoBegin),
        (format!("{END}\nx\n{BEGIN}\n"), Damaged::NoEnd),
        (block_of("x\n").repeat(2), Damaged::Twice),
        (format!("{BEGIN}\n{BEGIN}\n{END}\n"), Damaged::Twice),
        (format!("{BEGIN}\n{END}\n{END}\n"), Damaged::Twice),
    ] {
        assert_eq!(with(&file, "a\n"), Err(expected), "{file}");
    }
    // A line that has more in it is the owner's.
    let file = format!("// {BEGIN}\n{END} x\n");
    assert_eq!(with(&file, "").unwrap(), format!("{file}{}", block_of("")));
}

#[test]
fn nothing_outside_of_the_block_changes_whatever_stands_there() {
    arbtest::arbtest(|u| {
        let piece: &[u8] = &[b'a', b'\n', 0xe4, 0, b'"'];
        let any = |u: &mut arbtest::arbitrary::Unstructured<'_>| {
            let count = u.int_in_range(0..=12)?;
            let bytes = (0..count).map(|_| u.choose(piece).copied());
            bytes.collect::<Result<Vec<u8>, _>>()
        };
        let (mut before, after) = (any(u)?, any(u)?);
        if !before.is_empty() {
            before.push(b'\n');
        }
        let whole = |lines: &str| [&before[..], block_of(lines).as_bytes(), &after[..]].concat();
        assert_eq!(with_block(&whole("old\n"), "new\n"), Ok(whole("new\n")));
        Ok(())
    });
}

#[test]
fn grants_are_what_sourcemod_reads() {
    for good in [
        "a",
        "abcz",
        "99:z",
        "0:a",
        "@VIP",
        "@Full Admins",
        "10:@VIP",
    ] {
        let grant = good.parse::<Grant>().map(|grant| grant.text);
        assert_eq!(grant, Ok(good.to_owned()));
    }
    let long = format!("@{}", "x".repeat(GRANT_BYTES_MAX));
    for bad in [
        "",
        "@",
        "@ ",
        ":z",
        "z:z",
        "99:",
        "A",
        "a b",
        "a\"",
        "@a\"b",
        "@a\nb",
        "1:2:z",
        "1234567:z",
        &long,
    ] {
        assert_eq!(bad.parse::<Grant>(), Err(NoGrant), "{bad}");
    }
    let (vip, flags): (Grant, Grant) = ("@VIP".parse().unwrap(), "99:z".parse().unwrap());
    let (one, two) = (SteamId::new(33).unwrap(), SteamId::new(22_202).unwrap());
    let grants = BTreeSet::from([(two, &vip), (one, &vip), (one, &flags)]);
    let expected =
        "\"STEAM_0:1:16\" \"@VIP\"\n\"STEAM_0:1:16\" \"99:z\"\n\"STEAM_0:0:11101\" \"@VIP\"\n";
    assert_eq!(lines(&grants), expected);
}

#[test]
fn of_several_lines_of_a_player_the_highest_immunity_is_the_last() {
    let grants = ["5:a", "100:b", "z", "20:@VIP"].map(|text| text.parse::<Grant>().unwrap());
    let steam = SteamId::new(2).unwrap();
    let all = grants.iter().map(|grant| (steam, grant)).collect();
    let lines = lines(&all);
    let order: Vec<&str> = lines
        .lines()
        .filter_map(|it| it.split('"').nth(3))
        .collect();
    assert_eq!(order, ["z", "5:a", "20:@VIP", "100:b"]);
}
