//! `vpid man`: manual pages, made from the declarations: one of vpid, and one of each command with its subcommands.

use std::fmt::Write;
use std::fs;
use std::path::Path as File;

use jiff::Timestamp;

use super::COMMANDS;
use super::command::{
    Action, Arg, Command, Group, Kind, Number, Opt, Path, all_below, arg, is_leaf, name_of, option,
    options_of,
};
use super::completions;
use super::given::{Given, Stop};
use super::help::{self, argument};
use super::table;

pub(super) const COMMAND: Command = Command {
    name: "man",
    summary: "print the manual page of vpid or of a command, or write all",
    about: "\
Prints a manual page: without a COMMAND, that of vpid itself. A command such as `queue show` stands on the page of \
`queue`. Packages have these pages already.

  vpid man queue | man -l -
  vpid man --write /usr/local/share/man/man1",
    args: &[arg("COMMAND", Kind::Command).number(Number::Any)],
    options: &[option(
        "--write",
        "DIR",
        Kind::Dir,
        "write all pages into this folder instead, as vpid.1, vpid-run.1 and so on",
    )],
    examples: &["vpid man queue"],
    action: Action::Run(run),
    ..Command::NONE
};

fn run(given: Given) -> Result<(), Stop> {
    let path = help::named_by(&given.words)?;
    if let Some(folder) = given.file("--write") {
        if !path.is_empty() {
            return Err(Stop::Usage(
                "--write writes all pages; leave COMMAND out".to_owned(),
            ));
        }
        return Ok(write_all(&folder)?);
    }
    let text = page(path.first().copied());
    Ok(table::print(|out| write!(out, "{text}"))?)
}

fn write_all(folder: &File) -> Result<(), String> {
    let pages = COMMANDS.iter().map(Some);
    for command in [None].into_iter().chain(pages) {
        let path = folder.join(format!("{}.1", title(command)));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, page(command)));
        written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    Ok(())
}

/// `vpid-queue`.
fn title(command: Option<&Command>) -> String {
    command.map_or_else(
        || "vpid".to_owned(),
        |command| format!("vpid-{}", command.name),
    )
}

/// The page of a command, or of vpid.
pub(super) fn page(command: Option<&'static Command>) -> String {
    let title = title(command);
    let (version, date) = (env!("CARGO_PKG_VERSION"), date());
    let summary = command.map_or("the daemon beside a Team Fortress 2 server", |it| {
        it.summary
    });
    let mut out = format!(
        ".TH {} 1 \"{date}\" \"vpid {version}\" \"vpid Manual\"\n.nh\n.ad l\n.SH NAME\n{} \\- {}\n",
        title.to_uppercase(),
        plain(&title),
        plain(summary)
    );
    match command {
        Some(command) => of_command(command, &mut out),
        None => of_vpid(&mut out),
    }
    out
}

/// Releases have the time of their commit, so that two builds are equal.
fn date() -> String {
    let seconds = option_env!("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok());
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or(String::new(), |at| at.strftime("%Y-%m-%d").to_string())
}

fn of_vpid(out: &mut String) {
    out.push_str(".SH SYNOPSIS\n\\fBvpid\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n");
    paragraphs(&format!("{ABOUT}\n\n{}", help::ABOUT), out);
    out.push_str(".SH COMMANDS\n");
    for command in COMMANDS {
        let _ = writeln!(
            out,
            ".TP\n\\fBvpid {}\\fR\n{}; see \\fBvpid\\-{}\\fR(1)",
            plain(command.name),
            plain(command.summary),
            plain(command.name)
        );
    }
    out.push_str(
        ".SH OPTIONS\n.TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nthe help of vpid, or of a command\n",
    );
    out.push_str(
        ".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nthe version, the commit and the features\n",
    );
    ending(out);
    out.push_str(".SH SEE ALSO\n");
    let pages = COMMANDS
        .iter()
        .map(|command| format!("\\fBvpid\\-{}\\fR(1)", plain(command.name)));
    let _ = writeln!(out, "{}", pages.collect::<Vec<_>>().join(",\n"));
}

fn of_command(command: &'static Command, out: &mut String) {
    let path: &Path = &[command];
    let all = all_below(path);
    let leaves: Vec<_> = all.iter().filter(|path| is_leaf(path)).collect();
    out.push_str(".SH SYNOPSIS\n");
    let usages = leaves.iter().flat_map(|leaf| {
        let name = format!("\\fB{}\\fR", plain(&name_of(leaf)));
        let usages = help::usage(leaf).into_iter();
        usages.map(move |usage| format!("{name} {}", plain(&usage)).trim_end().to_owned())
    });
    let _ = writeln!(out, "{}", usages.collect::<Vec<_>>().join("\n.br\n"));
    out.push_str(".SH DESCRIPTION\n");
    match command.about.is_empty() {
        true => paragraphs(command.summary, out),
        false => paragraphs(command.about, out),
    }
    if !is_leaf(path) {
        out.push_str(".SH COMMANDS\n");
        for leaf in leaves {
            subcommand(leaf, command, out);
        }
    }
    out.push_str(".SH OPTIONS\n");
    for option in completions::options(path) {
        one_option(option, out);
    }
    ending(out);
    if !command.examples.is_empty() {
        out.push_str(".SH EXAMPLES\n.nf\n");
        for example in command.examples {
            let _ = writeln!(out, "{}", line(example));
        }
        out.push_str(".fi\n");
    }
    out.push_str(".SH SEE ALSO\n\\fBvpid\\fR(1)\n");
}

fn subcommand(path: &Path, top: &Command, out: &mut String) {
    let Some(command) = path.last() else {
        return;
    };
    let args: Vec<String> = command
        .args
        .iter()
        .map(|arg: &Arg| format!(" {}", argument(arg)))
        .collect();
    let _ = writeln!(
        out,
        ".TP\n\\fB{}\\fR{}",
        plain(&name_of(path)),
        plain(&args.concat())
    );
    let _ = writeln!(out, "{}", marked(command.summary));
    if !command.about.is_empty() {
        let _ = writeln!(out, ".IP\n{}", marked(command.about));
    }
    // Those of the top command stand below, once.
    let own = options_of(path).into_iter().filter(|(group, option)| {
        *group == Group::Own
            && !option.hidden
            && !top.options.iter().any(|it| it.name == option.name)
    });
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        out.push_str(".RS\n");
        own.iter().for_each(|(_, option)| one_option(option, out));
        out.push_str(".RE\n");
    }
}

fn one_option(option: &Opt, out: &mut String) {
    let short = option
        .short
        .map_or(String::new(), |letter| format!("\\fB\\-{letter}\\fR, "));
    let value = option.value.map_or(String::new(), |(name, _)| {
        format!(" \\fI{}\\fR", plain(name))
    });
    let name = plain(option.name);
    let _ = writeln!(
        out,
        ".TP\n{short}\\fB{name}\\fR{value}\n{}",
        marked(option.about)
    );
}

const ABOUT: &str = "\
vpid runs beside a Team Fortress 2 server. Game scripts (VScript) can only write and read files under tf/scriptdata. \
vpid watches that folder, authenticates the calls it finds there, runs them against a database, Python scripts or a \
community, and responds through the same folder.";

fn ending(out: &mut String) {
    out.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in help::EXIT_CODES {
        let _ = writeln!(out, ".TP\n{code}\n{}", marked(meaning));
    }
    out.push_str(".SH ENVIRONMENT\n");
    for (name, meaning) in [
        (
            "VPID_CONFIG",
            "the configuration, where --config is not given",
        ),
        (
            "VPID_LOG",
            "the log level: error, warn, info (the default) or debug; also of parts, as in info,sql=debug",
        ),
        ("NO_COLOR", "with any value but the empty one: no colours"),
    ] {
        let _ = writeln!(out, ".TP\n\\fB{name}\\fR\n{}", marked(meaning));
    }
    out.push_str(".PP\nVariables of the keys are listed in docs/configuration.md.\n");
    out.push_str(".SH FILES\n");
    for (name, meaning) in [
        ("./vpid.toml", "the configuration"),
        (
            "/etc/vpid/vpid.toml",
            "the configuration, where the other one is missing",
        ),
    ] {
        let _ = writeln!(out, ".TP\n\\fI{}\\fR\n{}", plain(name), marked(meaning));
    }
}

fn paragraphs(text: &str, out: &mut String) {
    for (at, paragraph) in text.split("\n\n").enumerate() {
        // None behind a heading.
        if at > 0 {
            out.push_str(".PP\n");
        }
        match paragraph.starts_with(' ') {
            true => {
                let lines: Vec<String> = paragraph.lines().map(line).collect();
                let _ = writeln!(out, ".nf\n{}\n.fi", lines.join("\n"));
            }
            false => drop(writeln!(out, "{}", marked(paragraph))),
        }
    }
}

/// A line that stays as it is.
fn line(text: &str) -> String {
    guarded(plain(text))
}

/// A line that begins so would be a request.
fn guarded(text: String) -> String {
    match text.starts_with('.') {
        true => format!("\\&{text}"),
        false => text,
    }
}

/// Text with names between grave accents, which become bold.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => plain(part),
        _ => format!("\\fB{}\\fR", plain(part)),
    });
    guarded(parts.collect())
}

/// Text with nothing that roff would understand.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '\n' => out.push('\n'),
            c => out.push(c),
        }
    }
    out
}
