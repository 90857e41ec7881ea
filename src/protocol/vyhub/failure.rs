//! What a failed request to VyHub means for what was requested.

use std::fmt;

use crate::limits;
use crate::protocol::backend::{self, FailureKind};

/// Any outcome but a good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Surely not carried out: no address, no connection, no TLS. A sentence.
    Unreachable(String),
    /// It may have been carried out: the connection broke, time was over, or the answer cannot be
    /// understood. A sentence.
    Unclear(String),
    /// An answer with another status than 2xx.
    Status {
        code: u16,
        /// What `Retry-After` asks for, in seconds.
        retry_after_s: Option<u64>,
        /// VyHub's own words; `None`: it was not VyHub who answered (a proxy's page).
        detail: Option<String>,
    },
}

/// What happened, for a sentence.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Unclear(why) => f.write_str(why),
            Self::Status { code, detail, .. } => match detail {
                Some(detail) => write!(f, "VyHub answered {code}: {detail}"),
                None => write!(f, "the answer was {code}, and not in VyHub's words"),
            },
        }
    }
}

/// What is not in VyHub's own words comes from something in between (a proxy, a wrong address), and says
/// nothing about the request.
impl From<Failure> for backend::Failure {
    fn from(failure: Failure) -> Self {
        use FailureKind::{
            Broken, Forbidden, Invalid, NotFound, TooEarly, Unauthorized, Unclear, Unreachable,
        };
        let (kind, least_s, asked_s, reachable) = match &failure {
            Failure::Unreachable(_) => (Unreachable, 0, None, false),
            Failure::Unclear(_) => (Unclear, 0, None, false),
            Failure::Status {
                code,
                retry_after_s,
                detail,
            } => {
                let (kind, least_s) = match code {
                    429 => (Unreachable, 1),
                    425 => (TooEarly, 0),
                    408 | 500..=599 => (Broken, 0),
                    _ if detail.is_none() => (Unreachable, limits::FOREIGN_ANSWER_S),
                    401 => (Unauthorized, 0),
                    403 => (Forbidden, 0),
                    404 => (NotFound, 0),
                    400..=499 => (Invalid, 0),
                    _ => (Unclear, limits::FOREIGN_ANSWER_S),
                };
                let reachable = detail.is_some() && *code < 500;
                (kind, least_s, *retry_after_s, reachable)
            }
        };
        let asked_s = asked_s.unwrap_or(0).min(limits::RETRY_AFTER_S_MAX);
        Self {
            kind,
            why: failure.to_string(),
            retry_after_s: asked_s.max(least_s),
            reachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, detail: Option<&str>) -> Failure {
        Failure::Status {
            code,
            retry_after_s: None,
            detail: detail.map(str::to_owned),
        }
    }

    #[test]
    fn every_answer_has_its_meaning() {
        use FailureKind::{
            Broken, Forbidden, Invalid, NotFound, TooEarly, Unauthorized, Unclear, Unreachable,
        };
        for (failure, kind, reachable) in [
            (Failure::Unreachable(String::new()), Unreachable, false),
            (Failure::Unclear(String::new()), Unclear, false),
            (status(401, Some("x")), Unauthorized, true),
            (status(403, Some("x")), Forbidden, true),
            (status(404, Some("x")), NotFound, true),
            (status(400, Some("x")), Invalid, true),
            (status(405, Some("x")), Invalid, true),
            (status(409, Some("x")), Invalid, true),
            (status(422, Some("x")), Invalid, true),
            (status(408, Some("x")), Broken, true),
            (status(425, Some("x")), TooEarly, true),
            (status(429, Some("x")), Unreachable, true),
            (status(500, Some("x")), Broken, false),
            (status(502, None), Broken, false),
            (status(503, None), Broken, false),
            // A proxy's pages: nobody's ban dies of them.
            (status(400, None), Unreachable, false),
            (status(401, None), Unreachable, false),
            (status(403, None), Unreachable, false),
            (status(404, None), Unreachable, false),
            (status(422, None), Unreachable, false),
            (status(307, None), Unreachable, false),
        ] {
            let meant = backend::Failure::from(failure.clone());
            assert_eq!(
                (meant.kind, meant.reachable),
                (kind, reachable),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn the_api_is_not_asked_sooner_than_it_wants() {
        for (retry_after_s, detail, expected) in [
            (Some(120), None, 120),
            (None, None, 1),
            (Some(u64::MAX), Some("x"), limits::RETRY_AFTER_S_MAX),
        ] {
            let failure = Failure::Status {
                code: 429,
                retry_after_s,
                detail: detail.map(str::to_owned),
            };
            assert_eq!(backend::Failure::from(failure).retry_after_s, expected);
        }
        let page = backend::Failure::from(status(404, None));
        assert_eq!(page.retry_after_s, limits::FOREIGN_ANSWER_S);
    }
}
