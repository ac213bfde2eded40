"""A sound classifier; tests replace a line of it by one that is not."""

import json
import os
import random
import tempfile

import numpy as np

SEEN = []


class Judged:
    def __init__(self):
        self.name, self.description = "Judged", ""
        self.count = 0
        self.last = None
        self.kept = []

    def initialize(self, **kwargs):
        if "model" not in kwargs:
            return
        with open(kwargs["model"]) as file:
            self.emd = json.load(file)
        pass  # INITIALIZE

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "required": False},
            {"name": "threshold", "dataType": "numeric", "value": 127.5},
            {"name": "batch_size", "dataType": "numeric", "value": 4},
            {"name": "padding", "dataType": "numeric", "value": 3},
        ]

    def getConfiguration(self, **scalars):
        self.threshold = float(str(scalars["threshold"]).replace(",", "."))  # THRESHOLD
        self.padding = int(scalars["padding"])
        self.batch = int(scalars["batch_size"])
        side = 40 * int(self.batch**0.5)
        pass  # CONFIGURE
        return {
            "extractBands": (0, 1, 2),
            "padding": self.padding,
            "tx": side,
            "ty": side,
            "fixedTileSize": 1,
            "inheritProperties": 4 | 8,
            "inputMask": True,
        }

    def updateRasterInfo(self, **kwargs):
        output = kwargs["output_info"]
        output["bandCount"], output["pixelType"] = 1, "u1"
        pass  # INFORM
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        self.count += 1
        pixels = pixelBlocks["raster_pixels"].astype(np.float32)
        mask = pixelBlocks.get("raster_mask", np.ones(pixels.shape, "u1"))
        pixels[mask == 0] = 0  # HIDE
        p = self.padding
        inner = (slice(None), slice(p, pixels.shape[1] - p), slice(p, pixels.shape[2] - p))
        result = (pixels[inner].mean(axis=0, keepdims=True) > self.threshold).astype("u1")
        valid = mask[inner].any(axis=0, keepdims=True).astype("u1")
        pass  # PIXELS
        return {"output_pixels": result, "output_mask": valid}  # RETURN


def rough(limit):
    return random.random() * limit + len(tempfile.gettempdir()) + len(os.sep)
