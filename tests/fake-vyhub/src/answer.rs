//! An answer before it is bytes, and its bytes: with all that HTTP allows to vary varying.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    /// Besides the usual ones.
    pub headers: Vec<(&'static str, String)>,
    pub body: Arc<Vec<u8>>,
    /// Whether the request changed something, or was read and answered.
    pub applied: bool,
}

impl Answer {
    pub fn ok(body: &Value) -> Self {
        Self {
            applied: true,
            ..Self::json(200, body)
        }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: Arc::new(body.to_string().into_bytes()),
            applied: false,
        }
    }

    /// An error with a sentence.
    pub fn sentence(status: u16, text: &str) -> Self {
        Self::json(status, &json!({"detail": text}))
    }

    /// An error that has a name.
    pub fn refused(status: u16, code: &str, msg: &str) -> Self {
        Self::json(status, &json!({"detail": {"code": code, "msg": msg}}))
    }

    pub fn html(status: u16) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body>Gateway</body></html>");
        Self {
            content_type: "text/html",
            body: Arc::new(page.into_bytes()),
            ..Self::json(status, &Value::Null)
        }
    }

    pub fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The bytes on the connection. `turn` counts answers: some come in chunks and some with their
    /// length, some with header names in lower case, some say their charset.
    pub fn bytes(&self, turn: u64, now: Timestamp, closes: bool) -> Vec<u8> {
        let chunked = turn % 2 == 1;
        let charset = if turn % 3 == 2 { "; charset=utf-8" } else { "" };
        let mut headers = vec![
            ("Date", http_date(now)),
            ("Server", "uvicorn".to_owned()),
            ("Content-Type", format!("{}{charset}", self.content_type)),
        ];
        headers.extend(self.headers.iter().cloned());
        if chunked {
            headers.push(("Transfer-Encoding", "chunked".to_owned()));
        } else {
            headers.push(("Content-Length", self.body.len().to_string()));
        }
        if closes {
            headers.push(("Connection", "close".to_owned()));
        }
        let mut bytes =
            format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in headers {
            let lower = name.to_ascii_lowercase();
            let name = if turn % 3 == 1 { &lower } else { name };
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend(b"\r\n");
        if chunked {
            let size = (self.body.len() / 3 + 1).min(64 * 1024);
            for chunk in self.body.chunks(size) {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            bytes.extend(self.body.iter());
        }
        bytes
    }
}

pub fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        422 => "Unprocessable Entity",
        408 => "Request Timeout",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}
