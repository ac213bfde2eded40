"""Judging initialize, which ArcGIS calls twice: to fill its dialog, and for the run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .classes import FunctionClass
from .collector import Collector
from .modules import Modules
from .names import Names, constant_text, subscript_key
from .returns import local_nodes
from .source import Source

__all__ = ["RULES", "check_phases"]

_W, _N = Severity.WARNING, Severity.NOTE
_VALIDATION = (
    "Esri's templates load the model with the first block; public threads on ArcGIS Pro that"
    " crashes when a package is picked"
)
_DEVICE = "Esri's inference functions: device may be absent, -1 is the processor, -2 any card"
_JSON = "help of the deep learning tools: the model definition may be a JSON string"

RULES: dict[str, Rule] = {
    "function/heavy-initialize": Rule(
        _W, "The dialog calls initialize, too: it opens slowly or not at all.", _VALIDATION
    ),
    "function/device-required": Rule(
        _W, "While the dialog is being filled, initialize gets no device.", _DEVICE
    ),
    "function/model-required": Rule(
        _N, "initialize may be called without a model and should return quietly then.", _DEVICE
    ),
    "function/model-text": Rule(
        _N, "The tools take the model definition as JSON text, too; a server uses that.", _JSON
    ),
    "function/model-as-file": Rule(
        _W, "ArcGIS passes no model_as_file; the name is a local one in Esri's functions.", _DEVICE
    ),
    "function/cuda-fixed": Rule(
        _W, "On a machine without a graphics card this raises.", "torch: device 'cuda'"
    ),
    "function/map-location": Rule(
        _N,
        "Weights saved on a graphics card load elsewhere only with map_location.",
        "torch: torch.load",
    ),
}

# Calls that read weights or build networks.
_HEAVY: Final = {
    "torch.load",
    "torch.jit.load",
    "torch.hub.load",
    "torch.hub.load_state_dict_from_url",
    "onnxruntime.InferenceSession",
    "onnx.load",
    "safetensors.torch.load_file",
    "joblib.load",
    "pickle.load",
    "tensorflow.keras.models.load_model",
    "keras.models.load_model",
    "tensorflow.saved_model.load",
    "timm.create_model",
    "open_clip.create_model_and_transforms",
    "clip.load",
}
_HEAVY_METHODS: Final = {"from_pretrained", "load_state_dict", "load_from_checkpoint", "from_model"}
_PLACES: Final = ("device", "map_location")
_MAX_DEPTH: Final = 3


def check_phases(function: FunctionClass, modules: Modules, sources: list[Source]) -> Report:
    """Judge what initialize reads and does.

    Parameters
    ----------
    function : FunctionClass
        The function's class.
    modules : Modules
        The package's modules.
    sources : list of Source
        The function's file first, then what it imports of the package.
    """
    findings = Collector(RULES)
    method = function.methods.get("initialize")
    if method is not None and method.node is not None:
        source, node = method.source, method.node
        if node.args.kwarg is not None:
            _check_keywords(source, node, node.args.kwarg.arg, findings)
        _check_text(source, node, modules, findings)
        _check_heavy(function, source, node, findings)
    for item in function.sources:
        _check_cuda(item, findings)
    return findings.report()


def _check_keywords(
    source: Source, node: ast.FunctionDef, keywords: str, findings: Collector
) -> None:
    parts = list(local_nodes(node))
    asked = {
        constant_text(part.left)
        for part in parts
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], (ast.In, ast.NotIn))
    }
    asked |= {key for part in parts for key in ("model", "device") if _gets(part, keywords, key)}
    for part in parts:
        key = None
        if (
            isinstance(part, ast.Subscript)
            and isinstance(part.ctx, ast.Load)
            and isinstance(part.value, ast.Name)
            and part.value.id == keywords
        ):
            key = subscript_key(part)
        if key in ("device", "model") and key not in asked and not _tried(source, part):
            rule = f"function/{key}-required"
            findings.at(
                source,
                part,
                rule,
                f"{keywords}[{key!r}] fails where ArcGIS passes no {key}",
                f"Write {keywords}.get({key!r}) and go on without it if it is None.",
            )
        if _reads(part, keywords, "model_as_file"):
            findings.at(
                source,
                part,
                "function/model-as-file",
                "initialize reads 'model_as_file' from its keywords, where ArcGIS does not put it",
                "Try to open kwargs['model'] as a file; if there is none, it is JSON text.",
            )


def _tried(source: Source, node: ast.AST) -> bool:
    return any(isinstance(above, ast.Try) for above in source.ancestors(node))


def _reads(node: ast.AST, keywords: str, key: str) -> bool:
    if isinstance(node, ast.Subscript):
        return (
            isinstance(node.value, ast.Name)
            and node.value.id == keywords
            and subscript_key(node) == key
        )
    return _gets(node, keywords, key)


def _gets(node: ast.AST, keywords: str, key: str) -> bool:
    """Whether a node is a call such as ``keywords.get(key)``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == keywords
        and bool(node.args)
        and constant_text(node.args[0]) == key
    )


def _check_text(
    source: Source, node: ast.FunctionDef, modules: Modules, findings: Collector
) -> None:
    opens = [
        part
        for part in local_nodes(node)
        if isinstance(part, ast.Call)
        and isinstance(part.func, ast.Name)
        and part.func.id == "open"
        and part.args
        and "model" in ast.unparse(part.args[0]).lower()
    ]
    if opens and not modules.mentions("json.loads") and not modules.mentions("loads("):
        findings.at(
            source,
            opens[0],
            "function/model-text",
            "the model definition is opened as a file, and it may be JSON text",
            "Catch FileNotFoundError and OSError, and read it with json.loads then.",
        )


def _check_heavy(
    function: FunctionClass, source: Source, node: ast.FunctionDef, findings: Collector
) -> None:
    found = list(_heavy(function, source, node, 0, set()))
    if found:
        where, part, _ = found[0]
        calls = ", ".join(dict.fromkeys(what for _, _, what in found))
        findings.at(
            where,
            part,
            "function/heavy-initialize",
            f"initialize calls {calls} whenever it is called, so that picking the package in"
            " ArcGIS Pro's dialog loads the model",
            "Load it with the first block (in updatePixels or vectorize), or only if a device is"
            " given.",
        )


def _heavy(
    function: FunctionClass,
    source: Source,
    node: ast.FunctionDef,
    depth: int,
    seen: set[str],
) -> Iterator[tuple[Source, ast.AST, str]]:
    names = Names(source)
    for part in local_nodes(node):
        if not isinstance(part, ast.Call) or _for_the_run(source, node, part):
            continue
        full = names.full(part.func)
        last = part.func.attr if isinstance(part.func, ast.Attribute) else ""
        if full in _HEAVY or last in _HEAVY_METHODS:
            yield source, part, full or ast.unparse(part.func)
        elif (
            depth < _MAX_DEPTH
            and isinstance(part.func, ast.Attribute)
            and isinstance(part.func.value, ast.Name)
            and part.func.value.id == "self"
            and last not in seen
        ):
            seen.add(last)
            method = function.methods.get(last)
            if method is not None and method.node is not None:
                yield from _heavy(function, method.source, method.node, depth + 1, seen)


def _for_the_run(source: Source, method: ast.FunctionDef, node: ast.AST) -> bool:
    """Whether a node is reached only with a device."""
    inside: ast.AST = node
    for above in source.ancestors(node):
        decides = isinstance(above, (ast.If, ast.IfExp)) and inside is not above.test
        if decides and "device" in ast.unparse(getattr(above, "test", above)):
            return True
        for body in (getattr(above, "body", None), getattr(above, "orelse", None)):
            if isinstance(body, list) and inside in body:
                before = body[: body.index(inside)]
                if any(_leaves_without_device(statement) for statement in before):
                    return True
        if above is method:
            return False
        inside = above
    return False


def _leaves_without_device(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and "device" in ast.unparse(statement.test)
        and any(isinstance(part, ast.Return) for part in ast.walk(statement))
    )


def _check_cuda(source: Source, findings: Collector) -> None:
    names = Names(source)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        full = names.full(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        values = [*node.args[:1], *(k.value for k in node.keywords if k.arg in _PLACES)]
        fixed = any((constant_text(value) or "").startswith("cuda") for value in values)
        if last == "cuda" and not node.args and not full:
            fixed = True
        elif not (full == "torch.device" or last in ("to", "load", "full", "zeros", "tensor")):
            fixed = fixed and any(k.arg in _PLACES for k in node.keywords)
        if fixed and not _depends(source, node):
            findings.at(
                source,
                node,
                "function/cuda-fixed",
                f"{_short(node)} needs a graphics card of NVIDIA, whatever device ArcGIS passes",
                "Use the device that initialize gets: -1 is the processor, 0 and up a card.",
            )
        if full == "torch.load" and not _has_place(node):
            findings.at(
                source,
                node,
                "function/map-location",
                "torch.load without map_location fails on the processor if the weights were saved"
                " on a graphics card",
                "Write torch.load(path, map_location='cpu') and move the model afterwards.",
            )


def _has_place(node: ast.Call) -> bool:
    return len(node.args) > 1 or any(
        keyword.arg is None or keyword.arg == "map_location" for keyword in node.keywords
    )


def _depends(source: Source, node: ast.AST) -> bool:
    """Whether anything decides before whether there is a card."""
    return any(
        isinstance(above, (ast.If, ast.IfExp, ast.Try, ast.BoolOp, ast.While))
        for above in source.ancestors(node)
    )


def _short(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else text[:57] + "..."
