//! Random bytes from the system.

/// A source of random bytes, fetched some at a time.
pub fn bytes() -> impl FnMut() -> u8 {
    let mut buffer = [0u8; 256];
    let mut at = buffer.len();
    move || {
        if at == buffer.len() {
            fill(&mut buffer);
            at = 0;
        }
        at += 1;
        buffer[at - 1]
    }
}

fn fill(buffer: &mut [u8]) {
    let mut filled = 0;
    while filled < buffer.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        match rustix::rand::getrandom(&mut buffer[filled..], flags) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // The call exists since Linux 3.17 and has no other way to fail.
            Err(error) => panic!("the system gives no random numbers: {error}"),
        }
    }
}
