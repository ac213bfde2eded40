"""Whether a folder that was made runs in the releases of ArcGIS Pro that it is meant for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import AuthoringError
from ..testing.release_checks import check_releases


def fit(
    folder: Path, releases: Sequence[str], tell: Callable[[str], None]
) -> tuple[list[str], list[str]]:
    """Run a function with the Python, torch and numpy of releases.

    Parameters
    ----------
    folder : Path
        With a model definition.
    releases : sequence of str
        Such as 3.3.
    tell : callable
        Takes a line before an environment is made.

    Returns
    -------
    fits : list of str
        The releases in which it runs, and answers as here.
    lines : list of str
        What is to be said of the others: nobody knows.

    Raises
    ------
    AuthoringError
        In one it fails, or answers otherwise.
    """
    fits, lines = [], []
    for pro in releases:
        for finding in check_releases(folder, [pro], device="cpu", tell=tell):
            if finding.rule in ("run/pro-fails", "run/pro-differs"):
                raise AuthoringError(f"{finding.message}. Ask for other releases with --pro")
            if finding.rule == "run/pro-runs":
                fits.append(pro)
            else:
                lines.append(finding.message)
    return fits, lines
