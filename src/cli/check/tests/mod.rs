//! Set-ups that are fine, and one for each way in which they are not.

mod python;
mod scripts;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::io::lock::Lock;
use crate::protocol::rcon::Failure as ConsoleFailure;
use crate::protocol::vyhub::Failure;

const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ-_";

struct Place {
    root: tempfile::TempDir,
}

impl Place {
    /// A configuration for the stock script, with `extra` in its only server, an empty
    /// scriptdata, no state yet.
    fn new(extra: &str) -> Self {
        Self::with(&format!("legacy_secret = '{SECRET}'\n{extra}"))
    }

    fn with(server: &str) -> Self {
        let place = Self {
            root: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(place.path("scriptdata")).unwrap();
        let text = format!("[[server]]\nscriptdata = \"scriptdata\"\n{server}\n");
        place.write("vpid.toml", text.as_bytes());
        place.mode("vpid.toml", 0o600);
        place.mode("scriptdata", 0o755);
        place
    }

    /// A server with a key that serves this folder.
    fn signed_in(folder: &str) -> Self {
        let place = Self::new("");
        std::fs::create_dir(place.path(folder)).unwrap();
        let key = "key-0123456789abcdefghijABCDEFGHIJ";
        let text = format!("[[server]]\nscriptdata = '{folder}'\nkey = '{key}'\n");
        place.write("vpid.toml", text.as_bytes());
        place
    }

    fn path(&self, at: &str) -> PathBuf {
        self.root.path().join(at)
    }

    fn write(&self, at: &str, bytes: &[u8]) {
        let path = self.path(at);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn mode(&self, at: &str, mode: u32) {
        std::fs::set_permissions(self.path(at), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn check(&self) -> (bool, String) {
        reported(|report| whole(&self.path("vpid.toml"), report))
    }

    /// A check whose only bad lines, in their order, hold these texts.
    #[track_caller]
    fn is_bad(&self, expected: &[&str]) {
        let (good, said) = self.check();
        let bad: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("bad "))
            .collect();
        assert_eq!(bad.len(), expected.len(), "{said}");
        for (line, text) in bad.iter().zip(expected) {
            assert!(line.contains(text), "{line}\n  should hold\n{text}");
        }
        assert_eq!(good, expected.is_empty());
    }

    #[track_caller]
    fn says(&self, expected: &str) {
        let (_, said) = self.check();
        assert!(
            said.lines().any(|line| line.contains(expected)),
            "{expected}\n{said}"
        );
    }
}

pub(super) fn reported(check: impl FnOnce(&mut Report<'_>)) -> (bool, String) {
    let mut out = Vec::new();
    let mut report = Report::lines(&mut out, false);
    check(&mut report);
    let good = report.good;
    (good, String::from_utf8(out).unwrap())
}

/// Everything, where nobody else answers.
fn whole(path: &Path, report: &mut Report<'_>) {
    let mut outside = Outside {
        api: &mut |_, _| Outcome {
            result: Err(Failure::Unreachable("no network".into())),
            api_s: None,
        },
        console: &mut |_, _, _| Err(ConsoleFailure::Away("no network".into())),
    };
    all(Some(path), |_| None, &mut outside, report);
}

#[test]
fn a_fresh_setup_is_good_and_stays_as_it_was() {
    let place = Place::new("");
    let (good, said) = place.check();
    assert!(good, "{said}");
    for line in [
        "ok    clock: plausible",
        "ok    configuration: ",
        "ok    state: ",
        "ok    database: ",
        "ok    scriptdata: ",
        "ok    hosts: no file of a game is in",
    ] {
        assert!(
            said.lines().any(|found| found.starts_with(line)),
            "{line}\n{said}"
        );
    }
    let warning =
        "vpid.toml:3: server.legacy_secret: serves the stock vpi.nut. Anyone who reads one";
    place.says(warning);
    assert_eq!(said.matches("warn  ").count(), 1, "{said}");
    let mut left: Vec<_> = std::fs::read_dir(place.root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["scriptdata", "vpid.toml"]);
    assert_eq!(
        std::fs::read_dir(place.path("scriptdata")).unwrap().count(),
        0
    );
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn every_problem_of_the_configuration_is_a_line() {
    let place = Place::new("[database]\ntype = \"oracle\"\nhosst = \"x\"");
    place.is_bad(&[
        "vpid.toml:5: database.type: ",
        "vpid.toml:6: database.hosst: ",
    ]);
    let (good, said) = reported(|report| whole(&place.path("none"), report));
    assert!(!good && said.contains("none: cannot be read"), "{said}");
}

#[test]
fn secrets_that_others_can_read_are_bad() {
    let place = Place::new("");
    place.mode("vpid.toml", 0o640);
    place.is_bad(&["vpid.toml — chmod 600 '"]);
    let (_, said) = place.check();
    assert_eq!(
        said.matches("other users can read the secret").count(),
        1,
        "{said}"
    );
}

#[test]
fn folders_that_cannot_work() {
    let place = Place::new("");
    std::fs::remove_dir(place.path("scriptdata")).unwrap();
    place.is_bad(&["scriptdata: No such file"]);
    place.write("scriptdata", b"");
    place.is_bad(&["scriptdata is not a folder — correct"]);

    let place = Place::new("");
    place.write("state", b"");
    place.is_bad(&["state is not a folder — remove it"]);
    let place = Place::new("[database]\npath = \"no/where.db\"");
    place.is_bad(&["where.db: "]);
    let place = Place::new("[database]\npath = \"folder\"");
    std::fs::create_dir(place.path("folder")).unwrap();
    place.is_bad(&["folder is a folder, and not a file of a database; write the path of a file"]);
    assert!(!place.check().1.contains("chmod"));
    let place = Place::new("");
    place.write(
        "vpid.db",
        b"this is no database, and long enough to be seen as none",
    );
    place.is_bad(&["not a database"]);
}

#[test]
fn a_folder_that_is_not_called_scriptdata_warns() {
    let place = Place::signed_in("tf");
    let warning = "tf is not called scriptdata; the game writes into tf/scriptdata";
    place.says(warning);
    place.is_bad(&["scripts: there is no folder"]);
    assert!(!place.check().1.contains("vpid init"));
    std::fs::create_dir(place.path("tf/scriptdata")).unwrap();
    place.says("; write scriptdata = '/");
    // Game modes write into a folder below.
    let place = Place::signed_in("scriptdata/mge");
    assert!(!place.check().1.contains("is not called"));
}

#[test]
fn a_folder_that_everybody_writes_warns() {
    let place = Place::new("");
    place.mode("scriptdata", 0o777);
    place.says("warn  scriptdata: every user of this machine can write");
    place.mode("scriptdata", 0o1777);
    assert!(!place.check().1.contains("every user"));
    std::fs::create_dir(place.path("state")).unwrap();
    place.mode("state", 0o755);
    place.says("warn  state: other users can read");
    place.mode("state", 0o700);
    assert!(!place.check().1.contains("other users can read"));
}

#[test]
fn a_running_vpid_is_named() {
    let place = Place::new("");
    std::fs::create_dir(place.path("state")).unwrap();
    place.write("state/vpid.lock", b"4711\n");
    place.write("scriptdata/h_vpi_1_2_output.interface", b"{}\0");
    place.says("state can be written");
    place.says("ok    calls: 1 files wait in");
    let lock = std::fs::File::open(place.path("state/vpid.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    place.says("running as pid 4711");
    assert!(!place.check().1.contains("files wait"));
}

#[test]
fn another_vpid_on_the_same_folder_is_bad_and_the_one_that_runs_is_not() {
    let place = Place::new("");
    std::fs::create_dir(place.path("state")).unwrap();
    place.mode("state", 0o700);
    place.is_bad(&[]);
    let scriptdata = std::fs::File::open(place.path("scriptdata")).unwrap();
    let _serves = Lock::of_folder(&scriptdata).unwrap().unwrap();
    let us = format!(
        "another vpid serves this folder (pid {})",
        std::process::id()
    );
    place.is_bad(&[us.as_str()]);
    let _runs = Lock::of_state(&place.path("state")).unwrap();
    place.is_bad(&[]);
    place.says("hosts: no file of a game waits in");
}

#[test]
fn hosts_that_no_server_serves_are_named() {
    let place = Place::new("hostname = \"mine\"");
    for host in ["mine", "a", "b", "c", "d", "e", "f"] {
        place.write(&format!("scriptdata/{host}_vpi_restart.interface"), b"\0");
    }
    place.write("scriptdata/unrelated", b"");
    place.says("no [[server]] serves \"a\", \"b\", \"c\", \"d\", \"e\" and 1 more;");
    place.says("ok    hosts: \"mine\" in");
}

#[test]
fn files_in_the_way() {
    let place = Place::new("");
    place.write("scriptdata/empty_vpi_input.interface", b"\0");
    place.write("scriptdata/full_vpi_input.interface", b"{\"Calls\": {}}");
    place.is_bad(&[]);
    assert!(!place.check().1.contains("something other"));
    place.write("scriptdata/odd_vpi_input.interface", b"hello");
    place.says("warn  scriptdata: ");
    place.says("odd_vpi_input.interface contains something other");
    place.write("scriptdata/big_vpi_input.interface", &[b' '; ENGINE + 1]);
    place.is_bad(&["big_vpi_input.interface is larger than 16384 bytes — remove it"]);
    place.write("scriptdata/big_vpi_input.interface", &[b' '; ENGINE]);
    place.is_bad(&[]);
    let link = place.path("scriptdata/link_vpi_input.interface");
    std::os::unix::fs::symlink("/dev/zero", link).unwrap();
    place.is_bad(&["link_vpi_input.interface is not a regular file"]);
    let huge = std::fs::File::create(place.path("scriptdata/h_vpi_1_2_output.interface")).unwrap();
    huge.set_len((1 << 20) + 1).unwrap();
    place.says("h_vpi_1_2_output.interface is larger than 1048576 bytes and will be rejected");
}

const ENGINE: usize = crate::limits::ENGINE_READ_BYTES_MAX;

#[test]
fn room_clock_and_file_systems() {
    let room = |free| reported(|report| folders::judge_room("x", Path::new("/x"), free, report));
    assert_eq!(
        room((8 << 20) - 1),
        (
            false,
            "bad   x: 7 MiB free for /x — make room: on a full disk, calls wait and responses fail\n"
                .into()
        )
    );
    assert!(room(8 << 20).1.starts_with("warn  "));
    assert!(room(256 << 20).1.starts_with("ok    "));
    let clock = |year: u64| {
        let now = UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_557_600);
        reported(|report| clock(now, report)).0
    };
    assert!(!clock(2023) && clock(2025));
    assert_eq!(crate::io::files::remote_name(0x6969), Some("NFS"));
    assert_eq!(crate::io::files::remote_name(0xef53), None);
    try_inotify(&std::env::temp_dir()).unwrap();
    assert!(try_inotify(Path::new("/nowhere")).is_err());
}

#[test]
fn a_finding_is_one_line() {
    let (_, said) = reported(|report| report.warn("a\nok    b"));
    assert_eq!(said, "warn  a?ok    b\n");
}

#[test]
fn findings_are_wrapped_for_a_terminal() {
    let mut out = Vec::new();
    let mut report = Report::lines(&mut out, false).wrapped(true);
    report.bad("word ".repeat(20), "mend it");
    report.end().unwrap();
    let said = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("bad   word word") && lines[0].len() <= 80,
        "{said}"
    );
    assert!(
        lines[1].starts_with("      word") && lines[1].ends_with("— mend it"),
        "{said}"
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn what_is_not_reached_is_bad() {
    let reach = "vyhub_server_id = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'\n\
                 rcon = '127.0.0.1:1'\nrcon_password = 'x'\n\
                 [vyhub]\napi_url = 'https://h/v1'\napi_key = 'k'";
    Place::new(reach).is_bad(&[
        "VyHub: https://h/v1 is unreachable: no network",
        "is unreachable at 127.0.0.1:1: no network",
    ]);
}

#[test]
fn a_server_of_vyhub_without_rcon_is_warned_of_what_will_not_work() {
    let place = Place::new(
        "vyhub_server_id = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9'\n\
         log_listen = '127.0.0.1:0'\n[vyhub]\napi_url = 'https://h/v1'\napi_key = 'k'"
            .replace("127.0.0.1:0", &free_address())
            .as_str(),
    );
    place.says("only on Valve's own maps, unless its server.cfg has sv_allow_point");
    place.says("sends its log; server.cfg needs: log on; logaddress_add 127");
    Place::new("").is_bad(&[]);
}

/// MGE, by the manual for plain VPI.
#[test]
fn a_game_mode_that_writes_below_scriptdata_is_named_with_what_serves_it() {
    let place = Place::new("");
    let calls = "scriptdata/mge_playerdata/my_server_vpi_1_2_output.interface";
    place.write(calls, b"{\"Calls\":{\"async\":[],\"chain\":[]}}\0");
    let (good, said) = place.check();
    assert!(good, "{said}");
    let folder = place.path("scriptdata/mge_playerdata");
    let setting = format!("set scriptdata = '{}' in its [[server]]", folder.display());
    assert_eq!(said.matches(&setting).count(), 1, "{said}");
    place.says("and legacy_identity = \"optional\", since it carries no identity");
}

#[test]
fn hosts_whose_files_the_game_cannot_write_are_named() {
    let place = Place::new("");
    let folder = place.path("scriptdata");
    let room = crate::cli::engine_paths::room_for_host(&folder, false).unwrap();
    // Others than the game can write longer ones.
    let host = "h".repeat(room);
    place.write(&format!("scriptdata/{host}_vpi_input.interface"), b"\0");
    place.is_bad(&[]);
    place.write(&format!("scriptdata/{host}h_vpi_input.interface"), b"\0");
    place.is_bad(&["the game cannot write all files of"]);
    let deep = Place::new("");
    let at = format!("{}/scriptdata", "d".repeat(150));
    deep.write(&format!("{at}/x"), b"");
    let text = format!("[[server]]\nscriptdata = '{at}'\nlegacy_secret = '{SECRET}'\n");
    deep.write("vpid.toml", text.as_bytes());
    deep.says("the path is so long that hostnames of more than");
    let at = format!("{}/scriptdata", "d".repeat(240));
    deep.write(&format!("{at}/x"), b"");
    let text = format!("[[server]]\nscriptdata = '{at}'\nlegacy_secret = '{SECRET}'\n");
    deep.write("vpid.toml", text.as_bytes());
    deep.is_bad(&["no hostname at all: it reads and writes no file whose whole path has more"]);
    let (_, said) = Place::new("").check();
    assert!(!said.contains("path is so long"), "{said}");
}

#[test]
fn scripts_without_rcon_are_reported_with_where_commands_work() {
    let place = Place::with("key = 'key-0123456789abcdefghijABCDEFGHIJ'");
    place.says("the game runs only on Valve's own maps");
}

fn free_address() -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}
