//! Numbered inserts from three hosts, and whether each took effect exactly once and in its turn.

use vpid::game_side::stock::GameCall;

use super::{Host, Random, Vpid, insert, wait_until};

/// Writes numbered calls, and remembers how many.
pub struct Load {
    hosts: Vec<Host>,
    pub written: i64,
    /// What each host wrote, without chains: those wait for their own answers.
    in_turn: Vec<Vec<i64>>,
}

impl Load {
    pub fn new(vpid: &Vpid) -> Self {
        let hosts = ["red", "blue", "green"].map(|name| vpid.host(name));
        Self {
            in_turn: vec![Vec::new(); hosts.len()],
            hosts: hosts.into(),
            written: 0,
        }
    }

    /// One file of a random host, with a few calls of every kind.
    pub fn write_file(&mut self, random: &mut Random) {
        let first = self.written + 1;
        let calls: Vec<GameCall> = (0..1 + random.below(8))
            .map(|_| {
                self.written += 1;
                let callback = random.chance(50);
                GameCall {
                    callback,
                    ..insert(self.written)
                }
            })
            .collect();
        let place = random.below(self.hosts.len() as u64) as usize;
        let host = &mut self.hosts[place];
        let sent = match random.chance(20) {
            true => host.send_chain(&calls),
            false => {
                self.in_turn[place].extend(first..=self.written);
                host.send(&calls)
            }
        };
        sent.expect("a call file can be written");
    }

    /// Some hosts read and empty their answers, as games do.
    pub fn read_some(&self, random: &mut Random) {
        for host in &self.hosts {
            if random.chance(30) {
                host.fetch().expect("answers can be read");
            }
        }
    }

    /// Waits for the last file to go, while answers are fetched so that room is made for all.
    #[track_caller]
    pub fn drain(&self, vpid: &Vpid) {
        wait_until("every file was done", || {
            for host in &self.hosts {
                host.fetch().expect("answers can be read");
            }
            !vpid.files().iter().any(|name| name.contains("output"))
        });
    }

    /// Once nothing runs any more: no number is missing, none is there twice, and those of a host
    /// came in their order.
    #[track_caller]
    pub fn each_once(&self, vpid: &Vpid, seed: u64) {
        assert!(vpid.reasons().is_empty(), "{:?}", vpid.reasons());
        let came = vpid.numbers_as_they_came();
        let mut numbers = came.clone();
        numbers.sort_unstable();
        let expected: Vec<i64> = (1..=self.written).collect();
        let missing: Vec<_> = expected.iter().filter(|n| !numbers.contains(n)).collect();
        let doubled: Vec<_> = numbers
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .collect();
        assert!(
            missing.is_empty() && doubled.is_empty(),
            "missing {missing:?}, doubled {doubled:?} (VPID_SEED={seed})"
        );
        assert_eq!(numbers, expected, "VPID_SEED={seed}");
        for wrote in &self.in_turn {
            let came = came.iter().filter(|n| wrote.binary_search(n).is_ok());
            let came: Vec<i64> = came.copied().collect();
            assert_eq!(&came, wrote, "not in their order (VPID_SEED={seed})");
        }
    }
}
