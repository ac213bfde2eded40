r"""Finding and loading the Python raster function of a package, as ArcGIS does.

``[Functions]System\DeepLearning\ArcGISLearn\…`` names a file of the ArcGIS installation. The
public Python package `arcgis` keeps the text of these files in one module, from which they are
taken here.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

from builder.scratch import scratch_until_exit

from ..errors import BuiltInFunctionError, FunctionError, PackageError
from ..package.open import Package, resolve
from .tracebacks import NEEDS, explain

# Without these nothing can be done; all others are optional to ArcGIS.
METHODS = ("getParameterInfo", "updatePixels")
LEARN = "arcgis.learn"
# File of the installation to the variable that holds its text.
TEMPLATES = {
    "arcgisimageclassifier": "image_classifier_prf",
    "arcgisimagetranslation": "image_translation_prf",
    "arcgissuperresolution": "super_resolution",
    "arcgisimagetsclassifier": "imagets_classifier_prf",
}


def function_path(package: Package) -> Path:
    """File of the package's raster function.

    Raises
    ------
    FunctionError
        The EMD names none, or one that is not a Python file, or a function of the ArcGIS
        installation that is not at hand.
    PackageError
        There is no such file.
    """
    reference = package.emd.get("InferenceFunction")
    if not isinstance(reference, str) or not reference.strip():
        raise FunctionError(_why_no_function(package))
    try:
        path = resolve(package, reference)
    except BuiltInFunctionError:
        return builtin_function(reference)
    if path.suffix.lower() != ".py" or not path.is_file():
        raise FunctionError(f"the InferenceFunction {reference!r} is not a Python file (.py)")
    return path


def _why_no_function(package: Package) -> str:
    framework = package.emd.get("Framework")
    start = f"the model definition of {package.name} names no InferenceFunction"
    if isinstance(framework, str) and framework.startswith(LEARN):
        return (
            f"{start}, and its Framework {framework!r} is run by a function of the ArcGIS "
            "installation: write [Functions]System\\DeepLearning\\ArcGISLearn\\"
            f"ArcGISImageClassifier.py there. {NEEDS}"
        )
    by = f"the built-in function for {framework!r}" if framework else "a built-in function"
    return f"{start}: ArcGIS takes {by}, which is not available outside ArcGIS"


def code_folders(package: Package) -> tuple[Path, ...]:
    """Folders that the package's code lies in: its own, and that of a function elsewhere."""
    folders = [] if package.root is None else [package.root]
    try:
        folder = function_path(package).parent
    except (FunctionError, PackageError):
        return tuple(folders)
    if not any(folder == root or root in folder.parents for root in folders):
        folders.append(folder)
    return tuple(folders)


def load_class(path: Path) -> type:
    """Import a raster function's file and find its class.

    Returns
    -------
    type
        The class named like the file; failing that, the only class with the right methods.

    Raises
    ------
    FunctionError
        The file cannot be imported, or holds no such class.
    """
    module = _import(path)
    found = getattr(module, path.stem, None)
    if isinstance(found, type):
        return found
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    fitting = [
        value
        for value in classes
        if value.__module__ == module.__name__
        and all(hasattr(value, name) for name in METHODS)
        and _parameters(getattr(value, METHODS[0], None))
        < 2  # helpers of functions want more than self
    ]
    bases = {base for value in fitting for base in value.__mro__[1:]}
    fitting = [value for value in fitting if value not in bases]
    if len(fitting) == 1:
        warnings.warn(
            f"{path.name} has no class {path.stem!r}, which ArcGIS looks for; "
            f"{fitting[0].__name__!r} is taken instead",
            stacklevel=2,
        )
        return fitting[0]
    names = ", ".join(value.__name__ for value in classes) or "none"
    raise FunctionError(
        f"{path} has no class named {path.stem!r}: ArcGIS makes an object of the class that is "
        f"named like the file (classes in it: {names})"
    )


def _parameters(method: object) -> int:
    """How many values a method takes by position, itself included."""
    code = getattr(method, "__code__", None)
    return code.co_argcount if code is not None else 0


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FunctionError(f"{path} cannot be imported as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise FunctionError(
            f"{path} cannot be imported: {explain(error, [path.parent])}"
        ) from error
    return module


def builtin_function(reference: str) -> Path:
    """Write a function of ArcGIS's own, named as in the EMD, into a file until Python ends.

    Raises
    ------
    FunctionError
        The package `arcgis` is not installed, or does not carry this function.
    """
    stem = reference.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    templates = _templates_file()
    if templates is None:
        raise FunctionError(
            f"the function {reference} belongs to the ArcGIS installation, and the Python package "
            f"'arcgis', which carries its text, is not installed. {NEEDS}"
        )
    variable = TEMPLATES.get(stem.lower())
    text = _constant(templates, variable) if variable else None
    if text is None:
        raise FunctionError(
            f"the function {reference} belongs to the ArcGIS installation, and the installed "
            f"package 'arcgis' does not carry it: run the package in ArcGIS"
        )
    return _written(stem, text)


@cache
def _written(stem: str, text: str) -> Path:
    folder = scratch_until_exit()
    path = folder / f"{stem}.py"
    path.write_text(text, encoding="utf-8")
    return path


def _templates_file() -> Path | None:
    # Found without importing `arcgis.learn`, which imports half of the world.
    try:
        spec = importlib.util.find_spec("arcgis")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder) / "learn" / "models" / "_codetemplate.py"
        if path.is_file():
            return path
    return None


def _constant(path: Path, name: str) -> str | None:
    """Text of a string variable at the top of a module, without running the module."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if name in names and isinstance(node.value.value, str):
                return node.value.value
    return None
