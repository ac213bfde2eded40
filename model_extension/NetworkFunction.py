"""Values of pixels from a network, inside ArcGIS: Classify Pixels Using Deep Learning.

This file is yours to edit. ArcGIS imports it, makes an object of the class that is named like the
file, and calls its methods in the order in which they stand here. What belongs to the network
(bands, normalisation, classes, tile size) stands in the .emd file. The folders beside this file,
`pixelwise` and `common`, hold what every such function needs: arguments, tiles, blending.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import types
from typing import Any

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def _beside(folder: str) -> Any:
    """Import a folder beside this file under a name of its own.

    ArcGIS keeps one Python process for many packages, and others have folders of these names, too.
    """
    mark = hashlib.sha256(f"{HERE} {os.path.getmtime(__file__)}".encode("utf-8", "replace"))
    name = f"package_{mark.hexdigest()[:16]}"
    root = sys.modules.setdefault(name, types.ModuleType(name))
    root.__path__ = [HERE]
    return importlib.import_module(f"{name}.{folder}")


pixelwise = _beside("pixelwise")

# Bits of what getConfiguration answers: extent and resampling are those of the input; its pixel
# type, NoData value, statistics and histogram are not.
INHERIT_DIMENSIONS, INHERIT_RESAMPLING = 4, 8
INVALIDATE_STATISTICS, INVALIDATE_HISTOGRAM = 2, 4
CONTINUOUS_NODATA = float(np.finfo(np.float32).min)


class NetworkFunction:
    """The raster function. One object serves one run of the tool."""

    def __init__(self) -> None:
        self.name = "NetworkFunction"
        self.description = "Looks at a raster with a neural network."
        self.definition: Any = None
        self.arguments: Any = None
        self.device: Any = None
        self.frame: Any = None
        self.network: Any = None
        self.tiled: Any = None

    def initialize(self, **kwargs: Any) -> None:
        """Read the .emd file; without a device nothing else, because a dialog is waiting then."""
        if not kwargs.get("model"):
            return
        self.definition = pixelwise.read_definition(str(kwargs["model"]), HERE)
        self.network = self.device = None
        if kwargs.get("device") not in (None, ""):
            self.device = pixelwise.choose_device(pixelwise.whole("device", kwargs["device"]))

    def getParameterInfo(self) -> list[dict[str, Any]]:
        """List the arguments that ArcGIS shows."""
        return list(pixelwise.parameter_info(self.definition))

    def getConfiguration(self, **scalars: Any) -> dict[str, Any]:
        """Take the arguments, which are text, and say which blocks of the raster to deliver."""
        self.arguments = pixelwise.read_arguments(scalars, self.definition)
        self.tiled = None
        configuration = {
            "extractBands": self.definition.bands,
            "tx": self.arguments.block_size,
            "ty": self.arguments.block_size,
            "padding": self.arguments.block_padding,
            "fixedTileSize": 1,
            "batch_size": self.arguments.batch_size,
            "inputMask": True,
            "inheritProperties": INHERIT_DIMENSIONS | INHERIT_RESAMPLING,
            "invalidateProperties": INVALIDATE_STATISTICS | INVALIDATE_HISTOGRAM,
        }
        if self.definition.data_range is not None:  # ArcGIS stretches the raster to it
            configuration["dataRange"] = self.definition.data_range
        return configuration

    def updateRasterInfo(self, **kwargs: Any) -> dict[str, Any]:
        """Describe the output: classes with names and colours, or continuous values."""
        self.frame = pixelwise.raster_frame(kwargs.get("raster_info") or {})
        output = kwargs["output_info"]
        output["statistics"] = output["histogram"] = ()
        if self.arguments.return_probability_raster:
            count = self.definition.outputs
            output["bandCount"], output["pixelType"] = count, "f4"
            output["noData"] = np.full(count, CONTINUOUS_NODATA, np.float32)
        else:
            output["bandCount"] = 1
            output["pixelType"], nodata = pixelwise.class_type(self.definition.classes)
            output["noData"] = np.array([nodata], output["pixelType"])
            output["rasterAttributeTable"] = pixelwise.attribute_table(self.definition.classes)
        return kwargs

    def updatePixels(
        self, tlc: Any, shape: tuple[int, ...], props: dict[str, Any], **pixelBlocks: Any
    ) -> dict[str, Any]:
        """Look at one block: what comes is larger than what is wanted, by the padding."""
        arguments = self.arguments
        pixels, valid = pixelwise.read_block(pixelBlocks, self.definition)
        inside = pixelwise.without_padding(valid, shape, arguments.block_padding)
        place = self.frame and self.frame.place(tlc, arguments.block_padding)
        if place is None:  # unknown: the block is looked at as if it were the whole raster
            place = pixelwise.Place(0, 0, *valid.shape)
        if self.network is None:
            self.device = self.device or pixelwise.choose_device(-1)
            self.network = pixelwise.load_network(self.definition.network, self.device)
        if self.tiled is None:
            self.tiled = pixelwise.over_tiles(self.predict, self.definition, arguments, self.device)
        values = self.tiled.values(pixels, valid, place)
        kind, nodata = "f4", CONTINUOUS_NODATA
        if not arguments.return_probability_raster:
            values = self.decide(values)[None]
            kind, nodata = pixelwise.class_type(self.definition.classes)
        values = np.where(inside, values, nodata).astype(props.get("pixelType") or kind)
        mask = np.broadcast_to(inside, values.shape).astype("u1")
        if len(shape) == 2:
            values, mask = values[0], mask[0]
        return {"output_pixels": values, "output_mask": mask}

    def updateKeyMetadata(
        self, names: tuple[str, ...], bandIndex: int, **keyMetadata: Any
    ) -> dict[str, Any]:
        """Tell classes from continuous values, and name the bands of these."""
        if self.arguments is not None:
            continuous = self.arguments.return_probability_raster
            classes = self.definition.classes
            if bandIndex == -1:
                keyMetadata["datatype"] = "Generic" if continuous else "Thematic"
            elif continuous and 0 <= bandIndex < len(classes):
                keyMetadata["bandname"] = classes[bandIndex].name
        return keyMetadata

    def predict(self, images: Any) -> Any:
        """Values of the pixels of some tiles.

        `images` is a tensor of shape (tiles, bands, rows, columns), normalised as the .emd file
        says; the answer is one of shape (tiles, outputs, rows, columns).
        """
        size = (images.shape[2], images.shape[3])
        return pixelwise.pixel_values(self.network(images), size, self.definition.activation)

    def decide(self, values: np.ndarray) -> np.ndarray:
        """Class values, shape (rows, columns), from probabilities, (classes, rows, columns)."""
        classes = np.array([entry.value for entry in self.definition.classes])
        if not self.arguments.predict_background and (classes != 0).any():
            values, classes = values[classes != 0], classes[classes != 0]
        found: np.ndarray = classes[values.argmax(axis=0)]
        if self.definition.activation == "sigmoid" and self.arguments.predict_background:
            return np.where(values.max(axis=0) > self.arguments.threshold, found, 0)
        return found
