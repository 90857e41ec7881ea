//! Any bytes are a call file or are none; neither takes the daemon along. Whoever looks at a file, in
//! haste or closely, finds the same in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::wire::call_file;

fuzz_target!(|bytes: &[u8]| {
    let identity = call_file::scan(bytes);
    let Ok(outline) = call_file::outline(bytes) else {
        return;
    };
    // Only an identity beyond reason is refused in haste alone.
    assert!(
        identity.is_ok() || bytes.len() > 16_384,
        "what can be read was not passed over"
    );
    let sketches = outline
        .singles
        .iter()
        .chain(outline.chains.iter().flatten());
    for sketch in sketches {
        let callback = match sketch.call.read(bytes) {
            Ok(call) => {
                assert_eq!(call.token, sketch.token);
                assert_eq!(call.function, sketch.function);
                call.callback
            }
            Err(_) => sketch.callback,
        };
        assert_eq!(callback, sketch.callback);
    }
});
