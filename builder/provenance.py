"""Licences of code and weights, contradictions included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Licence:
    """The licence of one part of a package.

    Parameters
    ----------
    part : str
        What it covers.
    licence : str
        SPDX identifier, or words where there is none.
    source : str
        Who says so.
    note : str
        What a user has to know before relying on it.
    """

    part: str
    licence: str
    source: str
    note: str = ""

    def to_dict(self) -> dict[str, str]:
        """The licence as it stands in manifest.json."""
        return asdict(self)


CODE = Licence("raster function and its modules", "Apache-2.0", "this project")
CLIP = Licence(
    "CLIP ViT-B/16 (image and text encoder)",
    "MIT",
    "OpenAI, repository openai/CLIP",
    "OpenAI's model card calls deployed use cases out of scope.",
)
DECODER = Licence(
    "CLIPSeg decoder weights",
    "unclear: Apache-2.0 or research only",
    "model card CIDAS/clipseg-* on the hub; repository timojl/clipseg",
    "The statements contradict each other. The hub's model card says Apache-2.0. The authors' "
    "repository says that its MIT licence does not apply to the weights, and that they were "
    "released for research purposes. Ask the authors before any use that depends on it.",
)
MINI = Licence(
    "miniature weights (for demonstration)",
    "Apache-2.0",
    "this project",
    "Trained on modified Copernicus Sentinel data 2016 and USGS Landsat data.",
)
LOCAL = Licence(
    "weights of your own",
    "unknown",
    "not stated by the folder they came from",
    "Fine-tuned CLIPSeg weights inherit the terms of the weights they started from.",
)


def licences_of(kind: str) -> tuple[Licence, ...]:
    """Licences that apply to weights of a kind (``hub``, ``folder``, ``authors``, ``mini``)."""
    if kind == "mini":
        return (CODE, MINI)
    if kind == "folder":
        return (CODE, LOCAL, CLIP, DECODER)
    return (CODE, CLIP, DECODER)


def licences_text(licences: Iterable[Licence]) -> str:
    """The licences as a Markdown page for people."""
    lines = ["# Licences and provenance", ""]
    for licence in licences:
        lines += [
            f"## {licence.part}",
            "",
            f"Licence: {licence.licence}  ",
            f"Source: {licence.source}",
        ]
        lines += ["", licence.note, ""] if licence.note else [""]
    return "\n".join(lines)
