"""Time in this process: timers, the event loop for `async def`, and who has run for too long."""

import asyncio
import contextvars
import heapq
import os
import selectors
import signal
from collections.abc import Coroutine
from itertools import count
from time import monotonic

import game

TIMERS_MAX = 10_000
TIMER_S_MIN = 0.001

# So many cancelled timers stay in the heap before it is made anew.
CANCELLED_MAX = 64


class Watch:
    """Interrupts what has run for too long, when vpid requests it by SIGINT.

    `since` is when the script's code began to run; 0 while it does not run. While `guarded`, an
    interrupt waits, since it would tear the channel's lines.
    """

    def __init__(self, call_ms, before, early):
        """`before` is called before an interrupt, and `early` in place of one that comes too early."""
        self.since = 0
        self.guarded = False
        self._late = False
        # vpid's clock began a little earlier, or later.
        self._long_s = call_ms / 1000 * 0.9
        self._before = before
        self._early = early
        signal.signal(signal.SIGINT, self._on_signal)
        os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

    def _on_signal(self, number, frame):
        if self.guarded:
            self._late = True
            return
        # This may be the last that this script sends.
        self._before()
        self._interrupt()

    def _interrupt(self):
        if not self.since:
            return
        if monotonic() - self.since >= self._long_s:
            self.since = 0
            raise game.Interrupted("it has run for too long")
        # vpid has counted the time that passed before the function began, on a busy machine.
        self._early()

    def __enter__(self):
        self.guarded = True

    def __exit__(self, *error):
        self.guarded = False
        if self._late:
            self._late = False
            self._interrupt()


class Timer:
    def __init__(self, function, every_s, name, live):
        """`live`: the timers that are neither cancelled nor over; this one is among them."""
        self._live = live
        live.add(self)
        self.function = function
        self.name = name or getattr(function, "__qualname__", type(function).__name__)
        self.every_s = every_s
        # The server and the caller for which it was made are its own, too.
        self.context = contextvars.copy_context()
        self.cancelled = False

    def cancel(self):
        # No more than this: another thread of the script may do it.
        self.cancelled = True
        self._live.discard(self)


class Timers:
    def __init__(self):
        self._due = []
        # Those that count; of the cancelled ones, some are in the heap yet.
        self._live = set()
        self._number = count()

    def add(self, seconds, function, repeat, name=None):
        if not callable(function):
            raise TypeError("a timer needs a function")
        if not 0 <= seconds < 1e9:
            raise ValueError(f"a timer cannot be {seconds} seconds long")
        if len(self._live) >= TIMERS_MAX:
            raise ValueError(f"there are {TIMERS_MAX} timers already")
        if len(self._due) > CANCELLED_MAX and len(self._due) > 2 * len(self._live):
            self._due = [each for each in self._due if not each[2].cancelled]
            heapq.heapify(self._due)
        timer = Timer(function, max(seconds, TIMER_S_MIN) if repeat else None, name, self._live)
        self._push(monotonic() + seconds, timer)
        return timer

    def _push(self, due, timer):
        heapq.heappush(self._due, (due, next(self._number), timer))

    def wait_s(self):
        """How long it is until the next one; None if there is none."""
        while self._due and self._due[0][2].cancelled:
            heapq.heappop(self._due)
        return max(0, self._due[0][0] - monotonic()) if self._due else None

    def take_due(self):
        """Those that are due. One that is late by several turns runs once."""
        now = monotonic()
        taken = []
        while self._due and self._due[0][0] <= now:
            due, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                taken.append((due, timer))
        for due, timer in taken:
            if timer.every_s:
                due += timer.every_s
                self._push(due if due > now else now + timer.every_s, timer)
            else:
                self._live.discard(timer)
        return [timer for _, timer in taken]


class Steps(Coroutine):
    """A coroutine whose steps are seen: each is timed, and after the first one it counts as begun.

    `counts`: it is of a message that vpid counts, as those of timers are not.
    """

    def __init__(self, coroutine, host, counts):
        self._coroutine = coroutine
        self._host = host
        self._begun = not counts
        # How long it ran, without its waits.
        self.spent_s = 0.0

    def send(self, value):
        self._host.watch.since = began = monotonic()
        try:
            return self._coroutine.send(value)
        finally:
            self._stepped(began)

    def throw(self, *error):
        self._host.watch.since = began = monotonic()
        try:
            return self._coroutine.throw(*error)
        finally:
            self._stepped(began)

    def _stepped(self, began):
        # What runs next in this turn may be a task of the script's own.
        self._host.watch.since = now = monotonic()
        self.spent_s += now - began
        if not self._begun:
            self._begun = True
            self._host.task_begun()
        self._host.task_stepped(now)

    def close(self):
        self._coroutine.close()

    def __await__(self):
        return self


class Selector(selectors.DefaultSelector):
    """What the event loop waits with: the host has its say before and after."""

    def __init__(self, host):
        super().__init__()
        self._host = host

    def select(self, timeout=None):
        return self._host.wait_in_loop(timeout, super().select)

    def has_others(self):
        """Whether it waits for more than the channel and the loop's own wake-ups."""
        return len(self.get_map()) > 2


class Loop(asyncio.SelectorEventLoop):
    def has_callbacks(self):
        """Whether functions are to be called, now or at some time, as by `call_soon` and `call_later`."""
        return bool(self._ready or self._scheduled)


def make_loop(host, selector):
    """An event loop that counts its tasks in `host.all_tasks`."""

    def make_task(loop, coroutine, **options):
        task = asyncio.Task(coroutine, loop=loop, **options)
        host.all_tasks += 1
        task.add_done_callback(ended)
        return task

    def ended(task):
        host.all_tasks -= 1

    loop = Loop(selector)
    loop.set_task_factory(make_task)
    asyncio.set_event_loop(loop)
    return loop
