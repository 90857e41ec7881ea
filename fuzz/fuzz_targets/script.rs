//! Whatever a script says is read or refused; whatever is said to it is one line of JSON that holds
//! what was meant.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use vpid::wire::script::{self, Caller};

fuzz_target!(|bytes: &[u8]| {
    let _ = script::parse(bytes);
    let text = String::from_utf8_lossy(bytes);
    let value = serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(text.as_ref()));
    let caller = Caller {
        script: text.clone().into_owned(),
        ..Caller::default()
    };
    let event = script::event(&text, Some(1), std::slice::from_ref(&value));
    let call = script::call(7, &text, &[], &value, &caller);
    let error = script::answer_error(7, &text, &text);
    for message in [event, call, error] {
        assert!(!message.contains('\n'));
        assert!(serde_json::from_str::<Value>(&message).is_ok_and(|read| read.is_array()));
    }
});
