"""Find a package's EMD among its files, or tell where it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..findings import Collector
from .names import is_junk, shown, shown_size

MAX_EMD: Final = 16 * 1024 * 1024
"""Largest EMD in bytes; real ones have a few KB."""


def root_emds(files: Sequence[str]) -> list[str]:
    """Return those of `files` that ArcGIS takes for an EMD: at the root, not hidden, any case."""
    return [f for f in files if "/" not in f and f[:1] != "." and f.lower().endswith(".emd")]


def check_emd_place(files: Sequence[str], package: str, findings: Collector) -> None:
    """Report if not exactly one of a package's files, by path, is an .emd file at its root."""
    at_root = root_emds(files)
    useful = [path for path in files if not is_junk(path.split("/"))]
    deeper = [path for path in useful if "/" in path and path.lower().endswith(".emd")]
    if len(at_root) > 1:
        findings.add(
            "container/several-emd",
            f"{shown(package)} holds {len(at_root)} .emd files at its root: {listed(at_root)}",
            "Keep the one that describes this model.",
            at_root[1],
        )
    elif at_root:
        if not at_root[0].endswith(".emd"):
            findings.add(
                "container/emd-case",
                f"the ending of {shown(at_root[0])} is not in small letters",
                "Rename it to end in .emd.",
                at_root[0],
            )
    elif deeper:
        _report_deeper(deeper, useful, package, findings)
    else:
        _report_none(useful, package, findings)


def report_large_emd(path: str, size: int, findings: Collector) -> None:
    """Report that the EMD at `path` has more bytes than an EMD can sensibly have."""
    findings.add(
        "container/emd-size",
        f"the EMD {shown(path)} has {shown_size(size)}; at most {shown_size(MAX_EMD)} are read",
        "Keep weights and tables in files of their own.",
        path,
    )


def _report_deeper(deeper: list[str], useful: list[str], package: str, findings: Collector) -> None:
    folders = {path.split("/", 1)[0] for path in useful if "/" in path}
    whole = len(folders) == 1 and all("/" in path for path in useful)
    if whole and deeper[0].count("/") == 1:
        folder = next(iter(folders))
        findings.add(
            "container/zipped-folder",
            f"{shown(package)} was zipped with its folder: everything, {shown(deeper[0])} too, "
            f"lies in {shown(folder + '/')}",
            "Zip the contents of the folder, not the folder itself.",
            deeper[0],
        )
        return
    findings.add(
        "container/emd-in-subfolder",
        f"{shown(package)} has no .emd file at its root, only {listed(deeper)}",
        "Move the .emd file, and the files it names, to the root.",
        deeper[0],
    )


def _report_none(useful: list[str], package: str, findings: Collector) -> None:
    nested = [path for path in useful if path.lower().endswith((".dlpk", ".zip", ".7z", ".rar"))]
    if nested:
        findings.add(
            "container/nested-package",
            f"{shown(package)} has no .emd file, but an archive inside: {listed(nested)}",
            "Take the inner file out and use it by itself.",
            nested[0],
        )
        return
    remedy = "Add an .emd file at the root, or build the package with dlpk build."
    if any(path.rsplit("/", 1)[-1] == "data.pkl" for path in useful):
        remedy = (
            "This looks like PyTorch weights (.pth, .pt), which are a zip too: build a package "
            "around them."
        )
    held = f"only {listed(useful)}" if useful else "and no file at all"
    findings.add("container/no-emd", f"{shown(package)} holds no .emd file, {held}", remedy)


def listed(paths: Sequence[str]) -> str:
    """Return the first few of `paths` quoted for a message, and how many more there are."""
    some = ", ".join(shown(path) for path in paths[:5])
    return some if len(paths) <= 5 else f"{some} and {len(paths) - 5:,} more"
