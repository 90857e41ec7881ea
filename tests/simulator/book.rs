//! The book of all calls that games have made: what was called, and its result.

use std::collections::{BTreeMap, BTreeSet};

use vpid::limits;

use crate::database::{Database, NEEDS};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// Inserts its number.
    Insert,
    Echo,
    /// A function of a Python script, which carries out its number.
    Python,
}

#[derive(Debug)]
pub struct Call {
    pub number: i64,
    pub what: What,
    pub host: String,
    pub token: String,
    /// Of its host.
    pub map: u32,
    pub callback: bool,
    /// Calls before it wait for as long as they must.
    pub in_chain: bool,
    /// When it was written into a file, if it was.
    pub written_ms: Option<u64>,
    /// The response, and when it reached the callback.
    pub response: Option<(String, u64)>,
}

/// How strictly the book is read.
pub struct Rules {
    /// The database was away at times, so calls may have met their deadlines.
    pub outages: bool,
    /// A disk was full for so long, at most.
    pub full_ms_max: u64,
    /// Python scripts crash, hang, or cannot be loaded.
    pub python_fails: bool,
    /// Responses come in time: no file was spoiled, and vpid was not away.
    pub in_time: bool,
}

#[derive(Default)]
pub struct Book {
    pub calls: Vec<Call>,
    places: BTreeMap<(String, String), usize>,
    /// Numbers that must never be inserted.
    never: Vec<i64>,
    /// How often Python scripts have carried each number out.
    python: BTreeMap<i64, u32>,
    /// Numbers that a Python script had when its process ended, or vpid did.
    pub cut_off: BTreeSet<i64>,
    /// When vpid died last.
    pub crashed_ms: Option<u64>,
    /// When the wall clock jumped, from when it was set back first. From then on a call may seem to be of the
    /// map after its own. Around each jump, calls may seem older than their map: what they do counts all the
    /// same, and no response does.
    pub jumps_ms: Vec<u64>,
    /// What was shown to stock hosts since then, by host and token.
    shown: BTreeMap<(String, String), String>,
}

/// A file that was written so long before or after a jump of the clock may have been claimed on the other side
/// of one, or by less than a second apart.
const MISDATED_MS: u64 = 3_000;

/// Whether a call may seem older than its map.
fn is_misdated(jumps_ms: &[u64], call: &Call) -> bool {
    let near = |jump_ms: &u64| {
        let written_ms = call.written_ms;
        written_ms.is_some_and(|written_ms| jump_ms.abs_diff(written_ms) <= MISDATED_MS)
    };
    jumps_ms.iter().any(near)
}

impl Book {
    /// A new call; `token` is made from its number.
    pub fn call(
        &mut self,
        what: What,
        (host, map): (&str, u32),
        callback: bool,
        token: impl Fn(i64) -> String,
    ) -> &mut Call {
        let number = self.calls.len() as i64 + 1;
        let token = token(number);
        self.places
            .insert((host.into(), token.clone()), self.calls.len());
        self.calls.push(Call {
            number,
            what,
            host: host.into(),
            token,
            map,
            callback,
            in_chain: false,
            written_ms: None,
            response: None,
        });
        self.calls.last_mut().expect("it was just there")
    }

    /// The number of a call that fails, as long as that of this one is not there.
    pub fn never(&mut self, number: i64) -> i64 {
        self.never.push(number + NEEDS);
        number + NEEDS
    }

    pub fn of(&mut self, host: &str, token: &str) -> &mut Call {
        let place = self.places.get(&(host.to_owned(), token.to_owned()));
        &mut self.calls[*place.unwrap_or_else(|| panic!("{host}: no call has token {token}"))]
    }

    /// A response reached its callback.
    pub fn responded(&mut self, host: &str, token: &str, response: String, now_ms: u64) {
        let crashed_ms = self.crashed_ms;
        let call = self.of(host, token);
        assert!(call.callback, "{token} has no callback");
        // A response that was read may come once more from a vpid that does not know so.
        let crashed = crashed_ms >= call.written_ms;
        assert!(
            call.response.is_none() || crashed,
            "{token} was responded to twice"
        );
        call.response.get_or_insert((response, now_ms));
    }

    /// A response is in the file of a stock host. `map`: the one that vpid knows to be played.
    pub fn show(&mut self, host: &str, map: u32, token: &str, value: &str) {
        let time_rises = self.jumps_ms.is_empty();
        let call = self.of(host, token);
        assert!(call.callback, "{token} has no callback");
        assert!(
            !time_rises || call.map >= map,
            "{token} is shown in map {map}"
        );
        let key = (host.to_owned(), token.to_owned());
        let first = self.shown.entry(key).or_insert_with(|| value.to_owned());
        assert_eq!(first, value, "{token}: another response than before");
    }

    pub fn python_ran(&mut self, number: i64) {
        let times = self.python.entry(number).or_default();
        *times += 1;
        assert_eq!(*times, 1, "a Python script ran {number} twice");
    }

    pub fn crashed(&mut self, now_ms: u64) {
        self.crashed_ms = Some(now_ms);
        // What a dead vpid has responded, the next one need not know.
        self.shown.clear();
    }

    /// What holds when all has come to rest. `maps`: what is played on each host now.
    pub fn check(&self, database: &Database, maps: &BTreeMap<String, u32>, rules: &Rules) {
        for number in &self.never {
            let ran = database.rows.contains_key(number);
            assert!(!ran, "call {number} failed, and ran later");
        }
        for call in self.calls.iter().filter(|call| call.written_ms.is_some()) {
            let is_present = maps.get(&call.host) == Some(&call.map);
            let is_stale = is_misdated(&self.jumps_ms, call) && call.token.starts_with('_');
            let lost = call.callback && call.response.is_none() && is_present && !is_stale;
            assert!(!lost, "not responded to: {call:?}");
            self.check_time(call, database, rules);
            match call.what {
                What::Insert => self.check_insert(call, database, rules),
                What::Python => self.check_python(call, rules),
                What::Echo => {}
            }
        }
    }

    fn check_time(&self, call: &Call, database: &Database, rules: &Rules) {
        let (Some((_, at_ms)), Some(written_ms)) = (&call.response, call.written_ms) else {
            return;
        };
        let most_ms = limits::CALL_DEADLINE_MS_DEFAULT + limits::FOREIGN_INPUT_MS;
        // What a database does delays no other response beyond its deadline; disks fill one after the other.
        let delay_ms = match call.in_chain {
            true => database.was_out_ms(written_ms, *at_ms),
            false => 0,
        };
        let delay_ms = delay_ms + 3 * rules.full_ms_max;
        let is_late = at_ms - written_ms > most_ms + delay_ms;
        let crashed = self.crashed_ms.is_some_and(|ms| ms >= written_ms);
        assert!(!is_late || crashed || !rules.in_time, "late: {call:?}");
    }

    fn check_insert(&self, call: &Call, database: &Database, rules: &Rules) {
        let ran = database.rows.contains_key(&call.number);
        match &call.response {
            Some((response, _)) if response == "1" => assert!(ran, "did not run: {call:?}"),
            Some(_) => {
                assert!(rules.outages, "failed: {call:?}");
                // A dead vpid may have responded something else.
                assert!(!ran || self.crashed_ms.is_some(), "ran: {call:?}");
            }
            // Its map ended before its response: it may have met its deadline.
            None if call.callback && (rules.outages || is_misdated(&self.jumps_ms, call)) => {}
            None => assert!(ran, "was lost: {call:?}"),
        }
    }

    fn check_python(&self, call: &Call, rules: &Rules) {
        let ran = self.python.contains_key(&call.number);
        let failed = |(response, _): &(String, u64)| response.contains("[VPI ERROR]");
        let has_failed = call.response.as_ref().is_some_and(failed);
        let cut_off = self.cut_off.contains(&call.number);
        assert!(
            call.response.is_none() || has_failed || ran,
            "did not run: {call:?}"
        );
        let excused = rules.python_fails || self.crashed_ms.is_some();
        assert!(excused || (ran && !has_failed), "failed: {call:?}");
        // Begun and not sent: it is not begun again.
        let crashed = self.crashed_ms >= call.written_ms;
        let excused = rules.python_fails || call.callback || cut_off || crashed;
        assert!(ran || excused, "was lost: {call:?}");
    }

    /// Calls that have been responded to.
    pub fn responses(&self) -> usize {
        let all = self.calls.iter();
        all.filter(|call| call.response.is_some()).count()
    }
}
