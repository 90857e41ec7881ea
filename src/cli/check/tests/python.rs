//! The owner's Python scripts.

use super::*;
use crate::limits;

impl Place {
    /// A folder of scripts, with this text of the configuration from `[scripts]` on.
    fn python(text: &str) -> Self {
        let place = Self::new(&format!("[scripts]\n{text}"));
        place.folder("scripts");
        place
    }

    fn folder(&self, at: &str) {
        std::fs::create_dir_all(self.path(at)).unwrap();
        self.mode(at, 0o755);
    }

    fn file(&self, at: &str, text: &str) {
        self.write(at, text.as_bytes());
        self.mode(at, 0o644);
    }

    /// Another test that forks now must not hold it open for writing: nobody could run it.
    fn program(&self, at: &str, text: &str) {
        let written = std::process::Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$0\""])
            .args([self.path(at).as_os_str(), text.as_ref()])
            .status();
        assert!(written.unwrap().success());
        self.mode(at, 0o755);
    }

    /// What is said of Python.
    fn said(&self) -> Vec<String> {
        let root = self.root.path().display().to_string();
        let (_, said) = self.check();
        said.lines()
            .filter(|line| line[6..].starts_with("python: "))
            // These depend on the machine, and on where its temporary files are.
            .filter(|line| !line.contains("Landlock") && !line.contains("not confined: "))
            .map(|line| line.replace("python: ", "").replace(&root, ""))
            .collect()
    }
}

const DIR: &str = "dir = 'scripts'\n";

#[test]
fn scripts_that_python_understands_are_good() {
    let place = Place::python(&format!(
        "{DIR}vpi_interfaces = 'vpi/vpi_interfaces.py'\norder = ['b']\n[script.vpi_interfaces]\n\
         queue = 20\n[script.a]\nqueue = 10\n"
    ));
    place.folder("scripts/b");
    place.folder("vpi");
    // None of it is run.
    let text = "raise SystemExit(9)\n";
    for file in ["scripts/a.py", "scripts/b/main.py", "vpi/vpi_interfaces.py"] {
        place.file(file, text);
    }
    place.file("scripts/old.py", "# -*- coding: latin-1 -*-\nx = '\\d'\n");
    let version = place.said().remove(1);
    assert!(
        version.starts_with("ok    python3 is Python 3."),
        "{version}"
    );
    let mut expected = vec![
        "ok    scripts in /scripts: a, b, old".to_owned(),
        version,
        "ok    the functions of VPI in /vpi/vpi_interfaces.py, with vpid's replacement for \
         vpi_config.py, since none is beside it"
            .to_owned(),
    ];
    assert_eq!(place.said(), expected);
    place.file("vpi/vpi_config.py", text);
    expected[2] = "ok    the functions of VPI in /vpi/vpi_interfaces.py, with the vpi_config.py \
                   beside it"
        .to_owned();
    assert_eq!(place.said(), expected);
    assert!(place.check().0);
    // Nothing is left behind.
    assert_eq!(std::fs::read_dir(place.path("scripts")).unwrap().count(), 3);
    assert_eq!(std::fs::read_dir(place.path("vpi")).unwrap().count(), 2);
}

#[test]
fn errors_in_files_are_reported_with_their_lines() {
    let place = Place::python(&format!("{DIR}vpi_interfaces = 'vpi_interfaces.py'\n"));
    place.file("scripts/a.py", "import json\n\ndef f(:\n");
    place.file("scripts/b.py", "x = 5\n");
    place.folder("scripts/c");
    place.write("scripts/c/main.py", b"x = '\xff'\n");
    place.mode("scripts/c/main.py", 0o644);
    place.file("vpi_interfaces.py", "def f():\nreturn\n");
    place.file("vpi_config.py", "return 5\n");
    place.is_bad(&[
        "/scripts/a.py:3: invalid syntax — correct it; until then it cannot be loaded",
        "/scripts/c/main.py:1: ",
        "/vpi_interfaces.py:2: expected an indented block",
        "/vpi_config.py:1: 'return' outside function",
    ]);
    assert!(!place.check().1.contains("the functions of VPI"));
}

#[test]
fn folders_and_names_that_cannot_work() {
    let place = Place::python("dir = 'nowhere'\nvpi_interfaces = 'none.py'\n");
    place.is_bad(&[
        "/nowhere, cannot be read: No such file or directory (os error 2) — create it",
        "/none.py — correct vpi_interfaces in [scripts]",
    ]);
    let place = Place::python(&format!(
        "{DIR}order = ['b', 'a']\n[script.c]\n[script.a]\n"
    ));
    place.says("warn  python: there is no script in ");
    place.file("scripts/a.py", "");
    place.file("scripts/my-script.py", "(");
    assert_eq!(
        place.said()[1],
        "warn  /scripts/my-script.py is not started: names of scripts have letters, digits and \
         _, and begin with no digit; rename it"
    );
    assert_eq!(
        place.said()[3..],
        [
            "warn  order in [scripts] names b, but there is no such script",
            "warn  there is a [script.c], but no such script",
        ]
    );
    place.is_bad(&[]);
    place.folder("scripts/a");
    place.file("scripts/a/main.py", "");
    place.is_bad(&["both a.py and a/main.py are in "]);
    for number in 0..limits::SCRIPTS_MAX {
        place.folder(&format!("scripts/s{number}"));
        place.file(&format!("scripts/s{number}/main.py"), "");
    }
    place.program("python", "#!/bin/sh\necho 3.9.0\n");
    let text = std::fs::read_to_string(place.path("vpid.toml")).unwrap();
    place.write(
        "vpid.toml",
        text.replace(DIR, &format!("{DIR}python = './python'\n"))
            .as_bytes(),
    );
    place.is_bad(&["both a.py", "65 scripts are in "]);
}

#[test]
fn interpreters_are_tried_once_each() {
    let place = Place::python(&format!(
        "{DIR}python = 'bin/python'\n[script.b]\npython = 'bin/old'\n[script.c]\npython = 'no-such'\n\
         [script.d]\npython = 'bin/odd'\n[script.e]\npython = 'bin/flood'\n"
    ));
    for name in ["a", "b", "c", "d", "e"] {
        place.file(&format!("scripts/{name}.py"), "");
    }
    place.folder("bin");
    place.folder("scripts/v/.venv/bin");
    place.file("scripts/v/main.py", "");
    place.mode("scripts/v", 0o755);
    let fake = |version: &str| format!("#!/bin/sh\necho run >> \"$0.runs\"\necho {version}\n");
    place.program("bin/python", &fake("3.9.18"));
    place.program("bin/old", &fake("3.8.20"));
    place.program("bin/odd", "#!/bin/sh\necho help; echo usage >&2; exit 2\n");
    place.program("bin/flood", "#!/bin/sh\nexec yes\n");
    place.program("scripts/v/.venv/bin/python3", &fake("2.7.18"));
    place.is_bad(&[
        "/bin/old is Python 3.8.20, which is too old — Python 3.9 or later is needed; set",
        "no-such cannot be started: No such file",
        "/bin/odd does not work as Python; it printed: usage — ",
        "/bin/flood prints without end",
        "/.venv/bin/python3 is Python 2.7.18, which is too old — Python 3.9 or later is needed; \
         repair it with python3 -m venv --upgrade '",
    ]);
    place.says("/bin/python is Python 3.9.18");
    let runs = |at: &str| {
        std::fs::read_to_string(place.path(at))
            .unwrap()
            .lines()
            .count()
    };
    // In each of two checks: its version, and for the good one a file.
    assert_eq!((runs("bin/old.runs"), runs("bin/python.runs")), (2, 4));
}

#[test]
fn what_others_can_write_is_warned_about() {
    let place = Place::python(DIR);
    place.file("scripts/a.py", "");
    place.folder("scripts/b");
    place.file("scripts/b/main.py", "");
    assert!(!place.check().1.contains("chmod go-w"));
    place.mode("scripts/a.py", 0o664);
    place.mode("scripts/b", 0o757);
    let warning =
        "warn  other users than the owner can change files that vpid runs; run: chmod go-w";
    let last = || place.said().pop().unwrap();
    assert_eq!(last(), format!("{warning} '/scripts/a.py' '/scripts/b'"));
    place.mode("scripts", 0o777);
    place.mode("scripts/b/main.py", 0o666);
    assert!(last().starts_with(&format!("{warning} '/scripts' '/scripts/a.py' ")));
    for name in ["c", "d"] {
        place.file(&format!("scripts/{name}.py"), "");
        place.mode(&format!("scripts/{name}.py"), 0o666);
    }
    assert!(last().ends_with("(and for 1 more)"), "{}", last());
}

#[test]
fn without_scripts_no_python_is_needed() {
    assert_eq!(Place::new("").said(), [""; 0]);
}
