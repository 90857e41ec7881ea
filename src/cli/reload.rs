//! `vpid reload`: a running vpid reads its configuration again, and the operator gets the verdict.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{Action, Base, Command, JSON};
use super::given::{Given, Stop};
use super::table::{self, console_text};
use crate::io::control;
use crate::limits::RELOAD_WAIT_MS;
use crate::protocol::control::Request;

pub(super) const COMMAND: Command = Command {
    name: "reload",
    summary: "make a running vpid read its configuration again",
    about: "\
Makes a running vpid read its configuration again, and waits for the result. A configuration with errors is refused, \
and the old one stays in force: then the errors are shown, and the exit code is 3. Keys that take effect at the next \
start only are named.

SIGHUP does the same, without a result.",
    options: &[JSON],
    base: Base::Run,
    examples: &["vpid reload --config /etc/vpid/vpid.toml"],
    action: Action::Run(main),
    ..Command::NONE
};

fn main(given: Given) -> Result<(), Stop> {
    run(&given.state_dir()?, given.json(), &mut std::io::stdout())
}

fn run(state_dir: &Path, json: bool, out: &mut dyn Write) -> Result<(), Stop> {
    let patience = Duration::from_millis(RELOAD_WAIT_MS);
    let reply = control::ask(state_dir, &Request::Reload, patience).map_err(String::from)?;
    let sentences = |key: &str| -> Vec<String> {
        let all = reply[key].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(console_text).collect()
    };
    let refused = sentences("refused");
    if json {
        let result =
            json!({"reloaded": refused.is_empty(), "problems": refused, "notes": sentences("ok")});
        table::but_for_a_gone_reader(table::write_json(&result, out))?;
    }
    if !refused.is_empty() {
        return Err(Stop::Refused(refused));
    }
    if json {
        return Ok(());
    }
    let mut text = "the configuration was reloaded\n".to_owned();
    for note in sentences("ok") {
        text += &format!("{note}\n");
    }
    Ok(table::but_for_a_gone_reader(
        out.write_all(text.as_bytes()),
    )?)
}
