"""What is set up in this process before the script is loaded, and how its errors are reported."""

import ctypes
import errno
import faulthandler
import logging
import os
import resource
import signal
import sys
import threading
import traceback

ERROR_CHARACTERS_MAX = 4_000
PR_SET_PDEATHSIG = 1


# The value of `memory_mb`; 0 for no bound.
memory_mb = 0


def prepare(folder, memory_bytes, stack_bytes):
    end_with_vpid()
    faulthandler.enable()
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.path.insert(0, folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        bound_memory(memory_bytes, stack_bytes)


def bound_memory(memory_bytes, stack_bytes):
    """Bounds what this process can write to, whether it has done so or not. Address space that is only
    reserved, such as the arenas of the allocator, does not count; the stacks of threads do.
    """
    global memory_mb
    memory_mb = memory_bytes >> 20
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most != resource.RLIM_INFINITY:
        memory_bytes = min(memory_bytes, most)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # The usual 8 MiB are reserved whole and rarely used.
    threading.stack_size(stack_bytes)
    set_default_stack(stack_bytes)
    try:
        # Where the whole system runs out of memory, scripts go before vpid and the games.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass


def set_default_stack(stack_bytes):
    """For threads that libraries start, such as those of numpy."""
    try:
        libc = ctypes.CDLL(None)
        attributes = ctypes.create_string_buffer(256)
        if libc.pthread_attr_init(attributes) == 0:
            libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(stack_bytes))
            libc.pthread_setattr_default_np(attributes)
            libc.pthread_attr_destroy(attributes)
    except (OSError, AttributeError):
        # They have larger stacks then.
        pass


def end_with_vpid():
    end_with_parent()
    main_thread = threading.get_ident()

    def forked():
        # The kernel means the thread that forked, and another one may end long before this process.
        if threading.get_ident() == main_thread:
            end_with_parent()

    # What it forks would else stay when vpid is killed and cannot end the script's whole group.
    os.register_at_fork(after_in_child=forked)


def end_with_parent():
    """Asks the kernel to kill this process when its parent ends: an endless loop would not notice."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        # Elsewhere than on Linux, the end of the channel has to do.
        pass


class IntoLog(logging.Handler):
    """Takes what the script logs by `logging` into vpid's log."""

    def __init__(self, log):
        super().__init__()
        self._log = log

    def emit(self, record):
        try:
            # From 50 (critical, our 0) down to 10 (debug, our 4); below is 5.
            level = min(5, max(0, 5 - record.levelno // 10))
            self._log(self.format(record), level)
        except Exception:
            self.handleError(record)


def take_logging(log):
    root = logging.getLogger()
    root.addHandler(IntoLog(log))
    root.setLevel(logging.INFO)


def error_text(error):
    """What Python prints for an error, without what is vpid's own on the way."""
    try:
        if isinstance(error, MemoryError):
            # Their variables may be what fills the memory.
            traceback.clear_frames(error.__traceback__)
        trace = traceback.TracebackException.from_exception(error)
        _keep_frames_of_script(trace, set())
        text = "".join(trace.format()).rstrip()
    except MemoryError:
        text = "MemoryError"
    return text[-ERROR_CHARACTERS_MAX:]


def _keep_frames_of_script(trace, seen):
    if trace is None or id(trace) in seen:
        return
    seen.add(id(trace))
    trace.stack[:] = [frame for frame in trace.stack if not _is_ours(frame.filename)]
    _keep_frames_of_script(trace.__cause__, seen)
    _keep_frames_of_script(trace.__context__, seen)
    for each in getattr(trace, "exceptions", None) or ():
        _keep_frames_of_script(each, seen)


def _is_ours(file):
    return file.startswith(("(vpid)/", "<frozen importlib")) or file == "<string>"


def error_line(error):
    """The error's own words, bounded."""
    try:
        text = str(error)[:ERROR_CHARACTERS_MAX]
    except Exception:
        text = ""
    if memory_mb and is_of_memory(error, text):
        text = f"{text} (memory_mb of this script is {memory_mb})".strip()
    return text


def is_of_memory(error, text):
    """Whether the bound of the memory has most likely caused an error."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, RuntimeError) and "can't start new thread" in text)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )
