//! A VyHub that does what a test wants, and a desk with the lane on it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::super::Http;
use crate::config::{Password, Vyhub};
use crate::io::worker::Options;
use crate::limits::{HTTP_STACK_BYTES, HTTP_THREADS_MAX};
use crate::protocol::backend;
use crate::protocol::steam_id::SteamId;
use crate::protocol::uuid::Uuid;
use crate::protocol::vyhub::{Done, Failure, Job, NewBan, Outcome, Reply, Request};

pub(in crate::io::http) const KEY: &str = "k3y-that-nobody-may-see";
/// Far more than anything takes.
pub(in crate::io::http) const PATIENCE: Duration = Duration::from_secs(20);
pub(in crate::io::http) const ID: Uuid = Uuid(0x0a1b_2c3d_4e5f_6071_8293_a4b5_c6d7_e8f9);
/// A good answer to [`server`].
pub(in crate::io::http) const SERVER: &str = r#"{"id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","name":"2fort","type":"SOURCE","address":"","port":27015,"hidden":false,"status":"ONLINE","serverbundle_id":null}"#;
/// A good answer to [`ban`].
pub(in crate::io::http) const BAN: &str = r#"{"id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","status":"ACTIVE","created_on":"2026-03-01T12:00:00+00:00","active":true,"user":{},"protests":[]}"#;

pub(in crate::io::http) fn server() -> Request {
    Request::of(&backend::Request::FindServer(ID)).unwrap()
}

/// Each with its own reason, so that one is told from another.
pub(in crate::io::http) fn ban(number: usize) -> Request {
    let ban = NewBan {
        change: 1,
        user: ID,
        name: None,
        bundle: ID,
        length_s: None,
        reason: format!("reason {number}."),
        created: jiff::Timestamp::UNIX_EPOCH,
        standing: true,
    };
    Request::of(&backend::Request::CreateBan { ban, issuer: None }).unwrap()
}

pub(in crate::io::http) fn unban(issuer: Option<Uuid>) -> Request {
    let (user, bundle) = (ID, ID);
    Request::of(&backend::Request::EndBans {
        user,
        bundle,
        issuer,
    })
    .unwrap()
}

pub(in crate::io::http) fn ban_list() -> Request {
    Request::of(&backend::Request::ListBans {
        bundle: ID,
        newest: false,
    })
    .unwrap()
}

pub(in crate::io::http) fn user() -> Request {
    Request::of(&backend::Request::FindUser(SteamId::new(7).unwrap())).unwrap()
}

/// A stream of either kind.
pub(in crate::io::http) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// One connection, from VyHub's side.
pub(in crate::io::http) struct Peer {
    /// Counted from 0.
    pub number: usize,
    pub stream: Box<dyn Stream>,
    /// The same connection, below TLS.
    pub tcp: TcpStream,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Peer {
    /// Reads one whole request. `None`: there is no further one.
    pub fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let head = loop {
            let found = bytes.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = found {
                break end + 4;
            }
            self.more(&mut bytes)?;
        };
        let length = header(&String::from_utf8_lossy(&bytes), "content-length")
            .map_or(0, |length| length.parse().unwrap());
        while bytes.len() < head + length {
            self.more(&mut bytes)?;
        }
        let text = String::from_utf8(bytes).unwrap();
        self.seen.lock().unwrap().push((self.number, text.clone()));
        Some(text)
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let mut piece = [0; 4096];
        let read = self.stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        Some(())
    }

    /// Sends as much as the other side takes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref());
        let _ = sent.and_then(|()| self.stream.flush());
    }

    pub fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ));
    }

    pub fn json(&mut self, body: &str) {
        self.answer("200 OK", "Content-Type: application/json\r\n", body);
    }

    /// Waits until something has come, and leaves it: what is closed then is reset.
    pub fn wait_for_bytes(&self) {
        let _ = self.tcp.peek(&mut [0]);
    }

    /// Waits until the other side has closed.
    pub fn wait_for_end(&mut self) {
        let mut bytes = Vec::new();
        while self.more(&mut bytes).is_some() {}
    }
}

/// The value of a header of a request or an answer.
pub(in crate::io::http) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let mut fields = lines.filter_map(|line| line.split_once(": "));
    let field = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
    field.map(|(_, value)| value)
}

pub(in crate::io::http) struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Server {
    /// Plays `script` with each connection, on a thread of its own.
    pub fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::listen(None, script)
    }

    /// The same by TLS, with a certificate of `tests/tls`.
    pub fn start_tls(name: &str, script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let pem = |ending: &str| certificate(&format!("{name}.{ending}"));
        let chain = CertificateDer::from_pem_file(pem("pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(pem("key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![chain], key).unwrap();
        Self::listen(Some(Arc::new(config)), script)
    }

    fn listen(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let server = Self {
            address,
            seen: Arc::clone(&seen),
        };
        let script = Arc::new(script);
        thread::spawn(move || {
            for (number, tcp) in listener.incoming().enumerate() {
                let tcp = tcp.unwrap();
                let stream = tcp.try_clone().unwrap();
                let stream: Box<dyn Stream + Send> = match &tls {
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        Box::new(StreamOwned::new(connection, stream))
                    }
                    None => Box::new(stream),
                };
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                thread::spawn(move || {
                    script(&mut Peer {
                        number,
                        stream,
                        tcp,
                        seen,
                    });
                });
            }
        });
        server
    }

    /// Answers every request alike, on connections that are kept.
    pub fn answering(status: &'static str, headers: &'static str, body: &'static str) -> Self {
        Self::start(move |peer| {
            while peer.request().is_some() {
                peer.answer(status, headers, body);
            }
        })
    }

    /// The requests that have come, each with the number of its connection.
    pub fn seen(&self) -> Vec<(usize, String)> {
        self.seen.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}/name/v1", self.address)
    }
}

pub(in crate::io::http) fn certificate(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    folder.join(file)
}

pub(in crate::io::http) fn vyhub(api_url: String) -> Vyhub {
    Vyhub {
        api_url,
        api_key: Password(KEY.into()),
        ca_file: None,
        proxy: None,
        login: false,
    }
}

/// The lane with somebody who waits for it.
pub(in crate::io::http) struct Desk {
    pub http: Http,
    done: Receiver<Done>,
}

impl Desk {
    pub fn new(server: &Server) -> Self {
        Self::with(&vyhub(server.url()), PATIENCE)
    }

    pub fn with(vyhub: &Vyhub, thread_idle: Duration) -> Self {
        let (sender, done) = channel();
        let on_done = move |done| sender.send(done).unwrap();
        let options = Options {
            idle: thread_idle,
            ..Options::new("vyhub", HTTP_THREADS_MAX, HTTP_STACK_BYTES)
        };
        let http = Http::start_with(vyhub, options, on_done).unwrap();
        Self { http, done }
    }

    pub fn submit(&self, ticket: u64, request: Request, patience: Duration) {
        let patience_ms = patience.as_millis() as u64;
        self.http.submit(Job {
            ticket,
            request,
            patience_ms,
        });
    }

    pub fn done(&self) -> Done {
        self.done.recv_timeout(PATIENCE).unwrap()
    }

    pub fn ask_within(&self, request: Request, patience: Duration) -> Outcome {
        self.submit(7, request, patience);
        let done = self.done();
        assert_eq!(done.ticket, 7);
        assert!(!format!("{done:?}").contains(KEY), "{done:?}");
        done.outcome
    }

    pub fn ask(&self, request: Request) -> Result<Reply, Failure> {
        self.ask_within(request, PATIENCE).result
    }

    /// Stops, and gives what was reported since.
    pub fn stop(self, patience: Duration) -> (bool, Vec<Done>) {
        let all_done = self.http.stop(patience);
        let mut reported = Vec::new();
        while let Ok(done) = self.done.recv_timeout(Duration::from_millis(200)) {
            reported.push(done);
        }
        (all_done, reported)
    }
}

/// The sentence of a failure that leaves it open what happened.
pub(in crate::io::http) fn unclear(result: Result<Reply, Failure>) -> String {
    match result {
        Err(Failure::Unclear(why)) => why,
        other => panic!("not unclear: {other:?}"),
    }
}

pub(in crate::io::http) fn unreachable(result: Result<Reply, Failure>) -> String {
    match result {
        Err(Failure::Unreachable(why)) => why,
        other => panic!("reached: {other:?}"),
    }
}
