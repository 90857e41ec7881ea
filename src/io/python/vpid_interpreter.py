"""An interpreter that has imported what every script needs, and forks a process for each script.

`boot.py` runs this: it has left `control`, the connection to vpid, and `sources`, those of vpid's modules. Each
request is a line, and comes with four descriptors: the channel of the script, its two outputs, and a pipe for reports.

    vpid
     |- this interpreter
     |- keeper of a script      is adopted by vpid, and ends last
         |- the script
             |- what it starts

What a script has started, and has lost its parent, is adopted by the script's keeper. When the script ends, vpid
orders it or vpid itself ends, the keeper kills all that is left, and reports how the script ended. So neither this
process nor vpid has to live for that. A keeper does nothing else, and shares its memory with this interpreter.

Reports are lines: `pid` with the numbers of the keeper and the script, `failed` with a reason, `ended` with a wait status.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

REQUEST_BYTES = 64 << 10
DESCRIPTORS = 4

# How long a keeper waits for news of processes that it has killed, before it looks for new ones.
KILL_AGAIN_S = 0.05

KEEPER_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}


class OwnModules:
    """Imports vpid's modules, which no file has."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return ModuleSpec(name, cls) if name in sources else None

    @staticmethod
    def create_module(spec):
        return None

    @classmethod
    def exec_module(cls, module):
        code = compile(sources[module.__name__], f"(vpid)/{module.__name__}.py", "exec")
        exec(code, module.__dict__)

    @classmethod
    def get_source(cls, name):
        return sources[name]


sys.meta_path.insert(0, OwnModules)

import vpid_host
import vpid_process


def program_of_script():
    """Forks for each request. Returns in the script's process alone: what that is to run."""
    vpid_process.end_with_parent(signal.SIGKILL)
    vpid_process.set_title("vpid: interpreter")
    age = _age()
    # Since Python 3.13, this imports much when it is called for the first time.
    importlib.invalidate_caches()
    unread, descriptors = b"", []
    # What there is now is never freed, so the collector need not touch it: pages that nothing writes stay shared.
    gc.disable()
    gc.collect()
    gc.freeze()
    while True:
        data, more, _, _ = socket.recv_fds(control, REQUEST_BYTES, DESCRIPTORS)
        if not data:
            os._exit(0)
        descriptors += more
        *lines, unread = (unread + data).split(b"\n")
        for line in lines:
            given, descriptors = descriptors[:DESCRIPTORS], descriptors[DESCRIPTORS:]
            if _age() != age:
                # Packages or Python itself were changed since: vpid starts another one of these.
                os._exit(0)
            request = json.loads(line)
            threads = len(os.listdir("/proc/self/task"))
            if _fork(request, *given):
                gc.enable()
                return _enter(request, threads)
            for each in given:
                os.close(each)


def _age():
    """What changes when this Python is upgraded, or packages are installed for it."""
    files = [os.path.realpath(sys.executable), os.__file__, os.path.join(sys.prefix, "pyvenv.cfg"), *sys.path]
    found = []
    for file in files:
        try:
            status = os.stat(file)
            found.append((status.st_dev, status.st_ino, status.st_mtime_ns))
        except OSError:
            found.append(None)
    return found


def _fork(request, channel, output, errors, report):
    """Forks a keeper, which forks the script. Returns True in the script alone."""
    try:
        between = os.fork()
    except OSError as error:
        _report(report, f"failed no process can be forked ({error.strerror})")
        return False
    if between:
        os.waitpid(between, 0)
        return False
    try:
        between = os.getpid()
        if os.fork():
            os._exit(0)
        # vpid adopts this one.
        while os.getppid() == between:
            os.sched_yield()
        control.detach()
        _keep(request, channel, output, errors, report)
        return True
    except BaseException as error:
        _report(report, f"failed its process cannot be prepared ({error})")
        os._exit(1)


def _keep(request, channel, output, errors, report):
    """The keeper. Returns in the script alone."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, KEEPER_SIGNALS)
    vpid_process.adopt_orphans()
    vpid_process.end_with_parent(signal.SIGTERM)
    if os.getppid() != request["vpid"]:
        # vpid has ended; or Python runs in a program that adopts processes itself.
        _report(report, f"failed {sys.executable} does not run as a process of vpid's own")
        os._exit(0)
    keeper = os.getpid()
    vpid_process.set_title(f"vpid: keeper of {request['name']}")
    script = os.fork()
    if not script:
        vpid_process.end_with_parent(signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(0)
        os.setpgid(0, 0)
        # Not by the keeper: vpid must know the numbers before the script does anything.
        if not _report(report, f"pid {keeper} {os.getpid()}"):
            os._exit(0)
        os.close(report)
        for place, given in enumerate([channel, output, errors]):
            os.dup2(given, place)
            os.close(given)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return
    try:
        os.setpgid(script, script)
    except OSError:
        # It is gone already.
        pass
    nothing = os.open(os.devnull, os.O_RDWR)
    for each in [0, 1, 2, channel, output, errors]:
        os.dup2(nothing, each)
    status = _wait_for(script)
    _end_the_rest()
    _report(report, f"ended {status}")
    os._exit(0)


def _report(report, line):
    """False: vpid is gone."""
    try:
        os.write(report, line.encode() + b"\n")
        return True
    except OSError:
        return False


def _wait_for(script):
    """Waits for the end of the script; gives its wait status."""
    while True:
        number = signal.sigwaitinfo(KEEPER_SIGNALS).si_signo
        if number == signal.SIGINT:
            os.kill(script, signal.SIGINT)
        elif number == signal.SIGTERM:
            _kill_group(script)
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                break
            if ended.si_pid == script:
                # While it is not waited for, no other process gets its number or the group's.
                _kill_group(script)
            _, status = os.waitpid(ended.si_pid, 0)
            if ended.si_pid == script:
                return status


def _kill_group(script):
    try:
        os.killpg(script, signal.SIGKILL)
    except OSError:
        # Nothing of it is left.
        pass


def _end_the_rest():
    """Kills what the script has started. What these have started becomes a child of this process in turn."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except OSError:
                pass
        signal.sigtimedwait({signal.SIGCHLD}, KILL_AGAIN_S)


def _children():
    me = b"%d" % os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # Behind its name, which may hold anything: the state and the parent.
                    if file.read().rpartition(b")")[2].split()[1] == me:
                        yield int(name)
            except (OSError, IndexError):
                continue


def _enter(request, threads):
    """In the script's process: what a new interpreter for it would have. Gives the program to run."""
    for name, value in request["environment"]:
        os.environb[bytes(name)] = bytes(value)
    os.chdir(bytes(request["folder"]))
    vpid_process.set_title(f"vpid: {request['name']}")
    sys.argv = ["-c", request["name"]]
    sys.modules["__main__"] = ModuleType("__main__")
    importlib.invalidate_caches()
    if threads > 1:
        print(
            f"{threads - 1} threads that run in {sys.executable} before any script, as a .pth file in its packages"
            " may start them, do not run in scripts",
            file=sys.stderr,
        )
    return compile(request["program"], "(vpid)/program", "exec")
