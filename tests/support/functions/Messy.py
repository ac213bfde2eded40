"""Does all that a guest should not do."""

import json
import os
import subprocess
import sys
import tempfile
import warnings

import arcpy
import numpy as np
from arcpy import env

print("imported")
sys.stdout.write("written\n")
COUNT = 0


class Messy:
    def __init__(self):
        self.name, self.description = "Messy", ""
        self.blocks = 0

    def initialize(self, **kwargs):
        print("initialize", kwargs)
        with open(kwargs["model"]) as file:
            self.emd = json.load(file)
        os.environ["MESSY"] = "1"
        os.environ.pop("HOME", None)
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
        np.seterr(all="raise")
        os.chdir(tempfile.gettempdir())
        env.processorType = "CPU"
        assert arcpy.env.processorType == "CPU"
        arcpy.AddMessage("a message")
        arcpy.AddWarning("a warning")
        warnings.warn("a Python warning", stacklevel=1)

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster"},
            {"name": "model", "dataType": "string"},
        ]

    def getConfiguration(self, **scalars):
        return {"tx": 16, "ty": 16}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs

    def selectRasters(self, tlc, shape, props):
        return ("raster",)

    def isLicensed(self, **productInfo):
        return {
            "okToRun": productInfo["productName"] == "Desktop",
            "message": "",
            "productLevel": "",
        }

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        global COUNT
        COUNT += 1
        self.blocks += 1
        print("block", self.blocks)
        os.write(1, b"raw\n")
        if self.blocks == 1:
            subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        with open(os.path.join(os.path.dirname(__file__), "messy.log"), "a") as log:
            log.write("block\n")
        return {"output_pixels": np.full(shape, self.blocks, "u1")}
