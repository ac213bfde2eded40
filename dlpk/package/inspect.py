"""What is in a package, without running any of its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .open import Package, open_package


def inspect(source: str | Path) -> dict[str, Any]:
    """Describe a package.

    Parameters
    ----------
    source : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.

    Returns
    -------
    dict
        Ready for JSON: name, hash, model, tile, bands, classes, prompts, files, provenance.

    Raises
    ------
    PackageError
        The package cannot be opened.
    """
    with open_package(source) as package:
        return _describe(package)


def _describe(package: Package) -> dict[str, Any]:
    emd = package.emd
    own = emd.get("CLIPSeg") if isinstance(emd.get("CLIPSeg"), dict) else {}
    assert isinstance(own, dict)
    manifest = package.manifest or {}
    return {
        "name": package.name,
        "kind": package.kind,
        "sha256": package.sha256,
        "emd": package.emd_path.name if package.emd_path else None,
        "description": emd.get("Description"),
        "model_type": emd.get("ModelType"),
        "function": emd.get("InferenceFunction"),
        "framework": emd.get("Framework"),
        "weights": emd.get("ModelFile"),
        "tile": [emd.get("ImageWidth"), emd.get("ImageHeight")],
        "bands": emd.get("ExtractBands"),
        "data_range": emd.get("DataRange"),
        "threshold": emd.get("Threshold"),
        "thresholds": _calibrated(emd),
        "padding": emd.get("Padding"),
        "classes": [
            {"value": entry.get("Value"), "name": entry.get("Name"), "color": entry.get("Color")}
            for entry in emd.get("Classes") or []
            if isinstance(entry, dict)
        ],
        "vocabulary": own.get("Vocabulary"),
        "prompt": own.get("Prompt"),
        "prompt_names": own.get("PromptNames"),
        "format": manifest.get("format"),
        "created_by": manifest.get("created_by"),
        "precision": manifest.get("precision"),
        "provenance": manifest.get("weights"),
        "licences": manifest.get("licences"),
        "files": _files(package),
    }


def _files(package: Package) -> dict[str, int]:
    if package.root is None:
        return {}
    return {
        path.relative_to(package.root).as_posix(): path.stat().st_size
        for path in sorted(package.root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def as_text(description: dict[str, Any]) -> str:
    """The description for people."""
    labels = {
        "name": "Package",
        "description": "Description",
        "sha256": "SHA-256",
        "emd": "Model definition",
        "model_type": "Model type",
        "function": "Function",
        "framework": "Framework",
        "weights": "Weights",
        "tile": "Tile (pixels)",
        "bands": "Bands (from 0)",
        "data_range": "Data range",
        "threshold": "Threshold",
        "thresholds": "Calibrated",
        "padding": "Padding",
        "vocabulary": "Vocabulary",
        "prompt": "Default prompt",
        "precision": "Precision",
    }
    lines = []
    for key, label in labels.items():
        value = description.get(key)
        if value not in (None, "", [None, None]):
            shown = " x ".join(map(str, value)) if key == "tile" else value
            lines.append(f"{label + ':':18} {shown}")
    if description["prompt_names"]:
        names = description["prompt_names"]
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        lines.append(f"{'Known prompts:':18} {', '.join(names[:12])}{more}")
    for entry in description["classes"][:20]:
        lines.append(f"{'Class ' + str(entry['value']) + ':':18} {entry['name']}")
    for licence in description["licences"] or []:
        lines.append(f"{'Licence:':18} {licence['part']}: {licence['licence']}")
    sizes = description["files"]
    lines.append(f"{'Files:':18} {len(sizes)}, {sum(sizes.values()) / 1e6:,.1f} MB")
    lines += [f"  {size:>12,}  {name}" for name, size in sizes.items()]
    return "\n".join(lines)


def _calibrated(emd: Mapping[str, Any]) -> dict[str, Any] | None:
    own = emd.get("CLIPSeg")
    found = own.get("Thresholds") if isinstance(own, dict) else None
    return dict(found) if isinstance(found, dict) and found else None
