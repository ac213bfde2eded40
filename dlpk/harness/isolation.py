"""Running somebody else's code in a process of its own: no network, a read-only package.

Linux only: the process enters name spaces of its own (as containers do, no privileges needed),
sees no network interface, has the package's folder mounted read-only and gives up the right to
change that. Other files stay as accessible as they are to the user.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..errors import IsolationError
from .signals import Terminated

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_SET_NO_NEW_PRIVS = 38
LINUX_CAPABILITY_VERSION_3 = 0x20080522
MARK = "DLPK_ISOLATED"
# Flags of statvfs(2) to those of mount(2): nosuid, nodev, noexec, noatime, nodiratime, relatime.
STAT_TO_MOUNT = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
_PROTECTED: set[str] = set()


def run_isolated(arguments: Sequence[str]) -> int:
    """Run the command with these arguments in an isolated process.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `dlpk`, without ``--isolate``.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    IsolationError
        The system cannot do it.
    """
    if not sys.platform.startswith("linux"):
        raise IsolationError("--isolate needs Linux: it rests on the kernel's name spaces")
    # The process cannot remove what it has mounted, so its temporary files lie in our folder.
    folder = tempfile.mkdtemp(prefix="dlpk-isolated-")
    home = str(Path(__file__).resolve().parents[2])
    start = f"import sys; sys.path[0] = {home!r}; from dlpk.cli.isolated import main; "
    command = [sys.executable, "-c", start + "sys.exit(main(sys.argv[1:]))", *arguments]
    try:
        with subprocess.Popen(command, env={**os.environ, "TMPDIR": folder}) as process:
            code = _wait(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if code < 0:
        name = signal.Signals(-code).name
        why = " (is there enough memory?)" if -code == signal.SIGKILL else ""
        raise IsolationError(f"the isolated process was ended by {name}{why}")
    return code


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except Terminated:  # we are told to end, the process is not; it says so itself
            process.terminate()
        except KeyboardInterrupt:  # the process got it too and says so
            continue


def is_isolated() -> bool:
    """Whether this process was started by `run_isolated`."""
    return os.environ.get(MARK) == str(os.getpid())


def protect_if_isolated(folders: Sequence[Path]) -> None:
    """In an isolated process, make folders read-only and give up the right to undo it.

    Raises
    ------
    IsolationError
        The kernel refuses, or other folders were protected before: the right is gone then.
    """
    if not is_isolated():
        return
    wanted = {os.path.realpath(folder) for folder in folders}
    if wanted <= _PROTECTED:
        return
    if _PROTECTED:
        raise IsolationError("an isolated process runs one package only")
    for folder in sorted(wanted):
        _protect(os.fsencode(folder))
    _PROTECTED.update(wanted)
    # A working directory inside was entered before the mount, and would lead below it.
    os.chdir(os.getcwd())
    _drop_rights()


def _protect(name: bytes) -> None:
    _mount(name, name, MS_BIND | MS_REC)
    # The kernel refuses to drop what already holds for the place, such as nosuid of /tmp.
    kept, flags = os.statvfs(name).f_flag, 0
    for of_stat, of_mount in STAT_TO_MOUNT.items():
        if kept & of_stat:
            flags |= of_mount
    _mount(None, name, MS_BIND | MS_REMOUNT | MS_RDONLY | flags)


def enter() -> None:
    """Put this process into name spaces of its own."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    # This has to come before any library has started a thread.
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise IsolationError(
            f"--isolate cannot make name spaces of its own ({reason}): the system forbids it to "
            "users, or this is a container that does"
        )
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount(None, b"/", MS_REC | MS_PRIVATE)
    os.environ[MARK] = str(os.getpid())


def _mount(source: bytes | None, target: bytes, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source, target, None, ctypes.c_ulong(flags), None) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise IsolationError(f"--isolate cannot mount {os.fsdecode(target)}: {reason}")


def _drop_rights() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(LINUX_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing) != 0 or libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise IsolationError("--isolate cannot give up its rights")
