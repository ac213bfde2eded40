"""Who made what under which licence, contradictions included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .licence_texts import BSD_3_CLAUSE, MIT

# As in pyproject.toml: what an installation happens to say must not change a package's bytes.
VERSION = "0.1.0"


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
    text : str
        The licence itself, where it has to travel along.
    """

    part: str
    licence: str
    source: str
    note: str = ""
    text: str = ""

    def to_dict(self) -> dict[str, str]:
        """The licence as it stands in manifest.json."""
        return {
            "part": self.part,
            "licence": self.licence,
            "source": self.source,
            "note": self.note,
        }


CODE = Licence(
    "raster function and its modules (CLIPSegClassifier.py, clipseg/, common/)",
    "Apache-2.0",
    "this project",
    "The text is at https://www.apache.org/licenses/LICENSE-2.0",
)
CLIP = Licence(
    "CLIP ViT-B/16 (image and text encoder, tokenizer)",
    "MIT",
    "OpenAI, repository openai/CLIP",
    "OpenAI's model card calls deployed use cases out of scope.",
    MIT.format(holder="2021 OpenAI"),
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
OWN_WEIGHTS = Licence(
    "weights of somebody else's making",
    "unknown",
    "not stated by the files they came from",
    "Where they are fine-tuned CLIPSeg weights, the terms of CLIP and of the CLIPSeg decoder below "
    "apply to them, too.",
)
EMBEDDINGS = Licence(
    "prompt embeddings",
    "unknown",
    "not stated by the file they came from",
    "Embeddings made with OpenAI's CLIP fall under its terms.",
)
CHIPS = {
    "marsh": Licence(
        "golden chip: marsh",
        "Copernicus Sentinel data terms (free use with attribution)",
        "Sentinel-2, Virginia coast",
        "Contains modified Copernicus Sentinel data 2016.",
    ),
    "trees": Licence(
        "golden chip: trees",
        "CC0-1.0",
        "National Ecological Observatory Network (NEON), airborne camera imagery",
        "Attribution: NEON, operated by Battelle for the National Science Foundation.",
    ),
    "snow": Licence(
        "golden chip: snow",
        "BSD-3-Clause",
        "test data of rasterio",
        text=BSD_3_CLAUSE.format(holder="2013, MapBox"),
    ),
    "cat": Licence(
        "golden chip: cat",
        "CC0-1.0",
        "photo by Stefan van der Walt, from the data of scikit-image (chelsea)",
    ),
    "astronaut": Licence(
        "golden chip: astronaut",
        "public domain",
        "portrait of Eileen Collins by NASA, from the data of scikit-image (astronaut)",
    ),
    "cup": Licence(
        "golden chip: cup",
        "CC0-1.0",
        "photo by Rachel Michetti, from the data of scikit-image (coffee)",
    ),
}


def licences_of(kind: str, source: str, *, own_embeddings: bool) -> tuple[Licence, ...]:
    """Licences of the parts of a package but for its golden chips, which are in `CHIPS`.

    Parameters
    ----------
    kind, source : str
        Of the weights: see `builder.clipseg.sources.Weights`.
    own_embeddings : bool
        Whether the prompt embeddings come from a file of their own.
    """
    if kind == "mini":
        weights: tuple[Licence, ...] = (MINI,)
    elif kind == "authors" or source.startswith("CIDAS/"):
        weights = (CLIP, DECODER)
    else:
        weights = (OWN_WEIGHTS, CLIP, DECODER)
    return (CODE, *weights, *([EMBEDDINGS] if own_embeddings else []))


def licences_text(licences: Iterable[Licence]) -> str:
    """The licences as a Markdown page for people."""
    lines = ["# Licences and provenance", ""]
    for licence in licences:
        lines += [
            f"## {licence.part}",
            "",
            f"Licence: {licence.licence}  ",
            f"Source: {licence.source}",
            "",
        ]
        lines += [licence.note, ""] if licence.note else []
        lines += ["```text", licence.text.strip(), "```", ""] if licence.text else []
    return "\n".join(lines)
