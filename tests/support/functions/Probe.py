"""Does what its model definition says, and remembers all calls."""

import json
import os

import numpy as np


class Probe:
    def __init__(self):
        self.name = "Probe"
        self.description = "remembers"
        self.calls = [("__init__", {})]

    def initialize(self, **kwargs):
        self.calls.append(("initialize", dict(kwargs)))
        model = kwargs["model"]
        if model.lstrip().startswith("{"):
            self.emd = json.loads(model)
        else:
            with open(model) as file:
                self.emd = json.load(file)
        self.probe = self.emd.get("Probe", {})
        if self.probe.get("RaisesIn") == ("initialize" if "device" in kwargs else "validation"):
            self.fail()

    def fail(self):
        classes = self.emd["Classes"]
        return classes[99]["Color"]

    def getParameterInfo(self):
        self.calls.append(("getParameterInfo", {}))
        if "Parameters" in self.probe:
            return self.probe["Parameters"]
        raster = self.probe.get("RasterName", "raster")
        return [
            {"name": raster, "dataType": self.probe.get("RasterType", "raster")},
            {"name": "model", "dataType": "string"},
            {"name": "device", "dataType": "numeric", "required": False},
            {"name": "threshold", "dataType": "numeric", "value": 0.5},
            {"name": "padding", "dataType": "numeric", "value": 0},
            {"name": "text_prompt", "dataType": "string", "value": "water"},
            {"name": "flag", "dataType": "boolean", "value": True},
            {"name": "nothing", "dataType": "string", "value": None},
        ]

    def getConfiguration(self, **scalars):
        self.calls.append(("getConfiguration", dict(scalars)))
        answer = {"tx": 16, "ty": 16, **self.probe.get("Configuration", {})}
        if "extractBands" in answer and answer["extractBands"] is not None:
            answer["extractBands"] = tuple(answer["extractBands"])
        for key in ("tx", "ty"):
            if answer[key] is None:
                del answer[key]
        return answer

    def updateRasterInfo(self, **kwargs):
        self.calls.append(
            ("updateRasterInfo", {**kwargs, "output_info": dict(kwargs["output_info"])})
        )
        kwargs["output_info"].update(self.probe.get("Output", {"bandCount": 1, "pixelType": "u1"}))
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        kept = {
            name: tuple(part.copy() for part in block) if isinstance(block, tuple) else block.copy()
            for name, block in pixelBlocks.items()
        }
        self.calls.append(
            ("updatePixels", {"tlc": tlc, "shape": shape, "props": dict(props), "blocks": kept})
        )
        answer = self.probe.get("Answer", "first")
        if answer == "raise":
            self.fail()
        if answer == "exit":
            raise SystemExit(7)
        if answer == "library":
            np.linalg.inv(np.zeros((2, 2)))
        rows, columns = shape[-2:]
        bands = shape[0] if len(shape) == 3 else 1
        kind = props["pixelType"]
        out = np.ones((bands, rows, columns), kind)
        if answer == "first":
            name = self.probe.get("RasterName", "raster") + "_pixels"
            if name in pixelBlocks:
                block = pixelBlocks[name]
                block = block[0] if isinstance(block, tuple) else block
                block = block if block.ndim == 3 else block[None]
                pad = (block.shape[1] - rows) // 2
                out[:] = block[0, pad : pad + rows, pad : pad + columns]
            return {"output_pixels": out}
        if answer == "itself":
            pixelBlocks["raster_pixels"][:] = 0
            pixelBlocks["output_pixels"] = out
            return pixelBlocks
        return {
            "2-d": lambda: {"output_pixels": out[0]},
            "masked": lambda: {
                "output_pixels": np.ma.array(out, mask=np.indices(out.shape)[2] % 2)
            },
            "strided": lambda: {"output_pixels": np.ones((columns, rows, bands), kind).T},
            "bool": lambda: {"output_pixels": out > 0},
            "int64": lambda: {"output_pixels": out.astype(np.int64)},
            "big-endian": lambda: {"output_pixels": out.astype(">i4")},
            "list": lambda: {"output_pixels": out.tolist()},
            "none": lambda: None,
            "array": lambda: out,
            "no-pixels": lambda: {"output_mask": out},
            "wrong-shape": lambda: {"output_pixels": out[:, 1:]},
            "mask": lambda: {
                "output_pixels": out,
                "output_mask": (np.indices(out.shape)[1] % 2).astype("u1"),
            },
            "mask-2-d": lambda: {
                "output_pixels": out,
                "output_mask": np.zeros((rows, columns), bool),
            },
            "two-bands": lambda: {"output_pixels": np.ones((2, rows, columns), kind)},
            "place": lambda: {"output_pixels": np.full(out.shape, os.getpid() % 2, kind)},
        }[answer]()
