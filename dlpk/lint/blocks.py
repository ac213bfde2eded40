"""What a raster function's methods return, and what it does with blocks of pixels."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .parameters import Parameters, returned
from .source import Source, constant_text, local_nodes, own_attribute, subscript_key
from .subject import Subject

__all__ = ["check_blocks", "check_output", "check_returns"]

_ANSWERS: Final = {
    "getParameterInfo": ("list", "Return a list of dictionaries, one per parameter."),
    "getConfiguration": ("dict", "Return a dictionary, such as {'padding': 0}."),
    "updateRasterInfo": ("dict", "End the method with `return kwargs`."),
    "updatePixels": (
        "dict",
        "Set pixelBlocks['output_pixels'] and end the method with `return pixelBlocks`.",
    ),
    "vectorize": ("dict", "Return {'output_vectors': json.dumps(features)}."),
    "getFields": ("str", "Return the fields as JSON text: json.dumps(fields)."),
    "getGeometryType": ("int", "Return the number of the geometry type (4 for polygons)."),
}
_WORDS: Final = {"list": "a list", "dict": "a dictionary", "str": "a text", "int": "a number"}
_LITERALS: Final[dict[type[ast.AST], str]] = {
    ast.Tuple: "tuple",
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.GeneratorExp: "generator",
    ast.JoinedStr: "str",
}
# Numpy functions that give an array whatever comes in.
_ARRAYS: Final = ("array", "asarray", "zeros", "ones", "full", "where", "stack", "concatenate")
_TYPES: Final = ("t1", "t2", "t4", "i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8")


# --- what methods return --------------------------------------------------------------------


def check_returns(subject: Subject) -> None:
    """Find methods that return nothing, or nothing that ArcGIS can use."""
    for name, (kind, remedy) in _ANSWERS.items():
        method = subject.function.methods.get(name)
        if method is None or method.node is None:
            continue
        source, node = method.source, method.node
        parts = list(local_nodes(node))
        values = returned(node)
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in parts):
            message = f"{name} is a generator (it uses yield), which ArcGIS cannot use"
            subject.at(source, node, "function/return-type", message, remedy)
        elif not values:
            # A method that always raises says so in its own words.
            if not isinstance(node.body[-1], ast.Raise):
                message = f"{name} returns nothing"
                subject.at(source, node, "function/return-type", message, remedy)
        else:
            for value in values:
                certain = _kind(source, _resolved(value, parts))
                if certain and certain != kind:
                    message = f"{name} returns a {certain}, not {_WORDS[kind]}"
                    subject.at(source, value, "function/return-type", message, remedy)


def _resolved(value: ast.expr, parts: list[ast.AST]) -> ast.expr:
    """Return what a name stands for if it is given a value once, in plain sight."""
    if not isinstance(value, ast.Name):
        return value
    stores = [
        part
        for part in parts
        if isinstance(part, ast.Name) and part.id == value.id and not isinstance(part.ctx, ast.Load)
    ]
    plain = [
        part.value for part in parts if isinstance(part, ast.Assign) and part.targets == stores
    ]
    return plain[0] if len(stores) == 1 and plain else value


def _kind(source: Source, value: ast.expr) -> str:
    """Return what a value certainly is; empty if that does not show."""
    literal = _LITERALS.get(type(value), "")
    if literal:
        return literal
    if isinstance(value, ast.Constant):
        return type(value.value).__name__
    if isinstance(value, ast.Call):
        full = source.full(value.func)
        if full.removeprefix("numpy.") in _ARRAYS and full.startswith("numpy."):
            return "array"
        if isinstance(value.func, ast.Attribute) and value.func.attr == "astype":
            return "array"
        if full == "json.dumps":
            return "str"
        if isinstance(value.func, ast.Name) and value.func.id in ("tuple", "list", "dict", "str"):
            return value.func.id
    return ""


# --- blocks that come in --------------------------------------------------------------------


def check_blocks(subject: Subject) -> None:
    """Find blocks that are read under a name that no raster parameter has."""
    rasters = _rasters(subject.parameters)
    if rasters is None:
        return
    listed = ", ".join(map(repr, rasters))
    for name in ("updatePixels", "vectorize"):
        method = subject.function.methods.get(name)
        if method is None or method.node is None or method.node.args.kwarg is None:
            continue
        source, node, blocks = method.source, method.node, method.node.args.kwarg.arg
        parts = list(local_nodes(node))
        asked = {constant_text(part.left) for part in parts if isinstance(part, ast.Compare)}
        stored = {
            subscript_key(part, blocks)
            for part in parts
            if isinstance(part, ast.Subscript) and not isinstance(part.ctx, ast.Load)
        }
        for part in parts:
            key = subscript_key(part, blocks) or ""
            owner, _, kind = key.rpartition("_")
            known = key in asked | stored or owner in (*rasters, "output", "compositeraster")
            if kind not in ("pixels", "mask") or known or source.inside(part, ast.Try):
                continue
            subject.at(
                source,
                part,
                "function/raster-key",
                f"{blocks}[{key!r}] is never there: the raster parameter is named {listed}",
                f"Read {blocks}[{rasters[0] + '_' + kind!r}], or name the parameter {owner!r}.",
            )


def _rasters(parameters: Parameters | None) -> list[str] | None:
    """Return the names of the raster parameters; None if there may be others."""
    if parameters is None or not parameters.closed or parameters.strays:
        return None
    rasters = []
    for entry in parameters.entries:
        kind = entry.get("dataType")
        if entry.name is None or not isinstance(kind, str):
            return None
        if kind in ("raster", "rasters"):
            rasters.append(entry.name)
    return rasters or None


# --- what goes out --------------------------------------------------------------------------


def check_output(subject: Subject) -> None:
    """Judge the description of the output, the size of blocks, and the type of pixels."""
    for source in subject.function.sources:
        for value in _pixel_types(source):
            if value.value not in _TYPES:
                subject.at(
                    source,
                    value,
                    "function/pixel-type",
                    f"there is no pixel type {value.value!r} (bytes are counted, not bits)",
                    f"Write one of {', '.join(_TYPES)}.",
                )
    if "updatePixels" not in subject.function.methods:
        return
    _check_size(subject)
    _check_table(subject)
    _check_cast(subject)


def _pixel_types(source: Source) -> Iterator[ast.Constant]:
    """Find texts that are given to ``…info['pixelType']``."""
    for node in source.nodes:
        value: ast.expr | None = None
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and subscript_key(target) == "pixelType":
                    value = node.value if "info" in ast.unparse(target.value) else None
            if isinstance(node.value, ast.Dict) and "info" in ast.unparse(node.targets[0]):
                value = _entry(node.value, "pixelType") or value
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("info'].update"):
            value = next((k.value for k in node.keywords if k.arg == "pixelType"), None)
            if node.args and isinstance(node.args[0], ast.Dict):
                value = _entry(node.args[0], "pixelType")
        for choice in [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]:
            if constant_text(choice) is not None and isinstance(choice, ast.Constant):
                yield choice


def _entry(node: ast.Dict, name: str) -> ast.expr | None:
    pairs = zip(node.keys, node.values)
    return next((value for key, value in pairs if constant_text(key) == name), None)


def _check_size(subject: Subject) -> None:
    method = subject.function.methods.get("getConfiguration")
    if method is None or method.node is None or subject.modules.mentions("fixedTileSize"):
        return
    for part in local_nodes(method.node):
        size = part if isinstance(part, ast.Dict) and _entry(part, "tx") is not None else None
        if isinstance(part, ast.Subscript) and not isinstance(part.ctx, ast.Load):
            size = part if subscript_key(part) == "tx" else None  # type: ignore[assignment]
        if size is not None:
            subject.at(
                method.source,
                size,
                "function/edge-blocks",
                "blocks of tx by ty pixels are asked for without 'fixedTileSize'",
                "Return 'fixedTileSize': 1, unless updatePixels works with smaller blocks, too.",
            )
            return


def _check_table(subject: Subject) -> None:
    function = subject.function
    method = function.methods.get("updateRasterInfo")
    if method is None:
        if not function.open and function.node is not None:
            subject.at(
                function.source,
                function.node,
                "function/no-raster-info",
                f"class {function.name} has no method updateRasterInfo",
                "Define it: set bandCount, pixelType and rasterAttributeTable of"
                " kwargs['output_info'].",
            )
        return
    if method.node is None or not subject.package.emd.get("Classes") or subject.delegates:
        return
    floats = any(value.value in ("f4", "f8") for value in _pixel_types(method.source))
    if not floats and not subject.modules.mentions("rasterAttributeTable"):
        subject.at(
            method.source,
            method.node,
            "function/no-attribute-table",
            "updateRasterInfo sets no rasterAttributeTable, so that ArcGIS shows the result"
            " without the names and colours of its classes (dlpk takes them from the .emd file)",
            "Set kwargs['output_info']['rasterAttributeTable'] to the table as JSON text.",
        )


_CASTS: Final = re.compile(r"astype|dtype|\.type\(|\.byte\(|\.to\(|int\d|float\d|props|pixelType")
_SHAPING: Final = {
    *("squeeze", "reshape", "transpose", "expand_dims", "cpu", "numpy", "detach", "copy", "flip"),
    *("array", "asarray", "ascontiguousarray", "unsqueeze", "view", "permute", "clip", "rot90"),
}


def _check_cast(subject: Subject) -> None:
    """Find pixels that are certainly of another type than the output's."""
    method = subject.function.methods["updatePixels"]
    if method.node is None or _CASTS.search(ast.unparse(method.node.body)):  # type: ignore[arg-type]
        return
    parts = list(local_nodes(method.node))
    for part in parts:
        if not isinstance(part, ast.Assign) or len(part.targets) != 1:
            continue
        if subscript_key(part.targets[0]) != "output_pixels":
            continue
        made = _made_by(part.value, parts)
        if made:
            subject.at(
                method.source,
                part,
                "function/output-type",
                f"output_pixels comes from {made} and is not converted to the output's type",
                "Write .astype(props['pixelType'], copy=False).",
            )


def _made_by(value: ast.expr, parts: list[ast.AST]) -> str:
    """Return what made an array of integers or truth values of numpy's own choice."""
    for _ in range(20):
        value = _resolved(value, parts)
        if isinstance(value, ast.Compare):
            return "a comparison"
        if isinstance(value, ast.Subscript):
            value = value.value
            continue
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            return ""
        name = value.func.attr
        if name in ("argmax", "argmin"):
            return name
        if name not in _SHAPING or own_attribute(value.func):
            return ""
        owner = value.func.value
        from_numpy = isinstance(owner, ast.Name) and owner.id in ("np", "numpy", "torch")
        if from_numpy and not value.args:
            return ""
        value = value.args[0] if from_numpy else owner
    return ""
