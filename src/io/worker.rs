//! The threads that wait for the world, so that the deciding thread need not: one pool of workers
//! for each API, console, state folder and database.
//!
//! A [`Queue`] holds what waits and says what may be begun; its [`Workers`] have the threads:
//!
//! - **Handing over** takes the queue's lock once, and wakes a thread only if one sleeps: a thread
//!   that comes back from its work looks by itself. So a burst costs one wake-up. A thread that was woken
//!   and leaves work behind wakes the next.
//! - **Threads are started when there is work for them**, up to one for each seat, and end after
//!   `WORKER_IDLE_MS` without work. What a thread works with (a connection, an open database) keeps
//!   its seat, for the next thread. So a vpid without anything to do has one thread.
//! - **The end** is requested with a deadline. What was handed over is done first; then the threads
//!   put away what they work with, since that may take as long as work. When the deadline has come,
//!   or without it, the workers are abandoned: they report nothing any more, which each looks at
//!   before it reports, and they end as soon as they notice.
//! - **A thread that hangs** in something that cannot be interrupted is given up: its seat is free
//!   for another, with something new to work with, and it ends when it comes back. How many may
//!   hang is bounded; beyond that, what waits does so until one of them is back.
//! - **A panic** ends vpid (`panic = "abort"`): what a worker was at is in an unknown state, and
//!   the next start finds everything as after a power cut.
//!
//! Results go the other way by a function of the caller's, which puts them into a channel and wakes
//! the loop; while the loop has not looked, no further wake-up is sent.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::limits::{WORKER_IDLE_MS, WORKERS_GIVEN_UP_MAX};

/// What waits, and which of it may be begun. All of it is called under one lock, and must not block.
pub trait Queue: Send + 'static {
    /// What a worker gets at a time.
    type Work: Send;

    /// What the worker at this seat does next; it has done what it had.
    fn next(&mut self, seat: usize) -> Next<Self::Work>;

    /// Whether there is work for one more.
    fn is_ready(&self) -> bool;

    /// Whether all is done that was handed over.
    fn is_done(&self) -> bool;

    /// Whether a worker at this seat could do anything now.
    fn may_work(&self, _seat: usize) -> bool {
        true
    }
}

pub enum Next<W> {
    Work(W),
    /// There will be something at this time, whatever is handed over until then.
    At(Instant),
    Nothing,
}

/// How many threads there are, and how they are called.
pub struct Options {
    pub name: String,
    pub seats: usize,
    pub stack_bytes: usize,
    /// How long a thread stays without work.
    pub idle: Duration,
    /// Set when the workers are abandoned, for who must not hold the pool.
    pub abandoned: Arc<AtomicBool>,
}

impl Options {
    pub fn new(name: impl Into<String>, seats: usize, stack_bytes: usize) -> Self {
        Self {
            name: name.into(),
            seats,
            stack_bytes,
            idle: Duration::from_millis(WORKER_IDLE_MS),
            abandoned: Arc::default(),
        }
    }
}

/// Does one piece of work after the other, with whatever it has of its own.
pub type Worker<Q> = Box<dyn FnMut(&Arc<Pool<Q>>, <Q as Queue>::Work) + Send>;

type Hire<Q> = Box<dyn Fn(&Arc<Pool<Q>>, usize) -> Worker<Q> + Send + Sync>;

/// A running pool. Dropped, it is abandoned.
pub struct Workers<Q: Queue>(Arc<Pool<Q>>);

pub struct Pool<Q: Queue> {
    options: Options,
    /// Makes what a thread at this seat works with; on that thread.
    hire: Hire<Q>,
    state: Mutex<State<Q>>,
    /// Something is ready for a thread that sleeps, or may be.
    work: Condvar,
    /// A thread has ended, while the end is waited for.
    ended: Condvar,
}

struct State<Q: Queue> {
    queue: Q,
    seats: Vec<Seat<Q>>,
    /// Threads at seats; of them, those that sleep.
    threads: usize,
    asleep: usize,
    /// Threads that were given up and have not come back.
    given_up: usize,
    /// A thread was woken or started and has not looked yet; it calls the next.
    called: bool,
    stopping: bool,
    /// Numbers threads.
    last: u64,
    said_no_thread: bool,
}

struct Seat<Q: Queue> {
    thread: Option<u64>,
    /// What that or an earlier one left there.
    worker: Option<Worker<Q>>,
}

/// What a pool is at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    pub busy: usize,
    pub size: usize,
    /// What no worker has begun.
    pub waiting: usize,
}

impl Occupancy {
    /// Of several pools together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            busy: self.busy + other.busy,
            size: self.size + other.size,
            waiting: self.waiting + other.waiting,
        }
    }
}

/// Who is to do what became ready.
enum Call<Q: Queue> {
    Nobody,
    Sleeper,
    Thread(NewThread<Q>),
}

struct NewThread<Q: Queue> {
    number: u64,
    seat: usize,
    worker: Option<Worker<Q>>,
}

impl<Q: Queue> Workers<Q> {
    /// No thread is started before there is work. `hire` is called on each thread that finds
    /// nothing left at its seat.
    pub fn new(
        options: Options,
        queue: Q,
        hire: impl Fn(&Arc<Pool<Q>>, usize) -> Worker<Q> + Send + Sync + 'static,
    ) -> Self {
        let seat = || Seat {
            thread: None,
            worker: None,
        };
        let state = State {
            queue,
            seats: (0..options.seats).map(|_| seat()).collect(),
            threads: 0,
            asleep: 0,
            given_up: 0,
            called: false,
            stopping: false,
            last: 0,
            said_no_thread: false,
        };
        Self(Arc::new(Pool {
            options,
            hire: Box::new(hire),
            state: Mutex::new(state),
            work: Condvar::new(),
            ended: Condvar::new(),
        }))
    }

    /// Waits until all is done that was handed over and all threads have ended, for so long.
    pub fn stop(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        state.stopping = true;
        // What lies at a seat is put away on a thread, too.
        let mut starting = Vec::new();
        while let Some(seat) = state.left_behind() {
            starting.push(state.begin(seat));
        }
        drop(state);
        starting.into_iter().for_each(|new| self.start(new));
        self.work.notify_all();
        let is_busy = |state: &mut State<Q>| state.threads > 0 || !state.queue.is_done();
        let waited = self
            .ended
            .wait_timeout_while(self.lock(), patience, is_busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !is_busy(&mut state)
    }

    /// Nothing that was handed over is wanted any more.
    pub fn abandon(&self) {
        self.options.abandoned.store(true, SeqCst);
        // The lock orders this after a look at the flag that is about to become a wait.
        let mut state = self.lock();
        let seats = state.seats.iter_mut();
        let left: Vec<_> = seats.filter_map(|seat| seat.worker.take()).collect();
        drop(state);
        drop(left);
        self.work.notify_all();
    }
}

impl<Q: Queue> Deref for Workers<Q> {
    type Target = Arc<Pool<Q>>;

    fn deref(&self) -> &Arc<Pool<Q>> {
        &self.0
    }
}

impl<Q: Queue> Drop for Workers<Q> {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl<Q: Queue> Pool<Q> {
    /// Reads or changes the queue, and calls a worker where that made something ready.
    pub fn with<T>(self: &Arc<Self>, change: impl FnOnce(&mut Q) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.queue);
        let call = state.call();
        drop(state);
        self.answer(call);
        result
    }

    /// The same for a worker that comes back to the queue at once: it calls others itself.
    pub fn finish<T>(&self, change: impl FnOnce(&mut Q) -> T) -> T {
        change(&mut self.lock().queue)
    }

    /// The thread at this seat is not waited for any more: another may take its place. `change` is
    /// what that makes of the queue, under the same lock: the thread may come back at any moment, and
    /// must find either its work or its seat gone with it.
    pub fn give_up<T>(self: &Arc<Self>, seat: usize, change: impl FnOnce(&mut Q) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.queue);
        if state.seats[seat].thread.take().is_some() {
            state.threads -= 1;
            state.given_up += 1;
        }
        let call = state.call();
        drop(state);
        self.answer(call);
        result
    }

    /// Threads that were given up and have not come back.
    pub fn given_up(&self) -> usize {
        self.lock().given_up
    }

    /// How many threads are at work, of how many, and how much waits by what `waiting` counts.
    pub fn occupancy(&self, waiting: impl FnOnce(&Q) -> usize) -> Occupancy {
        let state = self.lock();
        Occupancy {
            busy: state.threads - state.asleep,
            size: state.seats.len(),
            waiting: waiting(&state.queue),
        }
    }

    #[cfg(test)]
    pub fn threads(&self) -> usize {
        self.lock().threads
    }

    pub fn is_abandoned(&self) -> bool {
        self.options.abandoned.load(SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(self: &Arc<Self>, call: Call<Q>) {
        match call {
            Call::Nobody => {}
            Call::Sleeper => self.work.notify_one(),
            Call::Thread(new) => self.start(new),
        }
    }

    fn start(self: &Arc<Self>, new: NewThread<Q>) {
        let NewThread {
            number,
            seat,
            worker,
        } = new;
        let name = match self.options.seats {
            1 => self.options.name.clone(),
            _ => format!("{}-{}", self.options.name, seat + 1),
        };
        let pool = Arc::clone(self);
        let started = thread::Builder::new()
            .name(name)
            .stack_size(self.options.stack_bytes)
            .spawn(move || pool.work(number, seat, worker));
        if let Err(error) = started {
            // What was left at the seat went with the attempt, as on a failure of its own.
            let mut state = self.lock();
            state.seats[seat].thread = None;
            state.threads -= 1;
            state.called = false;
            let is_new = !std::mem::replace(&mut state.said_no_thread, true);
            drop(state);
            if is_new {
                log::error!(
                    "the system gives no thread for {} ({error}): what waits is tried again with \
                     the next that comes; allow vpid more threads (TasksMax, ulimit -u)",
                    self.options.name
                );
            }
        }
    }

    /// The life of a thread.
    fn work(self: Arc<Self>, number: u64, seat: usize, worker: Option<Worker<Q>>) {
        let mut worker = worker.unwrap_or_else(|| (self.hire)(&self, seat));
        while let Some(work) = self.next(number, seat) {
            worker(&self, work);
        }
        let mut state = self.lock();
        let stays = state.is_at(number, seat) && !state.stopping && !self.is_abandoned();
        if stays {
            state.seats[seat].worker = Some(worker);
        } else {
            drop(state);
            // Only when this is put away is the thread's work done.
            drop(worker);
            state = self.lock();
        }
        match state.is_at(number, seat) {
            true => {
                state.seats[seat].thread = None;
                state.threads -= 1;
            }
            false => state.given_up -= 1,
        }
        // Something may have come meanwhile, or waited for a thread to be free.
        let call = state.call();
        let stopping = state.stopping;
        drop(state);
        self.answer(call);
        if stopping {
            self.ended.notify_all();
            self.work.notify_all();
        }
    }

    /// Sleeps until there is work. `None`: the thread is to end.
    fn next(self: &Arc<Self>, number: u64, seat: usize) -> Option<Q::Work> {
        let mut state = self.lock();
        let mut idle_until = None;
        loop {
            // Also where it ends now: a thread that leaves looks for another to call.
            state.called = false;
            if self.is_abandoned() || !state.is_at(number, seat) {
                return None;
            }
            let next = match state.queue.may_work(seat) {
                true => state.queue.next(seat),
                false => return None,
            };
            if let Next::Work(work) = next {
                let call = state.call();
                drop(state);
                self.answer(call);
                return Some(work);
            }
            if state.stopping && state.queue.is_done() {
                return None;
            }
            let now = Instant::now();
            let idle_until = *idle_until.get_or_insert(now + self.options.idle);
            let until = match next {
                // One stays for what is due.
                Next::At(due) if state.asleep == 0 || now < idle_until => due,
                _ if now < idle_until => idle_until,
                _ => return None,
            };
            state.asleep += 1;
            let left = until.saturating_duration_since(now);
            let waited = self.work.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
    }
}

impl<Q: Queue> State<Q> {
    fn call(&mut self) -> Call<Q> {
        if self.called || !self.queue.is_ready() {
            return Call::Nobody;
        }
        if self.asleep > 0 {
            self.called = true;
            return Call::Sleeper;
        }
        if self.threads == self.seats.len() || self.given_up > WORKERS_GIVEN_UP_MAX {
            return Call::Nobody;
        }
        let seats = self.seats.iter().enumerate();
        let free = seats.filter(|(_, seat)| seat.thread.is_none());
        let able = free.filter(|(at, _)| self.queue.may_work(*at));
        // One with something to work with first.
        let Some((seat, _)) = able.min_by_key(|(_, seat)| seat.worker.is_none()) else {
            return Call::Nobody;
        };
        self.called = true;
        Call::Thread(self.begin(seat))
    }

    /// A seat at which a thread has left something to work with.
    fn left_behind(&self) -> Option<usize> {
        let mut seats = self.seats.iter();
        seats.position(|seat| seat.thread.is_none() && seat.worker.is_some())
    }

    fn begin(&mut self, seat: usize) -> NewThread<Q> {
        self.last += 1;
        self.threads += 1;
        let number = self.last;
        self.seats[seat].thread = Some(number);
        let worker = self.seats[seat].worker.take();
        NewThread {
            number,
            seat,
            worker,
        }
    }

    /// Whether the thread still has its seat.
    fn is_at(&self, number: u64, seat: usize) -> bool {
        self.seats[seat].thread == Some(number)
    }
}

/// First in, first out, several at a time where they share an effort; with a bound.
pub struct Fifo<J> {
    pub jobs: VecDeque<J>,
    /// How many may wait.
    waiting_max: usize,
    /// How many are done together.
    together_max: usize,
}

impl<J> Fifo<J> {
    pub fn new(waiting_max: usize, together_max: usize) -> Self {
        Self {
            jobs: VecDeque::new(),
            waiting_max,
            together_max,
        }
    }

    /// Gives the job back where there is no room.
    pub fn push(&mut self, job: J) -> Result<(), J> {
        if self.jobs.len() >= self.waiting_max {
            return Err(job);
        }
        self.jobs.push_back(job);
        Ok(())
    }

    /// Puts an urgent job behind the others that are, and before all the rest. Gives a job back where there is no
    /// room: the last of the rest, or this one where all are urgent.
    pub fn push_urgent(&mut self, job: J, is_urgent: impl Fn(&J) -> bool) -> Result<(), J> {
        let place = self
            .jobs
            .iter()
            .take_while(|other| is_urgent(other))
            .count();
        if place >= self.waiting_max {
            return Err(job);
        }
        let is_full = self.jobs.len() >= self.waiting_max;
        let last = if is_full { self.jobs.pop_back() } else { None };
        self.jobs.insert(place, job);
        last.map_or(Ok(()), Err)
    }
}

impl<J: Send + 'static> Pool<Fifo<J>> {
    pub fn fifo_occupancy(&self) -> Occupancy {
        self.occupancy(|fifo| fifo.jobs.len())
    }
}

impl<J: Send + 'static> Queue for Fifo<J> {
    type Work = Vec<J>;

    fn next(&mut self, _: usize) -> Next<Vec<J>> {
        match self.jobs.len().min(self.together_max) {
            0 => Next::Nothing,
            count => Next::Work(self.jobs.drain(..count).collect()),
        }
    }

    fn is_ready(&self) -> bool {
        !self.jobs.is_empty()
    }

    fn is_done(&self) -> bool {
        self.jobs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const LONG: Duration = Duration::from_secs(20);

    /// Workers that wait for a word with each job, and report it beside what they have counted.
    struct Desk {
        workers: Workers<Fifo<Receiver<u32>>>,
        done: Receiver<(u32, u32)>,
    }

    fn desk(seats: usize, idle: Duration) -> Desk {
        let (report, done) = channel();
        let mut options = Options::new("test", seats, 256 << 10);
        options.idle = idle;
        let workers = Workers::new(options, Fifo::new(100, 1), move |_, _| {
            let report: Sender<_> = report.clone();
            let mut count = 0;
            Box::new(move |pool, jobs: Vec<Receiver<u32>>| {
                for job in jobs {
                    let word = job.recv().unwrap_or(0);
                    count += 1;
                    if !pool.is_abandoned() {
                        let _ = report.send((word, count));
                    }
                }
            })
        });
        Desk { workers, done }
    }

    impl Desk {
        /// Hands a job over; it is done when it has its word.
        fn submit(&self) -> Sender<u32> {
            let (go, job) = channel();
            self.workers.with(|fifo| fifo.push(job)).unwrap();
            go
        }

        fn do_one(&self, word: u32) -> (u32, u32) {
            self.submit().send(word).unwrap();
            self.done.recv_timeout(LONG).unwrap()
        }

        fn until(&self, threads: usize) {
            let began = Instant::now();
            while self.workers.threads() != threads {
                assert!(began.elapsed() < LONG, "{}", self.workers.threads());
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn threads_come_with_work_and_go_without_and_what_they_have_stays() {
        let desk = desk(3, Duration::from_millis(10));
        assert_eq!(desk.workers.threads(), 0);
        for round in 1..4 {
            assert_eq!(desk.do_one(round), (round, round));
            desk.until(0);
        }
        let waiting: Vec<_> = (0..5).map(|_| desk.submit()).collect();
        desk.until(3);
        for (word, go) in (0..).zip(waiting) {
            go.send(word).unwrap();
        }
        let mut words: Vec<u32> = (0..5)
            .map(|_| desk.done.recv_timeout(LONG).unwrap().0)
            .collect();
        words.sort_unstable();
        assert_eq!(words, [0, 1, 2, 3, 4]);
        desk.until(0);
    }

    #[test]
    fn the_end_comes_after_all_that_was_handed_over_or_with_the_deadline() {
        let idle_desk = desk(2, LONG);
        assert!(idle_desk.workers.stop(LONG) && idle_desk.workers.threads() == 0);
        let busy = desk(1, LONG);
        for word in 0..9 {
            busy.submit().send(word).unwrap();
        }
        assert!(busy.workers.stop(LONG));
        assert_eq!(busy.done.try_iter().count(), 9);
        let stuck = desk(1, LONG);
        let go = stuck.submit();
        assert!(!stuck.workers.stop(Duration::from_millis(10)));
        let Desk { workers, done } = stuck;
        drop(workers);
        go.send(1).unwrap();
        assert!(done.recv_timeout(LONG).is_err(), "nobody reports");
    }

    #[test]
    fn a_thread_that_loses_its_seat_in_its_sleep_calls_the_next() {
        let desk = desk(1, LONG);
        desk.submit().send(1).unwrap();
        assert_eq!(desk.done.recv_timeout(LONG), Ok((1, 1)));
        let began = Instant::now();
        while desk.workers.lock().asleep == 0 {
            assert!(began.elapsed() < LONG);
        }
        desk.workers.give_up(0, |_| ());
        desk.submit().send(2).unwrap();
        assert_eq!(desk.done.recv_timeout(LONG), Ok((2, 1)), "another worker");
        assert!(desk.workers.stop(LONG));
    }

    #[test]
    fn a_thread_that_is_given_up_is_replaced_within_bounds() {
        let desk = desk(1, LONG);
        let mut stuck = Vec::new();
        for nth in 0..=WORKERS_GIVEN_UP_MAX {
            stuck.push(desk.submit());
            let began = Instant::now();
            while desk.workers.with(|fifo| !fifo.is_done()) {
                assert!(began.elapsed() < LONG);
            }
            desk.workers.give_up(0, |_| ());
            assert_eq!(desk.workers.given_up(), nth + 1);
        }
        let waits = desk.submit();
        waits.send(7).unwrap();
        assert!(desk.done.recv_timeout(Duration::from_millis(20)).is_err());
        stuck.remove(0).send(1).unwrap();
        assert_eq!(desk.done.recv_timeout(LONG), Ok((1, 1)));
        assert_eq!(desk.done.recv_timeout(LONG), Ok((7, 1)), "another worker");
        drop(stuck);
        assert!(desk.workers.stop(LONG));
    }
}
