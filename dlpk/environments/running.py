"""Running a package in another environment, in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ReleaseError
from .runner import ANSWER, START, result_name

HOME = Path(__file__).resolve().parents[2]
OWN = ("dlpk", "builder", "schemas", "model_extension")


@dataclass(frozen=True)
class Answer:
    """What a package did in an environment.

    Parameters
    ----------
    versions : mapping
        Of Python and the libraries in use.
    seconds : float or None
        That the dialog took; None if it did not open.
    error : str
        What failed; empty if nothing did.
    missing : str
        The module that was not there, if that is the reason.
    said : sequence of str
        Warnings.
    results : sequence of mapping
        Per call ``pixels`` and ``mask``; of detectors the outlines, in pixels.
    """

    versions: Mapping[str, str]
    seconds: float | None
    error: str
    missing: str
    said: Sequence[str]
    results: Sequence[Mapping[str, np.ndarray]]

    @property
    def environment(self) -> str:
        """Python and libraries with their versions, in words."""
        return ", ".join(f"{name} {text}" for name, text in self.versions.items())


def run_in(python: str | Path, package: str, calls: Path, folder: Path, device: int) -> Answer:
    """Run a package's dialog and kept calls with an interpreter.

    Parameters
    ----------
    package : str
        Path, or model definition as text.
    calls : Path
        Folder with calls, see `dlpk.harness.replay`, in folders 0, 1, ….
    folder : Path
        Made, for the results.
    device : int
        As functions get it.

    Raises
    ------
    ReleaseError
        The process gave no answer.
    """
    folder.mkdir()
    start = START.format(own=set(OWN), home=str(HOME))
    words = [package, str(calls), str(folder), str(device)]
    try:
        done = subprocess.run(
            [str(python), "-I", "-X", "utf8", "-c", start, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        content = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if error.filename == str(python):
            raise ReleaseError(f"{python} does not start: remove its environment") from error
        raise ReleaseError(f"the process gave no answer: {_ending(done)}") from error
    except OSError as error:
        raise ReleaseError(f"{python} does not start: {error}") from error
    results = []
    for number in range(len(list(folder.glob("result-*.npz")))):
        with np.load(folder / result_name(number), allow_pickle=False) as arrays:
            results.append(dict(arrays))
    return Answer(
        versions=content["versions"],
        seconds=content.get("seconds"),
        error=content.get("error", ""),
        missing=content.get("missing", ""),
        said=content["said"],
        results=results,
    )


def _ending(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        try:
            return f"it was ended by {signal.Signals(-done.returncode).name}"
        except ValueError:
            return f"it was ended by signal {-done.returncode}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return (lines or [f"it ended with code {done.returncode}"])[-1].strip()
