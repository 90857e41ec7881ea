//! Who may try a secret, and how often.
//!
//! As long as hardly a wrong one comes, everybody is read. From some wrong ones a second on, only
//! the sender that was right before is, and a few datagrams a second of others: of the game's
//! address, since a game that was started again may send from another port, and of all the rest
//! only where the game's address is not known. So a guess is looked at some 16 times a second,
//! whatever comes: a secret of 16 digits is found after ten million years, one of 7 after days.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::limits;

/// Where a game is known to be, by the address of its RCON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Near {
    This(IpAddr),
    /// `localhost`
    Loopback,
}

impl Near {
    /// Of `host:port`. A name is not looked up.
    pub fn of(address: &str) -> Option<Self> {
        let (host, _) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => Some(Self::Loopback),
            Ok(ip) => Some(Self::This(ip.to_canonical())),
            Err(_) => host
                .eq_ignore_ascii_case("localhost")
                .then_some(Self::Loopback),
        }
    }

    fn is(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        match self {
            Self::This(this) => this == ip,
            Self::Loopback => ip.is_loopback(),
        }
    }
}

/// What has come, and what may still come in this second.
#[derive(Debug)]
pub struct Guard {
    /// Who was right last.
    proven: Option<SocketAddr>,
    near: Option<Near>,
    /// Wrong secrets come in numbers, until then.
    pressed_until_ms: u64,
    second_ms: u64,
    wrong: u64,
    tries_near: u64,
    tries_far: u64,
    /// Tries of each sender in this second.
    senders: HashMap<SocketAddr, u64>,
    /// What was dropped since this was begun to be counted.
    counted_ms: u64,
    counted: u64,
    refused: u64,
    untold: Untold,
}

/// What the next report says.
#[derive(Debug, Default)]
struct Untold {
    wrong: u64,
    unread: u64,
    last: Option<SocketAddr>,
    due_ms: Option<u64>,
    earliest_ms: u64,
}

impl Guard {
    pub fn new(near: Option<Near>) -> Self {
        Self {
            proven: None,
            near,
            pressed_until_ms: 0,
            second_ms: 0,
            wrong: 0,
            tries_near: 0,
            tries_far: 0,
            senders: HashMap::new(),
            counted_ms: 0,
            counted: 0,
            refused: 0,
            untold: Untold::default(),
        }
    }

    pub fn proven(&self) -> Option<SocketAddr> {
        self.proven
    }

    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether a datagram of this sender is read at all.
    pub fn admits(&mut self, from: SocketAddr, now_ms: u64) -> bool {
        if now_ms.saturating_sub(self.second_ms) >= 1_000 {
            self.second_ms = now_ms;
            (self.wrong, self.tries_near, self.tries_far) = (0, 0, 0);
            self.senders.clear();
        }
        if self.proven == Some(from) || now_ms >= self.pressed_until_ms {
            return true;
        }
        let admitted = self.has_a_try(from);
        if !admitted {
            self.untold.unread += 1;
        }
        admitted
    }

    fn has_a_try(&mut self, from: SocketAddr) -> bool {
        let same = |game: SocketAddr| game.ip().to_canonical() == from.ip().to_canonical();
        let near =
            self.near.is_some_and(|near| near.is(from.ip())) || self.proven.is_some_and(same);
        let known = self.near.is_some() || self.proven.is_some();
        let all = match near {
            true => &mut self.tries_near,
            false if known => return false,
            false => &mut self.tries_far,
        };
        if *all >= limits::LOG_TRIES_PER_S {
            return false;
        }
        let own = self.senders.entry(from).or_default();
        if *own >= limits::LOG_TRIES_OF_ONE_PER_S {
            return false;
        }
        *own += 1;
        *all += 1;
        true
    }

    pub fn right(&mut self, from: SocketAddr) {
        self.proven = Some(from);
    }

    pub fn wrong(&mut self, from: SocketAddr, now_ms: u64) {
        self.wrong += 1;
        if self.wrong >= limits::LOG_WRONG_PER_S || now_ms < self.pressed_until_ms {
            self.pressed_until_ms = now_ms + limits::LOG_PRESSED_MS;
        }
        self.untold.wrong += 1;
        self.untold.last = Some(from);
        let soon_ms = now_ms + limits::LOG_REPORT_SOON_MS;
        let due_ms = self.untold.due_ms;
        self.untold.due_ms = due_ms.or(Some(soon_ms.max(self.untold.earliest_ms)));
        self.dropped(now_ms);
    }

    /// A datagram from which nothing follows.
    pub fn dropped(&mut self, now_ms: u64) {
        self.refused = self.refused.saturating_add(1);
        if now_ms.saturating_sub(self.counted_ms) >= limits::LOG_PAUSE_MS {
            self.begins_to_count(now_ms);
        }
        self.counted += 1;
    }

    pub fn begins_to_count(&mut self, now_ms: u64) {
        (self.counted_ms, self.counted) = (now_ms, 0);
    }

    /// Whether more was dropped lately than is worth reading.
    pub fn is_flooded(&self, now_ms: u64) -> bool {
        let recent = now_ms.saturating_sub(self.counted_ms) < limits::LOG_PAUSE_MS;
        recent && self.counted >= limits::LOG_FLOOD
    }

    pub fn report_ms(&self) -> Option<u64> {
        self.untold.due_ms
    }

    /// A sentence about wrong secrets, if it is time for one.
    pub fn report(&mut self, now_ms: u64) -> Option<String> {
        if self.untold.due_ms? > now_ms {
            return None;
        }
        let untold = std::mem::take(&mut self.untold);
        self.untold.earliest_ms = now_ms + limits::LOG_REPORT_MS;
        let from = untold.last.map(|from| from.to_string()).unwrap_or_default();
        let unread = match untold.unread {
            0 => String::new(),
            unread => format!(", and {unread} that were dropped unread"),
        };
        let remedy = match self.proven {
            Some(game) => format!(
                "the game's lines come from {game} and count; if others reach this address, let a \
                 firewall stop them"
            ),
            None => "no line had the right one yet: is sv_logsecret the same text? \
                     (`vpid check` compares)"
                .to_owned(),
        };
        let wrong = untold.wrong;
        Some(format!(
            "{wrong} packets with a wrong secret, the last one from {from}{unread}; {remedy}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Everything that comes is wrong; gives how many were looked at.
    fn flood(guard: &mut Guard, from: impl Fn(u64) -> SocketAddr, ms: std::ops::Range<u64>) -> u64 {
        let mut tries = 0;
        for now_ms in ms {
            for n in 0..500 {
                let from = from(now_ms * 500 + n);
                if guard.admits(from, now_ms) {
                    tries += 1;
                    guard.wrong(from, now_ms);
                } else {
                    guard.dropped(now_ms);
                }
            }
        }
        tries
    }

    /// 500,000 a second for ten seconds.
    #[test]
    fn a_flood_of_guesses_gets_few_tries() {
        let game = at("192.0.2.1:27015");
        let one = |_: u64| at("203.0.113.5:4000");
        let many = |n: u64| {
            at(&format!(
                "203.0.{}.{}:{}",
                n / 250 % 250,
                n % 250,
                1_024 + n % 60_000
            ))
        };
        // Other programs of the game's machine; its own port is the game's.
        let same = |n: u64| at(&format!("192.0.2.1:{}", 30_000 + n % 30_000));
        for (near, proven) in [
            (None, false),
            (None, true),
            (Near::of("192.0.2.1:27015"), false),
        ] {
            for attack in 0..3 {
                let mut guard = Guard::new(near);
                if proven {
                    guard.right(game);
                }
                let tries = match attack {
                    0 => flood(&mut guard, one, 0..10_000),
                    1 => flood(&mut guard, many, 0..10_000),
                    _ => flood(&mut guard, same, 0..10_000),
                };
                let most = limits::LOG_WRONG_PER_S + 11 * limits::LOG_TRIES_PER_S;
                assert!(tries <= most, "{near:?} {proven} {attack}: {tries}");
                assert!(guard.is_flooded(9_999));
                assert!(!proven || guard.admits(game, 9_999));
                assert!(guard.senders.len() <= 2 * limits::LOG_TRIES_PER_S as usize);
            }
        }
    }

    #[test]
    fn a_game_that_comes_back_from_another_port_is_read_again_soon() {
        let (game, again) = (at("127.0.0.1:27015"), at("127.0.0.1:40000"));
        let mut guard = Guard::new(None);
        guard.right(game);
        let guesser = |_: u64| at("127.0.0.1:5000");
        flood(&mut guard, guesser, 0..3_000);
        assert!(guard.admits(game, 3_000), "nothing changes for the game");
        assert!(
            guard.admits(again, 3_001),
            "the guesser has used its own tries only"
        );
        guard.right(again);
        flood(&mut guard, guesser, 3_002..4_000);
        assert!(guard.admits(again, 4_000));
        // When it is over, everybody is read.
        let later_ms = 4_000 + limits::LOG_PRESSED_MS;
        assert!(guard.admits(at("203.0.113.5:4000"), later_ms));
        assert!(!guard.is_flooded(later_ms));
    }

    #[test]
    fn a_few_wrong_ones_keep_no_sender_out_and_are_reported_once_a_minute() {
        let mut guard = Guard::new(Near::of("localhost:27015"));
        let stranger = at("203.0.113.5:4000");
        for second in 0..120 {
            let now_ms = second * 1_000;
            for _ in 0..limits::LOG_WRONG_PER_S - 1 {
                assert!(guard.admits(stranger, now_ms), "{second}");
                guard.wrong(stranger, now_ms);
            }
            let report = guard.report(now_ms);
            let reported = [1, 61].contains(&second);
            assert_eq!(report.is_some(), reported, "{second}: {report:?}");
            if let Some(report) = report {
                let count = (limits::LOG_WRONG_PER_S - 1) * if second == 1 { 2 } else { 60 };
                let start =
                    format!("{count} packets with a wrong secret, the last one from {stranger}");
                assert!(report.starts_with(&start), "{report}");
            }
        }
        assert_eq!(guard.refused(), 120 * (limits::LOG_WRONG_PER_S - 1));
    }

    #[test]
    fn where_a_game_is_known_to_be() {
        for (address, ip, near) in [
            ("127.0.0.1:1", "127.0.0.1", true),
            ("localhost:1", "::1", true),
            ("LOCALHOST:1", "127.0.0.2", true),
            ("[::1]:1", "::1", true),
            ("192.0.2.1:1", "::ffff:192.0.2.1", true),
            ("192.0.2.1:1", "192.0.2.2", false),
            ("game.example:1", "192.0.2.2", false),
        ] {
            let is = Near::of(address).is_some_and(|near| near.is(ip.parse().unwrap()));
            assert_eq!(is, near, "{address} {ip}");
        }
    }
}
