"""A function that has been configured for a raster, ready for its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ContractError, FunctionError, RefusedError
from ..harness.answers import Configuration, OutputInfo
from ..harness.arguments import argument_scalars
from ..harness.calls import Function
from ..harness.phases import LoadedFunction, model_argument
from ..harness.settings import Settings
from ..raster.dataset import Raster
from ..raster.grid import Block, BlockGrid
from ..raster.sampling import find_stretch
from ..raster.stretch import Stretch
from .block_call import AS_TEXT, BlockInput, BlockResult, call_function, read_block
from .raster_info import (
    COMPOSITE,
    check_place,
    choose_bands,
    dataset_metadata,
    output_template,
    raster_info,
    raster_parameter,
)


@dataclass(frozen=True)
class Session:
    """A function that has been configured for a raster.

    It is used until the next one of the same `loaded` function is started. Blocks may be processed
    in any order, all of them or some; two sessions with the same raster, arguments, settings and
    stretch give the same results, in other processes too.

    Parameters
    ----------
    function : Function
        The object that is called.
    scalars, raster_kwargs : mapping
        What ``getConfiguration`` and ``updateRasterInfo`` were given.
    configuration : Configuration
        What the function asked for.
    info : OutputInfo
        What it says of its output.
    bands : tuple of int
        0-based bands that the function reads.
    key : str
        Name of the raster parameter; pixel blocks are called after it.
    several : bool
        Whether that parameter takes several rasters.
    """

    loaded: LoadedFunction
    function: Function
    raster: Raster
    scalars: Mapping[str, Any]
    raster_kwargs: Mapping[str, Any]
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
        loaded: LoadedFunction,
        raster: Raster,
        arguments: Mapping[str, Any],
        settings: Settings | None = None,
        stretch: Stretch | None = None,
    ) -> Session:
        """Take a function through the calls that come before the first block.

        The object of the session before is used again; where it fails, or answers otherwise than
        it did to the same arguments, a new one takes its place.

        Parameters
        ----------
        arguments : mapping
            What the user gives, by name.
        stretch : Stretch, optional
            Of a session before; by default found from the raster.

        Raises
        ------
        DlpkError
            The package, an argument or the raster does not fit.
        """
        settings = settings or Settings()
        scalars = argument_scalars(loaded.parameters, arguments, written_as=settings.arguments_as)
        if loaded.used is not None:
            try:
                session = cls._configured(loaded, loaded.used, raster, scalars, settings, stretch)
            except (FunctionError, ContractError):
                pass  # a new object shows whether that is because of the raster before
            else:
                if loaded.answers_alike(*session._exchange()):
                    return session
        function = loaded.new()
        session = cls._configured(loaded, function, raster, scalars, settings, stretch)
        loaded.answers_alike(*session._exchange())
        loaded.used = function
        return session

    @classmethod
    def _configured(
        cls,
        loaded: LoadedFunction,
        function: Function,
        raster: Raster,
        scalars: Mapping[str, Any],
        settings: Settings,
        stretch: Stretch | None,
    ) -> Session:
        key, several = raster_parameter(loaded.parameters)
        try:
            configuration = function.configuration(scalars)
        except RefusedError:
            raise
        except FunctionError as error:
            if settings.arguments_as != "typed":
                error.add_lines(AS_TEXT)
            raise
        bands = choose_bands(configuration.bands, raster)
        if stretch is None and configuration.data_range is not None:
            stretch = find_stretch(raster, bands, configuration.data_range, settings.stretch)
        source = raster_info(raster, bands, stretch, estimated=loaded.statistics)
        template = output_template(source, configuration)
        kwargs: dict[str, Any] = {
            **scalars,
            "model": model_argument(loaded.package),
            "device": loaded.device,
            f"{key}_info": (source,) if several else source,
            "output_info": template,
        }
        if configuration.composite:
            kwargs[f"{COMPOSITE}_info"] = source
        wanted = configuration.raw.get("keyMetadata")
        if isinstance(wanted, (list, tuple)) and wanted:
            metadata = dataset_metadata(raster, wanted)
            kwargs[f"{key}_keyMetadata"] = (metadata,) if several else metadata
        # The function may change what it gets; a call that is kept has to have it as it was.
        info = function.output_info({name: _copied(part) for name, part in kwargs.items()})
        check_place(info, template)
        return cls(
            loaded=loaded,
            function=function,
            raster=raster,
            scalars=scalars,
            raster_kwargs=kwargs,
            configuration=configuration,
            info=info,
            bands=bands,
            stretch=stretch,
            key=key,
            several=several,
            settings=settings,
        )

    def _exchange(self) -> tuple[object, object]:
        """What the function was asked, and what a sound one always answers to that."""
        wanted, info = self.configuration, self.info
        question = (str(self.scalars), self.raster.count, self.raster.dtype.str)
        size = (wanted.tx, wanted.ty, wanted.padding, self.bands)
        return question, (size, info.bands, info.pixel_type, info.attribute_table)

    @property
    def grid(self) -> BlockGrid:
        """The blocks that the raster is asked for in."""
        wanted = self.configuration
        whole = "fixedTileSize" not in wanted.raw and self.settings.edge_blocks == "whole"
        size = self.raster.width, self.raster.height
        return BlockGrid(*size, wanted.tx, wanted.ty, wanted.fixed or whole)

    def process(self, block: Block, debug_block: Path | None = None) -> BlockResult:
        """Have one block processed.

        Parameters
        ----------
        block : Block
            Of the `grid`, or any other.
        debug_block : Path, optional
            Folder that the call is kept in if it fails.

        Raises
        ------
        DlpkError
            The function failed or answered wrongly; names the block.
        """
        return self.call(block, self.read(block), debug_block)

    def process_all(self) -> tuple[np.ndarray, np.ndarray]:
        """Have all blocks processed.

        Returns
        -------
        values, valid : ndarray
            Shape (bands, rows, columns), of the function's type and bool; 0 where there is no data.
        """
        values = np.zeros(
            (self.info.bands, self.grid.height, self.grid.width), self.info.pixel_type
        )
        valid = np.zeros(values.shape, bool)
        for block in self.grid.blocks():
            pixels, mask = self.process(block)
            height, width = block.used_height, block.used_width
            rows = slice(block.row, block.row + height)
            columns = slice(block.column, block.column + width)
            valid[:, rows, columns] = known = mask[:, :height, :width] != 0
            values[:, rows, columns] = np.where(known, pixels[:, :height, :width], 0)
        return values, valid

    def read(self, block: Block) -> BlockInput:
        """Read a block, see `dlpk.classification.block_call.read_block`."""
        return read_block(self, block)

    def call(self, block: Block, read: BlockInput, debug_block: Path | None = None) -> BlockResult:
        """Have the function process what was read; see `process`."""
        return call_function(self, block, read, debug_block)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_copied(part) for part in value)
    return dict(value) if isinstance(value, dict) else value
