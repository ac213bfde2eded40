"""Judging a package's raster function by its text, without running it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from schemas.emd.facts import PIXEL_TYPES
from schemas.emd.rules import Rule
from schemas.findings import Finding, Report, Severity

from ..errors import BuiltInFunctionError, PackageError
from ..package.open import Package, resolve
from .arcpy_calls import check_arcpy
from .arguments import check_arguments
from .blocks import check_blocks
from .classes import FunctionClass, classes, find_class
from .collector import Collector, halves
from .definition import check_definition, place_of, placed
from .imports import check_imports
from .initialize import check_phases
from .modules import Modules, reachable
from .parameters import declared
from .process import check_pitfalls
from .returns import check_returns
from .scalars import check_scalars
from .signatures import check_signatures
from .source import Problem, Source, parse_file
from .versions import check_versions

__all__ = ["RULES", "check_function"]

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_EMD = "Esri/raster-deep-learning: writing_model_definition, InferenceFunction"
_REFERENCE = "Esri/raster-functions: Reference.py, the methods of a raster function"
_GUIDE = "Esri/raster-deep-learning: guide to custom inference functions"

RULES: dict[str, Rule] = {
    "function/missing": Rule(_E, "ArcGIS imports the file that InferenceFunction names.", _EMD),
    "function/elsewhere": Rule(
        _W, "The function is not in the package: other machines do not have it.", _EMD
    ),
    "function/built-in": Rule(
        _N, "The function belongs to the ArcGIS installation and is not looked into.", _EMD
    ),
    "function/syntax": Rule(_E, "A file that is not Python cannot be imported.", _REFERENCE),
    "function/newer-syntax": Rule(
        _W, "Python 3.9 to 3.11, in ArcGIS Pro 3.0 to 3.5, cannot read the file.", _REFERENCE
    ),
    "function/not-read": Rule(_N, "The file is beyond what is looked into.", "this project"),
    "function/class-name": Rule(
        _E, "The class that ArcGIS makes an object of is named like the file.", _REFERENCE
    ),
    "function/class-renamed": Rule(
        _W,
        "Whether ArcGIS finds a class whose name only ends the file's name is not documented.",
        "names of published files, such as <area>_ArcGISImageClassifier.py",
    ),
    "function/method-missing": Rule(_E, "ArcGIS calls the method and finds none.", _REFERENCE),
    "function/method-advised": Rule(
        _W, "ArcGIS goes on without the method, not as the function needs it.", _REFERENCE
    ),
    "function/no-raster-info": Rule(
        _N, "The output is described like the input: bands, pixel type, no classes.", _REFERENCE
    ),
}

_VECTOR_TYPES: Final = {
    "ObjectDetection",
    "InstanceDetection",
    "ObjectClassification",
    "ImageCaptioner",
}
_ABSOLUTE: Final = re.compile(r"[A-Za-z]:|[\\/]")


def check_function(package: Package) -> Report:
    """Find the raster function and look at its text and at what it imports of the package.

    Parameters
    ----------
    package : Package
        An open package; nothing of it is run.

    Returns
    -------
    Report
        Nothing if the model definition names no function: that is judged with the definition.
    """
    reference = package.emd.get("InferenceFunction")
    if not isinstance(reference, str) or not reference.strip():
        return Report()
    findings = Collector(RULES)
    path = _locate(package, reference, findings)
    if path is None:
        return findings.report()
    root = package.root if package.root and package.root in path.parents else path.parent
    read = parse_file(path, path.relative_to(root).as_posix())
    if isinstance(read, Problem):
        _report_problem(read, path.name, findings)
        return findings.report()
    modules = Modules(root)
    report = Report()
    try:
        function = _find(read, path, modules, findings)
        if function is not None:
            _check_methods(function, package.emd, findings)
        report = findings.report()
        for check in _checks(package, read, function, modules):
            report += check()
    except RecursionError:
        note = Collector(RULES)
        _report_problem(Problem("the code nests too deeply", limit=True), read.name, note)
        report += note.report()
    return report


def _checks(
    package: Package, source: Source, function: FunctionClass | None, modules: Modules
) -> list[Callable[[], Report]]:
    sources = reachable(source, modules)
    checks: list[Callable[[], Report]] = []
    if function is not None:
        parameters = declared(function)
        checks += [
            lambda: check_signatures(function, parameters),
            lambda: check_returns(function),
            lambda: check_phases(function, modules, sources),
            lambda: check_blocks(function, parameters, modules),
            lambda: check_pitfalls(function),
            lambda: check_definition(package, function, parameters, modules, sources),
            lambda: check_arcpy(function.sources),
        ]
        if parameters is not None:
            checks.append(lambda: check_arguments(parameters))
        checks.append(lambda: check_scalars(function, parameters, modules))
    checks.append(lambda: check_imports(sources, modules))
    checks.append(lambda: check_versions(sources))
    return checks


def _locate(package: Package, reference: str, findings: Collector) -> Path | None:
    """Return the function's file; None where there is nothing to look into."""
    where = place_of(package, "/InferenceFunction")
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
            findings.note(placed(finding, package, "/InferenceFunction"))
        return path if path.suffix.lower() == ".py" and path.is_file() else None
    findings.add(rule, message, remedy, *where, pointer="/InferenceFunction")
    return None


def _report_problem(problem: Problem, file: str, findings: Collector) -> None:
    rule, remedy = "function/syntax", "Correct it; ArcGIS Pro 3.0 to 3.7 run Python 3.9 to 3.13."
    message = f"the file is not valid Python: {problem.message}"
    if problem.limit:
        rule, message = "function/not-read", f"the file was not looked into: {problem.message}"
        remedy = "Split it into modules."
    elif problem.version is not None:
        rule = "function/newer-syntax"
        message = (
            f"the file is valid for Python {problem.version[0]}.{problem.version[1]} and later"
            f" at best: {problem.message}"
        )
        remedy = "Write it so that Python 3.9 reads it."
    findings.add(rule, message, remedy, file, problem.line, problem.column)


# --- the class and its methods --------------------------------------------------------------


def _find(
    source: Source, path: Path, modules: Modules, findings: Collector
) -> FunctionClass | None:
    function = find_class(source, path.stem, modules)
    if function is not None:
        return function
    there = classes(source)
    fitting = [
        found
        for name in there
        if (found := find_class(source, name, modules)) is not None and _fits(found)
    ]
    names = ", ".join(there) or "none"
    message = f"there is no class {path.stem!r} in {path.name} (classes there: {names})"
    remedy = f"Name the class {path.stem!r}, or the file after the class."
    only = fitting[0] if len(fitting) == 1 else None
    if only is not None and path.stem.endswith(only.name):
        findings.at(source, only.node or source.tree, "function/class-renamed", message, remedy)
    else:
        anchor = only.node if only is not None and only.node is not None else source.tree
        findings.at(source, anchor, "function/class-name", message, remedy)
    return only


def _fits(function: FunctionClass) -> bool:
    """Whether a class looks like a raster function."""
    return "getParameterInfo" in function.methods and (
        "updatePixels" in function.methods or "vectorize" in function.methods
    )


def _check_methods(function: FunctionClass, emd: dict[str, Any], findings: Collector) -> None:
    if function.open or function.node is None:
        return  # methods may come from a class that cannot be seen here
    kind = emd.get("ModelType")
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
                findings.at(
                    function.source,
                    function.node,
                    rule,
                    f"class {function.name} has no method {name}",
                    f"Define {name}: {_PURPOSES[name]}.",
                )
    if "updatePixels" in required and "updateRasterInfo" not in function.methods:
        findings.at(
            function.source,
            function.node,
            "function/no-raster-info",
            f"class {function.name} has no method updateRasterInfo",
            "Define it: set bandCount, pixelType and the attribute table of kwargs['output_info'].",
        )


_PURPOSES: Final = {
    "initialize": "it is given the model definition",
    "getParameterInfo": "it lists the arguments that the tool shows",
    "getConfiguration": "it asks for bands, padding, masks and the size of blocks",
    "updatePixels": "it turns a block of pixels into classes",
    "vectorize": "it turns a block of pixels into features",
    "getFields": "it describes the fields of the output as JSON text",
    "getGeometryType": "it tells the geometry type of the output (4 for polygons)",
}
