"""Building a package: weights, code and model definition into one .dlpk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import model_extension
from model_extension.clipseg.contract.arguments import LARGEST_TILE
from model_extension.clipseg.language.expressions import quoted
from model_extension.clipseg.language.plan import make_plan
from model_extension.clipseg.language.prompts import match_names
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.tensors import check_tensors, tensor_shapes
from model_extension.common.errors import CLIPSegError, WeightsError
from schemas.emd.validate import validate_emd

from ..archive import files_below
from ..errors import BuildError, SourceError
from ..json_files import emd_bytes
from ..licences import Licence, licences_text
from ..pack import Built, Contents, pack
from .emd import FUNCTION_FILE, WEIGHTS_FILE, model_definition, network_settings
from .golden import add_golden, candidates
from .options import PRECISIONS, Options
from .provenance import CHIPS, licences_of, weights_record
from .safetensors_writer import total_bytes, write_safetensors
from .sources import DEFAULT_SOURCE, Weights, open_source
from .tokenizer_files import TokenizerFiles, read_tokenizer
from .vocabulary import Vocabulary, freeze_prompts, read_embeddings

# The paper's threshold for prompts (table 3); the miniature is trained for one half.
DEFAULT_THRESHOLD = 0.3
MINI_THRESHOLD = 0.5
MINI_PROMPT = "water, vegetation"
DESCRIPTION = "CLIPSeg: segments imagery from text prompts."
MINI_DESCRIPTION = (
    "A miniature of CLIPSeg for demonstration: it knows a few kinds of land cover in Sentinel-2 "
    "and Landsat images and is not meant for real work."
)
# In the manifest of packages that this builder made, with this project's function and EMD.
MODEL = "CLIPSeg"
# A frozen vocabulary of up to this many prompts is asked for as a whole by default.
FEW_PROMPTS = 8
# Folders of the raster function's modules.
PARTS = ("clipseg", "common")


def build(
    out: str | Path,
    *,
    weights: str | Path = DEFAULT_SOURCE,
    clip: str | Path | None = None,
    revision: str | None = None,
    name: str | None = None,
    description: str | None = None,
    precision: str = "fp16",
    threshold: float | None = None,
    prompt: str | None = None,
    freeze_prompts: str | None = None,
    prompt_embeddings: str | Path | None = None,
    names: str | Path | None = None,
    embeddings_tensor: str | None = None,
) -> Built:
    """Build a deep learning package around CLIPSeg.

    The same input gives the same bytes on any machine and any day (``SOURCE_DATE_EPOCH`` sets the
    time in the zip). Weights are converted one tensor at a time, and the golden results computed
    with one layer in memory at a time, so that memory holds a fraction of the weights.

    Parameters
    ----------
    out : path
        The .dlpk file to write; replaced if it exists, once the new one is complete.
    weights : str or path
        Source of the weights: see `builder.clipseg.sources.open_source`.
    clip : path, optional
        Folder with CLIP, when `weights` is the authors' decoder.
    revision : str, optional
        Of a hub id.
    name : str, optional
        Name of the package; that of the file by default.
    description : str, optional
        A sentence for people.
    precision : str
        ``fp16`` or ``fp32``: how the weights are stored.
    threshold : float, optional
        Default threshold, 0 to 1.
    prompt : str, optional
        Default prompts, separated by commas.
    freeze_prompts : str, optional
        Prompts to embed now, separated by commas; the text tower is left out.
    prompt_embeddings, names : path, optional
        Embeddings made elsewhere, and their names.
    embeddings_tensor : str, optional
        Which tensor of `prompt_embeddings`.

    Returns
    -------
    Built

    Raises
    ------
    BuildError
        Says what is wrong and what to do; nothing is left behind.
    """
    options = Options(
        os.fspath(weights), clip, revision, name, description, precision, threshold, prompt,
        freeze_prompts, prompt_embeddings, names, embeddings_tensor,
    )  # fmt: skip
    out = Path(out)
    try:
        fill = partial(_fill, options, options.title(out), options.stem(out))
        return pack(out, fill, options.local_files())
    except CLIPSegError as error:
        raise BuildError(str(error)) from error


class _Parts(NamedTuple):
    """What remains to be known once the weights are closed."""

    definition: dict[str, Any]
    record: dict[str, Any]
    licences: tuple[Licence, ...]
    notes: tuple[str, ...]


def _fill(options: Options, title: str, stem: str, package: Path) -> Contents:
    """Write every file of the package into a folder."""
    # The weights are closed before the network runs: one of the two is in memory, not both.
    parts = _write_parts(package, options, title)
    write_code(package)
    emd = package / f"{stem}.emd"
    emd.write_bytes(emd_bytes(parts.definition))
    own = parts.definition["CLIPSeg"]
    texts = make_plan(own["Prompt"]).texts if own["Prompt"] else ()
    prompts = candidates(texts, own.get("PromptNames"))
    chips = add_golden(package, emd.name, prompts, parts.definition["Threshold"])
    report = validate_emd(emd.read_bytes(), file=emd.name, profile="package")
    if not report.ok:
        raise BuildError(f"the package does not pass our own schema:\n{report.to_text()}")
    licences = (*parts.licences, *(CHIPS[chip] for chip in chips))
    (package / "LICENSES.md").write_bytes(licences_text(licences).encode("utf-8"))
    record = {
        "name": title,
        "model": MODEL,
        "precision": options.precision,
        "weights": parts.record,
        "licences": [licence.to_dict() for licence in licences],
    }
    return Contents(files_below(package), record, parts.notes)


def write_code(package: Path) -> None:
    """Write the raster function into a package, in place of what is there of it.

    Parameters
    ----------
    package : Path
        Its folder.
    """
    home = Path(model_extension.__file__).parent
    for part in PARTS:
        shutil.rmtree(package / part, ignore_errors=True)
    for path in (home / FUNCTION_FILE, *(file for part in PARTS for file in _modules(home, part))):
        target = package / path.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        # A checkout on Windows may have other line ends; the package has not.
        target.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))


def _modules(home: Path, folder: str) -> list[Path]:
    return sorted((home / folder).rglob("*.py"))


def _write_parts(package: Path, options: Options, title: str) -> _Parts:
    """Write weights and vocabulary, and compose the model definition."""
    with ExitStack() as stack:
        source = open_source(options.weights, stack, clip=options.clip, revision=options.revision)
        vocabulary, tokenizer = _vocabulary(source, options)
        definition = _definition(source, vocabulary, options, title)
        _write_weights(package / WEIGHTS_FILE, source, definition, options.precision)
        _write_vocabulary(package, vocabulary, tokenizer)
        return _Parts(
            definition,
            weights_record(source, vocabulary, tokenizer),
            licences_of(
                source.kind,
                source.source,
                own_embeddings=options.prompt_embeddings is not None,
            ),
            (*source.preprocessing.notes, *(vocabulary.notes if vocabulary else ())),
        )


def _vocabulary(
    source: Weights, options: Options
) -> tuple[Vocabulary | None, TokenizerFiles | None]:
    """The frozen vocabulary, if there is to be one, and else the tokenizer."""
    if options.prompt_embeddings is not None and options.names is not None:
        vocabulary = read_embeddings(
            Path(options.prompt_embeddings),
            Path(options.names),
            _network(source, frozen=True).projection,
            tensor=options.embeddings_tensor,
        )
        return vocabulary, None
    if not source.has_text_tower:
        near = sorted(path.name for path in source.folder.glob("*embedding*"))
        hint = f" (the folder holds {', '.join(near)})" if near else ""
        raise SourceError(
            f"{source.source} has no text tower, so prompts have to be embedded beforehand: give "
            f"--prompt-embeddings FILE --names FILE{hint}"
        )
    network = _network(source, frozen=False)
    tokenizer = read_tokenizer(source.folder, network)
    if options.freeze_prompts is None:
        return None, tokenizer
    return freeze_prompts(options.freeze_prompts, source, network, tokenizer), None


def _network(source: Weights, *, frozen: bool) -> NetworkConfig:
    try:
        return NetworkConfig.from_dict(network_settings(source.config, frozen=frozen))
    except WeightsError as error:
        raise SourceError(f"{source.folder / 'config.json'}: {error}") from error


def _definition(
    source: Weights, vocabulary: Vocabulary | None, options: Options, title: str
) -> dict[str, Any]:
    mini = source.kind == "mini"
    prompt = options.default_prompt()
    if prompt is None:
        prompt = _default_prompt(vocabulary, mini)
    elif vocabulary is not None:
        match_names(make_plan(prompt).texts, vocabulary.names)
    threshold = options.threshold
    if threshold is None:
        threshold = MINI_THRESHOLD if mini else DEFAULT_THRESHOLD
    frozen = vocabulary is not None
    patch, size = _network(source, frozen=frozen).patch, source.preprocessing.size
    if size % patch or size > LARGEST_TILE:
        raise SourceError(
            f"{source.source}: the preprocessor's image size {size} must be a multiple of the "
            f"patch size {patch} up to {LARGEST_TILE}"
        )
    return model_definition(
        name=title,
        description=options.shown_description(MINI_DESCRIPTION if mini else DESCRIPTION),
        network=network_settings(source.config, frozen=frozen),
        mean=source.preprocessing.mean,
        std=source.preprocessing.std,
        tile_size=size,
        threshold=float(threshold),
        prompt=prompt,
        prompt_names=None if vocabulary is None else vocabulary.names,
    )


def _default_prompt(vocabulary: Vocabulary | None, mini: bool) -> str:
    if vocabulary is not None:
        few = len(vocabulary.names) <= FEW_PROMPTS
        return ", ".join(map(quoted, vocabulary.names if few else vocabulary.names[:1]))
    return MINI_PROMPT if mini else ""


def _write_weights(
    path: Path, source: Weights, definition: Mapping[str, Any], precision: str
) -> None:
    config = NetworkConfig.from_dict(definition["CLIPSeg"]["Network"])
    found = {name: source.tensors.shape(name) for name in source.tensors.keys()}
    check_tensors(config, found, source.source)
    shapes = tensor_shapes(config)
    # The package is written as a folder and then zipped beside it: twice the size for a moment.
    needed = 2 * total_bytes(shapes.values(), PRECISIONS[precision])
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise BuildError(
            f"building needs {needed / 1e6:,.0f} MB in the folder of the package, "
            f"{free / 1e6:,.0f} MB are free: make room or choose another folder"
        )
    write_safetensors(
        path,
        shapes,
        source.tensors.tensor,
        dtype=PRECISIONS[precision],
        metadata={"format": "pt"},
    )


def _write_vocabulary(
    package: Path, vocabulary: Vocabulary | None, tokenizer: TokenizerFiles | None
) -> None:
    if vocabulary is not None:
        from model_extension.clipseg.contract.definition import EMBEDDINGS_FILE, EMBEDDINGS_TENSOR

        write_safetensors(
            package / EMBEDDINGS_FILE,
            {EMBEDDINGS_TENSOR: vocabulary.embeddings.shape},
            lambda name: vocabulary.embeddings,
            dtype="float32",
        )
    if tokenizer is not None:
        (package / "vocab.json").write_bytes(tokenizer.vocab)
        (package / "merges.txt").write_bytes(tokenizer.merges)
