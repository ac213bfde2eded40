"""Judging the weights of a package by reading, never by loading them."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from schemas.emd.rules import Rule
from schemas.findings import Finding, Report, Severity

from ..errors import BuiltInFunctionError, PackageError
from ..findings import Collector, halves
from ..package.folder import walk
from ..package.open import Package, resolve
from . import pickles as check_pickle
from .opcodes import LEGACY

__all__ = ["RULES", "check_weights"]

_E, _W = Severity.ERROR, Severity.WARNING
_DOCS = "Esri/raster-deep-learning: writing_model_definition, ModelFile"

RULES: dict[str, Rule] = {
    "weights/missing": Rule(
        _E, "The built-in functions read the file that ModelFile names.", _DOCS
    ),
    "weights/not-there": Rule(
        _W, "A function of one's own may do without ModelFile, or not.", _DOCS
    ),
    "weights/elsewhere": Rule(
        _W, "The weights are not in the package: other machines do not have them.", _DOCS
    ),
    "weights/unknown-format": Rule(
        _W, "The content is not what the file's name promises.", "the formats' first bytes"
    ),
    "weights/other-network": Rule(
        _E, "The tensors are not those that the settings describe.", "package format 1"
    ),
    **check_pickle.RULES,
}

_ABSOLUTE: Final = re.compile(r"[A-Za-z]:|[\\/]")
_PICKLES: Final = (".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".joblib")
_SUFFIXES: Final = (*_PICKLES, ".bin", ".safetensors", ".model", ".weights", ".npy", ".npz")
_REMEDY: Final = "Copy the file again, or save the weights anew."
_COMPRESSED: Final = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"x\x9c",
    b"x\x01",
    b"x\xda",
    b"\x28\xb5\x2f",
)
# Formats that hold data only, by their first bytes.
_PLAIN: Final = (b"\x89HDF", b"\x93NUMPY", b"GGUF", b"GGML", b"\x08")
_NOT_WEIGHTS: Final = (
    (b"version https://git-lfs", "a Git LFS pointer: run 'git lfs pull' before packing"),
    (b"<!DOCTYPE", "a web page: the download went wrong"),
    (b"<!doctype", "a web page: the download went wrong"),
    (b"<html", "a web page: the download went wrong"),
)


def check_weights(package: Package) -> Report:
    """Look at the weights that the model definition names, and at others in the package.

    Parameters
    ----------
    package : Package
        An open package. Of safetensors the header is read, of pickles the opcodes.
    """
    findings = Collector(RULES)
    named = {path.resolve() for path in _named(package, findings)}
    if package.root is not None:
        for name, path in _files(package, named):
            try:
                _check_file(package, path, name, path.resolve() in named, findings)
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
    rule = "weights/missing"
    if away:
        rule = "weights/elsewhere"
    elif (
        isinstance(function, str)
        and function.strip()
        and not package.is_clipseg
        and "[" not in function
    ):
        rule = "weights/not-there"
    message, remedy = halves(error, "Put the file into the package or correct ModelFile.")
    findings.add(rule, message, remedy, *package.place(pointer), pointer=pointer)


def _files(package: Package, named: set[Path]) -> Iterator[tuple[str, Path]]:
    """Yield name and path of what may be weights; names are relative to the package.

    Beside a single .emd file there may be anything: then only what it names counts.
    """
    assert package.root is not None
    for name, status in walk(package.root):
        path = package.root / name
        if not stat.S_ISREG(status.st_mode):
            continue
        likely = package.kind != "emd" and name.lower().endswith(_SUFFIXES)
        if likely or path.resolve() in named:
            yield name, path


def _check_file(package: Package, path: Path, name: str, named: bool, findings: Collector) -> None:
    with path.open("rb") as file:
        start = file.read(64)
    suffix = path.suffix.lower()
    if not start:
        findings.add("weights/damaged", "the file is empty", _REMEDY, name)
        return
    for magic, what in _NOT_WEIGHTS:
        if start.startswith(magic):
            findings.add("weights/damaged", f"the file is {what}", _REMEDY, name)
            return
    if suffix == ".safetensors":
        _check_safetensors(package, path, name, named, findings)
    elif start[:4] == b"PK\x03\x04":
        check_pickle.check_torch_zip(path, name, findings)
    elif start.startswith(b"\x93NUMPY"):
        with path.open("rb") as file:
            check_pickle.check_array(file, 0, path.stat().st_size, name, findings)
    elif start[0] == 0x80 and len(start) > 1 and start[1] <= 5:
        certain = suffix in _PICKLES or start.startswith(LEGACY)
        check_pickle.check_pickle(path, name, findings, named=certain)
    elif suffix in _PICKLES and not start.startswith(_PLAIN) and start[4:8] != b"TFL3":
        _check_old(path, name, start, findings)


def _check_old(path: Path, name: str, start: bytes, findings: Collector) -> None:
    """Judge a file that should be a pickle and does not begin like one of today."""
    if start.startswith(_COMPRESSED):
        findings.add(
            "weights/not-read",
            "the file is compressed and not looked into",
            "Save the weights uncompressed, or as safetensors.",
            name,
        )
        return
    trial = Collector(RULES)
    check_pickle.check_pickle(path, name, trial, named=True)
    if not trial.broke("weights/damaged"):  # protocol 0 or 1
        for finding in trial.report():
            findings.note(finding)
        return
    for finding in trial.report():
        if finding.rule != "weights/damaged":
            findings.note(finding)
    findings.add(
        "weights/unknown-format",
        f"the file ends in {path.suffix} and is neither a zip of torch nor a pickle",
        "Copy the file again if it is one, or give it the ending of what it is.",
        name,
    )


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
            "weights/not-read",
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
