//! Executing rewards: one after the other on each server, its commands in their order, at a bounded pace.

use serde_json::json;

use super::super::{Cx, Ticket};
use super::records::{Key, Record, State};
use super::task::{Task, Unfit};
use super::{Asked, Owed, Rewards};
use crate::core::Now;
use crate::core::message::NotDone;
use crate::core::servers::{NotSent, ServerId};
use crate::jobs::store::{Content, Shelf, StoreError};
use crate::limits;
use crate::protocol::backend::Action;
use crate::protocol::console::{Command, is_unknown};
use crate::protocol::log_targets::log_server;
use crate::protocol::uuid::Uuid;

/// What is being executed on a server.
pub struct Running {
    key: Key,
    task: Task,
    commands: Vec<Command>,
    /// Which of them is next, or was sent.
    at: usize,
    step: Step,
    /// The game was unreachable after some of them: it may have restarted.
    is_interrupted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its record is being written.
    Marking,
    /// The next command may be sent.
    Ready,
    /// Under this number; unclear at this time, on the daemon's clock.
    Sent { number: u64, until_ms: u64 },
}

impl Owed {
    /// When [`Rewards::run`] has something to do.
    pub fn run_due_ms(&self) -> Option<u64> {
        let next = || self.queue.iter().map(|task| task.due_ms).min();
        match self.running.as_ref().map(|running| running.step) {
            None => next().map(|due_ms| due_ms.max(self.free_ms)),
            Some(Step::Marking) => None,
            Some(Step::Ready) => Some(self.free_ms),
            Some(Step::Sent { until_ms, .. }) => Some(until_ms),
        }
    }

    /// The first that may begin.
    fn next_task(&mut self, now: Now) -> Option<Task> {
        let at = self
            .queue
            .iter()
            .position(|task| task.due_ms <= now.mono_ms)?;
        let task = self.queue.remove(at)?;
        self.queued.remove(&task.reward.id);
        self.full &= self.queue.len() * 2 > limits::REWARD_QUEUE_MAX;
        Some(task)
    }

    /// A command failed: the longer nothing works, the longer the next one waits. Gives whether it is the first
    /// failure in a row.
    fn pause(&mut self, now: Now) -> bool {
        let doubled = limits::REWARD_RETRY_MS_MIN << self.failures.min(20);
        self.free_ms = now.mono_ms + doubled.min(limits::REWARD_RETRY_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        self.failures == 1
    }

    /// It has to wait; for too long, until its next event.
    fn again(&mut self, mut task: Task, due_ms: u64) {
        if task.until_ms > due_ms && self.queued.insert(task.reward.id) {
            task.due_ms = due_ms;
            self.queue.push_front(task);
        }
    }
}

impl Rewards {
    /// Executes what is due on a server.
    pub fn run(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        if self.is_stopping {
            return;
        }
        for _ in 0..limits::REWARD_TURN_MAX {
            let Some(owed) = self.servers.get_mut(&server) else {
                return;
            };
            let is_free = owed.free_ms <= cx.now.mono_ms;
            match owed.running.as_ref().map(|running| running.step) {
                None if is_free => match owed.next_task(cx.now) {
                    Some(task) => self.begin(server, task, cx),
                    None => return,
                },
                Some(Step::Ready) if is_free => {
                    if self.may_resume(server, cx) {
                        self.send(server, cx);
                    }
                }
                Some(Step::Sent { until_ms, .. }) if until_ms <= cx.now.mono_ms => {
                    let why = "the server reported no result".to_owned();
                    self.may_be_done(server, why, cx);
                }
                _ => return,
            }
        }
        // Many that cannot be executed; the others wait for the next turn.
        if let Some(owed) = self.servers.get_mut(&server) {
            owed.free_ms = owed.free_ms.max(cx.now.mono_ms + limits::REWARD_GAP_MS);
        }
    }

    /// What was surely not sent is open after the next start, and not unclear.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        self.is_stopping = true;
        let servers: Vec<ServerId> = self.servers.keys().copied().collect();
        for server in servers {
            let is_unsent = self
                .running(server)
                .is_some_and(|it| it.at == 0 && matches!(it.step, Step::Marking | Step::Ready));
            if is_unsent && let Some(running) = self.end(server) {
                self.forget(running.key, cx);
            }
        }
    }

    fn begin(&mut self, server: ServerId, mut task: Task, cx: &mut Cx<'_>) {
        let (Some(record), Some(game)) = (cx.records.get(server), cx.servers.get(server)) else {
            return;
        };
        let (id, bundle) = (record.id, record.bundle().map(|bundle| bundle.id));
        // By now VyHub may execute them itself.
        let is_refused = self.servers.get(&server).is_none_or(|owed| owed.refused);
        let key = (task.reward.id, id);
        // It may have been executed since, on another server or at another event.
        let Some(bundle) = bundle.filter(|_| !is_refused && self.is_open(key, &task.reward)) else {
            return;
        };
        if !task.has_left {
            // Of one who has left, it waits for the return.
            let Some(person) = game.roster.by_steam(task.reward.steam) else {
                return;
            };
            task.person = person.clone();
            if !game.may_act_on(person.userid, cx.now) {
                let due_ms = cx.now.mono_ms + limits::REWARD_CONFIRM_MS;
                if let Some(owed) = self.servers.get_mut(&server) {
                    owed.again(task, due_ms);
                }
                return;
            }
        }
        if !cx.servers.has_rcon(server)
            && let Some(owed) = self.servers.get_mut(&server)
            && !std::mem::replace(&mut owed.no_rcon, true)
        {
            log_server!(
                warn,
                cx.label(server),
                "rewards are executed through the game scripts, since there is no RCON: on maps that are not \
                 Valve's the engine may ignore their commands silently"
            );
        }
        let commands = match task.commands(server, &self.settings, cx) {
            Ok(commands) => commands,
            Err(unfit) => return self.fails(key, &task, unfit, cx.now),
        };
        let mut running = Running {
            key,
            task,
            commands,
            at: 0,
            step: Step::Ready,
            is_interrupted: false,
        };
        if running.task.is_recorded() {
            if let Err(unfit) = self.mark(server, &running.task, (id, bundle), cx) {
                return self.fails(key, &running.task, unfit, cx.now);
            }
            running.step = Step::Marking;
        }
        if let Some(owed) = self.servers.get_mut(&server) {
            owed.running = Some(running);
        }
    }

    /// Records on disk that it is executed from now on.
    fn mark(
        &mut self,
        server: ServerId,
        task: &Task,
        of: (Uuid, Uuid),
        cx: &mut Cx<'_>,
    ) -> Result<(), Unfit> {
        if let Some(oldest) = self.records.make_room().map_err(|()| Unfit::NoRoom)? {
            cx.store(Shelf::Rewards, oldest.file(), None, None);
        }
        let record = Record::new(&task.reward, of, &task.person.name, cx.now.wall_s);
        let content = Some(Content::Json(record.text()));
        let ticket = Ticket::Rewards(Asked::Marked(server));
        cx.store(Shelf::Rewards, record.file(), content, Some(ticket));
        self.records.insert(record, cx.now.mono_ms);
        Ok(())
    }

    fn running(&mut self, server: ServerId) -> Option<&mut Running> {
        self.servers.get_mut(&server)?.running.as_mut()
    }

    /// The record is on disk, or could not be written.
    pub fn marked(&mut self, server: ServerId, result: Result<(), StoreError>, cx: &mut Cx<'_>) {
        let Some(running) = self.running(server) else {
            return;
        };
        if running.step != Step::Marking {
            return;
        }
        running.step = Step::Ready;
        if let Err(why) = result
            && let Some(running) = self.end(server)
        {
            self.forget(running.key, cx);
            self.fails(
                running.key,
                &running.task,
                Unfit::NotKept(why.to_string()),
                cx.now,
            );
        }
    }

    /// Nothing runs any more.
    fn end(&mut self, server: ServerId) -> Option<Running> {
        self.servers.get_mut(&server)?.running.take()
    }

    /// Whether the rest of what was interrupted is for the same player: else it is cut short.
    fn may_resume(&mut self, server: ServerId, cx: &mut Cx<'_>) -> bool {
        let (Some(owed), Some(game)) = (self.servers.get_mut(&server), cx.servers.get(server))
        else {
            return false;
        };
        let Some(running) = owed.running.as_mut().filter(|it| it.is_interrupted) else {
            return true;
        };
        let (task, count) = (&running.task, running.commands.len());
        let person = game.roster.by_steam(task.reward.steam);
        let is_on = person.is_some_and(|person| person.userid == task.person.userid);
        let is_sure = task.has_left || (is_on && game.may_act_on(task.person.userid, cx.now));
        if is_on && !is_sure {
            owed.free_ms = cx.now.mono_ms + limits::REWARD_CONFIRM_MS;
            return false;
        }
        match task.commands(server, &self.settings, cx) {
            Ok(commands) if is_sure && commands.len() == count => {
                running.commands = commands;
                running.is_interrupted = false;
                return true;
            }
            _ => {}
        }
        let why = "the server was away meanwhile, and its player is not on as before";
        if let Some(running) = self.end(server) {
            self.cut_short(server, &running, why, cx);
        }
        false
    }

    fn send(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        self.last_number += 1;
        let number = self.last_number;
        let Some(running) = self.running(server) else {
            return;
        };
        let until_ms = cx.now.mono_ms + limits::REWARD_RUN_MS;
        running.step = Step::Sent { number, until_ms };
        let Some(command) = running.commands.get(running.at).cloned() else {
            return self.done(server, cx);
        };
        match cx.command(
            server,
            command,
            Ticket::Rewards(Asked::Command(server, number)),
        ) {
            Ok(()) => {}
            Err(NotSent::Unfit(unfit)) => self.refused(server, format!("a command {unfit}"), cx),
            Err(why) => self.not_sent(server, why.to_string(), cx),
        }
    }

    /// The result of a command.
    pub fn command_done(
        &mut self,
        (server, number): (ServerId, u64),
        result: Result<String, NotDone>,
        cx: &mut Cx<'_>,
    ) {
        let step = self.running(server).map(|running| running.step);
        if !matches!(step, Some(Step::Sent { number: of, .. }) if of == number) {
            return;
        }
        match result {
            Ok(reply) => self.replied(server, &reply, cx),
            Err(NotDone::NotSent(why)) => self.not_sent(server, why, cx),
            Err(NotDone::Unclear(why)) => self.may_be_done(server, why, cx),
        }
    }

    fn replied(&mut self, server: ServerId, reply: &str, cx: &mut Cx<'_>) {
        let Some(owed) = self.servers.get_mut(&server) else {
            return;
        };
        owed.failures = 0;
        owed.free_ms = cx.now.mono_ms + limits::REWARD_GAP_MS;
        let Some(running) = &mut owed.running else {
            return;
        };
        if is_unknown(reply) || (is_script(&running.task) && has_failed(reply)) {
            let reply: String = reply
                .trim()
                .chars()
                .take(limits::ERROR_DETAIL_BYTES_MAX)
                .collect();
            return self.refused(server, reply, cx);
        }
        running.at += 1;
        running.step = Step::Ready;
        if running.at == running.commands.len() {
            self.done(server, cx);
        }
    }

    /// All commands were run.
    fn done(&mut self, server: ServerId, cx: &mut Cx<'_>) {
        let Some(Running { key, task, .. }) = self.end(server) else {
            return;
        };
        self.problems.remove(&key);
        let (reward, person) = (&task.reward, &task.person);
        log_server!(
            info,
            cx.label(server),
            "the reward {:?} of {} ({}) is executed",
            reward.name,
            person.name.replace(char::is_control, "?"),
            reward.steam
        );
        if let Some(record) = self.records.get(key).cloned() {
            self.executed(record, cx);
        }
        let data = json!({
            "id": reward.steam,
            "name": person.name,
            "user_id": reward.user,
            "reward_id": reward.id,
            "reward": reward.name,
            "packet": reward.packet_title,
            "applied_packet_id": reward.applied_packet,
            "event": reward.on,
        });
        cx.hook(server, "vyhub_reward_executed", data);
    }

    /// Surely not run: tried again, also when a part of it was.
    fn not_sent(&mut self, server: ServerId, why: String, cx: &mut Cx<'_>) {
        let Some(owed) = self.servers.get_mut(&server) else {
            return;
        };
        if owed.pause(cx.now) {
            log::warn!("rewards wait, since no command reaches the server: {why}");
        }
        let free_ms = owed.free_ms;
        match &mut owed.running {
            Some(running) if running.at > 0 => {
                running.step = Step::Ready;
                running.is_interrupted = true;
                running.task.has_waited = true;
            }
            _ => {
                if let Some(mut running) = owed.running.take() {
                    running.task.has_waited = true;
                    owed.again(running.task, free_ms);
                    self.forget(running.key, cx);
                }
            }
        }
    }

    /// Without a record, the next event executes it again anyway.
    fn may_be_done(&mut self, server: ServerId, why: String, cx: &mut Cx<'_>) {
        let Some(running) = self.end(server) else {
            return;
        };
        if let Some(owed) = self.servers.get_mut(&server) {
            // One that says nothing would make all that wait unclear.
            owed.pause(cx.now);
        }
        match self.records.get(running.key).cloned() {
            Some(record) => self.unclear(record, why, cx),
            None => log_server!(
                warn,
                cx.label(server),
                "whether the reward {:?} was executed is unclear: {why}",
                running.task.reward.name
            ),
        }
    }

    /// The game did not carry it out: all of it stays open, or an operator decides about the rest.
    fn refused(&mut self, server: ServerId, reply: String, cx: &mut Cx<'_>) {
        let Some(running) = self.end(server) else {
            return;
        };
        let was_begun = running.at > 0 || is_script(&running.task);
        if was_begun && self.records.get(running.key).is_some() {
            return self.cut_short(server, &running, &format!("the game says: {reply}"), cx);
        }
        self.forget(running.key, cx);
        self.fails(running.key, &running.task, Unfit::Unknown(reply), cx.now);
    }

    /// A part of it was executed. Without a record, all of it is at its next event.
    fn cut_short(&mut self, server: ServerId, running: &Running, why: &str, cx: &mut Cx<'_>) {
        let Some(mut record) = self.records.get(running.key).cloned() else {
            return log_server!(
                error,
                cx.label(server),
                "the reward {:?} was cut short: {why}",
                running.task.reward.name
            );
        };
        log::error!(
            "{} was cut short: {why}. `vpid rewards run {id}` executes all of it once more, `vpid rewards skip {id}` \
             leaves it so",
            record.describe(),
            id = record.id
        );
        record.problem = Some(format!("it was cut short: {why}"));
        self.keep(record, State::Failed, cx);
    }
}

fn is_script(task: &Task) -> bool {
    matches!(task.reward.action, Action::Script(_))
}

/// As the script engine says it (vscript_shared.cpp of source-sdk-2013), and what a script prints that throws.
fn has_failed(reply: &str) -> bool {
    reply.contains("Scripting disabled") || reply.contains("AN ERROR HAS OCCUR")
}
