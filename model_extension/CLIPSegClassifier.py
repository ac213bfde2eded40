"""Segment rasters from text prompts with CLIPSeg, inside ArcGIS.

This file is the raster function of a deep learning package for the tool *Classify Pixels Using
Deep Learning*. ArcGIS imports it, makes an object of the class that is named like the file and
calls its methods in a fixed order. The model itself lies beside it in the folder `clipseg`.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import warnings
from collections.abc import Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))

if TYPE_CHECKING or __package__ == "model_extension":
    from . import clipseg
    from .clipseg.contract.arguments import Arguments
    from .clipseg.contract.definition import ModelDefinition
    from .clipseg.inference.decision import BlockClassifier
    from .common.place import RasterFrame
    from .common.tiles import Place


class _Modules(MetaPathFinder, Loader):
    """Imports folders of modules under a name that no other package's copy of them has.

    ArcGIS keeps one Python process for many packages, and may unpack a newer package over an
    older one. So the name is made of the folder's path and its code, and the code is read once:
    modules that are imported later still fit, and no bytecode of other files of the same date
    and size gets in their place.
    """

    def __init__(self, home: str, folders: tuple[str, ...]) -> None:
        self._code: dict[str, tuple[str, bytes]] = {"": (home, b"")}
        self._packages = {""}
        digest = hashlib.sha256(home.encode("utf-8", "surrogateescape"))
        for path in sorted(path for folder in folders for path in _python_files(home, folder)):
            with open(os.path.join(home, path), "rb") as file:
                source = file.read()
            digest.update(f"{path} {len(source)} ".encode())
            digest.update(source)
            name = path[: -len(".py")].replace(os.sep, ".")
            if name.endswith(".__init__"):
                name = name[: -len(".__init__")]
                self._packages.add(name)
            self._code[name] = (os.path.join(home, path), source)
        self.package = "clipseg_" + digest.hexdigest()[:16]

    def load(self, name: str) -> ModuleType:
        """Import a folder, unless the same code of the same folder is already there."""
        if not any(getattr(finder, "package", "") == self.package for finder in sys.meta_path):
            sys.meta_path.append(self)
        return importlib.import_module(f"{self.package}.{name}")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find the root, a folder or a module of it; called by ``import``."""
        if name != self.package and not name.startswith(self.package + "."):
            return None
        inner = name[len(self.package) + 1 :]
        if inner not in self._code:
            return None
        # A package whose path is empty, so that no other finder looks into the folder.
        spec = ModuleSpec(
            name, self, origin=self._code[inner][0], is_package=inner in self._packages
        )
        spec.has_location = True  # gives modules their __file__
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to ``import`` to make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code."""
        path, source = self._code[module.__name__[len(self.package) + 1 :]]
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)


def _python_files(home: str, folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(place, name), home)
        for place, _, names in os.walk(os.path.join(home, folder))
        for name in names
        if name.endswith(".py")
    ]


if not (TYPE_CHECKING or __package__ == "model_extension"):
    clipseg = _Modules(HERE, ("clipseg", "common")).load("clipseg")

# Bits of inheritProperties (contract, section 5). Pixel type and NoData are our own: an inherited
# NoData of 0 would turn the background, which is also 0, into NoData.
INHERIT_DIMENSIONS = 4
INHERIT_RESAMPLING = 8
# Bits of invalidateProperties: what is known of the input's values does not hold for classes.
INVALIDATE_STATISTICS = 2
INVALIDATE_HISTOGRAM = 4

CLASS_NODATA = 255
PROBABILITY_NODATA = -1.0


class CLIPSegClassifier:
    """The raster function. One object serves one run of the tool."""

    def __init__(self) -> None:
        self.name = "CLIPSeg Classifier"
        self.description = "Segments a raster into classes described by text prompts."
        self.definition: ModelDefinition | None = None
        self.device: int | None = None
        self.arguments: Arguments | None = None
        self._classifier: BlockClassifier | None = None
        self._frame: RasterFrame | None = None
        self._pixel: float | None = None
        self._told = False

    def initialize(self, **kwargs: Any) -> None:
        """Take the model (contract, section 3).

        Parameters
        ----------
        model : str
            Path of the EMD, or the EMD as JSON text. Without it nothing happens.
        device : number, optional
            -1 processor, -2 any free graphics card, 0 and up that card. Absent while the tool's
            dialog is being filled: then nothing but the EMD is read.

        Raises
        ------
        ValueError
            The model definition, the header of the weights or the device is at fault; says what
            to do.
        """
        if kwargs.get("model") in (None, ""):
            return
        self.definition = clipseg.read_definition(str(kwargs["model"]), HERE)
        self.device = self.arguments = self._classifier = None
        if kwargs.get("device") not in (None, ""):
            self.device = clipseg.parse_whole("device", kwargs["device"])
            clipseg.check_device(self.device)
            clipseg.check_weights(self.definition)

    def getParameterInfo(self) -> list[dict[str, Any]]:
        """Describe the arguments that ArcGIS shows (contract, section 4)."""
        return clipseg.parameter_info(self.definition)

    def getConfiguration(self, **scalars: Any) -> dict[str, Any]:
        """Say which blocks to deliver (contract, sections 5 and 6).

        Parameters
        ----------
        **scalars
            The arguments, usually as text.

        Returns
        -------
        dict
            Bands, block size and padding in pixels, and what the output inherits.

        Raises
        ------
        ValueError
            An argument is out of its range; names it and the range.
        """
        definition = self._definition()
        arguments = clipseg.parse_arguments(scalars, definition)
        clipseg.check_prompts(arguments.plan, definition)
        self.arguments = arguments
        return {
            "extractBands": definition.extract_bands,
            "padding": arguments.block_padding,
            "tx": arguments.block_size,
            "ty": arguments.block_size,
            "fixedTileSize": 1,
            "batch_size": arguments.batch_size,
            "dataRange": definition.data_range,
            "inheritProperties": INHERIT_DIMENSIONS | INHERIT_RESAMPLING,
            "invalidateProperties": INVALIDATE_STATISTICS | INVALIDATE_HISTOGRAM,
            "inputMask": True,
        }

    def updateRasterInfo(self, **kwargs: Any) -> dict[str, Any]:
        """Describe the output (contract, section 7): classes with names and colours.

        Returns
        -------
        dict
            `kwargs` with ``output_info`` filled in: one band of class values with an attribute
            table, or one band of probabilities per prompt.
        """
        arguments = self._arguments()
        info = kwargs.get("raster_info")
        info = info if isinstance(info, Mapping) else {}
        self._frame, self._told = clipseg.raster_frame(info), False
        # Of the whole raster: a length in metres is not to differ from block to block.
        self._pixel = clipseg.pixel_metres(info) if "cellSize" in info else None
        output = kwargs["output_info"]
        output["statistics"] = ()
        output["histogram"] = ()
        if arguments.return_probability_raster:
            output["bandCount"] = len(arguments.plan.names)
            output["pixelType"] = "f4"
            output["noData"] = np.full(len(arguments.plan.names), PROBABILITY_NODATA, np.float32)
        else:
            output["bandCount"] = 1
            output["pixelType"] = "u1"
            output["noData"] = np.array([CLASS_NODATA], np.uint8)
            output["rasterAttributeTable"] = clipseg.attribute_table(arguments.plan.names)
        return kwargs

    def updatePixels(
        self, tlc: Any, shape: tuple[int, ...], props: dict[str, Any], **pixelBlocks: Any
    ) -> dict[str, Any]:
        """Classify one block (contract, section 8).

        Parameters
        ----------
        tlc : (float, float)
            Top left corner in map units. Tiles lie on one grid for the whole raster, so that what
            is found at a place does not depend on the block. Where neither this nor
            `updateRasterInfo` tells where the block lies, tiles are laid out for the block alone,
            which the user is told.
        shape : tuple of int
            Shape of the output, (rows, columns) or (bands, rows, columns).
        props : dict
            ``pixelType`` of the output.
        **pixelBlocks
            ``raster_pixels``, (bands, rows + 2·padding, columns + 2·padding), 0 to 255, and
            ``raster_mask`` of the same shape, 0 where there is no data.

        Returns
        -------
        dict
            ``output_pixels`` and ``output_mask`` (uint8, 1 where there is data).

        Raises
        ------
        ValueError
            The block does not have the bands, the size or the range that were asked for.
        """
        arguments = self._arguments()
        pixels, valid = clipseg.read_block(
            pixelBlocks["raster_pixels"], pixelBlocks.get("raster_mask"), self._definition()
        )
        inside = clipseg.without_padding(valid, shape, arguments.block_padding)
        if inside.any():
            place, around = self._place(tlc, valid.shape), arguments.block_padding
            # All blocks have one size; what they hold beyond the raster costs nothing.
            rows, columns = place.rows - place.row + around, place.columns - place.column + around
            part = self._classify(pixels[:, :rows, :columns], valid[:rows, :columns], place, props)
            beyond = (inside.shape[side] - part.shape[side + 1] for side in (0, 1))
            result = np.pad(part, [(0, 0), *((0, missing) for missing in beyond)])
        else:  # nothing to see: as quick as it should be on the empty corners of a mosaic
            bands = len(arguments.plan.names) if arguments.return_probability_raster else 1
            result = np.zeros((bands, *inside.shape), np.float32)
        nodata = PROBABILITY_NODATA if arguments.return_probability_raster else CLASS_NODATA
        result = np.where(inside, result, np.array(nodata, result.dtype))
        mask = np.broadcast_to(inside, result.shape).astype(np.uint8)
        kind = props.get("pixelType") or ("f4" if arguments.return_probability_raster else "u1")
        if len(shape) == 2 and len(result) == 1:
            result, mask = result[0], mask[0]
        return {"output_pixels": result.astype(kind, copy=False), "output_mask": mask}

    def updateKeyMetadata(
        self, names: tuple[str, ...], bandIndex: int, **keyMetadata: Any
    ) -> dict[str, Any]:
        """Mark classes as classes (contract, section 9), and name the bands of probabilities."""
        if self.arguments is None:
            return keyMetadata
        if bandIndex == -1:
            probability = self.arguments.return_probability_raster
            keyMetadata["datatype"] = "Generic" if probability else "Thematic"
        elif self.arguments.return_probability_raster:
            names = self.arguments.plan.names
            if 0 <= bandIndex < len(names):
                keyMetadata["bandname"] = names[bandIndex]
        return keyMetadata

    def _classify(
        self, pixels: np.ndarray, valid: np.ndarray, place: Place, props: dict[str, Any]
    ) -> np.ndarray:
        pixel = clipseg.pixel_metres(props) if self._pixel is None else self._pixel
        return self._loaded().classify(pixels, valid, place, pixel)

    def _place(self, tlc: Any, shape: tuple[int, ...]) -> Place:
        """Where a block lies, with its padding."""
        place = self._frame and self._frame.place(tlc, self._arguments().block_padding)
        if place is not None:
            return place
        if not self._told:
            self._told = True
            _warn(
                "it is not known where blocks lie in the raster: each is looked at for itself, and "
                "classes may change along the borders of blocks"
            )
        return clipseg.Place(0, 0, *shape)

    def _loaded(self) -> BlockClassifier:
        # Loading waits for the first block: dialogs never need the weights.
        arguments = self._arguments()
        if self._classifier is None or self._classifier.arguments != arguments:
            device = -1 if self.device is None else self.device
            self._classifier = clipseg.load_classifier(
                self._definition(), arguments, device, _warn, self._classifier
            )
        return self._classifier

    def _definition(self) -> ModelDefinition:
        if self.definition is None:
            raise RuntimeError("initialize was not called with a model before this method")
        return self.definition

    def _arguments(self) -> Arguments:
        if self.arguments is None:
            raise RuntimeError("getConfiguration was not called before this method")
        return self.arguments


def _warn(message: str) -> None:
    """Tell the user: in the tool's messages inside ArcGIS, as a Python warning elsewhere."""
    arcpy = sys.modules.get("arcpy")
    if arcpy is not None and hasattr(arcpy, "AddWarning"):
        arcpy.AddWarning(message)
    else:
        warnings.warn(message, stacklevel=2)
