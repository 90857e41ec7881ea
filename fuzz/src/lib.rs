//! What must hold for any bytes that vpid reads from others: one function for each reader.
//!
//! libFuzzer calls them by `fuzz_targets/any.rs`; a short run of each, without libFuzzer, is a test
//! of the project (`tests/all/fuzz.rs`). A function gets the bytes as they are, or takes its
//! arguments from them with `arbitrary`; it panics when something does not hold.

mod bridge;
mod engine;
mod files;
mod others;
mod sql;

/// A name, as in `cargo fuzz run NAME`, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    ("admins_file", others::admins_file),
    ("answer_file", files::answer_file),
    ("backup", others::backup),
    ("bridge", bridge::bridge),
    ("call_file", files::call_file),
    ("command_template", engine::command_template),
    ("console", engine::console),
    ("engine_log", engine::engine_log),
    ("ids", others::ids),
    ("imports", others::imports),
    ("legacy", files::legacy),
    ("messages", files::messages),
    ("mmdb", others::mmdb),
    ("names", files::names),
    ("owner_files", others::owner_files),
    ("rcon", engine::rcon),
    ("script", others::script),
    ("script_line", engine::script_line),
    ("server_status", engine::server_status),
    ("signed", files::signed),
    ("sql", sql::sql),
    ("state_files", others::state_files),
    ("template", sql::template),
    ("vyhub_reply", others::vyhub_reply),
];

/// Runs one target on one input. Panics where there is none of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    let (_, check) = target.unwrap_or_else(|| panic!("there is no target {name}"));
    check(bytes);
}

/// Arguments taken from the bytes; nothing happens where they do not suffice.
fn with<'a, T: arbitrary::Arbitrary<'a>>(bytes: &'a [u8], check: impl FnOnce(T)) {
    if let Ok(input) = T::arbitrary_take_rest(arbitrary::Unstructured::new(bytes)) {
        check(input);
    }
}

/// The bytes as text, what is no UTF-8 replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
