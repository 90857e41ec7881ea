//! What is said of consoles and logs, for each thing that they may answer.

use super::super::tests::reported;
use super::*;

const STATUS: &str = "hostname: map : fake\nversion : 1\nmap     : cp_badlands at: 0 x\n\
                      players : 3 humans, 0 bots (24 max)\n# userid name\n#  2 \"map : x\"\n";

fn listen(address: &str, secret: Option<&str>) -> LogListen {
    let address = address.parse().unwrap();
    let secret = secret.map(|digits| digits.parse().unwrap());
    LogListen { address, secret }
}

/// What is said of a game that gives these replies, beside its status.
fn of_game(log: Option<LogListen>, replies: &[(&str, &str)]) -> String {
    let rcon = Rcon {
        address: "127.0.0.1:27015".into(),
        password: crate::config::Password("geheim".into()),
    };
    let (_, said) = reported(|report| {
        let mut ask = |line: &str| {
            let reply = replies.iter().find(|(asked, _)| *asked == line);
            Ok(reply
                .map_or(if line == "status" { STATUS } else { "" }, |it| it.1)
                .to_owned())
        };
        console("mine", &rcon, log, &mut ask, report).unwrap();
    });
    said
}

#[test]
fn a_console_that_replies_is_reported_with_its_map() {
    let said = of_game(
        None,
        &[(
            POINT,
            "\"sv_allow_point_servercommand\" = \"official\" ( def. \"official\" )\n - x",
        )],
    );
    let expected = "ok    rcon: mine at 127.0.0.1:27015 replies: cp_badlands, 3 players\n\
                    ok    rcon: mine has sv_allow_point_servercommand official, and vpid uses \
                    rcon\n";
    assert_eq!(said, expected);
    let said = of_game(
        None,
        &[(POINT, "\"sv_allow_point_servercommand\" = \"always\"")],
    );
    assert!(
        said.contains("warn  rcon: mine has sv_allow_point_servercommand always"),
        "{said}"
    );
    let said = of_game(None, &[("status", "# 2 \"map : x\nplayers : y\"")]);
    assert!(
        said.contains("bad   rcon: mine at 127.0.0.1:27015 accepted the password"),
        "{said}"
    );
}

#[test]
fn a_log_with_each_command_in_it_and_a_ban_come_with_the_variables_that_help() {
    let said = of_game(None, &[(RCON_LOG, "\"sv_rcon_log\" = \"1\"")]);
    assert!(
        said.contains("sv_rcon_log 0 in server.cfg stops that"),
        "{said}"
    );
    let said = of_game(
        None,
        &[(RCON_LOG, "\"sv_rcon_log\" = \"0\" ( def. \"1\" )")],
    );
    assert!(!said.contains("sv_rcon_log"), "{said}");
    let rcon = Rcon {
        address: "127.0.0.1:27015".into(),
        password: crate::config::Password("geheim".into()),
    };
    let (_, said) = reported(|report| {
        failed("mine", &rcon, &Failure::Refused("no".into()), report);
    });
    assert!(
        said.contains("sv_rcon_whitelist_address in server.cfg"),
        "{said}"
    );
}

const LIST: (&str, &str) = (
    "logaddress_list",
    "logaddress_list: 2 entries\n10.0.0.1:27500\n127.0.0.1:27500\n",
);
const ON: (&str, &str) = ("log", "Usage:  log < on | off >\ncurrently logging\n");
const OFF: (&str, &str) = ("log", "Usage:  log < on | off >\nnot currently logging\n");
const SECRET: (&str, &str) = (
    "sv_logsecret",
    "\"sv_logsecret\" = \"12345\" ( def. \"0\" )",
);
const SENT: &str = "ok    log: mine sends it to port 27500";

/// What is said of the log.
fn of_log(log: LogListen, replies: &[(&str, &str)]) -> Vec<String> {
    let said = of_game(Some(log), replies);
    let lines = said.lines().filter(|line| line.contains("  log: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_log_must_be_on_and_sent_here() {
    let ours = listen("127.0.0.1:27500", Some("12345"));
    assert_eq!(of_log(ours, &[LIST, ON, SECRET]), [SENT]);
    // What it does not tell is not held against it.
    assert_eq!(of_log(ours, &[LIST]), [SENT]);
    let any = listen("0.0.0.0:27500", Some("12345"));
    let elsewhere = ("logaddress_list", "10.0.0.1:27500\n127.0.0.1:27501\n");
    assert_eq!(of_log(any, &[elsewhere, ON, SECRET]), [SENT]);

    let remedy = "add to its server.cfg, and run there: log on; logaddress_add \
                  127.0.0.1:27500; sv_logsecret <the digits of log_secret>";
    let expected = format!("bad   log: mine writes no log — {remedy}");
    assert_eq!(of_log(ours, &[LIST, OFF, SECRET]), [expected]);
    let none = (
        "logaddress_list",
        "logaddress_list:  no addresses in the list\n",
    );
    for list in [none, elsewhere] {
        let expected = format!("bad   log: mine does not send its log here — {remedy}");
        assert_eq!(of_log(ours, &[list, ON, SECRET]), [expected]);
    }
    let said = of_log(listen("0.0.0.0:1", None), &[none]);
    assert!(
        said[0].ends_with("logaddress_add <this machine's address>:1"),
        "{said:?}"
    );
}

#[test]
fn the_game_and_vpid_must_have_the_same_secret() {
    let ours = listen("127.0.0.1:27500", Some("12345"));
    let without = listen("127.0.0.1:27500", None);
    for (log, value, expected) in [
        (ours, "0", "has no sv_logsecret"),
        (ours, "", "has no sv_logsecret"),
        (ours, "12346", "has an sv_logsecret that differs"),
        (ours, "012345", "has an sv_logsecret that differs"),
        (
            listen("127.0.0.1:27500", Some("012345")),
            "12345",
            "has an sv_logsecret that differs",
        ),
        (without, "5", "has a sv_logsecret but log_secret is missing"),
    ] {
        let reply = format!("\"sv_logsecret\" = \"{value}\"");
        let said = of_log(log, &[LIST, ON, ("sv_logsecret", &reply)]);
        assert!(said.len() == 2 && said[1].contains(expected), "{said:?}");
        assert!(!said.concat().contains("12345"), "{said:?}");
    }
    let zeros = ("sv_logsecret", "\"sv_logsecret\" = \"0012345\"");
    let ours = listen("127.0.0.1:27500", Some("0012345"));
    assert_eq!(of_log(ours, &[LIST, ON, zeros]), [SENT]);
    for none in ["0", "", "0.0"] {
        let reply = format!("\"sv_logsecret\" = \"{none}\"");
        assert_eq!(
            of_log(without, &[LIST, ON, ("sv_logsecret", &reply)]),
            [SENT]
        );
    }
}

#[test]
fn each_failure_has_its_remedy() {
    let rcon = Rcon {
        address: "h:1".into(),
        password: crate::config::Password("geheim".into()),
    };
    for (failure, start, remedy) in [
        (
            Failure::Refused("x".into()),
            "refuses the password at h:1: x",
            "rcon_password_file",
        ),
        (
            Failure::Away("x".into()),
            "is unreachable at h:1: x",
            "-usercon",
        ),
        (
            Failure::Unclear("x".into()),
            "does not reply at h:1: x",
            "hangs",
        ),
    ] {
        let (good, said) = reported(|report| failed("mine", &rcon, &failure, report));
        assert!(
            !good && said.starts_with(&format!("bad   rcon: mine {start}")),
            "{said}"
        );
        assert!(said.contains(remedy), "{said}");
    }
}

#[test]
fn an_address_for_the_log_is_tried() {
    let of = |tried: io::Result<()>, running| {
        let address = "127.0.0.1:27500".parse().unwrap();
        reported(|report| bound("mine", address, tried, running, report))
    };
    assert!(of(Ok(()), Daemon::NotRunning).0);
    let used = || Err(ErrorKind::AddrInUse.into());
    assert!(of(used(), Daemon::Running).0);
    let (good, said) = of(used(), Daemon::NotRunning);
    assert!(
        !good && said.contains("another program uses this port"),
        "{said}"
    );
    let (good, said) = of(Err(ErrorKind::AddrNotAvailable.into()), Daemon::Running);
    assert!(
        !good && said.contains("an address of the machine"),
        "{said}"
    );

    let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    assert_eq!(try_bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(held);
    try_bind(address).unwrap();
}
