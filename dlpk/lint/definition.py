"""A raster function beside the model definition that it is to read."""

from __future__ import annotations

import ast
import os
import re
from typing import Final

from .classes import FunctionClass
from .source import constant_text, is_load, name_of, subscript_key
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
    holders = _holders(function)
    asked = _asked_for(function) if holders else set()
    for source, method in function.own() if holders else ():
        for part in source.local(method):
            key = subscript_key(part)
            if key is None or key in emd or key in asked or not is_load(part):
                continue
            owner = name_of(part.value)  # type: ignore[attr-defined]
            if owner not in holders or not (method.name == "initialize" or owner[0] == "."):
                continue
            if not source.inside(part, ast.Try):
                subject.at(
                    source,
                    part,
                    "function/definition-key",
                    f"{method.name} reads the key {key!r}, which the model definition lacks",
                    f"Add {key!r} to the .emd file, or read it with .get({key!r}, default).",
                )


def _holders(function: FunctionClass) -> set[str]:
    """Return names in initialize, and attributes, that hold the definition and no more."""
    good: set[str] = set()
    bad: set[str] = set()
    for source, node in function.own():
        starts = node.name == "initialize"
        for part in source.local(node):
            if not isinstance(part, ast.Assign):
                continue
            json = isinstance(part.value, ast.Call) and ast.unparse(part.value.func) in (
                "json.load",
                "json.loads",
            )
            for target in part.targets:
                owner = name_of(target)
                if isinstance(target, ast.Subscript):
                    bad.add(name_of(target.value))  # gets keys of its own
                elif starts and json:
                    good.add(owner)
                elif starts or not isinstance(part.value, (ast.Dict, ast.Constant)):
                    bad.add(owner if starts or owner.startswith(".") else "")
    return good - bad - {""}


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


def check_model_path(subject: Subject) -> None:
    """Find ModelFile opened as it stands in the definition, relative to ArcGIS's folder."""
    file = subject.package.emd.get("ModelFile")
    if not isinstance(file, str) or os.path.isabs(file) or re.match(r"[A-Za-z]:|[\\/]", file):
        return
    if any("chdir" in source.text for source in subject.function.sources):
        return
    plain = _plain_holders(subject.function)
    for source, method in subject.function.own():
        for call in source.local(method):
            if not isinstance(call, ast.Call) or not call.args:
                continue
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            opened = _is_model_file(call.args[0]) or _place(call.args[0], method) in plain
            if opened and _OPENERS.match(name) and not source.inside(call, ast.Try):
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
    owner = name_of(node)
    return owner if owner.startswith(".") or not owner else f"{method.name}:{owner}"


def _plain_holders(function: FunctionClass) -> set[str]:
    """Return attributes and variables that never hold anything but ModelFile as it is."""
    stores: dict[str, list[str]] = {}  # what each is given: "ModelFile", another name, or ""
    for source, method in function.own():
        for part in source.within(method):
            name = "" if is_load(part) else _place(part, method)
            above = source.parent(part) if name else None
            value = above.value if isinstance(above, ast.Assign) else None
            if name and not (isinstance(value, ast.Constant) and not value.value):  # nothing yet
                given = "" if value is None else _place(value, method)
                direct = value is not None and _is_model_file(value)
                stores.setdefault(name, []).append("ModelFile" if direct else given)
    good = {"ModelFile"}
    for _ in range(3):  # path = info["ModelFile"], then self.path = path, then one more
        good |= {name for name, values in stores.items() if good.issuperset(values)}
    return good
