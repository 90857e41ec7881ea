//! `vpid community`: the operator's commands on a community's database, by the built program.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::commands::output_of;
use crate::support::{Vpid, program};

/// A configuration with a community in `[database]`; no vpid runs.
pub struct Shell {
    pub vpid: Vpid,
    /// Behind each command.
    options: Vec<String>,
}

impl Shell {
    pub fn new(vpid: Vpid) -> Self {
        let options = ["--database", ""].map(str::to_owned).to_vec();
        Self { vpid, options }
    }

    /// With a `[community]` that says where it is.
    pub fn plain(vpid: Vpid) -> Self {
        let options = Vec::new();
        Self { vpid, options }
    }

    /// For imports that have another `--database`.
    #[cfg(feature = "mysql")]
    pub fn into(vpid: Vpid) -> Self {
        let options = ["--into", ""].map(str::to_owned).to_vec();
        Self { vpid, options }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let options = self.options.iter().map(String::as_str);
        let all: Vec<&str> = ["community"]
            .into_iter()
            .chain(arguments.iter().copied())
            .chain(options)
            .collect();
        self.vpid.command(&all)
    }

    /// What it says that is done.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {said}{errors}"
        );
        assert_eq!(errors, "", "{arguments:?}");
        said
    }

    /// The exit code and the sentence of what is not done.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code().expect("an exit code");
        assert_ne!(code, 0, "{arguments:?}");
        (code, errors)
    }

    /// A list or a record, for programs.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).expect("JSON")
    }

    /// How often this topic was changed.
    fn counter(&self, topic: &str) -> i64 {
        let select = "SELECT counter FROM vpid_changes WHERE topic = ?";
        let counter = self.vpid.sql().query_row(select, [topic], |row| row.get(0));
        counter.expect("a counter")
    }
}

fn shell() -> Shell {
    Shell::new(Vpid::new())
}

/// Gives how often a topic is counted up by what is done.
#[track_caller]
fn counts(shell: &Shell, topic: &str, act: impl FnOnce()) -> i64 {
    let before = shell.counter(topic);
    act();
    shell.counter(topic) - before
}

#[test]
fn a_player_is_meant_by_any_form_of_the_steamid_or_by_a_name_that_is_unique() {
    let shell = shell();
    shell.done(&["user", "add", "[U:1:22202]", "--name", "Bob"]);
    shell.done(&["user", "add", "[U:1:7]", "--name", "Bobby Tables"]);
    for form in [
        "[U:1:22202]",
        "[u:1:22202]",
        "STEAM_0:0:11101",
        "steam_1:0:11101",
        "76561197960287930",
        "Bob",
        "bob",
    ] {
        let user = shell.json(&["user", "show", form]);
        assert_eq!(user["steam"], "76561197960287930", "{form}");
    }
    let user = shell.json(&["user", "show", "tables"]);
    assert_eq!(user["steam3"], "[U:1:7]");
    let (code, said) = shell.refused(&["user", "show", "bo"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("Bob [U:1:22202], Bobby Tables [U:1:7]")
            || said.contains("Bobby Tables [U:1:7], Bob"),
        "{said}"
    );
    let (code, said) = shell.refused(&["user", "show", "carl"]);
    assert!(
        code == 1 && said.contains("no player of the community is called \"carl\""),
        "{said}"
    );
    // Nothing of it is a pattern.
    for text in ["%", "_ob", "' OR 1=1 --"] {
        let (code, said) = shell.refused(&["user", "show", text]);
        assert!(code == 1 && said.contains("is called"), "{text}: {said}");
    }
}

#[test]
fn users_are_added_changed_listed_by_parts_and_removed() {
    let shell = shell();
    for account in 1..=5 {
        let steam = format!("[U:1:{account}]");
        shell.done(&[
            "user",
            "add",
            &steam,
            "--name",
            &format!("player {account}"),
        ]);
    }
    let again = shell.done(&["user", "add", "[U:1:1]"]);
    assert_eq!(again, "[U:1:1] is a user already.\n");
    let listed = shell.json(&["user", "list", "PLAYER", "--limit", "2", "--skip", "1"]);
    assert_eq!(listed["more"], 2);
    assert_eq!(listed["users"][0]["name"], "player 2");
    assert_eq!(listed["users"].as_array().unwrap().len(), 2);
    let table = shell.done(&["user", "list", "--limit", "2"]);
    assert!(
        table.starts_with("STEAMID") && table.contains("... and 3 more"),
        "{table}"
    );
    for odd in ["Ann\u{1b}[2J", "Ann\nBob", "\u{202e}Ann"] {
        let (code, said) = shell.refused(&["user", "edit", "[U:1:1]", "--name", odd]);
        assert!(code == 1 && said.contains("leave it out"), "{said}");
    }
    shell.done(&["user", "edit", "[U:1:1]", "--name", " Ann "]);
    assert_eq!(shell.json(&["user", "show", "[U:1:1]"])["name"], "Ann");
    // As an earlier version may have written it.
    shell
        .vpid
        .sql()
        .execute_batch("UPDATE vpid_users SET name = 'Ann' || char(27) || '[2J' WHERE steam = 76561197960265729")
        .expect("a row");
    let shown = shell.done(&["user", "show", "[U:1:1]"]);
    assert!(shown.contains("Ann?[2J"), "{shown}");
    let (code, said) = shell.refused(&["user", "edit", "[U:1:99]", "--name", "x"]);
    assert!(code == 1 && said.contains("user add"), "{said}");
    shell.done(&["ban", "add", "[U:1:1]", "--reason", "x"]);
    shell.done(&["user", "remove", "[U:1:1]"]);
    assert_eq!(
        shell.json(&["user", "list"])["users"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(
        shell.json(&["ban", "list"])["bans"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn administrators_are_made_and_unmade_and_servers_are_told() {
    let shell = shell();
    shell.done(&["admin", "list"]);
    let made = counts(&shell, "members", || {
        shell.done(&["admin", "add", "[U:1:7]"]);
    });
    assert_eq!(made, 1);
    let again = counts(&shell, "members", || {
        let said = shell.done(&["admin", "add", "[U:1:7]"]);
        assert!(said.contains("already"), "{said}");
    });
    assert_eq!(again, 0);
    assert_eq!(
        shell.json(&["admin", "list"])["users"][0]["steam3"],
        "[U:1:7]"
    );
    shell.done(&["admin", "remove", "[U:1:7]"]);
    assert_eq!(shell.json(&["user", "show", "[U:1:7]"])["admin"], false);
    assert_eq!(shell.refused(&["admin", "remove", "[U:1:7]"]).0, 1);
}

#[test]
fn no_two_groups_look_alike() {
    let shell = shell();
    shell.done(&["group", "add", " VIP "]);
    assert_eq!(shell.json(&["group", "list"])["groups"][0]["name"], "VIP");
    shell.done(&["group", "add", "Gold"]);
    for (arguments, part) in [
        (&["group", "add", "VIP "][..], "already"),
        (&["group", "add", "vip"], "capital letters"),
        (
            &["group", "edit", "Gold", "--name", "Vip"],
            "capital letters",
        ),
        (&["group", "add", "a\u{1b}[2J"], "leave it out"),
    ] {
        let (code, said) = shell.refused(arguments);
        assert!(code == 1 && said.contains(part), "{arguments:?}: {said}");
    }
    // Its own name in other letters is another matter.
    shell.done(&["group", "edit", "VIP ", "--name", "Vip"]);
    assert_eq!(shell.json(&["group", "show", "vip"])["name"], "Vip");
}

#[test]
fn a_group_can_be_renamed_and_its_removal_ends_its_memberships() {
    let shell = shell();
    let mods = [
        "group",
        "add",
        "Mods",
        "--level",
        "20",
        "--grant",
        "ban_edit",
        "--grant",
        "ban_show",
        "--deny",
        "reserved_slot_use",
        "--max-ban",
        "7d",
        "--inherits",
        "no",
    ];
    shell.done(&mods);
    let (code, said) = shell.refused(&mods);
    assert!(code == 1 && said.contains("already"), "{said}");
    let group = shell.json(&["group", "show", "mods"]);
    let rights = json!({"ban_edit": true, "ban_show": true, "reserved_slot_use": false});
    assert_eq!(group["properties"], rights);
    assert_eq!(
        (&group["level"], &group["max_ban_s"]),
        (&json!(20), &json!(604_800))
    );
    assert_eq!(group["inherits"], false);
    shell.done(&["member", "add", "[U:1:7]", "Mods"]);
    shell.done(&["member", "add", "[U:1:8]", "Mods", "--for", "30d"]);
    let edited = counts(&shell, "groups", || {
        shell.done(&[
            "group",
            "edit",
            "Mods",
            "--name",
            "Moderators",
            "--clear",
            "reserved_slot_use",
            "--max-ban",
            "none",
        ]);
    });
    assert_eq!(edited, 1);
    let group = shell.json(&["group", "show", "Moderators"]);
    assert_eq!(
        (&group["members"], &group["max_ban_s"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(
        group["properties"],
        json!({"ban_edit": true, "ban_show": true})
    );
    let members = shell.json(&["member", "list", "--group", "Moderators"]);
    assert_eq!(members["members"][0]["group"], "Moderators");
    let removed = counts(&shell, "members", || {
        let said = shell.done(&["group", "remove", "Moderators"]);
        assert!(said.contains("2 memberships"), "{said}");
    });
    assert_eq!(removed, 1);
    assert_eq!(shell.json(&["member", "list"])["members"], json!([]));
    let ended = shell.json(&["member", "list", "--all"]);
    assert_eq!(ended["members"].as_array().unwrap().len(), 2);
    let (code, said) = shell.refused(&["group", "show", "Moderators"]);
    assert!(code == 1 && said.contains("there is none yet"), "{said}");
    let (code, said) = shell.refused(&["group", "add", "x", "--grant", "ban_edti"]);
    let said = said.replace('\n', " ");
    assert!(
        code == 2 && said.contains("did you mean ban_edit?"),
        "{said}"
    );
}

#[test]
fn a_membership_gets_a_new_end_and_is_ended() {
    let shell = shell();
    shell.done(&["group", "add", "VIP"]);
    shell.done(&["group", "add", "Friends"]);
    shell.done(&["member", "add", "[U:1:7]", "VIP", "--for", "1h"]);
    let said = shell.done(&["member", "add", "[U:1:7]", "VIP"]);
    assert!(said.contains("without an end; it was until"), "{said}");
    shell.done(&["member", "add", "[U:1:7]", "Friends"]);
    let members = shell.json(&["member", "list", "[U:1:7]"]);
    assert_eq!(members["members"].as_array().unwrap().len(), 2);
    assert_eq!(members["members"][0]["end"], Value::Null);
    shell.done(&["member", "remove", "[U:1:7]", "vip"]);
    let (code, said) = shell.refused(&["member", "remove", "[U:1:7]", "VIP"]);
    assert!(
        code == 1 && said.contains("is in no group \"VIP\""),
        "{said}"
    );
    shell.done(&["member", "remove", "[U:1:7]"]);
    assert_eq!(shell.json(&["member", "list"])["members"], json!([]));
}

#[test]
fn a_ban_is_added_once_changed_and_lifted_but_never_deleted() {
    let shell = shell();
    let ban = ["ban", "add", "[U:1:7]", "--for", "7d", "--reason", "aimbot"];
    let added = counts_from_nothing(&shell, "bans", &ban);
    assert_eq!(added, 1);
    let (code, said) = shell.refused(&ban);
    assert!(
        code == 1 && said.contains("is banned already, by the ban "),
        "{said}"
    );
    let listed = shell.json(&["ban", "list"]);
    let found = &listed["bans"][0];
    assert_eq!(
        (&found["length_s"], &found["reason"]),
        (&json!(604_800), &json!("aimbot"))
    );
    let id = found["id"].as_str().unwrap()[..8].to_owned();
    shell.done(&[
        "ban",
        "edit",
        &id,
        "--for",
        "permanent",
        "--reason",
        "aimbot, again",
    ]);
    let shown = shell.json(&["ban", "show", &id]);
    assert_eq!(
        (&shown["ends"], &shown["in_force"]),
        (&Value::Null, &json!(true))
    );
    let lifted = counts(&shell, "bans", || {
        shell.done(&["ban", "remove", &id]);
    });
    assert_eq!(lifted, 1);
    let (code, said) = shell.refused(&["ban", "remove", "[U:1:7]"]);
    assert!(code == 1 && said.contains("is not banned"), "{said}");
    assert_eq!(shell.json(&["ban", "list"])["bans"], json!([]));
    let all = shell.json(&["ban", "list", "[U:1:7]", "--all"]);
    assert!(all["bans"][0]["lifted"].is_string(), "{all}");
    shell.done(&["ban", "add", "[U:1:7]", "--reason", "x"]);
    assert_eq!(
        shell.done(&["ban", "remove", "[U:1:7]"]),
        "[U:1:7]: 1 ban is lifted.\n"
    );
}

#[test]
fn a_ban_without_a_reason_a_time_or_an_id_is_refused_with_a_sentence() {
    let shell = shell();
    let long = "x".repeat(301);
    for (wrong, code, part) in [
        (&["ban", "add", "[U:1:7]"][..], 2, "--reason is missing"),
        (
            &["ban", "add", "[U:1:7]", "--reason", ""],
            1,
            "the reason is empty",
        ),
        (
            &["ban", "add", "[U:1:7]", "--reason", " "],
            1,
            "the reason is empty",
        ),
        (
            &["ban", "add", "[U:1:7]", "--reason", "x", "--for", "9999w"],
            2,
            "a hundred years",
        ),
        (
            &["ban", "add", "[U:1:7]", "--reason", &long],
            1,
            "longer than 300",
        ),
        (
            &["ban", "add", "[U:1:7]", "--reason", "x", "--for", "0d"],
            2,
            "--for must be a time",
        ),
        (&["ban", "show", "%"], 2, "is no id"),
        (&["ban", "show", "0123abcd"], 1, "no ban has an id"),
        (&["ban", "edit", "0123abcd"], 2, "write what to change"),
    ] {
        let (got, said) = shell.refused(wrong);
        let said = said.replace('\n', " ");
        assert!(got == code && said.contains(part), "{wrong:?}: {said}");
    }
}

/// The tables are made by the command itself.
fn counts_from_nothing(shell: &Shell, topic: &str, arguments: &[&str]) -> i64 {
    shell.done(arguments);
    shell.counter(topic)
}

#[test]
fn an_address_or_a_range_is_banned_and_found_by_what_it_has_in_common() {
    let shell = shell();
    shell.done(&["ban", "add", "203.0.113.0/24", "--reason", "bots"]);
    shell.done(&[
        "ban",
        "add",
        "198.51.100.7",
        "--reason",
        "evading",
        "--for",
        "2h",
    ]);
    assert_eq!(shell.counter("addresses"), 2);
    let (code, said) = shell.refused(&["ban", "add", "203.0.113.0/24", "--reason", "x"]);
    assert!(code == 1 && said.contains("is banned already"), "{said}");
    let of_one = shell.json(&["ban", "list", "203.0.113.9"]);
    assert_eq!(of_one["bans"][0]["range"], "203.0.113.0/24");
    let all = shell.json(&["ban", "list", "--addresses"]);
    assert_eq!(all["bans"].as_array().unwrap().len(), 2);
    assert_eq!(shell.json(&["ban", "list"])["bans"], json!([]));
    shell.done(&["ban", "remove", "203.0.113.0/24"]);
    assert_eq!(shell.refused(&["ban", "remove", "203.0.113.0/24"]).0, 1);
    let id = all["bans"][0]["id"].as_str().unwrap();
    shell.done(&["ban", "show", &id[..8]]);
    shell.done(&["ban", "remove", id]);
    let (code, said) = shell.refused(&["ban", "add", "203.0.113.7/24", "--reason", "x"]);
    assert!(
        code == 2 && said.contains("203.0.113.0/24 is one"),
        "{said}"
    );
    let (code, said) = shell.refused(&["ban", "add", "203.0.113.777", "--reason", "x"]);
    assert!(code == 2 && said.contains("is no address"), "{said}");
}

#[test]
fn an_address_that_no_command_may_ban_is_not_banned_from_the_shell_either() {
    let shell = shell();
    for (range, part) in [
        ("0.0.0.0/0", "the widest range that can be banned is /16"),
        ("203.0.0.0/8", "the widest range that can be banned is /16"),
        ("203.0.0.0/15", "the widest range that can be banned is /16"),
        ("127.0.0.1", "of the server itself"),
        ("10.0.0.1", "of private networks"),
        ("100.64.1.1", "providers share"),
        ("169.254.1.1", "of Steam's relays"),
    ] {
        let (code, said) = shell.refused(&["ban", "add", range, "--reason", "x"]);
        let said = said.replace('\n', " ");
        assert!(code == 2 && said.contains(part), "{range}: {said}");
    }
    let all = shell.json(&["ban", "list", "--addresses", "--all"]);
    assert_eq!(all["bans"], json!([]));
    shell.done(&["ban", "add", "203.0.0.0/16", "--reason", "x"]);
}

#[test]
fn a_list_of_bans_says_that_addresses_are_banned_too() {
    let shell = shell();
    assert_eq!(shell.done(&["ban", "list"]), "No ban.\n");
    shell.done(&["ban", "add", "203.0.113.0/24", "--reason", "bots"]);
    let one = "1 ban of an address is in force, too: --addresses shows it.\n";
    assert_eq!(shell.done(&["ban", "list"]), format!("No ban.\n{one}"));
    shell.done(&["ban", "add", "[U:1:7]", "--reason", "aimbot"]);
    shell.done(&["ban", "add", "198.51.100.7", "--reason", "bots"]);
    let said = shell.done(&["ban", "list"]);
    let two = "2 bans of addresses are in force, too: --addresses shows them.\n";
    assert!(said.contains("aimbot") && said.ends_with(two), "{said}");
    for other in [
        &["ban", "list", "[U:1:7]"][..],
        &["ban", "list", "--addresses"],
    ] {
        let said = shell.done(other);
        assert!(!said.contains("in force, too"), "{said}");
    }
    assert_eq!(shell.json(&["ban", "list"])["address_bans_in_force"], 2);
    shell.done(&["ban", "remove", "203.0.113.0/24"]);
    assert!(shell.done(&["ban", "list"]).ends_with(one));
}

/// As a page of the owner's may write them.
#[test]
fn rows_that_are_not_as_vpid_writes_them_are_named_and_the_others_listed() {
    let shell = shell();
    for (account, reason) in [("[U:1:7]", "aimbot"), ("[U:1:8]", "spam")] {
        shell.done(&["ban", "add", account, "--reason", reason]);
        shell.done(&["warning", "add", account, "--reason", reason]);
    }
    shell.done(&["ban", "add", "203.0.113.0/24", "--reason", "bots"]);
    shell
        .vpid
        .sql()
        .execute_batch(
            "UPDATE vpid_bans SET id = 'notuuid' WHERE reason = 'spam';
             UPDATE vpid_warnings SET created_us = 'today', id = 'w1' WHERE reason = 'spam';",
        )
        .expect("rows");
    for (what, row) in [
        ("ban", "vpid_bans notuuid"),
        ("warning", "vpid_warnings w1"),
    ] {
        for options in [vec![], vec!["--json"]] {
            let output = shell.run(&[&[what, "list"][..], options.as_slice()].concat());
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
            assert_eq!(output.status.code(), Some(1), "{said}{errors}");
            assert!(said.contains("aimbot") && !said.contains("spam"), "{said}");
            let is_named = errors.contains(&format!("left out: {row} "));
            assert!(is_named && errors.contains("1 row is"), "{errors}");
            let hints = said.contains("1 ban of an address is in force");
            assert_eq!(hints, what == "ban" && options.is_empty(), "{said}");
        }
    }
    shell.done(&["ban", "list", "[U:1:7]"]);
}

#[test]
fn the_help_says_what_a_reward_is_executed_once_for() {
    let said = shell().done(&["reward", "add", "--help"]);
    let said: Vec<&str> = said.split_whitespace().collect();
    let said = said.join(" ");
    assert!(said.contains("once for each membership"), "{said}");
    assert!(!said.contains("once for each player"), "{said}");
}

#[test]
fn a_warning_is_given_listed_and_withdrawn() {
    let shell = shell();
    shell.done(&["warning", "add", "[U:1:7]", "--reason", "spam"]);
    let warning = shell.json(&["warning", "list", "[U:1:7]"]);
    let id = warning["warnings"][0]["id"].as_str().unwrap();
    shell.done(&["warning", "remove", id]);
    assert_eq!(shell.json(&["warning", "list"])["warnings"], json!([]));
    assert_eq!(shell.refused(&["warning", "remove", id]).0, 1);
}

#[test]
fn adverts_and_rewards_are_added_changed_and_removed() {
    let shell = shell();
    shell.done(&["advert", "add", "Join us", "--colour", "#ff8800"]);
    shell.done(&["advert", "add", "Be nice", "--enabled", "no"]);
    let adverts = shell.json(&["advert", "list"]);
    assert_eq!(adverts["adverts"][0]["colour"], "FF8800");
    let id = adverts["adverts"][1]["id"].as_str().unwrap();
    shell.done(&[
        "advert",
        "edit",
        id,
        "--enabled",
        "yes",
        "--position",
        "-1",
        "--text",
        "Be kind",
    ]);
    let first = &shell.json(&["advert", "list"])["adverts"][0];
    assert_eq!(
        (&first["content"], &first["enabled"]),
        (&json!("Be kind"), &json!(true))
    );
    shell.done(&["advert", "remove", id]);
    assert_eq!(shell.counter("adverts"), 4);
    assert_eq!(
        shell.refused(&["advert", "add", "x", "--colour", "red"]).0,
        2
    );

    shell.done(&["group", "add", "VIP"]);
    let add = [
        "reward",
        "add",
        "Welcome",
        "--command",
        "sm_say %nick%",
        "--event",
        "spawn",
    ];
    shell.done(&[&add[..], &["--group", "VIP", "--once", "no"]].concat());
    let reward = shell.json(&["reward", "list"])["rewards"][0].clone();
    assert_eq!(
        (&reward["event"], &reward["group"], &reward["once"]),
        (&json!("SPAWN"), &json!("VIP"), &json!(false))
    );
    let id = reward["id"].as_str().unwrap();
    shell.done(&["reward", "edit", id, "--group", "none", "--enabled", "no"]);
    let reward = shell.json(&["reward", "list"])["rewards"][0].clone();
    assert_eq!(
        (&reward["group"], &reward["enabled"]),
        (&Value::Null, &json!(false))
    );
    for (wrong, part) in [
        (
            ["reward", "edit", id, "--command", "say \"x"],
            "without a second one",
        ),
        (
            ["reward", "edit", id, "--event", "birth"],
            "--event must be one of",
        ),
    ] {
        let (code, said) = shell.refused(&wrong);
        assert!(code == 2 && said.contains(part), "{said}");
    }
    shell.done(&["reward", "remove", id]);
    assert_eq!(shell.json(&["reward", "list"])["rewards"], json!([]));
}

#[test]
fn a_reward_of_a_removed_group_is_not_everybodys() {
    let shell = shell();
    shell.done(&["group", "add", "VIP"]);
    shell.done(&[
        "reward",
        "add",
        "Gift",
        "--command",
        "give",
        "--group",
        "VIP",
    ]);
    shell.done(&["group", "remove", "VIP"]);
    let reward = shell.json(&["reward", "list"])["rewards"][0].clone();
    assert_eq!(reward["enabled"], false);
    assert_ne!(reward["group"], Value::Null);
}

#[test]
fn options_of_a_server_and_playtime_of_a_player_are_shown() {
    let shell = shell();
    shell.done(&["server", "list"]);
    let insert = "INSERT INTO vpid_servers (id, name, map, alive, players_current, players_max, seen_us) \
                  VALUES ('0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9', 'Duels 1', 'mge_x', 1, 3, 24, 1)";
    shell.vpid.sql().execute(insert, []).unwrap();
    shell.done(&[
        "server",
        "edit",
        "Duels 1",
        "--set",
        "res_slots=2",
        "--set",
        "motto=a=b",
    ]);
    shell.done(&[
        "server",
        "edit",
        "Duels 1",
        "--set",
        "res_slots_hide=true",
        "--unset",
        "motto",
    ]);
    let server = shell.json(&["server", "list"])["servers"][0].clone();
    assert_eq!(
        server["options"],
        json!({"res_slots": 2, "res_slots_hide": true})
    );
    let (code, said) = shell.refused(&["server", "edit", "Duels", "--set", "a=1"]);
    assert!(code == 1 && said.contains("there are Duels 1"), "{said}");
    refuses_wrong_options(&shell);

    let steam = 76_561_197_960_265_728_i64 + 7;
    for (day, ms) in [("2026-11-29", 60_000), ("2026-11-30", 7_200_000)] {
        let insert = "INSERT INTO vpid_playtime (steam, day, ms) VALUES (?, ?, ?)";
        let values = rusqlite::params![steam, day, ms];
        shell.vpid.sql().execute(insert, values).unwrap();
    }
    let shown = shell.json(&["playtime", "show", "[U:1:7]"]);
    assert_eq!(
        (&shown["ms"], &shown["days"][0]["day"]),
        (&json!(7_260_000), &json!("2026-11-30"))
    );
    let text = shell.done(&["playtime", "show", "[U:1:7]", "--limit", "1"]);
    assert!(text.contains("2 h") && text.contains("1 more"), "{text}");
}

/// On the server `Duels 1`.
fn refuses_wrong_options(shell: &Shell) {
    let edit = ["server", "edit", "Duels 1"];
    for (option, part) in [
        ("res_slots=two", "res_slots must be a whole number"),
        ("res_slots=-1", "res_slots must be a whole number"),
        ("res_slots_hide=yes", "res_slots_hide must be true or false"),
    ] {
        let (code, said) = shell.refused(&[&edit[..], &["--set", option]].concat());
        let said = said.replace('\n', " ");
        assert!(code == 2 && said.contains(part), "{option}: {said}");
    }
    let (code, said) = shell.refused(&[&edit[..], &["--unset", "motto"]].concat());
    assert!(code == 1 && said.contains("motto was not set"), "{said}");
    let both = [&edit[..], &["--set", "res_slots=3", "--unset", "motto"]].concat();
    let said = shell.done(&both);
    assert!(said.starts_with("motto was not set.\n"), "{said}");
    let server = &shell.json(&["server", "list"])["servers"][0];
    assert_eq!(server["options"]["res_slots"], 3);
}

#[test]
fn what_is_added_has_an_id_for_programs() {
    let shell = shell();
    let added = shell.json(&["ban", "add", "[U:1:7]", "--reason", "aimbot"]);
    let id = added["id"].as_str().expect("an id");
    assert_eq!(shell.json(&["ban", "show", id])["reason"], "aimbot");
    let added = shell.json(&["warning", "add", "[U:1:7]", "--reason", "spam"]);
    let warnings = shell.json(&["warning", "list"]);
    assert_eq!(warnings["warnings"][0]["id"], added["id"]);
}

#[test]
fn a_list_of_bans_comes_from_standard_input_and_its_report_is_json_for_programs() {
    let shell = shell();
    shell.done(&["user", "add", "[U:1:7]"]);
    let mut command = program();
    command.args([
        "community",
        "import",
        "banned_user",
        "-",
        "--apply",
        "--json",
        "--database",
        "",
    ]);
    command.arg("--config").arg(shell.vpid.config_path());
    let output = output_of(command, b"banid 0 [U:1:7]\nnonsense\n");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kind = &report["kinds"][0];
    assert_eq!(
        (&report["applied"], &kind["kind"]),
        (&json!(true), &json!("bans")),
        "{report}"
    );
    assert_eq!(
        (&kind["new"], &kind["not_imported"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    let problem = kind["problems"][0].as_str().expect("a sentence");
    assert!(problem.starts_with("standard input:2: "), "{problem}");
}

#[test]
fn a_wrong_command_line_says_what_would_be_right() {
    let shell = shell();
    for (wrong, part) in [
        (&[][..], "there are user, admin, group"),
        (&["bans"], "no command \"bans\"; did you mean ban?"),
        (&["ban"], "there are list, show, add, edit, remove"),
        (&["ban", "lift", "x"], "did you mean list?"),
        (&["ban", "add", "Bob", "Tables"], "needs quotation marks"),
        (&["member", "add", "Bob"], "member add: GROUP is missing"),
        (
            &["user", "list", "--grant", "x"],
            "an option of `vpid community group",
        ),
        (&["user", "add", "Bob"], "is no SteamID"),
        (&["user", "list", "--skip", "-1"], "--skip must be"),
        (&["user", "list", "--limit", "0"], "--limit must be"),
    ] {
        let (code, said) = shell.refused(wrong);
        // Sentences are broken into lines.
        let one_line = said.replace('\n', " ");
        assert!(code == 2 && one_line.contains(part), "{wrong:?}: {said}");
    }
    let missing = shell.vpid.command(&["community", "user", "list"]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        missing.status.code() == Some(1) && said.contains("--database NAME"),
        "{said}"
    );
    let unknown = shell
        .vpid
        .command(&["community", "user", "list", "--database", "stats"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("no [database.stats]"), "{said}");
}

/// Writes a file beside the configuration; gives its path.
pub fn file(shell: &Shell, name: &str, text: &str) -> String {
    let path = shell.vpid.path(name);
    fs::write(&path, text).expect("a file");
    path.display().to_string()
}

/// The row of a kind in a report: how many were read, are new, known, and not imported.
#[track_caller]
pub fn counted(report: &str, kind: &str) -> [u64; 4] {
    let mut lines = report.lines();
    let line = lines.find(|line| line.starts_with(&format!("{kind}  ")));
    let line = line.unwrap_or_else(|| panic!("no {kind} in {report}"));
    let numbers = line[kind.len()..].split_whitespace();
    let numbers: Vec<u64> = numbers
        .map(|text| text.parse().expect("a number"))
        .collect();
    numbers.try_into().expect("four numbers")
}

/// Imports twice: the first time `new` are written, the second time nothing changes.
#[track_caller]
pub fn imports_once(shell: &Shell, arguments: &[&str], kinds: &[(&str, u64)]) -> String {
    let apply = [arguments, &["--apply"]].concat();
    let tried = shell.done(arguments);
    assert!(tried.contains("Nothing was written"), "{tried}");
    let first = shell.done(&apply);
    for (kind, new) in kinds {
        assert_eq!(counted(&tried, kind)[1], *new, "{kind}: {tried}");
        assert_eq!(counted(&first, kind)[1], *new, "{kind}: {first}");
    }
    let second = shell.done(&apply);
    for (kind, _) in kinds {
        assert_eq!(counted(&second, kind)[1], 0, "{kind}: {second}");
    }
    first
}

#[test]
fn the_games_lists_of_bans_are_imported_once_and_what_was_lifted_stays_lifted() {
    let shell = shell();
    let users = file(
        &shell,
        "banned_user.cfg",
        "banid 0 STEAM_0:0:11101\r\nbanid 0 [U:1:7]\nbanid 0 [U:1:7]\nbanid 30 [U:1:8]\nbanid 0 STEAM_ID_LAN\n",
    );
    let import = ["import", "banned_user", &users];
    let report = imports_once(&shell, &import, &[("bans", 2)]);
    assert_eq!(counted(&report, "bans"), [5, 2, 1, 2]);
    assert!(
        report.contains("banned_user.cfg:4: bans for 30 minutes"),
        "{report}"
    );
    assert!(
        report.contains("banned_user.cfg:5: \"STEAM_ID_LAN\""),
        "{report}"
    );
    assert_eq!(shell.counter("bans"), 1);
    let bans = shell.json(&["ban", "list"]);
    assert_eq!(bans["bans"].as_array().unwrap().len(), 2);
    shell.done(&["ban", "remove", "[U:1:7]"]);
    shell.done(&[&import[..], &["--apply"]].concat());
    assert_eq!(
        shell.json(&["ban", "list"])["bans"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let addresses = file(
        &shell,
        "banned_ip.cfg",
        "addip 0 203.0.113.7\naddip 0 198.51.100.0\naddip 0 localhost\n",
    );
    let report = imports_once(
        &shell,
        &["import", "banned_ip", &addresses],
        &[("bans of addresses", 2)],
    );
    assert!(report.contains("\"localhost\" is no address"), "{report}");
    let ranges = shell.json(&["ban", "list", "--addresses"]);
    let ranges = ranges["bans"].as_array().unwrap().iter();
    let mut ranges: Vec<&str> = ranges.map(|ban| ban["range"].as_str().unwrap()).collect();
    ranges.sort_unstable();
    assert_eq!(ranges, ["198.51.100.0/24", "203.0.113.7"]);
}

#[test]
fn admins_of_sourcemod_become_members_of_groups_and_administrators() {
    let shell = shell();
    let simple = file(
        &shell,
        "admins_simple.ini",
        "; SourceMod\n\"STEAM_0:0:11101\" \"99:z\"\n\"[U:1:7]\" \"5:bda\" // mod\n\"[U:1:8]\" \"@Mods\"\n\
         \"!10.0.0.1\" \"z\"\n\"Bob\" \"z\"\n\"[U:1:9]\" \"fgh\"\n\"[U:1:10]\" \"d\" \"secret\"\n",
    );
    let groups = file(
        &shell,
        "admin_groups.cfg",
        "Groups { \"Mods\" { \"flags\" \"cd\" \"immunity\" \"20\" Overrides { \"sm_x\" \"allow\" } } }",
    );
    let kinds = [
        ("administrators", 1),
        ("groups", 2),
        ("memberships", 2),
        ("users", 3),
    ];
    let report = imports_once(&shell, &["import", "sourcemod", &simple, &groups], &kinds);
    assert_eq!(counted(&report, "memberships")[3], 4);
    for part in [
        "admins_simple.ini:5: is for whoever comes from \"!10.0.0.1\"",
        "admins_simple.ini:6: is for whoever is called \"Bob\"",
        "admins_simple.ini:7: has nothing that gives [U:1:9] any rights",
        "admins_simple.ini:8: \"[U:1:10]\" needs a password",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let mods = shell.json(&["group", "show", "Mods"]);
    assert_eq!(mods["level"], 20);
    let rights =
        json!({"ban_edit": true, "ban_show": true, "warning_edit": true, "warning_show": true});
    assert_eq!(mods["properties"], rights);
    let own = shell.json(&["group", "show", "SourceMod abd 5"]);
    assert_eq!(
        (&own["level"], &own["properties"]["reserved_slot_use"]),
        (&json!(5), &json!(true))
    );
    assert_eq!(
        shell.json(&["admin", "list"])["users"][0]["steam3"],
        "[U:1:22202]"
    );
}

#[test]
fn what_an_operator_decides_about_imported_admins_stays() {
    let shell = shell();
    let text = "\"STEAM_0:0:11101\" \"99:z\"\n\"[U:1:8]\" \"@Mods\"\n";
    let simple = file(&shell, "admins_simple.ini", text);
    shell.done(&["import", "sourcemod", &simple, "--apply"]);
    shell.done(&["admin", "remove", "[U:1:22202]"]);
    shell.done(&["member", "remove", "[U:1:8]"]);
    shell.done(&["group", "edit", "Mods", "--name", "Moderators"]);
    shell.done(&["import", "sourcemod", &simple, "--apply"]);
    assert_eq!(shell.json(&["admin", "list"])["users"], json!([]));
    assert_eq!(
        shell.json(&["member", "list", "[U:1:8]"])["members"],
        json!([])
    );
    assert_eq!(shell.refused(&["group", "show", "Mods"]).0, 1);
}

#[test]
fn a_hostile_file_is_refused_or_reported_and_never_half_read_in_silence() {
    let shell = shell();
    let huge = shell.vpid.path("huge.cfg");
    fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
    let (code, said) = shell.refused(&["import", "banned_user", &huge.display().to_string()]);
    assert!(code == 1 && said.contains("is larger than"), "{said}");
    let (code, said) = shell.refused(&["import", "banned_user", "/nowhere/banned_user.cfg"]);
    assert!(
        code == 1 && said.contains("/nowhere/banned_user.cfg"),
        "{said}"
    );
    let folder = shell.vpid.path("").display().to_string();
    assert_eq!(shell.refused(&["import", "banned_user", &folder]).0, 1);
    let many: String = (0..30).map(|_| "kickid 7\n").collect();
    let odd = format!("{many}{}\nbanid 0 \"[U:1:7]\n\0\0\n", "x".repeat(100_000));
    let odd = file(&shell, "odd.cfg", &odd);
    let report = shell.done(&["import", "banned_user", &odd]);
    assert_eq!(counted(&report, "bans"), [33, 0, 0, 33]);
    assert_eq!(report.matches("kickid").count(), 20);
    assert!(report.contains("... and 13 more."), "{report}");
    let broken = file(&shell, "admins.cfg", "Admins { \"a\" { \"auth\" \"steam\" ");
    let report = shell.done(&["import", "sourcemod", &broken]);
    assert!(report.contains("the rest is not read"), "{report}");
}
