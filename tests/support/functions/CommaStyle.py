"""In the style of a third party: numbers with the user's decimal comma, odd keys, 2-D output."""

import json

import numpy as np


class CommaStyle:
    def __init__(self):
        self.name = "Comma"
        self.description = ""

    def initialize(self, **kwargs):
        with open(kwargs["model"]) as file:
            self.json_info = json.load(file)

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "value": None, "required": True},
            {"name": "model", "dataType": "string", "value": None, "required": True},
            {"name": "threshold", "dataType": "float", "value": 0.5},
            {"name": "BatchSize", "dataType": "numeric", "value": 1.0},
        ]

    def getConfiguration(self, threshold, BatchSize, **scalars):
        self.threshold = float(threshold.replace(",", "."))
        self.batch = int(BatchSize)
        return {
            "BatchSize": self.batch,
            "Threshold": self.threshold,
            "bandCount": 1,
            "pixelType": "u1",
            "tx": 20,
            "ty": 10,
            "samplingFactor": 1,
            "keyMetadata": ("x",),
        }

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(
            bandCount=1, pixelType="u1", statistics=(), histogram=(), colormap=()
        )
        return kwargs

    def updatePixels(self, tlc, size, props, raster_pixels, **rest):
        return {"output_pixels": (raster_pixels[0] / 255 > self.threshold).astype(np.uint8)}
