"""In the style of the draft template: siblings from its own folder, weights on the first block."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if "attribute_table" in sys.modules:
    del sys.modules["attribute_table"]

import numpy as np
from attribute_table import TABLE

prf_root_dir = os.path.dirname(__file__)


class DraftStyle:
    def __init__(self):
        self.name = "Draft"
        self.description = "Draft"
        self.model_is_loaded = False

    def initialize(self, **kwargs):
        if "model" not in kwargs:
            return
        with open(kwargs["model"]) as file:
            self.json_info = json.load(file)
        self.model_path = self.json_info["ModelFile"]
        if not os.path.isabs(self.model_path):
            self.model_path = os.path.join(os.path.dirname(kwargs["model"]), self.model_path)

    def load_model(self):
        self.factor = float(np.load(self.model_path))
        self.model_is_loaded = True

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "required": False},
            {"name": "padding", "dataType": "numeric", "value": 0, "required": False},
            {"name": "batch_size", "dataType": "numeric", "required": False, "value": 1},
        ]

    def getConfiguration(self, **scalars):
        self.padding = int(scalars["padding"])
        return {
            "padding": self.padding,
            "tx": self.json_info["ImageWidth"] - 2 * self.padding,
            "ty": self.json_info["ImageHeight"] - 2 * self.padding,
            "fixedTileSize": self.json_info.get("fixedTileSize", 0),
            "extractBands": tuple(self.json_info["ExtractBands"]),
            "inheritProperties": 2 | 4 | 8,
            "inputMask": True,
        }

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"]["bandCount"] = 1
        values = [row["Value"] for row in self.json_info["Classes"]]
        kwargs["output_info"]["pixelType"] = (
            "u1" if min(values) >= 0 and max(values) < 256 else "i2"
        )
        kwargs["output_info"]["rasterAttributeTable"] = json.dumps(TABLE)
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        if not self.model_is_loaded:
            self.load_model()
        image = pixelBlocks["raster_pixels"]
        mask = pixelBlocks["raster_mask"]
        _, height, width = image.shape
        p = self.padding
        inner = image[:, p : height - p, p : width - p]
        classes = (inner[0] * self.factor > 127).astype(props["pixelType"])[np.newaxis]
        return {
            "output_pixels": classes,
            "output_mask": mask[:1, p : height - p, p : width - p].astype("u1", copy=False),
        }

    def updateKeyMetadata(self, names, bandIndex, **keyMetadata):
        if bandIndex == -1:
            keyMetadata["datatype"] = "Thematic"
        return keyMetadata
