"""The keys of a model definition and what runs the model: type, function, framework, weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ..collector import Collector, child, quoted
from ..suggest import nearest
from .facts import (
    CORE_KEYS,
    FLAGS,
    IMAGERY_TYPES,
    MODEL_TYPES,
    PIXEL_TYPES,
    RETIRED_FRAMEWORKS,
    WRONG_TYPES,
)

MOST_UNKNOWN_KEYS = 1000
"""So many unknown keys are compared with the known ones, not more."""

_OTHER_SUFFIXES = (".pyc", ".pyd", ".pyo", ".pyw", ".pyt", ".so", ".dll", ".exe", ".zip")


def number(value: Any) -> bool:
    """Whether a value is a finite number (true and false are none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def whole(value: Any) -> bool:
    """Whether a value is a whole number, however it is written."""
    return number(value) and value == int(value)


def is_imagery(emd: Mapping[str, Any]) -> bool:
    """Whether ArcGIS runs the model on imagery, as far as the definition tells."""
    kind = emd.get("ModelType")
    if kind is None:
        return filled(emd.get("InferenceFunction"))
    return isinstance(kind, str) and kind in IMAGERY_TYPES


def is_pixels(emd: Mapping[str, Any]) -> bool:
    """Whether the definition calls itself a pixel classifier."""
    kind = emd.get("ModelType")
    return isinstance(kind, str) and kind in PIXEL_TYPES


def filled(value: Any) -> bool:
    """Whether a key says something: neither absent nor null, empty or ``N/A``."""
    if isinstance(value, str):
        return value.strip() not in ("", "N/A")
    return bool(value)


# --- keys ------------------------------------------------------------------------------------


def check_keys(emd: Mapping[str, Any], known: frozenset[str], collector: Collector) -> None:
    """Look for keys that nearly are known ones, and for flags written as text.

    Parameters
    ----------
    emd : mapping
        The definition.
    known : frozenset of str
        All documented keys.
    collector : Collector
        Takes the findings.
    """
    absent = tuple(key for key in CORE_KEYS if key not in emd)
    folded = {_fold(key): key for key in absent}
    unknown = [key for key in emd if key not in known]
    for key in unknown[:MOST_UNKNOWN_KEYS]:
        right = folded.get(_fold(key))
        rule = "emd/key-misspelt" if right is None else "emd/key-case"
        right = right or nearest(key, (name for name in absent if len(name) >= 7))
        if right is not None:
            collector.add(
                rule,
                f"the key {quoted(key)} is unknown to ArcGIS, which reads {quoted(right)}",
                f"Rename it to {quoted(right)}, or ignore this if the function reads it so.",
                child("", key),
                at_key=True,
            )
    for flag in FLAGS:
        value = emd.get(flag)
        if isinstance(value, str):
            meant = "false" if value.strip().lower() in ("", "false", "0", "no") else "true"
            collector.add(
                "emd/flag-as-text",
                f"{flag} is the text {quoted(value)}"
                + (", which Python takes for true" if value else ""),
                f"Write {meant} without quotes.",
                child("", flag),
            )


def _fold(key: str) -> str:
    return re.sub(r"[\s_\-]", "", key).casefold()


# --- what runs the model ---------------------------------------------------------------------


def check_model(emd: Mapping[str, Any], collector: Collector) -> None:
    """Check the model's type and what runs it: function, framework, weights."""
    _check_type(emd, collector)
    _check_inference(emd, collector)
    if isinstance(emd.get("ModelFile"), list):
        collector.add(
            "emd/model-file-list",
            "ModelFile is a list",
            "Write one file or folder, and the list under ModelFiles.",
            "/ModelFile",
        )


def _check_type(emd: Mapping[str, Any], collector: Collector) -> None:
    kind = emd.get("ModelType")
    pointer = "/ModelType"
    if kind is None:
        collector.add(
            "emd/model-type-missing",
            "ModelType is missing, so the model passes as type NULL",
            'Add it; for Classify Pixels: "ModelType": "ImageClassification".',
            pointer if "ModelType" in emd else "",
            subject=pointer,
        )
        return
    if not isinstance(kind, str) or kind in MODEL_TYPES:
        return
    rule, right = _right_type(kind)
    collector.add(
        rule,
        f"ModelType {quoted(kind)} is not one that ArcGIS is known to have",
        f'Write "{right}".'
        if right
        else 'Write the type of the tool: "ImageClassification" for Classify Pixels.',
        pointer,
    )


def _right_type(kind: str) -> tuple[str, str | None]:
    folded = _fold(kind)
    for right in MODEL_TYPES:
        if _fold(right) == folded:
            return "emd/model-type-case", right
    if folded in WRONG_TYPES:
        return "emd/model-type-unknown", WRONG_TYPES[folded]
    # A name with a known one in it may be a type of its own ("ObjectDetection3D"), a short one
    # another word.
    near = nearest(kind, (name for name in MODEL_TYPES if len(name) >= 10))
    if near is not None and near not in kind and kind not in near:
        return "emd/model-type-misspelt", near
    return "emd/model-type-unknown", near


def _check_inference(emd: Mapping[str, Any], collector: Collector) -> None:
    function = emd.get("InferenceFunction")
    if isinstance(function, str) and function.strip():
        _check_function_name(function, collector)
        return
    framework, configuration = emd.get("Framework"), emd.get("ModelConfiguration")
    kind = emd.get("ModelType")
    if kind is not None and not is_imagery(emd):
        return
    if kind is not None and not filled(framework) and not filled(configuration):
        collector.add(
            "emd/no-inference",
            "there is neither an InferenceFunction nor a Framework with ModelConfiguration",
            'Add the function\'s file, for example "InferenceFunction": "MyClassifier.py".',
            subject="/InferenceFunction",
        )
    elif not filled(framework) or not filled(configuration):
        lacking = [
            name
            for name, value in (("Framework", framework), ("ModelConfiguration", configuration))
            if not filled(value)
        ]
        collector.add(
            "emd/no-configuration",
            f"there is no InferenceFunction, and {' and '.join(lacking)} of a built-in"
            f" function {'is' if len(lacking) == 1 else 'are'} missing",
            "Add an InferenceFunction, or both Framework and ModelConfiguration.",
            subject="/InferenceFunction",
        )
    retired = RETIRED_FRAMEWORKS.get(framework.lower()) if isinstance(framework, str) else None
    if retired:
        collector.add(
            "emd/framework-retired",
            f"the built-in functions for {quoted(framework)} no longer run: {retired}",
            "Convert the model, or write a function that brings its own runtime.",
            "/Framework",
        )


def _check_function_name(function: str, collector: Collector) -> None:
    pointer = "/InferenceFunction"
    name = re.split(r"[\\/]", function.strip())[-1]
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    if suffix == ".py":
        return
    if suffix == "" or suffix in _OTHER_SUFFIXES:
        collector.add(
            "emd/inference-function-extension",
            f"InferenceFunction {quoted(function)} does not end in .py",
            "Write the name of the Python file with .py at its end.",
            pointer,
        )
        return
    module = name.partition(".")[0]
    collector.add(
        "emd/inference-function-not-python",
        f"InferenceFunction {quoted(function)} is not the name of a Python file",
        f"Write the file, {quoted(module + '.py')}; ArcGIS takes the class that is named like it.",
        pointer,
    )
