"""A sound detector: boxes around what is bright; tests replace a line of it."""

import json

from scipy import ndimage


class Spots:
    def __init__(self):
        self.name, self.description = "Spots", ""

    def initialize(self, **kwargs):
        if "model" not in kwargs:
            return
        with open(kwargs["model"]) as file:
            self.emd = json.load(file)

    def getParameterInfo(self):
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "required": False},
            {"name": "padding", "dataType": "numeric", "value": 8},
            {"name": "threshold", "dataType": "numeric", "value": 200},
            {"name": "exclude_pad_detections", "dataType": "string", "value": "True"},
        ]

    def getConfiguration(self, **scalars):
        self.padding = int(scalars["padding"])
        self.threshold = float(scalars["threshold"].replace(",", "."))  # THRESHOLD
        self.exclude = scalars["exclude_pad_detections"].lower() == "true"
        return {
            "extractBands": (0,),
            "padding": self.padding,
            "tx": 32,
            "ty": 32,
            "fixedTileSize": 1,
            "inputMask": True,
        }

    def getFields(self):
        names = {"Class": "String", "Classvalue": "Integer", "Confidence": "Double"}
        fields = [{"name": name, "type": "esriFieldType" + kind} for name, kind in names.items()]
        return json.dumps({"fields": [{"name": "OID", "type": "esriFieldTypeOID"}, *fields]})

    def getGeometryType(self):
        return 4  # GEOMETRY

    def vectorize(self, **pixelBlocks):
        pixels, mask = pixelBlocks["raster_pixels"][0], pixelBlocks["raster_mask"][0]
        labels, _ = ndimage.label((pixels > self.threshold) & (mask == 1))
        features = []
        for place in ndimage.find_objects(labels):
            top, left = (part.start - self.padding for part in place)
            bottom, right = (part.stop - self.padding for part in place)
            inside = 0 <= (top + bottom) / 2 < 32 and 0 <= (left + right) / 2 < 32
            if self.exclude and not inside:
                continue
            ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
            values = {
                "OID": len(features) + 1,
                "Class": self.emd["Classes"][0]["Name"],
                "Classvalue": 1,
                "Confidence": float(pixels[place].max()) / 255,
            }
            features.append({"attributes": values, "geometry": {"rings": [ring]}})
        pass  # FEATURES
        return {"output_vectors": json.dumps({"features": features})}  # RETURN
