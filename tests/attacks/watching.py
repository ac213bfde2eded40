"""Watch what the interpreter does to the file system, to prove that nothing leaves a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "shutil.rmtree",
    "tempfile.mkdtemp",
    "tempfile.mkstemp",
}
_RUNS = {"os.exec", "os.posix_spawn", "os.system", "pickle.find_class", "subprocess.Popen"}

_current: list[Watch] = []


class Watch:
    """What was changed outside the allowed folder, and whether anything was run."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = os.path.realpath(allowed)
        self.outside: list[str] = []
        self.ran: list[str] = []
        self.changes = 0

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event."""
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int) or path is None or not flags & _WRITES:
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            # Modules of our own are run on import; code of the package never is.
            code = getattr(arguments[0], "co_filename", "") if event == "exec" else ""
            if event in _RUNS or code.startswith(self.allowed):
                self.ran.append(f"{event} {arguments!r:.200}")
            return
        self.changes += 1
        if isinstance(path, int):
            return  # relative to an open folder: how shutil.rmtree names what it removes
        # Not realpath: that would follow a link the attack made.
        full = os.path.abspath(os.fsdecode(path))
        if event in ("os.remove", "os.rmdir") and not os.path.isabs(os.fsdecode(path)):
            return  # the same, with a bare name
        if not (full + os.sep).startswith(self.allowed + os.sep):
            self.outside.append(f"{event} {full}")


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in _current:
        watch.note(event, arguments)


sys.addaudithook(_hook)


@contextmanager
def watched(allowed: Path) -> Iterator[Watch]:
    """Collect every change to files outside `allowed` and everything run meanwhile."""
    watch = Watch(allowed)
    _current.append(watch)
    try:
        yield watch
    finally:
        _current.remove(watch)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every path below `folder` with its mode and content."""
    found: dict[str, tuple[int, bytes]] = {}
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(base, name)
            mode = path.lstat().st_mode
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path.relative_to(folder))] = (mode, content)
    return found
