"""Virtual environments like those of ArcGIS Pro: made once, kept, and never used half-made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.scratch import one_at_a_time, scratch_folder

from ..errors import ArgumentsError, ReleaseError
from ..lint.releases import ASSUMED_NUMPY, PRO, VERSIONS
from .pythons import find_python

# Builds of torch for the processor: the package index has them for Windows and macOS only.
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
NEEDING_TORCH = ("torchvision", "transformers")
LIBRARIES = tuple(name for name in VERSIONS if name != "python")
"""What is installed, beside numpy, where a package imports it."""


@dataclass(frozen=True)
class Release:
    """An environment that is ready.

    Parameters
    ----------
    pro : str
        Such as 3.3.
    python : Path
        Its interpreter.
    """

    pro: str
    python: Path


def cache_folder() -> Path:
    """Where environments are kept: ``DLPK_CACHE``, or `dlpk` in the user's folder for caches."""
    own = os.environ.get("DLPK_CACHE")
    if own:
        return Path(own).absolute()
    if os.name == "nt" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "dlpk"
    usual = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(usual) if os.path.isabs(usual) else Path.home() / ".cache") / "dlpk"


def check_release(pro: str) -> None:
    """Check that a release is one that is known.

    Raises
    ------
    ArgumentsError
        Names those that are.
    """
    if pro not in PRO:
        raise ArgumentsError(f"nothing is known of ArcGIS Pro {pro!r}; known are {', '.join(PRO)}")


def releases_in(text: str) -> list[str]:
    """The releases that are meant by ``3.3``, ``3.3..3.7`` or ``3.3,3.6``.

    Raises
    ------
    ArgumentsError
        One is not known, or a range runs backwards.
    """
    found: list[str] = []
    for part in text.split(","):
        first, _, last = (end.strip() for end in part.partition(".."))
        for pro in (first, last or first):
            check_release(pro)
        part_of = PRO[PRO.index(first) : PRO.index(last or first) + 1]
        if not part_of:
            raise ArgumentsError(f"{last} is an earlier ArcGIS Pro than {first}: {last}..{first}")
        found += part_of
    return list(dict.fromkeys(found))


def requirements(pro: str, imported: Collection[str]) -> list[str]:
    """What to install for a release, as pip takes it.

    The last part of a version is left open: the package index has no torch 1.8.2, but 1.8.1.

    Parameters
    ----------
    imported : collection of str
        Top-level modules that a package imports.
    """
    wanted = [name for name in LIBRARIES if name in imported]
    if "torch" not in wanted and set(wanted) & set(NEEDING_TORCH):
        wanted.insert(0, "torch")
    versions = {"numpy": ASSUMED_NUMPY[pro], **{name: VERSIONS[name][pro] for name in wanted}}
    return [f"{name}=={'.'.join(text.split('.')[:2])}.*" for name, text in versions.items()]


def make_release(
    pro: str, imported: Collection[str], tell: Callable[[str], None] = lambda text: None
) -> Release:
    """Find the environment of a release, or make it with what the package index has.

    Parameters
    ----------
    pro : str
        Such as 3.3.
    imported : collection of str
        Top-level modules that a package imports; of those only libraries whose version in ArcGIS
        Pro is known are installed.
    tell : callable, optional
        Takes a line before something is made, which may take minutes.

    Raises
    ------
    ArgumentsError
        There is no such release.
    ReleaseError
        It cannot be had; says what is missing and how to get that.
    """
    check_release(pro)
    version, wanted = VERSIONS["python"][pro], requirements(pro, imported)
    place = cache_folder() / "environments"
    name = "-".join([f"python{version}", *(word.replace("==", "").rstrip(".*") for word in wanted)])
    target = place / name
    release = Release(pro, target / _interpreter())
    if target.is_dir():
        return release
    try:
        place.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(place):
            if not target.is_dir():  # somebody else may have made it meanwhile
                tell(f"making an environment like that of ArcGIS Pro {pro}, once, in {target}")
                with scratch_folder(place) as scratch:
                    _make(pro, version, wanted, scratch / "made")
                    os.rename(scratch / "made", target)
    except OSError as error:
        raise ReleaseError(f"{target} cannot be made: {error}") from error
    return release


def _interpreter() -> Path:
    return Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")


def _make(pro: str, version: str, wanted: Sequence[str], folder: Path) -> None:
    python, uv = find_python(version), shutil.which("uv")
    if python is None and uv is None:
        raise ReleaseError(
            f"ArcGIS Pro {pro} has Python {version}, which is not on this machine: install "
            f"python{version} so that it is on the PATH, or uv (pip install uv), which fetches it"
        )
    if python is not None:
        _run([python, "-m", "venv", str(folder)], f"Python {version} makes no environment")
    else:
        assert uv is not None
        _run(
            [uv, "venv", "--quiet", "--seed", "--python", version, str(folder)],
            f"ArcGIS Pro {pro} has Python {version}, which is not on this machine, and uv cannot "
            "fetch it",
        )
    pip = [str(folder / _interpreter()), "-m", "pip", "install", "--quiet", "--no-input"]
    pip += ["--disable-pip-version-check", "--only-binary", ":all:", "--retries", "1"]
    if sys.platform == "linux" and any(word.startswith("torch") for word in wanted):
        pip += ["--extra-index-url", CPU_BUILDS]
    what = f"the package index has not all of {', '.join(wanted)} for Python {version}"
    _run([*pip, *wanted], what)


def _run(command: Sequence[str], failure: str) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().lstrip().startswith("error")]
        why = (errors or lines or ["no message"])[-1].strip()
        raise ReleaseError(f"{failure}: {why}")
