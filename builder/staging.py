"""A package made beside its place, and put there when it is complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import OutputError

from .errors import BuildError
from .scratch import scratch_folder
from .target import check_targets

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def staged(out: Path) -> Iterator[tuple[Path, Path]]:
    """A folder to work in and the name of the finished file, which replaces `out` in the end.

    Parameters
    ----------
    out : Path
        From `check_target`.

    Yields
    ------
    folder, finished : Path
        In a hidden folder beside `out` that is removed in any case. `folder` is empty, `finished`
        is to be written.

    Raises
    ------
    BuildError
        The system refused something; `out` is as it was.
    """
    try:
        with scratch_folder(out.parent) as staging:
            (staging / "package").mkdir()
            yield staging / "package", staging / "finished.dlpk"
            os.replace(staging / "finished.dlpk", out)
    except OSError as error:
        raise BuildError(_reason(error, out)) from error


def check_target(out: Path, inputs: Iterable[str | os.PathLike[str]] = ()) -> Path:
    """Check that a package can be written, before anything is computed.

    Raises
    ------
    BuildError
        Says what is in the way; see `builder.target.check_targets`.
    """
    if out.suffix.lower() != ".dlpk":
        raise BuildError(f"{out} does not end in .dlpk, which ArcGIS knows packages by")
    try:
        check_targets([out], inputs)
    except OutputError as error:
        raise BuildError(str(error)) from error
    return out


def _reason(error: OSError, out: Path) -> str:
    if error.errno in DISK_FULL:
        return (
            f"the disk of {out.parent} is full ({error.strerror}): make room or choose another "
            f"folder; {out.name} was not written"
        )
    return f"building {out} failed: {error}; it was not written"
