use super::*;

/// All packets of these bytes, pushed in pieces of these sizes in turn.
fn decode(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Packet>, WrongLength> {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        decoder.push(&rest[..size]);
        rest = &rest[size..];
        while let Some(packet) = decoder.take()? {
            packets.push(packet);
        }
    }
    Ok(packets)
}

#[test]
fn a_packet_is_laid_out_as_the_engine_wants_it() {
    let bytes = Packet::new(7, EXEC, b"status").encode();
    assert_eq!(bytes, b"\x10\0\0\0\x07\0\0\0\x02\0\0\0status\0\0");
    let answer = b"\x0a\0\0\0\xff\xff\xff\xff\x02\0\0\0\0\0";
    assert_eq!(
        decode(answer, &[99]),
        Ok(vec![Packet::new(-1, AUTH_ANSWER, b"")])
    );
    let strange = b"\x0e\0\0\0\x08\0\0\0\0\0\0\0\0\x01\0\0\0\0";
    assert_eq!(
        decode(strange, &[99]),
        Ok(vec![Packet::new(8, RESPONSE, b"\0\x01\0\0")])
    );
}

#[test]
fn packets_may_come_cut_and_joined_anyhow() {
    let packets = vec![
        Packet::new(1, RESPONSE, b""),
        Packet::new(i32::MAX, AUTH_ANSWER, &[b'x'; 4_096]),
        Packet::new(-1, 99, "ü\0🦀 and \u{1} more".as_bytes()),
        Packet::new(
            2,
            RESPONSE,
            &[255; RCON_PACKET_BYTES_MAX - AROUND_BODY_BYTES],
        ),
    ];
    let bytes: Vec<u8> = packets.iter().flat_map(Packet::encode).collect();
    for size in (1..40).chain([4_096, bytes.len()]) {
        assert_eq!(decode(&bytes, &[size]).as_ref(), Ok(&packets), "{size}");
    }
    arbtest::arbtest(|u| {
        let sizes: Vec<usize> = (0..8)
            .map(|_| u.int_in_range(1..=5_000))
            .collect::<Result<_, _>>()?;
        assert_eq!(decode(&bytes, &sizes).as_ref(), Ok(&packets));
        Ok(())
    });
}

#[test]
fn a_wrong_length_is_an_error_for_good() {
    for length in [
        i32::MIN,
        -1,
        0,
        9,
        RCON_PACKET_BYTES_MAX as i32 + 1,
        i32::MAX,
    ] {
        let mut decoder = Decoder::default();
        decoder.push(&Packet::new(1, RESPONSE, b"a").encode());
        decoder.push(&length.to_le_bytes());
        assert_eq!(decoder.take(), Ok(Some(Packet::new(1, RESPONSE, b"a"))));
        assert_eq!(decoder.take(), Err(WrongLength(length)));
        decoder.push(&Packet::new(2, RESPONSE, b"b").encode());
        assert_eq!(decoder.take(), Err(WrongLength(length)));
    }
    assert_eq!(
        WrongLength(-1).to_string(),
        "a packet with the length -1 is no RCON"
    );
}

#[test]
fn no_bytes_are_too_strange_and_none_are_hoarded() {
    arbtest::arbtest(|u| {
        let mut decoder = Decoder::default();
        while !u.is_empty() {
            decoder.push(u.arbitrary()?);
            while let Ok(Some(packet)) = decoder.take() {
                assert!(packet.body.len() <= RCON_PACKET_BYTES_MAX);
            }
        }
        Ok(())
    });
    let mut decoder = Decoder::default();
    for _ in 0..1_000 {
        decoder.push(&Packet::new(1, RESPONSE, &[1; 1_000]).encode());
        assert!(decoder.take().unwrap().is_some() && decoder.take().unwrap().is_none());
    }
    assert!(decoder.bytes.capacity() < 4 * RCON_PACKET_BYTES_MAX);
}

#[test]
fn only_the_answer_to_the_password_admits() {
    assert_eq!(is_admitted(&Packet::new(5, RESPONSE, b""), 5), None);
    assert_eq!(
        is_admitted(&Packet::new(5, AUTH_ANSWER, b""), 5),
        Some(true)
    );
    assert_eq!(
        is_admitted(&Packet::new(-1, AUTH_ANSWER, b""), 5),
        Some(false)
    );
    assert_eq!(is_admitted(&Packet::new(4, AUTH_ANSWER, b""), 5), None);
}

#[test]
fn a_reply_ends_where_the_mark_comes_back() {
    let mut exchange = Exchange::new(10);
    let sent = decode(&exchange.request("status").concat(), &[3]).unwrap();
    let expected = [
        Packet::new(10, EXEC, b"status"),
        Packet::new(11, RESPONSE, b""),
    ];
    assert_eq!(sent, expected);
    let crab = "🦀".as_bytes();
    let strays = [
        Packet::new(9, RESPONSE, b"\0\x01\0\0"),
        Packet::new(8, RESPONSE, b"late"),
        Packet::new(-1, RESPONSE, b"stray"),
        Packet::new(10, AUTH_ANSWER, b"odd"),
        Packet::new(11, AUTH_ANSWER, b"odd"),
        Packet::new(10, RESPONSE, b"one "),
        Packet::new(10, RESPONSE, b""),
        // A character that is cut between two packets is whole again.
        Packet::new(10, RESPONSE, &crab[..2]),
        Packet::new(12, RESPONSE, b"stray"),
        Packet::new(10, RESPONSE, &crab[2..]),
        Packet::new(10, RESPONSE, b" \xff two"),
    ];
    for packet in strays {
        assert_eq!(exchange.on(&packet), Progress::More, "{packet:?}");
    }
    let mark = Packet::new(11, RESPONSE, b"");
    let done = Progress::Done("one 🦀 \u{fffd} two".to_string());
    assert_eq!(exchange.on(&mark), done);
}

#[test]
fn a_reply_without_end_is_given_up() {
    let mut exchange = Exchange::new(1);
    let packet = Packet::new(1, RESPONSE, &[b'x'; 4_096]);
    for _ in 0..RCON_REPLY_BYTES_MAX / 4_096 {
        assert_eq!(exchange.on(&packet), Progress::More);
    }
    assert_eq!(exchange.on(&packet), Progress::TooLong);
}
