//! `vpid completions`: what shells need to complete command lines of vpid, made from the declarations.

mod bash;
mod fish;
mod zsh;

use super::COMMANDS;
use super::command::{Action, Command, Group, Kind, Opt, Path, all_below, arg, options_of};
use super::given::{Given, Stop};
use super::table;

pub(super) const COMMAND: Command = Command {
    name: "completions",
    summary: "print completions for bash, zsh or fish",
    about: "\
Prints what a shell needs to complete command lines of vpid. Packages have these files already.

  bash: vpid completions bash >/etc/bash_completion.d/vpid
  zsh:  vpid completions zsh >/usr/local/share/zsh/site-functions/_vpid
  fish: vpid completions fish >~/.config/fish/completions/vpid.fish",
    args: &[arg("SHELL", Kind::Words(&["bash", "zsh", "fish"]))],
    examples: &["vpid completions bash"],
    action: Action::Run(run),
    ..Command::NONE
};

fn run(given: Given) -> Result<(), Stop> {
    let text = of(&given.words[0]);
    Ok(table::print(|out| write!(out, "{text}"))?)
}

pub(super) fn of(shell: &str) -> String {
    match shell {
        "bash" => bash::script(),
        "zsh" => zsh::script(),
        _ => fish::script(),
    }
}

/// Every command, with its path; vpid itself first, with an empty one.
fn all() -> Vec<Vec<&'static Command>> {
    let tops = COMMANDS.iter().flat_map(|command| all_below(&[command]));
    [Vec::new()].into_iter().chain(tops).collect()
}

fn names() -> Vec<&'static str> {
    COMMANDS.iter().map(|command| command.name).collect()
}

fn below(path: &Path) -> &'static [Command] {
    path.last().map_or(COMMANDS, |last| last.commands())
}

/// The options of a command that people use; none of vpid itself, which `--help` and `--version` are not.
pub(super) fn options(path: &Path) -> Vec<&'static Opt> {
    if path.is_empty() {
        return Vec::new();
    }
    let all = options_of(path).into_iter();
    let all = all.filter(|(group, _)| *group != Group::Database || path[0].name == "run");
    all.map(|(_, option)| option)
        .filter(|option| !option.hidden)
        .collect()
}

/// All spellings of options with values, of all commands: what stands behind one of them is no command.
fn options_with_values() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for path in all().iter().skip(1) {
        let with_value = options_of(path)
            .into_iter()
            .filter(|(_, option)| option.value.is_some());
        for (_, option) in with_value {
            names.push(option.name.to_owned());
            names.extend(option.short.map(|letter| format!("-{letter}")));
        }
    }
    names.push("-db".to_owned());
    names.sort();
    names.dedup();
    names
}
