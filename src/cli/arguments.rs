//! From the words of a command line to the command that it names, with its arguments and options, all checked
//! against the declarations.

use std::ffi::{OsStr, OsString};

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use super::command::{
    Action, Arg, Base, Command, Group, Kind, Number, Opt, Path, all_below, base_of, find, is_leaf,
    meant, name_of, options_of,
};
use super::given::{Given, Stop};
use super::help;
use crate::config::nearest;

/// What a command line names: filled as far as it was understood, for the sentence about what was not.
pub(super) type Named = Vec<&'static Command>;

/// What is carried out.
pub(super) type Run = fn(Given) -> Result<(), Stop>;

/// Reads what stands behind `vpid`.
pub(super) fn read(
    commands: &'static [Command],
    words: Vec<OsString>,
    named: &mut Named,
) -> Result<(Run, Given), Stop> {
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_default();
    named.push(find(commands, &name)?);
    let has_database = all_below(named)
        .iter()
        .any(|path| base_of(path) == Base::Run);
    let mut is_text = false;
    let words = words.map(|word| {
        is_text |= word == "--";
        match has_database && !is_text {
            true => stock_spelling(word),
            false => word,
        }
    });
    let mut reader = Reader {
        parser: lexopt::Parser::from_args(words.collect::<Vec<OsString>>()),
        named,
        words: Vec::new(),
        options: Vec::new(),
    };
    reader.read()?;
    reader.finish()
}

/// `-db NAME`, as the stock server has it, is no short option to us.
fn stock_spelling(word: OsString) -> OsString {
    match word.to_str() {
        Some("-db") => "--database".into(),
        Some(text) if text.starts_with("-db=") => text.replacen("-db", "--database", 1).into(),
        _ => word,
    }
}

struct Reader<'a> {
    parser: lexopt::Parser,
    named: &'a mut Named,
    words: Vec<OsString>,
    /// Each as the command line has it.
    options: Vec<(String, OsString)>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Stop> {
        while let Some(argument) = self.parser.next()? {
            let option = match argument {
                Short('h') | Long("help") => return Err(Stop::Help(help::of(self.named))),
                Value(word) => {
                    match self.below() {
                        [] => self.words.push(word),
                        commands => self.named.push(find(commands, &word)?),
                    }
                    continue;
                }
                Long(name) => format!("--{name}"),
                Short(letter) => format!("-{letter}"),
            };
            let value = match self.value_of(&option)? {
                Some(name) => self.parser.value().map_err(|error| match error {
                    lexopt::Error::MissingValue { .. } => {
                        Stop::Usage(format!("{name} is missing behind {option}"))
                    }
                    other => other.into(),
                })?,
                None => OsString::new(),
            };
            self.options.push((option, value));
        }
        Ok(())
    }

    fn below(&self) -> &'static [Command] {
        self.named.last().map_or(&[], |last| last.commands())
    }

    /// What its value is called, if it takes one.
    ///
    /// By the declaration; where the subcommand was not named yet, by that of any: a test holds them equal.
    fn value_of(&self, given: &str) -> Result<Option<&'static str>, Stop> {
        let all = all_below(self.named);
        let options = all.iter().flat_map(|path| options_of(path));
        let found = options
            .map(|(_, option)| option)
            .find(|option| option.is(given));
        found
            .map(|option| option.value.map(|(name, _)| name))
            .ok_or_else(|| self.unknown(given))
    }

    /// The sentence about an option that the command does not have.
    fn unknown(&self, given: &str) -> Stop {
        let others = all_below(&self.named[..1]);
        let mut others = others.iter().filter(|path| {
            let is_own = |(group, option): &(Group, &Opt)| *group == Group::Own && option.is(given);
            is_leaf(path) && options_of(path).iter().any(is_own)
        });
        if let Some(other) = others.next() {
            let (here, other) = (name_of(self.named), name_of(other));
            return Stop::Usage(format!(
                "{given} has no effect on `{here}`; it is an option of `{other}`"
            ));
        }
        let known = options_of(self.named);
        let known: Vec<&str> = known
            .iter()
            .filter(|(_, option)| !option.hidden)
            .map(|(_, option)| option.name)
            .collect();
        let all = format!("there are {}", known.join(", "));
        Stop::Usage(format!(
            "there is no option {given}; {}",
            meant(given, &known, &all)
        ))
    }

    fn finish(self) -> Result<(Run, Given), Stop> {
        let run = match self.named.last().map(|last| last.action) {
            Some(Action::Run(run)) => run,
            _ => {
                return Err(
                    find(self.below(), OsStr::new("")).map_or_else(|stop| stop, |_| Stop::Reported)
                );
            }
        };
        let mut given = Given {
            words: words(self.named, &self.words)?,
            declared: declared(self.named),
            ..Given::default()
        };
        let known = options_of(self.named);
        for (name, value) in &self.options {
            let found = known.iter().find(|(_, option)| option.is(name));
            let Some((group, option)) = found else {
                return Err(self.unknown(name));
            };
            if let Some((_, kind)) = option.value {
                check(option.name, kind, value)?;
            }
            match (group, option.name) {
                (Group::Database, name) => {
                    drop(given.database.insert(name, value.clone().string()?))
                }
                (_, "--config") => given.path = Some(value.into()),
                (_, name) => given.options.push((name, value.clone())),
            }
        }
        let missing = known.iter().find_map(|(_, option)| {
            let example = option.required?;
            (!given.has(option.name)).then_some((option.name, example))
        });
        match missing {
            Some((name, example)) => Err(Stop::Usage(format!(
                "{name} is missing, such as {name} {example}"
            ))),
            None => Ok((run, given)),
        }
    }
}

/// All options of the top command and its subcommands.
fn declared(named: &Path) -> Vec<&'static str> {
    let all = all_below(&named[..1]);
    let options = all.iter().flat_map(|path| options_of(path));
    options.map(|(_, option)| option.name).collect()
}

/// The arguments, if there are as many as declared.
fn words(named: &Path, words: &[OsString]) -> Result<Vec<String>, Stop> {
    let args = named.last().map_or(&[][..], |last| last.args);
    let least = args
        .iter()
        .filter(|arg| matches!(arg.number, Number::One | Number::OneOrMore));
    let least = least.count();
    if let Some(missing) = args.get(words.len()).filter(|_| words.len() < least) {
        return Err(Stop::Usage(format!("{} is missing", missing.name)));
    }
    let last = args.last();
    let repeats = last.is_some_and(|arg| matches!(arg.number, Number::OneOrMore | Number::Any));
    if let Some(more) = words.get(args.len()).filter(|_| !repeats) {
        let hint = match args {
            [] => "it takes options alone",
            _ => "a text with spaces needs quotation marks",
        };
        return Err(Stop::Usage(format!("unexpected argument {more:?}; {hint}")));
    }
    let arg = |at: usize| args.get(at).or(last);
    let checked = words.iter().enumerate().map(|(at, word)| {
        if let Some(Arg { name, kind, .. }) = arg(at) {
            check(name, *kind, word)?;
        }
        Ok(word.clone().string()?)
    });
    checked.collect()
}

/// Whether a value is what its declaration wants.
///
/// Errors: a sentence.
fn check(name: &str, kind: Kind, value: &OsStr) -> Result<(), Stop> {
    if matches!(kind, Kind::File | Kind::Dir) {
        return Ok(());
    }
    let text = value.to_owned().string()?;
    let wanted = match kind {
        Kind::Words(words) if !words.contains(&text.as_str()) => {
            let near = nearest(&text, words)
                .map_or(String::new(), |near| format!("; did you mean {near}?"));
            let words = words.join(", ");
            return Err(Stop::Usage(format!(
                "{name} must be one of {words}, not {text:?}{near}"
            )));
        }
        Kind::Count(max)
            if !text
                .parse::<usize>()
                .is_ok_and(|count| (1..=max).contains(&count)) =>
        {
            format!("a whole number from 1 to {max}")
        }
        Kind::Number if text.parse::<i64>().is_err() => "a whole number".to_owned(),
        Kind::Seconds if !text.parse::<f64>().is_ok_and(|it| it > 0.0 && it <= 3600.0) => {
            "a number of seconds up to 3600".to_owned()
        }
        _ => return Ok(()),
    };
    Err(Stop::Usage(format!(
        "{name} must be {wanted}, not {text:?}"
    )))
}
