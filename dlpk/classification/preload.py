"""Importing PyTorch while a package is unpacked, for packages that will want it."""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..package.archive import peek_emd


def import_ahead(package: Any) -> None:
    """Begin to import PyTorch in a thread if the package's model definition speaks of it.

    That takes a second, of which unpacking hides a part. Whatever goes wrong is left to the
    function: it imports what it needs itself, and gets the error.

    Parameters
    ----------
    package : path
        A .dlpk file; anything else is ready at once and left alone.
    """
    if "torch" in sys.modules or not isinstance(package, (str, Path)):
        return
    if Path(package).suffix.lower() != ".dlpk" or "\0" in str(package):
        return
    found = peek_emd(package)
    if found is not None and b"pytorch" in found[1].lower():
        threading.Thread(target=_import_torch, name="dlpk-import", daemon=True).start()


def _import_torch() -> None:
    with suppress(Exception):
        importlib.import_module("torch")
