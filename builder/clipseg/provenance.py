"""Where the parts of a package come from and their licences, contradictions included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..licences import Licence
from ..manifest import file_hash
from .sources import Weights
from .tokenizer_files import TokenizerFiles
from .vocabulary import Vocabulary

TEXTS = Path(__file__).parent / "licences"


def _text(licence: str, holder: str) -> str:
    """A licence that has to travel with what it covers, word for word."""
    return (TEXTS / f"{licence}.txt").read_text(encoding="utf-8").format(holder=holder)


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
    _text("MIT", "2021 OpenAI"),
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
        text=_text("BSD-3-Clause", "2013, MapBox"),
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


def weights_record(
    source: Weights, vocabulary: Vocabulary | None, tokenizer: TokenizerFiles | None
) -> dict[str, Any]:
    """Where weights and vocabulary come from, exactly enough to know them again.

    Parameters
    ----------
    source : Weights
    vocabulary : Vocabulary or None
        The frozen vocabulary.
    tokenizer : TokenizerFiles or None
        The tokenizer that the package holds.

    Returns
    -------
    dict
        Source, revision and the hash of every file that was read. Folders are not named: what
        they are called says nothing elsewhere, and would change the package's bytes.
    """
    files = dict(source.files)
    if vocabulary is not None:
        files.update(vocabulary.files)
    if tokenizer is not None:
        files.update({path.name: path for path in tokenizer.files})
    record: dict[str, Any] = {
        "source": "local folder" if source.kind == "folder" else source.source,
        "kind": source.kind,
        "files": {name: file_hash(path) for name, path in files.items()},
    }
    if source.revision:
        record["revision"] = source.revision
    if vocabulary is not None:
        record["vocabulary"] = {"names": len(vocabulary.names), "origin": vocabulary.origin}
    return record
