"""Classify Pixels Using Deep Learning: run a package over a raster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ArgumentsError
from ..harness.environment import Say
from ..package.open import Package
from ..raster.extent import Extent
from .model import Model
from .result import Classified


def classify(
    package: str | Path | Package,
    raster: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    device: str = "auto",
    say: Say | None = None,
    **options: Any,
) -> Classified:
    """Run a package over a raster as *Classify Pixels Using Deep Learning* does.

    For several rasters, open the package once: `dlpk.open`.

    Parameters
    ----------
    package, device, say
        See `dlpk.classification.model.Model`.
    **options
        Of `Model.classify`: ``prompt``, ``arguments``, ``extent`` and so on.

    Raises
    ------
    DlpkError
        Names what is wrong; nothing is left half-written.
    """
    with Model(package, device=device, say=say) as model:
        return model.classify(raster, out, **options)


def parse_extent(text: str) -> Extent:
    """Read ``xmin,ymin,xmax,ymax``.

    Raises
    ------
    ArgumentsError
        It is not four numbers.
    """
    try:
        xmin, ymin, xmax, ymax = (float(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise ArgumentsError(
            f"the extent {text!r} is not four numbers xmin,ymin,xmax,ymax"
        ) from error
    return Extent(xmin, ymin, xmax, ymax)
