"""What a run leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..output.legend import LegendEntry

# Failures that a text names.
MOST_LISTED = 10


@dataclass(frozen=True)
class Classified:
    """A result.

    Parameters
    ----------
    path : Path
        The GeoTIFF.
    legend : tuple of LegendEntry
        Classes; empty for continuous values.
    counts : mapping
        Pixels per class value.
    arguments : mapping
        What the function was given.
    failed : tuple of str
        Why blocks failed that have no data for that reason; only runs on a cluster go on then.
    """

    path: Path
    width: int
    height: int
    bands: int
    legend: tuple[LegendEntry, ...]
    counts: Mapping[int, int]
    arguments: Mapping[str, Any]
    failed: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The result in a few lines for people."""
        lines = [f"{self.path}: {self.width} x {self.height} pixels, {self.bands} band(s)"]
        total = max(1, self.width * self.height)
        for entry in self.legend:
            count = self.counts.get(entry.value, 0)
            lines.append(
                f"  {entry.value:>3}  {entry.name}: {count:,} pixels ({count / total:.2%})"
            )
        if self.failed:
            lines.append(
                f"  incomplete: {len(self.failed)} blocks failed and have no data; the same "
                "command with --resume tries them again"
            )
            lines += [f"    {reason}" for reason in self.failed[:MOST_LISTED]]
        return "\n".join(lines)


@dataclass(frozen=True)
class Prediction:
    """The result for an array; ``labels, mask = prediction`` takes it apart.

    Parameters
    ----------
    labels : ndarray
        Class values, shape (rows, columns); or whatever else the function delivers, such as
        probabilities, shape (bands, rows, columns).
    mask : ndarray
        bool, the same shape: where the result has data.
    legend : tuple of LegendEntry
        Classes; empty for values that are no classes.
    names : tuple of str
        Of the bands, empty where the function gives none.
    """

    labels: np.ndarray
    mask: np.ndarray
    legend: tuple[LegendEntry, ...]
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[np.ndarray]:
        """Labels, then the mask."""
        return iter((self.labels, self.mask))
