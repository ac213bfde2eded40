"""A raster function beside the model definition that it is to read."""

from __future__ import annotations

import ast
import re
from typing import Final

from .classes import FunctionClass, place
from .source import constant_text, is_load, subscript_key
from .subject import Subject

# Keys that ArcGIS leaves to the function.
_FOR_FUNCTION: Final = (
    "ModelFile",
    "ExtractBands",
    "DataRange",
    "Padding",
    "Threshold",
    "BatchSize",
    "ModelPadding",
    "SupportsVariableTileSize",
)
_JSON: Final = ("json.load", "json.loads")


def check_definition(subject: Subject) -> None:
    """Compare the definition's keys with those that the function reads."""
    _check_keys(subject)
    emd = subject.package.emd
    for key in _FOR_FUNCTION if not subject.delegates else ():
        if emd.get(key) in (None, "", [], "N/A", False) or subject.modules.mentions(key):
            continue
        if key == "ExtractBands" and subject.modules.mentions("extractBands"):
            continue
        subject.findings.add(
            "function/definition-unread",
            f"nothing in the package reads {key}",
            "Read it in the function, or remove the key.",
            *subject.package.place(f"/{key}"),
            pointer=f"/{key}",
        )


def _check_keys(subject: Subject) -> None:
    function, emd = subject.function, subject.package.emd
    holders = _holders(function)
    asked = _asked_for(function) if holders else set()
    for source, method in function.own() if holders else ():
        for part in source.local(method):
            key = subscript_key(part)
            if key is None or key in emd or key in asked or not is_load(part):
                continue
            held = place(part.value, method) in holders  # type: ignore[attr-defined]
            if held and not source.inside(part, ast.Try):
                subject.at(
                    source,
                    part,
                    "function/definition-key",
                    f"{method.name} reads the key {key!r}, which the model definition lacks",
                    f"Add {key!r} to the .emd file, or read it with .get({key!r}, default).",
                )


def _holders(function: FunctionClass) -> set[str]:
    """Return what holds the definition, read with json, and no more."""
    holders = {
        name
        for name, given in function.given.items()
        if (values := [g.value for g in given if not isinstance(g.value, (ast.Dict, ast.Constant))])
        and all(isinstance(v, ast.Call) and ast.unparse(v.func) in _JSON for v in values)
    }
    for source, method in function.own():
        for part in source.local(method):
            if isinstance(part, ast.Subscript) and not is_load(part):  # gets keys of its own
                holders.discard(place(part.value, method))
    return holders


def _asked_for(function: FunctionClass) -> set[str | None]:
    """Return the keys of which any method looks first whether they are there."""
    asked: set[str | None] = set()
    for source, node in function.own():
        for part in source.within(node):
            if isinstance(part, ast.Compare):
                asked.add(constant_text(part.left))
            elif isinstance(part, ast.Call) and getattr(part.func, "attr", "") == "get":
                asked.update(map(constant_text, part.args[:1]))
    return asked


# --- the path of the weights ----------------------------------------------------------------

_OPENERS: Final = re.compile(
    r"(open|load|load_model|load_weights|load_file|InferenceSession|read_bytes|load_checkpoint"
    r"|load_from_checkpoint|restore|Path)$"
)
_FILE: Final = r"(\./)?\w[\w. -]*(/\w[\w. -]*)*\.\w+"


def check_model_path(subject: Subject) -> None:
    """Find ModelFile, and other files of the package, opened relative to ArcGIS's folder."""
    if any("chdir" in source.text for source in subject.function.sources):
        return
    file, root = subject.package.emd.get("ModelFile"), subject.package.root
    relative = isinstance(file, str) and not re.match(r"[A-Za-z]:|[\\/]", file)
    plain = _plain_holders(subject.function) if relative else set()
    for source, method in subject.function.own():
        for call in source.local(method):
            if not isinstance(call, ast.Call) or not call.args or source.inside(call, ast.Try):
                continue
            opener = getattr(call.func, "attr", getattr(call.func, "id", ""))
            given, name = call.args[0], constant_text(call.args[0]) or ""
            if not _OPENERS.match(opener):
                continue
            packed = root and re.fullmatch(_FILE, name) and (root / name).is_file()
            if relative and (_is_model_file(given) or place(given, method) in plain):
                what = f"ModelFile ({file!r}) as it is,"
            elif packed and opener != "Path":
                what = f"{name!r}, which lies in the package and"
            else:
                continue
            subject.at(
                source,
                call,
                "function/model-path",
                f"{opener} gets {what} which ArcGIS looks for in its working directory",
                "Join it to the folder of the .emd file:"
                " os.path.join(os.path.dirname(kwargs['model']), …).",
            )


def _is_model_file(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        return node.func.attr == "get" and constant_text(node.args[0]) == "ModelFile"
    return node is not None and subscript_key(node) == "ModelFile"


def _plain_holders(function: FunctionClass) -> set[str]:
    """Return attributes and variables that never hold anything but ModelFile as it is."""
    good: set[str] = set()
    for _ in range(3):  # path = info["ModelFile"], then self.path = path, then one more
        good = {
            name
            for name, given in function.given.items()
            if all(_is_model_file(v) or place(v, method) in good for v, method in given)
        }
    return good
