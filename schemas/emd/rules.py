"""The rules that model definitions and manifests are judged by, one table with its sources."""

from __future__ import annotations

from ..findings import Rule, Severity

__all__ = ["RULES", "Rule"]


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

_DOCS = "Esri/raster-deep-learning: writing_model_definition"
_GUIDE = "Esri/raster-deep-learning: guide and templates for custom inference functions"
_LEARN = "arcgis.learn 2.4.4: what its inference functions read"
_WRITE = "arcgis.learn 2.4.4: what its models write"
_TYPE = "ArcGIS error 003569 (model type) and sharing analyzer message 00322"
_INIT = "ArcGIS error 002667 (the function cannot be initialised), in public threads"
_DOMAIN = "ArcGIS error 160676 (domain name), in public threads; help of Create Domain"
_JSON = "RFC 8259 (JSON)"
_PYTHON = "Python's json module, which raster functions read the definition with"
_WINDOWS = "Windows: Naming Files, Paths, and Namespaces"
_LINUX = "paths on ArcGIS Server for Linux"
_SAMPLES = "Esri's own samples and Living Atlas packages"
_VERSIONS = "Esri/deep-learning-frameworks: what each ArcGIS Pro ships"
_LIMIT = "this project's choice, so that a hostile file cannot exhaust the machine"
_PROFILE = "this project's package format, version 1"

RULES: dict[str, Rule] = {
    # The text.
    "emd/not-json": Rule(
        _E, "ArcGIS and every raster function stop at the first JSON mistake.", _JSON
    ),
    "emd/byte-order-mark": Rule(
        _E, "Python's json module refuses text that begins with a byte order mark.", _PYTHON
    ),
    "emd/utf-16": Rule(
        _E, "Files are read in the system's 8-bit encoding or UTF-8, never UTF-16.", _PYTHON
    ),
    "emd/not-utf8": Rule(
        _W, "The text can be read only where the system uses the author's code page.", _PYTHON
    ),
    "emd/non-ascii": Rule(
        _N,
        "Functions open the file in the system's encoding, so such letters can be garbled.",
        _WRITE,
    ),
    "emd/lone-surrogate": Rule(_W, "No file or layer name can hold half a character.", _JSON),
    "emd/duplicate-key": Rule(
        _W, "Which of two equal keys counts is each reader's choice; in Python the last.", _JSON
    ),
    "emd/not-finite": Rule(
        _W, "Python writes and reads NaN and Infinity, JSON readers elsewhere refuse them.", _JSON
    ),
    "emd/too-deep": Rule(_E, "Python's reader gives up on very deep nesting.", _PYTHON),
    "emd/too-large": Rule(_E, "Far larger than any known model definition.", _LIMIT),
    "emd/not-an-object": Rule(_E, "A model definition is a JSON object of keys.", _DOCS),
    # The schema.
    "emd/wrong-type": Rule(_E, "No reader of this key can use a value of this kind.", _DOCS),
    "emd/wrong-value": Rule(_E, "No reader of this key can use this value.", _DOCS),
    "emd/missing-key": Rule(_E, "A package of this format needs the key.", _PROFILE),
    "emd/package-not-square": Rule(_E, "CLIPSeg reads square tiles only.", _PROFILE),
    # Keys.
    "emd/key-case": Rule(
        _W, "Keys are compared with capitals and small letters; this one is not found.", _LEARN
    ),
    "emd/key-misspelt": Rule(_W, "A key that is nearly a known one is not found.", _LEARN),
    "emd/flag-as-text": Rule(_W, "Python takes any text, even false in quotes, for true.", _PYTHON),
    # What runs the model.
    "emd/model-type-missing": Rule(
        _N, "It passes as type NULL, but tools cannot tell what the model is for.", _TYPE
    ),
    "emd/model-type-misspelt": Rule(_E, "Every tool refuses a model type it does not know.", _TYPE),
    "emd/model-type-case": Rule(
        _W, "Whether tools ignore capitals in the model type is not documented.", _TYPE
    ),
    "emd/model-type-unknown": Rule(_W, "No known tool takes this model type.", _TYPE),
    "emd/no-inference": Rule(_E, "There is nothing that could run the model.", _DOCS),
    "emd/no-configuration": Rule(
        _W, "A built-in function is chosen by framework and configuration together.", _DOCS
    ),
    "emd/inference-function-not-python": Rule(
        _E, "The inference function is a Python file, no class or method.", _DOCS
    ),
    "emd/inference-function-extension": Rule(
        _W, "Only names that end in .py are documented.", _DOCS
    ),
    "emd/framework-retired": Rule(
        _W, "Current versions of ArcGIS Pro come without this framework.", _VERSIONS
    ),
    "emd/model-file-list": Rule(_W, "Functions join ModelFile, a text, to a folder.", _LEARN),
    # Paths.
    "emd/path-absolute": Rule(_W, "The path exists on the author's machine only.", _DOCS),
    "emd/path-outside": Rule(
        _W, "What lies outside the package's folder is not in the package.", _DOCS
    ),
    "emd/path-control-character": Rule(
        _E, "No file name holds a tab or line break: a backslash was not doubled.", _WINDOWS
    ),
    "emd/path-whitespace": Rule(_W, "Blanks around a file name are not part of it.", _WINDOWS),
    "emd/path-backslash": Rule(_N, "Backslashes separate folders on Windows only.", _LINUX),
    # Classes.
    "emd/classes-missing": Rule(_W, "Esri's classifiers read the classes unconditionally.", _LEARN),
    "emd/classes-empty": Rule(_W, "Without classes there is no legend.", _LEARN),
    "emd/class-keys-old": Rule(
        _N, "ClassValue and ClassName are read by few functions since 2019.", _LEARN
    ),
    "emd/class-value-missing": Rule(_W, "Esri's classifiers read the value of each class.", _LEARN),
    "emd/class-value-type": Rule(
        _W, "Pixel values are whole numbers; an attribute table has 32 bits for them.", _GUIDE
    ),
    "emd/class-value-zero": Rule(
        _N, "0 is taken for background and is not offered when background is left out.", _GUIDE
    ),
    "emd/class-value-duplicate": Rule(
        _W, "Two classes with one value cannot be told apart.", _DOCS
    ),
    "emd/class-name-missing": Rule(
        _W, "Esri's classifiers read the name of each class; a legend shows it.", _LEARN
    ),
    "emd/class-name-characters": Rule(
        _W,
        "Tools make domains of class names, up to 160 characters; others end in error 160676.",
        _DOMAIN,
    ),
    "emd/class-name-duplicate": Rule(_W, "Two classes with one name look alike.", _LEARN),
    "emd/class-color-missing": Rule(
        _W, "Esri's classifiers read the colour unconditionally and fail with KeyError.", _LEARN
    ),
    "emd/class-color-form": Rule(
        _W, "Esri's classifiers read three whole numbers from 0 to 255.", _LEARN
    ),
    # Numbers.
    "emd/image-size-missing": Rule(
        _W, "Esri's functions read the tile size unconditionally.", _LEARN
    ),
    "emd/image-size-type": Rule(_W, "Functions calculate with the tile size as it is.", _LEARN),
    "emd/image-size-unusual": Rule(
        _W, "Tiles of this size fail or exhaust the memory with most networks.", _SAMPLES
    ),
    "emd/image-size-not-square": Rule(
        _N, "Esri's classifiers take the height for both directions.", _LEARN
    ),
    "emd/extract-bands-missing": Rule(
        _N, "A function that asks for no bands gets all of them.", _GUIDE
    ),
    "emd/extract-bands-type": Rule(_W, "Bands are a list of indexes or names.", _DOCS),
    "emd/extract-bands-negative": Rule(_W, "Band indexes begin at 0.", _DOCS),
    "emd/extract-bands-from-one": Rule(
        _N, "Indexes begin at 0: this leaves out the first band.", _DOCS
    ),
    "emd/data-range": Rule(_W, "The range is two numbers, the smaller first.", _DOCS),
    "emd/padding": Rule(_W, "Padding takes its share on both sides of the tile.", _LEARN),
    "emd/threshold": Rule(_W, "Confidences lie between 0 and 1.", _GUIDE),
    # The manifest.
    "manifest/not-json": Rule(_E, "The manifest cannot be read.", _PROFILE),
    "manifest/wrong-type": Rule(_E, "The value is not of the kind the format asks for.", _PROFILE),
    "manifest/wrong-value": Rule(_E, "The format does not allow the value.", _PROFILE),
    "manifest/missing-key": Rule(_E, "The format asks for the key.", _PROFILE),
    "manifest/duplicate-key": Rule(_E, "Which of two equal keys counts is not defined.", _PROFILE),
    "manifest/unsafe-path": Rule(_E, "A listed file must lie inside the package.", _PROFILE),
    "manifest/lists-itself": Rule(_E, "No file can hold its own checksum.", _PROFILE),
    "manifest/case-collision": Rule(_E, "On Windows one file overwrites the other.", _WINDOWS),
    # The golden chips.
    "golden/not-json": Rule(_E, "The golden chips cannot be read.", _PROFILE),
    "golden/wrong-type": Rule(_E, "The value is not of the kind the format asks for.", _PROFILE),
    "golden/wrong-value": Rule(_E, "The format does not allow the value.", _PROFILE),
    "golden/missing-key": Rule(_E, "The format asks for the key.", _PROFILE),
    "golden/duplicate-key": Rule(_E, "Which of two equal keys counts is not defined.", _PROFILE),
}
