import json
import math
import os

import numpy as np


class ChildImageClassifier:
    def initialize(self, model, model_as_file):
        if model_as_file:
            with open(model) as file:
                self.json_info = json.load(file)
            self.weights = np.load(
                os.path.join(os.path.dirname(model), self.json_info["ModelFile"])
            )
        else:
            self.json_info = json.loads(model)
            self.weights = np.load(self.json_info["ModelFile"])

    def getParameterInfo(self, required_parameters):
        required_parameters.extend(
            [
                {
                    "name": "padding",
                    "dataType": "numeric",
                    "value": int(self.json_info["ImageHeight"]) // 4,
                    "required": False,
                    "displayName": "Padding",
                    "description": "Padding",
                },
                {"name": "batch_size", "dataType": "numeric", "required": False, "value": 4},
                {
                    "name": "predict_background",
                    "dataType": "string",
                    "required": False,
                    "domain": ("True", "False"),
                    "value": "True",
                },
            ]
        )
        return required_parameters

    def getConfiguration(self, **scalars):
        self.padding = int(scalars.get("padding", self.json_info["ImageHeight"] // 4))
        side = int(math.sqrt(float(scalars.get("batch_size", 4))))
        self.predict_background = scalars.get("predict_background", "true").lower() in (
            "true",
            "1",
            "yes",
        )
        self.tile = int(self.json_info["ImageHeight"])
        step = self.tile - 2 * self.padding
        return {
            "extractBands": tuple(self.json_info["ExtractBands"]),
            "padding": self.padding,
            "tx": step * side,
            "ty": step * side,
            "fixedTileSize": 1,
            "batch_size": side * side,
            "threshold": 0.5,
            "test_time_augmentation": False,
        }

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        block = pixelBlocks["raster_pixels"].astype(np.float64)
        step = self.tile - 2 * self.padding
        rows = (block.shape[1] - 2 * self.padding) // step
        columns = (block.shape[2] - 2 * self.padding) // step
        out = np.zeros((1, self.tile * rows, self.tile * columns))
        for r in range(rows):
            for c in range(columns):
                tile = block[:, r * step : r * step + self.tile, c * step : c * step + self.tile]
                assert tile.shape[1:] == (self.tile, self.tile)
                scores = np.tensordot(self.weights, tile, axes=1)  # (classes, rows, columns)
                if not self.predict_background:
                    scores[0] = scores.min() - 1
                out[
                    0,
                    r * self.tile : (r + 1) * self.tile,
                    c * self.tile : (c + 1) * self.tile,
                ] = scores.argmax(axis=0)
        return out
