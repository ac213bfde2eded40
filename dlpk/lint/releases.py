"""What the Python of each ArcGIS Pro can import, from `releases.json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

Version = tuple[int, ...]


def version(text: str) -> Version:
    """Return ``1.8.2`` as a tuple of numbers."""
    return tuple(map(int, text.split(".")))


_TABLES: Final[dict[str, Any]] = json.loads(
    Path(__file__).with_name("releases.json").read_text("utf-8")
)
VERSIONS: Final[dict[str, dict[str, str]]] = _TABLES["versions"]
"""Version of Python and of a library in each release."""

ASSUMED_NUMPY: Final[dict[str, str]] = _TABLES["assumed"]["numpy"]
"""Version of numpy in each release, as it is taken for trying functions out: not documented."""

PRO: Final = tuple(VERSIONS["python"])
"""The releases of ArcGIS Pro that packages are judged for."""

BASE: Final = frozenset(_TABLES["every_arcgis_pro"])
"""Modules of ArcGIS Pro's own environment."""

SHIPPED: Final[dict[str, tuple[str, str]]] = {
    module: (row["first"], row["last"])
    for row in _TABLES["deep_learning_libraries"]
    for module in row["modules"]
}
"""First and last release whose deep learning libraries bring a module."""

NUMPY_REMOVED: Final[dict[str, dict[str, str]]] = _TABLES["numpy_removed"]
"""Names that a version of numpy removed, with what to write instead."""

_INTRODUCED: Final[dict[str, str]] = _TABLES["introduced"]
_STANDARD: Final[dict[str, dict[str, list[str]]]] = _TABLES["standard_library"]
_ADDED: Final = {name: version(v) for v, names in _STANDARD["added"].items() for name in names}
_REMOVED: Final = {name: version(v) for v, names in _STANDARD["removed"].items() for name in names}


def is_standard(module: str) -> bool:
    """Tell whether some Python from 3.9 has a module in its standard library."""
    return module in sys.stdlib_module_names or module in _ADDED or module in _REMOVED


def lacking(module: str) -> tuple[str, ...]:
    """Return the releases that cannot import a top level module: all if it is not known at all."""
    if is_standard(module):
        first, end = _ADDED.get(module, (3, 0)), _REMOVED.get(module, (4, 0))
        pythons = {pro: version(text) for pro, text in VERSIONS["python"].items()}
        return tuple(pro for pro in PRO if not first <= pythons[pro] < end)
    if module in BASE or module in ("__future__", "__main__"):
        return ()
    if module in SHIPPED:
        low, high = map(PRO.index, SHIPPED[module])
        return PRO[:low] + PRO[high + 1 :]
    return PRO


def introduced(name: str) -> str | None:
    """Return the version of its library that brought a part, such as ``torch.compile``.

    None if it has been there all the time, or is not known.
    """
    found = ""
    for part in _INTRODUCED:
        fits = name.startswith(part[:-1]) if part[-1] == "*" else f"{name}.".startswith(f"{part}.")
        found = part if fits and len(part) > len(found) else found
    return _INTRODUCED.get(found)


def older(library: str, than: str) -> tuple[str, ...]:
    """Return the releases whose version of a library, or of ``python``, is older."""
    return tuple(pro for pro, text in VERSIONS[library].items() if version(text) < version(than))


def written(releases: Sequence[str]) -> str:
    """Return releases in words: ``ArcGIS Pro 3.0 to 3.2, 3.6 and later``."""
    parts: list[str] = []
    indexes = [PRO.index(release) for release in releases]
    while indexes:
        run = 1
        while run < len(indexes) and indexes[run] == indexes[run - 1] + 1:
            run += 1
        first, last = PRO[indexes[0]], PRO[indexes[run - 1]]
        if last == PRO[-1] and first != PRO[0]:
            parts.append(f"{first} and later" if first != last else first)
        else:
            parts.append(first if run == 1 else f"{first} to {last}")
        indexes = indexes[run:]
    return "ArcGIS Pro " + ", ".join(parts)
