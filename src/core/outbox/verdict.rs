//! What an answer means for what was sent.

use crate::limits;
use crate::protocol::vyhub::Failure;

/// What is to become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Again later.
    Again {
        why: String,
        /// The least time that the API asks for, in seconds.
        after_s: u64,
        /// It may have been carried out.
        unclear: bool,
        /// The way to VyHub is in trouble, and not just this one.
        whole: bool,
    },
    /// VyHub refuses vpid itself: its key, or that it acts for others.
    Held { why: String, whole: bool },
    /// VyHub does not know the user, or something else that it is about.
    Unknown(String),
    /// Refused, and the issuer may be why.
    Forbidden(String),
    /// It will never be taken.
    Dead(String),
}

/// Judges a failure. `morphed`: it was done as some user and not as the server.
///
/// What is not in VyHub's own words comes from somebody in between (a proxy, a wrong address), and
/// says nothing about the change.
pub fn judge(failure: &Failure, morphed: bool) -> Verdict {
    let again = |why: String, after_s, unclear, whole| Verdict::Again {
        why,
        after_s,
        unclear,
        whole,
    };
    let (code, detail) = match failure {
        Failure::Unreachable(why) => return again(why.clone(), 0, false, true),
        Failure::Unclear(why) => return again(why.clone(), 0, true, true),
        Failure::Status { code, detail, .. } => (*code, detail.as_deref()),
    };
    let (asked_s, said) = (failure.retry_after_s(), failure.to_string());
    match code {
        429 => again(said, asked_s.max(1), false, true),
        425 => again(said, asked_s, false, false),
        408 | 500..=599 => again(said, asked_s, true, false),
        _ if detail.is_none() => again(said, asked_s.max(limits::FOREIGN_ANSWER_S), false, true),
        401 => Verdict::Held {
            why: said,
            whole: true,
        },
        403 if morphed => Verdict::Forbidden(said),
        403 => Verdict::Held {
            why: said,
            whole: false,
        },
        404 => Verdict::Unknown(said),
        400..=499 => Verdict::Dead(said),
        _ => again(said, limits::FOREIGN_ANSWER_S, true, true),
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
    fn every_answer_has_its_verdict() {
        let kind = |failure: &Failure, morphed| match judge(failure, morphed) {
            Verdict::Again { unclear: true, .. } => "unclear",
            Verdict::Again { .. } => "again",
            Verdict::Held { .. } => "held",
            Verdict::Unknown(_) => "unknown",
            Verdict::Forbidden(_) => "forbidden",
            Verdict::Dead(_) => "dead",
        };
        for (failure, morphed, expected) in [
            (Failure::Unreachable(String::new()), true, "again"),
            (Failure::Unclear(String::new()), true, "unclear"),
            (status(401, Some("x")), true, "held"),
            (status(403, Some("x")), true, "forbidden"),
            (status(403, Some("x")), false, "held"),
            (status(404, Some("x")), true, "unknown"),
            (status(400, Some("x")), true, "dead"),
            (status(405, Some("x")), true, "dead"),
            (status(409, Some("x")), true, "dead"),
            (status(422, Some("x")), true, "dead"),
            (status(408, Some("x")), true, "unclear"),
            (status(425, Some("x")), true, "again"),
            (status(429, Some("x")), true, "again"),
            (status(500, Some("x")), true, "unclear"),
            (status(502, None), true, "unclear"),
            (status(503, None), false, "unclear"),
            // A proxy's pages: nobody's ban dies of them.
            (status(400, None), true, "again"),
            (status(401, None), true, "again"),
            (status(403, None), false, "again"),
            (status(404, None), true, "again"),
            (status(422, None), true, "again"),
            (status(307, None), true, "again"),
        ] {
            assert_eq!(kind(&failure, morphed), expected, "{failure:?}");
        }
    }

    #[test]
    fn the_api_is_not_asked_sooner_than_it_wants() {
        let failure = Failure::Status {
            code: 429,
            retry_after_s: Some(120),
            detail: None,
        };
        let Verdict::Again { after_s, .. } = judge(&failure, false) else {
            panic!()
        };
        assert_eq!(after_s, 120);
    }
}
