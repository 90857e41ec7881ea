//! What the game's side of the signed protocol computes by itself: macs and JSON, by the scripts
//! as they ship, in slices.

mod copy;
mod mac;
mod read;
mod write;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Game, Setup};

const SHA256: &str = include_str!("../../vscripts/vpi/sha256.nut");
const JSON: &str = include_str!("../../vscripts/vpi/json.nut");
const JSON_READ: &str = include_str!("../../vscripts/vpi/json_read.nut");

/// Loads the codec as its user does, and gives the tests short words for whole jobs.
const MAPSPAWN: &str = r#"
::codec <- {}
IncludeScript("vpi/sha256.nut", codec)
IncludeScript("vpi/json.nut", codec)

::Mac <- function(key, text, blocks) {
    local job = codec.HmacStart(key, text)
    while (!job.done) codec.HmacStep(job, blocks)
    return job
}
::Read <- function(text, budget = 300) {
    local job = codec.JsonDecoder(text)
    while (!job.done) codec.JsonDecode(job, budget)
    return job.value
}
::Write <- function(value, budget = 300) {
    local job = codec.JsonEncoder(value)
    while (!job.done) codec.JsonEncode(job, budget)
    return job.text
}
::Outcome <- function(work) {
    try { return [work()] } catch (error) { return error }
}
::Bytes <- function(text) {
    local list = []
    foreach (c in text) list.append(c & 255)
    return list
}
"#;

fn game() -> (TempDir, Game) {
    let dir = TempDir::new().expect("a folder");
    let game = Setup::new(dir.path())
        .script("vpi/sha256.nut", SHA256)
        .script("vpi/json.nut", JSON)
        .script("vpi/json_read.nut", JSON_READ)
        .script("mapspawn.nut", MAPSPAWN)
        .start("cp_test");
    game.assert_no_errors();
    (dir, game)
}

/// Bytes as a script writes them down.
fn literal(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b' ' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out + "\""
}

/// What a list of bytes from the game is.
fn bytes(list: &Json) -> Vec<u8> {
    let list = list.as_array().expect("a list of bytes");
    let byte = |byte: &Json| u8::try_from(byte.as_u64().expect("a number")).expect("a byte");
    list.iter().map(byte).collect()
}

/// Equal, where numbers with a fraction are 32 bits wide.
fn same(left: &Json, right: &Json) -> bool {
    alike(left, right, 0)
}

/// The same where such numbers may be so many steps apart.
fn alike(left: &Json, right: &Json, steps: u32) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) if left.is_f64() || right.is_f64() => {
            let [left, right] = [left, right].map(|number| number.as_f64().unwrap() as f32);
            left.to_bits().abs_diff(right.to_bits()) <= steps
        }
        (Json::Array(left), Json::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| alike(left, right, steps))
        }
        (Json::Object(left), Json::Object(right)) => {
            let other = |(key, item): (&String, &Json)| {
                right
                    .get(key)
                    .is_some_and(|right| alike(item, right, steps))
            };
            left.len() == right.len() && left.iter().all(other)
        }
        _ => left == right,
    }
}

#[test]
fn the_files_are_found_in_their_folder_and_have_bare_names() {
    let (_dir, mut game) = game();
    let code =
        "return [codec.HmacKey, codec.JsonCopy, codec.JsonDecode].map(@(f) f.getinfos().src)";
    let expected = json!(["sha256.nut", "json.nut", "json_read.nut"]);
    assert_eq!(game.run("t.nut", code), expected);
    let code = r#"local root = {}
        foreach (name in ["HmacKey", "JsonCopy", "Compress", "escapes"])
            if (name in getroottable()) root[name] <- true
        return root"#;
    assert_eq!(game.run("t.nut", code), json!({}));
}

/// Who answers for types could let anything through.
#[test]
fn a_replaced_type_function_is_noticed() {
    let (_dir, mut game) = game();
    let code = r#"local own = ::type
        ::type = @(value) typeof value
        ::other <- {}
        IncludeScript("vpi/json.nut", other)
        ::type = own
        return "JsonCopy" in other"#;
    assert_eq!(game.run("t.nut", code), json!(false));
    let error = game.record().errors()[0].message.clone();
    assert_eq!(error, "json.nut: type() is not the game's own");
}

/// What another script puts in the place of a function of the game is not called, and what the
/// game has is not needed any more.
#[test]
fn nothing_is_looked_up_in_the_root_table() {
    let (_dir, mut game) = game();
    let code = r#"
        local root = getroottable(), codec = ::codec, Mac = ::Mac, Read = ::Read, Write = ::Write
        local calls = [], names = [], wrong = []
        foreach (name, value in root) names.append(name)
        foreach (name in names) {
            local called = name
            if (typeof root[name] == "function" || typeof root[name] == "native function")
                root[name] = function(...) { calls.append(called) }
        }
        local Everything = function(codec) {
            local key = codec.HmacKey("key"), job = codec.HmacStart(key, "text")
            while (!job.done) codec.HmacStep(job, 1)
            local mac = codec.HmacHex(job) + codec.HmacText(job).len()
            local long = "long \n\"\x00 "
            while (long.len() < 3000) long += long
            local value = {
                list = [1, 2.25, -0.1, true, null, {}, [], "\x01\x80"], long = long, [7] = 8, ["\"k\""] = 1e20
            }
            foreach (bad in [calls.append, 1e38 * 10, [{ x = codec.HmacKey }], { [1.5] = 1 }])
                try { codec.JsonCopy(bad, "bad"); wrong.append(bad) } catch (error) {}
            job = codec.JsonEncoder(codec.JsonCopy(value, "value"))
            while (!job.done) codec.JsonEncode(job, 5)
            foreach (text in [job.text, "[1.5e3, 99999999999, -5, \"\\ud83d\\ude00\\ud800\\u00e9\", false]"]) {
                local reader = codec.JsonDecoder(text)
                while (!reader.done) codec.JsonDecode(reader, 5)
            }
            foreach (bad in ["", "[", "nul", "1.", "\"", "\"\\u12\"", "{\"a\":}", "1 2", "]"]) {
                local reader = codec.JsonDecoder(bad)
                try { while (!reader.done) codec.JsonDecode(reader, 5); wrong.append(bad) } catch (error) {}
            }
            return mac + job.text.len()
        }
        local first = Everything(codec)
        foreach (name in names) delete root[name]
        return [calls, wrong, first == Everything(codec)]
    "#;
    assert_eq!(game.run("t.nut", code), json!([[], [], true]));
}
