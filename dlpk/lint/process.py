"""What goes wrong in a process, and on machines, that are not the author's own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from .source import Source, constant_text, local_nodes
from .subject import Subject

__all__ = ["check_initialize", "check_process"]

_PATHS: Final = re.compile(
    r"[A-Za-z]:[\\/](?![\\/])[^\n]|\\\\[\w.-]+\\[\w$.-]+"
    r"|/(home|Users|mnt|media|root|scratch|workspace)/[\w.-]+"
)
_LASTING: Final = {
    "os.chdir": (
        "changes the working directory of ArcGIS",
        "Make paths with os.path.join(os.path.dirname(os.path.abspath(__file__)), name).",
    ),
    **dict.fromkeys(
        ("sys.exit", "os._exit", "os.abort", "exit", "quit"),
        (
            "ends the process, which is ArcGIS's",
            "Raise an exception: its text is shown to the user.",
        ),
    ),
    "input": (
        "waits for a console that ArcGIS does not have",
        "Declare an argument in getParameterInfo.",
    ),
}


def check_process(subject: Subject) -> None:
    """Judge the files that the class's methods stand in."""
    for source in subject.function.sources:
        _check_calls(subject, source)
        _check_paths(subject, source)
    _check_state(subject)


# --- calls and paths ------------------------------------------------------------------------


def _check_calls(subject: Subject, source: Source) -> None:
    beside = _beside(source)
    own = {node.name for node in source.nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        plain = node.func.id if isinstance(node.func, ast.Name) and node.func.id not in own else ""
        problem = _LASTING.get(source.full(node.func) or plain)
        if problem is not None and not _is_script(source, node):
            message = f"{ast.unparse(node.func)} {problem[0]}"
            subject.at(source, node, "function/process", message, problem[1])
        elif (plain == "open" or source.full(node.func) == "io.open") and node.args:
            modes = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
            writes = any(set(constant_text(mode) or "") & set("wax+") for mode in modes)
            if writes and _names_beside(node.args[0], beside):
                subject.at(
                    source,
                    node,
                    "function/writes-beside",
                    "a file is written into the package's folder",
                    "Write to a folder from tempfile, or tell through arcpy.AddMessage.",
                )


def _is_script(source: Source, node: ast.AST) -> bool:
    return any(
        isinstance(above, ast.If) and "__main__" in ast.unparse(above.test)
        for above in source.ancestors(node)
    )


def _beside(source: Source) -> set[str]:
    """Return the names that hold paths in the package's folder."""
    found: set[str] = set()
    for _ in range(3):  # HERE, then LOG = join(HERE, ...), then one more
        for node in source.nodes:
            if isinstance(node, ast.Assign) and _names_beside(node.value, found):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        found.add(target.id)
                    elif isinstance(target, ast.Attribute):
                        found.add("." + target.attr)
    return found


def _names_beside(node: ast.AST, beside: set[str]) -> bool:
    return any(
        (isinstance(part, ast.Name) and (part.id == "__file__" or part.id in beside))
        or (isinstance(part, ast.Attribute) and "." + part.attr in beside)
        for part in ast.walk(node)
    )


def _check_paths(subject: Subject, source: Source) -> None:
    for node in source.nodes:
        text = constant_text(node)
        if not text or "\n" in text or len(text) > 300 or not _PATHS.match(text):
            continue
        if not _is_prose(source, node) and not _is_script(source, node):
            subject.at(
                source,
                node,
                "function/absolute-path",
                f"the path {text!r} is one of a certain machine",
                "Put the file into the package and make its path from __file__ or from that of the"
                " model definition.",
            )


def _is_prose(source: Source, node: ast.AST) -> bool:
    """Whether a text is documentation, a message or part of one."""
    above = source.parent(node)
    while isinstance(above, (ast.BinOp, ast.JoinedStr, ast.FormattedValue)):
        above = source.parent(above)
    if isinstance(above, ast.Call):
        name = ast.unparse(above.func)
        return name.endswith(("print", "Error", "Exception", "warn", "info", "debug", "log"))
    return isinstance(above, (ast.Expr, ast.Raise, ast.Compare))


# --- state ----------------------------------------------------------------------------------


def _check_state(subject: Subject) -> None:
    """Find lists of the file, or of the class, that grow with every call of a method."""
    function = subject.function
    lists = {
        source: {name for node in source.tree.body for name in _lists(node)}
        for source in function.sources
    }
    if function.node is not None:
        made = {
            node.attr
            for node in ast.walk(function.node)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
        names = {name for part in function.node.body for name in _lists(part)}
        lists[function.source] |= {"." + name for name in names - made}
    for source, method in function.own():
        shared = lists[source]
        if not shared or method.name == "__init__":
            continue
        parts = list(local_nodes(method))
        reset = {
            _root(part.value)
            for part in parts
            if isinstance(part, ast.Attribute) and part.attr in ("clear", "pop", "remove")
        }
        reset |= {
            _root(part)
            for part in parts
            if isinstance(part, (ast.Name, ast.Subscript)) and not isinstance(part.ctx, ast.Load)
        }
        for part in parts:
            name = _grown(part)
            if name in shared - reset and not _is_asked(source, part, name):
                subject.at(
                    source,
                    part,
                    "function/state-grows",
                    f"{method.name} adds to {name.lstrip('.')}, which all objects in the process"
                    " share",
                    "Make it anew in __init__ or in the method (copy.deepcopy of the template).",
                )
                break


def _lists(node: ast.stmt) -> Iterator[str]:
    """Find the names that a statement gives a list, or a dictionary with lists in it."""
    templates = ("attribute_table", "features", "fields")  # that Esri's samples bring along
    if isinstance(node, ast.ImportFrom) and (node.level or node.module in templates):
        yield from (alias.asname or alias.name for alias in node.names)
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return
    maker = node.value.func if isinstance(node.value, ast.Call) else None
    if any(isinstance(part, (ast.List, ast.ListComp)) for part in ast.walk(node.value)) or (
        isinstance(maker, ast.Name) and maker.id in ("list", "deque")
    ):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _root(node: ast.AST) -> str:
    """Return the name that ``name[...][...]`` begins with, ``.name`` for ``self.name``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return "." + node.attr if node.value.id in ("self", "cls") else ""
    return node.id if isinstance(node, ast.Name) else ""


def _grown(part: ast.AST) -> str:
    """Return the name of the list that a node makes longer."""
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
        return _root(part.func.value) if part.func.attr in ("append", "extend", "insert") else ""
    if isinstance(part, ast.AugAssign) and isinstance(part.op, ast.Add):
        return _root(part.target) if not isinstance(part.target, ast.Name) else ""
    return ""


def _is_asked(source: Source, node: ast.AST, name: str) -> bool:
    """Whether a condition decides about it that asks for the list, such as ``not in``."""
    return any(
        isinstance(above, ast.If) and name.lstrip(".") in ast.unparse(above.test)
        for above in source.ancestors(node)
    )


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
    method = subject.function.methods.get("initialize")
    if method is None or method.node is None:
        return
    found = list(_heavy(subject, method.source, method.node, {"initialize"}))
    if found:
        where, part, _ = found[0]
        calls = ", ".join(dict.fromkeys(what for _, _, what in found))
        subject.at(
            where,
            part,
            "function/heavy-initialize",
            f"initialize calls {calls} whenever it is called, so that picking the package in"
            " ArcGIS Pro's dialog loads the model",
            "Load it with the first block (in updatePixels or vectorize), or only if a device is"
            " given.",
        )


def _heavy(
    subject: Subject, source: Source, node: ast.FunctionDef, seen: set[str]
) -> Iterator[tuple[Source, ast.AST, str]]:
    for part in local_nodes(node):
        if not isinstance(part, ast.Call) or _for_the_run(source, node, part):
            continue
        full = source.full(part.func)
        last = part.func.attr if isinstance(part.func, ast.Attribute) else ""
        if full in _HEAVY or last in _HEAVY_METHODS:
            yield source, part, full or ast.unparse(part.func)
        elif _root(part.func) == "." + last and last not in seen:
            seen.add(last)
            method = subject.function.methods.get(last)
            if method is not None and method.node is not None:
                yield from _heavy(subject, method.source, method.node, seen)


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
