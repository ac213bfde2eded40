"""The package that comes back: the parent with what was learnt."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from builder.archive import files_below
from builder.clipseg.build import write_code
from builder.clipseg.golden import add_golden, candidates
from builder.clipseg.provenance import CHIPS
from builder.clipseg.safetensors_writer import write_safetensors
from builder.golden import GOLDEN_FOLDER
from builder.json_files import emd_bytes
from builder.licences import licences_text
from builder.manifest import read_record
from builder.naming import class_names
from builder.pack import Built, Contents, pack
from model_extension.clipseg.contract.definition import (
    EMBEDDINGS_FILE,
    EMBEDDINGS_TENSOR,
    LEARNED_FILE,
)
from model_extension.clipseg.contract.legend import class_colors
from model_extension.clipseg.language.expressions import quoted
from model_extension.clipseg.language.prompts import fold
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.weights import slots
from model_extension.common.safetensors import SafetensorsFile

from ..package.package import Package
from ..testing.golden_test import GoldenResult, golden_test
from .learning.choice import Choice

Draw = Callable[[Path], None]


def write_package(
    parent: Package,
    out: Path,
    *,
    classes: Sequence[str],
    embeddings: Tensor,
    network: CLIPSeg | None,
    choice: Choice,
    lineage: Mapping[str, Any],
    draw: Draw,
) -> tuple[Built, GoldenResult]:
    """Write the new package.

    Parameters
    ----------
    parent : Package
    out : Path
    classes : sequence of str
        Prompts that were learnt.
    embeddings : Tensor
        Shape (classes, embeddings per class, projection).
    network : CLIPSeg or None
        With new weights; None if they are those of the parent.
    choice : Choice
    lineage : mapping
        What the manifest says of how it was made.
    draw : callable
        Writes pictures and records into the folder ``ModelCharacteristics``.

    Returns
    -------
    Built
    GoldenResult
        How the new package does on the golden chips of its parent.
    """
    kept: list[GoldenResult] = []
    fill = partial(_fill, parent, classes, embeddings, network, choice, lineage, draw, kept)
    return pack(out, fill, [parent.archive or parent.root or out.parent]), kept[0]


def _fill(
    parent: Package,
    classes: Sequence[str],
    embeddings: Tensor,
    network: CLIPSeg | None,
    choice: Choice,
    lineage: Mapping[str, Any],
    draw: Draw,
    kept: list[GoldenResult],
    folder: Path,
) -> Contents:
    assert parent.root is not None and parent.emd_path is not None
    shutil.copytree(
        parent.root, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    # As it is today: the parent may be from before prompts could be learnt.
    write_code(folder)
    emd = folder / parent.emd_path.name
    definition = json.loads(emd.read_bytes())
    own = definition["CLIPSeg"]
    folded = set(map(fold, classes))
    record = read_record(parent.root, parent.name)
    if network is not None:
        _write_weights(folder / definition["ModelFile"], network, record.get("precision", "fp16"))
    _write_prompts(folder, own, classes, embeddings.detach().cpu().float().numpy())
    own["Prompt"] = ", ".join(map(quoted, classes))
    levels = dict.fromkeys(classes, round(choice.threshold, 4))
    for key, values in ("Thresholds", levels), ("Strengths", dict(zip(classes, choice.strengths))):
        others = {name: v for name, v in own.get(key, {}).items() if fold(name) not in folded}
        own[key] = dict(sorted({**others, **values}.items()))
    definition["Classes"] = [
        {"Value": value, "Name": name, "Color": list(color)}
        for value, (name, color) in enumerate(zip(class_names(classes), class_colors(classes)), 1)
    ]
    emd.write_bytes(emd_bytes(definition))
    # Before they are made anew: what the parent promised is what must not be forgotten silently.
    kept.append(golden_test(folder, device="cpu", say=lambda level, text: None))
    shutil.rmtree(folder / GOLDEN_FOLDER, ignore_errors=True)
    prompts = candidates(classes, own.get("PromptNames"))
    chips = add_golden(folder, emd.name, prompts, definition["Threshold"])
    characteristics = folder / "ModelCharacteristics"
    shutil.rmtree(characteristics, ignore_errors=True)
    characteristics.mkdir()
    draw(characteristics)
    told = [licence["part"] for licence in record["licences"]]
    new = [CHIPS[chip] for chip in chips if CHIPS[chip].part not in told]
    if new:
        with (folder / "LICENSES.md").open("a", encoding="utf-8") as file:
            file.write("\n" + licences_text(new).partition("\n")[2].lstrip())
    licences = [*record["licences"], *(licence.to_dict() for licence in new)]
    record |= {"licences": licences, "lineage": dict(lineage)}
    return Contents(files_below(folder), record)


def _write_weights(path: Path, network: CLIPSeg, precision: str) -> None:
    values = slots(network)
    shapes = {name: tuple(value.shape) for name, value in values.items()}
    path.unlink()
    write_safetensors(
        path,
        shapes,
        lambda name: np.asarray(values[name].detach().cpu().numpy()),
        dtype={"fp16": "float16", "fp32": "float32"}[precision],
        metadata={"format": "pt"},
    )


def _write_prompts(
    folder: Path, own: dict[str, Any], classes: Sequence[str], embeddings: np.ndarray
) -> None:
    """Add the learnt prompts to those that are there; all others stay as they are, to the bit.

    A frozen vocabulary lists them among its own, too, with the mean of their embeddings.
    """
    learned = [np.unique(rows, axis=0) for rows in embeddings]
    _put(folder / LEARNED_FILE, own, "LearnedPrompts", classes, learned)
    if own["Vocabulary"] == "frozen":
        means = [rows.mean(0, keepdims=True) for rows in learned]
        _put(folder / EMBEDDINGS_FILE, own, "PromptNames", classes, means)


def _put(
    path: Path, own: dict[str, Any], key: str, classes: Sequence[str], new: Sequence[np.ndarray]
) -> None:
    """Put embeddings of classes, shape (any number, projection) each, into a file."""
    names = list(own.get(key, []))
    known = np.zeros((0, new[0].shape[1]), np.float32)
    if names:
        with SafetensorsFile(str(path)) as file:
            known = np.array(file.tensor(EMBEDDINGS_TENSOR), np.float32)
    replaced = set(map(fold, classes))
    kept = [row for row, name in enumerate(names) if fold(name) not in replaced]
    own[key] = [names[row] for row in kept] + [n for n, rows in zip(classes, new) for _ in rows]
    values = np.concatenate([known[kept], *new])
    write_safetensors(path, {EMBEDDINGS_TENSOR: values.shape}, lambda _: values, dtype="float32")
