"""The channel to vpid: lines, each a JSON array of messages.

Messages are gathered as text, and sent as one line by `write`.
"""

import fcntl
import json
import os
import socket
import threading

# Below what makes the allocator ask the kernel for memory at every read.
READ_BYTES = 64 << 10

# When so many characters are gathered, they are written without waiting for the end of the turn.
GATHERED_CHARACTERS_MAX = 256 << 10


def take_channel():
    """The channel, which this process has as its standard input, and what its first line says."""
    # The script finds nothing on its standard input, and cannot close the channel by closing that.
    descriptor = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 64)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    line = bytearray()
    while b"\n" not in line:
        line += os.read(descriptor, READ_BYTES) or os._exit(0)
    line, _, rest = bytes(line).partition(b"\n")
    return Channel(descriptor, rest), json.loads(line)


class Channel:
    def __init__(self, descriptor, rest):
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._unread = [rest] if rest else []
        self._gathered = []
        self._characters = 0
        # What writes when much was gathered.
        self.on_full = self.write
        # Whether something was gathered for which someone waits: a result, a verdict, a request.
        self.is_awaited = False
        # Other threads of the script may log.
        self._writing = threading.Lock()
        os.register_at_fork(after_in_child=self.close)

    def fileno(self):
        return self._socket.fileno()

    def is_open(self):
        return self._socket.fileno() >= 0

    def close(self):
        """In a forked child, which must neither send nor keep the channel open."""
        self._socket.close()
        self._gathered.clear()
        self._writing = threading.Lock()

    def post(self, message):
        """Takes a message, which is JSON already."""
        self._gathered.append(message)
        self._characters += len(message)
        if self._characters > GATHERED_CHARACTERS_MAX:
            self.on_full()

    def post_awaited(self, message):
        """The same for what someone waits for."""
        self._gathered.append(message)
        self._characters += len(message)
        # Not before: a write in between would take that back.
        self.is_awaited = True
        if self._characters > GATHERED_CHARACTERS_MAX:
            self.on_full()

    def write(self, blocking=True):
        """Writes all that was gathered, as one line. vpid always reads, so this may wait.

        False: not `blocking`, and another write is under way, which a signal may have interrupted.
        """
        if not self._writing.acquire(blocking):
            return False
        try:
            # Others may post in the meantime.
            self.is_awaited = False
            count = len(self._gathered)
            if not count:
                return True
            line = "[" + ",".join(self._gathered[:count]) + "]\n"
            del self._gathered[:count]
            self._characters = 0
            if self.is_open():
                try:
                    self._socket.sendall(in_utf_8(line))
                except OSError as error:
                    _end_unless_raised_by_script(error)
            return True
        finally:
            self._writing.release()

    def rest(self):
        """The messages that came together with the start line."""
        unread, self._unread = self._unread, []
        return self._messages(b"".join(unread)) if unread else []

    def read(self):
        """The messages that come next, after a wait for them. Ends this process when vpid is gone."""
        return self._read(0)

    def read_ready(self):
        """The messages that are there: none, if a function of the script that waited has read them."""
        return self._read(socket.MSG_DONTWAIT)

    def _read(self, flags):
        try:
            data = self._socket.recv(READ_BYTES, flags)
        except BlockingIOError:
            return []
        except OSError as error:
            _end_unless_raised_by_script(error)
        if not data:
            os._exit(0)
        return self._messages(data)

    def _messages(self, data):
        if b"\n" not in data:
            self._unread.append(data)
            return []
        if self._unread:
            data = b"".join(self._unread) + data
        *lines, rest = data.split(b"\n")
        self._unread = [rest] if rest else []
        if len(lines) == 1:
            return json.loads(lines[0].decode())
        return [message for line in lines for message in json.loads(line.decode())]


def _end_unless_raised_by_script(error):
    """Ends this process: the channel is gone. But a signal handler of the script, which has run meanwhile, may have
    raised an error of its own, such as `TimeoutError`; those of the system have numbers.
    """
    if error.errno is None:
        raise error
    os._exit(0)


def in_utf_8(text):
    """A text as bytes. Halves of surrogate pairs, which UTF-8 cannot hold, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.encode()
