"""Figures of an evaluation in a new package, where ArcGIS's tools look for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import TruthError
from ..package.open import open_package
from .reports.report_html import to_html
from .reports.report_text import to_json
from .result import Evaluation

# arcgis.learn keeps a page of metrics beside the model definition, and more in a folder.
METRICS_PAGE = "model_metrics.html"
FOLDER = "ModelCharacteristics"


def write_accuracy(package: str | Path, out: str | Path, result: Evaluation) -> str:
    """Write a new package that carries an evaluation.

    The model definition gets ``accuracy`` (part of the pixels that are right) and ``mIoU`` (without
    background); the page and the figures lie beside it. Nobody has looked at them in ArcGIS Pro.

    Parameters
    ----------
    package : path
        A package that this project built, the one that was evaluated.
    out : path
        The .dlpk file to write.
    result : Evaluation

    Returns
    -------
    str
        SHA-256 of the new package.

    Raises
    ------
    DlpkError
        The package is not one of ours, or cannot be written.
    """
    from builder.repack import repack

    summary = result.summary()
    with open_package(package) as opened:
        if not opened.is_clipseg or opened.root is None or opened.emd_path is None:
            raise TruthError(f"{package} is no package of dlpk build: it is not changed")

        def change(emd: dict[str, Any]) -> dict[str, Any]:
            emd["accuracy"] = round(summary["accuracy"], 4)
            emd["mIoU"] = round(summary["miou_without_background"], 4)
            return emd

        page = to_html(result, f"{opened.emd_path.stem}: accuracy")
        more = {
            METRICS_PAGE: page.encode("utf-8"),
            f"{FOLDER}/accuracy.json": to_json(result).encode("utf-8"),
        }
        return repack(opened.root, opened.emd_path, Path(out), change, more)
