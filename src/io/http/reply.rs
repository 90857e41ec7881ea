//! What came back: its status, the headers that matter, and its body within bounds.

use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_LIST_BYTES_MAX, HTTP_REWARDS_BYTES_MAX};
use crate::protocol::vyhub::{self, BanList, Expect, Failure, Reply};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::SystemTime;
use ureq::http::Response;
use ureq::http::header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER};
use ureq::{Body, Timeout};

pub(super) struct Received(Response<Body>);

impl Received {
    pub(super) fn new(response: Response<Body>) -> Self {
        Self(response)
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// What the other side's clock says, unix seconds.
    pub(super) fn date_s(&self) -> Option<i64> {
        self.header(DATE).and_then(http_date_s)
    }

    /// Reads it to its end, so that its connection can be used again. `key` is never repeated,
    /// whoever says it.
    pub(super) fn read(self, expect: Expect, host: &str, key: &str) -> Result<Reply, Failure> {
        let code = self.0.status().as_u16();
        if !(200..300).contains(&code) {
            return Err(self.refusal(code, key));
        }
        if self.is_page() {
            // Somebody in between, who says that all is well.
            let what = "with a web page; look at vyhub.api_url, and for a proxy in between";
            return Err(Failure::Unclear(format!("{host} answered {what}")));
        }
        let mut body = Bounded::new(self.0.into_body(), expect);
        let read = match expect {
            Expect::BanList => {
                let read = BanList::read(&mut body).map(|list| Reply::BanList(Arc::new(list)));
                read.map_err(|error| error.to_string())
            }
            _ => match body.whole() {
                Ok(bytes) => vyhub::reply(expect, &bytes).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
        };
        let read = read.map_err(|why| body.broken.take().unwrap_or(why));
        read.map_err(|why| {
            let why = plain(&why).replace(key, "(the key)");
            Failure::Unclear(format!("{host} answered, but not as expected: {why}"))
        })
    }

    /// Any status but 2xx.
    fn refusal(self, code: u16, key: &str) -> Failure {
        let here_s = || unix_s(SystemTime::now());
        let now_s = self.date_s().unwrap_or_else(here_s);
        let retry_after = self.header(RETRY_AFTER);
        let retry_after_s = retry_after.and_then(|text| retry_after_s(text, now_s));
        // A redirection is a wrong address, and nothing of VyHub's.
        let said = match (300..400).contains(&code) {
            true => None,
            false => Bounded::new(self.0.into_body(), Expect::Nothing)
                .whole()
                .ok(),
        };
        let detail = said.and_then(|body| vyhub::detail(&body));
        Failure::Status {
            code,
            retry_after_s,
            detail: detail.map(|words| words.replace(key, "(the key)")),
        }
    }

    fn is_page(&self) -> bool {
        let content_type = self.header(CONTENT_TYPE).unwrap_or_default();
        content_type.to_ascii_lowercase().starts_with("text/html")
    }
}

/// A body that is not read beyond what its kind may hold.
struct Bounded {
    body: ureq::BodyReader<'static>,
    left: u64,
    most: u64,
    /// Why it could not be read to its end, in words.
    broken: Option<String>,
}

impl Bounded {
    fn new(body: Body, expect: Expect) -> Self {
        let most = match expect {
            Expect::BanList => HTTP_LIST_BYTES_MAX,
            Expect::Rewards => HTTP_REWARDS_BYTES_MAX,
            _ => HTTP_BODY_BYTES_MAX,
        };
        Self {
            body: body.into_reader(),
            left: most,
            most,
            broken: None,
        }
    }

    fn whole(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.body.read(into) {
            Ok(bytes) if bytes as u64 <= self.left => {
                self.left -= bytes as u64;
                Ok(bytes)
            }
            Ok(_) => {
                let why = format!("its answer is larger than {} MiB", self.most >> 20);
                self.broken = Some(why.clone());
                Err(io::Error::other(why))
            }
            Err(error) => {
                let why = format!("its answer broke off: {}", of_io(&error));
                self.broken = Some(why);
                Err(error)
            }
        }
    }
}

fn http_date_s(text: &str) -> Option<i64> {
    let parsed: Timestamp = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(parsed.as_second())
}

/// `Retry-After`: seconds, or a date by the clock that says `now_s`.
fn retry_after_s(text: &str, now_s: i64) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds);
    }
    let left_s = http_date_s(text)?.saturating_sub(now_s);
    Some(u64::try_from(left_s).unwrap_or(0))
}

fn unix_s(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// An error in words for an operator.
pub(super) fn of_error(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(Timeout::Resolve) => "its name was not looked up in time".into(),
        ureq::Error::Timeout(Timeout::Connect) => "there was no connection in time".into(),
        ureq::Error::Timeout(_) => "its time was over".into(),
        ureq::Error::HostNotFound => "there is no host of this name".into(),
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::Protocol(error) => format!("what came is no HTTP: {error}"),
        ureq::Error::LargeResponseHeader(..) => "the headers of its answer are too large".into(),
        ureq::Error::ConnectProxyFailed(why) => format!("the proxy did not connect: {why}"),
        other => other.to_string(),
    }
}

pub(super) fn of_io(error: &io::Error) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(inner) = inner {
        return of_error(inner);
    }
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            "the connection was closed".into()
        }
        io::ErrorKind::ConnectionRefused => "the connection was refused".into(),
        io::ErrorKind::InvalidData => plain(&error.to_string()),
        _ => error.to_string(),
    }
}

/// Without what could disturb a terminal or a log.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(
            http_date_s("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(
            http_date_s(" Sun, 06 Nov 1994 08:49:37 GMT "),
            Some(784_111_777)
        );
        for odd in ["", "soon", "1994-11-06", "Sun, 06 Nov 1994 08:49:37"] {
            assert_eq!(http_date_s(odd), None, "{odd}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after_s("120", 0), Some(120));
        assert_eq!(retry_after_s(" 0 ", 0), Some(0));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after_s(date, 784_111_700), Some(77));
        assert_eq!(retry_after_s(date, 784_111_800), Some(0));
        for odd in ["", "-1", "1.5", "later"] {
            assert_eq!(retry_after_s(odd, 0), None, "{odd}");
        }
    }
}
