"""A package and its rasters behind the page."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from builder.scratch import scratch_folder
from model_extension.common.ground import pixel_metres

from ..classification.examples import MOST_EXAMPLES, gather_examples, write_examples
from ..classification.model import Model
from ..classification.raster_info import choose_bands
from ..errors import ArgumentsError, DlpkError, RasterError
from ..harness.devices import device_number
from ..harness.environment import Say, print_message
from ..harness.phases import check_tool
from ..output.legend import emd_classes
from ..package.open import open_package
from .map.pyramid import RGB, Pyramid, Tile
from .prompt_set import PromptMistake, PromptSet, definition_of
from .runs import Runs
from .worker import Worker

# Above this level a tile would need too many pixels of the raster to be computed.
MOST_REDUCED = 2
MOST_EXAMPLE_SETS = 100


class NotAgreedError(DlpkError):
    """The package's code must not run yet."""


class Studio:
    """A package and the rasters it is tried on; use it as ``with``.

    Until `agree` is called no code of the package runs.

    Parameters
    ----------
    package : path or str
        As `dlpk.open` takes it.
    rasters : sequence of path
        The only files that can be asked for, by their number.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    say : callable, optional
        Takes level and text of what the function says.

    Raises
    ------
    DlpkError
        The package or a raster cannot be opened, or do not fit together.
    """

    def __init__(
        self,
        package: str | Path,
        rasters: Sequence[str | Path],
        *,
        device: str = "auto",
        say: Say | None = None,
    ) -> None:
        device_number(device)
        with ExitStack() as stack:
            self.package = stack.enter_context(open_package(package))
            check_tool(self.package)
            self.definition = definition_of(self.package)
            bands = RGB if self.definition is None else tuple(self.definition.extract_bands)
            self.pyramids = [Pyramid(path, bands) for path in rasters]
            if self.definition is not None:
                for pyramid in self.pyramids:
                    choose_bands(bands, pyramid.raster)
            self._scratch = stack.enter_context(scratch_folder())
            self._stack = stack.pop_all()
        self.runs = Runs(self._scratch)
        self._device, self._say = device, say or print_message
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._examples: OrderedDict[tuple[int, tuple[str, ...]], str] = OrderedDict()

    def __enter__(self) -> Studio:
        """Use as ``with``."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop computing and close the package."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None
        self.runs.close()
        self._stack.close()

    @property
    def agreed(self) -> bool:
        """Whether the package's code may run."""
        return self._worker is not None

    def agree(self) -> None:
        """Let the package's code run from now on."""
        with self._lock:
            if self._worker is None:
                self._worker = Worker(self._open_model, self.pyramids)

    def _open_model(self) -> Model:
        return Model(self.package, device=self._device, say=self._say)

    def pyramid(self, raster: int) -> Pyramid:
        """A raster by its number.

        Raises
        ------
        RasterError
            There is none of that number.
        """
        if not 0 <= raster < len(self.pyramids):
            raise RasterError(
                f"raster {raster} is not there: they are 0 to {len(self.pyramids) - 1}"
            )
        return self.pyramids[raster]

    def to_json(self) -> dict[str, Any]:
        """What the page has to know at its start."""
        own = self.definition
        return {
            "package": {
                "name": self.package.name,
                "source": self.package.source,
                "description": str(self.package.emd.get("Description") or ""),
                "sha256": self.package.sha256,
                "prompts": own is not None,
                "words": list(own.prompt_names or ()) if own is not None else [],
                "threshold": own.threshold if own is not None else None,
                "text_prompt": own.prompt if own is not None else "",
            },
            "agreed": self.agreed,
            "most_reduced": MOST_REDUCED,
            "rasters": [self._raster_json(number) for number in range(len(self.pyramids))],
        }

    def _raster_json(self, number: int) -> dict[str, Any]:
        pyramid = self.pyramids[number]
        raster, area = pyramid.raster, pyramid.raster.extent
        metres = pixel_metres(
            {
                "cellSize": raster.cell_size,
                "spatialReference": raster.epsg,
                "extent": (area.xmin, area.ymin, area.xmax, area.ymax),
            }
        )
        system = raster.dataset.GetSpatialRef()
        return {
            "name": pyramid.name,
            "path": pyramid.path,
            "width": raster.width,
            "height": raster.height,
            "levels": pyramid.levels,
            "transform": list(raster.transform),
            "referenced": raster.is_referenced,
            "epsg": raster.epsg,
            "system": str(system.GetName() or "") if system is not None else "",
            "unit": _unit(system),
            "cell_size": list(raster.cell_size),
            "metres": metres if raster.is_referenced else None,
        }

    # Prompts ---------------------------------------------------------------------------------

    def prompt_set(
        self, raster: int, arguments: Mapping[str, Any], like: Sequence[str] = ()
    ) -> PromptSet | None:
        """Read the arguments of a run; None for a package that is not one of ours.

        Parameters
        ----------
        arguments : mapping
            Of the function, by name.
        like : sequence of str
            Examples in the raster, ``NAME=XMIN,YMIN,XMAX,YMAX``.

        Raises
        ------
        DlpkError
            Says what cannot be read.
        """
        given = {name: str(value) for name, value in arguments.items() if name != "image_prompt"}
        if self.definition is None:
            return None
        if like:
            given["image_prompt"] = self._image_prompt(raster, tuple(like))
        return PromptSet(self.definition, given)

    def _image_prompt(self, number: int, like: tuple[str, ...]) -> str:
        if len(like) > MOST_EXAMPLES:
            raise ArgumentsError(f"{len(like)} examples are more than {MOST_EXAMPLES}")
        pyramid = self.pyramid(number)
        with self._lock:
            if (number, like) not in self._examples:
                raster = pyramid.opened_again()
                digest = hashlib.sha256(repr((number, like)).encode()).hexdigest()[:16]
                self._examples[number, like] = write_examples(
                    gather_examples(like, None, None, raster),
                    raster,
                    {"path": pyramid.path},
                    self.package.emd,
                    "percent-clip",
                    self._scratch / digest,
                )
                while len(self._examples) > MOST_EXAMPLE_SETS:
                    self._examples.popitem(last=False)
            return self._examples[number, like]

    def plan(self, prompts: PromptSet | None) -> dict[str, Any]:
        """What the page decides about classes with."""
        if prompts is not None:
            return {"kind": "probabilities", **prompts.to_json()}
        classes = [
            {"value": entry.value, "name": entry.name, "color": list(entry.color)}
            for entry in emd_classes(self.package.emd)
        ]
        return {"kind": "values", "classes": classes, "bands": 1}

    # Tiles -----------------------------------------------------------------------------------

    def bands(
        self, raster: int, tile: Tile, arguments: Mapping[str, Any], like: Sequence[str] = ()
    ) -> Future[np.ndarray]:
        """What the page decides about classes with, for a tile.

        Parameters
        ----------
        arguments, like
            As in `prompt_set`.

        Returns
        -------
        Future of ndarray
            float32, shape (bands, 256, 256), see `dlpk.studio.worker.Worker.ask`.

        Raises
        ------
        DlpkError
            Nobody has agreed yet, the tile is not there, or an argument cannot be read.
        """
        prompts, worker = self._tile_of(raster, tile, arguments, like)
        wanted = dict(arguments) if prompts is None else prompts.band_arguments
        return worker.ask(raster, wanted, tile)

    def classes(
        self, raster: int, tile: Tile, arguments: Mapping[str, Any], like: Sequence[str] = ()
    ) -> Future[np.ndarray]:
        """Classes of a tile, decided by the function itself; see `bands`.

        Returns
        -------
        Future of ndarray
            float32, shape (1, 256, 256).
        """
        prompts, worker = self._tile_of(raster, tile, arguments, like)
        wanted = dict(arguments) if prompts is None else prompts.given
        return worker.ask(raster, {**wanted, **self._plain}, tile)

    def _tile_of(
        self, raster: int, tile: Tile, arguments: Mapping[str, Any], like: Sequence[str]
    ) -> tuple[PromptSet | None, Worker]:
        """Check what is asked for."""
        worker = self._agreed_worker()
        self.pyramid(raster).check(tile)
        if tile.level > MOST_REDUCED:
            raise RasterError(
                f"classes are computed from the raster's own pixels, up to level {MOST_REDUCED} "
                "(one pixel in 4 on each side): zoom in"
            )
        return self.prompt_set(raster, arguments, like), worker

    @property
    def _plain(self) -> dict[str, str]:
        """What makes a function of ours answer with classes."""
        return {} if self.definition is None else {"return_probability_raster": "False"}

    def _agreed_worker(self) -> Worker:
        if self._worker is None:
            raise NotAgreedError("the package's code must not run before you agree on the page")
        return self._worker

    def start_run(self, raster: int, arguments: Mapping[str, str], like: Sequence[str] = ()) -> str:
        """Begin to classify all of a raster.

        Parameters
        ----------
        arguments, like
            As in `prompt_set`.

        Returns
        -------
        str
            Its name in `runs`.

        Raises
        ------
        DlpkError
            Nobody has agreed yet, an argument cannot be read, or another run goes on.
        """
        self._agreed_worker()
        pyramid = self.pyramid(raster)
        prompts = self.prompt_set(raster, arguments, like)
        given = {name: value for name, value in arguments.items() if name != "image_prompt"}
        if prompts is not None:
            given["text_prompt"] = str(prompts.given["text_prompt"])
        package = {
            "package": self.package.source,
            "sha256": self.package.sha256,
            "device": self._device,
        }
        return self.runs.start(package, pyramid.path, given, like)

    def computed(self, raster: int, tile: Tile, arguments: Mapping[str, Any]) -> Future[np.ndarray]:
        """What the function itself answers for a tile, with arguments as they are.

        Returns
        -------
        Future of ndarray
            As of `bands`.

        Raises
        ------
        DlpkError
            Nobody has agreed yet, or too much is waiting.
        """
        return self._agreed_worker().ask(raster, arguments, tile)

    # Files -----------------------------------------------------------------------------------

    def new_file(self, name: str) -> Path:
        """Room for a file to download; the one before of that name goes."""
        with self._lock:
            home = self._scratch / "files"
            for old in home.glob(f"*/{name}"):
                old.unlink()
            folder = home / secrets.token_hex(8)
            folder.mkdir(parents=True)
            return folder / name

    def file(self, folder: str, name: str) -> Path:
        """A file that was made to be downloaded.

        Raises
        ------
        ArgumentsError
            It is not there, or not any more.
        """
        path = self._scratch / "files" / folder / name
        if not folder.isalnum() or not path.is_file():
            raise ArgumentsError("this file is not there (any more): make it again")
        return path


def _unit(system: Any) -> str:
    if system is None:
        return "px"
    if system.IsGeographic():
        return "°"
    name = str(system.GetLinearUnitsName() or "").lower()
    return "m" if name in ("metre", "meter", "m") else name


__all__ = ["MOST_REDUCED", "NotAgreedError", "PromptMistake", "Studio"]
