//! Builds Squirrel as the game has it: with integers of 32 bits, or of 64 as on 64-bit servers where the
//! variable `VPID_GAME_INTEGERS` is `64`; floats of 32 bits; and native functions that say so.
//!
//! The `squirrel` crate brings the sources, but its own build takes integers as wide as pointers,
//! and stock Squirrel cannot have it otherwise. A few lines stand in the way of narrow ones; they are
//! changed in a copy. That crate's build is not linked.

use std::path::{Path, PathBuf};
use std::{env, fs};

const WIDTH: &str = "VPID_GAME_INTEGERS";

/// File, what stands there, and what stands there in the copy.
type Change = (&'static str, &'static str, &'static str);

/// For integers of 32 bits.
const NARROWED: [Change; 5] = [
    // A 64-bit compiler is no reason.
    (
        "include/squirrel.h",
        "#if (defined(_WIN64) || defined(_LP64))",
        "#if 0",
    ),
    // A value is compared as a whole: as wide as a pointer, and cleared before an integer is put in.
    (
        "include/sqconfig.h",
        "typedef SQUnsignedInteger SQRawObjectVal;",
        "typedef long long SQRawObjectVal;",
    ),
    (
        "include/sqconfig.h",
        "#define SQ_OBJECT_RAWINIT()\n",
        "#define SQ_OBJECT_RAWINIT() { _unVal.raw = 0; }\n",
    ),
    // A pointer is hashed.
    (
        "squirrel/sqtable.h",
        "((SQHash)(((SQInteger)p) >> 3))",
        "((SQHash)(((size_t)p) >> 3))",
    ),
    // Where `long` has 32 bits, a text with too large a number gives the largest.
    (
        "include/sqconfig.h",
        "#define scstrtol    strtol\n",
        "#define scstrtol    narrow_strtol\n",
    ),
];

/// Scripts of the game can tell its functions from those of other scripts.
const NATIVES_SAY_SO: Change = (
    "squirrel/sqobject.cpp",
    "    case _RT_NATIVECLOSURE:\n",
    "        return _SC(\"function\");\n    case _RT_NATIVECLOSURE:\n        return _SC(\"native function\");\n",
);

const NARROW: &str = "
#include <stdlib.h>
static inline int narrow_strtol(const char *text, char **end, int base) {
    long number = strtol(text, end, base);
    if (number > 2147483647L) return 2147483647;
    return number < -2147483647L - 1 ? -2147483647 - 1 : (int)number;
}
";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={WIDTH}");
    println!("cargo:rustc-check-cfg=cfg(wide)");
    let narrowed = match env::var(WIDTH).as_deref() {
        Err(_) | Ok("" | "32") => &NARROWED[..],
        Ok("64") => {
            println!("cargo:rustc-cfg=wide");
            &[]
        }
        Ok(other) => panic!("{WIDTH} is {other}; integers of the game have 32 or 64 bits"),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where")).join("squirrel");
    let sources = sources();
    for folder in ["include", "squirrel", "sqstdlib"] {
        copy(&sources.join(folder), &out.join(folder));
    }
    for (file, old, new) in narrowed.iter().chain([&NATIVES_SAY_SO]) {
        let path = out.join(file);
        let text = fs::read_to_string(&path).expect("a header of Squirrel");
        assert!(text.contains(old), "another Squirrel: no {old:?} in {file}");
        fs::write(&path, text.replace(old, new)).expect("a writable copy");
    }
    let narrow = out.join("narrow.h");
    // Not used where integers are wide.
    fs::write(&narrow, NARROW).expect("a writable copy");
    let core = fs::read_dir(out.join("squirrel")).expect("the copy");
    let core = core.map(|file| file.expect("a file").path());
    let library = ["aux", "math", "rex", "string"];
    let library = library.map(|name| out.join(format!("sqstdlib/sqstd{name}.cpp")));
    cc::Build::new()
        .cpp(true)
        .warnings(false)
        .opt_level(2)
        .define("SQ_ALIGNMENT", "8")
        .include(out.join("include"))
        .flag("-include")
        .flag(narrow)
        .flag("-fno-exceptions")
        .flag("-fno-rtti")
        .flag("-fno-strict-aliasing")
        .files(core.filter(|path| path.extension().is_some_and(|kind| kind == "cpp")))
        .files(library)
        .compile("squirrel_of_the_game");
}

/// The crate says where it was built, and cmake wrote down there from what.
fn sources() -> PathBuf {
    let root = env::var("DEP_SQUIRREL_STATIC_ROOT").expect("squirrel says where it was built");
    let cache = Path::new(&root).join("build/CMakeCache.txt");
    let cache = fs::read_to_string(cache).expect("what cmake remembers");
    let mut lines = cache.lines();
    let source = lines.find_map(|line| line.strip_prefix("squirrel_SOURCE_DIR:STATIC="));
    PathBuf::from(source.expect("cmake remembers its sources"))
}

/// The files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of ours");
    for file in fs::read_dir(from).expect("Squirrel's sources") {
        let file = file.expect("a file");
        if file.path().is_file() {
            let text = fs::read(file.path()).expect("a source");
            fs::write(to.join(file.file_name()), text).expect("room for a copy");
        }
    }
}
