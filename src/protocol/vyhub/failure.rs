//! What a failed request to VyHub means for what was requested.

use std::fmt;

use crate::limits;
use crate::protocol::backend::{self, FailureKind, Lacking};

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
            Broken, Busy, Forbidden, Foreign, Invalid, NotFound, TooEarly, Unauthorized, Unclear,
            Unreachable,
        };
        let why = failure.to_string();
        let (kind, asked_s, reachable, under_way) = match &failure {
            Failure::Unreachable(_) => (Unreachable, None, false, false),
            Failure::Unclear(_) => (Unclear, None, false, true),
            Failure::Status {
                code,
                retry_after_s,
                detail,
            } => {
                let kind = match (code, detail) {
                    (429, _) => Busy,
                    (425, _) => TooEarly,
                    (408 | 500..=599, _) => Broken,
                    (_, None) => Foreign,
                    (401, _) => Unauthorized,
                    (403, Some(words)) => Forbidden(lacking(words)),
                    (404, _) => NotFound,
                    (400..=499, _) => Invalid,
                    _ => Unclear,
                };
                // A gateway gives up sooner than what is behind it.
                let under_way = detail.is_none() && kind == Broken;
                let reachable = detail.is_some() && *code < 500;
                (kind, *retry_after_s, reachable, under_way)
            }
        };
        Self {
            kind,
            why,
            retry_after_s: asked_s.unwrap_or(0).min(limits::RETRY_AFTER_S_MAX),
            reachable,
            under_way,
        }
    }
}

/// Whose right a refusal names: `user_morph` and whatever is said of a key are vpid's, and what else ends
/// as the names of rights do is the issuer's.
fn lacking(words: &str) -> Lacking {
    let words = words.to_ascii_lowercase();
    let mut words = words.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let of_key = |word: &str| word.contains("morph") || matches!(word, "key" | "token" | "apikey");
    let of_issuer = |word: &str| {
        let (_, end) = word.rsplit_once('_')?;
        matches!(end, "edit" | "show" | "add" | "delete").then_some(Lacking::Issuer)
    };
    words
        .clone()
        .any(of_key)
        .then_some(Lacking::Key)
        .or_else(|| words.find_map(of_issuer))
        .unwrap_or(Lacking::Unsaid)
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
    fn every_reply_has_its_meaning() {
        use FailureKind::{
            Broken, Busy, Forbidden, Foreign, Invalid, NotFound, TooEarly, Unauthorized, Unclear,
            Unreachable,
        };
        let unsaid = Forbidden(Lacking::Unsaid);
        for (failure, kind, reachable, under_way) in [
            (
                Failure::Unreachable(String::new()),
                Unreachable,
                false,
                false,
            ),
            (Failure::Unclear(String::new()), Unclear, false, true),
            (status(401, Some("x")), Unauthorized, true, false),
            (status(403, Some("x")), unsaid, true, false),
            (status(404, Some("x")), NotFound, true, false),
            (status(400, Some("x")), Invalid, true, false),
            (status(405, Some("x")), Invalid, true, false),
            (status(409, Some("x")), Invalid, true, false),
            (status(422, Some("x")), Invalid, true, false),
            (status(408, Some("x")), Broken, true, false),
            (status(425, Some("x")), TooEarly, true, false),
            (status(429, Some("x")), Busy, true, false),
            (status(429, None), Busy, false, false),
            (status(500, Some("x")), Broken, false, false),
            (status(502, None), Broken, false, true),
            (status(503, None), Broken, false, true),
            (status(302, Some("x")), Unclear, true, false),
            // A proxy's pages: no ban becomes a dead letter because of them.
            (status(400, None), Foreign, false, false),
            (status(401, None), Foreign, false, false),
            (status(403, None), Foreign, false, false),
            (status(404, None), Foreign, false, false),
            (status(422, None), Foreign, false, false),
            (status(307, None), Foreign, false, false),
        ] {
            let meant = backend::Failure::from(failure.clone());
            assert_eq!(
                (meant.kind, meant.reachable, meant.under_way),
                (kind, reachable, under_way),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_refusal_that_names_a_right_names_who_lacks_it() {
        for (words, who) in [
            ("The user lacks the property ban_edit.", Lacking::Issuer),
            ("This needs the right warning_edit.", Lacking::Issuer),
            ("Missing: WARNING_EDIT", Lacking::Issuer),
            ("The key needs the right user_morph.", Lacking::Key),
            ("user_morph_not_allowed", Lacking::Key),
            ("This API key lacks ban_edit.", Lacking::Key),
            (
                "The length exceeds what the group may give.",
                Lacking::Unsaid,
            ),
            ("permission_denied", Lacking::Unsaid),
            ("", Lacking::Unsaid),
        ] {
            assert_eq!(lacking(words), who, "{words}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_said_to_be_asked_for() {
        for (code, retry_after_s, detail, expected) in [
            (429, Some(120), None, 120),
            (503, Some(7), None, 7),
            (429, None, None, 0),
            (404, None, None, 0),
            (429, Some(u64::MAX), Some("x"), limits::RETRY_AFTER_S_MAX),
        ] {
            let failure = Failure::Status {
                code,
                retry_after_s,
                detail: detail.map(str::to_owned),
            };
            assert_eq!(backend::Failure::from(failure).retry_after_s, expected);
        }
    }
}
