"""Classes from the values of bands, inside ArcGIS: Classify Pixels Using Deep Learning.

This file is yours to edit. ArcGIS imports it, makes an object of the class that is named like the
file, and calls its methods in the order in which they stand here. Only numpy is needed.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


class ArithmeticFunction:
    """Tells bright pixels from dark ones."""

    def __init__(self) -> None:
        self.name = "ArithmeticFunction"
        self.description = "Tells bright pixels from dark ones."
        self.definition: dict[str, Any] = {}
        self.threshold = 0.5

    def initialize(self, **kwargs: Any) -> None:
        """Read the model definition, which comes as a path or as text, and what it points to."""
        model = str(kwargs.get("model") or "")
        if not model:
            return
        if model.lstrip().startswith("{"):
            self.definition = json.loads(model)
        else:
            with open(model, encoding="utf-8-sig") as file:
                self.definition = json.load(file)
        with open(os.path.join(HERE, self.definition["ModelFile"]), encoding="utf-8") as file:
            self.threshold = json.load(file)["threshold"]

    def getParameterInfo(self) -> list[dict[str, Any]]:
        """List the arguments that ArcGIS shows; their values come back as text."""
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "value": -1, "required": False},
            {
                "name": "threshold",
                "dataType": "numeric",
                "value": self.threshold,
                "required": False,
                "displayName": "Threshold",
                "description": "Brightness from 0 to 1 above which a pixel is bright.",
            },
        ]

    def getConfiguration(self, **scalars: Any) -> dict[str, Any]:
        """Take the arguments, and say which bands and blocks to deliver."""
        given = scalars.get("threshold")
        if given not in (None, ""):  # with a comma where that is the custom
            self.threshold = float(str(given).replace(",", "."))
        return {
            "extractBands": tuple(self.definition["ExtractBands"]),
            "tx": self.definition["ImageWidth"],
            "ty": self.definition["ImageHeight"],
            "padding": 0,
            "fixedTileSize": 1,
            "dataRange": tuple(self.definition["DataRange"]),
            "inputMask": True,
            "inheritProperties": 4 | 8,  # extent and resampling; not pixel type, NoData
            "invalidateProperties": 2 | 4,  # statistics, histogram
        }

    def updateRasterInfo(self, **kwargs: Any) -> dict[str, Any]:
        """Describe the output: one band of classes, 0 where there is no data."""
        output = kwargs["output_info"]
        output["bandCount"], output["pixelType"] = 1, "u1"
        output["noData"] = np.array([0], "u1")
        output["statistics"] = output["histogram"] = ()
        rows = [
            dict(zip(("Value", "Class", "Red", "Green", "Blue"), row))
            for row in (
                (entry["Value"], entry["Name"], *entry["Color"])
                for entry in self.definition["Classes"]
            )
        ]
        output["rasterAttributeTable"] = json.dumps(
            {"features": [{"attributes": row} for row in rows]}
        )
        return kwargs

    def updatePixels(
        self, tlc: Any, shape: Any, props: dict[str, Any], **pixelBlocks: Any
    ) -> dict[str, Any]:
        """Classify one block."""
        valid = pixelBlocks["raster_mask"].astype(bool).all(axis=0, keepdims=True)
        brightness = pixelBlocks["raster_pixels"].mean(axis=0, keepdims=True) / 255
        classes = np.where(brightness > self.threshold, 2, 1)
        return {
            "output_pixels": np.where(valid, classes, 0).astype(props["pixelType"]),
            "output_mask": valid.astype("u1"),
        }
