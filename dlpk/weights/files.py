"""Judging the weights of a package by reading, never by loading them."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..errors import BuiltInFunctionError, PackageError
from ..findings import Collector, Finding, Report, halves
from ..package.folder import walk
from ..package.open import Package, resolve
from .contents import PICKLES, Judge
from .parts import Content
from .rules import RULES

__all__ = ["RULES", "check_weights", "refused_by_weights_only"]

_ABSOLUTE: Final = re.compile(r"[A-Za-z]:|[\\/]")
_SUFFIXES: Final = (*PICKLES, ".bin", ".safetensors", ".model", ".weights", ".npy", ".npz")
_REMEDY: Final = "Copy the file again, or save the weights anew."
_NOT_WEIGHTS: Final = {
    b"version https://git-lfs": "a Git LFS pointer: run 'git lfs pull' before packing",
    b"<!doctype": "a web page: the download went wrong",
    b"<html": "a web page: the download went wrong",
}


def check_weights(package: Package) -> Report:
    """Look at the weights that the model definition names, and at every other file.

    Of safetensors the header is read, of pickles the opcodes.
    """
    findings = Collector(RULES)
    named = {path.resolve() for path in _named(package, findings)}
    if package.root is not None:
        for name, path in _files(package, named):
            try:
                _check_file(package, path, name, path in named, findings)
            except OSError as error:
                findings.add(
                    "weights/not-read",
                    f"the file cannot be read: {error.strerror or error}",
                    "Give yourself the right to read it.",
                    name,
                )
    return findings.report()


def _named(package: Package, findings: Collector) -> Iterator[Path]:
    """Yield the files that the model definition names; report those that are not there."""
    for pointer, reference in _references(package.emd):
        case: list[Finding] = []
        try:
            path = resolve(package, reference, case)
        except BuiltInFunctionError:
            continue
        except PackageError as error:
            _report_missing(package, pointer, reference, error, findings)
            continue
        for finding in case:
            file, line, column = package.place(pointer)
            findings.note(replace(finding, file=file, pointer=pointer, line=line, column=column))
        yield path


def _references(emd: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("ModelFile", "ModelFiles"):
        value = emd.get(key)
        if isinstance(value, str) and value.strip() not in ("", "N/A"):
            yield f"/{key}", value
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, str) and item.strip():
                    yield f"/{key}/{index}", item


def _report_missing(
    package: Package, pointer: str, reference: str, error: PackageError, findings: Collector
) -> None:
    away = bool(_ABSOLUTE.match(reference.strip()))
    if package.root is None and not away:
        return  # a text lies in no folder that the name could be relative to
    function = package.emd.get("InferenceFunction")
    own = isinstance(function, str) and function.strip() and "[" not in function
    rule = "weights/not-there" if own and not package.is_clipseg else "weights/missing"
    if away:
        rule = "weights/elsewhere"
    message, remedy = halves(error, "Put the file into the package or correct ModelFile.")
    findings.add(rule, message, remedy, *package.place(pointer), pointer=pointer)


def _files(package: Package, named: set[Path]) -> Iterator[tuple[str, Path]]:
    """Yield name and path of every file; names are relative to the package.

    Beside a single .emd file there may be anything: then only what it names counts.
    """
    assert package.root is not None
    root = package.root.resolve()
    paths = {path: path.relative_to(root).as_posix() for path in named if path.is_relative_to(root)}
    if package.kind == "dlpk":  # what a tool left behind is in it, too
        paths.update({path: path.relative_to(root).as_posix() for path in sorted(root.rglob("*"))})
    elif package.kind == "folder":
        paths.update({root / name: name for name, _ in walk(root)})
    for path, name in paths.items():
        if stat.S_ISREG(path.lstat().st_mode):
            yield name, path


def _check_file(
    package: Package, path: Path, name: str, named: bool, findings: Collector
) -> set[str]:
    """Judge one file; return what ``torch.load(weights_only=True)`` would refuse of it."""
    size, suffix = path.stat().st_size, path.suffix.lower()
    with path.open("rb", buffering=0) as file:
        start = file.read(64).lower()
        wrong = [what for magic, what in _NOT_WEIGHTS.items() if start.startswith(magic)]
        if (named or suffix in _SUFFIXES) and (wrong or not size):
            findings.add(
                "weights/damaged", f"the file is {wrong[0] if wrong else 'empty'}", _REMEDY, name
            )
            return set()
        if suffix == ".safetensors":
            _check_safetensors(package, path, name, named, findings)
        judge = Judge(findings)
        content = Content(file, 0, size, name, pickled=suffix in PICKLES)
        known = judge.judge(content) or suffix == ".safetensors"
        if not known and (named or suffix in PICKLES):
            findings.add(
                "weights/unknown-format",
                "the file is in none of the formats known here, so its weights could not be judged",
                "Check that it is whole, and give it the ending of what it is.",
                name,
            )
        return judge.beyond_tensors


def refused_by_weights_only(package: Package) -> list[str]:
    """Return the classes and functions, by dotted name, that weights need beyond tensors.

    From torch 2.6 on ``torch.load`` refuses them by default (``weights_only=True``); only files
    that ModelFile names count.
    """
    unheard = Collector(RULES)
    named = {path.resolve() for path in _named(package, unheard)} if package.root else set()
    names: set[str] = set()
    for name, path in _files(package, named):
        if path.resolve() in named:
            names |= _check_file(package, path, name, True, unheard)
    return sorted(names)


def _check_safetensors(
    package: Package, path: Path, name: str, named: bool, findings: Collector
) -> None:
    # These modules take their time to import, and most packages do not need them.
    from model_extension.common.errors import WeightsError
    from model_extension.common.safetensors_header import read_header

    try:
        with path.open("rb") as file:
            entries, _ = read_header(file, path.stat().st_size)
    except WeightsError as error:
        findings.add("weights/damaged", str(error), _REMEDY, name)
        return
    own = package.emd.get("CLIPSeg") if package.is_clipseg else None
    if named and isinstance(own, dict) and isinstance(own.get("Network"), dict):
        shapes = {key: entry.shape for key, entry in entries.items()}
        _check_network(own["Network"], shapes, name, findings)


def _check_network(
    network: Any, shapes: dict[str, tuple[int, ...]], name: str, findings: Collector
) -> None:
    """Compare the tensors of a package of ours with its network."""
    from model_extension.common.errors import CLIPSegError

    try:
        from model_extension.clipseg.network.config import NetworkConfig
        from model_extension.clipseg.network.tensors import check_tensors
    except ModuleNotFoundError as error:  # our function's modules need numpy
        findings.add(
            "weights/not-compared",
            f"whether the tensors are those of the network was not compared: {error}",
            "Install numpy to have that checked, too.",
            name,
        )
        return
    try:
        check_tensors(NetworkConfig.from_dict(network), shapes, name)
    except CLIPSegError as error:
        findings.add(
            "weights/other-network",
            str(error),
            "Build the package again from one set of weights.",
            name,
        )
