"""Cheap, the same for every order of blocks, and told where and how to fail."""

import os
import signal
import time

import numpy as np

SIDE, PADDING = 48, 4


class Steady:
    def __init__(self):
        self.name = "Steady"
        self.description = "Cheap"

    def initialize(self, **kwargs):
        pass

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            {"name": "output", "dataType": "string", "value": "classes"},
            {"name": "seconds", "dataType": "numeric", "value": 0},
            {"name": "batch_size", "dataType": "numeric", "value": 4},
            # Easting and northing of a block's top left corner, and what happens there: raise
            # or kill for as long as a folder exists, or stop once, which leaves the number of the
            # process in a file.
            {"name": "trouble", "dataType": "string", "value": ""},
            # Batches above this size are too large.
            {"name": "memory", "dataType": "numeric", "value": 99},
            # A folder with a file that every call adds a letter to.
            {"name": "counting", "dataType": "string", "value": ""},
        ]

    def getConfiguration(self, **scalars):
        self.scalars = scalars
        self.chances = scalars["output"] == "chances"
        return {
            "tx": SIDE,
            "ty": SIDE,
            "padding": PADDING,
            "inputMask": True,
            "fixedTileSize": 0,
            **({"dataRange": (0.0, 255.0)} if scalars["output"] == "stretched" else {}),
        }

    def updateRasterInfo(self, **kwargs):
        if self.chances:
            kwargs["output_info"].update(bandCount=2, pixelType="f4", noData=np.array([-1.0, -1.0]))
        else:
            kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        if self.scalars["counting"]:
            with open(os.path.join(self.scalars["counting"], "calls"), "a") as file:
                file.write(".")
        time.sleep(float(self.scalars["seconds"]))
        if float(self.scalars["batch_size"]) > float(self.scalars["memory"]):
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        self.trouble(props["extent"])
        inner = slice(PADDING, -PADDING)
        pixels = pixelBlocks["raster_pixels"][:, inner, inner].astype("f4")
        if self.chances:
            return {"output_pixels": np.stack([pixels.mean(0), pixels.std(0)])}
        return {"output_pixels": (1 + (pixels.mean(0) > 120)).astype("u1")[None]}

    def trouble(self, extent):
        if not self.scalars["trouble"]:
            return
        east, north, kind, name = self.scalars["trouble"].split()
        if (float(east), float(north)) != (extent[0], extent[3]):
            return
        if kind == "stop" and not os.path.exists(name):
            with open(name, "w") as file:
                file.write(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)
        elif os.path.exists(name) and kind == "raise":
            raise RuntimeError("this block fails")
        elif os.path.exists(name) and kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
