"""One run of a raster function over a raster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DlpkError, FunctionError, OutputError
from ..harness.answers import Configuration, OutputInfo
from ..harness.arguments import argument_scalars
from ..harness.calls import Function
from ..harness.loader import function_path, load_class
from ..harness.phases import initialize, make, model_argument, validation_phase
from ..harness.request import Call, Request, save_call
from ..harness.settings import Settings
from ..package.open import Package
from ..raster.dataset import Raster
from ..raster.grid import Block, BlockGrid
from ..raster.sampling import find_stretch
from ..raster.stretch import Stretch
from .raster_info import (
    COMPOSITE,
    check_place,
    choose_bands,
    dataset_metadata,
    output_template,
    raster_info,
    raster_parameter,
)

AS_TEXT = (
    "arguments are handed over as text, as from the table in the tool's dialog; "
    "--set arguments_as=typed shows whether that is the reason"
)


def _is_about_text(cause: BaseException | None) -> bool:
    """Whether an error comes from a text in the place of a number."""
    words = re.search(r"\b(str|string|StrDType)\b|<U\d", str(cause))
    return isinstance(cause, (TypeError, ValueError)) and words is not None


class Read(NamedTuple):
    """What the raster holds for a block.

    Parameters
    ----------
    pixels, mask : ndarray
        Shape (bands, rows + 2 · padding, columns + 2 · padding); the mask is uint8, 1 where there
        is data.
    valid : ndarray or None
        bool, shape (rows, columns): where the block has data that counts. None: see `Run.valid`.
    """

    pixels: np.ndarray
    mask: np.ndarray
    valid: np.ndarray | None = None


@dataclass(frozen=True)
class Run:
    """A function that has been configured for a raster.

    Parameters
    ----------
    package : Package
    raster : Raster
    functions : tuple of Function
        Usually one; several stand for the worker processes of ArcGIS.
    device : int
        As the function gets it.
    scalars, described : mapping
        What ``getConfiguration`` and ``updateRasterInfo`` were given.
    configuration : Configuration
    info : OutputInfo
    bands : tuple of int
        0-based bands that the function reads.
    stretch : Stretch or None
    key : str
        Name of the raster parameter; pixel blocks are called after it.
    several : bool
        Whether that parameter takes several rasters.
    settings : Settings
    """

    package: Package
    raster: Raster
    functions: tuple[Function, ...]
    device: int
    scalars: Mapping[str, Any]
    described: Mapping[str, Any]
    configuration: Configuration
    info: OutputInfo
    bands: tuple[int, ...]
    stretch: Stretch | None
    key: str
    several: bool
    settings: Settings

    @classmethod
    def start(
        cls,
        package: Package,
        raster: Raster,
        given: Mapping[str, Any],
        device: int,
        settings: Settings,
    ) -> Run:
        """Take a function through the calls that come before the first block.

        Both phases: the tool's dialog without a device, then the run.

        Raises
        ------
        DlpkError
            The package, an argument or the raster does not fit.
        """
        made = load_class(function_path(package))
        first, declared = validation_phase(made, package)
        scalars = argument_scalars(declared, given, written_as=settings.arguments_as)
        early = scalars if settings.initialize_with == "arguments" else None
        functions = [
            first if settings.phases == "shared" and worker == 0 else make(made, package)
            for worker in range(settings.workers)
        ]
        for function in functions:
            initialize(function, package, device, early)
            key, several = raster_parameter(function.parameters())
            try:
                configuration = function.configuration(scalars, settings.default_block)
            except FunctionError as error:
                # Errors of a function's own making say what is wrong with an argument.
                by_python = type(error.__cause__).__module__ == "builtins"
                if settings.arguments_as == "typed" or not by_python:
                    raise
                raise FunctionError(f"{error}\n  {AS_TEXT}") from error
            bands = choose_bands(configuration.bands, raster)
            stretch = None
            if configuration.data_range is not None:
                stretch = find_stretch(raster, bands, configuration.data_range, settings.stretch)
            source = raster_info(raster, bands, stretch, settings.statistics)
            template = output_template(source, configuration)
            described: dict[str, Any] = {
                **scalars,
                "model": model_argument(package),
                "device": device,
                f"{key}_info": (source,) if several else source,
                "output_info": template,
            }
            if configuration.composite:
                described[f"{COMPOSITE}_info"] = source
            wanted = configuration.raw.get("keyMetadata")
            if isinstance(wanted, (list, tuple)) and wanted:
                metadata = dataset_metadata(raster, wanted)
                described[f"{key}_keyMetadata"] = (metadata,) if several else metadata
            # The function may change what it gets; a call that is kept has to have it as it was.
            info = function.output_info({name: _copied(part) for name, part in described.items()})
            check_place(info, template)
        return cls(
            package=package,
            raster=raster,
            functions=tuple(functions),
            device=device,
            scalars=scalars,
            described=described,
            configuration=configuration,
            info=info,
            bands=bands,
            stretch=stretch,
            key=key,
            several=several,
            settings=settings,
        )

    @property
    def function(self) -> Function:
        """The function, or the first of several."""
        return self.functions[0]

    @property
    def grid(self) -> BlockGrid:
        """The blocks that the raster is asked for in."""
        wanted = self.configuration
        return BlockGrid(self.raster.width, self.raster.height, wanted.tx, wanted.ty, wanted.fixed)

    def process(
        self, block: Block, debug_block: Path | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Have one block processed.

        Parameters
        ----------
        block : Block
        debug_block : Path, optional
            Folder that the call is kept in if it fails.

        Returns
        -------
        pixels, mask : ndarray
            Shape (bands, rows, columns); the mask is 0 where the result has no data.

        Raises
        ------
        DlpkError
            The function failed or answered wrongly; names the block.
        """
        return self.answer(block, self.read(block), debug_block)

    def read(self, block: Block) -> Read:
        """Read a block, with the padding around it, stretched; calls nothing of the function.

        Raises
        ------
        RasterError
            The raster cannot be read there.
        """
        padding = self.configuration.padding
        pixels, mask = self.raster.read(
            self.bands,
            block.column - padding,
            block.row - padding,
            block.width + 2 * padding,
            block.height + 2 * padding,
            beyond=self.settings.beyond_edge,
        )
        if self.stretch is not None:
            pixels = self.stretch.apply(pixels)
            if self.settings.beyond_edge == "zero":
                pixels[mask == 0] = 0  # whatever the stretch makes of 0
        return Read(pixels, mask, self.valid(block, mask))

    def valid(self, block: Block, mask: np.ndarray) -> np.ndarray:
        """Which pixels of a block have data, bool, shape (rows, columns)."""
        covered = self.inside(block, mask) != 0
        found: np.ndarray = (
            covered.all(axis=0)
            if self.settings.valid_pixels == "all-bands"
            else covered.any(axis=0)
        )
        return found

    def answer(
        self, block: Block, read: Read, debug_block: Path | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Have the function process what was read; see `process`."""
        # Before the call: the function may write into its arrays.
        valid = self.valid(block, read.mask) if read.valid is None else read.valid
        function = self.functions[self._worker(block)]
        request = kept = None
        try:
            request = self.request(block, read, function)
            kept = request.copy() if debug_block is not None else request
            pixels, mask = function.pixels(
                request.tlc, request.shape, request.props, request.blocks
            )
        except DlpkError as error:
            lines = [str(error), *self._circumstances(block, kept, debug_block)]
            if self.settings.arguments_as != "typed" and _is_about_text(error.__cause__):
                lines.insert(1, AS_TEXT)
            raise type(error)("\n  ".join(lines)) from error
        if mask is None:  # "simply use inherited NoData"
            mask = np.broadcast_to(valid, pixels.shape).astype(np.uint8)
        return pixels, mask

    def inside(self, block: Block, padded: np.ndarray) -> np.ndarray:
        """The part of what was read that is not padding, shape (bands, rows, columns)."""
        padding = self.configuration.padding
        return padded[:, padding : padding + block.height, padding : padding + block.width]

    def request(self, block: Block, read: Read, function: Function) -> Request:
        """The call for a block: what it needs of the raster is up to ``selectRasters``."""
        pixels, mask = read.pixels, read.mask
        if self.settings.single_band == "2-d" and len(pixels) == 1:
            pixels, mask = pixels[0], mask[0]
        tlc = self.raster.corner(block.column, block.row)
        if self.settings.corner_units == "pixels":
            tlc = (float(block.column), float(block.row))
        shape: tuple[int, ...] = (self.info.bands, block.height, block.width)
        if self.info.bands == 1 and self.settings.output_shape == "2-d":
            shape = shape[1:]
        props = self._props(block)
        blocks: dict[str, Any] = {}
        if function.selected(tlc, shape, props, self.key):
            blocks[f"{self.key}_pixels"] = (pixels,) if self.several else pixels
            if self.configuration.input_mask:
                blocks[f"{self.key}_mask"] = (mask,) if self.several else mask
            if self.configuration.composite:
                blocks[f"{COMPOSITE}_pixels"] = pixels.copy()
                if self.configuration.input_mask:
                    blocks[f"{COMPOSITE}_mask"] = mask.copy()
        return Request(tlc, shape, props, blocks)

    def _props(self, block: Block) -> dict[str, Any]:
        left, top = self.raster.corner(block.column, block.row)
        right, bottom = self.raster.corner(block.column + block.width, block.row + block.height)
        return {
            "extent": (min(left, right), min(top, bottom), max(left, right), max(top, bottom)),
            "pixelType": self.info.pixel_type,
            "spatialReference": self.raster.epsg,
            "cellSize": self.raster.cell_size,
            "width": block.width,
            "height": block.height,
            "noData": None if self.info.nodata is None else np.array([self.info.nodata]),
        }

    def _worker(self, block: Block) -> int:
        across = -(-self.raster.width // self.configuration.tx)
        number = block.row // self.configuration.ty * across + block.column // self.configuration.tx
        return number % len(self.functions)

    def _circumstances(
        self, block: Block, request: Request | None, debug_block: Path | None
    ) -> list[str]:
        """Block, call and arguments of a failure, and how to make the call again."""
        place = f"block at column {block.column}, row {block.row} of {self.raster.path}"
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.scalars.items())
        lines = [f"in the {place}", f"with the arguments {arguments or '(none)'}"]
        if request is None:
            return lines
        lines.insert(1, f"called as {request.to_text()}")
        if debug_block is None:
            return [*lines, "keep this call with --debug-block FOLDER and repeat it: dlpk replay"]
        # Not as it was given: the function may have changed the working directory.
        opened = self.package.archive or self.package.emd_path
        source = self.package.emd_text if opened is None else str(opened)
        call = Call(source, self.device, self.scalars, self.described, request)
        try:
            save_call(call, debug_block)
        except OutputError as error:
            return [*lines, str(error)]
        return [*lines, f"the call is kept, repeat it with: dlpk replay {debug_block}"]


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_copied(part) for part in value)
    return dict(value) if isinstance(value, dict) else value
