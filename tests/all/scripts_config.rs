//! The configuration of scripts, read again while vpid runs: what changes at once, what with the next
//! load of a script, and what with the next start of vpid.

use serde_json::{Value, json};

use crate::support::{Client, Vpid, wait_until};

const SELECT: &str = "def VPI_DB_UserSelect(info): return 'the owner\\'s rows'";
const TOP: &str = "import game\ndef top(): return game.config.get('top')";

#[test]
fn a_new_folder_waits_for_the_next_start_and_the_log_says_so() {
    let mut vpid = Vpid::new().signed().started();
    // Its configuration is written again by every command.
    vpid = vpid.script("stats", TOP);
    vpid.reload();
    let said = "these change with the next start of vpid only: ";
    vpid.wait_for_log(said);
    vpid.wait_for_log("the configuration was reloaded");
    assert_eq!(vpid.about("stats"), Value::Null);
    vpid.stop();
    vpid.start();
    vpid.run_all(&["stats"]);
    // A folder that is named anew is not half of the new one and half of the old.
    let elsewhere = vpid.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("other.py"), TOP).unwrap();
    let text = vpid.config_text();
    let there = vpid.path("scripts").display().to_string();
    let text = text.replace(&there, &elsewhere.display().to_string());
    std::fs::write(vpid.config_path(), text).unwrap();
    vpid.hang_up();
    vpid.wait_for_logs(said, 2);
    vpid.wait_for_logs("the configuration was reloaded", 2);
    assert_eq!(vpid.operator(&["reload", "stats"]).0, Some(0));
    vpid.run_all(&["stats"]);
}

#[test]
fn which_functions_give_way_changes_at_once() {
    let vpid = Vpid::new().signed().interfaces(SELECT);
    let mut vpid = vpid.with_running(&["vpi_interfaces"]);
    let mut client = Client::signed(&vpid);
    let answer = client.ask("VPI_DB_UserSelect", Value::Null);
    assert!(answer.as_str().unwrap().contains("KeyError"), "{answer}");
    vpid = vpid.scripts_line("vpi_override = [\"VPI_DB_*\"]");
    vpid.reload();
    wait_until("the owner's", || {
        client.ask("VPI_DB_UserSelect", Value::Null) == "the owner's rows"
    });
}

#[test]
fn what_a_script_may_have_changes_when_it_is_loaded_anew() {
    let vpid = Vpid::new().signed().script("stats", TOP);
    let mut vpid = vpid.with_running(&["stats"]);
    let mut client = Client::signed(&vpid);
    assert_eq!(client.ask("stats.top", Value::Null), Value::Null);
    vpid = vpid.script_table("stats", "config = { top = 7 }");
    vpid.reload();
    vpid.wait_for_log("the configuration was reloaded");
    assert_eq!(client.ask("stats.top", Value::Null), Value::Null);
    assert_eq!(vpid.operator(&["reload", "stats"]).0, Some(0));
    assert_eq!(client.ask("stats.top", Value::Null), json!(7));
}
