"""A raster function beside the model definition that it is to read."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from typing import Final

from .classes import FunctionClass
from .source import constant_text, local_nodes, own_attribute, subscript_key
from .subject import Subject

__all__ = ["check_definition", "check_model_path"]

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
    holders = set(_holders(function))
    asked = set(_asked_for(function)) if holders else set()
    for source, method in function.own() if holders else ():
        for part in local_nodes(method):
            if not isinstance(part, ast.Subscript) or not isinstance(part.ctx, ast.Load):
                continue
            key, owner = subscript_key(part), _owner(part.value)
            if method.name != "initialize" and not owner.startswith("."):
                continue
            if key is None or owner not in holders or key in emd or key in asked:
                continue
            if not source.inside(part, ast.Try):
                subject.at(
                    source,
                    part,
                    "function/definition-key",
                    f"{method.name} reads the key {key!r}, which the model definition lacks",
                    f"Add {key!r} to the .emd file, or read it with .get({key!r}, default).",
                )


def _owner(node: ast.AST) -> str:
    attribute = own_attribute(node)
    if attribute is not None:
        return "." + attribute
    return node.id if isinstance(node, ast.Name) else ""


def _is_json(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("json.load", "json.loads")


def _holders(function: FunctionClass) -> set[str]:
    """Return names in initialize, and ``.attributes``, that hold the definition and no more."""
    good: set[str] = set()
    bad: set[str] = set()
    for _, node in function.own():
        for part in local_nodes(node):
            for target in part.targets if isinstance(part, ast.Assign) else ():
                assert isinstance(part, ast.Assign)
                owner = _owner(target)
                if isinstance(target, ast.Subscript):
                    bad.add(_owner(target.value))  # gets keys of its own
                elif node.name == "initialize" and _is_json(part.value):
                    good.add(owner)
                elif (
                    owner.startswith(".") and not isinstance(part.value, (ast.Dict, ast.Constant))
                ) or node.name == "initialize":
                    bad.add(owner)
    return good - bad - {""}


def _asked_for(function: FunctionClass) -> Iterator[str]:
    """Find the keys of which any method looks first whether they are there."""
    for _, node in function.own():
        for part in ast.walk(node):
            word = None
            if isinstance(part, ast.Compare):
                word = constant_text(part.left)
            elif isinstance(part, ast.Call) and getattr(part.func, "attr", "") == "get":
                word = constant_text(part.args[0]) if part.args else None
            if word is not None:
                yield word


# --- the path of the weights ----------------------------------------------------------------

_OPENERS: Final = re.compile(
    r"(open|load|load_model|load_weights|load_file|InferenceSession|read_bytes|load_checkpoint"
    r"|load_from_checkpoint|restore|Path)$"
)


def check_model_path(subject: Subject) -> None:
    """Find ModelFile opened as it stands in the definition, relative to ArcGIS's folder."""
    file = subject.package.emd.get("ModelFile")
    if not isinstance(file, str) or os.path.isabs(file) or re.match(r"[A-Za-z]:|[\\/]", file):
        return
    if any("chdir" in source.text for source in subject.function.sources):
        return
    plain = _plain_holders(subject.function)
    for source, method in subject.function.own():
        for call in local_nodes(method):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            key = _place(call.args[0], method)
            opened = _is_model_file(call.args[0]) or key in plain
            if _OPENERS.match(name) and opened and not source.inside(call, ast.Try):
                subject.at(
                    source,
                    call,
                    "function/model-path",
                    f"{name} gets ModelFile ({file!r}) as it is, which ArcGIS looks for in its"
                    " working directory",
                    "Join it to the folder of the .emd file:"
                    " os.path.join(os.path.dirname(kwargs['model']), …).",
                )


def _is_model_file(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        return node.func.attr == "get" and constant_text(node.args[0]) == "ModelFile"
    return subscript_key(node) == "ModelFile"


def _place(node: ast.AST, method: ast.FunctionDef) -> str:
    """Return a name for what an expression reads: attributes by theirs, variables per method."""
    owner = _owner(node)
    return owner if owner.startswith(".") or not owner else f"{method.name}:{owner}"


def _plain_holders(function: FunctionClass) -> set[str]:
    """Return attributes and variables that never hold anything but ModelFile as it is."""
    stores: list[tuple[str, ast.AST | None, ast.FunctionDef]] = []
    for source, method in function.own():
        for part in ast.walk(method):
            name = _place(part, method)
            if name and not isinstance(getattr(part, "ctx", None), ast.Load):
                above = source.parent(part)
                value = above.value if isinstance(above, ast.Assign) else None
                if not isinstance(value, ast.Constant) or value.value:  # else nothing yet
                    stores.append((name, value, method))
    good: set[str] = set()
    for _ in range(3):  # path = info["ModelFile"], then self.path = path, then one more
        bad = {
            name
            for name, value, method in stores
            if value is None or not (_is_model_file(value) or _place(value, method) in good)
        }
        good = {name for name, _, _ in stores} - bad
    return good
