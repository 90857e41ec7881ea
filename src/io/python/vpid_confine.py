"""Keeps vpid's own files, and other scripts' folders, from a script and from all that it starts: by Landlock.

Landlock allows, and cannot forbid: a process gets rules about what it may reach, each for all that is below a folder. So
a rule is made for each entry of the folders on the way to what is hidden, but for those on this way. What is in these
folders when the script starts can be reached as before; what is new in them cannot, and nothing new can be made
directly in them. https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import stat

# The same on all architectures that Python and vpid run on.
SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

# The first with which files can be moved from folder to folder.
VERSION_MIN = 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15

# How many rights there are, by the version.
RIGHTS = {2: 14, 3: 15, 4: 15, 5: 16}

# Files have no others.
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

# More are not looked through: each takes time at every start.
ENTRIES_MAX = 20_000

# As the kernel follows them.
LINKS_MAX = 40

_libc = ctypes.CDLL(None, use_errno=True)

is_confined = False


class CannotConfine(Exception):
    """Why not, as a sentence."""


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def version():
    """That of the kernel's Landlock; 0 without it."""
    return max(0, _libc.syscall(SYS_CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION))


def confine(hidden, own, shared):
    """Keeps `hidden` paths out of reach. `own` is the script's folder, and stays within reach. In the folder `shared`,
    where it has one of its own, only what several scripts import does.
    """
    global is_confined
    has = version()
    if has < VERSION_MIN:
        raise CannotConfine("the kernel has no Landlock; it needs Linux 5.19 or later, with Landlock on")
    rights = (1 << RIGHTS[min(has, max(RIGHTS))]) - 1
    attributes = ctypes.c_uint64(rights)
    ruleset = _call(SYS_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(8), 0)
    try:
        rules = _Rules(ruleset, rights, hidden, own, shared)
        rules.below("/")
        # Where its own folder is in a hidden one.
        rules.allow_own()
        # Names in folders can be listed: `stat`, which Landlock does not restrict, shows as much.
        rules.allow("/", READ_DIR)
        if _libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0):
            raise CannotConfine(f"the system refuses it ({os.strerror(ctypes.get_errno())})")
        _call(SYS_RESTRICT_SELF, ruleset, 0)
        is_confined = True
    finally:
        os.close(ruleset)


class _Rules:
    def __init__(self, ruleset, rights, hidden, own, shared):
        self._ruleset, self._rights = ruleset, rights
        self._hidden = {name for path in hidden for name in names_of(path)}
        self._own = os.path.realpath(own)
        self._shared = shared and os.path.realpath(shared)
        self._on_the_way = set()
        for path in self._hidden:
            self._add_folders_of(path)
        if self._own in self._on_the_way or self._own in self._hidden:
            inside = sorted(path for path in self._hidden if path == self._own or path.startswith(self._own + "/"))
            raise CannotConfine(
                f"vpid's own files are in the script's folder ({inside[0] if inside else self._own}); move the scripts"
                " into a folder of their own"
            )
        if self._shared:
            self._add_folders_of(self._shared)
        self._left = ENTRIES_MAX

    def _add_folders_of(self, path):
        while path != "/":
            path = os.path.dirname(path)
            self._on_the_way.add(path)

    def allow_own(self):
        self.allow(self._own, self._rights)

    def below(self, folder, rights=None):
        """Allows what is in a folder on the way."""
        rights = self._rights if rights is None else rights
        for name in self._names_in(folder):
            path = os.path.join(folder, name)
            if path in self._hidden:
                continue
            if path == self._shared:
                self._below_shared()
            elif path in self._on_the_way:
                self.below(path, rights)
            else:
                self.allow(path, rights)

    def _below_shared(self):
        """What begins with _ or a dot is no script, and is imported, but not changed."""
        for name in self._names_in(self._shared):
            path = os.path.join(self._shared, name)
            if path == self._own:
                self.allow(path, self._rights)
            elif name.startswith(("_", ".")) and path not in self._hidden:
                if path in self._on_the_way:
                    self.below(path, READ_FILE | READ_DIR | EXECUTE)
                else:
                    self.allow(path, READ_FILE | READ_DIR | EXECUTE)

    def _names_in(self, folder):
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            # It was removed meanwhile.
            return []
        except OSError as error:
            if not os.access(folder, os.X_OK):
                # This user reaches nothing in it, confined or not.
                return []
            # Such as /home with mode 0711: all in it would be out of reach, known by its name or not.
            raise CannotConfine(
                f"{folder}, a folder on the way to vpid's own files, cannot be listed ({error.strerror}); let vpid's"
                " user list it, or move vpid.toml and the state folder"
            ) from None
        self._left -= len(names)
        if self._left < 0:
            raise CannotConfine(
                f"{folder} and the folders around vpid's own have more than {ENTRIES_MAX} entries; move vpid.toml and"
                " the state folder into a folder of their own"
            )
        return names

    def allow(self, path, rights):
        try:
            descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISLNK(mode):
                # What it leads to has a rule of its own.
                return
            rights &= self._rights if stat.S_ISDIR(mode) else self._rights & OF_FILES
            if rights:
                rule = _PathBeneath(rights, descriptor)
                _call(SYS_ADD_RULE, self._ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)


def names_of(path):
    """What a path leads to, and each symbolic link on the way: who replaces a link replaces what it leads to."""
    names, at, left, links = set(), "/", os.path.abspath(path).split("/")[::-1], 0
    while left:
        name = left.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, name)
        try:
            target = os.readlink(here)
        except OSError:
            # No link, or nothing that is there.
            at = here
            continue
        links += 1
        if links > LINKS_MAX:
            raise CannotConfine(f"{path} leads over more than {LINKS_MAX} symbolic links")
        names.add(here)
        if target.startswith("/"):
            at = "/"
        left += target.split("/")[::-1]
    return names | {at}


def _call(number, *arguments):
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise CannotConfine(f"the kernel refuses it ({os.strerror(ctypes.get_errno())})")
    return result


def may_be_due(error):
    """Whether an error of a confined script may be due to that. SQLite has words of its own for a refusal."""
    if isinstance(error, PermissionError):
        return True
    words = ("unable to open database file", "attempt to write a readonly database")
    kind = type(error)
    return (kind.__module__, kind.__name__) == ("sqlite3", "OperationalError") and str(error).startswith(words)


def advice():
    """What an error of a confined script may be due to."""
    return (
        "this script is confined, so that vpid's files and other scripts are out of its reach, and nothing new is made"
        " directly in the folders around them; confine = false in its table turns that off"
    )
