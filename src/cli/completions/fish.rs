//! Completions for fish: a condition for each command, with what there is if it holds.

use std::fmt::Write;

use super::{all, below, names, options, options_with_values};
use crate::cli::command::{Kind, Opt, Path, name_of};

const BEGIN: &str = r#"# Completions of vpid for fish, made by `vpid completions fish`.

set -g __vpid_paths PATHS

# Whether the words before the cursor name this command.
function __vpid_is
    set -l path vpid
    set -l is_value 0
    for word in (commandline -opc)[2..-1]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case WITH_VALUE
                set is_value 1
            case '-*'
            case '*'
                if contains -- "$path $word" $__vpid_paths
                    set path "$path $word"
                end
        end
    end
    test "$path" = "$argv"
end

complete -c vpid -f
complete -c vpid -n '__vpid_is vpid' -s h -l help -d 'the help of vpid'
complete -c vpid -n '__vpid_is vpid' -s V -l version -d 'the version'
"#;

pub(super) fn script() -> String {
    let paths = all();
    let names = paths
        .iter()
        .skip(1)
        .map(|path| format!("'{}'", name_of(path)));
    let names: Vec<String> = names.collect();
    let begin = BEGIN.replace("WITH_VALUE", &options_with_values().join(" "));
    let mut out = begin.replace("PATHS", &names.join(" \\\n    "));
    for path in &paths {
        of(path, &mut out);
    }
    out
}

fn of(path: &Path, out: &mut String) {
    let begin = format!("complete -c vpid -n '__vpid_is {}'", name_of(path));
    for command in below(path) {
        let _ = writeln!(
            out,
            "{begin} -a {} -d '{}'",
            command.name,
            quoted(command.summary)
        );
    }
    for option in options(path) {
        let _ = writeln!(out, "{begin} {}", spec(option));
    }
    for arg in path.last().map_or(&[][..], |last| last.args) {
        match arg.kind {
            Kind::File => drop(writeln!(out, "{begin} -F")),
            Kind::Command => drop(writeln!(out, "{begin} -a '{}'", names().join(" "))),
            Kind::Dir => drop(writeln!(out, "{begin} -a '(__fish_complete_directories)'")),
            Kind::Words(words) => drop(writeln!(out, "{begin} -a '{}'", words.join(" "))),
            Kind::Text | Kind::Count(_) | Kind::Number | Kind::Seconds => {}
        }
    }
}

fn spec(option: &Opt) -> String {
    let short = option
        .short
        .map_or(String::new(), |letter| format!("-s {letter} "));
    let long = option.name.trim_start_matches('-');
    let value = match option.value {
        None => String::new(),
        Some((_, Kind::File)) => "-r -F ".to_owned(),
        Some((_, Kind::Dir)) => "-x -a '(__fish_complete_directories)' ".to_owned(),
        Some((_, Kind::Words(words))) => format!("-x -a '{}' ", words.join(" ")),
        Some((_, Kind::Command)) => format!("-x -a '{}' ", names().join(" ")),
        Some((_, Kind::Text | Kind::Count(_) | Kind::Number | Kind::Seconds)) => "-x ".to_owned(),
    };
    format!("{short}-l {long} {value}-d '{}'", quoted(option.about))
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
