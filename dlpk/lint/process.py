"""Judging code for what goes wrong in a process that is ArcGIS's, not the function's own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from schemas.emd.rules import Rule
from schemas.findings import Report, Severity

from .classes import FunctionClass
from .collector import Collector
from .names import Names, constant_text
from .returns import local_nodes
from .source import Source

__all__ = ["RULES", "check_pitfalls"]

_W, _N = Severity.WARNING, Severity.NOTE
_PROCESS = "one Python process of ArcGIS serves many packages, runs and dialogs"
_PLACES = "tracebacks in public threads: where packages are unpacked to"
_PYTHON = "Python's documentation"

RULES: dict[str, Rule] = {
    "function/mutable-default": Rule(
        _W, "The default is made once: what one call puts in, the next one finds.", _PYTHON
    ),
    "function/state-grows": Rule(
        _W, "What is shared by all objects grows with every call and mixes their results.", _PROCESS
    ),
    "function/shared-state": Rule(
        _N, "What is shared by all objects may be changed by another one meanwhile.", _PROCESS
    ),
    "function/working-directory": Rule(
        _W, "The working directory is ArcGIS's; relative paths elsewhere break.", _PROCESS
    ),
    "function/search-path": Rule(
        _N, "A changed search path stays: other packages find these modules first.", _PROCESS
    ),
    "function/standard-streams": Rule(
        _W, "A replaced output stays; what others print is lost.", _PROCESS
    ),
    "function/ends-process": Rule(
        _W, "Ending the process ends ArcGIS's worker, or ArcGIS.", _PROCESS
    ),
    "function/asks-user": Rule(_W, "Nobody can answer: there is no console.", _PROCESS),
    "function/writes-beside": Rule(
        _W,
        "The package's folder may be read-only, and is temporary: what is written is lost.",
        _PLACES,
    ),
    "function/absolute-path": Rule(
        _W, "The path exists on the author's machine only.", "any other machine"
    ),
}

_GROWS: Final = {"append", "extend", "insert", "add", "update", "setdefault"}
_CHANGES: Final = _GROWS | {"clear", "pop", "remove", "discard", "popitem", "sort", "reverse"}
_MAKERS: Final = {"list", "dict", "set", "defaultdict", "OrderedDict", "Counter", "deque"}
_MUTABLE: Final = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/](?![\\/])[^\n]|\\\\[\w.-]+\\[\w$.-]+")
_UNIX: Final = re.compile(r"/(home|Users|mnt|media|root|scratch|workspace)/[\w.-]+")
_ENDS: Final = {"sys.exit", "os._exit", "os.abort"}
_WRITES: Final = ("w", "a", "x", "+")


def check_pitfalls(function: FunctionClass) -> Report:
    """Judge the files that the class's methods stand in."""
    findings = Collector(RULES)
    for source in function.sources:
        _check_calls(source, findings)
        _check_paths(source, findings)
        _check_state(source, function, findings)
        _check_defaults(source, findings)
    return findings.report()


# --- calls ----------------------------------------------------------------------------------


def _check_calls(source: Source, findings: Collector) -> None:
    names = Names(source)
    beside = _beside(source)
    path_noted = False
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.Assign, ast.AugAssign)):
            _check_streams(source, node, names, findings)
        if not isinstance(node, ast.Call):
            continue
        full = names.full(node.func)
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if full == "os.chdir":
            findings.at(
                source,
                node,
                "function/working-directory",
                "os.chdir changes the working directory of ArcGIS",
                "Make paths with os.path.join(os.path.dirname(os.path.abspath(__file__)), name).",
            )
        elif full in ("sys.path.append", "sys.path.insert") and not path_noted:
            if not _undone(source):
                path_noted = True
                findings.at(
                    source,
                    node,
                    "function/search-path",
                    "the search path is changed and never put back",
                    "Give bundled modules names that no other package has, or load them with"
                    " importlib.util.spec_from_file_location.",
                )
        elif full in _ENDS or (called in ("exit", "quit") and not _defined(source, called)):
            findings.at(
                source,
                node,
                "function/ends-process",
                f"{ast.unparse(node.func)} ends the process, which is ArcGIS's",
                "Raise an exception: its text is shown to the user.",
            )
        elif called == "input" and not _defined(source, called):
            findings.at(
                source,
                node,
                "function/asks-user",
                "input() waits for a console that ArcGIS does not have",
                "Declare an argument in getParameterInfo.",
            )
        elif _opens_for_writing(node, names) and _names_beside(node.args[0], beside):
            findings.at(
                source,
                node,
                "function/writes-beside",
                "a file is written into the package's folder",
                "Write to a folder from tempfile, or tell through arcpy.AddMessage.",
            )


def _defined(source: Source, name: str) -> bool:
    return any(
        isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name
        for node in ast.walk(source.tree)
    )


def _undone(source: Source) -> bool:
    return any(
        word in source.text
        for word in ("sys.path.remove", "sys.path.pop", "sys.path[:]", "sys.path =", "del sys.path")
    )


def _check_streams(
    source: Source, node: ast.Assign | ast.AugAssign, names: Names, findings: Collector
) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        if names.full(target) not in ("sys.stdout", "sys.stderr"):
            continue
        # Putting back what was there is what one should do.
        if "__std" not in ast.unparse(node.value) and source.text.count(names.full(target)) < 3:
            findings.at(
                source,
                node,
                "function/standard-streams",
                f"{names.full(target)} is replaced and never put back",
                "Use contextlib.redirect_stdout around the call that prints.",
            )


def _opens_for_writing(node: ast.Call, names: Names) -> bool:
    if not node.args:
        return False
    if names.full(node.func) in ("io.open", "codecs.open") or (
        isinstance(node.func, ast.Name) and node.func.id == "open"
    ):
        mode = node.args[1] if len(node.args) > 1 else None
        for keyword in node.keywords:
            mode = keyword.value if keyword.arg == "mode" else mode
        return any(char in (constant_text(mode) or "r") for char in _WRITES)
    return False


def _beside(source: Source) -> set[str]:
    """Return the names that hold paths in the package's folder."""
    found: set[str] = set()
    for _ in range(3):  # HERE, then LOG = join(HERE, ...), then one more
        for node in ast.walk(source.tree):
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


# --- paths ----------------------------------------------------------------------------------


def _check_paths(source: Source, findings: Collector) -> None:
    for node in ast.walk(source.tree):
        text = constant_text(node)
        if text is None or "\n" in text or len(text) > 300 or _is_prose(source, node):
            continue
        if _WINDOWS.match(text) or _UNIX.match(text):
            findings.at(
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
    if isinstance(above, ast.Expr):
        return True
    if isinstance(above, ast.Call):
        name = ast.unparse(above.func)
        return name.endswith(("print", "Error", "Exception", "warn", "info", "debug", "log"))
    return isinstance(above, (ast.Raise, ast.Compare))


# --- state ----------------------------------------------------------------------------------


def _check_state(source: Source, function: FunctionClass, findings: Collector) -> None:
    shared = _shared(source, function)
    for holder in ast.walk(source.tree):
        if not isinstance(holder, ast.FunctionDef) or holder.name == "__init__":
            continue
        if isinstance(source.parent(holder), ast.Module):
            continue  # helpers keep caches; methods are what ArcGIS calls
        local = {argument.arg for argument in holder.args.args}
        parts = list(local_nodes(holder))
        reset = {name for part in parts for name in _resets(part)}
        declared = {n for part in parts if isinstance(part, ast.Global) for n in part.names}
        local |= {
            part.id
            for part in parts
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        } - declared
        for part in parts:
            name, grows = _changed(part)
            if not name or name not in shared or name in local:
                continue
            grows = grows and name not in reset
            findings.at(
                source,
                part,
                "function/state-grows" if grows else "function/shared-state",
                f"{holder.name} "
                + ("adds to" if grows else "changes")
                + f" {name.lstrip('.')}, which all objects in the process share",
                "Make it anew in __init__ or in the method (copy.deepcopy of the template).",
            )
            break


def _shared(source: Source, function: FunctionClass) -> set[str]:
    """Return mutable names at the top of the file, and ``.name`` for those of the class."""
    shared: set[str] = set()
    for node in source.tree.body:
        shared |= {target for target, value in _given(node) if _is_mutable(value)}
        if isinstance(node, ast.ImportFrom) and (node.level or node.module in _TEMPLATES):
            shared |= {alias.asname or alias.name for alias in node.names}
    if function.node is not None and function.source is source:
        for part in function.node.body:
            shared |= {"." + target for target, value in _given(part) if _is_mutable(value)}
        # Made anew by the object itself, it is not that of the class.
        for inner in ast.walk(function.node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                shared.discard("." + inner.attr)
    return shared


# Modules with tables that Esri's templates bring along and fill.
_TEMPLATES: Final = ("attribute_table", "features", "fields")


def _given(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
        yield node.target.id, node.value


def _is_mutable(value: ast.expr) -> bool:
    return isinstance(value, _MUTABLE) or (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id in _MAKERS
    )


def _root(node: ast.AST) -> str:
    """Return the name that ``name[...][...]`` begins with, ``.name`` for ``self.name``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return "." + node.attr if node.value.id in ("self", "cls") else ""
    return node.id if isinstance(node, ast.Name) else ""


def _changed(part: ast.AST) -> tuple[str, bool]:
    """Return the name whose value a node changes, and whether the value grows."""
    if isinstance(part, ast.Subscript) and isinstance(part.ctx, (ast.Store, ast.Del)):
        return _root(part), False
    method = part.func if isinstance(part, ast.Call) else None
    if isinstance(method, ast.Attribute) and method.attr in _CHANGES:
        return _root(method.value), method.attr in _GROWS
    if isinstance(part, ast.AugAssign) and isinstance(part.target, (ast.Subscript, ast.Attribute)):
        return _root(part.target), isinstance(part.op, ast.Add)
    return "", False


def _resets(part: ast.AST) -> Iterator[str]:
    if isinstance(part, ast.Assign):
        for target in part.targets:
            yield _root(target)
    method = part.func if isinstance(part, ast.Call) else None
    if isinstance(method, ast.Attribute) and method.attr == "clear":
        yield _root(method.value)


def _check_defaults(source: Source, findings: Collector) -> None:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        arguments = node.args.posonlyargs + node.args.args
        pairs = list(zip(arguments[len(arguments) - len(node.args.defaults) :], node.args.defaults))
        pairs += [
            (argument, default)
            for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults)
            if default is not None
        ]
        mutable = {argument.arg for argument, default in pairs if _is_mutable(default)}
        for part in local_nodes(node) if mutable else ():
            name, _ = _changed(part)
            if name in mutable:
                mutable.discard(name)
                findings.at(
                    source,
                    part,
                    "function/mutable-default",
                    f"{node.name} changes its default for {name!r}, which all calls share",
                    f"Write {name}=None and make it anew in the function.",
                )
