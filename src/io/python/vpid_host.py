"""Runs one script: receives what vpid sends, and sends the results.

There is one thread. While nothing of the script is waiting (no task, no open connection), it waits
in the channel itself, which is quicker than an event loop; else the event loop waits for both.

Events and calls are counted: vpid keeps few under way, and `ack` reports how many are finished.
A plain function is finished when it returns, an `async` one when it waits for the first time.
"""

import asyncio
import gc
import json
import os
import select
import signal
import sys
import threading
from collections import deque
from math import ceil
from time import monotonic

import game
from vpid_channel import Channel
from vpid_loop import Selector, Steps, Timers, Watch, make_loop
from vpid_process import error_line, error_text, prepare, take_logging
from vpid_requests import Requests
from vpid_script import Script, compiled, where
from vpid_values import encode

# During a long batch vpid gets an acknowledgement so often.
ACK_S = 0.1

# What the script logs while it runs is not kept back for longer.
LOG_S = 0.02

# How long what the script left behind may take to end: first its tasks, then its threads.
TASKS_END_S = 0.5
EXIT_S = 2

LOG_CHARACTERS_MAX = 8_000

EVENT, VERDICT, CALL = "e", "g", "c"
TIMER, UNLOAD = "timer", "unload"
set_server = game._server.set
COUNTED = frozenset([EVENT, VERDICT, CALL])

# A function may wait for these, maybe in the middle of another message.
EARLY = frozenset(["a", "n", "cancel"])


class Host:
    def __init__(self, channel, start):
        self.channel = channel
        self.servers = {each["id"]: each["name"] for each in start["servers"]}
        self.timers = Timers()
        self.watch = Watch(start["call_ms"], self.flush)
        self.tasks = 0
        self._tasks_max = start["tasks_max"]
        self._selector = Selector(self)
        self.loop = make_loop(self, self._selector)
        self.loop.add_reader(channel, self._read_in_loop)
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._main_thread = threading.get_ident()
        self.requests = Requests(self)
        self._queue = deque()
        # The tasks of calls, by the calls' numbers.
        self._calls = {}
        # Of the counted messages: taken, of these acknowledged, tasks that have not begun,
        # and whether one is running just now.
        self._taken = self._acked = self._not_begun = self._running = 0
        self._flushed = monotonic()
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
            self.post("failed", error_text(error))
            self.flush()
            os._exit(1)
        # What is loaded stays, so the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        hooks = self.script.hooks
        if "OnTimer" in hooks:
            self.timers.add(1, lambda: hooks["OnTimer"]([]), True)
        version = ".".join(str(part) for part in sys.version_info[:3])
        functions = self.script.function_names()
        self.post("ready", {"hooks": sorted(hooks), "functions": functions, "python": version})

    def run(self):
        self._receive(self.channel.rest())
        while True:
            try:
                self._work()
                if self.tasks or self.script.needs_loop or self._selector.has_others():
                    self.loop.run_forever()
                else:
                    self._wait()
            except game.Interrupted as error:
                # It came just when a function had ended.
                self._running = 0
                self.log(1, error_text(error))

    def finish(self):
        """Before this process ends: lets tasks clean up, and sends what is left to send."""
        if not self.channel.is_open():
            return
        # Threads of the script that do not end shall not keep this process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(EXIT_S)
        self._queue.clear()
        self.loop.remove_reader(self.channel)
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=TASKS_END_S))
        self.flush()

    # Waiting

    def _wait(self):
        self.flush()
        wait_s = self.timers.wait_s()
        if wait_s is not None:
            self._poll.poll(ceil(wait_s * 1000))
            self._run_timers()
            self._receive(self.channel.read_ready())
        else:
            self._receive(self.channel.read())

    def wait_in_loop(self, timeout, select):
        """How the event loop waits. `timeout` is that of the loop itself."""
        self.watch.since = 0
        if not self.channel.is_open():
            os._exit(0)
        is_idle = timeout is None and not self.tasks and not self._queue
        if is_idle and not self.script.needs_loop and not self._selector.has_others():
            self.loop.stop()
            return []
        if self._may_work():
            self.loop.call_soon(self._work)
            timeout = 0
        timer_s = self.timers.wait_s()
        if timer_s is not None and (timeout is None or timer_s < timeout):
            timeout = timer_s
        if timeout != 0 or monotonic() - self._flushed >= ACK_S:
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

    # Sending

    def post(self, *message):
        self.channel.post(json.dumps(message, ensure_ascii=False))

    def flush(self):
        """Sends what was gathered, with what is finished."""
        with self.watch:
            finished = self._taken - self._not_begun - self._running - self._acked
            if finished:
                self._acked += finished
                self.channel.post(f'["ack",{finished}]')
            self.channel.write()
            self._flushed = monotonic()

    def log(self, level, text):
        level = min(5, max(0, int(level)))
        self.post("log", level, str(text)[:LOG_CHARACTERS_MAX])
        if not self._is_main_thread():
            self.channel.write()
        elif monotonic() - self._flushed >= LOG_S:
            self.flush()

    # Working

    def _may_work(self):
        queue = self._queue
        return queue and (self.tasks < self._tasks_max or queue[0][0] not in COUNTED)

    def _work(self):
        """Takes what waits in the queue, as far as there is room for tasks."""
        queue, handlers, watch = self._queue, self._handlers, self.watch
        while queue:
            if queue[0][0] not in COUNTED:
                message = queue.popleft()
                handlers[message[0]](message)
                continue
            if self.tasks >= self._tasks_max:
                return
            now = monotonic()
            if now - self._flushed >= ACK_S:
                self.flush()
            message = queue.popleft()
            self._taken += 1
            self._running = 1
            watch.since = now
            handlers[message[0]](message)
            watch.since = 0
            self._running = 0

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
        counts = message[0] in COUNTED
        self._not_begun += counts
        steps = Steps(self._carry(message, awaitable), self, counts)
        task = self.loop.create_task(steps)
        if message[0] == CALL:
            self._calls[message[1]] = task

    def task_begun(self):
        self._not_begun -= 1
        if monotonic() - self._flushed >= ACK_S:
            self.flush()

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
            self.channel.post(f'["r",{message[1]},{encode(result, "result")}]')
        elif kind == VERDICT:
            stops = result is False or (type(result) is int and result == 0)
            self.channel.post(f'["v",{message[1]},{0 if stops else 1}]')
        elif kind == UNLOAD:
            raise SystemExit(0)

    def _failed(self, message, error):
        self.watch.since = 0
        kind = message[0]
        if kind == CALL:
            name = "Timeout" if isinstance(error, game.Interrupted) else type(error).__name__
            self.post("x", message[1], name, error_line(error))
        elif kind == VERDICT:
            self.post("v", message[1], 1)
        if not isinstance(error, (SystemExit, asyncio.CancelledError)):
            self.log(1, f"{_title(message)}: {error_text(error)}")
        if kind == UNLOAD:
            self.post("unloaded")
            raise SystemExit(0)
        if isinstance(error, SystemExit):
            raise error

    def _run_timers(self):
        for timer in self.timers.take_due():
            self.watch.since = monotonic()
            timer.context.run(self._run, (TIMER,), timer.function)
            self.watch.since = 0

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
                return

    def _unload(self, message):
        self.watch.since = monotonic()
        self._run(message, self.script.hooks.get("OnUnLoad", _nothing), [])

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


def main(descriptor, rest, start):
    prepare(start["folder"], start["memory_bytes"], start["stack_bytes"])
    host = Host(Channel(descriptor, rest), start)
    game._host = host
    game.config.update(start["config"] or {})
    vars(game.script).update(name=start["name"], path=start["path"], id=start["id"])
    take_logging(game.log)
    host.load()
    try:
        host.run()
    except SystemExit:
        host.finish()
        raise
