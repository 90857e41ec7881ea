"""How often the script's hooks, functions and timers ran, and for how long: counted here, sent to vpid now and then.

A time is counted in one of a fixed number of buckets, four in each doubling, so that counting costs the same however
long a script runs. vpid, which keeps the sums over reloads and restarts, has the same buckets.
"""

from bisect import bisect_left
from os import getpid, listdir

# Upper bounds of the buckets, in seconds, from a microsecond to fifteen minutes; behind them is one more.
BOUNDS = [1e-6 * 2 ** (number / 4) for number in range(120)]

# Others are counted together.
NAMES_MAX = 200
NAME_CHARACTERS_MAX = 64
OTHERS = "(others)"

HOOK, FUNCTION, TIMER = "hook", "function", "timer"

# How often vpid gets what was counted, while the script works.
REPORT_S = 5

PROCESSES_MAX = 256

# Of what was counted under a name: the sum of all times, the longest, and behind them the counts of the buckets.
TOTAL, WORST, COUNTS = 0, 1, 2


class Kind:
    """What was counted of hooks, of functions or of timers, by their names."""

    def __init__(self):
        # Always this one dictionary: who counts much keeps it.
        self.counted = {}

    def add(self, name, seconds):
        counted = self.counted.get(name) or self._begin(name)
        counted[COUNTS + bisect_left(BOUNDS, seconds)] += 1
        counted[TOTAL] += seconds
        if seconds > counted[WORST]:
            counted[WORST] = seconds

    def _begin(self, name):
        if len(self.counted) >= NAMES_MAX:
            name = OTHERS
        new = [0.0, 0.0] + [0] * (len(BOUNDS) + 1)
        return self.counted.setdefault(name, new)

    def take(self, kind):
        """All of it, for vpid, and counts from zero."""
        taken = list(self.counted.items())
        self.counted.clear()
        for name, counted in taken:
            counts = [(at, count) for at, count in enumerate(counted[COUNTS:]) if count]
            yield [kind, str(name)[:NAME_CHARACTERS_MAX], counted[TOTAL], counted[WORST], counts]

    def __bool__(self):
        return bool(self.counted)


class Stats:
    def __init__(self):
        self.hooks, self.functions, self.timers = Kind(), Kind(), Kind()

    def take(self):
        kinds = ((HOOK, self.hooks), (FUNCTION, self.functions), (TIMER, self.timers))
        return [each for kind, counted in kinds for each in counted.take(kind)]

    def __bool__(self):
        return bool(self.hooks or self.functions or self.timers)


def memory_bytes():
    """What this process and those that it has started use; what several share counts in parts. None: unknown."""
    try:
        pids = [getpid()]
        for pid in pids:
            if len(pids) < PROCESSES_MAX:
                pids += _children(pid)
        return sum(_memory_of(pid) for pid in pids[:PROCESSES_MAX])
    except OSError:
        return None


def _children(pid):
    try:
        for thread in listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                yield from map(int, file.read().split())
    except OSError:
        # It has ended meanwhile.
        return


# Of /proc/PID/smaps_rollup, where the kernel has them; and of /proc/PID/status, where what is shared counts whole.
_SHARES = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
_WHOLE = ("RssAnon:", "RssShmem:", "VmSwap:")


def _memory_of(pid):
    try:
        # The fields for kinds of memory came with Linux 5.4.
        shares = _sum_of(pid, "smaps_rollup", _SHARES)
        if shares is None:
            shares = _sum_of(pid, "status", _WHOLE)
    except OSError:
        if pid == getpid():
            raise
        return 0
    if shares is None and pid == getpid():
        raise OSError("the kernel does not say how much memory is used")
    return shares or 0


def _sum_of(pid, file, names):
    """None where the first of these fields is not there."""
    try:
        with open(f"/proc/{pid}/{file}") as opened:
            fields = [line.split() for line in opened]
    except FileNotFoundError:
        return None
    sizes = {field[0]: int(field[1]) << 10 for field in fields if field and field[0] in names}
    return sum(sizes.values()) if names[0] in sizes else None
