"""What is in a package, without running any of its code."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from schemas.findings import printable

from .folder import walk
from .names import is_junk
from .open import Package, open_package

SHOWN = 20
"""So many classes and prompts are shown to people."""


@dataclass(frozen=True)
class Inspection:
    """What a package says of itself; None for what it does not say, or says in the wrong type.

    Parameters
    ----------
    name, kind, sha256, emd : str or None
        As of `dlpk.package.package.Package`; the name of the EMD's file.
    description, model_type, function, framework, weights : str or None
        Texts of the EMD: Description, ModelType, InferenceFunction, Framework, ModelFile.
    tile : tuple of int or None
        ImageWidth and ImageHeight in pixels.
    bands, data_range : list or None
        ExtractBands and DataRange.
    threshold, padding : number or None
    thresholds, strengths : dict
        Calibrated ones by prompt.
    classes : list of dict
        ``value``, ``name`` and ``color`` of each class.
    vocabulary, prompt : str or None
    prompt_names : list of str
        What a frozen vocabulary knows.
    format, created_by, precision, provenance : Any
        Of the manifest: format, created_by, precision, weights.
    licences : list of dict
        Of the manifest.
    files : dict
        Size in bytes by path.
    """

    name: str
    kind: str
    sha256: str | None
    emd: str | None
    description: str | None
    model_type: str | None
    function: str | None
    framework: str | None
    weights: str | None
    tile: tuple[int | None, int | None]
    bands: list[Any] | None
    data_range: list[Any] | None
    threshold: float | None
    thresholds: dict[str, Any]
    strengths: dict[str, Any]
    padding: float | None
    classes: list[dict[str, Any]]
    vocabulary: str | None
    prompt: str | None
    prompt_names: list[str]
    format: int | None
    created_by: dict[str, Any]
    precision: str | None
    provenance: dict[str, Any]
    licences: list[dict[str, Any]]
    files: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return asdict(self)

    def to_text(self) -> str:
        """Return the description for people, fit for a terminal whatever the package holds."""
        tile = " x ".join(map(str, self.tile)) if self.tile != (None, None) else None
        rows: list[tuple[str, Any]] = [
            ("Package", self.name),
            ("Description", self.description),
            ("SHA-256", self.sha256),
            ("Model definition", self.emd),
            ("Model type", self.model_type),
            ("Function", self.function),
            ("Framework", self.framework),
            ("Weights", self.weights),
            ("Tile (pixels)", tile),
            ("Bands (from 0)", self.bands),
            ("Data range", self.data_range),
            ("Threshold", self.threshold),
            ("Calibrated", self.thresholds),
            ("Strengths", self.strengths),
            ("Padding", self.padding),
            ("Vocabulary", self.vocabulary),
            ("Default prompt", self.prompt),
            ("Precision", self.precision),
            ("Known prompts", _some(self.prompt_names)),
        ]
        rows = [(label, value) for label, value in rows if value not in (None, "", [], {})]
        rows += [(f"Class {entry['value']}", entry["name"]) for entry in self.classes[:SHOWN]]
        if len(self.classes) > SHOWN:
            rows.append(("Classes", f"{len(self.classes) - SHOWN:,} more"))
        rows += [("Licence", f"{e.get('part')}: {e.get('licence')}") for e in self.licences]
        size = sum(self.files.values()) / 1e6
        rows.append(("Files", f"{len(self.files):,}, {size:,.1f} MB"))
        lines = [f"{label + ':':18} {value}" for label, value in rows]
        lines += [f"  {size:>12,}  {name}" for name, size in self.files.items()]
        return "\n".join(map(printable, lines))


def inspect(source: str | Path) -> Inspection:
    """Describe a package.

    Parameters
    ----------
    source : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.

    Returns
    -------
    Inspection
        Name, hash, model, tile, bands, classes, prompts, files, provenance.

    Raises
    ------
    PackageError
        The package cannot be opened.
    """
    with open_package(source) as package:
        return _describe(package)


def _describe(package: Package) -> Inspection:
    emd = package.emd
    own = _of(dict, emd, "CLIPSeg") or {}
    manifest = package.manifest or {}
    return Inspection(
        name=package.name,
        kind=package.kind,
        sha256=package.sha256,
        emd=package.emd_path.name if package.emd_path else None,
        description=_of(str, emd, "Description"),
        model_type=_of(str, emd, "ModelType"),
        function=_of(str, emd, "InferenceFunction"),
        framework=_of(str, emd, "Framework"),
        weights=_of(str, emd, "ModelFile"),
        tile=(_of(int, emd, "ImageWidth"), _of(int, emd, "ImageHeight")),
        bands=_of(list, emd, "ExtractBands"),
        data_range=_of(list, emd, "DataRange"),
        threshold=_of((int, float), emd, "Threshold"),
        thresholds=_of(dict, own, "Thresholds") or {},
        strengths=_of(dict, own, "Strengths") or {},
        padding=_of((int, float), emd, "Padding"),
        classes=[
            {"value": entry.get("Value"), "name": entry.get("Name"), "color": entry.get("Color")}
            for entry in _of(list, emd, "Classes") or []
            if isinstance(entry, dict)
        ],
        vocabulary=_of(str, own, "Vocabulary"),
        prompt=_of(str, own, "Prompt"),
        prompt_names=[n for n in _of(list, own, "PromptNames") or [] if isinstance(n, str)],
        format=_of(int, manifest, "format"),
        created_by=_of(dict, manifest, "created_by") or {},
        precision=_of(str, manifest, "precision"),
        provenance=_of(dict, manifest, "weights") or {},
        licences=[e for e in _of(list, manifest, "licences") or [] if isinstance(e, dict)],
        files=_files(package),
    )


def _of(kind: Any, values: Mapping[str, Any], key: str) -> Any:
    """Return a value if it has the right type; packages may hold anything."""
    value = values.get(key)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _files(package: Package) -> dict[str, int]:
    if package.root is None:
        return {}
    return {
        path: status.st_size
        for path, status in walk(package.root)
        if stat.S_ISREG(status.st_mode) and not is_junk(path.split("/"))
    }


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
