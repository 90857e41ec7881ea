//! The built vpid beside the model.

use vpid::game_side::stock::GameCall;

use super::calls::{self, Case};
use super::compare::{Difference, Report, reply_of};
use super::model::{self, Engine, Outcome, Reply, SCRIPT};
use super::twins::Database;
use crate::support::{Host, Random, Vpid};

const RAW_SQL: &str = "raw_sql = [\"vpi.nut\"]";
const TABLES: usize = 32;
const SEEDS: [u64; 6] = [1, 2, 3, 5, 8, 13];
const BATCHES: usize = 6;

struct Pair {
    engine: Engine,
    _vpid: Vpid,
    host: Host,
    ours: Database,
    stock: Database,
    tables: Vec<String>,
}

impl Pair {
    fn new(engine: Engine) -> Self {
        let (vpid, ours, stock) = match engine {
            Engine::Sqlite => {
                let vpid = Vpid::new().permission(RAW_SQL);
                let ours = Database::sqlite(&vpid.path("vpid.db"));
                let stock = Database::sqlite(&vpid.path("stock.db"));
                (vpid, ours, stock)
            }
            #[cfg(feature = "mysql")]
            Engine::Mariadb => {
                use crate::support::mariadb::Database as Place;
                let (of_vpid, of_stock) = (Place::shared(), Place::shared());
                let vpid = Vpid::new().on(&of_vpid).permission(RAW_SQL);
                let of = |place: &Place| Database::Mariadb(Box::new(place.connection()));
                (vpid, of(&of_vpid), of(&of_stock))
            }
            #[cfg(not(feature = "mysql"))]
            Engine::Mariadb => unreachable!("no MySQL is built in"),
        };
        let tables: Vec<_> = (0..TABLES).map(|n| format!("user_{SCRIPT}_t{n}")).collect();
        let mut pair = Self {
            engine,
            host: vpid.host("red"),
            _vpid: vpid.started(),
            ours,
            stock,
            tables,
        };
        for database in [&mut pair.ours, &mut pair.stock] {
            pair.tables.iter().for_each(|table| database.make(table));
        }
        pair
    }

    /// At most one call for each table.
    fn play(&mut self, cases: &[Case], report: &mut Report) {
        let tables = &self.tables[..cases.len()];
        self.ours.reset(tables);
        self.stock.reset(tables);
        let on_tables = || cases.iter().zip(tables);
        let calls: Vec<_> = on_tables()
            .map(|(case, table)| GameCall::new(case.script(), case.function, case.on(table)))
            .collect();
        let tokens = self.host.send(&calls).expect("a call file can be written");
        let answers = self.host.answers(&tokens);
        for ((case, table), answer) in on_tables().zip(answers) {
            let reply = match model::plan(case.function, &case.on(table)) {
                Ok(plan) => self.stock.run(&plan),
                Err(name) => Reply::Error(name.into()),
            };
            let stock = Outcome {
                reply,
                rows: self.stock.content(table),
            };
            let (reply, said) = reply_of(answer);
            let ours = Outcome {
                reply,
                rows: self.ours.content(table),
            };
            report.calls += 1;
            if let Some(difference) = Difference::between(self.engine, case, stock, ours, said) {
                report.add(difference);
            }
        }
    }
}

fn play(engine: Engine) {
    let mut pair = Pair::new(engine);
    let mut report = Report::default();
    for cases in calls::directed().chunks(TABLES) {
        pair.play(cases, &mut report);
    }
    let one = std::env::var("VPID_SEED").is_ok().then(|| [Random::seed()]);
    for &seed in one.as_ref().map_or(&SEEDS[..], |one| &one[..]) {
        let mut random = Random::new(seed);
        for _ in 0..BATCHES {
            let cases: Vec<_> = (0..TABLES).map(|_| calls::random(&mut random)).collect();
            pair.play(&cases, &mut report);
        }
        if !report.unknown.is_empty() {
            panic!("VPID_SEED={seed}\n{}", report.text());
        }
    }
}

#[test]
fn stock_calls_on_sqlite_do_what_they_did() {
    play(Engine::Sqlite);
}

#[cfg(feature = "mysql")]
#[test]
fn stock_calls_on_mariadb_do_what_they_did() {
    play(Engine::Mariadb);
}

#[test]
fn every_difference_that_is_meant_stands_in_the_manual() {
    let manual = include_str!("../../../docs/moving-from-vpi.md");
    for class in &super::classes::ALL {
        assert!(
            manual.contains(class.line),
            "{}: no line {:?}",
            class.name,
            class.line
        );
    }
}
