"""Whether each ArcGIS Pro can import what a package imports, and run what it writes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from .modules import Import, guards, imports, reachable
from .releases import (
    NUMPY_REMOVED,
    PRO,
    VERSIONS,
    introduced,
    is_standard,
    lacking,
    older,
    written,
)
from .source import Source, own_attribute, unreadable_before
from .subject import Subject

__all__ = ["check_imports", "check_versions"]

_NEEDED: Final = "Put it into the package, do without it, or say which ArcGIS Pro is needed."
_PATH: Final = ("sys.path", "site.addsitedir", "spec_from_file_location", "sys.meta_path")


# --- imports --------------------------------------------------------------------------------


def check_imports(subject: Subject) -> None:
    """Find imports that fail in some ArcGIS Pro, each module at its first import."""
    first, modules = subject.sources[0], subject.modules
    # What is imported where a failure is caught may fail, with all that it imports in turn.
    sources = reachable(first, modules, guarded=False)
    every = [item for source in sources for item in imports(source) if not item.level]
    optional = {_top(item) for item in every if item.guarded}
    judged = {"", *optional}
    for item in every:
        top = _top(item)
        # What other files import when called is theirs to use or not.
        if top in judged or modules.brings(top) or (item.lazy and item.source is not first):
            continue
        judged.add(top)
        _judge(subject, item, top)
    own = [item for item in imports(first) if _is_own(subject, item)]
    if own and not any(word in first.text for word in _PATH):
        subject.at(
            first,
            own[0].node,
            "imports/own-module",
            f"{own[0].module!r} lies in the package, and the file does not put the package's folder"
            " on the search path",
            "Begin with sys.path.insert(0, os.path.dirname(os.path.abspath(__file__))).",
        )


def _top(item: Import) -> str:
    return item.module.partition(".")[0]


def _judge(subject: Subject, item: Import, top: str) -> None:
    releases = lacking(top)
    if is_standard(top) and releases:
        message = f"the Python of {written(releases)} has no module {top!r}"
        remedy = "Catch ImportError and use what takes its place."
        subject.at(item.source, item.node, "imports/some-versions", message, remedy)
    elif releases == PRO:
        if not subject.modules.archives:  # which are not looked into
            subject.at(
                item.source,
                item.node,
                "imports/not-shipped",
                f"{top!r} is not known to come with any ArcGIS Pro and is not in the package",
                "Put it into the package beside the function, or say in the description that it"
                " has to be installed.",
            )
    elif releases:
        message = f"{top!r} does not come with the deep learning libraries of {written(releases)}"
        subject.at(item.source, item.node, "imports/some-versions", message, _NEEDED)


def _is_own(subject: Subject, item: Import) -> bool:
    top = _top(item)
    known = is_standard(top) or not lacking(top)
    return not item.level and subject.modules.brings(top) and not known and not item.guarded


# --- Python and libraries -------------------------------------------------------------------


def check_versions(subject: Subject) -> None:
    """Find code that some ArcGIS Pro of 3.0 to 3.7 cannot run."""
    judged: set[str] = set()
    for source in subject.sources:
        _check_python(subject, source)
        for node, name in _used(source):
            if name not in judged and _judge_name(subject, source, node, name):
                judged.add(name)
        networks = _networks(source)
        for node in source.nodes:
            if isinstance(node, ast.Call):
                _check_call(subject, source, node, networks)


def _check_python(subject: Subject, source: Source) -> None:
    remedy = "Write it so that Python 3.9 runs it, or say which ArcGIS Pro is needed."
    found = unreadable_before(source)
    if found is not None:
        version = ".".join(map(str, found[0]))
        problem = found[1]
        subject.findings.add(
            "versions/python",
            f"the file needs Python {version} ({problem.message});"
            f" {written(older('python', version))} have an older one",
            remedy,
            source.name,
            problem.line,
            problem.column,
        )
        return
    for node, what in _features(source):
        message = f"{what} needs Python 3.10; {written(older('python', '3.10'))} have an older one"
        subject.at(source, node, "versions/python", message, remedy)
        return


def _features(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Find what Python 3.9 reads and fails to run."""
    future = source.imported.get("annotations") == "__future__.annotations"
    for node in source.nodes:
        annotation: ast.expr | None = None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            annotation = node.returns
        elif isinstance(node, ast.arg) or (
            isinstance(node, ast.AnnAssign) and not source.inside(node, ast.FunctionDef)
        ):
            annotation = node.annotation
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = {keyword.arg for keyword in node.keywords}
            if node.func.id == "zip" and "strict" in names:
                yield node, "zip(strict=…)"
            elif node.func.id == "dataclass" and names & {"slots", "kw_only"}:
                yield node, "dataclass(slots=…, kw_only=…)"
        if annotation is not None and not future:
            unions = (n for n in ast.walk(annotation) if isinstance(n, ast.BinOp))
            if any(isinstance(union.op, ast.BitOr) for union in unions):
                yield annotation, "a type written A | B"


def _used(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Find the parts of libraries that a file names."""
    for item in imports(source):
        if not item.level and not item.guarded:
            yield item.node, item.module
            yield from ((item.node, f"{item.module}.{name}") for name in item.names)
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            full = source.full(node)
            if full:
                yield node, full


def _judge_name(subject: Subject, source: Source, node: ast.AST, name: str) -> bool:
    library, _, rest = name.partition(".")
    found = introduced(name) if library in VERSIONS else None
    releases = older(library, found[2]) if found else ()
    if found and releases and not _is_asked(source, node):
        have = ", ".join(dict.fromkeys(VERSIONS[library][pro] for pro in releases))
        subject.at(
            source,
            node,
            "versions/library",
            f"{name} came with {library} {found[2]}; {written(releases)} have {have}",
            _NEEDED,
        )
        return True
    for version, names in NUMPY_REMOVED.items() if library == "numpy" else ():
        if rest in names and not _is_asked(source, node):
            later = " and perhaps earlier ones" if version == "1.24" else ""
            subject.at(
                source,
                node,
                "versions/numpy",
                f"np.{rest} is gone since numpy {version}; {written(PRO[6:])}{later} have a newer"
                " one",
                f"Write {names[rest]}.",
            )
            return True
    return False


def _check_call(subject: Subject, source: Source, node: ast.Call, networks: set[str]) -> None:
    full = source.full(node.func)
    words = {keyword.arg: keyword.value for keyword in node.keywords}
    copy = words.get("copy")
    if full == "numpy.array" and isinstance(copy, ast.Constant) and not copy.value:
        subject.at(
            source,
            node,
            "versions/numpy",
            f"np.array(…, copy=False) raises ValueError with numpy 2, which {written(PRO[6:])}"
            " have, where the values have to be copied",
            "Write np.asarray(…).",
        )
    elif (
        full == "torch.load"
        and not {"weights_only", None} & set(words)
        and _is_network(source, node, networks)
        and not _is_asked(source, node)
    ):
        newer = tuple(pro for pro in PRO if pro not in older("torch", "2.6"))
        subject.at(
            source,
            node,
            "versions/torch-load",
            "torch.load of a whole model fails from torch 2.6 on, which"
            f" {written(newer)} has, unless it is given weights_only=False",
            "Save the state_dict and load that; weights_only=False runs code from the file.",
        )


def _networks(source: Source) -> set[str]:
    """Return the names, ``.name`` for attributes, of what is used as a network."""
    found = set()
    for node in source.nodes:
        if isinstance(node, ast.Call):
            found.add(_name(node.func))
        elif isinstance(node, ast.Attribute) and node.attr in ("eval", "forward", "half"):
            found.add(_name(node.value))
    return found - {""}


def _name(node: ast.AST) -> str:
    attribute = own_attribute(node)
    return "." + attribute if attribute is not None else getattr(node, "id", "")


def _is_network(source: Source, call: ast.Call, networks: set[str]) -> bool:
    """Whether what a call returns is used as a network, not as a dictionary of tensors."""
    above = source.parent(call)
    if isinstance(above, ast.Attribute):
        return above.attr in ("eval", "to", "cuda", "cpu", "half", "float")
    targets = above.targets if isinstance(above, ast.Assign) else []
    return len(targets) == 1 and _name(targets[0]) in networks


def _is_asked(source: Source, node: ast.AST) -> bool:
    """Whether the code around a node looks first whether it is there."""
    if guards(source, node):
        return True
    for above in source.ancestors(node):
        if isinstance(above, (ast.If, ast.IfExp)):
            test = ast.unparse(above.test).lower()
            if any(word in test for word in ("hasattr", "version", "getattr")):
                return True
        elif isinstance(above, ast.Try):
            kinds = [ast.unparse(h.type) if h.type else "AttributeError" for h in above.handlers]
            if any("AttributeError" in kind or "TypeError" in kind for kind in kinds):
                return True
    return False
