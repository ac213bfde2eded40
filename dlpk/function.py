"""Finding and loading the Python raster function of a package, as ArcGIS does."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from .arcpy_standin import arcpy_installed
from .builtin_functions import NEEDS, builtin_function
from .container import Package, resolve
from .errors import BuiltInFunctionError, FunctionError

Say = Callable[[str, str], None]
METHODS = ("initialize", "getParameterInfo", "getConfiguration", "updatePixels")


def function_path(package: Package) -> Path:
    """File of the package's raster function.

    Raises
    ------
    FunctionError
        The EMD names none, or one that is not a Python file.
    PackageError
        There is no such file.
    """
    reference = package.emd.get("InferenceFunction")
    if not isinstance(reference, str) or not reference.strip():
        framework = package.emd.get("Framework")
        needs = (
            f"its Framework {framework!r} is run by a function of ArcGIS's own"
            if framework
            else "ArcGIS would take a built-in function"
        )
        raise FunctionError(
            f"package {package.name} names no InferenceFunction: {needs}, which is not available "
            "outside ArcGIS"
        )
    try:
        path = resolve(package, reference)
    except BuiltInFunctionError:
        return builtin_function(reference)
    if path.suffix.lower() != ".py":
        raise FunctionError(f"the InferenceFunction {reference!r} is not a Python file (.py)")
    return path


def load_class(path: Path) -> type:
    """Import a raster function's file and find its class.

    Parameters
    ----------
    path : Path

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
        if value.__module__ == module.__name__ and all(hasattr(value, name) for name in METHODS)
    ]
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


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FunctionError(f"{path} cannot be imported as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise FunctionError(f"{path} cannot be imported: {explain(error, path.parent)}") from error
    return module


def print_message(level: str, text: str) -> None:
    """Show what a function says, without getting into the way of a progress bar."""
    from tqdm import tqdm

    tqdm.write(f"{level}: {text}", file=sys.stderr)


@contextmanager
def surroundings(package: Package, say: Say, *, gpu: int | None = None) -> Iterator[None]:
    """Run functions in, and put everything back as it was.

    Working directory, module search path, imported modules of the package and environment are
    restored; what the function prints goes to standard error; its warnings and ``arcpy`` messages
    reach `say`.

    Parameters
    ----------
    package : Package
    say : callable
        Takes a level (``message``, ``warning``, ``error``) and a text.
    gpu : int or None
        See `dlpk.arcpy_standin.arcpy_installed`.
    """
    folder, path, modules = os.getcwd(), list(sys.path), dict(sys.modules)
    environment = dict(os.environ)

    def show(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
        if issubclass(category, UserWarning):
            say("warning", str(message))

    with contextlib.ExitStack() as stack:
        stack.enter_context(arcpy_installed(say, gpu=gpu))
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        stack.enter_context(warnings.catch_warnings())
        warnings.showwarning = show
        try:
            yield
        finally:
            os.chdir(folder)
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(environment)
            _forget(package, modules)


def _forget(package: Package, before: dict[str, ModuleType]) -> None:
    """Drop the modules that came from the package, so that the next one finds its own."""
    if package.root is None:
        return
    root = str(package.root) + os.sep
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in before and isinstance(file, str) and os.path.abspath(file).startswith(root):
            del sys.modules[name]
        elif name in before and sys.modules[name] is not before[name]:
            sys.modules[name] = before[name]


def explain(error: BaseException, folder: Path | None) -> str:
    """An exception with the lines of the package's own code that led to it.

    Parameters
    ----------
    error : BaseException
    folder : Path or None
        The package's folder; frames elsewhere are left out.

    Returns
    -------
    str
    """
    frames = traceback.extract_tb(error.__traceback__)
    if folder is not None:
        own = [frame for frame in frames if frame.filename.startswith(str(folder) + os.sep)]
        frames = traceback.StackSummary.from_list(own)
    lines = [
        f"\n  {frame.filename}, line {frame.lineno}, in {frame.name}: {frame.line}"
        for frame in frames
    ]
    text = str(error) or "no message"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    hint = ""
    if missing and missing.split(".")[0] == "arcgis":
        hint = f". This package is built on the Python package 'arcgis'. {NEEDS}"
    elif missing:
        hint = f". Install {missing.split('.')[0]!r} beside this command to run the package here"
    return f"{type(error).__name__}: {text}{hint}" + "".join(lines)
