//! Addresses as owners write them: of an API, of a game's console.

use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

use crate::limits::ADDRESS_BYTES_MAX;

const PROXY: &str = "http://proxy.example:3128";

/// What is wrong with an address, as the end of a sentence. It holds nothing of the text, which may have a
/// password in it.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum Unusable {
    #[error("is empty; copy the address of the API from VyHub")]
    NoApi,
    #[error("is empty; write it as {PROXY}, or remove it")]
    NoProxy,
    #[error("is longer than {ADDRESS_BYTES_MAX} bytes")]
    TooLong,
    #[error("still has a placeholder in it; put the name of your VyHub in its place")]
    Placeholder,
    #[error("must begin with https://, as in https://api.vyhub.app/NAME/v1")]
    NotHttps,
    #[error("must begin with http://, as in {PROXY}: vpid uses proxies that take CONNECT by HTTP")]
    NotHttp,
    #[error("has {0:?} in it, which no address of an API has")]
    Sign(char),
    #[error("has a `?` or `#` in it; remove that and what follows")]
    QueryOrFragment,
    #[error("has a user in it; the key belongs in api_key_file or api_key")]
    User,
    #[error("has a character in its user or password that must be written as %XX")]
    SignOfUser,
    #[error("has no valid host in it")]
    NoHost,
    #[error("has no host and port; write it as {PROXY}")]
    NoHostAndPort,
    #[error("is not encrypted: the key would be readable on its way; write https://")]
    Unencrypted,
}

/// The address of an API, without a slash at its end.
pub(super) fn api_url(text: &str) -> Result<String, Unusable> {
    if text.is_empty() {
        return Err(Unusable::NoApi);
    }
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(Unusable::TooLong);
    }
    if text.contains(['<', '>']) {
        return Err(Unusable::Placeholder);
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let encrypted = scheme.eq_ignore_ascii_case("https");
    if !encrypted && !scheme.eq_ignore_ascii_case("http") {
        return Err(Unusable::NotHttps);
    }
    if let Some(sign) = rest.chars().find(|sign| !is_sign_of_url(*sign)) {
        return Err(Unusable::Sign(sign));
    }
    if rest.contains(['?', '#']) {
        return Err(Unusable::QueryOrFragment);
    }
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.contains('@') {
        return Err(Unusable::User);
    }
    let bare = match host_and_port(host) {
        Ok((bare, _)) => bare,
        Err(_) if is_host(host) => host,
        Err(_) => return Err(Unusable::NoHost),
    };
    if !encrypted && !is_here(bare) {
        return Err(Unusable::Unencrypted);
    }
    let scheme = if encrypted { "https" } else { "http" };
    Ok(format!("{scheme}://{host}{}", path.trim_end_matches('/')))
}

/// The address of an HTTP proxy, `http://[user:password@]host:port`.
pub(super) fn proxy(text: &str) -> Result<String, Unusable> {
    if text.is_empty() {
        return Err(Unusable::NoProxy);
    }
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(Unusable::TooLong);
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(Unusable::NotHttp);
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (user, host) = rest
        .rsplit_once('@')
        .map_or(("", rest), |(user, host)| (user, host));
    if user
        .chars()
        .any(|sign| !is_sign_of_url(sign) || "/?#@".contains(sign))
    {
        return Err(Unusable::SignOfUser);
    }
    match host_and_port(host) {
        Ok(_) => Ok(format!("http://{rest}")),
        Err(_) => Err(Unusable::NoHostAndPort),
    }
}

/// Whether a proxy may carry what goes to this address of an API: it is encrypted all the way, and
/// does not stay on this machine.
pub(super) fn may_use_proxy(api_url: &str) -> bool {
    let Some(rest) = api_url.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split('/').next().unwrap_or_default();
    !is_here(host_and_port(host).map_or(host, |(bare, _)| bare))
}

fn is_sign_of_url(sign: char) -> bool {
    sign.is_ascii_graphic() && !"\"'\\^`{|}<>".contains(sign)
}

/// The two parts of `host:port`; the host of an IPv6 address is without its brackets.
///
/// Errors: a sentence's end.
pub(super) fn host_and_port(text: &str) -> Result<(&str, u16), &'static str> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err("is too long for an address");
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err("is an address without a port; write it as [ADDRESS]:27015");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("has no port; write it as host:port, such as 127.0.0.1:27015");
    };
    if !is_host(host) {
        return Err("is no host and port; write it as 127.0.0.1:27015, or [::1]:27015");
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port > 0 => Ok((unbracketed(host).unwrap_or(host), port)),
        _ => Err("has no port from 1 to 65535 behind its last colon"),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(inner) = unbracketed(text) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(fits)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let of_numbers = name
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match of_numbers {
        true => name.parse::<IpAddr>().is_ok(),
        false => name.split('.').all(part),
    }
}

fn unbracketed(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// Whether what goes to this host, which has no brackets, stays on this machine.
pub(super) fn is_here(host: &str) -> bool {
    let host = unbracketed(host).unwrap_or(host);
    let address: Option<IpAddr> = host.parse().ok();
    host.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_apis() {
        for (text, expected) in [
            ("https://api.vyhub.app/x/v1", "https://api.vyhub.app/x/v1"),
            ("HTTPS://api.vyhub.app/x/v1/", "https://api.vyhub.app/x/v1"),
            ("https://h:8443/v1//", "https://h:8443/v1"),
            ("https://h", "https://h"),
            ("https://[2001:db8::1]/v1", "https://[2001:db8::1]/v1"),
            ("http://127.0.0.1:80/v1", "http://127.0.0.1:80/v1"),
            ("http://[::1]:80/v1", "http://[::1]:80/v1"),
            ("http://[::1]/v1", "http://[::1]/v1"),
            ("http://localhost/v1", "http://localhost/v1"),
            ("http://127.9.9.9", "http://127.9.9.9"),
        ] {
            assert_eq!(api_url(text), Ok(expected.to_owned()), "{text}");
        }
        for (text, start) in [
            ("", "is empty"),
            ("https://api.vyhub.app/<name>/v1", "still has a placeholder"),
            ("api.vyhub.app/x/v1", "must begin with https://"),
            ("ftp://h/v1", "must begin with https://"),
            ("https:/h/v1", "must begin with https://"),
            ("http://api.vyhub.app/x/v1", "is not encrypted"),
            ("http://127.0.0.1.example.com/v1", "is not encrypted"),
            ("http://192.168.0.2/v1", "is not encrypted"),
            ("https://h/v1?key=geheim", "has a `?` or `#`"),
            ("https://h/v1#a", "has a `?` or `#`"),
            ("https://me:geheim@h/v1", "has a user in it"),
            ("http://127.0.0.1@h/v1", "has a user in it"),
            ("https://h /v1", "has ' ' in it"),
            ("https://h/\u{e4}", "has '\u{e4}' in it"),
            ("https://h\\@x/v1", "has '\\\\' in it"),
            ("https:///v1", "has no valid host"),
            ("https://:80/v1", "has no valid host"),
            ("https://h:0/v1", "has no valid host"),
            ("https://h:65536/v1", "has no valid host"),
            ("https://a..b/v1", "has no valid host"),
            ("https://1.2.3/v1", "has no valid host"),
            ("https://[::1/v1", "has no valid host"),
            ("https://::1/v1", "has no valid host"),
            (&format!("https://h/{}", "x".repeat(300)), "is longer than"),
        ] {
            let message = api_url(text).expect_err(text).to_string();
            assert!(message.starts_with(start), "{text}: {message}");
            assert!(!message.contains("geheim"), "{message}");
        }
    }

    #[test]
    fn hosts_with_their_ports() {
        for (text, expected) in [
            ("127.0.0.1:27015", ("127.0.0.1", 27015)),
            ("[::1]:1", ("::1", 1)),
            ("tf2.example.com:65535", ("tf2.example.com", 65535)),
            ("my_server-1:27015", ("my_server-1", 27015)),
        ] {
            assert_eq!(host_and_port(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ":",
            "h",
            "h:",
            ":27015",
            "h:0",
            "h:+1",
            "h:65536",
            "h:2 7",
            "::1",
            "::1:27015x",
            "[::1]",
            "[x]:1",
            "a b:1",
            "a/b:1",
            "1.2.3:1",
            "256.1.1.1:1",
            "h:1:2",
            "a@b:1",
        ] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_stays_on_this_machine() {
        for host in [
            "localhost",
            "LocalHost",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "[::1]",
        ] {
            assert!(is_here(host), "{host}");
        }
        for host in [
            "127.0.0.1.x",
            "0.0.0.0",
            "10.0.0.1",
            "localhost.x",
            "::2",
            "",
        ] {
            assert!(!is_here(host), "{host}");
        }
    }
}
