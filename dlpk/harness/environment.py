"""What a raster function runs in, put back as it was afterwards."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..package.open import Package
from .arcpy_standin import arcpy_installed
from .devices import CPU
from .loader import code_folders

Say = Callable[[str, str], None]
# Our own names that an author may have given to modules too: in ArcGIS they are free.
OWN_NAMES = ("schemas", "builder", "model_extension", "demo", "tests", "training")


def print_message(level: str, text: str) -> None:
    """Show what a function says, without getting into the way of a progress bar."""
    from tqdm import tqdm

    tqdm.write(f"{level}: {text}", file=sys.stderr)


def print_warnings(level: str, text: str) -> None:
    """Show warnings and errors of a function, not its other messages."""
    if level != "message":
        print_message(level, text)


class Environment:
    """What functions of a package run in, as a context that may be entered again and again.

    Inside, what the function prints goes to standard error, and its warnings and ``arcpy`` messages
    reach `say`. Outside, everything is as it was: working directory, module search path, imported
    modules of the package, variables. What the function has changed of them is there again the
    next time.

    Parameters
    ----------
    say : callable
        Takes a level (``message``, ``warning``, ``error``) and a text.
    device : int or None
        As functions get it: -1 processor, -2 any graphics card, else the number of one. None while
        a tool's dialog is being filled.
    """

    def __init__(self, package: Package, say: Say, *, device: int | None = None) -> None:
        self._folders = code_folders(package)
        self._say = say
        self._gpu = None if device in (None, CPU) else device
        self._stack = contextlib.ExitStack()
        # What the function has left.
        self._directory: str | None = None
        self._path: list[str] = []
        self._finders: list[Any] = []
        self._variables: dict[str, str] = {}
        self._modules: dict[str, ModuleType] = {}

    def __enter__(self) -> Environment:
        """Set everything up."""
        self._stack.enter_context(self._entered())
        return self

    def __exit__(self, *error: Any) -> None:
        """Put everything back as it was."""
        self._stack.__exit__(*error)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        directory, path, modules = os.getcwd(), list(sys.path), _imported()
        finders, variables = list(sys.meta_path), dict(os.environ)
        writes_bytecode = sys.dont_write_bytecode

        def show(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            self._say("warning", str(message))

        with contextlib.ExitStack() as stack:
            stack.enter_context(_standard_output_as_error())
            stack.enter_context(arcpy_installed(self._say, gpu=self._gpu))
            stack.enter_context(np.errstate())
            stack.enter_context(warnings.catch_warnings())
            # As in ArcGIS, whatever the user of this process has asked for: nothing raises.
            warnings.simplefilter("ignore")
            for shown in (UserWarning, RuntimeWarning):
                warnings.simplefilter("default", shown)
            warnings.showwarning = show
            sys.dont_write_bytecode = True  # a package that is a folder stays as it is
            hidden = _hide_own_modules(self._folders)
            own_finders = sys.meta_path[: len(sys.meta_path) - len(finders)]
            siblings = _Siblings(self._folders)
            sys.meta_path += [*self._finders, siblings]
            sys.path[:0] = self._path
            sys.modules.update(self._modules)
            os.environ.update(self._variables)
            with contextlib.suppress(OSError):
                os.chdir(self._directory or directory)
            try:
                yield
            finally:
                sys.dont_write_bytecode = writes_bytecode
                with contextlib.suppress(OSError):
                    self._directory = os.getcwd()
                    os.chdir(directory)
                self._path = [entry for entry in sys.path if entry not in path]
                sys.path[:] = path
                ours = [*finders, *own_finders, siblings]
                self._finders = [finder for finder in sys.meta_path if finder not in ours]
                sys.meta_path[:] = finders
                self._variables = {
                    name: value
                    for name, value in os.environ.items()
                    if variables.get(name) != value
                }
                _restore_environment(variables)
                self._modules = _forget(self._folders, modules)
                sys.modules.update(hidden)


@contextmanager
def _standard_output_as_error() -> Iterator[None]:
    """Send standard output to standard error, what libraries and child processes write too."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            kept = os.dup(1)
            stack.callback(os.close, kept)
            os.dup2(2, 1)
            stack.callback(os.dup2, kept, 1)
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield


def _restore_environment(before: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


class _OwnNames:
    """Finds modules that are called like ours in the package, if it asks for them there."""

    def __init__(self, names: Sequence[str], folders: Sequence[Path]) -> None:
        self.names = names
        self.folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.names:
            return None
        places = [entry for entry in sys.path if _is_inside(entry, self.folders)]
        return PathFinder.find_spec(name, places, target)


class _Siblings:
    """Finds modules beside the function that nothing else finds, and says so."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if "." in name:
            return None
        spec = PathFinder.find_spec(name, [str(folder) for folder in self.folders], target)
        if spec is not None and spec.origin is not None:
            warnings.warn(
                f"the module {name!r} lies beside the function, which does not add its folder to "
                "sys.path: Esri's deep learning functions do, so ArcGIS may not find it",
                stacklevel=2,
            )
            return spec
        return None


def _hide_own_modules(folders: Sequence[Path]) -> dict[str, ModuleType]:
    """Take away our modules where the package has some of the same name; returns them."""
    found = set()
    for folder in folders:
        for place in (folder, *(entry for entry in folder.iterdir() if entry.is_dir())):
            found |= {name for name in OWN_NAMES if os.path.isdir(place / name)}
            found |= {name for name in OWN_NAMES if os.path.isfile(place / f"{name}.py")}
    if not found:
        return {}
    sys.meta_path.insert(0, _OwnNames(sorted(found), folders))
    hidden = {name: module for name, module in _imported().items() if name.split(".")[0] in found}
    for name in hidden:
        del sys.modules[name]
    return hidden


def _forget(folders: Sequence[Path], before: Mapping[str, ModuleType]) -> dict[str, ModuleType]:
    """Drop the modules that came from the package, so that the next one finds its own."""
    dropped = {
        name: module
        for name, module in _imported().items()
        if before.get(name) is not module
        and any(_is_inside(place, folders) for place in _places(module))
    }
    for name in dropped:
        del sys.modules[name]
    sys.modules.update(before)
    return dropped


def _imported() -> dict[str, ModuleType]:
    """The modules that there are at a moment; other threads may import meanwhile."""
    while True:
        try:
            return dict(sys.modules)
        except RuntimeError:  # changed while it was copied
            continue


def _places(module: ModuleType) -> list[str]:
    """Where a module lies; folders without ``__init__.py`` have a path and no file."""
    try:
        file, path = getattr(module, "__file__", None), getattr(module, "__path__", None)
        return [file] if isinstance(file, str) else [str(entry) for entry in path or ()]
    except Exception:  # some modules are anything but
        return []


def _is_inside(path: str, folders: Sequence[Path]) -> bool:
    roots = {place for folder in folders for place in (str(folder), os.path.realpath(folder))}
    full = os.path.abspath(path)
    return full in roots or full.startswith(tuple(os.path.join(root, "") for root in roots))
