//! Any arguments give a statement or an error, and no statement holds text of the caller's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use vpid::wire::sql::{Dialect, FUNCTIONS, Reading, parse, render};

fuzz_target!(|input: (u8, bool, &str)| {
    let (function, signed, text) = input;
    let Ok(kwargs) = serde_json::from_str::<Value>(text) else { return };
    let function = FUNCTIONS[function as usize % FUNCTIONS.len()];
    let reading = if signed { Reading::Signed } else { Reading::Legacy };
    let Ok(call) = parse(function, "x.nut", &kwargs, reading) else { return };
    let Ok(statement) = render(&call, 0, Dialect::Sqlite) else { return };
    if function != "VPI_DB_RawExecute" {
        assert!(!statement.text.contains([';', '\'', '\0']), "{}", statement.text);
    }
});
