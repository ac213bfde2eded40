"""A folder that `dlpk pack` makes a package of: function, model definition, network and a test."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Any

from builder.json_files import emd_bytes
from builder.naming import file_stem
from builder.pixelwise import FUNCTION, Network, function_text, model_definition, shared_files
from builder.scratch import scratch_folder

from ..errors import AuthoringError, OutputError
from .classes import read_classes
from .normalisation import choose

LARGEST_TILE = 4096
ACTIVATIONS = ("softmax", "sigmoid", "probabilities", "regression")


@dataclass(frozen=True)
class Made:
    """A folder that was written.

    Parameters
    ----------
    folder : Path
    lines : tuple of str
        What was found out of the model, and what the user should know.
    difference : float or None
        Largest difference between the function's values and those of the model called directly.
    """

    folder: Path
    lines: tuple[str, ...]
    difference: float | None = None

    def to_text(self) -> str:
        """What was made, for people."""
        return "\n".join((f"{self.folder}", *(f"  {line}" for line in self.lines)))


def new(
    folder: str | Path,
    *,
    model: str | Path,
    classes: str | Path | Sequence[Any] | Mapping[Any, Any] | None = None,
    bands: Sequence[int] | None = None,
    tile: int | None = None,
    size_unit: int | None = None,
    activation: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    ranges: Sequence[Sequence[float]] | None = None,
    data_range: Sequence[float] | None = None,
    as_torch: bool = False,
    golden: str | Path | None = None,
    releases: Sequence[str] = (),
    tell: Callable[[str], None] = lambda text: None,
) -> Made:
    """Make the folder of a package from a model of one's own.

    The function that is written is compared with the model called directly.

    Parameters
    ----------
    folder : path
        To be made; its name becomes that of the function.
    model : path
        A TorchScript or ONNX file.
    classes : path, str, sequence or mapping, optional
        See `dlpk.authoring.classes.read_classes`; needed where the model does not name them.
    bands : sequence of int, optional
        Of the raster, counted from 1, in the network's order; the first ones by default.
    tile : int, optional
        Side of a tile in pixels; the model's own by default, else 512.
    size_unit : int, optional
        What sides of tiles have to be multiples of; found out by default.
    activation : str, optional
        ``softmax`` (one class per pixel), ``sigmoid`` (each class for itself), ``probabilities``
        (the network ends with either) or ``regression`` (continuous values).
    mean, std, scale, ranges, data_range
        See `dlpk.authoring.normalisation.choose`.
    as_torch : bool
        Convert ONNX to TorchScript.
    golden : path, optional
        Raster to cut golden chips from, which `dlpk.test` compares with later.
    releases : sequence of str
        Of ArcGIS Pro, such as 3.3, with whose Python and torch it has to run: see
        `dlpk.testing.release_checks.check_releases`. The description names them.
    tell : callable, optional
        Takes a line before an environment is made.

    Raises
    ------
    AuthoringError
        The model is none for pixels, something about it has to be said, or it does not run in one
        of the releases; nothing is written.
    """
    from . import probe
    from .check import compare
    from .export import export
    from .recognise import read_model

    if activation not in (None, *ACTIVATIONS):
        raise AuthoringError(f"activation is {activation!r}; it is one of {', '.join(ACTIVATIONS)}")
    if tile is not None and not 1 <= tile <= LARGEST_TILE:
        raise AuthoringError(f"a tile of {tile} pixels: it must be from 1 to {LARGEST_TILE:,}")
    target = Path(folder)
    name = function_name(target)
    check_target(target)
    original = read_model(Path(model), as_torch=as_torch)
    count = len(bands) if bands else original.bands or 3
    chosen = tuple(range(1, count + 1)) if not bands else tuple(bands)
    if min(chosen) < 1:
        raise AuthoringError(f"bands are counted from 1; there is {min(chosen)}")
    if bands and original.bands not in (None, count):
        raise AuthoringError(
            f"the model takes {original.bands} bands, and {count} are named: "
            f"{', '.join(map(str, bands))}"
        )
    tile_size = tile or original.tile_size or probe.DEFAULT_TILE
    answers = probe.ask(original.call, count, tile_size)
    kind = activation or original.activation or _activation(answers)
    known = classes if classes is not None else original.names
    if kind == "regression" and known is None:
        known = [f"value {number}" for number in range(1, answers.outputs + 1)]
    entries = _classes(known, answers.outputs)
    normalisation = choose(
        original,
        count,
        mean=mean,
        std=std,
        scale=scale,
        ranges=ranges,
        data_range=data_range,
    )
    import torch

    from model_extension.pixelwise.network import load, main_output

    with staged(target) as staging:
        file = export(original, count, tile_size, staging)
        exported = load(str(staging / file), torch.device("cpu"))

        def one_by_one(tiles: Any) -> Any:
            return torch.cat([main_output(exported(tile)) for tile in tiles.split(1)])

        worst = probe.difference(original.call, exported, probe.tiles(count, tile_size, tile_size))
        if worst > probe.TOLERANCE:
            raise AuthoringError(
                f"the exported network differs from the model by {worst:.1e}, more than "
                f"{probe.TOLERANCE:g}: it takes decisions that an export does not follow"
            )
        wanted = size_unit or original.size_unit
        if size_unit and size_unit != tile_size:
            fits = tile_size % size_unit == 0
            if not fits or not probe.takes(original.call, exported, count, answers, size_unit):
                raise AuthoringError(
                    f"sides of tiles cannot be any multiple of {size_unit}: leave --size-unit out"
                )
        unit = wanted or probe.size_unit(original.call, exported, count, answers, tile_size)
        two = probe.tiles(count, tile_size, tile_size, 2)
        batches = probe.difference(exported, one_by_one, two)
        network = Network(
            file=file,
            outputs=answers.outputs,
            activation=kind,
            bands=[band - 1 for band in chosen],
            mean=normalisation.mean,
            std=normalisation.std,
            data_range=normalisation.data_range,
            classes=entries,
            tile_size=tile_size,
            size_unit=unit,
            largest_batch=None if batches <= probe.TOLERANCE else 1,
        )
        emd = model_definition(name, f"Made of {Path(model).name} ({original.kind}).", network)
        (staging / f"{name}.emd").write_bytes(emd_bytes(emd))
        (staging / f"{name}.py").write_text(function_text(FUNCTION, name), "utf-8")
        for path, source in shared_files():
            (staging / path).parent.mkdir(exist_ok=True)
            (staging / path).write_bytes(source.read_bytes())
        found = compare(staging, original, network)
        lines = list(_lines(original, network, normalisation.assumed, found))
        if releases:
            from .fitting import fit

            ran, unknown = fit(staging, releases, tell)
            lines += unknown
            if ran:
                told = f"Runs with the Python and torch of ArcGIS Pro {', '.join(ran)}."
                emd["Description"] += f" {told}"
                lines.append(told[0].lower() + told[1:-1])
                (staging / f"{name}.emd").write_bytes(emd_bytes(emd))
        if golden is not None:
            from ..testing.golden_chips import make_golden

            make_golden(staging, golden, staging)
    return Made(target, tuple(lines), found)


def function_name(folder: Path) -> str:
    """The name of a function in a folder of this name: that of a class in Python."""
    stem = re.sub(r"\W", "_", file_stem(folder.absolute().name))
    # Python finds the function's file before any other module of its name.
    taken = stem[0].isdigit() or iskeyword(stem) or find_spec(stem) is not None
    return f"Model_{stem}" if taken else stem


def check_target(folder: Path) -> None:
    """Check that a folder can be made.

    Raises
    ------
    AuthoringError
        Something is there, or its parent is not.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if os.path.lexists(folder):
        raise AuthoringError(f"{folder} is there already: name a folder that is not, or is empty")
    if not folder.absolute().parent.is_dir():
        raise AuthoringError(f"the folder {folder.absolute().parent} does not exist: make it first")


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder beside `target` that takes its place when the block ends well."""
    try:
        with scratch_folder(target.absolute().parent) as scratch:
            (scratch / "package").mkdir()
            yield scratch / "package"
            if target.is_dir():
                target.rmdir()
            os.replace(scratch / "package", target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error


def _activation(answers: Any) -> str:
    if answers.probabilities:
        return "probabilities"
    return "sigmoid" if answers.outputs == 1 else "softmax"


def _classes(given: Any, outputs: int) -> list[dict[str, Any]]:
    if given is None:
        raise AuthoringError(
            f"the model gives {outputs} value{'s' if outputs > 1 else ''} per pixel and does not "
            f"name them: say what they are with --classes, {outputs} name"
            f"{'s' if outputs > 1 else ''} in their order; or --activation regression"
        )
    entries = read_classes(given)
    if len(entries) != outputs:
        raise AuthoringError(
            f"{len(entries)} classes are named and the model gives {outputs} values per pixel: "
            "name every one in their order, a background with the value 0 too"
        )
    return entries


def _lines(original: Any, network: Network, assumed: bool, found: float) -> Iterator[str]:
    sizes = (
        f"tiles of {network.tile_size} pixels and no others"
        if network.size_unit == network.tile_size
        else f"tiles of {network.tile_size} pixels, or another multiple of {network.size_unit}"
    )
    bands = ", ".join(str(band + 1) for band in network.bands)
    yield f"{original.kind}: bands {bands}; {sizes}"
    yield f"outputs: {network.outputs}, {network.activation}"
    if network.activation != "regression":
        names = ", ".join(f"{entry['Value']} {entry['Name']}" for entry in network.classes)
        yield f"classes: {names}"
    yield f"the function differs from the model called directly by {found:.1e} at most"
    if assumed:
        yield (
            "nothing tells how values were normalised in training: they are divided by 255; say "
            "--mean and --std, --scale or --ranges if that is wrong"
        )
    if network.file.endswith(".onnx"):
        yield (
            "onnxruntime runs it, which the deep learning libraries bring for ArcGIS Pro 3.3 and "
            "later (from Esri's list, not tried); with --model, --as-torch makes it independent "
            "of that"
        )
