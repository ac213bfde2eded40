"""A package made beside its place, and put there when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import BuildError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def staged(out: Path) -> Iterator[tuple[Path, Path]]:
    """Names for a package's folder and for the finished file, which replaces `out` in the end.

    Parameters
    ----------
    out : Path
        From `check_target`.

    Yields
    ------
    package, finished : Path
        In a hidden folder beside `out` that is removed in any case; neither exists yet.

    Raises
    ------
    BuildError
        The system refused something; `out` is as it was.
    """
    staging: Path | None = None
    try:
        # A short prefix: the file's own name may be as long as names can be.
        staging = Path(tempfile.mkdtemp(prefix=".dlpk-", dir=out.parent))
        finished = staging / "finished.dlpk"
        yield staging / "package", finished
        os.replace(finished, out)
    except OSError as error:
        raise BuildError(_reason(error, out)) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def check_target(out: Path) -> Path:
    """Check that a package can be written, before anything is computed.

    Raises
    ------
    BuildError
        Says what is in the way.
    """
    if out.suffix.lower() != ".dlpk":
        raise BuildError(f"{out} does not end in .dlpk, which ArcGIS knows packages by")
    if out.is_dir():
        raise BuildError(f"{out} is a folder: name a file")
    if not out.parent.is_dir():
        raise BuildError(f"the folder {out.parent} does not exist: make it first")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise BuildError(
            f"the folder {out.parent} cannot be written to: choose another, or ask its owner"
        )
    return out


def _reason(error: OSError, out: Path) -> str:
    if error.errno in DISK_FULL:
        return (
            f"the disk of {out.parent} is full ({error.strerror}): make room or choose another "
            f"folder; {out.name} was not written"
        )
    return f"building {out} failed: {error}; it was not written"
