//! One request: how it looks, and what its failure means.

use super::reply::{Received, of_error};
use crate::config;
use crate::limits::{
    CA_FILE_BYTES_MAX, HTTP_CONNECT_MS, HTTP_KEEP_FOR_CHANGES_MS, HTTP_KEEP_MS, HTTP_LOOKUPS_MAX,
    HTTP_READ_BYTES, HTTP_STACK_BYTES, HTTP_THREADS_MAX, HTTP_WRITE_BYTES,
};
use crate::protocol::vyhub::{Failure, Method, Outcome, Request};
use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{io, thread};
use ureq::config::Config;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use ureq::http::request::Builder;
use ureq::http::{self, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};
use ureq::{Agent, AsSendBody, Error, Proxy, ProxyProtocol};

pub(super) struct Client {
    agent: Agent,
    /// Without a slash at its end.
    api_url: String,
    /// For sentences.
    host: String,
    /// Never in a message; the header does not print itself.
    authorization: HeaderValue,
    /// Taken out of whatever VyHub says.
    key: String,
}

/// What is wrong with `[vyhub]`.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("vyhub.api_key is empty; make a key in VyHub")]
    NoKey,
    #[error("vyhub.api_key has a character that no key has; copy it from VyHub again")]
    OddKey,
    #[error("vyhub.api_url: {0} is no address; it looks like https://api.vyhub.app/name/v1")]
    NoAddress(String),
    #[error("vyhub.proxy: api_url is not encrypted; take the proxy out")]
    ProxyInClear,
    #[error("vyhub.proxy is no address of an HTTP proxy; it looks like http://proxy.example:3128")]
    NoProxy,
    /// Of `ca_file`, and why.
    #[error("vyhub.ca_file: {0}")]
    Certificates(String),
}

impl Client {
    pub(super) fn new(vyhub: &config::Vyhub) -> Result<Self, SetupError> {
        let key = vyhub.api_key.0.clone();
        if key.is_empty() {
            return Err(SetupError::NoKey);
        }
        let authorization = HeaderValue::try_from(format!("Bearer {key}"));
        let mut authorization = authorization.map_err(|_| SetupError::OddKey)?;
        authorization.set_sensitive(true);
        let no_address = || SetupError::NoAddress(vyhub.api_url.clone());
        let uri: Uri = vyhub.api_url.parse().map_err(|_| no_address())?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(no_address)?.to_string();
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(no_address());
        }
        let proxy = match &vyhub.proxy {
            // Through a proxy, what is not encrypted could be read there.
            Some(_) if uri.scheme_str() != Some("https") => {
                return Err(SetupError::ProxyInClear);
            }
            Some(proxy) => {
                let proxy = Proxy::new(&proxy.0).ok();
                let is_http = |proxy: &Proxy| proxy.protocol() == ProxyProtocol::Http;
                Some(proxy.filter(is_http).ok_or(SetupError::NoProxy)?)
            }
            None => None,
        };
        let roots = match &vyhub.ca_file {
            Some(path) => RootCerts::from(certificates(path)?),
            None => RootCerts::WebPki,
        };
        Ok(Self {
            agent: agent(roots, proxy),
            api_url: vyhub.api_url.trim_end_matches('/').into(),
            host,
            authorization,
            key,
        })
    }

    /// Asks once, within `patience`.
    pub(super) fn ask(&self, request: &Request, patience: Duration) -> Outcome {
        nothing_begun();
        let builder = http::Request::builder()
            .uri(format!("{}{}", self.api_url, request.path))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json");
        let answered = match (request.method, &request.body) {
            (Method::Get, _) => self.run(builder.method("GET"), (), patience, HTTP_KEEP_MS),
            (method, body) => {
                let name = match method {
                    Method::Patch => "PATCH",
                    Method::Delete => "DELETE",
                    Method::Get | Method::Post => "POST",
                };
                let mut builder = builder.method(name);
                let mut bytes = Vec::new();
                if let Some(body) = body {
                    builder = builder.header(CONTENT_TYPE, "application/json");
                    bytes = body.to_string().into_bytes();
                }
                self.run(builder, bytes, patience, HTTP_KEEP_FOR_CHANGES_MS)
            }
        };
        match answered {
            Ok(response) => {
                let received = Received::new(response);
                Outcome {
                    api_s: received.date_s(),
                    result: received.read(request.expect, &self.host, &self.key),
                }
            }
            Err(error) => Outcome {
                result: Err(self.failure(&error)),
                api_s: None,
            },
        }
    }

    fn run(
        &self,
        builder: Builder,
        body: impl AsSendBody,
        patience: Duration,
        keep_ms: u64,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let request = builder.body(body)?;
        let configured = self.agent.configure_request(request);
        let request = configured
            .timeout_global(Some(patience))
            .max_idle_age(Duration::from_millis(keep_ms))
            .build();
        self.agent.run(request)
    }

    /// What a request means that got no answer. It was surely not carried out if not a byte of it
    /// was sent.
    fn failure(&self, error: &ureq::Error) -> Failure {
        let (host, why) = (&self.host, of_error(error));
        match is_begun() {
            false => Failure::Unreachable(format!("{host} cannot be reached: {why}")),
            true => Failure::Unclear(format!("{host} did not answer: {why}")),
        }
    }

    /// Breaks off all that is under way; nothing can be asked any more.
    pub(super) fn cut(&self) {
        self.agent.clone().shutdown();
    }
}

fn agent(roots: RootCerts, proxy: Option<Proxy>) -> Agent {
    let connect = Some(Duration::from_millis(HTTP_CONNECT_MS));
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // Also where there is none: else ureq takes what the environment says.
        .proxy(proxy)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("vpid/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(connect)
        .timeout_connect(connect)
        .max_idle_connections(HTTP_THREADS_MAX)
        .max_idle_connections_per_host(HTTP_THREADS_MAX)
        .max_idle_age(Duration::from_millis(HTTP_KEEP_MS))
        .input_buffer_size(HTTP_READ_BYTES)
        .output_buffer_size(HTTP_WRITE_BYTES)
        .max_response_header_size(HTTP_READ_BYTES)
        .build();
    Agent::with_parts(config, Connections::default(), Lookup::default())
}

/// The certificates of a file.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, SetupError> {
    let wrong = |what: &str| SetupError::Certificates(format!("{} {what}", path.display()));
    let bytes = config::file::read(path, CA_FILE_BYTES_MAX, "certificates");
    let pem = bytes.map_err(|error| SetupError::Certificates(error.to_string()))?;
    let pem = config::file::without_mark(pem).map_err(wrong)?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            // Keys and the like may stand beside them.
            Ok(_) => {}
            Err(error) => return Err(wrong(&format!("has a part that is no PEM: {error}"))),
        }
    }
    match certificates.is_empty() {
        true => Err(wrong("holds no certificate in PEM form")),
        false => Ok(certificates),
    }
}

// What lies below HTTP: looking names up, and knowing whether a request was begun.
//
// An error of ureq does not tell whether a part of the request was sent, and everything hangs on
// that: what was surely not sent can be sent again. So each connection notes that something goes
// out. A request and its connection are one thread's, and so is the note.

thread_local! {
    /// A part of this thread's request may have left.
    static BEGUN: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn nothing_begun() {
    BEGUN.set(false);
}

pub(super) fn is_begun() -> bool {
    BEGUN.get()
}

/// ureq's own connections, watched.
#[derive(Debug, Default)]
pub(super) struct Connections(DefaultConnector);

impl Connector<()> for Connections {
    type Out = Watched;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<()>,
    ) -> Result<Option<Watched>, Error> {
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            // All requests have the same TLS: then it is set up once, and sessions are resumed.
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        let connected = self.0.connect(&details, chained);
        // What went to a proxy on the way was not the request.
        nothing_begun();
        Ok(connected?.map(Watched))
    }
}

#[derive(Debug)]
pub(super) struct Watched(Box<dyn Transport>);

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        BEGUN.set(true);
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// Looks names up on threads of their own, since the system's way of doing it has no deadline. Those
/// that hang are counted, and that a thread cannot be had is no end of the world.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    running: Arc<AtomicUsize>,
}

impl Resolver for Lookup {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let address = match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => DefaultResolver::host_and_port(scheme, authority),
            _ => None,
        };
        let address = address.ok_or_else(|| Error::BadUri("it names no host".into()))?;
        let found = match address.parse::<SocketAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.look_up(address, timeout)?,
        };
        let mut addresses = self.empty();
        // As many as fit.
        for address in found.into_iter().take(16) {
            addresses.push(address);
        }
        match addresses.is_empty() {
            true => Err(Error::HostNotFound),
            false => Ok(addresses),
        }
    }
}

impl Lookup {
    fn look_up(&self, address: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
        let slot = Slot::take(&self.running).ok_or_else(|| {
            io::Error::other("names are not being looked up; look at this machine's DNS")
        })?;
        let (found, finding) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("lookup".into())
            .stack_size(HTTP_STACK_BYTES)
            .spawn(move || {
                let addresses = address.to_socket_addrs().map(Iterator::collect);
                drop(slot);
                let _ = found.send(addresses);
            })?;
        match finding.recv_timeout(*timeout.after) {
            Ok(addresses) => Ok(addresses?),
            Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(timeout.reason)),
            Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
        }
    }
}

/// One of the lookups that may run.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(running: &Arc<AtomicUsize>) -> Option<Self> {
        let slot = Self(Arc::clone(running));
        (running.fetch_add(1, SeqCst) < HTTP_LOOKUPS_MAX).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_that_hang_are_bounded() {
        let running = Arc::default();
        let mut slots: Vec<Slot> = Vec::new();
        while let Some(slot) = Slot::take(&running) {
            slots.push(slot);
        }
        assert_eq!(slots.len(), HTTP_LOOKUPS_MAX);
        let lookup = Lookup {
            running: Arc::clone(&running),
        };
        let timeout = NextTimeout::default();
        let error = lookup.look_up("localhost:80".into(), timeout).unwrap_err();
        assert!(error.to_string().contains("DNS"), "{error}");
        slots.pop();
        assert!(Slot::take(&running).is_some());
        drop(slots);
        assert_eq!(running.load(SeqCst), 0);
    }
}
