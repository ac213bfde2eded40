"""What goes wrong in a process, and on machines, that are not the author's own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .source import Source, constant_text, name_of
from .subject import Subject

_PATHS: Final = re.compile(
    r"[A-Za-z]:[\\/](?![\\/])[^\n]|\\\\[\w.-]+\\[\w$.-]+"
    r"|/(home|Users|mnt|media|root|scratch|workspace)/[\w.-]+"
)
_ENDS: Final = (
    "ends the process, which is ArcGIS's",
    "Raise an exception: its text is shown to the user.",
)
_LASTING: Final = {
    "os.chdir": (
        "changes the working directory of ArcGIS",
        "Make paths with os.path.join(os.path.dirname(os.path.abspath(__file__)), name).",
    ),
    **dict.fromkeys(("sys.exit", "os._exit", "os.abort", "exit", "quit"), _ENDS),
}


def check_process(subject: Subject) -> None:
    """Judge calls and paths in the files that the class's methods stand in."""
    for source in subject.function.sources:
        beside = _beside(source)
        for node in source.nodes:
            found = _lasting(source, node) or _written(source, node, beside) or _path(source, node)
            if found and not _is_script(source, node):
                subject.at(source, node, *found)


def _lasting(source: Source, node: ast.AST) -> tuple[str, str, str] | None:
    if not isinstance(node, ast.Call):
        return None
    problem = _LASTING.get(source.full(node.func) or name_of(node.func))
    return problem and ("function/process", f"{ast.unparse(node.func)} {problem[0]}", problem[1])


def _is_script(source: Source, node: ast.AST) -> bool:
    return any(
        isinstance(above, ast.If) and "__main__" in ast.unparse(above.test)
        for above, _ in source.ancestors(node)
    )


def _written(source: Source, node: ast.AST, beside: set[str]) -> tuple[str, str, str] | None:
    if not isinstance(node, ast.Call) or name_of(node.func) != "open" or not node.args:
        return None
    modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
    writes = any(set(constant_text(mode) or "") & set("wax+") for mode in modes)
    if not writes or not _names_beside(node.args[0], beside):
        return None
    return (
        "function/writes-beside",
        "a file is written into the package's folder",
        "Write to a folder from tempfile, or tell through arcpy.AddMessage.",
    )


def _beside(source: Source) -> set[str]:
    """Return the names that hold paths in the package's folder."""
    found = {"__file__"}
    if "__file__" not in source.text:
        return found
    assigned = [node for node in source.nodes if isinstance(node, ast.Assign)]
    for _ in range(3):  # HERE, then LOG = join(HERE, ...), then one more
        for node in assigned:
            if _names_beside(node.value, found):
                found.update(map(name_of, node.targets))
    return found - {""}


def _names_beside(node: ast.AST, beside: set[str]) -> bool:
    return any(name_of(part) in beside for part in ast.walk(node))


def _path(source: Source, node: ast.AST) -> tuple[str, str, str] | None:
    text = constant_text(node)
    if not text or "\n" in text or len(text) > 300 or not _PATHS.match(text):
        return None
    above = source.parent(node)
    while isinstance(above, (ast.BinOp, ast.JoinedStr, ast.FormattedValue)):
        above = source.parent(above)
    prose = isinstance(above, (ast.Expr, ast.Raise, ast.Compare))
    if isinstance(above, ast.Call):
        name = ast.unparse(above.func)
        prose = name.endswith(("print", "Error", "Exception", "warn", "info", "debug", "log"))
    remedy = (
        "Put the file into the package and make its path from __file__ or from that of the"
        " model definition."
    )
    message = f"the path {text!r} is one of a certain machine"
    return None if prose else ("function/absolute-path", message, remedy)


# --- initialize, which the dialog calls, too ------------------------------------------------

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


def check_initialize(subject: Subject) -> None:
    """Find what initialize loads even while ArcGIS Pro's dialog is being filled."""
    found = list(_heavy(subject))
    if found:
        calls = ", ".join(dict.fromkeys(what for _, _, what in found))
        subject.at(
            *found[0][:2],
            "function/heavy-initialize",
            f"initialize calls {calls} whenever it is called, so that picking the package in"
            " ArcGIS Pro's dialog loads the model",
            "Load it with the first block (in updatePixels or vectorize), or only if a device is"
            " given.",
        )


def _heavy(subject: Subject) -> Iterator[tuple[Source, ast.AST, str]]:
    """Find heavy calls in initialize, and in the methods that it calls."""
    waiting, seen = ["initialize"], {"initialize"}
    while waiting:
        for source, method in subject.function.known(waiting.pop(0)):
            end = _leaves_without_device(source, method)
            for part in source.local(method):
                if not isinstance(part, ast.Call) or part.lineno > end:
                    continue
                full, last = source.full(part.func), getattr(part.func, "attr", "")
                own = name_of(part.func) == "." + last and last not in seen
                if not (own or full in _HEAVY or last in _HEAVY_METHODS):
                    continue
                if any(_asks_for_device(above) for above, _ in source.ancestors(part)):
                    continue
                if full in _HEAVY or last in _HEAVY_METHODS:
                    yield source, part, full or ast.unparse(part.func)
                else:
                    seen.add(last)
                    waiting.append(last)


def _asks_for_device(node: ast.AST) -> bool:
    return isinstance(node, (ast.If, ast.IfExp)) and "device" in ast.unparse(node.test)


def _leaves_without_device(source: Source, method: ast.FunctionDef) -> float:
    """Return the line after which a method goes on only with a device."""
    for part in method.body:
        leaves = any(isinstance(inner, ast.Return) for inner in ast.walk(part))
        if leaves and _asks_for_device(part):
            return part.lineno
    return float("inf")
