"""Whether each ArcGIS Pro can import what a package imports, and run what it writes."""

from __future__ import annotations

import ast
import re
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
from .source import Source, name_of
from .subject import Subject

_NEEDED: Final = "Put it into the package, do without it, or say which ArcGIS Pro is needed."


# --- imports --------------------------------------------------------------------------------


def check_imports(subject: Subject) -> None:
    """Find imports that fail in some ArcGIS Pro, each module at its first import."""
    first, modules = subject.sources[0], subject.modules
    # What is imported where a failure is caught may fail, with all that it imports in turn.
    sources = reachable(first, modules, guarded=False)
    every = [item for source in sources for item in imports(source) if not item.level]
    judged = {"", *(item.top for item in every if item.guarded)}
    for item in every:
        # What other files import when called is theirs to use or not.
        if item.top in judged or modules.brings(item.top) or (item.lazy and item.source != first):
            continue
        judged.add(item.top)
        found = _lacking(item, modules.archives)
        if found is not None:
            subject.at(item.source, item.node, *found)


def _lacking(item: Import, archives: bool) -> tuple[str, str, str] | None:
    top, releases = item.top, lacking(item.top)
    if releases == PRO and not archives:  # which are not looked into
        return (
            "imports/not-shipped",
            f"{top!r} is not known to come with any ArcGIS Pro and is not in the package",
            "Put it into the package beside the function, or say in the description that it has to"
            " be installed.",
        )
    if not releases or releases == PRO:
        return None
    message = f"{top!r} does not come with the deep learning libraries of {written(releases)}"
    remedy = _NEEDED
    if is_standard(top):
        message = f"the Python of {written(releases)} has no module {top!r}"
        remedy = "Catch ImportError and use what takes its place."
    return "imports/some-versions", message, remedy


# --- Python and libraries -------------------------------------------------------------------


def check_versions(subject: Subject) -> None:
    """Find code that some ArcGIS Pro of 3.0 to 3.7 cannot run."""
    judged: set[str] = set()
    for source in subject.sources:
        _check_python(subject, source)
        for node, name in _used(source):
            found = None if name in judged else _newer(name) or _removed(name)
            if found is not None and not guards(source, node):
                judged.add(name)
                subject.at(source, node, *found)
        networks = _networks(source)
        for call in source.calls:
            found = _call(source, call, networks)
            if found is not None and not guards(source, call):
                subject.at(source, call, *found)


def _check_python(subject: Subject, source: Source) -> None:
    rule, remedy = "versions/python", "Write it so that Python 3.9 runs it."
    if source.newer is not None:
        needed = re.search(r"Python (3\.\d+) and greater", source.newer.message)
        version = needed[1] if needed else "3.10"
        message = f"the file needs Python {version} ({source.newer.message})"
        message += f"; {written(older('python', version))} have an older one"
        place = source.newer.line, source.newer.column
        subject.findings.add(rule, message, remedy, source.name, *place)
        return
    union = next(_unions(source), None)
    if union is not None and source.imported.get("annotations") != "__future__.annotations":
        message = "a type written A | B needs Python 3.10"
        message += f"; {written(older('python', '3.10'))} have an older one"
        subject.at(source, union, rule, message, remedy)


def _unions(source: Source) -> Iterator[ast.AST]:
    """Find types written ``A | B`` where they are evaluated."""
    for node in source.nodes:
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if isinstance(node, ast.AnnAssign) and source.inside(node, ast.FunctionDef):
            continue
        for part in ast.walk(annotation) if annotation is not None else ():
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.BitOr):
                yield part


def _used(source: Source) -> Iterator[tuple[ast.AST, str]]:
    """Find the parts of libraries that a file names."""
    for item in imports(source):
        if not item.level and not item.guarded:
            yield item.node, item.module
            yield from ((item.node, f"{item.module}.{name}") for name in item.names)
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            yield node, source.full(node)


def _newer(name: str) -> tuple[str, str, str] | None:
    library = name.partition(".")[0]
    found = introduced(name) if library in VERSIONS else None
    releases = older(library, found) if found is not None else ()
    if not releases:
        return None
    have = ", ".join(dict.fromkeys(VERSIONS[library][pro] for pro in releases))
    message = f"{name} came with {library} {found}; {written(releases)} have {have}"
    return "versions/library", message, _NEEDED


def _removed(name: str) -> tuple[str, str, str] | None:
    library, _, rest = name.partition(".")
    for version, names in NUMPY_REMOVED.items() if library == "numpy" else ():
        if rest in names:
            later = " and perhaps earlier ones" if version == "1.24" else ""
            message = f"np.{rest} is gone since numpy {version}"
            message += f"; {written(PRO[6:])}{later} have a newer one"
            return "versions/numpy", message, f"Write {names[rest]}."
    return None


def _call(source: Source, call: ast.Call, networks: set[str]) -> tuple[str, str, str] | None:
    full, words = source.full(call.func), {word.arg: word.value for word in call.keywords}
    if full == "numpy.array" and getattr(words.get("copy"), "value", True) is False:
        message = "np.array(…, copy=False) raises ValueError with numpy 2 where values have to be"
        message += f" copied; {written(PRO[6:])} have it"
        return "versions/numpy", message, "Write np.asarray(…)."
    if full != "torch.load" or {"weights_only", None} & set(words):
        return None
    if not _is_network(source, call, networks):
        return None
    newer = tuple(pro for pro in PRO if pro not in older("torch", "2.6"))
    message = "torch.load of a whole model fails from torch 2.6 on, which"
    message += f" {written(newer)} has, unless it is given weights_only=False"
    remedy = "Save the state_dict and load that; weights_only=False runs code from the file."
    return "versions/torch-load", message, remedy


def _networks(source: Source) -> set[str]:
    """Return the names, ``.name`` for attributes, of what is used as a network."""
    found = {name_of(call.func) for call in source.calls}
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr in ("eval", "forward", "half"):
            found.add(name_of(node.value))
    return found - {""}


def _is_network(source: Source, call: ast.Call, networks: set[str]) -> bool:
    """Whether what a call returns is used as a network, not as a dictionary of tensors."""
    above = source.parent(call)
    if isinstance(above, ast.Attribute):
        return above.attr in ("eval", "to", "cuda", "cpu", "half", "float")
    targets = above.targets if isinstance(above, ast.Assign) else []
    return len(targets) == 1 and name_of(targets[0]) in networks
