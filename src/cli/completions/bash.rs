//! Completions for bash 4.1 and newer.

use std::fmt::Write;

use super::{all, below, options, options_with_values};
use crate::cli::command::{Kind, Number, Opt, name_of};

/// Walks from the first word to the one before the cursor: `path` is the command that they name, `place` counts its
/// arguments. Then come `case`s with what there is at a path.
const BEGIN: &str = r#"# Completions of vpid for bash, made by `vpid completions bash`.

_vpid_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_vpid_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
}

# The commands that can follow these words.
_vpid_below() {
    case $1 in
BELOW
    esac
}

_vpid() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local path=vpid place=0 at word arguments='' options='' commands=''
    COMPREPLY=()
    # bash takes `--option=value` apart.
    if [[ $current == = ]]; then
        current=
    elif [[ $previous == = ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        case $word in
            --)
                # A program and its arguments.
                _vpid_files -c -f
                return
                ;;
            WITH_VALUE)
                at=$((at + 1))
                [[ ${COMP_WORDS[at]} != = ]] || at=$((at + 1))
                continue
                ;;
            -*) continue ;;
        esac
        case "$path $word" in
            PATHS) path="$path $word" ;;
            *)
                place=$((place + 1))
                arguments="$arguments $word"
                ;;
        esac
    done
"#;

const END: &str = r#"    if [[ $current == -* ]]; then
        _vpid_words "$options"
    elif [[ -n $commands ]]; then
        _vpid_words "$commands"
    fi
}

complete -F _vpid vpid
"#;

pub(super) fn script() -> String {
    let paths = all();
    let named = paths.iter().skip(1);
    let names: Vec<String> = named.map(|path| format!("\"{}\"", name_of(path))).collect();
    let begin = BEGIN.replace("WITH_VALUE", &options_with_values().join(" | "));
    let begin = begin.replace("BELOW", &all_below());
    let mut out = begin.replace("PATHS", &names.join(" | \\\n                "));
    out += "    case \"$path $previous\" in\n";
    for path in &paths {
        for option in options(path) {
            value(&name_of(path), option, &mut out);
        }
    }
    out += "    esac\n    case $path in\n";
    for path in &paths {
        let commands: Vec<&str> = below(path).iter().map(|command| command.name).collect();
        let mut words: Vec<String> = Vec::new();
        for option in options(path) {
            words.push(option.name.to_owned());
            words.extend(option.short.map(|letter| format!("-{letter}")));
        }
        if path.is_empty() {
            words = ["--help", "--version"].map(str::to_owned).to_vec();
        }
        let _ = writeln!(
            out,
            "        \"{}\")\n            options=\"{}\"\n            commands=\"{}\"\n            ;;",
            name_of(path),
            words.join(" "),
            commands.join(" ")
        );
    }
    out += "    esac\n    [[ $current == -* ]] || case \"$path $place\" in\n";
    for path in &paths {
        arguments(path, &mut out);
    }
    out += "    esac\n";
    out + END
}

/// Cases of all commands with others below them.
fn all_below() -> String {
    let paths = all().into_iter().filter(|path| !below(path).is_empty());
    let cases = paths.map(|path| {
        let commands: Vec<&str> = below(&path).iter().map(|command| command.name).collect();
        let (name, commands) = (name_of(&path), commands.join(" "));
        format!("        \"{name}\") _vpid_words \"{commands}\" ;;")
    });
    cases.collect::<Vec<_>>().join("\n")
}

/// What can stand behind an option.
fn value(path: &str, option: &Opt, out: &mut String) {
    let Some((_, kind)) = option.value else {
        return;
    };
    let short = option
        .short
        .map(|letter| format!(" | \"{path} -{letter}\""));
    let _ = writeln!(
        out,
        "        \"{path} {}\"{})\n            {}\n            return\n            ;;",
        option.name,
        short.unwrap_or_default(),
        action(kind).unwrap_or(":".to_owned())
    );
}

fn arguments(path: &crate::cli::command::Path, out: &mut String) {
    let args = path.last().map_or(&[][..], |last| last.args);
    for (place, arg) in args.iter().enumerate() {
        let Some(action) = action(arg.kind) else {
            continue;
        };
        let pattern = match arg.number {
            Number::One | Number::OneOrNone => format!("\"{} {place}\"", name_of(path)),
            Number::OneOrMore | Number::Any => format!("\"{} \"*", name_of(path)),
        };
        let _ = writeln!(out, "        {pattern}) {action} ;;");
    }
}

/// None where nothing is known.
fn action(kind: Kind) -> Option<String> {
    match kind {
        Kind::Text | Kind::Count(_) | Kind::Number | Kind::Seconds => None,
        Kind::Command => Some("_vpid_below \"vpid$arguments\"".to_owned()),
        Kind::File => Some("_vpid_files -f".to_owned()),
        Kind::Dir => Some("_vpid_files -d".to_owned()),
        Kind::Words(words) => Some(format!("_vpid_words \"{}\"", words.join(" "))),
    }
}
