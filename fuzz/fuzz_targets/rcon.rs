//! Any bytes, cut anywhere, are packets or a wrong length, and the same ones in every cut; a
//! reply ends at its mark or goes on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vpid::limits::RCON_PACKET_BYTES_MAX;
use vpid::wire::rcon::{Decoder, Exchange, Packet, WrongLength, is_admitted};

fn decode(bytes: &[u8], size: usize) -> (Vec<Packet>, Option<WrongLength>) {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    for piece in bytes.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.take() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(wrong) => return (packets, Some(wrong)),
            }
        }
    }
    (packets, None)
}

fuzz_target!(|input: (Vec<u8>, u8, i32)| {
    let (bytes, size, id) = input;
    let (packets, wrong) = decode(&bytes, bytes.len().max(1));
    assert_eq!(
        decode(&bytes, usize::from(size) + 1),
        (packets.clone(), wrong)
    );
    let mut exchange = Exchange::new(id);
    for packet in &packets {
        // What came without its two NULs may be too long with them.
        if packet.body.len() <= RCON_PACKET_BYTES_MAX - 10 {
            assert_eq!(decode(&packet.encode(), 7), (vec![packet.clone()], None));
        }
        let _ = exchange.on(packet);
        let _ = is_admitted(packet, id);
    }
});
