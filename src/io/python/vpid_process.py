"""What is set up in this process before the script is loaded, and how its errors are told."""

import ctypes
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


def prepare(folder, memory_bytes):
    end_with_vpid()
    faulthandler.enable()
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.path.insert(0, folder)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            memory_bytes = min(memory_bytes, most)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


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
        told = traceback.TracebackException.from_exception(error)
        _keep_frames_of_script(told, set())
        text = "".join(told.format()).rstrip()
    except MemoryError:
        text = "MemoryError"
    return text[-ERROR_CHARACTERS_MAX:]


def _keep_frames_of_script(told, seen):
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    told.stack[:] = [frame for frame in told.stack if not _is_ours(frame.filename)]
    _keep_frames_of_script(told.__cause__, seen)
    _keep_frames_of_script(told.__context__, seen)
    for each in getattr(told, "exceptions", None) or ():
        _keep_frames_of_script(each, seen)


def _is_ours(file):
    return file.startswith(("(vpid)/", "<frozen importlib")) or file == "<string>"


def error_line(error):
    """The error's own words, bounded."""
    try:
        return str(error)[:ERROR_CHARACTERS_MAX]
    except Exception:
        return ""
