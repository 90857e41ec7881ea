//! What is a line of the log at all, and carries the secret.

use super::*;

#[test]
fn only_the_secret_that_was_agreed_is_believed() {
    let line = format!("{DATED}\"x<3><[U:1:7]><Red>\" entered the game\n\0");
    let ours = |digits: &str| Some(digits.parse::<LogSecret>().unwrap());
    let with = |kind: &str| [b"\xff\xff\xff\xff", kind.as_bytes(), line.as_bytes()].concat();
    assert!(parse(&with("R"), None).is_some());
    for digits in [
        "1234",
        "0012345",
        "7340128876543210",
        "18446744073709551615",
    ] {
        assert!(parse(&with(&format!("S{digits}")), ours(digits)).is_some());
    }
    for kind in [
        "R", "S", "S1235", "S2234", "S123", "S12345", "S01234", "S1234 ", "R1234", "s1234",
    ] {
        assert_eq!(parse(&with(kind), ours("1234")), None, "{kind}");
    }
    for kind in ["S", "S1234", "S0", "R1", "", "r"] {
        assert_eq!(parse(&with(kind), None), None, "{kind}");
    }
}

#[test]
fn what_is_no_packet_of_the_log_is_refused() {
    let whole = packet(b"\"x<3><[U:1:7]><Red>\" entered the game");
    for end in 0..5 + DATED.len() {
        assert_eq!(parse(&whole[..end], None), None, "{end}");
    }
    // The NUL, and the end of the line, may be missing.
    for end in whole.len() - 2..whole.len() {
        assert_eq!(parse(&whole[..end], None), parse(&whole, None));
    }
    for at in 0..5 + DATED.len() {
        let mut other = whole.clone();
        other[at] = b'x';
        assert_eq!(parse(&other, None), None, "{at}");
    }
    assert_eq!(parse(&packet(b"World\0 triggered"), None), None);
    let full = vec![b'x'; limits::LOG_LINE_BYTES_MAX - packet(b"").len()];
    assert_eq!(parse(&packet(&full), None), Some(Line::Other));
    assert_eq!(parse(&packet(&[&full[..], b"x"].concat()), None), None);
}

#[test]
fn wrong_secrets_are_told_from_rubbish() {
    let line = format!("{DATED}\"x<3><[U:1:7]><Red>\" entered the game\n\0");
    let with = |kind: &str| [b"\xff\xff\xff\xff", kind.as_bytes(), line.as_bytes()].concat();
    let ours = Some("1234".parse().unwrap());
    for kind in ["R", "S", "S1235", "S123", "S12345", "S01234"] {
        assert_eq!(
            read_datagram(&with(kind), ours),
            Datagram::WrongSecret,
            "{kind}"
        );
    }
    assert_eq!(read_datagram(&with("S1"), None), Datagram::WrongSecret);
    for rubbish in [&b""[..], b"\xff\xff\xff\xff", b"rubbish", &with("x")] {
        assert_eq!(read_datagram(rubbish, ours), Datagram::Foreign);
    }
}
