//! What a command line can be, declared as data: commands, their subcommands, arguments and options.
//!
//! Parsing, help, completions and man pages are all made from these declarations. So an option that is parsed is in
//! all of them, and one that is not declared does not exist.

use std::ffi::OsStr;

use super::given::{Given, Stop};
use crate::config::nearest;

/// A command, or a subcommand. Those with subcommands do nothing themselves.
#[derive(Clone, Copy)]
pub(super) struct Command {
    pub name: &'static str,
    /// A line for lists: what it does, in lower case, without a full stop.
    pub summary: &'static str,
    /// Paragraphs with an empty line between them. One that begins with a space stays as it is.
    pub about: &'static str,
    /// Instead of the line that follows from arguments and options: what stands after the command's name.
    pub usage: &'static [&'static str],
    pub args: &'static [Arg],
    /// Of a command with subcommands: options of all of these.
    pub options: &'static [Opt],
    pub base: Base,
    /// Whole command lines.
    pub examples: &'static [&'static str],
    pub action: Action,
}

#[derive(Clone, Copy)]
pub(super) enum Action {
    Run(fn(Given) -> Result<(), Stop>),
    Commands(&'static [Command]),
}

/// Which options a command has besides its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// Those of the command that it is a subcommand of.
    Same,
    Nothing,
    /// `--config`.
    Config,
    /// `--config` and those of `run` for `[database]`, so that a command takes what vpid was started with.
    Run,
}

/// What stands on a command line without being an option.
#[derive(Clone, Copy)]
pub(super) struct Arg {
    pub name: &'static str,
    pub kind: Kind,
    pub number: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    One,
    OneOrNone,
    /// The last argument only.
    OneOrMore,
    /// The last argument only.
    Any,
}

#[derive(Clone, Copy)]
pub(super) struct Opt {
    /// `--json`.
    pub name: &'static str,
    /// `f` of `-f`.
    pub short: Option<char>,
    /// The name of its value, and what that can be; none for a switch.
    pub value: Option<(&'static str, Kind)>,
    /// A line or a few, in lower case, without a full stop.
    pub about: &'static str,
    /// One that must be given has an example of its value.
    pub required: Option<&'static str>,
    /// Every value counts, and not only the last one.
    pub repeats: bool,
    /// For vpid itself: in no completion.
    pub hidden: bool,
}

/// What a value can be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    File,
    Dir,
    /// The name of a command.
    Command,
    /// One of these.
    Words(&'static [&'static str]),
    /// A whole number from 1 to this.
    Count(usize),
    /// A whole number.
    Number,
    /// Above 0 and up to an hour.
    Seconds,
}

impl Command {
    /// For `..Command::NONE`.
    pub const NONE: Self = Self {
        name: "",
        summary: "",
        about: "",
        usage: &[],
        args: &[],
        options: &[],
        base: Base::Same,
        examples: &[],
        action: Action::Commands(&[]),
    };

    /// A subcommand without options of its own.
    pub const fn sub(
        name: &'static str,
        args: &'static [Arg],
        summary: &'static str,
        run: fn(Given) -> Result<(), Stop>,
    ) -> Self {
        Self {
            name,
            args,
            summary,
            action: Action::Run(run),
            ..Self::NONE
        }
    }

    pub const fn options(self, options: &'static [Opt]) -> Self {
        Self { options, ..self }
    }

    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    pub const fn base(self, base: Base) -> Self {
        Self { base, ..self }
    }

    /// None where it is carried out itself.
    pub const fn commands(&self) -> &'static [Command] {
        match self.action {
            Action::Commands(commands) => commands,
            Action::Run(_) => &[],
        }
    }
}

pub(super) const fn arg(name: &'static str, kind: Kind) -> Arg {
    Arg {
        name,
        kind,
        number: Number::One,
    }
}

/// An argument that is a text.
pub(super) const fn text(name: &'static str) -> Arg {
    arg(name, Kind::Text)
}

impl Arg {
    pub const fn optional(self) -> Self {
        Self {
            number: Number::OneOrNone,
            ..self
        }
    }

    pub const fn number(self, number: Number) -> Self {
        Self { number, ..self }
    }
}

/// An option without a value.
pub(super) const fn switch(name: &'static str, about: &'static str) -> Opt {
    Opt {
        name,
        short: None,
        value: None,
        about,
        required: None,
        repeats: false,
        hidden: false,
    }
}

pub(super) const fn option(
    name: &'static str,
    value: &'static str,
    kind: Kind,
    about: &'static str,
) -> Opt {
    Opt {
        value: Some((value, kind)),
        ..switch(name, about)
    }
}

impl Opt {
    pub const fn short(self, letter: char) -> Self {
        Self {
            short: Some(letter),
            ..self
        }
    }

    /// With an example of its value.
    pub const fn required(self, example: &'static str) -> Self {
        Self {
            required: Some(example),
            ..self
        }
    }

    pub const fn repeated(self) -> Self {
        Self {
            repeats: true,
            ..self
        }
    }

    pub const fn hidden(self) -> Self {
        Self {
            hidden: true,
            ..self
        }
    }

    /// Whether a command line means this one: `--json`, or `-f`.
    pub fn is(&self, given: &str) -> bool {
        let mut letters = given.strip_prefix('-').unwrap_or_default().chars();
        given == self.name
            || (self.short.is_some() && letters.next() == self.short && letters.next().is_none())
    }
}

/// What is printed is for programs.
pub(super) const JSON: Opt = switch("--json", "print JSON, for programs");

const CONFIG: Opt = option(
    "--config",
    "FILE",
    Kind::File,
    "the configuration (default: VPID_CONFIG, ./vpid.toml, or /etc/vpid/vpid.toml)",
);

/// Of every command.
pub(super) const COMMON: &[Opt] = &[
    option(
        "--color",
        "WHEN",
        Kind::Words(&["auto", "always", "never"]),
        "colours: on terminals (auto), always, or never; NO_COLOR means never",
    ),
    switch("--help", "this help").short('h'),
];

/// Of `run`, for `[database]`. The stock server's `-db` is known to the parser.
pub(super) const DATABASE: &[Opt] = &[
    option(
        "--host",
        "HOST",
        Kind::Text,
        "address of the server, instead of VPI_HOST or host",
    ),
    option("--port", "PORT", Kind::Text, "instead of VPI_PORT or port").short('p'),
    option(
        "--user",
        "USER",
        Kind::Text,
        "the user to log in as, instead of VPI_USER or user",
    )
    .short('u'),
    option(
        "--database",
        "NAME",
        Kind::Text,
        "the database on it, instead of VPI_INTERFACE or database; also -db NAME",
    )
    .short('d'),
    option(
        "--password",
        "TEXT",
        Kind::Text,
        "instead of VPI_PASSWORD, password or password_file; other users of this machine can see it",
    ),
];

/// A command of a list by its name.
///
/// Errors: a sentence with the command that may be meant, else with all of them.
pub(super) fn find(commands: &'static [Command], name: &OsStr) -> Result<&'static Command, Stop> {
    if let Some(found) = commands.iter().find(|command| name == command.name) {
        return Ok(found);
    }
    let names: Vec<&str> = commands.iter().map(|command| command.name).collect();
    let all = format!("there are {}", names.join(", "));
    Err(Stop::Usage(match name.to_string_lossy() {
        none if none.is_empty() => format!("a command is missing; {all}"),
        name => format!(
            "there is no command {name:?}; {}",
            meant(&name, &names, &all)
        ),
    }))
}

/// The advice about a wrong name.
pub(super) fn meant(name: &str, known: &[&str], otherwise: &str) -> String {
    nearest(name, known).map_or_else(
        || otherwise.to_owned(),
        |near| format!("did you mean {near}?"),
    )
}

/// Commands from the top one to a subcommand of it, and so on: what a command line names.
pub(super) type Path = [&'static Command];

/// Whether it is carried out itself.
pub(super) fn is_leaf(path: &Path) -> bool {
    path.last().is_some_and(|last| last.commands().is_empty())
}

/// `vpid queue show`.
pub(super) fn name_of(path: &Path) -> String {
    let names = path.iter().map(|command| command.name);
    ["vpid"]
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Where a command stands in the list of its options, in the order in which help has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Own,
    /// Of `run`, for the database.
    Database,
    Common,
}

pub(super) fn base_of(path: &Path) -> Base {
    let bases = path.iter().rev().map(|command| command.base);
    bases
        .into_iter()
        .find(|base| *base != Base::Same)
        .unwrap_or(Base::Nothing)
}

/// All options of a command, those in front first: where two have one name, the first counts.
pub(super) fn options_of(path: &Path) -> Vec<(Group, &'static Opt)> {
    let own = path.iter().rev().flat_map(|command| command.options);
    let own = own.map(|option| (Group::Own, option));
    let base = base_of(path);
    // One of another subcommand must not mean something else here.
    let below = all_below(&path[..path.len().min(1)]);
    let is_own = |name: &str| {
        let mut commands = below.iter().filter_map(|path| path.last());
        commands.any(|command| command.options.iter().any(|option| option.name == name))
    };
    let database = DATABASE
        .iter()
        .filter(|option| base == Base::Run && !is_own(option.name));
    let database = database.map(|option| (Group::Database, option));
    let config = [&CONFIG].into_iter().filter(|_| base != Base::Nothing);
    let common = config.chain(COMMON).map(|option| (Group::Common, option));
    let mut all: Vec<(Group, &'static Opt)> = Vec::new();
    for (group, option) in own.chain(database).chain(common) {
        if !all.iter().any(|(_, known)| known.name == option.name) {
            all.push((group, option));
        }
    }
    all
}

/// A command and all below it, each with its path.
pub(super) fn all_below(path: &Path) -> Vec<Vec<&'static Command>> {
    let mut all = vec![path.to_vec()];
    for command in path.last().map_or(&[][..], |last| last.commands()) {
        all.extend(all_below(&[path, &[command]].concat()));
    }
    all
}
