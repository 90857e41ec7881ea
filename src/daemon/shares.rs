//! Whose turn it is, where a turn's cost is known only when it is over: whoever has used least goes
//! next (start-time fair queueing).
//!
//! Whoever joins begins where the others are, so nothing is saved up while there is nothing to do,
//! and what was used beyond one's share is still owed after a short leave. All steps take
//! O(log n) for n that wait.

use std::collections::BTreeSet;
use std::hash::Hash;

use crate::jobs::IdMap;

pub struct Shares<K> {
    /// Those that wait, by what they have used.
    waiting: BTreeSet<(u64, K)>,
    /// Those that do not wait, and have used more than `clock`: older ones owe nothing.
    away: BTreeSet<(u64, K)>,
    /// What each of both has used.
    used: IdMap<K, u64>,
    /// What whoever was served last had used before.
    clock: u64,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self {
            waiting: BTreeSet::new(),
            away: BTreeSet::new(),
            used: IdMap::default(),
            clock: 0,
        }
    }
}

impl<K: Copy + Ord + Hash> Shares<K> {
    /// Waits from now on. Nothing changes for one that waits already.
    pub fn join(&mut self, who: K) {
        match self.used.get_mut(&who) {
            None => drop(self.used.insert(who, self.clock)),
            Some(used) => {
                if !self.away.remove(&(*used, who)) {
                    return;
                }
                *used = (*used).max(self.clock);
            }
        }
        self.waiting.insert((self.used[&who], who));
    }

    /// Does not wait any more.
    pub fn leave(&mut self, who: K) {
        if let Some(used) = self.used.get(&who)
            && self.waiting.remove(&(*used, who))
        {
            self.away.insert((*used, who));
        }
        while let Some((used, who)) = self.away.first().copied()
            && used <= self.clock
        {
            self.away.pop_first();
            self.used.remove(&who);
        }
    }

    /// Who goes next, of those who may; of equals the lowest.
    pub fn next(&self, may: impl Fn(&K) -> bool) -> Option<K> {
        let next = self.waiting.iter().find(|(_, who)| may(who));
        next.map(|(_, who)| *who)
    }

    /// It was served, which has cost so much.
    pub fn charge(&mut self, who: K, cost: u64) {
        if let Some(used) = self.used.get(&who) {
            self.clock = self.clock.max(*used);
        }
        self.owe(who, cost.max(1));
    }

    /// It pays for another that was served.
    pub fn owe(&mut self, who: K, cost: u64) {
        if let Some(used) = self.used.get_mut(&who)
            && self.waiting.remove(&(*used, who))
        {
            *used += cost;
            self.waiting.insert((*used, who));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(shares: &mut Shares<u32>, cost_of: impl Fn(u32) -> u64, total: u64) -> [u64; 4] {
        let mut sums = [0; 4];
        while sums.iter().sum::<u64>() < total {
            let who = shares.next(|_| true).unwrap();
            shares.charge(who, cost_of(who));
            sums[who as usize] += cost_of(who);
        }
        sums
    }

    #[test]
    fn shares_are_equal_whatever_a_turn_of_each_costs() {
        arbtest::arbtest(|u| {
            let costs: [u64; 4] = [0; 4].map(|_| u.int_in_range(1..=50).unwrap_or(1));
            let mut shares = Shares::default();
            (0..4).for_each(|who| shares.join(who));
            let most = *costs.iter().max().unwrap();
            let sums = served(&mut shares, |who| costs[who as usize], 100 * most);
            let (least, highest) = (sums.iter().min().unwrap(), sums.iter().max().unwrap());
            assert!(highest - least <= 2 * most, "{costs:?}: {sums:?}");
            Ok(())
        });
    }

    #[test]
    fn who_joins_late_goes_next_and_has_saved_nothing_up() {
        let mut shares = Shares::default();
        shares.join(1);
        shares.join(2);
        served(&mut shares, |_| 10, 1_000);
        shares.join(3);
        let mut first = Vec::new();
        for _ in 0..6 {
            let who = shares.next(|_| true).unwrap();
            shares.charge(who, 10);
            first.push(who);
        }
        assert!(first[..3].contains(&3), "{first:?}");
        let of_late = first.iter().filter(|who| **who == 3);
        assert_eq!(of_late.count(), 2, "{first:?}");
    }

    #[test]
    fn a_leave_does_not_pay_what_is_owed_and_little_is_remembered() {
        let mut shares = Shares::default();
        shares.join(1);
        shares.join(2);
        shares.charge(1, 100);
        shares.leave(1);
        shares.join(1);
        let sums = served(&mut shares, |_| 10, 100);
        assert_eq!(sums[1], 0, "it had its share before: {sums:?}");
        for who in 3..1_000 {
            shares.join(who);
            shares.charge(who, 1);
            shares.leave(who);
            shares.charge(2, 5);
        }
        assert!(shares.used.len() < 20, "{}", shares.used.len());
        assert!(shares.next(|_| true).is_some());
    }
}
