//! The command lines that the manual shows, run by a shell as they stand there, beside a vpid that serves. What cannot
//! work in a test fails with the sentence that is expected of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::Vpid;

/// Lines that do not end by themselves, or that are no command lines; other tests run these commands.
const NOT_RUN: [&str; 10] = [
    "vpid key ",
    "vpid run",
    "./vpid run",
    "vpid game watch",
    "vpid trace ",
    "vpid backup - | ssh",
    "vpid script log -f",
    "vpid script test FILE|DIR",
    "vpid script stats [NAME]",
    "vpid.toml",
];

/// Beginnings of lines that fail here, each with a part of the sentence; they may succeed.
const FAILS: [(&str, &str); 31] = [
    // Placeholders.
    ("vpid queue show ID", "is not an id"),
    ("vpid queue retry ID", "is not an id"),
    ("vpid queue drop ID", "is not an id"),
    ("vpid rewards run ID", "is no id"),
    ("vpid rewards skip ID", "is no id"),
    ("vpid script load NAME", "NAME"),
    ("vpid script unload NAME", "NAME"),
    ("vpid script reload NAME", "NAME"),
    ("vpid script log NAME", "NAME"),
    ("vpid script level NAME", "NAME"),
    (
        "vpid community import vpid community.jsonl --database NAME",
        "no [database.NAME]",
    ),
    // It was made for the imports.
    ("vpid community export community.jsonl", "exists already"),
    // Another database, VyHub, a game.
    (
        "vpid community import sourcebans",
        "no [database.sourcebans]",
    ),
    ("vpid community import vyhub", "no [vyhub]"),
    ("vpid community server edit \"Duels\"", "Duels"),
    ("vpid game ", "no game"),
    ("vpid call VPI_DB_UserSelect", "no such table"),
    ("vpid call VPI_SQL_top_players", "UnknownFunction"),
    // The game is root's where root runs the tests.
    ("vpid service install", "root"),
    // Functions of the scripts in docs/scripts.md, which other tests run.
    ("vpid call ", "UnknownFunction"),
    // A configuration is there.
    ("vpid init --legacy", "vpid's own script"),
    ("vpid script stats rank", "rank"),
    ("vpid script log stats", "stats"),
    ("vpid script reload stats", "stats"),
    ("vpid script new NAME", "is not the name of a script"),
    // Two pages begin with it.
    ("vpid script new duels", "is there already"),
    ("vpid play", "without an interpreter"),
    ("vpid check", "bad "),
    ("vpid status --watch", "needs a terminal"),
    ("vpid replay ", "No such file"),
    ("vpid restore ", "cannot be read"),
];

/// The lines of all pages, each once.
fn lines() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap();
    let mut pages: Vec<PathBuf> = docs.map(|entry| entry.unwrap().path()).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    let mut lines: Vec<String> = Vec::new();
    for page in pages
        .iter()
        .filter(|page| page.extension().is_some_and(|end| end == "md"))
        // It is made of the help texts.
        .filter(|page| !page.ends_with("commands.md"))
    {
        let mut is_fenced = false;
        for line in fs::read_to_string(page).unwrap().lines() {
            let text = line.trim();
            is_fenced ^= text.starts_with("```");
            let text = text.trim_start_matches("$ ");
            let bare = text
                .trim_start_matches("sudo ")
                .trim_start_matches("-u tf2 ");
            let is_vpid = bare.starts_with("vpid ")
                || bare.starts_with("./vpid ")
                || text.contains("| vpid ");
            let is_block = is_fenced || line.starts_with("    ");
            if is_block && is_vpid && !lines.iter().any(|known| known == text) {
                lines.push(text.to_owned());
            }
        }
    }
    lines
}

/// Folders as the manual names them, below a temporary one, with programs that only root or systemd has replaced.
struct Machine {
    vpid: Vpid,
    root: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let vpid = Vpid::new()
            .signed()
            .community_line("type = 'local'")
            .script("stats", "def top(count=1):\n    return count\n")
            .with_running(&["stats"]);
        let root = vpid.path("machine");
        for folder in [
            "bin",
            "units",
            "etc/vpid",
            "etc/bash_completion.d",
            "var/backups/vpid",
            "usr/local/share/zsh/site-functions",
            ".config/fish/completions",
            "home/tf2/serverfiles/tf/scripts",
            "home/tf2/serverfiles/tf/scriptdata",
            "home/tf2/second/tf/scripts",
            "home/tf2/second/tf/scriptdata",
            "tf/cfg",
        ] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let machine = Self { vpid, root };
        let vpid = env!("CARGO_BIN_EXE_vpid");
        // Units of systemd are written elsewhere, and what waits for a game does not wait long.
        machine.program(
            "vpid",
            &format!(
                "case $1 in service) set -- \"$@\" --unit-dir '{}' ;; game) set -- \"$@\" --timeout 0.1 ;; esac\n\
                 exec '{vpid}' \"$@\"",
                machine.root.join("units").display()
            ),
        );
        let scripts = machine.vpid.path("scripts");
        std::os::unix::fs::symlink(scripts, machine.root.join("scripts")).unwrap();
        machine.program("sudo", "[ \"$1\" != -u ] || shift 2\nexec \"$@\"");
        for (name, text) in [
            ("home/tf2/serverfiles/tf/gameinfo.txt", "GameInfo\n"),
            ("home/tf2/second/tf/gameinfo.txt", "GameInfo\n"),
            ("tf/cfg/banned_user.cfg", "banid 0 STEAM_0:0:11101\n"),
            ("tf/cfg/banned_ip.cfg", "addip 0 203.0.113.9\n"),
            ("admins_simple.ini", "\"STEAM_0:0:11101\" \"99:z\"\n"),
            ("admin_groups.cfg", "Groups\n{\n}\n"),
            ("admins.cfg", "Admins\n{\n}\n"),
        ] {
            fs::write(machine.root.join(name), text).unwrap();
        }
        for line in [
            "vpid community user add '[U:1:22202]' --name Bob",
            "vpid community export community.jsonl",
        ] {
            let (code, said) = machine.run(line);
            assert_eq!(code, 0, "{line}: {said}");
        }
        machine
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.root.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A line, in a folder with the configuration that the vpid runs with; of `init`, in one with a game only.
    fn run(&self, line: &str) -> (i32, String) {
        let empty = tempfile::tempdir_in(&self.root).unwrap();
        fs::create_dir_all(empty.path().join("tf/scripts")).unwrap();
        fs::write(empty.path().join("tf/gameinfo.txt"), "GameInfo\n").unwrap();
        let root = self.root.display();
        let mut text = line.to_owned();
        for folder in ["/home/", "/etc/", "/usr/local/", "/var/"] {
            text = text.replace(folder, &format!("{root}{folder}"));
        }
        let folder = match line.contains("vpid init") {
            true => empty.path(),
            false => &self.root,
        };
        // A line that does not end fails.
        let mut shell = Command::new("timeout");
        shell.args(["120", "bash", "-c", &text]);
        shell.current_dir(folder).env_clear();
        shell.env("HOME", &self.root);
        if !line.contains("vpid init") {
            shell.env("VPID_CONFIG", self.vpid.config_path());
        }
        let path = format!("{root}/bin:/usr/local/bin:/usr/bin:/bin");
        let output = shell.env("PATH", path).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code().expect("an exit code"), said)
    }
}

#[test]
fn every_command_line_of_the_manual_does_what_it_can() {
    let machine = Machine::new();
    let lines = lines();
    let lines = lines
        .iter()
        .filter(|line| !NOT_RUN.iter().any(|start| line.starts_with(start)));
    let (mut count, mut wrong) = (0, String::new());
    for line in lines {
        let (code, said) = machine.run(line);
        count += 1;
        let bare = line
            .trim_start_matches("sudo ")
            .trim_start_matches("-u tf2 ");
        let mut expected = FAILS.iter().filter(|(start, part)| {
            // Only functions of the manual's own scripts may be unknown.
            let is_of_vpid = *start == "vpid call " && bare.starts_with("vpid call VPI_");
            bare.starts_with(start) && !is_of_vpid && said.contains(part)
        });
        // A wrong command line is expected of placeholders only.
        let is_expected =
            code == 0 || expected.any(|(_, part)| code != 2 || part.starts_with("is n"));
        if !is_expected || code == 101 {
            wrong += &format!(
                "{line}
{code}: {said}
"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 55, "only {count} command lines were found");
}

/// All names of fields in a value.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
        Value::Object(members) => {
            for (name, value) in members {
                found.insert(name.clone());
                fields(value, found);
            }
        }
        _ => {}
    }
}

/// The rows of the table for programs: a command, and the names of its fields.
fn documented() -> Vec<(String, Vec<String>)> {
    let manual = include_str!("../../docs/operations.md");
    let section = manual.split("### For programs").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    // The fields of trace and replay are listed elsewhere.
    let is_elsewhere = |row: &str| row.contains("[its fields]");
    let rows = section.lines();
    let rows = rows.filter(|row| row.starts_with("| `vpid ") && !is_elsewhere(row));
    let values = [
        "ok", "warn", "bad", "list", "show", "add", "import", "--follow",
    ];
    let rows = rows.map(|row| {
        let mut names = row.split('`').skip(1).step_by(2);
        let command = names.next().unwrap_or_default().to_owned();
        let names = names.filter(|name| !values.contains(name) && !name.contains(' '));
        (command, names.map(str::to_owned).collect())
    });
    rows.collect()
}

#[test]
fn what_is_printed_for_programs_has_the_fields_that_the_manual_lists() {
    let machine = Machine::new();
    let game = machine.vpid.signed_game("blue");
    machine.run("vpid community ban add Bob --reason aimbot");
    let mut checked = 0;
    for (command, names) in documented() {
        let command = match command.as_str() {
            "vpid community" => "vpid community import banned_user tf/cfg/banned_user.cfg",
            "vpid script log" => "vpid script log stats",
            "vpid service status" => "vpid service status --user \"$(id -u)\"",
            "vpid bench" => "vpid bench --work echo --files 2 --batch 1",
            // Nothing waits here; `queue::tests` has both.
            "vpid queue show" | "vpid rewards list" => continue,
            command => command,
        };
        let (code, said) = machine.run(&format!("{command} --json"));
        let value: Value =
            serde_json::from_str(&said).unwrap_or_else(|_| panic!("{command}: {code}: {said}"));
        let mut found = BTreeSet::new();
        fields(&value, &mut found);
        let is_empty = value.as_array().is_some_and(Vec::is_empty);
        for name in names.iter().filter(|_| !is_empty) {
            // The ids of bans come from another command.
            let is_other = command.starts_with("vpid community") && name == "id";
            assert!(
                is_other || found.contains(name),
                "{command}: {name} is not in {said}"
            );
            checked += 1;
        }
    }
    drop(game);
    assert!(checked > 50, "only {checked} fields were found");
}
