//! Completions in a real bash, and the files that packages get.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::support::program;

/// What bash offers behind these words, of which the last one is being typed.
fn offered(folder: &std::path::Path, words: &[&str]) -> BTreeSet<String> {
    let vpid = env!("CARGO_BIN_EXE_vpid");
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "set -u; source <('{vpid}' completions bash) || exit 1\n\
         COMP_WORDS=({}); COMP_CWORD={}; _vpid vpid\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script]).current_dir(folder);
    let output = bash.output().expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{words:?}: {errors}"
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_commands_options_values_and_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a folder")).unwrap();
    fs::write(folder.path().join("a file.toml"), "").unwrap();
    for (words, expected) in [
        (&["vpid", "que"][..], &["queue"][..]),
        (&["vpid", "queue", ""], &["list", "show", "retry", "drop"]),
        (&["vpid", "community", "ban", "a"], &["add"]),
        (&["vpid", "--v"], &["--version"]),
        (&["vpid", "script", "log", "stats", "--f"], &["--follow"]),
        (&["vpid", "bench", "--work", "s"], &["select"]),
        (&["vpid", "bench", "--work", "=", "i"], &["insert"]),
        (
            &["vpid", "bench", "--work", "="],
            &["select", "insert", "echo"],
        ),
        (&["vpid", "game", "--host", "list", "w"], &["watch"]),
        (&["vpid", "game", "--host", "=", "list", "w"], &["watch"]),
        (&["vpid", "game", "say", "--host", ""], &[]),
        (&["vpid", "completions", "z"], &["zsh"]),
        (&["vpid", "help", "rew"], &["rewards"]),
        (
            &["vpid", "help", "queue", ""],
            &["list", "show", "retry", "drop"],
        ),
        (&["vpid", "help", "community", "ban", "a"], &["add"]),
        (&["vpid", "help", "queue", "list", ""], &[]),
        (&["vpid", "script", "level", "stats", "de"], &["debug"]),
        (&["vpid", "script", "level", "de"], &[]),
        (
            &["vpid", "check", "--config", "a"],
            &["a file.toml", "a folder"],
        ),
        (&["vpid", "play", "--scriptdata", ""], &["a folder"]),
        (
            &["vpid", "script", "test", "x", "a f"],
            &["a file.toml", "a folder"],
        ),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(offered(folder.path(), words), expected, "{words:?}");
    }
    let options = offered(folder.path(), &["vpid", "queue", "list", "-"]);
    for option in ["--json", "--config", "--color", "--help", "-h"] {
        assert!(options.contains(option), "{options:?}");
    }
    assert!(!offered(folder.path(), &["vpid", "run", "--"]).contains("--supervised"));
    let programs = offered(folder.path(), &["vpid", "run", "--exec", "--", "bas"]);
    assert!(programs.contains("bash"), "{programs:?}");
}

#[test]
fn all_manual_pages_are_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    let output = program()
        .args(["man", "--write"])
        .arg(&pages)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let entries = fs::read_dir(&pages).unwrap();
    let names: BTreeSet<String> = entries
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    let help = program().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap().lines();
    let commands = commands.take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| !line.starts_with("   "));
    let commands = commands.filter_map(|line| line.split_whitespace().next());
    let expected = commands.map(|command| format!("vpid-{command}.1"));
    assert_eq!(names, expected.chain(["vpid.1".to_owned()]).collect());
    for name in names {
        let written = fs::read_to_string(pages.join(&name)).unwrap();
        let mut command = program();
        let words: Vec<&str> = name.trim_end_matches(".1").splitn(2, '-').collect();
        let printed = command.arg("man").args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&printed.stdout), written, "{name}");
    }
}

#[test]
fn man_takes_the_words_that_help_takes() {
    let man = |words: &[&str]| program().arg("man").args(words).output().unwrap();
    let page = man(&["queue"]);
    let below = man(&["queue", "show"]);
    assert_eq!(below.status.code(), Some(0));
    assert_eq!(below.stdout, page.stdout);
    for wrong in [&["queue", "nonsense"][..], &["run", "now"], &["nonsense"]] {
        assert_eq!(man(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
