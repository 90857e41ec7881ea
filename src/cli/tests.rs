//! The declarations: what follows from them is whole, and every command line of the manual is one that they allow.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::command::{Number, all_below, name_of, options_of};
use super::given::Given;
use super::*;

/// What stands behind `vpid` on a command line.
fn parsed(words: &[&str]) -> Result<Given, String> {
    let mut named = Named::new();
    let words = words.iter().map(OsString::from).collect();
    match arguments::read(COMMANDS, words, &mut named) {
        Ok((_, given)) => Ok(given),
        Err(Stop::Help(text)) => Err(text),
        Err(Stop::Usage(problem)) => Err(help::misuse(&named, &problem)),
        Err(_) => Err("another end".to_owned()),
    }
}

fn every_command() -> Vec<Vec<&'static Command>> {
    COMMANDS
        .iter()
        .flat_map(|command| all_below(&[command]))
        .collect()
}

/// The words of a command line of a shell; empty where the rest of it is a comment, or another command.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(sign)) if c == sign => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            ('#' | '|' | '>' | ';' | '&', None) if word.is_none() => return words,
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn no_line_of_help_is_longer_than_80_columns() {
    let vpid = [Vec::new()];
    for path in vpid.into_iter().chain(every_command()) {
        let text = help::of(&path);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", name_of(&path));
            assert_eq!(line, line.trim_end(), "{}", name_of(&path));
        }
        assert!(!text.contains("\n\n\n"), "{text}");
        let usage = text
            .lines()
            .filter(|line| line.starts_with("Usage") || line.starts_with("       "));
        let is_whole = |line: &str| line.matches('[').count() == line.matches(']').count();
        let mut usage = usage.take_while(|line| !line.starts_with("                "));
        assert!(usage.all(is_whole), "{text}");
    }
    for words in [
        &["queue", "lst"][..],
        &["run", "--instal-script"],
        &["community", "group", "add", "x", "--grant", "y"],
    ] {
        let text = parsed(words).err().unwrap_or_default();
        assert!(
            !text.is_empty() && text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }
}

#[test]
fn the_manual_says_what_each_command_prints_for_programs() {
    let manual = include_str!("../../docs/operations.md");
    for path in every_command() {
        let prints_json = options_of(&path).iter().any(|(_, it)| it.name == "--json");
        let name = name_of(&path);
        // All of a community have one row.
        let row = match name.starts_with("vpid community ") {
            true => "vpid community",
            false => &name,
        };
        assert!(
            !prints_json || manual.contains(&format!("\n| `{row}` | ")),
            "{name} has no row in docs/operations.md"
        );
    }
}

#[test]
fn declarations_are_whole() {
    let mut takes_value = BTreeMap::new();
    for path in every_command() {
        let (name, command) = (name_of(&path), path[path.len() - 1]);
        assert!(
            !command.summary.is_empty() && !command.summary.ends_with('.'),
            "{name}"
        );
        assert!(
            path.len() > 1 || !command.examples.is_empty(),
            "{name} has no example"
        );
        let (last, others) = command
            .args
            .split_last()
            .map_or((None, &[][..]), |(last, others)| (Some(last), others));
        assert!(others.iter().all(|arg| arg.number == Number::One), "{name}");
        assert!(last.is_none() || command.commands().is_empty(), "{name}");
        for (_, option) in options_of(&path) {
            assert!(
                option.name.starts_with("--") && !option.about.is_empty(),
                "{name}"
            );
            assert!(!option.about.ends_with('.'), "{name}: {}", option.name);
            assert!(
                option.required.is_none() || option.value.is_some(),
                "{name}"
            );
            // Completions and options in front of a subcommand rely on it.
            let known = takes_value
                .entry(option.name)
                .or_insert(option.value.is_some());
            assert_eq!(*known, option.value.is_some(), "{name}: {}", option.name);
        }
        let text = help::of(&path);
        let named = |option: &command::Opt| option.hidden || text.contains(option.name);
        assert!(
            options_of(&path).iter().all(|(_, option)| named(option)),
            "{text}"
        );
        for example in command.examples {
            let words = words(example);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let problem = parsed(&words[1..]).err();
            assert_eq!(problem, None, "{example}");
        }
    }
}

/// Command lines, and how the sentences about them begin.
const WRONG: &[(&str, &str)] = &[
    (
        "serve",
        "vpid: there is no command \"serve\"; did you mean service?",
    ),
    (
        "chek",
        "vpid: there is no command \"chek\"; did you mean check?",
    ),
    ("", "vpid: a command is missing; there are run, reload,"),
    (
        "queue",
        "vpid queue: a command is missing; there are list, show, retry, drop",
    ),
    (
        "queue lst",
        "vpid queue: there is no command \"lst\"; did you mean list?",
    ),
    ("queue show", "vpid queue show: ID is missing"),
    (
        "queue list all",
        "vpid queue list: unexpected argument \"all\"; it takes options alone",
    ),
    (
        "queue show 1 2",
        "vpid queue show: unexpected argument \"2\"; a text with spaces needs quotation marks",
    ),
    (
        "queue list --jsn",
        "vpid queue list: there is no option --jsn; did you mean --json?",
    ),
    (
        "queue list --x",
        "vpid queue list: there is no option --x; there are --json, --host,",
    ),
    (
        "queue list --json=1",
        "vpid queue list: unexpected argument for option '--json': \"1\"",
    ),
    (
        "queue list --config",
        "vpid queue list: FILE is missing behind --config",
    ),
    (
        "game list --host red",
        "vpid game list: --host has no effect on `vpid game list`; it is an option of `vpid game watch`",
    ),
    (
        "game --host red list",
        "vpid game list: --host has no effect on `vpid game list`",
    ),
    (
        "bench --work selct",
        "vpid bench: --work must be one of select, insert, echo, not \"selct\"; did you mean select?",
    ),
    (
        "bench --hosts 0",
        "vpid bench: --hosts must be a whole number from 1 to 256, not \"0\"",
    ),
    (
        "call VPI_Ping --timeout soon",
        "vpid call: --timeout must be a number of seconds up to 3600, not \"soon\"",
    ),
    (
        "community ban add Bob",
        "vpid community ban add: --reason is missing, such as --reason \"aimbot\"",
    ),
    (
        "community bann",
        "vpid community: there is no command \"bann\"; did you mean ban?",
    ),
    (
        "script level stats loud",
        "vpid script level: LEVEL must be one of critical, error,",
    ),
    (
        "completions ksh",
        "vpid completions: SHELL must be one of bash, zsh, fish, not \"ksh\"; did you mean zsh?",
    ),
    (
        "demo --config x",
        "vpid demo: there is no option --config; there are --color, --help",
    ),
];

#[test]
fn a_wrong_command_line_is_answered_with_what_may_be_meant() {
    for (line, problem) in WRONG {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = parsed(&words).err().unwrap_or_default();
        let one_line = text.replace('\n', " ");
        assert!(one_line.starts_with(problem), "{line}: {text}");
        let (name, _) = problem.split_once(':').unwrap_or_default();
        assert!(
            text.ends_with(&format!("\nSee `{name} --help`.")),
            "{line}: {text}"
        );
    }
}

#[test]
fn arguments_and_options_arrive_wherever_they_stand() {
    let given = parsed(&[
        "game",
        "--host",
        "red",
        "say",
        "--keep",
        "Hello, you",
        "--where=center",
    ])
    .unwrap();
    assert_eq!(given.words, ["Hello, you"]);
    assert_eq!(
        (given.text("--host"), given.text("--where")),
        (Some("red"), Some("center"))
    );
    assert!(given.has("--keep") && !given.has("--to"));
    let given = parsed(&["check", "-db", "interface", "--config", "/x"]).unwrap();
    assert_eq!(
        given.environment()("--database").as_deref(),
        Some("interface")
    );
    assert_eq!(given.path, Some(PathBuf::from("/x")));
    let given = parsed(&["run", "--exec", "--", "./srcds_run", "-db", "--help"]).unwrap();
    assert_eq!(given.words, ["./srcds_run", "-db", "--help"]);
    let given = parsed(&[
        "community",
        "ban",
        "add",
        "-d",
        "x",
        "Bob",
        "--reason",
        "a",
        "--reason",
        "b",
    ]);
    assert!(
        given.is_err(),
        "the database of a community has no short option"
    );
    let given = parsed(&["script", "log", "-f", "stats"]).unwrap();
    assert!(given.has("--follow"));
}

#[test]
#[should_panic = "is not declared"]
fn an_option_that_was_not_declared_cannot_be_read() {
    let given = parsed(&["queue", "list"]).unwrap();
    given.has("--jsn");
}

#[test]
fn help_of_a_command_is_the_same_however_it_is_requested() {
    for path in every_command() {
        let name = name_of(&path);
        let words: Vec<&str> = name.split(' ').skip(1).collect();
        let asked = parsed(&[&words[..], &["--help"]].concat()).err().unwrap();
        assert_eq!(asked, help::of(&path), "{name}");
        let given = parsed(&[&["help"], &words[..]].concat()).unwrap();
        let command::Action::Run(run) = help::COMMAND.action else {
            panic!("help is carried out");
        };
        assert!(
            matches!(run(given), Err(Stop::Help(text)) if text == asked),
            "{name}"
        );
    }
}

const PAGE: &str = "docs/commands.md";
const BEGIN: &str = "<!-- made of the help texts -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn the_manual_has_the_help_of_every_command() {
    let mut made = String::from("\n| command | what it does |\n| --- | --- |\n");
    for Command { name, summary, .. } in COMMANDS {
        made += &format!("| [`vpid {name}`](#vpid-{name}) | {summary} |\n");
    }
    for path in every_command() {
        let level = "#".repeat((path.len() + 2).min(4));
        let (name, help) = (name_of(&path), help::of(&path));
        made += &format!("\n{level} {name}\n\n```text\n{}\n```\n", help.trim_end());
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let renewed = format!("{before}{BEGIN}{made}\n{END}{after}");
    if std::env::var_os("VPID_WRITE_MANUAL").is_some() {
        fs::write(&path, renewed).unwrap();
        return;
    }
    assert!(
        page == renewed,
        "{PAGE} is out of date; run: VPID_WRITE_MANUAL=1 cargo test --lib manual"
    );
}

/// Pages that show command lines.
fn pages() -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let docs = ["docs", "examples/scripts"].map(|folder| root.join(folder));
    let entries = docs.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "md"));
    // It is made of the help texts.
    let paths = paths.filter(|path| !path.ends_with("commands.md"));
    let paths = paths.chain([root.join("README.md"), root.join("SECURITY.md")]);
    let page = |path: PathBuf| {
        (
            path.display().to_string(),
            fs::read_to_string(path).unwrap(),
        )
    };
    paths.map(page).collect()
}

/// Command lines of vpid in a page: lines of blocks, and names between grave accents, which may be cut short.
fn shown(page: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut is_fenced = false;
    for line in page.lines() {
        let text = line.trim();
        is_fenced ^= text.starts_with("```");
        let is_block = is_fenced || line.starts_with("    ");
        let text = text.trim_start_matches("$ ").trim_start_matches("sudo ");
        let text = text.trim_start_matches("-u tf2 ").trim_start_matches("./");
        if is_block && text.starts_with("vpid ") {
            found.push((text.to_owned(), true));
        }
    }
    // An inline name can be broken over two lines.
    let prose = page
        .lines()
        .filter(|line| !line.starts_with("    "))
        .collect::<Vec<_>>()
        .join(" ");
    let inline = prose.split('`').skip(1).step_by(2);
    let inline = inline.filter(|text| text.starts_with("vpid "));
    found.extend(inline.map(|text| (text.to_owned(), false)));
    found
}

#[test]
fn every_command_line_of_the_manual_is_one() {
    let no_commands = [
        "vpid ... serves ...",
        "vpid looks into scriptdata itself",
        "vpid key",
        // Messages.
        "vpid runs as root",
        "vpid cannot be reached",
        "vpid panicked",
    ];
    let mut count = 0;
    for (name, page) in pages() {
        for (line, is_whole) in shown(&page) {
            if no_commands.iter().any(|start| line.starts_with(start)) {
                continue;
            }
            count += 1;
            // As manuals write what can be left out.
            let line = line
                .replace(['[', ']'], "")
                .replace("|DIR ", " ")
                .replace(" LEVEL", " debug");
            let words = words(line.trim_end_matches(" ..."));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if words == ["vpid", "--version"] {
                continue;
            }
            let problem = parsed(&words[1..]).err().unwrap_or_default();
            let is_cut = !is_whole && problem.contains("missing");
            let is_help = words.contains(&"--help");
            assert!(
                problem.is_empty() || is_cut || is_help,
                "{name}: {line}\n{problem}"
            );
        }
    }
    assert!(count > 150, "only {count} command lines were found");
}

/// bash and fish pass over any option; zsh takes what it does not know for the end of what it can complete.
#[test]
fn zsh_knows_the_options_that_can_stand_before_a_subcommand() {
    let script = completions::of("zsh");
    let (_, game) = script.split_once("\n_vpid_game() {").expect("a function");
    let (game, _) = game.split_once("\n}\n").expect("its end");
    assert!(
        game.contains("--host=") && game.contains("1: :->command"),
        "{game}"
    );
}

#[test]
fn completions_and_manual_pages_have_every_command_and_option() {
    for path in every_command() {
        let name = name_of(&path);
        let mut manual = man::page(Some(path[0]));
        manual = manual
            .replace("\\-", "-")
            .replace("\\fR", "")
            .replace("\\fB", "");
        assert!(manual.contains(&name), "{name}");
        let shells = ["bash", "zsh", "fish"].map(completions::of);
        for (_, option) in options_of(&path) {
            assert!(
                option.hidden || manual.contains(option.name) || path[0].name != "run",
                "{name}: {}",
                option.name
            );
            for shell in &shells {
                let long = option.name.trim_start_matches('-');
                assert!(option.hidden || shell.contains(long), "{name}: {long}");
                assert!(
                    !option.hidden || !shell.contains(&format!("-{long}[ =']")),
                    "{name}: {long}"
                );
            }
        }
        for shell in &shells {
            let zsh = format!("_{}()", name.replace(' ', "_"));
            assert!(shell.contains(&name) || shell.contains(&zsh), "{name}");
        }
    }
    for command in [None].into_iter().chain(COMMANDS.iter().map(Some)) {
        let page = man::page(command);
        assert!(page.starts_with(".TH VPID"), "{page}");
        let requests = page.lines().filter(|line| line.starts_with(['.', '\'']));
        for request in requests.filter_map(|line| line.split_whitespace().next()) {
            let known = [
                ".TH", ".nh", ".ad", ".SH", ".TP", ".PP", ".IP", ".RS", ".RE", ".nf", ".fi", ".br",
            ];
            assert!(known.contains(&request), "{request}");
        }
        assert!(!page.lines().any(str::is_empty), "{page}");
    }
}
