"""Judging a package's raster function by its text, without running it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from schemas.emd.facts import PIXEL_TYPES

from ..errors import BuiltInFunctionError, PackageError
from ..findings import Collector, Finding, Report, halves
from ..package.package import Package
from ..package.references import resolve
from .arguments import check_reading
from .blocks import check_blocks, check_output, check_returns
from .classes import Classes, FunctionClass
from .definition import check_definition, check_model_path
from .modules import MAX_FILES, Modules, imports, reachable
from .parameters import declared
from .process import check_initialize, check_process
from .rules import RULES
from .signatures import check_own_calls, check_signatures, check_undefined
from .source import Problem, Source, name_of, parse_file
from .subject import Subject
from .versions import check_imports, check_versions

_VECTOR_TYPES: Final = {
    "ObjectDetection",
    "InstanceDetection",
    "ObjectClassification",
    "ImageCaptioner",
}
_ABSOLUTE: Final = re.compile(r"[A-Za-z]:|[\\/]")
_PURPOSES: Final = {
    "initialize": "it is given the model definition",
    "getParameterInfo": "it lists the arguments that the tool shows",
    "getConfiguration": "it asks for bands, padding, masks and the size of blocks",
    "updatePixels": "it turns a block of pixels into classes",
    "vectorize": "it turns a block of pixels into features",
    "getFields": "it describes the fields of the output as JSON text",
    "getGeometryType": "it tells the geometry type of the output (4 for polygons)",
}


def check_function(package: Package) -> Report:
    """Find the raster function and look at its text and at what it imports of the package.

    Nothing is found if the definition names no function: that is judged with the definition.
    """
    findings = Collector(RULES)
    reference = package.emd.get("InferenceFunction")
    if isinstance(reference, str) and reference.strip():
        path = _locate(package, reference, findings)
        if path is not None:
            _check_file(package, path, findings)
    return findings.report()


def imported_modules(package: Package) -> frozenset[str]:
    """Top-level modules that the Python files of a package import; none if it has no function.

    All files count: a function may load what lies beside it by other means than ``import``.
    """
    reference = package.emd.get("InferenceFunction")
    try:
        path = resolve(package, reference) if isinstance(reference, str) else None
    except PackageError:
        path = None
    if path is None or path.suffix.lower() != ".py" or not path.is_file():
        return frozenset()
    root = package.root if package.root and package.root in path.parents else path.parent
    files = [path, *islice(sorted(root.rglob("*.py")), MAX_FILES)]
    read = [parse_file(file, file.relative_to(root).as_posix()) for file in files]
    return frozenset(
        item.top
        for source in read
        if not isinstance(source, Problem)
        for item in imports(source)
        if not item.level
    )


def _check_file(package: Package, path: Path, findings: Collector) -> None:
    root = package.root if package.root and package.root in path.parents else path.parent
    source = parse_file(path, path.relative_to(root).as_posix())
    if isinstance(source, Problem):
        _report_problem(source, path.name, findings)
        return
    modules = Modules(root)
    try:
        function = _find(source, path, modules, findings)
        parameters, sources = declared(function), reachable(source, modules)
        subject = Subject(package, function, parameters, modules, sources, findings)
        for check in _CHECKS:
            check(subject)
    except RecursionError:
        problem = Problem("the code nests too deeply", limit=True)
        _report_problem(problem, source.name, findings)


def _locate(package: Package, reference: str, findings: Collector) -> Path | None:
    """Return the function's file; None where there is nothing to look into."""
    pointer = "/InferenceFunction"
    file, line, column = package.place(pointer)
    case: list[Finding] = []
    try:
        path = resolve(package, reference, case)
    except BuiltInFunctionError as error:
        message, remedy = halves(error, "Run it in ArcGIS.")
        rule = "function/built-in"
    except PackageError as error:
        away = bool(_ABSOLUTE.match(reference.strip()))
        if package.root is None and not away:
            return None  # a text lies in no folder that the name could be relative to
        message, remedy = halves(error, "Put the file into the package and write its name.")
        rule = "function/elsewhere" if away else "function/missing"
    else:
        for finding in case:
            findings.note(replace(finding, file=file, pointer=pointer, line=line, column=column))
        return path if path.suffix.lower() == ".py" and path.is_file() else None
    findings.add(rule, message, remedy, file, line, column, pointer=pointer)
    return None


def _report_problem(problem: Problem, file: str, findings: Collector) -> None:
    rule, remedy = "function/syntax", "Correct it; ArcGIS Pro 3.0 to 3.7 run Python 3.9 to 3.13."
    message = f"Python 3.{sys.version_info.minor} cannot read the file: {problem.message}"
    if problem.limit:
        rule, message = "function/not-read", f"the file was not looked into: {problem.message}"
        remedy = "Split it into modules."
    findings.add(rule, message, remedy, file, problem.line, problem.column)


def _find(source: Source, path: Path, modules: Modules, findings: Collector) -> FunctionClass:
    """Return the function's class, or the only one that looks like it; an empty one if none."""
    classes = Classes(modules)
    function = classes.find(source, path.stem)
    if function is not None:
        return function
    there = classes.defined(source)
    fitting = [made for name in there if (made := classes.find(source, name)) and _fits(made)]
    bases = {name_of(base) for made in fitting if made.node for base in made.node.bases}
    fitting = [made for made in fitting if made.name not in bases]
    only = fitting[0] if len(fitting) == 1 else FunctionClass(path.stem, source, sources=[source])
    names = ", ".join(there[:20]) or "none"
    message = f"there is no class {path.stem!r} in {path.name} (classes there: {names})"
    remedy = f"Name the file {only.name}.py, and write that as InferenceFunction."
    if path.stem.isidentifier():
        remedy = f"Name the class {path.stem!r}, or the file after the class."
    ends = only.node is not None and path.stem.endswith(only.name)
    rule = "function/class-renamed" if ends else "function/class-name"
    findings.add(rule, message, remedy, source.name, *source.place(only.node or source.tree))
    return only


def _fits(function: FunctionClass) -> bool:
    """Whether a class looks like a raster function, and not like a helper of one."""
    method = function.methods.get("getParameterInfo")
    alone = method is None or method.node is None or len(method.node.args.args) < 2
    return alone and len(function.methods.keys() & _PURPOSES.keys()) > 1


def _check_methods(subject: Subject) -> None:
    function, kind = subject.function, subject.package.emd.get("ModelType")
    if function.open or function.node is None:
        return  # methods may come from a class that cannot be seen here
    required = ["getParameterInfo"]
    # Reference.py knows nothing of the first, and calls the second optional.
    advised = ["initialize", "getConfiguration"]
    if isinstance(kind, str) and kind in PIXEL_TYPES:
        required.append("updatePixels")
    elif isinstance(kind, str) and kind in _VECTOR_TYPES:
        required.append("vectorize")
        advised += ["getFields", "getGeometryType"]
    elif not {"updatePixels", "vectorize"} & set(function.methods):
        required.append("updatePixels")
    for rule, names in (
        ("function/method-missing", required),
        ("function/method-advised", advised),
    ):
        for name in names:
            if name not in function.methods:
                message = f"class {function.name} has no method {name}"
                remedy = f"Define {name}: {_PURPOSES[name]}."
                subject.at(function.source, function.node, rule, message, remedy)


_CHECKS: Final[tuple[Callable[[Subject], None], ...]] = (
    _check_methods,
    check_undefined,
    check_signatures,
    check_own_calls,
    check_returns,
    check_initialize,
    check_blocks,
    check_output,
    check_definition,
    check_model_path,
    check_process,
    check_reading,
    check_imports,
    check_versions,
)
