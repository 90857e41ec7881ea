//! What authors of Python scripts get: stubs for type checkers, a first script, and tests without a game. That they
//! fit the modules is checked with the modules.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;

use crate::support::program;

const GAME: &str = include_str!("../../src/io/python/game.py");
const TESTING: &str = include_str!("../../src/io/python/game_testing.py");
const HOOKS: &str = include_str!("../../src/core/scripts/hook_names.rs");

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

fn text(output: &Output) -> String {
    let parts = [&output.stdout, &output.stderr];
    parts.map(|part| String::from_utf8_lossy(part)).concat()
}

/// What a command prints, which must succeed.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[track_caller]
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = text(&output);
    assert!(!output.status.success(), "{command:?}: {said}");
    said
}

/// `vpid script ...`
fn script(arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("script").args(arguments);
    command
}

#[test]
fn a_stub_has_what_its_module_has() {
    for module in ["game", "game_testing"] {
        let mut make = Command::new("python3");
        make.arg("-B").arg(root().join("tests/python/make_stub.py"));
        let source = root().join(format!("src/io/python/{module}.py"));
        let made = succeeds(make.arg(&source));
        let stub = source.with_extension("pyi");
        if std::env::var_os("VPID_WRITE_MANUAL").is_some() {
            fs::write(&stub, &made).unwrap();
        }
        let stub = fs::read_to_string(stub).unwrap();
        assert!(
            stub == made,
            "{module}.pyi is out of date; run: VPID_WRITE_MANUAL=1 cargo test --test all a_stub_has"
        );
    }
}

/// The words behind these, up to a quotation mark.
fn words<'a>(text: &'a str, before: &str, after: char) -> BTreeSet<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split(after).next()).collect()
}

#[test]
fn the_double_answers_all_that_game_requests_and_knows_all_hooks() {
    let requested = words(GAME, "    return \"", '"');
    let requested: BTreeSet<_> = requested.into_iter().filter(|it| *it != " ").collect();
    assert!(requested.len() >= 14, "{requested:?}");
    let answered = words(TESTING, "    def _on_", '(');
    let answered: BTreeSet<_> = answered.into_iter().filter(|it| *it != "problem").collect();
    assert_eq!(requested, answered);
    let (_, listed) = HOOKS.split_once("const HOOKS").unwrap();
    let (listed, _) = listed.split_once("];").unwrap();
    let is_hook = |word: &&str| word.starts_with("On");
    let hooks: BTreeSet<_> = listed.split('"').filter(is_hook).collect();
    let (_, known) = TESTING.split_once("_HOOKS = ").unwrap();
    let (known, _) = known.split_once(".split()").unwrap();
    let known: BTreeSet<_> = known.split_whitespace().filter(is_hook).collect();
    assert_eq!(hooks, known);
}

#[test]
fn what_a_script_finds_in_its_tests_is_what_vpid_has() {
    let tests = root().join("tests/python/test_game_testing.py");
    let said = succeeds(script(&["test"]).arg(tests));
    assert!(said.contains("Ran 15 tests"), "{said}");
}

#[test]
fn the_tests_of_the_examples_run_without_vpid_and_leave_nothing_behind() {
    let examples = root().join("examples/scripts");
    let said = succeeds(script(&["test"]).arg(&examples));
    assert!(said.contains("Ran ") && said.contains("\nOK"), "{said}");
    let left = [
        examples.join("__pycache__"),
        examples.join("tests/__pycache__"),
    ];
    assert!(!left.iter().any(|folder| folder.exists()));
}

#[test]
fn a_new_script_passes_its_tests_and_replaces_nothing() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("scripts");
    let new = |name: &str| {
        let mut command = script(&["new", name, "--dir"]);
        command.arg(&folder);
        command
    };
    succeeds(&mut new("greeter"));
    let said = succeeds(script(&["test"]).arg(&folder));
    assert!(said.contains("Ran 3 tests"), "{said}");
    let before = fs::read_to_string(folder.join("greeter.py")).unwrap();
    let said = fails(&mut new("greeter"));
    assert!(
        said.contains("is there already, and is not changed"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(folder.join("greeter.py")).unwrap(),
        before
    );
    fs::create_dir(folder.join("other")).unwrap();
    assert!(fails(&mut new("other")).contains("is there already"));
    assert!(!folder.join("other.py").exists());
    fs::write(folder.join("tests/test_third.py"), "").unwrap();
    assert!(fails(&mut new("third")).contains("test_third.py is there already"));
    assert!(!folder.join("third.py").exists());
    assert!(fails(&mut new("test_fifth")).contains("is what files of tests are called"));
    assert!(fails(&mut new("json")).contains("Python's standard library"));
    assert!(!folder.join("test_fifth.py").exists() && !folder.join("json.py").exists());
    for name in ["../up", "game", "a-b", "1st", ""] {
        assert!(
            fails(&mut new(name)).contains("is not the name of a script"),
            "{name}"
        );
    }
    // Where the configuration names the folder, nothing else is needed.
    let config = dir.path().join("vpid.toml");
    let text = format!(
        "[[server]]\nscriptdata = {:?}\nlegacy_secret = \"secret\"\n[scripts]\ndir = \"scripts\"\n",
        dir.path().join("tf/scriptdata")
    );
    fs::write(&config, text).unwrap();
    succeeds(script(&["new", "fourth", "--config"]).arg(&config));
    assert!(folder.join("fourth.py").exists());
}

#[test]
fn a_new_script_says_what_the_configuration_lacks() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("vpid.toml");
    let server = format!(
        "[[server]]\nscriptdata = {:?}\nlegacy_secret = \"secret\"\n",
        dir.path().join("tf/scriptdata")
    );
    fs::write(&config, &server).unwrap();
    let new = |name: &str, folder: &str| {
        let mut command = script(&["new", name, "--dir", folder, "--config"]);
        command.arg(&config).current_dir(dir.path());
        command
    };
    let said = succeeds(&mut new("first", "scripts"));
    assert!(
        said.contains("then add [scripts] with dir = \"scripts\" to "),
        "{said}"
    );
    fs::write(&config, server + "[scripts]\ndir = \"scripts\"\n").unwrap();
    let said = succeeds(&mut new("second", "scripts"));
    assert!(said.contains("then vpid script load second"), "{said}");
}

#[test]
fn what_is_no_file_of_tests_is_named_and_a_broken_one_stops_no_other() {
    let dir = TempDir::new().unwrap();
    succeeds(script(&["new", "duels", "--dir"]).arg(dir.path()));
    let said = fails(script(&["test"]).arg(dir.path().join("duels.py")));
    assert!(
        said.contains("duels.py is a script; its tests are in"),
        "{said}"
    );
    assert!(!said.contains("Traceback"), "{said}");
    let other = dir.path().join("other.py");
    fs::write(&other, "").unwrap();
    let said = fails(script(&["test"]).arg(&other));
    assert!(said.contains("is not a file of tests"), "{said}");
    let broken = dir.path().join("tests/test_a.py");
    fs::write(&broken, "def f(:\n").unwrap();
    let said = fails(script(&["test"]).arg(dir.path()));
    assert!(
        said.contains("Ran 4 tests") && said.contains("(errors=1)"),
        "{said}"
    );
    assert!(said.contains("SyntaxError"), "{said}");
}

/// Where the tests run as root, as another user.
#[test]
fn tests_run_for_who_is_not_root() {
    let dir = TempDir::new().unwrap();
    let (file, binary) = (dir.path().join("test_one.py"), dir.path().join("vpid"));
    let head = "import unittest, game_testing\nclass Tests(unittest.TestCase):\n";
    fs::write(&file, format!("{head}    def test_one(self): pass\n")).unwrap();
    // The folder of the one that was built may be closed to others. This process must not hold it open for writing,
    // since what other tests start would inherit that for a moment.
    succeeds(Command::new("cp").arg(program().get_program()).arg(&binary));
    let mut test = Command::new(&binary);
    test.args(["script", "test"])
        .arg(&file)
        .current_dir(dir.path());
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        test.uid(65_534).gid(65_534);
    }
    assert!(succeeds(&mut test).contains("Ran 1 test"));
}

#[test]
fn a_test_that_fails_or_is_none_is_reported() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("test_one.py");
    let head = "import unittest, game_testing\nclass Tests(unittest.TestCase):\n";
    fs::write(
        &file,
        format!("{head}    def test_one(self): self.assertEqual(1, 2)\n"),
    )
    .unwrap();
    assert!(fails(script(&["test"]).arg(&file)).contains("1 != 2"));
    fs::write(&file, "import nothing_of_this_name\n").unwrap();
    assert!(fails(script(&["test"]).arg(&file)).contains("nothing_of_this_name"));
    fs::write(&file, "").unwrap();
    assert!(fails(script(&["test"]).arg(dir.path())).contains("no tests"));
    let absent = dir.path().join("test_absent.py");
    assert!(fails(script(&["test"]).arg(&absent)).contains("there is no"));
    let said = fails(script(&["test", "--python", "/nowhere/python3"]).arg(&file));
    assert!(said.contains("/nowhere/python3 cannot be run"), "{said}");
    for (words, part) in [
        (&["test"][..], "FILE|DIR is missing"),
        (&["stubs"], "DIR is missing"),
        (&["new"], "NAME is missing"),
        (
            &["new", "x", "--pytest"],
            "--pytest has no effect on `vpid script new`",
        ),
        (
            &["list", "--modules"],
            "--modules has no effect on `vpid script list`",
        ),
    ] {
        let said = fails(&mut script(words));
        assert!(said.contains(part), "{words:?}: {said}");
    }
}

#[test]
fn stubs_replace_only_stubs() {
    let dir = TempDir::new().unwrap();
    let stub = dir.path().join("game.pyi");
    let stubs = || {
        let mut command = script(&["stubs"]);
        command.arg(dir.path());
        command
    };
    fs::write(&stub, "def mine() -> None: ...\n").unwrap();
    assert!(fails(&mut stubs()).contains("vpid did not write it"));
    assert_eq!(
        fs::read_to_string(&stub).unwrap(),
        "def mine() -> None: ...\n"
    );
    fs::write(&stub, "# Made of an older game.py\n").unwrap();
    succeeds(&mut stubs());
    let written = fs::read_to_string(&stub).unwrap();
    assert_eq!(written, include_str!("../../src/io/python/game.pyi"));
}

/// An interpreter with packages from PyPI, in a folder that ends with the test.
fn environment(dir: &Path, packages: &[&str]) -> PathBuf {
    let folder = dir.join("environment");
    succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let python = folder.join("bin/python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]);
    let installed = pip.args(packages).output().unwrap();
    assert!(
        installed.status.success(),
        "this test needs {packages:?} from PyPI, which pip cannot get: {}",
        text(&installed)
    );
    python
}

/// Pyright comes by npm; what is on PyPI is the same checker with more in it.
#[test]
fn pyright_understands_scripts_in_its_strict_mode() {
    let dir = TempDir::new().unwrap();
    let python = environment(dir.path(), &["basedpyright"]);
    let stubs = dir.path().join("stubs");
    succeeds(script(&["stubs"]).arg(&stubs));
    let scripts = dir.path().join("scripts");
    succeeds(script(&["new", "greeter", "--dir"]).arg(&scripts));
    let config = dir.path().join("pyrightconfig.json");
    let pyright = |folders: &[&Path]| {
        // `game` is there at run time.
        let text = json!({"typeCheckingMode": "strict", "reportMissingModuleSource": "none",
            "extraPaths": [&stubs], "include": folders});
        fs::write(&config, text.to_string()).unwrap();
        let mut command = Command::new(python.with_file_name("basedpyright"));
        command.arg("--project").arg(&config);
        command
    };
    succeeds(&mut pyright(&[&root().join("examples/scripts"), &scripts]));
    let wrong = dir.path().join("wrong");
    fs::create_dir(&wrong).unwrap();
    fs::write(wrong.join("wrong.py"), WRONG).unwrap();
    let said = fails(&mut pyright(&[&wrong]));
    assert!(said.contains("srever") && said.contains("nmae"), "{said}");
}

/// Names that game does not have.
const WRONG: &str = "import game\ngame.tell(7, text='x', srever='y')\ngame.player(1).nmae\n";

#[test]
fn type_checkers_and_pytest_understand_scripts() {
    let dir = TempDir::new().unwrap();
    let python = environment(dir.path(), &["mypy", "pytest"]);
    let (stubs, modules) = (dir.path().join("stubs"), dir.path().join("modules"));
    succeeds(script(&["stubs"]).arg(&stubs));
    succeeds(script(&["stubs", "--modules"]).arg(&modules));
    let scripts = dir.path().join("scripts");
    succeeds(script(&["new", "greeter", "--dir"]).arg(&scripts));
    let mypy = |module: &str| {
        let mut command = Command::new(&python);
        command.args(["-B", "-m", module]).current_dir(dir.path());
        command.env("MYPYPATH", &stubs);
        command
    };
    for folder in [&root().join("examples/scripts"), &scripts] {
        for folder in [folder.clone(), folder.join("tests")] {
            let entries = fs::read_dir(folder).unwrap();
            let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|end| end == "py"));
            succeeds(mypy("mypy").arg("--strict").args(files));
        }
    }
    // A name that game does not have is an error.
    let wrong = dir.path().join("wrong.py");
    fs::write(&wrong, WRONG).unwrap();
    let said = fails(mypy("mypy").arg("--strict").arg(&wrong));
    assert!(said.contains("srever") && said.contains("nmae"), "{said}");
    // What the interpreter finds in the modules is what the stubs say; these two are made at run time.
    let allowed = dir.path().join("allowed");
    fs::write(&allowed, "game.aio\ngame.script\n").unwrap();
    let mut stubtest = mypy("mypy.stubtest");
    stubtest.env("PYTHONPATH", &modules).arg("--allowlist");
    succeeds(stubtest.arg(&allowed).args(["game", "game_testing"]));
    let mut pytest = script(&["test", "--pytest", "--python"]);
    let said = succeeds(pytest.arg(&python).arg(&scripts));
    assert!(said.contains("3 passed"), "{said}");
    let mut alone = Command::new(&python);
    alone
        .args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(&scripts);
    let said = succeeds(alone.env("PYTHONPATH", &modules));
    assert!(said.contains("3 passed"), "{said}");
}
