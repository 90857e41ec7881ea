//! Real sockets on the loopback interface.

use std::net::SocketAddr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

fn open(secret: Option<&str>) -> (EngineLog, SocketAddr) {
    let secret = secret.map(|digits| digits.parse().unwrap());
    let address = "127.0.0.1:0".parse().unwrap();
    let log = EngineLog::open(&LogListen { address, secret }, None).unwrap();
    let address = log.socket.local_addr().unwrap();
    (log, address)
}

fn started(kind: &str, map: &str) -> Vec<u8> {
    let line = format!("{kind}L 11/20/2026 - 08:00:00: Started map \"{map}\"\n\0");
    [b"\xff\xff\xff\xff", line.as_bytes()].concat()
}

fn send(to: SocketAddr, packets: &[Vec<u8>]) {
    let game = UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in packets {
        game.send_to(packet, to).unwrap();
    }
}

/// Whether something has come, or comes within some seconds.
fn is_ready(log: &EngineLog) -> bool {
    let patience = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let fd = log.fd().expect("it listens");
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    poll(&mut fds, Some(&patience)).unwrap() == 1
}

fn maps(log: &mut EngineLog, count: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    while lines.len() < count && is_ready(log) {
        lines.extend(log.read(2));
    }
    lines
}

#[test]
fn lines_come_in_order_and_some_at_a_time() {
    let (mut log, address) = open(None);
    assert_eq!(log.read(8), [], "nothing has come, and nobody waits");
    let names = ["a", "b", "c", "d", "e"];
    send(address, &names.map(|map| started("R", map)));
    assert!(is_ready(&log));
    assert_eq!(log.read(0), []);
    let mut lines = log.read(2);
    assert!(lines.len() <= 2);
    send(address, &names.map(|map| started("R", map)));
    lines.extend(maps(&mut log, 10 - lines.len()));
    let expected = names.iter().chain(&names);
    let expected: Vec<_> = expected.map(|m| Line::MapStarted(m.to_string())).collect();
    assert_eq!(lines, expected);
    assert_eq!((log.read(8).len(), log.refused()), (0, 0));
}

#[test]
fn what_is_not_believed_is_counted_and_takes_its_turn() {
    let (mut log, address) = open(Some("1234"));
    let mut long = started("S1234", "x");
    long.truncate(long.len() - 2);
    long.resize(limits::LOG_LINE_BYTES_MAX + 500, b' ');
    let packets = [
        started("R", "a"),
        started("S1235", "b"),
        Vec::new(),
        b"rubbish".to_vec(),
        long,
        started("S1234", "c"),
    ];
    send(address, &packets);
    assert_eq!(maps(&mut log, 1), [Line::MapStarted("c".into())]);
    assert_eq!(log.refused(), 5);
}

#[test]
fn a_taken_address_is_named() {
    let (_log, address) = open(None);
    let listen = LogListen {
        address,
        secret: None,
    };
    let error = EngineLog::open(&listen, None);
    let error = error.err().expect("the address is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn there_is_room_for_a_burst() {
    let (mut log, address) = open(None);
    let given = sockopt::socket_recv_buffer_size(&log.socket).unwrap();
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    let plain = sockopt::socket_recv_buffer_size(&plain).unwrap();
    assert!(
        given > plain || plain >= limits::LOG_RECEIVE_BYTES,
        "{given}"
    );
    // As many as fit into what every system grants.
    let burst: Vec<_> = (0..100).map(|n| started("R", &n.to_string())).collect();
    send(address, &burst);
    assert_eq!(maps(&mut log, 100).len(), 100);
}
