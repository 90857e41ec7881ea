"""Does to its process whatever can be done to one: for the tests of vpid."""

import ctypes
import os
import socket
import subprocess
import sys
import time

import game


def fine(value=None):
    return value


# Ends


def exits():
    sys.exit("it had enough")


def dies():
    os._exit(7)


def faults():
    ctypes.string_at(0)


def kills_itself():
    os.kill(os.getpid(), 9)


def recurses():
    return recurses()


# Does not end


def spins():
    while True:
        pass


def sleeps():
    time.sleep(1_000)


def goes_on():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def is_deaf():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


async def never_comes_back():
    while True:
        pass


# Says too much, and nonsense


def floods(lines):
    for number in range(lines):
        print("flood", number)
    return lines


def logs_without_end(lines):
    for number in range(lines):
        game.log(f"torrent {number}")
    return lines


def prints_junk():
    junk = bytes(range(256)) * 40
    for descriptor in (1, 2):
        os.write(descriptor, junk + b"\n")
    print("a lone half \ud83d of a pair", "x" * 100_000)
    return "printed"


def closes_outputs():
    os.close(1)
    os.close(2)
    return "closed"


def channel():
    """The descriptor of the channel to vpid, which this script was not given."""
    for descriptor in range(3, 256):
        try:
            if socket.socket(fileno=os.dup(descriptor)).family == socket.AF_UNIX:
                if descriptor >= 64:
                    return descriptor
        except OSError:
            pass


def writes_into_channel(text):
    os.write(channel(), text.encode())
    time.sleep(1_000)


def closes_channel():
    os.close(channel())
    time.sleep(1_000)


# Has others


def forks():
    child = os.fork()
    if child == 0:
        time.sleep(1_000)
    return child > 0


def forks_and_both_return():
    return os.fork() > 0


def leaves_daemons():
    """In sessions of their own: one has a program of its own, one a parent that has ended."""
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(1_000)
        os._exit(0)
    os.wait()
    return True


def leaves_somebody():
    subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
    return True


# Takes too much


def fills_memory(megabytes):
    kept = []
    for _ in range(megabytes):
        kept.append(bytearray(1 << 20))
    return len(kept)
