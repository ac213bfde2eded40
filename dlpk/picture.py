"""A picture of a result: the scene, the classes over it, and the legend."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from osgeo import gdal

from .errors import OutputError
from .legend import LegendEntry
from .output import check_output
from .raster import Raster
from .stretch import find_range

SIDE = 1200
OPACITY = 0.55


def draw(
    raster: Raster,
    result: str | Path,
    legend: Sequence[LegendEntry],
    out: str | Path,
    *,
    title: str = "",
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
    title : str
        Line above the picture.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    target = check_output(out)
    scale = min(1.0, SIDE / max(raster.width, raster.height))
    columns, rows = max(1, round(raster.width * scale)), max(1, round(raster.height * scale))
    scene = _scene(raster, rows, columns)
    dataset = gdal.Open(str(result))
    band = dataset.GetRasterBand(1)
    values = band.ReadAsArray(buf_xsize=columns, buf_ysize=rows)
    valid = band.GetMaskBand().ReadAsArray(buf_xsize=columns, buf_ysize=rows) > 0

    ratio = columns / rows
    height = 6.0
    width = min(18.0, 2 * height * ratio + 0.6)
    figure = Figure(figsize=(width, height + 1.1), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
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
        shown = right.imshow(np.where(valid, values, np.nan), vmin=0, vmax=1, cmap="viridis")
        right.set_title(f"probability: {_short(band.GetDescription() or 'band 1')}")
        figure.colorbar(shown, ax=right, fraction=0.046)
    for axes in (left, right):
        axes.set_axis_off()
    if title:
        figure.suptitle(title)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        drawn = Path(folder) / "picture.png"
        try:
            figure.savefig(drawn, format="png", metadata={"Software": None})
            drawn.replace(target)
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error}") from error
    return target


def _scene(raster: Raster, rows: int, columns: int) -> np.ndarray:
    """Red, green and blue from 0 to 1; the first band alone if there are fewer than three."""
    dataset = raster.dataset
    numbers = [1, 2, 3] if raster.count >= 3 else [1, 1, 1]
    parts = []
    for number in numbers:
        band = dataset.GetRasterBand(number)
        size = {"buf_xsize": columns, "buf_ysize": rows}
        values = band.ReadAsArray(**size, resample_alg=gdal.GRIORA_Average).astype(np.float64)
        valid = band.GetMaskBand().ReadAsArray(**size) > 0
        low, high = (
            (0.0, 255.0) if raster.dtype == np.uint8 else find_range(values[valid], "percent-clip")
        )
        stretched = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
        parts.append(np.where(valid, np.nan_to_num(stretched), 1.0))
    return np.stack(parts, axis=-1)


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
