//! What `--help` prints, made from the declarations; no line is longer than 80 columns.

use std::fmt::Write;

use super::COMMANDS;
use super::command::{
    Action, Arg, Base, Command, Group, Kind, Number, Opt, Path, arg, base_of, find, name_of,
    options_of,
};
use super::given::{Given, Stop};

const WIDTH: usize = 80;

/// Up to where names of commands and options stand beside what they do.
const NAMES_WIDTH: usize = 28;

pub(super) const COMMAND: Command = Command {
    name: "help",
    summary: "show the help of a command: vpid help queue show",
    about: "`vpid help queue show` prints the same as `vpid queue show --help`.",
    args: &[arg("COMMAND", Kind::Command).number(Number::Any)],
    examples: &["vpid help service install"],
    action: Action::Run(run),
    ..Command::NONE
};

fn run(given: Given) -> Result<(), Stop> {
    Err(Stop::Help(of(&named_by(&given.words)?)))
}

/// The command that these words name, with those above it. Errors: there is no such command.
pub(super) fn named_by(words: &[String]) -> Result<Vec<&'static Command>, Stop> {
    let mut path = Vec::new();
    let mut commands = COMMANDS;
    for word in words {
        if commands.is_empty() {
            let name = name_of(&path);
            return Err(Stop::Usage(format!(
                "`{name}` has no commands of its own, such as {word:?}"
            )));
        }
        let found = find(commands, word.as_ref())?;
        commands = found.commands();
        path.push(found);
    }
    Ok(path)
}

/// Of a command, or of vpid where none is named.
pub(super) fn of(path: &Path) -> String {
    let Some(command) = path.last() else {
        return of_vpid();
    };
    let title = format!("{}: {}", name_of(path), command.summary);
    let mut out = wrapped(&title, "", "") + "\n";
    for (at, usage) in usage(path).iter().enumerate() {
        let before = if at == 0 { "Usage: " } else { "       " };
        let text = format!("{} {usage}", name_of(path));
        out += &wrapped(&unbroken(&text), before, &" ".repeat(11)).replace(NO_BREAK, " ");
    }
    if !command.about.is_empty() {
        let _ = write!(out, "\n{}", prose(command.about));
    }
    if !command.commands().is_empty() {
        out += "\nCommands:\n";
        commands(command, "", &mut out);
        let name = name_of(path);
        out += &format!("\n`{name} COMMAND --help` describes one of them.\n");
    }
    options(path, &mut out);
    if !command.examples.is_empty() {
        out += "\nExample:\n";
    }
    for example in command.examples {
        let _ = writeln!(out, "  {example}");
    }
    out
}

/// A space at which no line is broken.
const NO_BREAK: char = '\u{a0}';

/// What stands in brackets stays together: `[--host HOST]`.
fn unbroken(text: &str) -> String {
    let mut depth = 0_u32;
    let signs = text.chars().map(|sign| {
        match sign {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ' ' if depth > 0 => return NO_BREAK,
            _ => {}
        }
        sign
    });
    signs.collect()
}

/// What stands behind the name of a command, a line for each way to use it.
pub(super) fn usage(path: &Path) -> Vec<String> {
    let Some(command) = path.last() else {
        return vec!["COMMAND [OPTIONS]".to_owned()];
    };
    if !command.usage.is_empty() {
        return command
            .usage
            .iter()
            .map(|line| (*line).to_owned())
            .collect();
    }
    if !command.commands().is_empty() {
        return vec!["COMMAND ... [OPTIONS]".to_owned()];
    }
    let mut parts: Vec<String> = command.args.iter().map(argument).collect();
    let options = options_of(path);
    let own = options
        .iter()
        .filter(|(group, option)| *group == Group::Own && !option.hidden);
    let (required, optional): (Vec<&Opt>, Vec<&Opt>) = own
        .map(|(_, option)| *option)
        .partition(|option| option.required.is_some());
    parts.extend(required.into_iter().map(named));
    match optional.len() {
        ..=5 => parts.extend(
            optional
                .into_iter()
                .map(|option| format!("[{}]", named(option))),
        ),
        _ => parts.push("[OPTIONS]".to_owned()),
    }
    vec![parts.join(" ")]
}

pub(super) fn argument(arg: &Arg) -> String {
    let name = arg.name;
    match arg.number {
        Number::One => name.to_owned(),
        Number::OneOrNone => format!("[{name}]"),
        Number::OneOrMore => format!("{name}..."),
        Number::Any => format!("[{name}...]"),
    }
}

/// `--json`, or `--host HOST`.
pub(super) fn named(option: &Opt) -> String {
    match option.value {
        Some((value, _)) => format!("{} {value}", option.name),
        None => option.name.to_owned(),
    }
}

/// The names of all that can be carried out below a command, with arguments.
fn commands(command: &Command, before: &str, out: &mut String) {
    for below in command.commands() {
        let name = format!("{before}{}", below.name);
        match below.commands() {
            [] => {
                let args = below.args.iter().map(|arg| format!(" {}", argument(arg)));
                row(
                    &format!("{name}{}", args.collect::<String>()),
                    below.summary,
                    out,
                );
            }
            _ => commands(below, &format!("{name} "), out),
        }
    }
}

fn options(path: &Path, out: &mut String) {
    let is_run = path.first().is_some_and(|command| command.name == "run");
    let all = options_of(path);
    let of = |group: Group| {
        all.iter()
            .filter(move |(of, option)| *of == group && !option.hidden)
    };
    out.push_str("\nOptions:\n");
    for (_, option) in of(Group::Own).chain(of(Group::Common)) {
        one_option(option, out);
    }
    if is_run {
        out.push_str("\nFor a [database] of type = \"mysql\", as for vpi.py:\n");
        of(Group::Database).for_each(|(_, option)| one_option(option, out));
    } else if base_of(path) == Base::Run {
        let names: Vec<&str> = of(Group::Database).map(|(_, option)| option.name).collect();
        let note = format!(
            "Options of `vpid run` for [database] are accepted: {}.",
            names.join(", ")
        );
        let _ = write!(out, "\n{}", prose(&note));
    }
}

fn one_option(option: &Opt, out: &mut String) {
    let short = option
        .short
        .map_or(String::new(), |letter| format!("-{letter}, "));
    row(&format!("{short}{}", named(option)), option.about, out);
}

/// A name, and beside or below it what it is for.
fn row(name: &str, about: &str, out: &mut String) {
    let indent = " ".repeat(NAMES_WIDTH);
    let name = format!("  {name}");
    let begin = match name.chars().count() + 2 <= NAMES_WIDTH {
        true => format!("{name:<NAMES_WIDTH$}"),
        false => {
            let _ = writeln!(out, "{name}");
            indent.clone()
        }
    };
    out.push_str(&wrapped(about, &begin, &indent));
}

fn prose(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| match paragraph.starts_with(' ') {
            true => format!("{paragraph}\n"),
            false => wrapped(paragraph, "", ""),
        });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// Words in lines of 80 columns, with what stands before the first line and the others.
pub(super) fn wrapped(text: &str, first: &str, others: &str) -> String {
    let (mut out, mut line) = (String::new(), first.to_owned());
    let mut is_empty = true;
    for word in text.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let space = usize::from(!is_empty);
        if !is_empty && line.chars().count() + space + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = others.to_owned();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
    out
}

/// A sentence about a command line that is wrong, and where to read on.
pub(super) fn misuse(path: &Path, problem: &str) -> String {
    let name = name_of(path);
    let sentence = wrapped(&format!("{name}: {problem}"), "", "");
    format!("{sentence}See `{name} --help`.")
}

fn of_vpid() -> String {
    let mut out = wrapped(
        "vpid: the daemon beside a Team Fortress 2 server that runs the calls that game scripts write as files",
        "",
        "",
    );
    out += "\nUsage: vpid COMMAND [OPTIONS]\n\nCommands:\n";
    for command in COMMANDS {
        out += &wrapped(
            command.summary,
            &format!("  {:<13}", command.name),
            &" ".repeat(15),
        );
    }
    out += "\n";
    out += &prose(ABOUT);
    out += "\nOptions:\n";
    row(
        "-h, --help",
        "this help, or that of a command: vpid COMMAND --help",
        &mut out,
    );
    row(
        "-V, --version",
        "the version, the commit and the features",
        &mut out,
    );
    out += "\n";
    let codes = EXIT_CODES.map(|(code, meaning)| format!("{code} {meaning}"));
    out += &prose(&format!("Exit codes: {}.", codes.join("; ")));
    out += "\nExample:\n  vpid demo\n";
    out
}

/// What holds for commands in general.
pub(super) const ABOUT: &str = "\
Commands that talk to a running vpid accept the options of run for [database] too, and need only the state_dir of the \
configuration (call: also the servers; bench: all of it). The configuration is the file of --config, else that of \
VPID_CONFIG, else ./vpid.toml, else /etc/vpid/vpid.toml.";

/// What exit codes mean.
pub(super) const EXIT_CODES: [(u8, &str); 4] = [
    (0, "done"),
    (
        1,
        "failed, or check found a problem, or the response to a call was an error",
    ),
    (2, "wrong command line"),
    (3, "the configuration is wrong or missing"),
];
