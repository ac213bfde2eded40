"""One run of a raster function over a raster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .arguments import argument_scalars
from .blocks import Block, BlockGrid
from .container import Package
from .contract import Configuration, Function, OutputInfo
from .described import (
    choose_bands,
    choose_nodata,
    output_template,
    raster_info,
    raster_parameter,
)
from .errors import ContractError, DlpkError
from .function import function_path, load_class
from .legend import LegendEntry, emd_classes, read_attribute_table
from .output import OutputRaster
from .phases import make, model_argument, validation_phase
from .raster import Raster
from .request import Call, Request, save_call
from .result import Classified
from .settings import Settings
from .stretch import Stretch


@dataclass(frozen=True)
class Run:
    """A function that has been configured for a raster.

    Parameters
    ----------
    package : Package
    raster : Raster
    function : Function
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
    settings : Settings
    """

    package: Package
    raster: Raster
    function: Function
    device: int
    scalars: Mapping[str, Any]
    described: Mapping[str, Any]
    configuration: Configuration
    info: OutputInfo
    bands: tuple[int, ...]
    stretch: Stretch | None
    key: str
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

        Both phases, on an object each: the tool's dialog without a device, then the run.

        Raises
        ------
        DlpkError
            The package, an argument or the raster does not fit.
        """
        made = load_class(function_path(package))
        scalars = argument_scalars(
            validation_phase(made, package), given, written_as=settings.arguments_as
        )
        function = make(made, package.root)
        function.initialize(model_argument(package), device)
        key = raster_parameter(function.parameters())
        configuration = function.configuration(scalars, settings.default_block)
        bands = choose_bands(configuration.bands, raster)
        stretch = None
        if configuration.data_range is not None:
            stretch = raster.find_stretch(bands, configuration.data_range, settings.stretch)
        described = {**scalars, "model": model_argument(package), "device": device}
        described[f"{key}_info"] = raster_info(raster, bands, stretch)
        described["output_info"] = output_template(raster, bands, stretch, configuration)
        # The function may change what it gets; a call that is kept has to have it as it was.
        info = function.output_info({name: _copied(value) for name, value in described.items()})
        return cls(
            package,
            raster,
            function,
            device,
            scalars,
            described,
            configuration,
            info,
            bands,
            stretch,
            key,
            settings,
        )

    @property
    def grid(self) -> BlockGrid:
        """The blocks that the raster is asked for in."""
        wanted = self.configuration
        return BlockGrid(self.raster.width, self.raster.height, wanted.tx, wanted.ty, wanted.fixed)

    def write(self, target: Path, *, quiet: bool, debug_block: Path | None = None) -> Classified:
        """Process all blocks and write the result.

        Parameters
        ----------
        target : Path
            GeoTIFF to write.
        quiet : bool
            No progress bar.
        debug_block : Path, optional
            Folder that the call is kept in if one fails.

        Returns
        -------
        Classified
        """
        legend = self._legend()
        nodata = choose_nodata(self.info, legend)
        with OutputRaster(
            target,
            self.raster,
            bands=self.info.bands,
            pixel_type=self.info.pixel_type,
            nodata=nodata,
            legend=legend,
            band_names=self._band_names(),
            tile=(self.configuration.tx, self.configuration.ty),
            tags=self._tags(),
        ) as output:
            for block in self._with_progress(quiet):
                pixels, mask = self.process(block, debug_block)
                pixels = pixels[:, : block.used_height, : block.used_width]
                mask = mask[:, : block.used_height, : block.used_width]
                if nodata is not None:
                    pixels = np.where(mask > 0, pixels, np.array(nodata, pixels.dtype))
                output.write(block.column, block.row, pixels)
            output.finish()
        return Classified(
            path=target,
            width=self.raster.width,
            height=self.raster.height,
            bands=self.info.bands,
            legend=tuple(legend),
            counts=dict(output.counts),
            arguments=dict(self.scalars),
        )

    def _with_progress(self, quiet: bool) -> Iterator[Block]:
        megapixels = tqdm(
            total=self.raster.width * self.raster.height / 1e6,
            unit="Mpx",
            desc="classify",
            # Only people want a moving bar; logs and pipes stay clean.
            disable=True if quiet else None,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {n:.2f}/{total:.2f} Mpx "
            "[{elapsed}<{remaining}, {rate_fmt}]",
        )
        with megapixels:
            for block in self.grid.blocks(self.settings.block_order):
                yield block
                megapixels.update(block.used_width * block.used_height / 1e6)

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
        request, inside = self.request(block)
        kept = request.copy() if debug_block is not None else request
        try:
            return self.answer(request, inside)
        except DlpkError as error:
            where = f"block at column {block.column}, row {block.row} ({_shape_text(request)})"
            hint = "; keep the call with --debug-block FOLDER and run it again with dlpk replay"
            if debug_block is not None:
                source = (
                    self.package.source if self.package.kind != "json" else (self.package.emd_text)
                )
                call = Call(source, self.device, self.scalars, self.described, kept)
                save_call(call, debug_block)
                hint = f"; the call is kept, run it again with: dlpk replay {debug_block}"
            raise type(error)(f"{where}: {error}{hint}") from error

    def answer(self, request: Request, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Make a call and complete the answer's mask."""
        result, valid = self.function.pixels(
            request.tlc, request.shape, request.props, request.blocks
        )
        if valid is None:  # "simply use inherited NoData"
            valid = np.broadcast_to(inside, result.shape).astype(np.uint8)
        return result, valid

    def request(self, block: Block) -> tuple[Request, np.ndarray]:
        """Read what a function gets for a block.

        Returns
        -------
        Request
        ndarray
            bool, shape (rows, columns): where any band of the unpadded block has data.
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
            hidden = mask == 0
            pixels = self.stretch.apply(pixels)
            if self.settings.beyond_edge == "zero":
                pixels[hidden] = 0  # whatever the stretch makes of 0
        inside = mask[:, padding : padding + block.height, padding : padding + block.width]
        if self.settings.single_band == "2-d" and len(pixels) == 1:
            pixels, mask = pixels[0], mask[0]
        tlc = self.raster.corner(block.column, block.row)
        if self.settings.corner_units == "pixels":
            tlc = (float(block.column), float(block.row))
        shape = (self.info.bands, block.height, block.width)
        props = self._props(block)
        wanted = self.function.selected(tlc, shape, props, self.key)
        blocks = {}
        if wanted:
            blocks[f"{self.key}_pixels"] = pixels
            if self.configuration.input_mask:
                blocks[f"{self.key}_mask"] = mask
            if self.configuration.raw.get("compositeRasters"):
                blocks["compositeraster_pixels"] = pixels.copy()
        return Request(tlc, shape, props, blocks), np.asarray(inside.any(axis=0))

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

    def _legend(self) -> list[LegendEntry]:
        if self.info.attribute_table is None:
            whole = self.info.pixel_type[0] in "iu" and self.info.bands == 1
            return emd_classes(self.package.emd) if whole else []
        try:
            return read_attribute_table(self.info.attribute_table)
        except (ValueError, TypeError, AttributeError) as error:
            raise ContractError(
                "updateRasterInfo returned a 'rasterAttributeTable' that cannot be read: "
                f"{error}. Expected a feature set as JSON with Value, Class, Red, Green, Blue"
            ) from error

    def _band_names(self) -> list[str]:
        metadata = [self.function.key_metadata(band, {}) for band in range(self.info.bands)]
        return [str(entry.get("bandname") or "") for entry in metadata]

    def _tags(self) -> dict[str, str]:
        whole = self.function.key_metadata(-1, {})
        return {
            "TIFFTAG_SOFTWARE": f"dlpk {own_version()}",
            "DLPK_PACKAGE": self.package.name,
            "DLPK_PACKAGE_SHA256": self.package.sha256 or "",
            "DLPK_ARGUMENTS": json.dumps(dict(self.scalars), sort_keys=True, default=str),
            "DLPK_RASTER": Path(self.raster.path).name,
            "DLPK_STRETCH": self._stretch_tag(),
            "DataType": str(whole.get("datatype", "")),
        }

    def _stretch_tag(self) -> str:
        if self.stretch is None:
            return ""
        ends = {"low": self.stretch.low.tolist(), "high": self.stretch.high.tolist()}
        return json.dumps({**ends, "range": self.stretch.data_range})


def _shape_text(request: Request) -> str:
    return ", ".join(
        f"{name} {block.dtype}{list(block.shape)}" for name, block in request.blocks.items()
    )


def _copied(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


def own_version() -> str:
    """Version of this project, as installed."""
    try:
        return version("dlpk")
    except PackageNotFoundError:
        return "0"
