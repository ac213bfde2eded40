"""Tells bright pixels from dark ones."""

import json
import os

import numpy as np


class Model:
    def __init__(self):
        self.name = "Brightness"
        self.description = "Tells bright pixels from dark ones."

    def initialize(self, **kwargs):
        model = kwargs.get("model")
        if not model:
            return
        try:
            with open(model) as file:
                self.definition = json.load(file)
        except OSError:
            self.definition = json.loads(model)
        self.limits = os.path.join(os.path.dirname(model), self.definition["ModelFile"])

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "required": False},
            {"name": "padding", "dataType": "numeric", "value": 0, "required": False},
            {"name": "threshold", "dataType": "numeric", "value": 0.5, "required": False},
        ]

    def getConfiguration(self, **scalars):
        self.padding = int(scalars.get("padding", 0))
        self.threshold = float(str(scalars.get("threshold", 0.5)).replace(",", "."))
        size = self.definition["ImageHeight"] - 2 * self.padding
        return {
            "extractBands": tuple(self.definition["ExtractBands"]),
            "padding": self.padding,
            "tx": size,
            "ty": size,
            "fixedTileSize": 1,
            "inputMask": True,
        }

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"]["bandCount"] = 1
        kwargs["output_info"]["pixelType"] = "u1"
        rows = [{"Value": one["Value"], "Class": one["Name"]} for one in self.definition["Classes"]]
        table = {"features": [{"attributes": row} for row in rows]}
        kwargs["output_info"]["rasterAttributeTable"] = json.dumps(table)
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixels = pixelBlocks["raster_pixels"].mean(axis=0, keepdims=True) / 255
        classes = np.where(pixelBlocks["raster_mask"][:1] == 0, 0, 1 + (pixels > self.threshold))
        pixelBlocks["output_pixels"] = classes.astype(props["pixelType"])
        return pixelBlocks
