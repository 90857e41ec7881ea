"""Uses memory in every way, and address space without using it."""

import asyncio
import mmap
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

KEPT = []
MIB = 1 << 20


def threads(count):
    """So many that have done something and wait, and their number."""
    go_on = threading.Event()
    started = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=lambda: (bytearray(1000), go_on.wait()), daemon=True)
            thread.start()
            started.append(thread)
        return len(started)
    finally:
        go_on.set()
        for thread in started:
            thread.join()


async def pools(count):
    barrier = threading.Barrier(count)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(count) as pool:
        waits = [loop.run_in_executor(pool, barrier.wait) for _ in range(count)]
        looked_up = [asyncio.to_thread(len, "abc") for _ in range(20)]
        await asyncio.gather(*waits, *looked_up)
    return count


def reserves(mib):
    """Address space that is never touched."""
    nothing = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0)
    shared = mmap.mmap(-1, mib * MIB)
    KEPT.append((nothing, shared))
    return mib


def takes(mib):
    KEPT.append(bytearray(mib * MIB))
    return mib


def drops():
    KEPT.clear()
    return True


def grows():
    kept = []
    while True:
        kept.append(bytearray(MIB))


def one_large():
    return len(bytearray(8 << 30))


def maps_private():
    return len(mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def touch(memory):
    for at in range(0, len(memory), 4096):
        memory[at] = 1


def shares(mib):
    """Shared memory, which no limit of a process knows."""
    memory = mmap.mmap(-1, mib * MIB)
    KEPT.append(memory)
    touch(memory)
    return mib


def forks(count, mib):
    """Children that each take so much, and stay."""
    for _ in range(count):
        if os.fork() == 0:
            kept = bytearray(mib * MIB)
            threading.Event().wait(1000)
            os._exit(len(kept) % 2)
    return count


def runs(count, mib):
    """The same as other programs."""
    program = f"kept = bytearray({mib} << 20); import time; time.sleep(1000)"
    for _ in range(count):
        KEPT.append(subprocess.Popen(["python3", "-c", program]))
    return count


def is_first_to_go():
    with open("/proc/self/oom_score_adj") as file:
        return int(file.read())


def fine(value):
    return value
