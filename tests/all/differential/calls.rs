//! Calls of the stock protocol: every function with every shape of argument, chosen at random from
//! a seed, and those that once came out differently.
//!
//! A call speaks of its table as `@`, so that a batch of calls can run beside each other, each on a
//! table of its own.

use serde_json::{Map, Value, json};

use super::Random;

/// What the tables hold before each call: `(id, k, n, x, b)`.
pub const ROWS: [(i64, &str, i64, f64, &str); 7] = [
    (1, "0", 0, 0.0, "0"),
    (2, "bob", 5, 0.5, "user"),
    (3, "12", 12, 3.0, "12abc"),
    (4, "12abc", -3, -2.5, "3.0"),
    (5, "O'Brien", 40, 1e10, "True"),
    (6, "a\\b", 7, 12.0, "it\\'s"),
    (7, "", 100, 0.25, "50% o_f"),
];

/// A call as a script makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub function: &'static str,
    pub kwargs: Value,
}

impl Case {
    /// Whose call it is. The stock server lets one script speak any SQL.
    pub fn script(&self) -> &'static str {
        match self.function {
            RAW => "vpi.nut",
            _ => "diff.nut",
        }
    }

    /// The call on this table.
    pub fn on(&self, table: &str) -> Value {
        placed(&self.kwargs, table)
    }
}

fn placed(value: &Value, table: &str) -> Value {
    match value {
        Value::String(text) => text.replace('@', table).into(),
        Value::Array(items) => items.iter().map(|item| placed(item, table)).collect(),
        Value::Object(entries) => {
            let placed = |(key, value): (&String, &Value)| {
                (key.replace('@', table), self::placed(value, table))
            };
            Value::Object(entries.iter().map(placed).collect())
        }
        other => other.clone(),
    }
}

/// The values of `filter_value`, of rows and of assignments.
const TEXTS: [&str; 34] = [
    "bob",
    "'bob'",
    "\"bob\"",
    "12",
    "'12'",
    "'12abc'",
    "0",
    "3.0",
    "",
    "''",
    " ",
    "NULL",
    "null",
    "O'Brien",
    "O''Brien",
    "'O''Brien'",
    "O\\'Brien",
    "'O\\'Brien'",
    "a\\b",
    "a\\\\b",
    "'a\\\\b'",
    "'tab\\tx'",
    "'a;b'",
    "a\u{1a}b",
    "%b%",
    "12%",
    "50\\% o\\_f",
    "True",
    "'say \"x\"'",
    "'é\u{7}'",
    "1e3",
    "-3",
    "+5",
    "0x10",
];

const EXPRESSIONS: [&str; 27] = [
    "n + 1",
    "n+1",
    "n - -1",
    "(n * 2) % 7",
    "x / 2",
    "t.n + 1",
    "n.n",
    "@.n + 1",
    "`n` + 1",
    "`@`.`n`",
    "\"n\"",
    "K",
    "k",
    "UPPER(k)",
    "lower('ABC')",
    "LENGTH(k)",
    "COALESCE(NULL, k)",
    "SUBSTR(k, 1, 2)",
    "REPLACE(k, 'b', 'c')",
    "ABS(n)",
    "ROUND(x)",
    "CASE WHEN n > 1 THEN 1 ELSE 2 END",
    "(SELECT 1)",
    "DEFAULT",
    "TRUE",
    "k || '!'",
    "missing",
];

const COLUMNS: [&str; 28] = [
    "id",
    "k",
    "n",
    "x",
    "b",
    "N",
    "`k`",
    "\"k\"",
    "[k]",
    "@.k",
    "`@`.`k`",
    "*",
    "k, n",
    "COUNT(*)",
    "MAX(n)",
    "n + 1",
    "n AS points",
    "n points",
    "'text'",
    "n `points`",
    "n ISNULL",
    "DISTINCT b",
    "distinct(n) AS d, b",
    "COUNT(DISTINCT b)",
    "NOT n",
    "x 'points'",
    "missing",
    "",
];

const OPERATORS: [&str; 18] = [
    "=", "==", "!=", "<>", "<", "<=", ">", ">=", "LIKE", "like", "NOT LIKE", "IS", "IS NOT", "<=>",
    "GLOB", "REGEXP", "", "bad",
];

const FUNCTIONS: [&str; 5] = [
    "VPI_DB_UserSelect",
    "VPI_DB_UserInsert",
    "VPI_DB_UserInsertOrUpdate",
    "VPI_DB_UserUpdate",
    "VPI_DB_UserDelete",
];

/// The function that any SQL goes to. It is for scripts that the owner names.
pub const RAW: &str = "VPI_DB_RawExecute";

/// Calls that came out differently once, and their kin.
pub fn directed() -> Vec<Case> {
    let case = |function, kwargs| Case { function, kwargs };
    let select = |column: &str, value: Value| {
        let kwargs = json!({"table": "@", "columns": ["id"], "filter_column": column, "filter_value": value});
        case("VPI_DB_UserSelect", kwargs)
    };
    let update = |column: &str, value: Value| {
        let kwargs = json!({"table": "@", "values": {column: value}, "filter_column": "id", "filter_value": 2});
        case("VPI_DB_UserUpdate", kwargs)
    };
    let mut cases = Vec::new();
    // Numbers and truth values beside texts.
    for value in [
        json!(0),
        json!(12),
        json!(-3),
        json!(3.0),
        json!(12.0),
        json!(true),
        json!(1e10),
        json!(1e20),
    ] {
        for column in ["k", "n", "x", "b"] {
            cases.push(select(column, value.clone()));
            let kwargs = json!({"table": "@", "filter_column": column, "filter_value": value});
            cases.push(case("VPI_DB_UserDelete", kwargs));
        }
        cases.push(update("b", value.clone()));
        cases.push(update("n", value));
    }
    for text in TEXTS {
        for column in ["k", "b", "n"] {
            cases.push(select(column, json!(text)));
        }
        for column in ["k", "b"] {
            cases.push(update(column, json!(text)));
        }
    }
    for text in EXPRESSIONS {
        cases.push(update("b", json!(text)));
        cases.push(update("n", json!(text)));
    }
    for column in COLUMNS {
        cases.push(select(column, json!("12")));
        cases.push(case(
            "VPI_DB_UserSelect",
            json!({"table": "@", "columns": [column]}),
        ));
    }
    for operator in OPERATORS {
        for value in [json!("bob"), json!("12%"), json!(5), json!("NULL")] {
            let kwargs = json!({"table": "@", "filter_column": "k", "filter_op": operator, "filter_value": value});
            cases.push(case("VPI_DB_UserSelect", kwargs));
        }
    }
    for columns in [
        json!("k"),
        json!({"k": 1}),
        json!([]),
        json!(null),
        json!([1]),
    ] {
        let kwargs =
            json!({"table": "@", "columns": columns, "values": [9, "'nine'", 9, 0.5, "NULL"]});
        cases.push(case("VPI_DB_UserInsert", kwargs.clone()));
        cases.push(case("VPI_DB_UserSelect", kwargs));
    }
    cases.extend(raw_queries().into_iter().map(|kwargs| case(RAW, kwargs)));
    cases
}

fn raw_queries() -> Vec<Value> {
    let plain = [
        "SELECT id FROM @ WHERE k = \"bob\"",
        "SELECT id FROM @ WHERE k = 'O''Brien'",
        "SELECT id FROM @ WHERE `k` = 'bob'",
        "SELECT id FROM @ WHERE missing = 1",
        "UPDATE @ SET n = n + 1 WHERE id < 4",
        "INSERT INTO @ VALUES (20, 'twenty', 20, 2.0, NULL)",
        "DELETE FROM @ WHERE n > 10",
        "-- nothing",
        "/* nothing */",
        "SELECT '100%'",
        "SELECT 1;",
        "SELEC 1",
        "SELECT COUNT(*), MAX(n) FROM @",
        // On MariaDB the stock server ends over this.
        "SELECT AVG(n) FROM @",
        "SELECT k FROM @ ORDER BY n DESC LIMIT 2",
    ];
    plain.iter().map(|query| json!({"query": query})).collect()
}

/// A call that means something more often than not.
pub fn random(random: &mut Random) -> Case {
    let function = FUNCTIONS[random.below(FUNCTIONS.len() as u64) as usize];
    let mut kwargs = Map::new();
    if !random.chance(2) {
        kwargs.insert("table".into(), table(random));
    }
    match function {
        "VPI_DB_UserSelect" => {
            if random.chance(60) {
                kwargs.insert("columns".into(), columns(random));
            }
            filter(random, &mut kwargs, 70);
        }
        "VPI_DB_UserInsert" | "VPI_DB_UserInsertOrUpdate" => {
            kwargs.insert("values".into(), rows(random));
            if random.chance(20) {
                kwargs.insert("columns".into(), columns(random));
            }
            if function == "VPI_DB_UserInsertOrUpdate" {
                kwargs.insert("update_values".into(), assignments(random));
            }
        }
        "VPI_DB_UserUpdate" => {
            kwargs.insert("values".into(), assignments(random));
            filter(random, &mut kwargs, 85);
        }
        _ => {
            filter(random, &mut kwargs, 95);
            if random.chance(8) {
                let wipe = pick(
                    random,
                    &[json!(true), json!(false), json!(1), json!(""), json!(null)],
                );
                kwargs.insert("wipe".into(), wipe);
            }
        }
    }
    let kwargs = match random.below(150) {
        0 => Value::Null,
        1 => odd(random),
        _ => Value::Object(kwargs),
    };
    Case { function, kwargs }
}

fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize].clone()
}

/// What has another type than what is asked for.
fn odd(random: &mut Random) -> Value {
    let odd = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(7),
        json!(2.5),
        json!(""),
        json!("k"),
        json!([]),
        json!([1, "k"]),
        json!({}),
        json!({"k": "n"}),
    ];
    pick(random, &odd)
}

fn table(random: &mut Random) -> Value {
    match random.below(60) {
        0 => odd(random),
        1 => json!("user_other_t"),
        2 => json!("user_diff"),
        3 => json!("@, @"),
        4 => json!("`@`"),
        5 => json!("\"@\""),
        6 => json!("@;"),
        7 => json!("@ "),
        8 => json!("user_diff_missing"),
        _ => json!("@"),
    }
}

fn columns(random: &mut Random) -> Value {
    if random.chance(10) {
        return odd(random);
    }
    let count = 1 + random.below(3);
    (0..count)
        .map(|_| match random.chance(5) {
            true => odd(random),
            false => json!(pick(random, &COLUMNS)),
        })
        .collect()
}

fn filter(random: &mut Random, kwargs: &mut Map<String, Value>, percent: u64) {
    if random.chance(percent) {
        let column = match random.below(30) {
            0 => odd(random),
            1 => json!(pick(random, &EXPRESSIONS)),
            2..5 => json!(pick(random, &COLUMNS)),
            _ => json!(pick(random, &["id", "k", "n", "x", "b"])),
        };
        kwargs.insert("filter_column".into(), column);
    }
    if random.chance(50) {
        let operator = match random.chance(6) {
            true => odd(random),
            false => json!(pick(random, &OPERATORS)),
        };
        kwargs.insert("filter_op".into(), operator);
    }
    if random.chance(percent) {
        let value = match random.below(4) {
            0 => scalar(random),
            _ => json!(pick(random, &TEXTS)),
        };
        kwargs.insert("filter_value".into(), value);
    }
}

fn scalar(random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!(0),
        1 => json!(12),
        2 => json!(random.below(10) as i64 - 4),
        3 => json!(3.0),
        4 => json!(0.5),
        5 => json!(1e10),
        6 => json!(1e20),
        _ => odd(random),
    }
}

/// Something for one column, as SQL.
fn value(random: &mut Random) -> Value {
    match random.below(10) {
        0..3 => scalar(random),
        3..5 => json!(pick(random, &EXPRESSIONS)),
        _ => json!(pick(random, &TEXTS)),
    }
}

fn row(random: &mut Random) -> Value {
    // The stock server ignores `columns`, so a row has all five.
    let length = if random.chance(5) { random.below(7) } else { 5 };
    let mut row: Vec<Value> = (0..length).map(|_| value(random)).collect();
    if let Some(id) = row.first_mut() {
        *id = json!(1 + random.below(12));
    }
    if random.chance(70) {
        for column in row.iter_mut().skip(1) {
            let literals = [
                json!("'bob'"),
                json!("'x'"),
                json!(4),
                json!("NULL"),
                json!(2.5),
            ];
            if random.chance(60) {
                *column = pick(random, &literals);
            }
        }
    }
    row.into()
}

fn rows(random: &mut Random) -> Value {
    match random.below(20) {
        0 => odd(random),
        1..6 => (0..1 + random.below(3)).map(|_| row(random)).collect(),
        _ => row(random),
    }
}

fn assignments(random: &mut Random) -> Value {
    if random.chance(4) {
        return odd(random);
    }
    let names = [
        "k", "n", "x", "b", "`n`", "\"n\"", "@.n", "t.n", "N", "missing", "n = 1, x",
    ];
    let count = 1 + random.below(2);
    let mut assignments = Map::new();
    for _ in 0..count {
        let name = match random.chance(25) {
            true => pick(random, &names),
            false => pick(random, &["k", "n", "x", "b"]),
        };
        assignments.insert(name.into(), value(random));
    }
    assignments.into()
}
