//! The same by TLS: who is believed to be VyHub, on the small stacks of the lane's threads.

use std::io::{Read, Write, copy};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use super::support::{
    BAN, Desk, KEY, PATIENCE, SERVER, Server, ban, certificate, server, unclear, unreachable, vyhub,
};
use crate::config::Password;
use crate::protocol::vyhub::Reply;

/// A lane that trusts these certificates alone.
fn desk(vyhub_server: &Server, host: &str, ca_file: &str) -> Desk {
    let port = vyhub_server.address.port();
    let mut config = vyhub(format!("https://{host}:{port}/name/v1"));
    config.ca_file = Some(certificate(ca_file));
    Desk::with(&config, PATIENCE)
}

fn good() -> Server {
    Server::start_tls("localhost", |peer| {
        while let Some(request) = peer.request() {
            peer.json(if request.starts_with("GET") {
                SERVER
            } else {
                BAN
            });
        }
    })
}

#[test]
fn a_certificate_of_the_owners_is_trusted_where_it_is_named() {
    for host in ["127.0.0.1", "localhost"] {
        let vyhub = good();
        let desk = desk(&vyhub, host, "ca.pem");
        assert!(matches!(desk.ask(server()), Ok(Reply::Server(_))));
        assert!(matches!(desk.ask(ban(1)), Ok(Reply::Ban(_))));
        assert!(desk.ask(server()).is_ok());
        let connections: Vec<usize> = vyhub.seen().iter().map(|(number, _)| *number).collect();
        assert_eq!(connections, [0; 3]);
    }
}

#[test]
fn a_certificate_of_somebody_else_is_refused_and_nothing_is_sent() {
    let vyhub_server = good();
    let other = desk(&vyhub_server, "localhost", "other-ca.pem");
    let why = unreachable(other.ask(ban(1)));
    assert!(why.contains("certificate"), "{why}");

    // Without a file of the owner's, only those count that all the world knows.
    let port = vyhub_server.address.port();
    let config = vyhub(format!("https://localhost:{port}"));
    let usual = Desk::with(&config, PATIENCE);
    assert!(unreachable(usual.ask(ban(1))).contains("certificate"));
    assert_eq!(vyhub_server.seen(), []);

    let elsewhere = Server::start_tls("elsewhere", |peer| drop(peer.request()));
    let why = unreachable(desk(&elsewhere, "localhost", "ca.pem").ask(ban(1)));
    assert!(why.contains("certificate"), "{why}");
    assert_eq!(elsewhere.seen(), []);
}

#[test]
fn what_speaks_no_tls_is_not_reached() {
    let begin = Instant::now();
    let plain = Server::start(|peer| {
        peer.wait_for_bytes();
        peer.answer("400 Bad Request", "", "this is no HTTP");
    });
    unreachable(desk(&plain, "localhost", "ca.pem").ask(ban(1)));
    let silent = Server::start(|peer| peer.wait_for_end());
    let desk_of_silent = desk(&silent, "localhost", "ca.pem");
    let short = Duration::from_millis(300);
    unreachable(desk_of_silent.ask_within(ban(1), short).result);
    let closing = Server::start(|peer| peer.wait_for_bytes());
    unreachable(desk(&closing, "localhost", "ca.pem").ask(ban(1)));
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[test]
fn nothing_is_sent_twice_by_tls_either() {
    for reads in [true, false] {
        let vyhub = Server::start_tls("localhost", move |peer| {
            peer.request();
            peer.json(SERVER);
            match reads {
                true => drop(peer.request()),
                false => peer.wait_for_bytes(),
            }
        });
        let desk = desk(&vyhub, "localhost", "ca.pem");
        desk.ask(server()).unwrap();
        unclear(desk.ask(ban(1)));
        sleep(Duration::from_millis(50));
        assert_eq!(vyhub.seen().len(), 1 + usize::from(reads));
    }
}

/// A proxy that connects with `to` whoever asks it by CONNECT, and notes what passes.
fn tunnel(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
    let noted: Arc<Mutex<Vec<u8>>> = Arc::clone(&seen);
    spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut byte = [0];
        while !noted.lock().unwrap().ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).unwrap();
            noted.lock().unwrap().push(byte[0]);
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut server = TcpStream::connect(to).unwrap();
        let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        spawn(move || copy(&mut answers, &mut back));
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = client.read(&mut bytes) {
            noted.lock().unwrap().extend_from_slice(&bytes[..count]);
            server.write_all(&bytes[..count]).unwrap();
        }
    });
    (address, seen)
}

#[test]
fn a_proxy_that_is_configured_connects_and_learns_no_key() {
    let vyhub_server = good();
    let (proxy, seen) = tunnel(vyhub_server.address);
    let port = vyhub_server.address.port();
    let mut config = vyhub(format!("https://localhost:{port}/name/v1"));
    config.ca_file = Some(certificate("ca.pem"));
    config.proxy = Some(Password(format!("http://me:word@{proxy}")));
    let desk = Desk::with(&config, PATIENCE);
    assert!(desk.ask(server()).is_ok());
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    let connect = format!("CONNECT localhost:{port} HTTP/1.1\r\n");
    assert!(seen.starts_with(&connect), "{seen:?}");
    assert!(seen.contains("bWU6d29yZA=="), "{seen:?}");
    assert!(
        !seen.contains(KEY) && !seen.contains("/name/v1"),
        "{seen:?}"
    );
    assert!(vyhub_server.seen()[0].1.contains(KEY));

    // What a proxy refuses was not sent.
    let refusing = Server::answering("403 Forbidden", "", "no");
    config.proxy = Some(Password(format!("http://me:word@{}", refusing.address)));
    let why = unreachable(Desk::with(&config, PATIENCE).ask(ban(1)));
    assert!(why.contains("proxy") && why.contains("403"), "{why}");
    assert!(!why.contains("word"), "{why}");
    assert_eq!(refusing.seen().len(), 1);
}
