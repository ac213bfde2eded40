"""What a raster function's methods return, and what it does with blocks of pixels."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .classes import FunctionClass
from .parameters import Parameters, returned
from .source import Source, constant_text, is_load, name_of, subscript_key
from .subject import Subject

# What each method returns, in Python's word and in ours.
_ANSWERS: Final = {
    "getParameterInfo": ("list", "a list", "Return a list of dictionaries, one per parameter."),
    "getConfiguration": ("dict", "a dictionary", "Return a dictionary, such as {'padding': 0}."),
    "updateRasterInfo": ("dict", "a dictionary", "End the method with `return kwargs`."),
    "updatePixels": (
        "dict",
        "a dictionary",
        "Set pixelBlocks['output_pixels'] and end the method with `return pixelBlocks`.",
    ),
    "vectorize": ("dict", "a dictionary", "Return {'output_vectors': json.dumps(features)}."),
    "getFields": ("str", "a text", "Return the fields as JSON text: json.dumps(fields)."),
    "getGeometryType": ("int", "a number", "Return the number of the type (4 for polygons)."),
}
_LITERALS: Final[dict[type[ast.AST], str]] = {
    ast.Tuple: "tuple",
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.JoinedStr: "str",
}
_ARRAYS: Final = re.compile(
    r"numpy\.(array|asarray|zeros|ones|full|where|stack|concatenate)|.*\.astype"
)
_TYPES: Final = ("t1", "t2", "t4", "i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8")


# --- what methods return --------------------------------------------------------------------


def check_returns(subject: Subject) -> None:
    """Find methods that return nothing, or nothing that ArcGIS can use."""
    rule = "function/return-type"
    for name, (kind, words, remedy) in _ANSWERS.items():
        method = subject.function.methods.get(name)
        if method is None or method.node is None:
            continue
        values = returned(method)
        if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in method.parts):
            message = f"{name} is a generator (it uses yield), which ArcGIS cannot use"
            subject.at(method.source, method.node, rule, message, remedy)
        # A method that always raises says so in its own words.
        elif not values and not isinstance(method.node.body[-1], ast.Raise):
            subject.at(method.source, method.node, rule, f"{name} returns nothing", remedy)
        for value in values:
            resolved = subject.function.resolved(value, method.node)
            certain = _kind(method.source, resolved)
            if certain and certain != kind:
                message = f"{name} returns a {certain}, not {words}"
                subject.at(method.source, value, rule, message, remedy)


def _kind(source: Source, value: ast.AST) -> str:
    """Return what a value certainly is; empty if that does not show."""
    if isinstance(value, ast.Constant):
        return type(value.value).__name__
    if not isinstance(value, ast.Call):
        return _LITERALS.get(type(value), "")
    full = source.full(value.func)
    if _ARRAYS.fullmatch(full or "." + getattr(value.func, "attr", "")):
        return "array"
    name = getattr(value.func, "id", "")
    return "str" if full == "json.dumps" else name if name in ("tuple", "list", "dict") else ""


# --- blocks that come in --------------------------------------------------------------------


def check_blocks(subject: Subject) -> None:
    """Find blocks that are read under a name that no raster parameter has."""
    rasters = _rasters(subject.parameters)
    for source, node in subject.function.known("updatePixels", "vectorize") if rasters else ():
        if node.args.kwarg is None:
            continue
        blocks, parts = node.args.kwarg.arg, source.local(node)
        known = {constant_text(part.left) for part in parts if isinstance(part, ast.Compare)}
        known |= {subscript_key(part, blocks) for part in parts if not is_load(part)}
        for part in parts:
            key = subscript_key(part, blocks) or ""
            owner, _, kind = key.rpartition("_")
            if kind not in ("pixels", "mask") or source.inside(part, ast.Try):
                continue
            if key in known or owner in (*rasters, "output", "compositeraster"):
                continue
            subject.at(
                source,
                part,
                "function/raster-key",
                f"{blocks}[{key!r}] is never there: the raster parameter is named"
                f" {', '.join(map(repr, rasters))}",
                f"Read {blocks}[{rasters[0] + '_' + kind!r}], or name the parameter {owner!r}.",
            )


def _rasters(parameters: Parameters | None) -> list[str]:
    """Return the names of the raster parameters; none if there may be others."""
    if parameters is None or not parameters.closed:
        return []
    entries = [(entry.name, entry.keys.get("dataType")) for entry in parameters.entries]
    if any(name is None or not isinstance(kind, str) for name, kind in entries):
        return []
    return [name for name, kind in entries if name and kind in ("raster", "rasters")]


# --- what goes out --------------------------------------------------------------------------


def check_output(subject: Subject) -> None:
    """Judge the description of the output, the size of blocks, and the type of pixels."""
    for source in subject.function.sources:
        for value in _pixel_types(source):
            if value.value not in _TYPES:
                message = f"there is no pixel type {value.value!r} (bytes are counted, not bits)"
                remedy = f"Write one of {', '.join(_TYPES)}."
                subject.at(source, value, "function/pixel-type", message, remedy)
    if "updatePixels" in subject.function.methods:
        _check_size(subject)
        _check_table(subject)
        _check_cast(subject)


def _pixel_types(source: Source) -> Iterator[ast.Constant]:
    """Find texts that are given to ``…info['pixelType']``."""
    for node in source.nodes:
        value: ast.AST | None = None
        above = source.parent(node)
        if isinstance(node, ast.Subscript) and subscript_key(node) == "pixelType":
            if isinstance(above, ast.Assign) and "info" in ast.unparse(node.value):
                value = above.value
        elif isinstance(node, ast.Dict) and _entry(node, "pixelType") is not None:
            value = _entry(node, "pixelType") if _describes(above) else None
        elif isinstance(node, ast.keyword) and node.arg == "pixelType":
            value = node.value if _describes(above) else None
        for choice in [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]:
            if isinstance(choice, ast.Constant) and isinstance(choice.value, str):
                yield choice


def _describes(above: ast.AST | None) -> bool:
    """Whether what stands in a statement or call becomes the description of the output."""
    if isinstance(above, ast.Call):
        return ast.unparse(above.func).endswith("info'].update")
    return isinstance(above, ast.Assign) and "info" in ast.unparse(above.targets[0])


def _entry(node: ast.Dict, name: str) -> ast.expr | None:
    pairs = zip(node.keys, node.values)
    return next((value for key, value in pairs if constant_text(key) == name), None)


def _check_size(subject: Subject) -> None:
    if subject.modules.mentions("fixedTileSize"):
        return
    for source, method in subject.function.known("getConfiguration"):
        for part in source.local(method):
            stored = subscript_key(part) == "tx" and not is_load(part)
            if stored or (isinstance(part, ast.Dict) and _entry(part, "tx") is not None):
                message = "blocks of tx by ty pixels are asked for without 'fixedTileSize'"
                remedy = (
                    "Return 'fixedTileSize': 1, unless updatePixels works with smaller blocks, too."
                )
                subject.at(source, part, "function/edge-blocks", message, remedy)
                return


def _check_table(subject: Subject) -> None:
    function = subject.function
    method = function.methods.get("updateRasterInfo")
    if method is None and not function.open and function.node is not None:
        subject.at(
            function.source,
            function.node,
            "function/no-raster-info",
            f"class {function.name} has no method updateRasterInfo",
            "Define it: set bandCount, pixelType and rasterAttributeTable of the output_info.",
        )
    if method is None or method.node is None or not subject.package.emd.get("Classes"):
        return
    if subject.delegates or subject.modules.mentions("rasterAttributeTable"):
        return
    if not any(value.value in ("f4", "f8") for value in _pixel_types(method.source)):
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
    if method.node is None or any(_CASTS.search(ast.unparse(part)) for part in method.node.body):
        return
    for part in method.parts:
        if not isinstance(part, ast.Assign) or subscript_key(part.targets[0]) != "output_pixels":
            continue
        made = _made_by(part.value, subject.function, method.node)
        if made:
            message = f"output_pixels comes from {made} and is not converted to the output's type"
            remedy = "Write .astype(props['pixelType'], copy=False)."
            subject.at(method.source, part, "function/output-type", message, remedy)


def _made_by(value: ast.AST, function: FunctionClass, method: ast.FunctionDef) -> str:
    """Return what made an array of integers or truth values of numpy's own choice."""
    for _ in range(20):
        value = function.resolved(value, method)
        if isinstance(value, ast.Compare):
            return "a comparison"
        if isinstance(value, ast.Subscript):
            value = value.value
            continue
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
            return ""
        name, owner = value.func.attr, value.func.value
        if name in ("argmax", "argmin"):
            return name
        if name not in _SHAPING or name_of(value.func):
            return ""
        from_numpy = name_of(owner) in ("np", "numpy", "torch")
        if from_numpy and not value.args:
            return ""
        value = value.args[0] if from_numpy else owner
    return ""
