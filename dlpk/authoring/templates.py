"""Small packages that work, to start from, each with a test beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from builder.json_files import emd_bytes
from builder.pixelwise import function_text
from builder.scratch import scratch_folder

from ..errors import AuthoringError
from .new import Made, check_target, function_name, new, staged

TEMPLATES = ("numpy", "torch", "onnx")
CLASSES: list[dict[str, Any]] = [
    {"Value": 1, "Name": "dark", "Color": [20, 20, 60]},
    {"Value": 2, "Name": "bright", "Color": [240, 240, 180]},
]
TILE = 256
TEST = '''"""Run with: python -m pytest {file}"""

from pathlib import Path

import numpy as np

import dlpk

PACKAGE = Path(__file__).parent / "{folder}"


def test_nothing_is_wrong_with_it():
    assert dlpk.validate(PACKAGE).ok


def test_bright_is_told_from_dark():
    pixels = np.zeros((3, 300, 200), np.uint8)
    pixels[:, :, 100:] = 255
    with dlpk.open(PACKAGE, device="cpu") as model:
        labels, mask = model.predict(pixels)
    assert mask.all()
    assert (labels[:, :100] == 1).all() and (labels[:, 100:] == 2).all()
'''


def from_template(folder: str | Path, template: str) -> Made:
    """Make the folder of a small package that tells bright pixels from dark ones, and its test.

    Parameters
    ----------
    folder : path
        To be made; the test is written beside it.
    template : str
        ``numpy``, ``torch`` or ``onnx``.

    Raises
    ------
    AuthoringError
        There is no such template, or a file is in the way.
    """
    target = Path(folder)
    test = target.absolute().parent / f"test_{function_name(target)}.py"
    if template not in TEMPLATES:
        raise AuthoringError(f"there is no template {template!r}: {', '.join(TEMPLATES)}")
    if os.path.lexists(test):
        raise AuthoringError(f"{test} is there already: choose another name for the folder")
    check_target(target)
    if template == "numpy":
        made = Made(target, ("numpy: classes from the values of bands",))
        _arithmetic(target)
    else:
        with scratch_folder(target.absolute().parent) as scratch:
            model = _network(scratch, template)
            made = new(target, model=model, classes=CLASSES, tile=TILE, scale=255)
    test.write_text(TEST.format(folder=target.absolute().name, file=test.name), "utf-8")
    return Made(made.folder, (*made.lines, f"its test is {test.name}"), made.difference)


def _arithmetic(target: Path) -> None:
    name = function_name(target)
    with staged(target) as staging:
        definition = {
            "ModelName": name,
            "ModelType": "ImageClassification",
            "InferenceFunction": f"{name}.py",
            "ModelFile": "limits.json",
            "Description": "Tells bright pixels from dark ones.",
            "ImageHeight": TILE,
            "ImageWidth": TILE,
            "ExtractBands": [0, 1, 2],
            "DataRange": [0, 255],
            "Classes": CLASSES,
        }
        (staging / f"{name}.emd").write_bytes(emd_bytes(definition))
        (staging / f"{name}.py").write_text(function_text("ArithmeticFunction", name), "utf-8")
        (staging / "limits.json").write_text(json.dumps({"threshold": 0.5}) + "\n", "utf-8")


def _network(folder: Path, template: str) -> Path:
    """A network of one layer: the brighter, the more a pixel is bright."""
    import warnings

    import torch

    layer = torch.nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([-8.0, 8.0]).view(2, 1, 1, 1) / 3)
        layer.bias.copy_(torch.tensor([4.0, -4.0]))  # type: ignore[union-attr]
    example = torch.zeros(1, 3, TILE, TILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # recent versions call both deprecated
        if template == "torch":
            path = folder / "network.pt"
            torch.jit.save(torch.jit.trace(layer.eval(), example), str(path))  # type: ignore[no-untyped-call]
            return path
        import onnx  # noqa: F401  # what the export needs, named if it is missing

        path = folder / "network.onnx"
        torch.onnx.export(
            layer.eval(),
            (example,),
            str(path),
            dynamo=False,
            input_names=["tiles"],
            dynamic_axes={"tiles": {0: "tiles", 2: "rows", 3: "columns"}},
        )
    return path
