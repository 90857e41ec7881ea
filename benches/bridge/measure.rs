//! One measurement: a fresh server in a fresh folder, some calls to warm up, then latency, then
//! throughput. And those that need no load: the start, and doing nothing.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use vpid::game_side::bench::{Bench, Options, SCRIPT, Work};
use vpid::game_side::stock::{Game, GameCall};

use super::options::Settings;
use super::process;
use super::servers::{Kind, Place, Server};

/// What is measured, under which name.
#[derive(Debug, Clone)]
pub struct Subject {
    pub name: String,
    pub kind: Kind,
    pub work: Work,
    pub hosts: usize,
    /// Files of others in the folder.
    pub unrelated: usize,
}

/// What one measurement gave.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// p50, p90, p99 and the largest, in milliseconds.
    pub latency_ms: [f64; 4],
    pub calls_per_second: f64,
    /// Processor time of the server for each call under throughput.
    pub server_us: f64,
    /// The same of the measuring client: where one processor's worth of it is used up, the
    /// client is what is measured.
    pub client_us: f64,
    pub unanswered: usize,
    pub errors: usize,
    /// Memory after the load at its highest.
    pub peak_kib: f64,
}

/// From nothing to the first answer.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    pub ms: f64,
    /// Memory a moment later.
    pub idle_kib: f64,
}

/// A while without work.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    pub seconds: f64,
    pub cpu_ticks: u64,
    pub cpu_us: f64,
    pub wakeups: u64,
}

/// The stock server looks at its folder every 200 ms. Without a pause every call would be
/// written just after such a look.
const STOCK_PAUSE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(2);
/// An interpreter on a busy machine takes its time until it serves.
const FIRST_ANSWER_PATIENCE: Duration = Duration::from_secs(60);

pub fn sample(subject: &Subject, settings: &Settings) -> io::Result<Sample> {
    let place = Place::new(settings, subject.kind, subject.unrelated)?;
    let stock = subject.kind.is_stock();
    let server = match stock {
        true => first_answer(subject.kind, &place, settings)?.0,
        false => place.start(subject.kind, settings.stock.as_ref())?,
    };
    let options = Options {
        hosts: subject.hosts,
        files: (settings.files / subject.hosts).max(1),
        batch: settings.batch,
        work: subject.work,
        patience: Duration::from_secs(5),
        pause: if stock { STOCK_PAUSE } else { PAUSE },
    };
    let secret = place.secret.as_bytes();
    let mut bench = Bench::new(place.scriptdata(), "bench", secret, options);
    bench.start()?;
    let warm_up = if stock { 3 } else { subject.hosts.max(50) };
    if bench.latency(warm_up)?.us.len() < warm_up {
        return Err(silent(subject, &server));
    }
    let calls = if stock {
        settings.stock_latency_calls
    } else {
        settings.latency_calls
    };
    let latency = bench.latency(calls)?;
    let before = process::cpu_ns(server.pid())?;
    let throughput = bench.throughput()?;
    let server_seconds = process::cpu_ns(server.pid())?.since(&before) as f64 / 1e9;
    let us_per_call = |seconds: f64| seconds * 1e6 / throughput.answered.max(1) as f64;
    let ms = |part| latency.percentile_us(part) as f64 / 1000.0;
    Ok(Sample {
        latency_ms: [ms(0.5), ms(0.9), ms(0.99), ms(1.0)],
        calls_per_second: throughput.calls_per_second(),
        server_us: us_per_call(server_seconds),
        client_us: us_per_call(throughput.client_seconds),
        unanswered: calls - latency.us.len() + throughput.calls - throughput.answered,
        errors: latency.errors + throughput.errors,
        peak_kib: process::memory_kib(server.pid())?.1 as f64,
    })
}

/// A call lies in the folder before the server starts.
pub fn start(kind: Kind, unrelated: usize, settings: &Settings) -> io::Result<Start> {
    let place = Place::new(settings, kind, unrelated)?;
    let (server, ms) = first_answer(kind, &place, settings)?;
    sleep(Duration::from_millis(300));
    let (idle_kib, _) = process::memory_kib(server.pid())?;
    Ok(Start {
        ms,
        idle_kib: idle_kib as f64,
    })
}

/// The server has answered once and is left alone.
pub fn idle(kind: Kind, settings: &Settings) -> io::Result<Idle> {
    let place = Place::new(settings, kind, 10)?;
    let (server, _) = first_answer(kind, &place, settings)?;
    sleep(Duration::from_secs(1));
    let pid = server.pid();
    let look = || -> io::Result<_> {
        Ok((
            process::cpu_ticks(pid)?,
            process::cpu_ns(pid)?,
            process::wakeups(pid)?,
        ))
    };
    let (began, before) = (Instant::now(), look()?);
    sleep(settings.idle);
    let after = look()?;
    Ok(Idle {
        seconds: began.elapsed().as_secs_f64(),
        cpu_ticks: after.0 - before.0,
        cpu_us: after.1.since(&before.1) as f64 / 1000.0,
        wakeups: after.2.since(&before.2),
    })
}

/// Milliseconds from the start of the process to the answer of a call that lay there before.
fn first_answer(kind: Kind, place: &Place, settings: &Settings) -> io::Result<(Server, f64)> {
    let mut game = Game::new(place.scriptdata(), "bench", place.secret.as_bytes());
    // The stock server has no function that does nothing; a select is the nearest.
    let call = if kind.is_stock() {
        let kwargs = json!({"table": "user_vpidbench_rows", "columns": ["name", "wins"], "filter_column": "id", "filter_value": 1});
        GameCall::new(SCRIPT, "VPI_DB_UserSelect", kwargs)
    } else {
        GameCall::new(SCRIPT, "VPI_Ping", json!({"n": 1}))
    };
    let tokens = game.send(&[call])?;
    let began = Instant::now();
    let server = place.start(kind, settings.stock.as_ref())?;
    let answers = game.wait_for(&tokens, FIRST_ANSWER_PATIENCE)?;
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    if answers.is_empty() {
        let words = server.last_words();
        let seconds = FIRST_ANSWER_PATIENCE.as_secs();
        let error = format!("no first answer within {seconds} s; the end of its log: {words}");
        return Err(io::Error::other(error));
    }
    Ok((server, ms))
}

fn silent(subject: &Subject, server: &Server) -> io::Error {
    let words = server.last_words();
    io::Error::other(format!("{} does not answer:\n{words}", subject.name))
}
