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

import vpid_confine

ERROR_CHARACTERS_MAX = 4_000
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


# The value of `memory_mb`; 0 for no bound.
memory_mb = 0


def prepare(folders, memory_bytes, stack_bytes):
    """`folders`: where the script imports from first."""
    faulthandler.enable()
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.path[:0] = folders
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
        attributes = ctypes.create_string_buffer(256)
        if _libc.pthread_attr_init(attributes) == 0:
            _libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(stack_bytes))
            _libc.pthread_setattr_default_np(attributes)
            _libc.pthread_attr_destroy(attributes)
    except AttributeError:
        # They have larger stacks then.
        pass


def end_with_parent(number):
    """Lets the kernel send this signal when the parent ends. Whether it has ended before is to be looked at then."""
    _prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans():
    """What descends from this process and loses its parent becomes a child of this process."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option, value):
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def set_title(title):
    """What lists of processes show: the name, which has 15 bytes, and in place of the arguments."""
    title = title.encode("utf-8", "replace")
    _libc.prctl(PR_SET_NAME, ctypes.c_char_p(title[:15]), 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:
        # Behind its name, the third field is the first; the 48th and 49th say where the arguments are.
        fields = file.read().rpartition(b")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    if begin < end:
        # Zeros up to the end, and one is left there.
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, title, min(len(title), end - begin - 1))


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
        if vpid_confine.is_confined and vpid_confine.may_be_due(error):
            text += f" ({vpid_confine.advice()})"
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
    text = words_of(error)
    if vpid_confine.is_confined and vpid_confine.may_be_due(error):
        text = f"{text} ({vpid_confine.advice()})".strip()
    if memory_mb and is_of_memory(error, text):
        text = f"{text} (memory_mb of this script is {memory_mb})".strip()
    return text


def words_of(error):
    """What an error says, bounded; nothing if it cannot say it."""
    try:
        return str(error)[:ERROR_CHARACTERS_MAX]
    except Exception:
        return ""


def is_of_memory(error, text):
    """Whether the bound of the memory has most likely caused an error."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, RuntimeError) and "can't start new thread" in text)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )
