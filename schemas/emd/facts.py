"""What is known of model types, keys and names in model definitions: `facts.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FACTS: dict[str, Any] = json.loads(Path(__file__).with_name("facts.json").read_text("utf-8"))

MODEL_TYPES: dict[str, str] = _FACTS["model types"]
"""Known values of ModelType and the tool they are made for.

"" stands for Classify Pixels, and for types of which it is not documented whether that takes them.
"""

PIXEL_TYPES = frozenset({"ImageClassification", "ClassifyPixels"})
"""Model types that give a class per pixel."""

IMAGERY_TYPES = PIXEL_TYPES | {
    *("ObjectDetection", "InstanceDetection", "ObjectClassification", "ImageCaptioner")
}
"""Model types that ArcGIS runs tile by tile on imagery, through a raster function."""

WRONG_TYPES: dict[str, str] = _FACTS["model types of others"]
"""What other programs call these kinds of models (small letters only) and Esri's word for it."""

CORE_KEYS: tuple[str, ...] = tuple(_FACTS["core keys"])
"""Keys that are looked for under exactly this name; functions use others as they like."""

FLAGS: tuple[str, ...] = tuple(_FACTS["flags"])
"""Keys that Python functions use as conditions."""

PATH_KEYS: tuple[str, ...] = tuple(_FACTS["path keys"])
"""Keys whose value is the path of a file in the package."""

RETIRED_FRAMEWORKS: dict[str, str] = _FACTS["retired frameworks"]

BACKGROUND_NAMES = frozenset(_FACTS["background names"])
"""Names (in small letters) under which value 0 is no surprise."""
