//! One request: how it looks, and what its failure means.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use ureq::http::request::Builder;
use ureq::http::{self, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody, Proxy, ProxyProtocol};

use super::connect::{self, Connections, Lookup};
use super::reply::Received;
use super::words;
use crate::config;
use crate::limits::{
    CA_FILE_BYTES_MAX, HTTP_CONNECT_MS, HTTP_KEEP_FOR_CHANGES_MS, HTTP_KEEP_MS, HTTP_READ_BYTES,
    HTTP_THREADS_MAX, HTTP_WRITE_BYTES,
};
use crate::protocol::vyhub::{Failure, Method, Outcome, Request};

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
#[derive(Debug)]
pub enum SetupError {
    NoKey,
    OddKey,
    NoAddress(String),
    ProxyInClear,
    NoProxy,
    /// Of `ca_file`, and why.
    Certificates(String),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => f.write_str("vyhub.api_key is empty; make a key in VyHub"),
            Self::OddKey => f.write_str(
                "vyhub.api_key has a character that no key has; copy it from VyHub again",
            ),
            Self::NoAddress(url) => write!(
                f,
                "vyhub.api_url: {url} is no address; it looks like https://api.vyhub.app/name/v1"
            ),
            Self::ProxyInClear => {
                f.write_str("vyhub.proxy: api_url is not encrypted; take the proxy out")
            }
            Self::NoProxy => f.write_str(
                "vyhub.proxy is no address of an HTTP proxy; it looks like \
                 http://proxy.example:3128",
            ),
            Self::Certificates(why) => write!(f, "vyhub.ca_file: {why}"),
        }
    }
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
        connect::nothing_begun();
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
        let (host, why) = (&self.host, words::of(error));
        match connect::is_begun() {
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
