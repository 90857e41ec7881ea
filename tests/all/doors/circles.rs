//! Circles of imports between the files of `src`: whoever wants to understand or move one file of a circle
//! has to take all of them.
//!
//! An import is what stands in the text: `use` with `crate::`, `super::`, `self::` or the name of a child, and
//! such paths within the code; tests do not count. A name that another file imports in turn (`pub use`) leads
//! on to where it comes from. No import are `mod child;`, `pub use child::Name`, and what a file uses of the
//! `mod.rs` of a folder that it stands in: the types that a folder shares are at home there, and the folder
//! calls its files. A `parent.rs` beside a folder `parent/` is a file like others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::{Source, sources};

/// Circles that may still be, by their files below `src`. It is to become empty.
const ALLOWED: [&[&str]; 0] = [];

/// Where a module stands: `src/core/link/mod.rs` is `["core", "link"]`.
type Module = Vec<String>;

/// What one file imports.
struct Imports {
    path: String,
    uses: Vec<Use>,
    /// Paths within the code.
    inline: BTreeSet<Vec<String>>,
}

struct Use {
    path: Vec<String>,
    /// The name that it gets here.
    name: String,
    /// Others may take it from here.
    is_public: bool,
}

fn module(path: &str) -> Module {
    let below = path.trim_start_matches("src/").trim_end_matches(".rs");
    let below = below.strip_suffix("mod").unwrap_or(below);
    let parts = below
        .split('/')
        .filter(|part| !part.is_empty() && *part != "lib");
    parts.map(str::to_owned).collect()
}

fn child(of: &Module, name: &str) -> Module {
    let mut child = of.clone();
    child.push(name.to_owned());
    child
}

fn segments(path: &str) -> Vec<String> {
    path.split("::")
        .map(|part| part.trim().to_owned())
        .collect()
}

impl Imports {
    fn of(source: &Source) -> Self {
        let mut imports = Self {
            path: source.path.clone(),
            uses: Vec::new(),
            inline: BTreeSet::new(),
        };
        let mut statement: Option<(bool, String)> = None;
        for (_, line) in source.code(false) {
            let code = line.trim();
            let unmarked = code
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) ");
            let unmarked = unmarked.trim_start_matches("pub ");
            if let (None, Some(rest)) = (&statement, unmarked.strip_prefix("use ")) {
                statement = Some((unmarked != code, rest.to_owned()));
            } else if let Some((_, text)) = &mut statement {
                text.push_str(code);
            } else {
                imports.inline.extend(inline_paths(code));
            }
            if let Some((is_public, text)) = statement.take_if(|(_, text)| text.ends_with(';')) {
                imports.add(text.trim_end_matches(';'), is_public);
            }
        }
        imports
    }

    /// Adds what stands behind `use`, each item of a list by itself.
    fn add(&mut self, text: &str, is_public: bool) {
        if let Some((before, list)) = text.split_once('{') {
            let list = list.trim_end().strip_suffix('}').unwrap_or(list);
            let mut open = 0;
            let items = list.split(|c| {
                open += i32::from(c == '{') - i32::from(c == '}');
                c == ',' && open == 0
            });
            for item in items.filter(|item| !item.trim().is_empty()) {
                self.add(&format!("{before}{}", item.trim()), is_public);
            }
            return;
        }
        let (path, alias) = match text.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (text, None),
        };
        let mut path = segments(path);
        path.pop_if(|last| last == "self");
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        self.uses.push(Use {
            path,
            name,
            is_public,
        });
    }
}

/// The paths in a line of code, outside of its texts.
fn inline_paths(line: &str) -> impl Iterator<Item = Vec<String>> {
    let outside: Vec<&str> = line.split('"').step_by(2).collect();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let outside = outside.join("\"");
    let words = outside.split(|c| !is_word(c)).map(str::to_owned);
    let words: Vec<String> = words.filter(|word| word.contains("::")).collect();
    words
        .into_iter()
        .map(|word| segments(word.trim_matches(':')))
}

struct House(BTreeMap<Module, Imports>);

impl House {
    fn of(sources: &[Source]) -> Self {
        let library = sources.iter().filter(|it| it.path != "src/main.rs");
        House(
            library
                .map(|it| (module(&it.path), Imports::of(it)))
                .collect(),
        )
    }

    /// The module from which a path of the module `at` takes something. None: it is of another crate, or
    /// begins with a name that is imported, which has been looked at by itself.
    fn resolve(&self, mut at: Module, path: &[String], more: usize) -> Option<Module> {
        let mut path = path.iter().map(String::as_str).peekable();
        match *path.peek()? {
            "crate" => at.clear(),
            "self" | "super" => {}
            name if self.0.contains_key(&child(&at, name)) => {}
            _ => return None,
        }
        while let Some(step) = path.next_if(|step| matches!(*step, "crate" | "self" | "super")) {
            if step == "super" {
                at.pop();
            }
        }
        while let Some(name) = path.next() {
            let below = child(&at, name);
            if self.0.contains_key(&below) {
                at = below;
                continue;
            }
            let mut uses = self.0.get(&at)?.uses.iter();
            let Some(found) = uses.find(|it| it.name == name).filter(|_| more > 0) else {
                break;
            };
            let mut onward = found.path.clone();
            onward.extend(path.map(str::to_owned));
            return self.resolve(at.clone(), &onward, more - 1).or(Some(at));
        }
        Some(at)
    }

    fn imports_of(&self, module: &Module) -> BTreeSet<&Module> {
        let imports = &self.0[module];
        let uses = imports.uses.iter().map(|it| (&it.path, it.is_public));
        let inline = imports.inline.iter().map(|path| (path, false));
        let mut found = BTreeSet::new();
        for (path, is_public) in uses.chain(inline) {
            let Some(target) = self.resolve(module.clone(), path, 8) else {
                continue;
            };
            let is_folder = |path: &str| path.ends_with("/mod.rs") || path == "src/lib.rs";
            let Some((target, of)) = self.0.get_key_value(&target) else {
                continue;
            };
            let given_on = is_public && target.starts_with(module);
            let own_folder = module.starts_with(target) && is_folder(&of.path);
            if target != module && !given_on && !own_folder {
                found.insert(target);
            }
        }
        found
    }

    /// The files of each circle.
    fn circles(&self) -> BTreeSet<Vec<&str>> {
        let imports: BTreeMap<_, _> = self.0.keys().map(|it| (it, self.imports_of(it))).collect();
        let reached = |from| {
            let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(module) = open.pop() {
                open.extend(imports[module].iter().filter(|next| reached.insert(**next)));
            }
            reached
        };
        let reached: BTreeMap<_, _> = self.0.keys().map(|it| (it, reached(it))).collect();
        let circle = |module| {
            let around = reached[module]
                .iter()
                .filter(|other| reached[**other].contains(module));
            let mut files: Vec<&str> = around.map(|other| self.0[*other].path.as_str()).collect();
            files.sort_unstable();
            files
        };
        let circles = self.0.keys().map(circle);
        circles.filter(|files| !files.is_empty()).collect()
    }
}

/// What is said of circles that are not allowed, and of those that are allowed and gone.
fn judged(circles: &BTreeSet<Vec<&str>>, allowed: &[&[&str]]) -> String {
    let mut said = String::new();
    let below = |files: &Vec<&str>| -> Vec<String> {
        files
            .iter()
            .map(|file| file.trim_start_matches("src/").to_owned())
            .collect()
    };
    let circles: Vec<Vec<String>> = circles.iter().map(below).collect();
    for circle in circles
        .iter()
        .filter(|circle| !allowed.iter().any(|it| it == circle))
    {
        let _ = writeln!(said, "a circle of imports: {}", circle.join(", "));
    }
    for gone in allowed
        .iter()
        .filter(|it| !circles.iter().any(|circle| circle == **it))
    {
        let _ = writeln!(said, "opened, take it out of ALLOWED: {}", gone.join(", "));
    }
    said
}

#[test]
fn no_files_import_each_other() {
    let all = sources(Path::new(env!("CARGO_MANIFEST_DIR")), "src");
    let house = House::of(&all);
    let imports: usize = house.0.keys().map(|it| house.imports_of(it).len()).sum();
    assert!(imports > 500, "only {imports} imports were found");
    let said = judged(&house.circles(), &ALLOWED);
    assert!(said.is_empty(), "\n{said}");
}

/// The files of the circles in a house of these files, each circle a line.
fn circles_of(files: &[(&str, &str)]) -> String {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source::new(path, text))
        .collect();
    judged(&House::of(&sources).circles(), &[])
}

#[test]
fn circles_are_found_however_an_import_is_written() {
    let from_b = [
        "use super::a::A;",
        "use super::{c, a::{A, B}};",
        "pub(super) use crate::core::a;",
        "fn f() { crate::core::a::g(\"x\") }",
        "fn f(a: super::a::A) {}",
        "use super::Given;",
        "use crate::core::Given as Other;",
    ];
    for text in from_b {
        let found = circles_of(&[
            ("src/lib.rs", "pub mod core;"),
            (
                "src/core/mod.rs",
                "mod a;\nmod b;\nmod c;\npub use a::A as Given;",
            ),
            ("src/core/a.rs", "use super::b::{\n    B,\n    C,\n};"),
            ("src/core/b.rs", text),
            ("src/core/c.rs", ""),
        ]);
        assert_eq!(
            found, "a circle of imports: core/a.rs, core/b.rs\n",
            "{text}"
        );
    }
    let around = circles_of(&[
        ("src/core/mod.rs", "use crate::io::a;"),
        ("src/io/mod.rs", ""),
        ("src/io/a.rs", "use super::b;"),
        ("src/io/b.rs", "fn f() -> crate::core::A {}"),
    ]);
    assert_eq!(
        around,
        "a circle of imports: core/mod.rs, io/a.rs, io/b.rs\n"
    );
    let parent = circles_of(&[
        ("src/core/calls.rs", "mod late;\nfn f() { late::g() }"),
        ("src/core/calls/late.rs", "use super::Calls;"),
    ]);
    assert_eq!(
        parent,
        "a circle of imports: core/calls.rs, core/calls/late.rs\n"
    );
}

#[test]
fn what_is_no_circle_is_let_through() {
    let found = circles_of(&[
        (
            "src/core/mod.rs",
            "mod a;\npub use a::A;\nfn f() { a::g() }",
        ),
        (
            "src/core/a.rs",
            "use super::{Core, b};\nuse crate::limits::X;\n// use super::c::C;",
        ),
        (
            "src/core/b.rs",
            "#[cfg(test)]\nmod tests {\n    use super::super::a;\n}",
        ),
        (
            "src/core/c.rs",
            "fn f() { super::a::g(\"crate::core::c::f\") }",
        ),
        ("src/limits/mod.rs", ""),
    ]);
    assert_eq!(found, "");
    let gone: [&[&str]; 1] = [&["core/a.rs", "core/b.rs"]];
    assert!(judged(&BTreeSet::new(), &gone).starts_with("opened, take it out"));
}
