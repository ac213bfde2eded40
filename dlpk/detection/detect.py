"""Detect Objects Using Deep Learning: run a package over a raster, into a file of features."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from osgeo import ogr

from ..classification.loaded_model import LoadedModel
from ..classification.model import Area
from ..classification.progress import Bar, Progress
from ..classification.session import Session
from ..errors import ArgumentsError, CancelledError
from ..harness.arguments import merged_arguments
from ..harness.environment import Say
from ..harness.features import TEXT, WHOLE, Field, geometry_type, output_fields
from ..harness.phases import DETECT_OBJECTS
from ..harness.settings import Settings
from ..package.open import Package
from ..polygons.layer import PolygonLayer, check_layer
from ..raster.dataset import Raster
from ..raster.extent import Extent
from ..raster.files import check_unchanged, file_states, files_of, named_files
from ..raster.gdal_config import threads
from ..raster.mosaic import mosaic, mosaic_label
from .blocks import Found, find_in_block
from .overlap import without_duplicates

OGR_TYPES = {TEXT: ogr.OFTString, WHOLE: ogr.OFTInteger64}
OGR_GEOMETRIES = {
    1: ogr.wkbPoint,
    2: ogr.wkbMultiPoint,
    3: ogr.wkbMultiLineString,
    4: ogr.wkbMultiPolygon,
}
# Where Esri's functions write how sure they are, and what of.
CONFIDENCE_FIELD = "confidence"
CLASS_FIELDS = ("classvalue", "value", "class", "classname")


@dataclass(frozen=True)
class Detected:
    """What a run leaves.

    Parameters
    ----------
    path : Path
        The file of features.
    counts : mapping
        Features per class, where the function names classes.
    removed : int
        Duplicates that were left out.
    arguments : mapping
        What the function was given.
    """

    path: Path
    features: int
    counts: Mapping[str, int]
    removed: int
    arguments: Mapping[str, Any]

    def to_text(self) -> str:
        """The result in a few lines for people."""
        gone = f", {self.removed:,} duplicates left out" if self.removed else ""
        lines = [f"{self.path}: {self.features:,} features{gone}"]
        lines += [f"  {name}: {count:,}" for name, count in sorted(self.counts.items())]
        return "\n".join(lines)


class _Detector(LoadedModel):
    tool = DETECT_OBJECTS


def detect(
    package: str | Path | Package,
    raster: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    prompt: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    max_overlap_ratio: float | None = None,
    extent: Extent | Area | None = None,
    cell_size: float | None = None,
    settings: Settings | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    quiet: bool = True,
    say: Say | None = None,
) -> Detected:
    """Run a package over a raster as *Detect Objects Using Deep Learning* does.

    Parameters
    ----------
    package : path, str or Package
        A .dlpk, a folder, an .emd, a model definition as JSON text, or what `dlpk.package.open`
        opened.
    raster : path, str or several
        Anything GDAL opens; several are put together as one mosaic.
    out : path
        File to write: ``.gpkg``, ``.geojson``, ``.fgb`` or ``.shp``; replaced if it exists.
    prompt : str, optional
        The argument ``text_prompt``.
    arguments : mapping, optional
        Other arguments of the function, by name.
    max_overlap_ratio : float, optional
        0 to 1. Of two polygons that overlap by more (intersection over union), the less confident
        is left out, as by Esri's tool *Non Maximum Suppression*. By default all stay, as in the
        tool: the same object may come from several blocks.
    extent, cell_size, settings, progress, quiet
        See `dlpk.classification.model.Model.classify`.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    say : callable, optional
        Takes level and text of what the function says.

    Raises
    ------
    DlpkError
        Names what is wrong; nothing is left half-written.
    """
    if max_overlap_ratio is not None and not 0 <= max_overlap_ratio <= 1:
        raise ArgumentsError(f"the maximum overlap ratio is {max_overlap_ratio!r}, not 0 to 1")
    settings, given = settings or Settings(), merged_arguments(prompt, arguments)
    area = Extent(*extent) if isinstance(extent, tuple) else extent
    names = [str(raster)] if isinstance(raster, (str, Path)) else [str(name) for name in raster]
    with ExitStack() as stack:
        model = _Detector(package, device=device, say=say)
        stack.callback(model.close)
        opened = model.package
        inputs = [*files_of(names), str(opened.archive or opened.root or os.devnull)]
        for value in given.values():
            inputs += named_files(str(value))
        target = check_layer(out, inputs).absolute()
        states = file_states(inputs)
        stack.enter_context(threads())
        source = Raster(
            mosaic(names, stack, settings.resampling),
            extent=area,
            cell_size=cell_size,
            resampling=settings.resampling,
            label=mosaic_label(names),
        )
        if progress is None and not quiet:
            progress = stack.enter_context(closing(Bar("detect")))
        session = stack.enter_context(model.session(source, given, settings))
        fields, geometry = output_fields(session.function), geometry_type(session.function)
        found = _all_found(session, geometry, fields, progress, target)
        removed = 0
        if max_overlap_ratio is not None:
            if geometry != 4:
                raise ArgumentsError(
                    "the maximum overlap ratio is for functions that find polygons"
                )
            every = list(found)
            kept = _kept(every, fields, max_overlap_ratio)
            removed, found = len(every) - len(kept), iter(kept)
        counts: Counter[str] = Counter()
        features, named = 0, _class_field(fields, for_people=True)
        kinds = [(field.name, OGR_TYPES.get(field.kind, ogr.OFTReal)) for field in fields]
        system = source.dataset.GetSpatialRef()
        with PolygonLayer(target, system, kinds, OGR_GEOMETRIES[geometry]) as layer:
            for item in found:
                layer.add(shapely.to_wkb(item.shape), item.values)
                features += 1
                if named is not None and item.values[named] is not None:
                    counts[str(item.values[named])] += 1
            check_unchanged(states)
            layer.finish()
    return Detected(target, features, dict(counts), removed, dict(session.scalars))


def _all_found(
    session: Session,
    geometry: int,
    fields: Sequence[Field],
    progress: Progress | None,
    target: Path,
) -> Iterator[Found]:
    done, total = 0, session.raster.width * session.raster.height
    for block in session.grid.blocks():
        yield from find_in_block(session, block, geometry, fields)
        done += block.used_width * block.used_height
        if progress is not None and progress(done, total) is False:
            raise CancelledError(f"stopped; {target} is not written")


def _class_field(fields: Sequence[Field], *, for_people: bool = False) -> int | None:
    """Where the class stands; the tool looks for its value first, people for its name."""
    places = {field.name.casefold(): place for place, field in enumerate(fields)}
    order = CLASS_FIELDS[2:] + CLASS_FIELDS[:2] if for_people else CLASS_FIELDS
    return next((places[name] for name in order if name in places), None)


def _kept(found: Sequence[Found], fields: Sequence[Field], ratio: float) -> list[Found]:
    places = {field.name.casefold(): place for place, field in enumerate(fields)}
    if CONFIDENCE_FIELD not in places:
        raise ArgumentsError(
            "the function's features have no field Confidence, which tells duplicates apart: "
            "leave the maximum overlap ratio out"
        )
    sure = [item.values[places[CONFIDENCE_FIELD]] for item in found]
    confidence = [value if isinstance(value, (int, float)) else -np.inf for value in sure]
    column = _class_field(fields)
    classes = [None if column is None else item.values[column] for item in found]
    chosen = without_duplicates([item.shape for item in found], confidence, classes, ratio)
    return [found[index] for index in chosen]
