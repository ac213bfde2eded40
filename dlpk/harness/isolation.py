"""Running somebody else's code in a sandbox of bubblewrap: docs/robustness.md says what it keeps.

The code sees Python, the system's libraries, what the command reads (read-only), and empty folders
in the place of those that it writes to; what comes out of these is chosen here.
"""

from __future__ import annotations

import glob
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from builder.scratch import one_at_a_time, scratch_folder
from builder.target import check_targets, make_folder

from ..errors import IsolationError

SPACES = (
    *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
)
# Read-only, where there are such: programs and libraries, and what these look up.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/fonts")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/sys/devices/system")
HOME = Path(__file__).resolve().parents[2]
OWN = ("dlpk", "builder", "schemas", "model_extension")
ENVIRONMENT = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SOURCE_DATE_EPOCH", "LD_LIBRARY_PATH"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "GDAL_NUM_THREADS"),
    *("GDAL_DATA", "GDAL_CACHEMAX", "PROJ_LIB", "PROJ_DATA"),
)
START = """
import sys
sys.path[0] = {home!r}
from dlpk.harness.isolation import limit
limit()
from dlpk.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
MOST_FILES, MOST_PROCESSES, LARGEST_FILE = 4096, 2048, 1 << 40
INSTALL = "install it, for example with: sudo apt install bubblewrap"


def run_isolated(
    words: Sequence[str],
    reads: Iterable[str],
    writes: Sequence[Path],
    keeps: Sequence[Path] = (),
) -> int:
    """Run the command with these arguments in a sandbox.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command `dlpk`, without ``--isolate``.
    reads : iterable of str
        Files and folders that it may read.
    writes : sequence of Path
        Files and folders that are taken out when it ends well, folders also when it fails. Of
        ``a.tif`` and ``a.tif.aux.xml``, the second is removed where only the first was made.
    keeps : sequence of Path
        Folders that it may change in place.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    IsolationError
        The system cannot do it, or a folder that would be shown is too much.
    OutputError
        A file that would be written is read, or is no ordinary file.
    """
    bwrap = _bubblewrap()
    inputs = [os.path.abspath(name) for name in reads]
    for name in inputs:
        if os.path.isdir(name) and Path.home().is_relative_to(name):
            raise IsolationError(f"--isolate would show all of {name}: move the package elsewhere")
    files = [target for target in writes if not target.is_dir()]
    check_targets(files, inputs)
    with ExitStack() as stack:
        private = stack.enter_context(scratch_folder())
        places = {}
        for folder in dict.fromkeys(target.absolute().parent for target in writes):
            # Not the scratch folder itself: the code may lock what it sees.
            places[folder] = stack.enter_context(scratch_folder(folder)) / "out"
            places[folder].mkdir()
        shown = [*_runtime(), ("--bind", str(private), "/tmp"), ("--dir", os.getcwd())]
        shown += [("--ro-bind", name, name) for name in inputs]
        shown += [("--bind", str(made), str(folder)) for folder, made in places.items()]
        shown += [("--bind", str(folder), str(folder)) for folder in keeps]
        shown.sort(key=lambda bind: len(Path(bind[-1]).parts))  # what lies inside comes later
        options = [*SPACES, *(word for bind in shown for word in bind), "--chdir", os.getcwd()]
        code = _run(bwrap, options, [sys.executable, "-c", START.format(home=str(HOME)), *words])
        taken = set()
        if places:
            stack.enter_context(one_at_a_time(next(iter(places))))
        for target in reversed(writes):  # the picture last: whoever sees it sees its legend too
            made = places[target.absolute().parent] / target.name
            if (code == 0 or made.is_dir()) and _take_out(made, target, inputs):
                taken.add(target)
        for target in set(files) - taken:
            if target.with_suffix("") in taken or target.with_suffix("").with_suffix("") in taken:
                target.unlink(missing_ok=True)
    return code


def _bubblewrap() -> str:
    if not sys.platform.startswith("linux"):
        raise IsolationError("--isolate needs Linux: it rests on the kernel's name spaces")
    found = shutil.which("bwrap")
    if found is None:
        raise IsolationError(f"--isolate needs bubblewrap: {INSTALL}")
    trial = [found, *SPACES, "--ro-bind", "/usr", "/usr", "--ro-bind", "/", "/", "true"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    if done.returncode:
        raise IsolationError(
            f"--isolate cannot make name spaces of its own ({done.stderr.strip()}): the system "
            "forbids it to users, or this is a container that does"
        )
    return found


def _runtime() -> Iterator[tuple[str, ...]]:
    """Mounts of the system and of Python with its libraries, not of their surroundings."""
    places = [sys.prefix, sys.base_prefix, *(str(HOME / name) for name in OWN)]
    places += [name for name in sys.path if name.rstrip("/").endswith("-packages")]
    places += [os.environ[name] for name in ("GDAL_DATA", "PROJ_LIB") if name in os.environ]
    yield from (("--proc", "/proc"), ("--dev", "/dev"))
    for place in sorted({*SYSTEM, *SYSTEM_FILES, *map(os.path.abspath, places)}):
        yield ("--ro-bind-try", place, place)
    for device in glob.glob("/dev/nvidia*"):
        yield ("--dev-bind-try", device, device)


def _run(bwrap: str, options: Sequence[str], command: Sequence[str]) -> int:
    kept = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    own = {"HOME": "/tmp", "TMPDIR": "/tmp", "USER": "dlpk", "LOGNAME": "dlpk"}
    read, write = os.pipe()
    # Not the terminal itself, which would be read from and could be made to type.
    with subprocess.Popen(
        [bwrap, "--args", str(read), *command],
        env={**kept, **own},
        pass_fds=[read],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(read)
        pipes = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        threads = [threading.Thread(target=_pass_on, args=pair, daemon=True) for pair in pipes]
        for thread in threads:
            thread.start()
        try:
            with os.fdopen(write, "wb") as file, suppress(BrokenPipeError):
                file.write(b"".join(os.fsencode(word) + b"\0" for word in options))
            code = process.wait()
        except BaseException:  # we are told to end: everything in there ends with its first process
            process.kill()
            raise
        finally:
            for thread in threads:
                thread.join()
    if code > 128 and code not in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        with suppress(ValueError):
            number = signal.Signals(code - 128)
            why = " (is there enough memory?)" if number == signal.SIGKILL else ""
            raise IsolationError(f"the isolated process was ended by {number.name}{why}")
    return code


def _pass_on(source: IO[bytes], target: IO[str]) -> None:
    """Print what comes; what would command a terminal is written out."""
    for line in source:
        text = line.decode("utf-8", "backslashreplace")
        safe = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
        target.write("".join(safe))
        target.flush()


def _take_out(made: Path, target: Path, inputs: Sequence[str]) -> bool:
    """Put an ordinary file, or those of a folder, in their place; whether there was one."""
    mode = os.lstat(made).st_mode if os.path.lexists(made) else 0
    if stat.S_ISDIR(mode):
        make_folder(target)
        inside = [file for file in made.iterdir() if file.is_file()]
        return sum(_take_out(file, target / file.name, inputs) for file in inside) > 0
    if not stat.S_ISREG(mode):
        return False
    check_targets([target], inputs)
    os.chmod(made, mode & 0o666)
    os.replace(made, target)
    return True


def limit() -> None:
    """Limit what this process and those that it starts may use, for good."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, MOST_FILES),
        (resource.RLIMIT_NPROC, MOST_PROCESSES),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_DATA, memory),
    ):
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
