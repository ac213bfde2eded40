"""A picture of a result: the scene, the classes over it, and the legend."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from builder.target import replacing

from ..raster.dataset import Raster
from ..raster.gdal_files import open_raster
from ..raster.stretch import find_range
from .geotiff import check_png
from .legend import LegendEntry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 1200
OPACITY = 0.55


def draw(
    raster: Raster,
    result: str | Path,
    legend: Sequence[LegendEntry],
    out: str | Path,
) -> Path:
    """Draw a PNG with the scene on the left and the classes over it on the right.

    Parameters
    ----------
    raster : Raster
        What was classified.
    result : path
        The classified raster, or probabilities (then the first band is drawn).
    legend : sequence of LegendEntry
        Classes; empty for probabilities.
    out : path
        File to write.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    target = check_png(out)
    scale = min(1.0, SIDE / max(raster.width, raster.height))
    columns, rows = max(1, round(raster.width * scale)), max(1, round(raster.height * scale))
    scene = _scene(raster, rows, columns)
    # Not as a `Raster`, which would turn classes into the colours of their table.
    dataset = open_raster(str(result))
    band = dataset.GetRasterBand(1)
    values = band.ReadAsArray(buf_xsize=columns, buf_ysize=rows)
    valid = band.GetMaskBand().ReadAsArray(buf_xsize=columns, buf_ysize=rows) > 0

    ratio = columns / rows
    height = 6.0
    width = max(5.0, min(18.0, 2 * height * ratio + 0.6))
    figure = Figure(figsize=(width, height + 1.1), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(scene, interpolation="nearest")
    left.set_title("scene")
    if legend:
        right.imshow(_overlaid(scene, values, valid, legend), interpolation="nearest")
        right.set_title("classes over scene")
        total = max(1, int(valid.sum()))
        handles = [
            Patch(
                facecolor="#{:02x}{:02x}{:02x}".format(*entry.color),
                edgecolor="black",
                label=f"{_short(entry.name)} ({(values[valid] == entry.value).sum() / total:.1%})",
            )
            for entry in legend[:24]
        ]
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(6, len(handles)), frameon=False
        )
    else:
        numbers = np.where(valid, values, np.nan).astype(np.float64)
        known = numbers[np.isfinite(numbers)]
        low, high = min(0.0, known.min(initial=0.0)), max(1.0, known.max(initial=1.0))
        shown = right.imshow(numbers, vmin=low, vmax=high, cmap="viridis")
        right.set_title(_short(band.GetDescription() or "band 1"))
        figure.colorbar(shown, ax=right, fraction=0.046)
    for axes in (left, right):
        axes.set_axis_off()
    _save(figure, target)
    return target


def _save(figure: Figure, target: Path) -> None:
    with replacing(target) as beside, warnings.catch_warnings():
        # Names of classes may be in any script; the font has boxes for some.
        warnings.simplefilter("ignore")
        figure.savefig(beside, format="png", metadata={"Software": None})


def _scene(raster: Raster, rows: int, columns: int) -> np.ndarray:
    """Red, green and blue from 0 to 1; the first band alone if there are fewer than three."""
    bands = [0, 1, 2] if raster.count >= 3 else [0]
    parts = []
    for values, mask in zip(*raster.read_reduced(bands, rows, columns, average=True)):
        valid = mask > 0
        low, high = (
            (0.0, 255.0) if raster.dtype == np.uint8 else find_range(values[valid], "percent-clip")
        )
        stretched = np.clip((values.astype(np.float64) - low) / max(high - low, 1e-12), 0, 1)
        parts.append(np.where(valid, np.nan_to_num(stretched), 1.0))
    return np.stack(parts if len(parts) == 3 else parts * 3, axis=-1)


def _overlaid(
    scene: np.ndarray, values: np.ndarray, valid: np.ndarray, legend: Sequence[LegendEntry]
) -> np.ndarray:
    # A paler scene lets the colours of the classes speak.
    picture = 0.35 + 0.65 * scene
    for entry in legend:
        where = (values == entry.value) & valid
        color = np.array(entry.color) / 255
        picture[where] = (1 - OPACITY) * scene[where] + OPACITY * color
    return picture


def _short(name: str) -> str:
    # A lone dollar sign would start a formula.
    text = name if len(name) <= 40 else name[:39] + "…"
    return text.replace("$", r"\$")
