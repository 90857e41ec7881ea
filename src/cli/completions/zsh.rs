//! Completions for zsh: a function for each command, which describes it to `_arguments`.

use std::fmt::Write;

use super::{all, below, names, options};
use crate::cli::command::{Arg, Kind, Number, Opt, Path, all_below, name_of};

pub(super) fn script() -> String {
    let mut out = "#compdef vpid\n# Completions of vpid for zsh, made by `vpid completions zsh`.\n"
        .to_owned();
    for path in all().iter().rev() {
        match below(path) {
            [] => command(path, &mut out),
            _ => group(path, &mut out),
        }
    }
    // The file is the function while it is loaded the first time; later it is sourced or called.
    out + "\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n    _vpid \"$@\"\nelse\n    compdef _vpid vpid\nfi\n"
}

/// `_vpid_queue_show`.
fn function(path: &Path) -> String {
    format!("_{}", name_of(path).replace([' ', '-'], "_"))
}

fn group(path: &Path, out: &mut String) {
    let _ = write!(
        out,
        "\n{}() {{\n    local line state\n    local -a commands\n    _arguments -C -s -S \\\n",
        function(path)
    );
    write_options(options_from(path), out);
    if path.is_empty() {
        let _ = writeln!(out, "        '(- *)'{{-h,--help}}'[the help of vpid]' \\");
        let _ = writeln!(out, "        '(- *)'{{-V,--version}}'[the version]' \\");
    }
    out.push_str("        '1: :->command' \\\n        '*:: :->rest'\n");
    out.push_str("    case $state in\n        command)\n            commands=(\n");
    for command in below(path) {
        let about = quoted(&command.summary.replace(':', "\\:"));
        let _ = writeln!(out, "                '{}:{about}'", command.name);
    }
    out.push_str(
        "            )\n            _describe -t commands command commands\n            ;;\n",
    );
    out.push_str("        rest)\n            case $line[1] in\n");
    for command in below(path) {
        let function = function(&[path, &[command]].concat());
        let _ = writeln!(out, "                {}) {function} ;;", command.name);
    }
    out.push_str("            esac\n            ;;\n    esac\n}\n");
}

fn command(path: &Path, out: &mut String) {
    let _ = write!(out, "\n{}() {{\n    _arguments -s -S \\\n", function(path));
    write_options(options(path), out);
    let args = path.last().map_or(&[][..], |last| last.args);
    for (at, arg) in args.iter().enumerate() {
        let _ = writeln!(out, "        '{}' \\", argument(at + 1, arg));
    }
    out.push_str("        && return 0\n}\n");
}

/// Of a command and of all below it, which can stand before the name of one.
fn options_from(path: &Path) -> Vec<&'static Opt> {
    let mut known = options(path);
    let below = if path.is_empty() {
        Vec::new()
    } else {
        all_below(path)
    };
    for option in below.iter().flat_map(|path| options(path)) {
        if !known.iter().any(|it| it.name == option.name) {
            known.push(option);
        }
    }
    known
}

fn write_options(options: Vec<&Opt>, out: &mut String) {
    for option in options {
        for spec in specs(option) {
            let _ = writeln!(out, "        {spec} \\");
        }
    }
}

/// `'*--grant=[...]:RIGHT:(...)'`, once for each spelling.
fn specs(option: &Opt) -> Vec<String> {
    let value = option.value.map_or(String::new(), |(name, kind)| {
        format!(":{}:{}", escaped(name), action(kind))
    });
    let about = escaped(option.about);
    let short = option.short.map(|letter| format!("-{letter}"));
    let both: Vec<&str> = [option.name].into_iter().chain(short.as_deref()).collect();
    // One that was given is not offered again, whatever its spelling.
    let before = match option.repeats {
        true => "*".to_owned(),
        false => format!("({})", both.join(" ")),
    };
    let all = both.iter().map(|name| {
        let sign = match (option.value.is_some(), name.starts_with("--")) {
            (false, _) => "",
            (true, true) => "=",
            (true, false) => "+",
        };
        format!("'{before}{name}{sign}[{about}]{value}'")
    });
    all.collect()
}

fn argument(place: usize, arg: &Arg) -> String {
    let (name, action) = (escaped(arg.name), action(arg.kind));
    match arg.number {
        Number::One => format!("{place}:{name}:{action}"),
        Number::OneOrNone => format!("{place}::{name}:{action}"),
        Number::OneOrMore | Number::Any => format!("*:{name}:{action}"),
    }
}

fn action(kind: Kind) -> String {
    match kind {
        // A message, and nothing to choose from.
        Kind::Text | Kind::Count(_) | Kind::Number | Kind::Seconds => " ".to_owned(),
        Kind::Command => format!("({})", names().join(" ")),
        Kind::File => "_files".to_owned(),
        Kind::Dir => "_files -/".to_owned(),
        Kind::Words(words) => format!("({})", words.join(" ")),
    }
}

/// For `_arguments`, within single quotes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '[' | ']' | ':' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    quoted(&out)
}

fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}
