"""The rules that a raster function's text is judged by."""

from __future__ import annotations

from typing import Final

from ..findings import Rule, Severity

__all__ = ["RULES"]

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_EMD = "Esri/raster-deep-learning: writing_model_definition"
_REFERENCE = "Esri/raster-functions: Reference.py"
_GUIDE = "Esri/raster-deep-learning: guide to custom inference functions"
_TEXT = "arguments are a table of texts; functions in use convert every one"
_PYTHON = "Python's documentation"
_PROCESS = "one Python process of ArcGIS serves many packages, runs and dialogs"
_SHIPS = "Esri/deep-learning-frameworks: what each ArcGIS Pro ships"
_NUMPY = "release notes of numpy 1.24 and 2.0; numpy 2.1 is the first for Python 3.13"

RULES: Final[dict[str, Rule]] = {
    # The file and its class.
    "function/missing": Rule(_E, "ArcGIS imports the file that InferenceFunction names.", _EMD),
    "function/elsewhere": Rule(
        _W, "The function is not in the package: other machines do not have it.", _EMD
    ),
    "function/built-in": Rule(
        _N, "The function belongs to the ArcGIS installation and is not looked into.", _EMD
    ),
    "function/syntax": Rule(_E, "A file that is not Python cannot be imported.", _REFERENCE),
    "function/not-read": Rule(_N, "The file is beyond what is looked into.", "this project"),
    "function/class-name": Rule(
        _E, "The class that ArcGIS makes an object of is named like the file.", _REFERENCE
    ),
    "function/class-renamed": Rule(
        _W,
        "Whether ArcGIS finds a class whose name only ends the file's name is not documented.",
        "names of published files, such as <area>_ArcGISImageClassifier.py",
    ),
    "function/undefined-name": Rule(_E, "Using a name that exists nowhere raises.", _PYTHON),
    # Its methods.
    "function/method-missing": Rule(_E, "ArcGIS calls the method and finds none.", _REFERENCE),
    "function/method-advised": Rule(
        _W, "ArcGIS goes on without the method, not as the function needs it.", _REFERENCE
    ),
    "function/signature": Rule(_E, "ArcGIS's call of the method ends in a TypeError.", _REFERENCE),
    "function/own-call": Rule(_E, "The call does not fit the method and raises.", _PYTHON),
    "function/return-type": Rule(
        _E,
        'ArcGIS refuses the answer: "... is not a python list", "... a non-dictionary object".',
        "messages of ArcGIS Pro in public field notes",
    ),
    # Blocks and what comes out.
    "function/raster-key": Rule(
        _E, "Blocks come under <name of the parameter>_pixels and _mask.", _REFERENCE
    ),
    "function/pixel-type": Rule(_E, "Pixel types are a letter and a number of bytes.", _REFERENCE),
    "function/output-type": Rule(
        _W,
        "ArcGIS takes the bytes for pixels of the output's type.",
        "field notes: incoming 50176 bytes, expected 100352 bytes",
    ),
    "function/edge-blocks": Rule(
        _N, "Without fixedTileSize blocks at the edge may be smaller than tx by ty.", _GUIDE
    ),
    "function/no-raster-info": Rule(
        _N, "The output is described like the input: bands, pixel type, no classes.", _REFERENCE
    ),
    "function/no-attribute-table": Rule(
        _N, "Without rasterAttributeTable ArcGIS shows numbers for classes.", _REFERENCE
    ),
    # The model definition and the weights.
    "function/definition-key": Rule(
        _W, "Reading a key that the model definition lacks ends in a KeyError.", _EMD
    ),
    "function/definition-unread": Rule(
        _N, "The key has an effect only if the function reads it.", _EMD
    ),
    "function/model-path": Rule(
        _E, "Files of the package lie beside the .emd file, not in the working directory.", _EMD
    ),
    "function/heavy-initialize": Rule(
        _W,
        "The dialog calls initialize, too: it opens slowly or not at all.",
        "Esri's templates load the model with the first block; public threads on ArcGIS Pro that"
        " crashes when a package is picked",
    ),
    # ArcGIS's process and other machines.
    "function/process": Rule(_W, "What is done to the process is done to ArcGIS.", _PROCESS),
    "function/writes-beside": Rule(
        _W,
        "The package's folder may be read-only, and is temporary: what is written is lost.",
        "tracebacks in public threads: where packages are unpacked to",
    ),
    "function/absolute-path": Rule(
        _W, "The path exists on the author's machine only.", "any other machine"
    ),
    # Arguments.
    "arguments/no-default": Rule(_W, "An argument that is not passed ends in a KeyError.", _GUIDE),
    "arguments/not-converted": Rule(
        _W, "Arguments arrive as text: compared or calculated with, it raises or errs.", _TEXT
    ),
    "arguments/decimal-comma": Rule(
        _N,
        "Where numbers are written 0,3 float() raises ValueError.",
        "a function in use that replaces the decimal comma of a number typed by the user",
    ),
    "arguments/without-effect": Rule(
        _N, "The tool asks for a value that the function does not use.", _GUIDE
    ),
    # Imports and versions.
    "imports/not-shipped": Rule(
        _W, "No ArcGIS Pro is known to bring the module, and the package does not either.", _SHIPS
    ),
    "imports/some-versions": Rule(_W, "Some ArcGIS Pro of 3.0 to 3.7 lack the module.", _SHIPS),
    "versions/python": Rule(
        _W,
        "Some ArcGIS Pro have a Python too old for the file.",
        "What's New in Python; Python 3.9 in ArcGIS Pro 3.0 to 3.13 in 3.7",
    ),
    "versions/library": Rule(
        _W,
        "The library of some ArcGIS Pro does not have this part yet.",
        f"release notes of the libraries; {_SHIPS}",
    ),
    "versions/numpy": Rule(_W, "Newer ArcGIS Pro have a numpy without this.", _NUMPY),
    "versions/torch-load": Rule(
        _W,
        "From torch 2.6 on torch.load refuses whole models unless told otherwise.",
        f"release notes of torch 2.6; {_SHIPS}",
    ),
}
