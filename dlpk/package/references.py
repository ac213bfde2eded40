"""Find the file that an EMD refers to, as ArcGIS does on Windows, and never outside a package."""

from __future__ import annotations

import difflib
import os
import re
import stat
from pathlib import Path
from typing import Final

from schemas.findings import Finding

from ..errors import BuiltInFunctionError, PackageError
from .emd_place import listed
from .folder import is_inside, walk
from .names import place, shown, split_name, windows_key
from .package import MANIFEST, Package
from .rules import RULES

_INSTALLED: Final = re.compile(r"\[(functions|resources)\]", re.IGNORECASE)
_WINDOWS_ROOT: Final = re.compile(r"[A-Za-z]:|[\\/]{2}")
_SUGGESTIONS: Final = 5


def resolve(package: Package, reference: str, findings: list[Finding] | None = None) -> Path:
    r"""Return the file or folder that a value of the EMD refers to.

    Parameters
    ----------
    package
        An open package.
    reference
        As in the EMD: relative to the folder of the .emd file (``X.py``, ``.\X.py``,
        ``models/x.pth``, ``.``) or absolute. Either slash separates. Case does not matter where
        only one name fits, as on Windows.
    findings
        Takes a note if the file was found only because case was ignored.

    Returns
    -------
    Path
        What exists there. For a relative reference it lies in the package's folder, links
        followed.

    Raises
    ------
    BuiltInFunctionError
        If the reference starts with ``[Functions]`` (or ``[Resources]``): the file is one of the
        ArcGIS installation.
    PackageError
        If there is no such file, or the reference leads out of the package.
    """
    if not isinstance(reference, str) or not reference.strip() or "\0" in reference:
        raise PackageError(
            f"the EMD of {_called(package)} refers to the file {place(repr(reference))}, which "
            "is no file name. Write the name of a file in the package."
        )
    if _INSTALLED.match(reference.lstrip("\\/. ")):
        raise BuiltInFunctionError(
            f"{shown(reference)} lies in the ArcGIS Pro installation (Resources\\Raster\\"
            f"Functions), not in {_called(package)}. Run it where the arcgis package is "
            "installed, or save the model again so that the function travels with it "
            "(save_inference_file=True in arcgis.learn)."
        )
    if _WINDOWS_ROOT.match(reference) or os.path.isabs(reference):
        return _resolve_absolute(package, reference)
    return _resolve_relative(package, reference, findings)


def _called(package: Package) -> str:
    return "the EMD text" if package.root is None else f"package {shown(package.name)}"


def _resolve_absolute(package: Package, reference: str) -> Path:
    path = Path(reference)
    foreign = os.name != "nt" and _WINDOWS_ROOT.match(reference) is not None
    if not (foreign and not os.path.isabs(reference)) and os.path.exists(path):
        return path
    remedy = (
        "Put the file beside the .emd file and write its bare name, so that the package works "
        "on every machine."
    )
    parts = split_name(re.sub(r"^[A-Za-z]:", "", reference))
    if package.root is not None and parts:
        same = [file for file in _files(package.root) if file.split("/")[-1] == parts[-1]]
        if same:
            remedy = f"The package has a file of that name: write {shown(same[0])} in the EMD."
    there = "is a path of a Windows machine" if foreign else "does not exist on this machine"
    raise PackageError(f"{_called(package)} refers to {shown(reference)}, which {there}. {remedy}")


def _resolve_relative(package: Package, reference: str, findings: list[Finding] | None) -> Path:
    if package.root is None:
        raise PackageError(
            f"the EMD text refers to {shown(reference)}, but a text lies in no folder that this "
            "could be relative to. Give the path of the .emd file, or write an absolute path."
        )
    parts: list[str] = []
    for part in split_name(reference):
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise _outside(package, reference)
    path = package.root
    for part in parts:
        path = path / _match(package, path, part, reference)
    if not is_inside(path, package.root):
        raise _outside(package, reference)
    written = "/".join(parts)
    found = path.relative_to(package.root).as_posix()
    if parts and found != written and findings is not None:
        rule = "container/reference-case"
        findings.append(
            Finding(
                RULES[rule].severity,
                rule,
                f"the EMD refers to {shown(reference)}, the file is named {shown(found)}",
                "Write the name as it is: Linux servers tell small letters from capital ones.",
                package.emd_path.name if package.emd_path else "",
            )
        )
    return path


def _outside(package: Package, reference: str) -> PackageError:
    return PackageError(
        f"the EMD of {_called(package)} refers to {shown(reference)}, which leads out of the "
        "package. Put the file into the package and write its name there."
    )


def _match(package: Package, folder: Path, part: str, reference: str) -> str:
    """Return the name in `folder` that `part` means, exact or but for case."""
    try:
        names = os.listdir(folder)
    except OSError:
        names = []
    if part in names:
        return part
    key = windows_key(part)
    fitting = sorted(name for name in names if windows_key(name) == key)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise PackageError(
            f"{shown(reference)} fits several files of {_called(package)}: {listed(fitting)}. "
            "Rename all but one; on Windows they are the same."
        )
    raise _missing(package, reference)


def _missing(package: Package, reference: str) -> PackageError:
    assert package.root is not None
    emd = package.emd_path.name if package.emd_path else ""
    files = [file for file in _files(package.root) if file not in (emd, MANIFEST)]
    wanted = "/".join(split_name(reference)).lower()
    same = [file for file in files if file.split("/")[-1].lower() == wanted.split("/")[-1]]
    # Typos are looked for in the name alone and in the whole path.
    by_key: dict[str, str] = {}
    for file in files:
        by_key.setdefault(file.lower(), file)
        by_key.setdefault(file.split("/")[-1].lower(), file)
    close = difflib.get_close_matches(wanted, by_key, n=_SUGGESTIONS)
    # A function is no likely name for weights, nor the other way round.
    code = wanted.endswith(".py")
    fitting = [by_key[key] for key in close if key.endswith(".py") is code]
    near = list(dict.fromkeys(same + fitting))[:_SUGGESTIONS]
    if near:
        remedy = f"Near it are {listed(near)}: correct the EMD."
    elif files:
        remedy = f"The package holds {listed(files)}. Add the file or correct the EMD."
    else:
        remedy = "The package holds no other file: add it."
    return PackageError(
        f"the EMD of {_called(package)} refers to {shown(reference)}, which is not there. {remedy}"
    )


def _files(root: Path) -> list[str]:
    return [path for path, status in walk(root) if not stat.S_ISDIR(status.st_mode)]
