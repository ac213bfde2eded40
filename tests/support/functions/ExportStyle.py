"""In the style of functions that training libraries export: a wrapper around a child class."""

import importlib
import json
import math
import os
import sys

import arcpy
import numpy as np
from arcpy.ia.util import get_available_device

attribute_table = {
    "displayFieldName": "",
    "fieldAliases": {"OID": "OID", "Value": "Value", "Class": "Class"},
    "fields": [
        {"name": "OID", "type": "esriFieldTypeOID", "alias": "OID"},
        {"name": "Value", "type": "esriFieldTypeInteger", "alias": "Value"},
        {"name": "Class", "type": "esriFieldTypeString", "alias": "Class"},
        {"name": "Red", "type": "esriFieldTypeInteger", "alias": "Red"},
        {"name": "Green", "type": "esriFieldTypeInteger", "alias": "Green"},
        {"name": "Blue", "type": "esriFieldTypeInteger", "alias": "Blue"},
    ],
    "features": [],
}


class ExportStyle:
    def __init__(self):
        self.name = "Classifier"
        self.description = "Wraps a child"

    def initialize(self, **kwargs):
        if "model" not in kwargs:
            return
        model = kwargs["model"]
        as_file = True
        try:
            with open(model) as file:
                self.json_info = json.load(file)
        except FileNotFoundError:
            try:
                self.json_info = json.loads(model)
                as_file = False
            except json.decoder.JSONDecodeError:
                raise Exception("Invalid model argument") from None
        sys.path.append(os.path.dirname(__file__))
        child = importlib.import_module(
            "{}.{}".format(self.json_info["Framework"], self.json_info["ModelConfiguration"])
        )
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        if "device" in kwargs:
            device = kwargs["device"]
            if device == -2:
                device = get_available_device()
            if device >= 0:
                arcpy.env.processorType = "GPU"
                arcpy.env.gpuId = str(device)
            else:
                arcpy.env.processorType = "CPU"
        self.child = child.ChildImageClassifier()
        self.child.initialize(model, as_file)

    def getParameterInfo(self):
        fixed = [
            {"name": "raster", "dataType": "raster", "required": True, "displayName": "Raster"},
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "required": False},
        ]
        parameters = self.child.getParameterInfo(fixed)
        values = {row["Value"] for row in self.json_info["Classes"]}
        if 0 not in values and len(values) > 1:
            for parameter in parameters:
                if parameter["name"] == "predict_background":
                    parameter["value"] = "False"
        return parameters

    def getConfiguration(self, **scalars):
        configuration = self.child.getConfiguration(**scalars)
        if "DataRange" in self.json_info:
            configuration["dataRange"] = tuple(self.json_info["DataRange"])
        configuration["inheritProperties"] = 2 | 4 | 8
        configuration["inputMask"] = True
        return configuration

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"]["bandCount"] = 1
        kwargs["output_info"]["pixelType"] = "i4"
        attribute_table["features"] = [
            {
                "attributes": {
                    "OID": number + 1,
                    "Value": row["Value"],
                    "Class": row["Name"],
                    "Red": row["Color"][0],
                    "Green": row["Color"][1],
                    "Blue": row["Color"][2],
                }
            }
            for number, row in enumerate(self.json_info["Classes"])
        ]
        kwargs["output_info"]["rasterAttributeTable"] = json.dumps(attribute_table)
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        raster_mask = pixelBlocks["raster_mask"]
        raster_pixels = pixelBlocks["raster_pixels"]
        raster_pixels[np.where(raster_mask == 0)] = 0
        pixelBlocks["raster_pixels"] = raster_pixels
        tiles = self.child.updatePixels(tlc, shape, props, **pixelBlocks).astype(
            props["pixelType"], copy=False
        )
        # (1, tile * rows, tile * columns): the padding of every tile is cut away here.
        tile, padding = self.child.tile, self.child.padding
        rows, columns = tiles.shape[1] // tile, tiles.shape[2] // tile
        inner = [
            [
                tiles[
                    :,
                    r * tile + padding : (r + 1) * tile - padding,
                    c * tile + padding : (c + 1) * tile - padding,
                ]
                for c in range(columns)
            ]
            for r in range(rows)
        ]
        pixelBlocks["output_pixels"] = np.block(inner)
        return pixelBlocks


def squares(batch_size):
    return int(math.sqrt(batch_size))
