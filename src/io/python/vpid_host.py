"""Runs one script: receives what vpid sends, and sends the results.

There is one thread. While nothing of the script is waiting (no task, no open connection), it waits
in the channel itself, which is quicker than an event loop; else the event loop waits for both.

Events and calls are counted: vpid keeps few under way, and `ack` reports how many are finished.
A plain function is finished when it returns, an `async` one when it waits for the first time.

What a function has finished or requested is written before the next function begins, since that one may run
for long. Only functions that were always quick of late begin before that, for `HELD_S`; so the results of a batch go
together, as what is written when nothing else is to run. One of them that takes long for the first time holds up what
is ready before it, but no verdicts.
"""

import asyncio
import gc
import json
import os
import select
import signal
import sys
import threading
from bisect import bisect_left
from collections import deque
from math import ceil
from time import monotonic

import game
import vpid_confine
from vpid_channel import take_channel
from vpid_loop import Selector, Steps, Timers, Watch, make_loop
from vpid_process import error_line, error_text, prepare, take_logging
from vpid_requests import OWN, Requests
from vpid_script import Script, compiled, where
from vpid_stats import (
    BOUNDS,
    COUNTS,
    FUNCTION,
    HOOK,
    NAME_CHARACTERS_MAX,
    REPORT_S,
    TOTAL,
    WORST,
    Stats,
    memory_bytes,
)
from vpid_values import encode

# During a long batch vpid gets an acknowledgement so often.
ACK_S = 0.1

# What has run so often in a row, each time for less than this, is quick.
QUICK_RUNS = 32
SLOW_S = 0.0005
QUICK_NAMES_MAX = 4_000

# What someone waits for is kept so long, while what runs is quick.
HELD_S = 0.001

# How long what the script left behind may take to end: first its tasks, then its threads.
TASKS_END_S = 0.5
EXIT_S = 2

LOG_CHARACTERS_MAX = 8_000
TRACED_ERRORS_MAX = 1_000

EVENT, VERDICT, CALL = "e", "g", "c"
TIMER, UNLOAD, STATS, TRACE = "timer", "unload", "stats", "trace"
set_server = game._server.set

# Messages that are counted, and where they name what they run.
COUNTED = {EVENT: 1, VERDICT: 2, CALL: 2}

# A function may wait for these, maybe in the middle of another message.
EARLY = frozenset(["a", "n", OWN, "cancel", STATS, TRACE])


class Host:
    def __init__(self, channel, start):
        self.channel = channel
        channel.on_full = self._write_full
        self.servers = {each["id"]: each["name"] for each in start["servers"]}
        self.timers = Timers()
        self.watch = Watch(start["call_ms"], lambda: self.flush(False), self._is_not_stuck)
        # Tasks that vpid's events and calls have begun, and all tasks of the loop.
        self.tasks = self.all_tasks = 0
        self._tasks_max = start["tasks_max"]
        self._selector = Selector(self)
        self.loop = make_loop(self, self._selector)
        # By this, other threads and signals wake the loop, and so far it waits for nothing else.
        (self._wake_up,) = self._selector.get_map()
        self._is_woken = False
        self.loop.add_reader(channel, self._read_in_loop)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._poll_of_idle = select.poll()
        self._poll_of_idle.register(channel, select.POLLIN)
        self._poll_of_idle.register(self._wake_up, select.POLLIN)
        self._main_thread = threading.get_ident()
        self.requests = Requests(self)
        self._queue = deque()
        # The tasks of calls, by the calls' numbers.
        self._calls = {}
        # Of the counted messages: taken, of these acknowledged, tasks that have not begun,
        # and whether one is running just now.
        self._taken = self._acked = self._not_begun = self._running = 0
        self._flushed = self._acknowledged = self._reported = monotonic()
        # Of what was counted, an `async` function is counted when it has ended.
        self.stats = Stats()
        self._is_begun = False
        # Whether this process is about to end.
        self._ends = False
        # Whether an operator traces; then, with what each message has failed, by its identity.
        self._traces = False
        self._errors = {}
        # How often in a row each function and hook was quick.
        self._quick_runs = {}
        # How often this process reports that it waits, and does not hang: well within the time for a call.
        self._alive_s = start["call_ms"] / 3000
        self.script = _script_of(start)
        self._handlers = {
            EVENT: self._event,
            VERDICT: self._verdict,
            CALL: self._call,
            UNLOAD: self._unload,
            "check": self._check,
            "reload": self._reload,
        }

    # Life

    def load(self):
        """Loads the script, and reports that. Ends this process if it cannot be loaded."""
        try:
            self.watch.since = monotonic()
            self.script.load()
            self.watch.since = 0
        except BaseException as error:
            self.post("failed", error_text(error), where(error, self.script.path))
            self.flush()
            os._exit(1)
        # It may have run a loop of its own.
        asyncio.set_event_loop(self.loop)
        for sentence in self.script.unfit_hooks:
            self.log(2, sentence)
        # What is loaded stays, so the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        hooks = self.script.hooks
        if "OnTimer" in hooks:
            self.timers.add(1, lambda: hooks["OnTimer"]([]), True, "OnTimer")
        version = ".".join(str(part) for part in sys.version_info[:3])
        functions = self.script.function_names()
        about = {"hooks": sorted(hooks), "functions": functions, "python": version}
        self.post("ready", {**about, "version": getattr(self.script, "version", "")})

    def run(self):
        self._receive(self.channel.rest())
        while True:
            try:
                # Plain functions find the loop running whether or not something waits in it.
                asyncio._set_running_loop(self.loop)
                self._work()
                if self._needs_loop():
                    asyncio._set_running_loop(None)
                    self.loop.run_forever()
                else:
                    self._wait()
            except game.Interrupted as error:
                # It came just when a function had ended.
                self._running = 0
                self.log(1, error_text(error))
            except Exception as error:
                # A signal handler of the script raised it, between its functions.
                self._running = 0
                self.watch.since = 0
                self.log(1, f"between functions: {error_text(error)}")

    def _needs_loop(self):
        return (
            self.all_tasks
            or self._is_woken
            or self.script.needs_loop
            or self._selector.has_others()
            or self.loop.has_callbacks()
        )

    def finish(self):
        """Before this process ends: lets tasks clean up, and sends what is left to send."""
        asyncio._set_running_loop(None)
        if not self.channel.is_open():
            return
        # Threads of the script that do not end shall not keep this process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(EXIT_S)
        self._queue.clear()
        self._ends = True
        self.loop.remove_reader(self.channel)
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=TASKS_END_S))
        self._report_stats()
        self.flush()

    # Waiting

    def _wait(self):
        self.flush()
        wait_s = self.timers.wait_s()
        ready = self._poll_of_idle.poll(None if wait_s is None else ceil(wait_s * 1000))
        if len(ready) > 1 or ready and ready[0][0] == self._wake_up:
            self._is_woken = True
        if wait_s is not None:
            self._run_timers()
        self._receive(self.channel.read_ready())

    def wait_in_loop(self, timeout, select):
        """How the event loop waits. `timeout` is that of the loop itself."""
        self.watch.since = 0
        if not self.channel.is_open():
            os._exit(0)
        is_idle = timeout is None and not self.all_tasks and not self._queue
        if is_idle and not self.script.needs_loop and not self._selector.has_others():
            self.loop.stop()
            # The loop takes what has woken it, for the next wait.
            ready = select(0) if self._is_woken else []
            self._is_woken = False
            return ready
        if self._may_work():
            self.loop.call_soon(self._work)
            timeout = 0
        elif self._queue:
            # There is no room for more tasks: all of them wait, which may take as long as it likes.
            if monotonic() - self._acknowledged >= self._alive_s:
                self._acknowledge(0)
            timeout = self._alive_s if timeout is None else min(timeout, self._alive_s)
        timer_s = self.timers.wait_s()
        if timer_s is not None and (timeout is None or timer_s < timeout):
            timeout = timer_s
        if timeout != 0 or self.channel.is_awaited or monotonic() - self._flushed >= ACK_S:
            self.flush()
        ready = select(timeout)
        self.watch.since = monotonic()
        if self.timers.wait_s() == 0:
            self.loop.call_soon(self._run_timers)
        return ready

    def _read_in_loop(self):
        self._receive(self.channel.read_ready())
        self._work()

    def _receive(self, messages):
        early = [message for message in messages if message[0] in EARLY]
        if early:
            messages = [message for message in messages if message[0] not in EARLY]
        self._queue.extend(messages)
        for message in early:
            if message[0] == "cancel":
                self._cancel(message[1])
            elif message[0] == STATS:
                self._report_stats(message[1], memory_bytes())
                self.channel.is_awaited = True
            elif message[0] == TRACE:
                self._traces = message[1]
                self._errors.clear()
            else:
                self.requests.answered(message)

    def _is_main_thread(self):
        return threading.get_ident() == self._main_thread

    def expect_main_thread(self, what):
        if not self._is_main_thread():
            raise RuntimeError(
                f"game.{what} was called in another thread; it works in the main thread only:"
                " in hooks, calls and timers"
            )

    def wait_for_early(self):
        """Takes what comes next, while a function of the script waits for its answer."""
        # Only here may an interrupt end that: what was read must not be lost.
        self._poll.poll()
        with self.watch:
            self._receive(self.channel.read())
            if self.channel.is_awaited:
                # What was counted so far.
                self.channel.write()

    # Sending

    def post(self, *message):
        self.channel.post(json.dumps(message, ensure_ascii=False))

    def flush(self, blocking=True):
        """Sends what was gathered, with what is finished. Not `blocking`: unless a write is under way."""
        with self.watch:
            finished = self._taken - self._not_begun - self._running - self._acked
            if finished > 0:
                self._acknowledge(finished)
            now = monotonic()
            if now - self._reported >= REPORT_S and self.stats:
                self._report_stats()
            if self.channel.write(blocking):
                self._flushed = now

    def _write(self):
        with self.watch:
            self.channel.write()

    def _write_full(self):
        """Much was gathered; maybe by a thread, or in the middle of `flush`."""
        if self._is_main_thread() and not self.watch.guarded:
            self._write()
        else:
            self.channel.write(not self.watch.guarded)

    def _report_stats(self, inquiry=None, memory=None):
        self._reported = monotonic()
        counted = json.dumps(self.stats.take(), ensure_ascii=False, separators=(",", ":"))
        self.channel.post(f'["{STATS}",{json.dumps(inquiry)},{json.dumps(memory)},{counted}]')

    def _is_not_stuck(self):
        """Restarts vpid's count of how long what runs takes."""
        self._acknowledge(0)
        self.flush(False)

    def _acknowledge(self, finished):
        self._acked += finished
        self._acknowledged = monotonic()
        self.channel.post(f'["ack",{finished}]')

    def log(self, level, text):
        level = min(5, max(0, int(level)))
        self.post("log", level, str(text)[:LOG_CHARACTERS_MAX])
        # What follows may take long, or end this process.
        if not self._is_main_thread():
            self.channel.write()
            return
        self._write()

    # Working

    def _may_work(self):
        queue = self._queue
        return queue and (self.tasks < self._tasks_max or queue[0][0] not in COUNTED)

    def _work(self):
        """Takes what waits in the queue, as far as there is room for tasks."""
        queue, handlers, watch, channel = self._queue, self._handlers, self.watch, self.channel
        hooks, quick_runs = self.stats.hooks.counted, self._quick_runs
        now = written = monotonic()
        is_urgent = False
        while queue:
            message = queue[0]
            kind = message[0]
            if kind not in COUNTED:
                queue.popleft()
                if channel.is_awaited:
                    self._write()
                handlers[kind](message)
                now = written = monotonic()
                continue
            if self.tasks >= self._tasks_max:
                break
            name = message[COUNTED[kind]]
            if now - self._flushed >= ACK_S:
                self.flush()
                now = written = monotonic()
            elif channel.is_awaited and (
                is_urgent or now - written >= HELD_S or quick_runs.get(name, 0) < QUICK_RUNS
            ):
                self._write()
                now = written = monotonic()
            is_urgent = kind == VERDICT
            queue.popleft()
            # In this order: an interrupt may come in between, and acknowledges what is finished.
            self._running = 1
            self._taken += 1
            watch.since = began = now
            handlers[kind](message)
            watch.since = 0
            self._running = 0
            now = monotonic()
            if now - began >= SLOW_S or self._is_begun:
                quick_runs.pop(name, None)
            elif (runs := quick_runs.get(name, 0)) < QUICK_RUNS and len(quick_runs) < QUICK_NAMES_MAX:
                quick_runs[name] = runs + 1
            if self._is_begun:
                self._is_begun = False
            elif kind == EVENT and not self._traces and (counted := hooks.get(name)) is not None:
                # The same as in `Kind.add`; there are many of these.
                seconds = now - began
                counted[COUNTS + bisect_left(BOUNDS, seconds)] += 1
                counted[TOTAL] += seconds
                if seconds > counted[WORST]:
                    counted[WORST] = seconds
            else:
                self._count(message, now - began)
        if channel.is_awaited and self.all_tasks:
            # Tasks have their turn next.
            self._write()

    def _count(self, message, seconds):
        kind = message[0]
        if kind == EVENT:
            self.stats.hooks.add(message[1], seconds)
        elif kind == CALL:
            self.stats.functions.add(message[2], seconds)
        elif kind == VERDICT:
            self.stats.hooks.add(message[2], seconds)
        elif kind == TIMER:
            stats = self.stats.hooks if message[1] == "OnTimer" else self.stats.timers
            stats.add(message[1], seconds)
        if self._traces:
            self._trace(message, seconds)

    def _trace(self, message, seconds):
        """Reports what has run to vpid, for an operator."""
        kind = message[0]
        if kind == TIMER:
            name, server = message[1], None
            what = HOOK if name == "OnTimer" else TIMER
        elif kind == CALL:
            what, name, server = FUNCTION, message[2], message[5].get("server")
        elif kind in COUNTED:
            at = COUNTED[kind]
            what, name, server = HOOK, message[at], message[at + 1]
        else:
            return
        error = self._errors.pop(id(message), None)
        self.post("ran", what, str(name)[:NAME_CHARACTERS_MAX], server, seconds, error)

    def _event(self, message):
        _, name, server, args = message
        hook = self.script.hooks.get(name)
        if hook is None:
            return
        set_server(server)
        # The same as in `_run`; there are many of these.
        try:
            result = hook(args)
            if result is not None and hasattr(result, "__await__"):
                self._begin(message, result)
        except BaseException as error:
            self._failed(message, error)

    def _verdict(self, message):
        _, number, name, server, args = message
        set_server(server)
        self._run(message, self.script.hooks.get(name, _nothing), args)

    def _call(self, message):
        _, number, name, args, kwargs, caller = message
        set_server(caller.get("server"))
        token = game._caller.set(caller)
        self._run(message, self.script.call, name, args, kwargs, caller)
        game._caller.reset(token)

    def _run(self, message, function, *args):
        """Runs a function of the script for a message."""
        try:
            result = function(*args)
            if result is not None and hasattr(result, "__await__"):
                self._begin(message, result)
            else:
                self._conclude(message, result)
        except BaseException as error:
            self._failed(message, error)

    def _begin(self, message, awaitable):
        self._is_begun = True
        counts = message[0] in COUNTED
        self._not_begun += counts
        steps = Steps(self._carry(message, awaitable), self, counts)
        task = self.loop.create_task(steps)
        task.add_done_callback(lambda task: self._count(message, steps.spent_s))
        if counts:
            self.tasks += 1
            task.add_done_callback(self._task_ended)
        if message[0] == CALL:
            self._calls[message[1]] = task

    def _task_ended(self, task):
        self.tasks -= 1

    def task_begun(self):
        self._not_begun -= 1

    def task_stepped(self, now):
        """What runs next in this turn of the loop may take long."""
        if now - self._flushed >= ACK_S:
            self.flush()
        elif self.channel.is_awaited and self.all_tasks > 1:
            self._write()

    async def _carry(self, message, awaitable):
        try:
            self._conclude(message, await awaitable)
        except BaseException as error:
            self._failed(message, error)
        finally:
            if message[0] == CALL:
                self._calls.pop(message[1], None)

    def _conclude(self, message, result):
        kind = message[0]
        if kind == CALL:
            self.channel.post_awaited(f'["r",{message[1]},{encode(result, "result")}]')
        elif kind == VERDICT:
            stops = result is False or (type(result) is int and result == 0)
            self.channel.post_awaited(f'["v",{message[1]},{0 if stops else 1}]')
        elif kind == UNLOAD:
            raise SystemExit(0)

    def _failed(self, message, error):
        self.watch.since = 0
        kind = message[0]
        if self._traces and len(self._errors) < TRACED_ERRORS_MAX:
            self._errors[id(message)] = f"{type(error).__name__}: {error_line(error)}"
        if kind == CALL:
            name = "Timeout" if isinstance(error, game.Interrupted) else type(error).__name__
            line = error_line(error)
            if not line and isinstance(error, asyncio.CancelledError):
                line = "the script was reloaded, unloaded or ended" if self._ends else "it was cancelled"
            text = json.dumps(["x", message[1], name, line], ensure_ascii=False)
            self.channel.post_awaited(text)
        elif kind == VERDICT:
            self.channel.post_awaited(f'["v",{message[1]},1]')
        if not isinstance(error, (SystemExit, asyncio.CancelledError)):
            self.log(1, f"{_title(message)}: {error_text(error)}")
        if kind == UNLOAD:
            self.post("unloaded")
            raise SystemExit(0)
        if isinstance(error, SystemExit):
            raise error

    def _run_timers(self):
        for timer in self.timers.take_due():
            if self.channel.is_awaited:
                self.flush()
            message = (TIMER, timer.name)
            self.watch.since = begun = monotonic()
            timer.context.run(self._run, message, timer.function)
            self.watch.since = 0
            if self._is_begun:
                self._is_begun = False
            else:
                self._count(message, monotonic() - begun)

    # What else vpid sends

    def _cancel(self, number):
        task = self._calls.get(number)
        if task is not None:
            task.cancel()
            return
        for message in self._queue:
            if message[0] == CALL and message[1] == number:
                self._queue.remove(message)
                self._taken += 1
                self._failed(message, asyncio.CancelledError())
                # It has not run; another message may get its id.
                self._errors.pop(id(message), None)
                return

    def _unload(self, message):
        self.watch.since = monotonic()
        self._run(message, self.script.hooks.get("OnUnLoad", _nothing), [])
        self._is_begun = False

    def _check(self, message):
        path = self.script.path
        try:
            compiled(path)
            self.post("r", message[1], None)
        except Exception as error:
            self.post("x", message[1], type(error).__name__, where(error, path))

    def _reload(self, message):
        try:
            self.script.reload()
            self.post("r", message[1], self.script.function_names())
        except BaseException as error:
            self.post("x", message[1], type(error).__name__, where(error, self.script.path))


def _nothing(args):
    """Stands for a hook that the script does not have."""


def _title(message):
    if message[0] == TIMER:
        return "timer"
    if message[0] == UNLOAD:
        return "OnUnLoad"
    return message[1] if message[0] == EVENT else message[2]


def _script_of(start):
    if start["kind"] == "script":
        return Script(start)
    from vpid_interfaces import Interfaces

    return Interfaces(start)


def confine(host, start):
    """Keeps what is vpid's own from the script, where that is wanted and possible. It may end this process."""
    wanted = start.get("confine")
    if wanted is None:
        return
    try:
        hidden = [os.fsdecode(bytes(path)) for path in wanted["hidden"]]
        vpid_confine.confine(hidden, start["folder"], start["shared"] if wanted["others"] else None)
    except vpid_confine.CannotConfine as error:
        if wanted["must"]:
            host.post("failed", f"it cannot be confined, as confine = true wants: {error}; or set confine = false")
            host.flush()
            os._exit(1)
        if vpid_confine.version():
            host.log(2, f"it is not confined: {error}; or set confine = false")


def main():
    channel, start = take_channel()
    folders = [each for each in (start["folder"], start["shared"]) if each is not None]
    prepare(folders, start["memory_bytes"], start["stack_bytes"])
    host = Host(channel, start)
    game._host = host
    game.config.update(start["config"] or {})
    vars(game.script).update(name=start["name"], path=start["path"], id=start["id"])
    take_logging(game.log)
    confine(host, start)
    host.load()
    try:
        host.run()
    except SystemExit:
        host.finish()
        raise
