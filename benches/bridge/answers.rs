//! Whether vpid answers what the stock server answers: the calls of the differential test, on both.
//! What that test expects of a model is seen here in the stock server itself.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use vpid::game_side::stock::{Game, GameCall};

use super::options::Settings;
use super::servers::{Kind, Place, Server};

#[path = "../../tests/all/differential/calls.rs"]
mod calls;
#[path = "../../tests/all/differential/classes.rs"]
mod classes;
#[path = "../../tests/all/differential/compare.rs"]
mod compare;
#[allow(dead_code)]
#[path = "../../tests/all/differential/model.rs"]
mod model;
#[path = "../../tests/all/support/random.rs"]
mod random;
#[path = "../../tests/all/differential/twins.rs"]
mod twins;

use compare::{Difference, Report, reply_of};
use model::{Engine, Outcome, Reply, SCRIPT};
use random::Random;
pub use twins::Database;

/// Calls of one file, each on a table of its own, so that it matters to none in which order a
/// server runs them.
const TABLES: usize = 32;
const RANDOM: usize = 2_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a server that owes answers is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// One server with its game and a connection to its database.
struct Side {
    game: Game,
    database: Database,
    place: Place,
    server: Server,
    /// Calls so far.
    sent: u64,
}

impl Side {
    fn start(kind: Kind, settings: &Settings, tables: &[String]) -> io::Result<Self> {
        let place = Place::new(settings, kind, 0)?;
        let mut database = place.database(kind)?;
        tables.iter().for_each(|table| database.make(table));
        Ok(Self {
            game: Game::new(place.scriptdata(), "answers", place.secret.as_bytes()),
            server: place.start(kind, settings.stock.as_ref())?,
            database,
            place,
            sent: 0,
        })
    }

    /// The answers to these calls and the tables afterwards. A server that ends over a call has
    /// answered none of its file, so then each of them is played by itself.
    fn play(
        &mut self,
        cases: &[calls::Case],
        tables: &[String],
        kind: Kind,
        settings: &Settings,
    ) -> io::Result<Vec<(Outcome, String)>> {
        if let Some(outcomes) = self.play_file(cases, tables, kind, settings)? {
            return Ok(outcomes);
        }
        let mut outcomes = Vec::with_capacity(cases.len());
        for case in cases {
            let (case, table) = (std::slice::from_ref(case), &tables[..1]);
            match self.play_file(case, table, kind, settings)? {
                Some(answered) => outcomes.extend(answered),
                None => {
                    let (reply, rows) = (Reply::Ends, self.database.content(&table[0]));
                    outcomes.push((Outcome { reply, rows }, String::new()));
                }
            }
        }
        Ok(outcomes)
    }

    /// The same of one call file. None where the server ended, which was started again.
    fn play_file(
        &mut self,
        cases: &[calls::Case],
        tables: &[String],
        kind: Kind,
        settings: &Settings,
    ) -> io::Result<Option<Vec<(Outcome, String)>>> {
        if kind.is_stock() {
            // A call that fails goes back to the stock server's pool with its locks.
            self.database.end_transactions();
        }
        self.database.reset(tables);
        let call = |(case, table): (&calls::Case, &String)| {
            GameCall::new(case.script(), case.function, case.on(table))
        };
        let calls: Vec<_> = cases.iter().zip(tables).map(call).collect();
        let tokens = self.send(&calls)?;
        let Some(mut answers) = self.answers(&tokens)? else {
            self.server = self.place.start(kind, settings.stock.as_ref())?;
            return Ok(None);
        };
        let outcome = |(token, table): (&String, &String)| {
            let (reply, said) = reply_of(answers.remove(token).unwrap_or_default());
            let rows = self.database.content(table);
            (Outcome { reply, rows }, said)
        };
        Ok(Some(tokens.iter().zip(tables).map(outcome).collect()))
    }

    /// Puts a whole call file into its place: the stock server loses one that it sees half written.
    fn send(&mut self, calls: &[GameCall]) -> io::Result<Vec<String>> {
        let token = |_| {
            self.sent += 1;
            format!("_{}", self.sent)
        };
        let tokens: Vec<_> = calls.iter().map(token).collect();
        let list = calls.iter().zip(&tokens);
        let list: Vec<_> = list.map(|(call, token)| call.to_json(token)).collect();
        let text = self.game.file_text(&json!({ "async": list })) + "\0";
        let whole = self.place.scriptdata().join("whole");
        fs::write(&whole, text)?;
        fs::rename(&whole, self.place.scriptdata().join(self.game.next_name()))?;
        Ok(tokens)
    }

    /// The answers to all of these; None where the server ends before.
    fn answers(&mut self, tokens: &[String]) -> io::Result<Option<Map<String, Value>>> {
        let began = Instant::now();
        let mut answers = Map::new();
        loop {
            let left: Vec<_> = tokens
                .iter()
                .filter(|token| !answers.contains_key(*token))
                .cloned()
                .collect();
            if left.is_empty() {
                return Ok(Some(answers));
            }
            if self.server.has_ended() {
                return Ok(None);
            }
            if began.elapsed() > PATIENCE {
                let words = self.server.last_words();
                let (left, all) = (left.len(), tokens.len());
                let error = format!("{left} of {all} calls were not answered:\n{words}");
                return Err(io::Error::other(error));
            }
            answers.extend(self.game.wait_for(&left, LOOK)?);
        }
    }
}

/// Compares on SQLite and on MariaDB, and prints what differs. Fails where a difference stands
/// nowhere in the manual.
pub fn compare(settings: &Settings) -> io::Result<()> {
    let seed = Random::seed();
    let mut missing = 0;
    for (engine, stock, ours) in [
        (Engine::Sqlite, Kind::Stock, Kind::Vpid { full: true }),
        (
            Engine::Mariadb,
            Kind::StockMariadb,
            Kind::VpidMariadb { socket: false },
        ),
    ] {
        let report = compare_on(engine, stock, ours, seed, settings)?;
        println!(
            "answers on {engine:?} (VPID_SEED={seed}): {}",
            report.text()
        );
        missing += report.unknown.len();
    }
    match missing {
        0 => Ok(()),
        _ => Err(io::Error::other(format!(
            "{missing} calls came out differently, and the manual does not say so"
        ))),
    }
}

fn compare_on(
    engine: Engine,
    stock: Kind,
    ours: Kind,
    seed: u64,
    settings: &Settings,
) -> io::Result<Report> {
    let tables: Vec<_> = (0..TABLES).map(|n| format!("user_{SCRIPT}_t{n}")).collect();
    let mut stock_side = Side::start(stock, settings, &tables)?;
    let mut our_side = Side::start(ours, settings, &tables)?;
    let mut report = Report::default();
    let mut random = Random::new(seed);
    let mut cases = calls::directed();
    cases.extend((0..RANDOM).map(|_| calls::random(&mut random)));
    for cases in cases.chunks(TABLES) {
        let theirs = stock_side.play(cases, &tables, stock, settings)?;
        let of_vpid = our_side.play(cases, &tables, ours, settings)?;
        for ((case, (stock, _)), (ours, said)) in cases.iter().zip(theirs).zip(of_vpid) {
            report.calls += 1;
            if let Some(difference) = Difference::between(engine, case, stock, ours, said) {
                report.add(difference);
            }
        }
    }
    Ok(report)
}
