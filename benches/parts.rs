//! The parts of vpid one by one, without files between them: what reading, checking, deciding,
//! executing and packing cost. `cargo bench --bench parts`; the whole is measured by `bridge`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use serde_json::{Value, json};
use tempfile::TempDir;
use vpid::config::{
    self, Config, Database, Engine, Legacy, Permissions, Secret, Server, Sqlite, Watch,
};
use vpid::core::ended::{EndedCall, ShortName};
use vpid::core::{
    Caller, Core, Event, FileId, FolderId, HostId, InputState, Now, RunId, ScriptId, ScriptReport,
    ServerId, StartScripts, TakenFile,
};
use vpid::daemon::ring::{Note, Recorder, What};
use vpid::io::sql::{Report, Run, Workers};
use vpid::jobs::store::Found;
use vpid::jobs::{CallId, Done, Job};
use vpid::limits::{SQL_STATEMENT_MS_MAX, SUBMIT_JOBS_MIN};
use vpid::protocol::backend::Listed;
use vpid::protocol::engine_log::{Line, Who};
use vpid::protocol::response_text::Decoder;
use vpid::protocol::steam_id::SteamId;
use vpid::protocol::stock::call_file;
use vpid::protocol::stock::legacy;
use vpid::protocol::stock::response_file;
use vpid::protocol::uuid::Uuid;
use vpid::protocol::vyhub::BanList;
use vpid::sql::{self, Dialect, Quoting, Reading};

const SCRIPT: &str = "bench.nut";
const TABLE: &str = "user_bench_rows";
const UNIX_S: i64 = 1_700_000_000;

fn main() {
    divan::main();
}

fn secret() -> Vec<u8> {
    (0..128).map(|i| b'A' + i * 7 % 26).collect()
}

fn select(serial: usize) -> Value {
    json!({"table": TABLE, "columns": ["name", "wins"], "filter_column": "id", "filter_value": serial % 3 + 1})
}

fn insert(serial: usize) -> Value {
    json!({"table": TABLE, "values": [serial + 10, "'bench'", 1]})
}

/// A call file with an identity that was not seen before.
fn file(calls: usize, function: &str, kwargs: fn(usize) -> Value) -> Vec<u8> {
    let calls: Vec<Value> = (0..calls)
        .map(|n| json!({"token": format!("_{n:x}_"), "func": function, "kwargs": kwargs(n), "callback": true, "script": SCRIPT}))
        .collect();
    let identity = legacy::seal(&secret(), UNIX_S, vpid::io::random::bytes());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let identity = json!({"enc": text(&identity.enc), "iv": text(&identity.iv), "timestamp": UNIX_S, "ticks": 0});
    json!({"Calls": {"async": calls}, "Identity": identity})
        .to_string()
        .into_bytes()
}

#[divan::bench(args = [20, 200])]
fn parse_call_file(bencher: Bencher, calls: usize) {
    let bytes = file(calls, "VPI_DB_UserSelect", select);
    bencher
        .counter(ItemsCount::new(calls))
        .counter(BytesCount::new(bytes.len()))
        .bench(|| {
            let bytes = black_box(bytes.as_slice());
            let identity = call_file::scan(bytes).unwrap();
            let outline = call_file::outline(bytes).unwrap();
            let read = |sketch: &call_file::Sketch| sketch.call.read(bytes).unwrap();
            (
                identity,
                outline.singles.iter().map(read).collect::<Vec<_>>(),
            )
        });
}

/// A megabyte of something, as the value of a call's argument.
fn megabyte(of: &str) -> Vec<u8> {
    let unit = match of {
        "texts" => format!("\"{}\",", "some text of a call ".repeat(50)),
        "numbers" => "1,".into(),
        "brackets" => "[],".into(),
        "objects" => "{\"a\":1},".into(),
        _ => unreachable!("no such thing"),
    };
    let values = unit.repeat((1_040_000 - 2_000) / unit.len());
    format!(
        r#"{{"Calls":{{"async":[{{"token":"t","func":"VPI_Ping","script":"x.nut","callback":true,"kwargs":{{"a":[{values}0]}}}}]}},"Identity":{{"enc":"abc","iv":"def","timestamp":1,"ticks":0}}}}"#
    )
    .into_bytes()
}

/// What the ring of the last moments costs for one event with one effect and one call.
#[divan::bench]
fn ring_of_one_call(bencher: Bencher) {
    let start = Instant::now();
    let recorder = Recorder::default();
    let note = |what, kind, name| Note {
        what,
        kind,
        host: ShortName::new("my_server"),
        name: ShortName::new(name),
        failed: false,
    };
    let ended = EndedCall {
        caller: Caller::Operator,
        function: ShortName::new("VPI_DB_UserSelect"),
        took_ms: 3,
        bytes: 100,
        failed: false,
    };
    let took = Duration::from_micros(20);
    bencher.bench(|| {
        let event = note(What::Event, "call_file", black_box(""));
        recorder.ring().begin(event, start, 1_000);
        let mut ring = recorder.ring();
        ring.end(took);
        ring.add_call(black_box(&ended), ShortName::new("my_server"), start);
        drop(ring);
        let effect = note(What::Effect, "sql", black_box("VPI_DB_UserSelect"));
        recorder.ring().add(effect, start, took, 0);
    });
}

/// What a megabyte costs that a stranger wrote: from its bytes to the rejection.
#[divan::bench(args = ["texts", "numbers", "brackets", "objects"])]
fn core_turn_strangers_megabyte(bencher: Bencher, of: &str) {
    let mut core = Core::new(&config(), &[FolderId(0)]);
    let bytes = megabyte(of);
    let mut id = 0;
    bencher
        .counter(BytesCount::new(bytes.len()))
        .with_inputs(|| {
            id += 2;
            taken(id, bytes.clone())
        })
        .bench_local_values(|file| core.handle(Event::Calls(file), now()));
}

/// What an authentic megabyte costs until its calls start, or with those that start at once: a call
/// of a megabyte, and some thousand calls.
#[divan::bench(args = ["texts", "numbers", "brackets", "objects", "calls"])]
fn core_turn_authentic_megabyte(bencher: Bencher, of: &str) {
    let mut id = 0;
    bencher
        .with_inputs(|| {
            id += 2;
            let bytes = match of {
                "calls" => file(4_000, "VPI_Ping", select),
                of => {
                    let own = file(0, "VPI_Ping", select);
                    let own = String::from_utf8(own).expect("text");
                    let identity = own.find("\"Identity\"").expect("an identity");
                    let other = String::from_utf8(megabyte(of)).expect("text");
                    let calls = other.find(",\"Identity\"").expect("an identity");
                    format!("{},{}", &other[..calls], &own[identity..]).into_bytes()
                }
            };
            // Nothing of the one before is open.
            (Core::new(&config(), &[FolderId(0)]), taken(id, bytes))
        })
        .bench_local_values(|(mut core, file)| {
            let effects = core.handle(Event::Calls(file), now());
            assert!(
                !effects
                    .iter()
                    .any(|effect| matches!(effect, vpid::core::Effect::Reject { .. }))
            );
            (core, effects)
        });
}

fn taken(file: u64, bytes: Vec<u8>) -> TakenFile {
    TakenFile {
        folder: FolderId(0),
        host: "game".into(),
        file: FileId(file),
        bytes,
        mtime_ns: UNIX_S * 1_000_000_000,
        recovered: false,
    }
}

fn now() -> Now {
    Now {
        mono_ms: 1_000,
        wall_s: UNIX_S,
    }
}

#[divan::bench]
fn verify_identity(bencher: Bencher) {
    let secret = secret();
    let identity = legacy::seal(&secret, UNIX_S, vpid::io::random::bytes());
    bencher.bench(|| assert!(legacy::verify(black_box(&secret), black_box(&identity))));
}

#[divan::bench]
fn seal_identity(bencher: Bencher) {
    let secret = secret();
    bencher.bench(|| legacy::seal(black_box(&secret), UNIX_S, vpid::io::random::bytes()));
}

#[divan::bench(args = [1, 20, 400])]
fn pack_answers(bencher: Bencher, answers: usize) {
    let identity = legacy::seal(&secret(), UNIX_S, vpid::io::random::bytes());
    let answers: Vec<(String, String)> = (0..answers)
        .map(|n| (format!("_{n:x}_"), "[[\"one\",1]]".to_string()))
        .collect();
    bencher.counter(ItemsCount::new(answers.len())).bench(|| {
        let answers = answers
            .iter()
            .map(|(token, value)| (token.as_str(), value.as_str()));
        response_file::pack(answers, black_box(&identity))
    });
}

#[divan::bench(args = ["select", "insert", "expression"])]
fn parse_and_render_sql(bencher: Bencher, what: &str) {
    let (function, kwargs) = match what {
        "select" => ("VPI_DB_UserSelect", select(1)),
        "insert" => ("VPI_DB_UserInsert", insert(1)),
        _ => (
            "VPI_DB_UserUpdate",
            json!({"table": TABLE, "values": {"wins": "COALESCE(wins, 0) + (2 * ABS(-3)) % 7", "name": "UPPER('it''s')"}, "filter_column": "id", "filter_value": 1}),
        ),
    };
    bencher.bench(|| {
        let call = sql::parse(
            function,
            SCRIPT,
            black_box(kwargs.as_object().unwrap()),
            Reading::Legacy,
            Quoting::Sqlite,
        )
        .unwrap();
        sql::render(&call, 0, Dialect::Sqlite).unwrap().text.len()
    });
}

/// A file with calls that the core answers by itself, from its bytes to the effects, the
/// write of its answers and the removal of the file included.
#[divan::bench(args = [1, 20])]
fn core_turn_echo(bencher: Bencher, calls: usize) {
    let mut core = Core::new(&config(), &[FolderId(0)]);
    let mut id = 0;
    bencher
        .counter(ItemsCount::new(calls))
        .with_inputs(|| {
            id += 1;
            let bytes = file(calls, "VPI_Ping", |n| json!({"n": n}));
            TakenFile {
                folder: FolderId(0),
                host: "bench".into(),
                file: FileId(id),
                bytes,
                mtime_ns: UNIX_S * 1_000_000_000,
                recovered: false,
            }
        })
        .bench_local_values(|file| {
            // Far enough apart that nothing is repeated.
            let now = Now {
                mono_ms: file.file.0 * 10_000,
                wall_s: UNIX_S,
            };
            let mut effects = core.handle(Event::Calls(file), now).len();
            let (host, state) = (HostId(0), InputState::Empty);
            effects += core.handle(Event::Input { host, state }, now).len();
            effects += core
                .handle(Event::AnswersWritten { host, ok: true }, now)
                .len();
            effects + core.handle(Event::Input { host, state }, now).len()
        });
}

/// Lines of a game's log become calls of a hook, or of none.
#[divan::bench(args = [false, true])]
fn core_chat_for_scripts(bencher: Bencher, listens: bool) {
    const LINES: usize = 100;
    let text = "[[server]]\nscriptdata = \"/s\"\nlog_listen = \"127.0.0.1:27500\"\n\
                key = '0123456789abcdef0123456789abcdef'\n[scripts]\ndir = \"/scripts\"\n";
    let config = config::parse(text, Path::new("/"), |_| None).expect("a configuration");
    let now = Now {
        mono_ms: 1_000,
        wall_s: UNIX_S,
    };
    let mut core = Core::new(&config, &[FolderId(0)]);
    let config = Arc::new(config);
    let start = Event::start(Arc::clone(&config), Found::default(), 1);
    core.handle(start, now);
    let start = StartScripts {
        config,
        found: vec!["a".into()],
        begun: Vec::new(),
        number: 1,
    };
    core.handle(Event::StartScripts(Box::new(start)), now);
    let mut say = move |line: String| {
        let what = ScriptReport::Sent(vec![line.into_bytes()]);
        let (script, run) = (ScriptId(0), RunId(1));
        core.handle(Event::Script { script, run, what }, now);
        let lines = (0..LINES).map(|n| Line::Said {
            who: Who {
                userid: 3,
                name: "Ann".into(),
                ..Who::default()
            },
            text: format!("line {n}"),
            team: false,
        });
        let (server, lines) = (ServerId(0), lines.collect());
        core.handle(Event::Logged { server, lines }, now).len()
    };
    let hooks = if listens { "[\"OnPlayerChat\"]" } else { "[]" };
    say(format!(
        "[[\"ready\",{{\"hooks\":{hooks},\"functions\":[],\"python\":\"3\"}}]]"
    ));
    let done = if listens { LINES } else { 0 };
    bencher
        .counter(ItemsCount::new(LINES))
        .bench_local(|| say(format!("[[\"ack\",{done}]]")));
}

fn config() -> Config {
    let legacy = Legacy {
        secret: Secret::new(&secret()).expect("a good secret"),
        identity_required: true,
    };
    Config {
        path: None,
        state_dir: PathBuf::from("state"),
        servers: vec![Server {
            scriptdata: PathBuf::from("scriptdata"),
            hostname: None,
            key: None,
            legacy: Some(legacy),
            vscripts: None,
            vyhub_id: None,
            in_community: true,
            community_id: None,
            community_name: String::new(),
            rcon: None,
            log: None,
            chat: Default::default(),
        }],
        databases: Vec::new(),
        queries: Vec::new(),
        community: None,
        import_from: None,
        geoip: None,
        metrics_file: None,
        status_page: None,
        scripts: None,
        permissions: Permissions::default(),
        watch: Watch::Auto,
        poll_ms: 50,
        call_deadline_ms: 10_000,
        warnings: Vec::new(),
        exposed: Vec::new(),
        files: Vec::new(),
        secret_files: Vec::new(),
        log: Default::default(),
    }
}

/// A worker with a table in its database, and its reports.
struct OpenWorker {
    worker: Workers,
    done: mpsc::Receiver<Vec<Done>>,
    next_file: u64,
    serial: usize,
    _dir: TempDir,
}

impl OpenWorker {
    fn new(full_durability: bool) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("bench.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let create = format!(
            "CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, name TEXT, wins INTEGER);
             INSERT INTO {TABLE} VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);"
        );
        connection.execute_batch(&create).unwrap();
        let database = Database {
            name: String::new(),
            engine: Engine::Sqlite(Sqlite {
                path,
                full_durability,
            }),
            schema: None,
        };
        let (send, done) = mpsc::channel();
        let on_report = move |report| {
            if let Report::Done(done) = report {
                let _ = send.send(done);
            }
        };
        let run = Run {
            clock_start: Instant::now(),
            instance: 1,
            tries: Default::default(),
        };
        Self {
            worker: Workers::start(0, &database, run, on_report),
            done,
            next_file: 1,
            serial: 0,
            _dir: dir,
        }
    }

    fn jobs(&mut self, function: &str, kwargs: fn(usize) -> Value) -> Vec<Job> {
        self.next_file += 1;
        let jobs = (0..SUBMIT_JOBS_MIN as u32).map(|index| {
            self.serial += 1;
            let kwargs = kwargs(self.serial);
            Job {
                id: CallId::of_number(self.next_file, index),
                database: 0,
                caller: Caller::Host(HostId(0)),
                limit_ms: SQL_STATEMENT_MS_MAX,
                function: function.to_string(),
                call: sql::parse(
                    function,
                    SCRIPT,
                    kwargs.as_object().unwrap(),
                    Reading::Legacy,
                    Quoting::Sqlite,
                )
                .unwrap(),
                deadline_ms: None,
                recovered: false,
                notes_failure: false,
                tries: 0,
                decoder: Decoder::Stock,
            }
        });
        jobs.collect()
    }

    /// Hands a batch over and waits for all of it.
    fn run(&self, jobs: Vec<Job>) {
        let mut left = jobs.len();
        self.worker.submit(jobs);
        while left > 0 {
            let done = self.done.recv_timeout(Duration::from_secs(10)).unwrap();
            assert!(done.iter().all(|done| done.outcome.is_ok()));
            left -= done.len();
        }
    }
}

#[divan::bench(args = ["select", "insert, full", "insert, normal"])]
fn lane_batch_of_256(bencher: Bencher, what: &str) {
    let worker = OpenWorker::new(what != "insert, normal");
    let worker = std::cell::RefCell::new(worker);
    let (function, kwargs): (_, fn(usize) -> Value) = match what {
        "select" => ("VPI_DB_UserSelect", select),
        _ => ("VPI_DB_UserInsert", insert),
    };
    bencher
        .counter(ItemsCount::new(SUBMIT_JOBS_MIN))
        .with_inputs(|| worker.borrow_mut().jobs(function, kwargs))
        .bench_local_values(|jobs| worker.borrow().run(jobs));
}

const BANS: u32 = 100_000;

fn banned(number: u32) -> SteamId {
    SteamId::new(1 + number * 7).expect("an account")
}

/// What VyHub answers where a hundred thousand are banned.
fn ban_list() -> Vec<u8> {
    let person = |name: &str| {
        format!(
            r#"{{"id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","username":"{name}","type":"STEAM","identifier":"76561197960287930","avatar":"https://avatars.example/0123456789abcdef.jpg"}}"#
        )
    };
    let ban = |number: u32| {
        let (user, admin) = (person(&format!("player {number}")), person("Some Admin"));
        format!(
            r#""{}":[{{"length":3600.0,"reason":"cheating, seen in demo {number}","id":"0a1b2c3d-4e5f-6071-8293-0000{number:08x}","creator":{admin},"created_on":"2026-03-01T12:00:00.123456+00:00","status":"ACTIVE","ends_on":"2026-03-01T13:00:00.123456+00:00","active":true,"user":{user},"serverbundle":{{"id":"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9","name":"TF2","icon":"x","sort_id":1}}}}]"#,
            banned(number)
        )
    };
    let bans: Vec<String> = (0..BANS).map(ban).collect();
    format!("{{{}}}", bans.join(",")).into_bytes()
}

#[divan::bench(sample_count = 10)]
fn read_ban_list(bencher: Bencher) {
    let body = ban_list();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| BanList::read(black_box(&body[..])).expect("a list"));
}

/// All players of a full server.
#[divan::bench]
fn look_up_24_players(bencher: Bencher) {
    let list = BanList::read(&ban_list()[..]).expect("a list");
    bencher.bench(|| {
        let players = (0..24).map(|player| banned(player * 4_000 + player % 2));
        players.map(|player| list.of(player).count()).sum::<usize>()
    });
}

#[divan::bench]
fn find_banned_by_name(bencher: Bencher) {
    let list = BanList::read(&ban_list()[..]).expect("a list");
    bencher.bench(|| list.named(black_box("yer 77777"), 8).len());
}

/// What one new ban in a database makes of the list, with what of it is written to disk.
#[divan::bench]
fn add_a_ban(bencher: Bencher) {
    let list = BanList::read(&ban_list()[..]).expect("a list");
    let new = Listed {
        id: Uuid(7),
        steam: SteamId::new(2).expect("an account"),
        username: "player",
        reason: "cheating",
        creator: "Some Admin",
        created_s: 1_800_000_000,
        ends_s: None,
    };
    let changed = HashSet::from([new.id]);
    bencher.bench(|| {
        let with = list.updated(&changed, 0, [new.clone()]).expect("a list");
        let changes = with.changes_since(&list, 10).expect("few changes");
        with.journal_line(&changes).len()
    });
}

#[divan::bench(sample_count = 10)]
fn write_and_read_cached_bans(bencher: Bencher) {
    let list = BanList::read(&ban_list()[..]).expect("a list");
    bencher.bench(|| {
        let mut file = Vec::new();
        list.write(&mut file, 1).expect("memory takes it");
        let (list, _) = BanList::read_cached(&file[..]).expect("the same list");
        list.len()
    });
}
