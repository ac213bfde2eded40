"""Where weights come from: the hub, a local folder, the authors' files, or our miniature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SourceError
from .provenance import Licence, licences_of
from .tensors import MergedTensors, Tensors, open_folder, open_tensors, rename_clip, rename_decoder

DEFAULT_SOURCE = "CIDAS/clipseg-rd64-refined"
# Until January 2023 the hub's preprocessor settings had mean and std 0.5, which CLIPSeg was not
# trained with; these revisions are the corrected ones.
PINNED_REVISIONS = {
    "CIDAS/clipseg-rd64-refined": "583b388",
    "CIDAS/clipseg-rd64": "1aa4fb6",
    "CIDAS/clipseg-rd16": "d8e4d60",
}
HUB_FILES = (
    "config.json",
    "preprocessor_config.json",
    "vocab.json",
    "merges.txt",
    "model.safetensors",
    "pytorch_model.bin",
)
MINI_FOLDER = Path(__file__).parent / "mini"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Weights:
    """Weights, opened, with what belongs to them.

    Parameters
    ----------
    source : str
        What was asked for.
    kind : str
        ``hub``, ``folder``, ``authors`` or ``mini``.
    revision : str
        Of the hub, empty elsewhere.
    config : mapping
        Keys of a Hugging Face ``CLIPSegConfig``.
    mean, std : tuple of float
        Normalisation per band for pixels scaled to 0 to 1.
    image_size : int
        Side in pixels of the images that the network was trained on.
    tensors : Tensors
        Named as in transformers.
    files : tuple of Path
        What was read, for the record.
    tokenizer : Path or None
        Folder with ``vocab.json`` and ``merges.txt``.
    licences : tuple of Licence
        Code and weights.
    notes : tuple of str
        What the user should know.
    """

    source: str
    kind: str
    revision: str
    config: Mapping[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    tensors: Tensors
    files: tuple[Path, ...]
    tokenizer: Path | None
    licences: tuple[Licence, ...]
    notes: tuple[str, ...] = field(default=())


def open_source(
    source: str,
    stack: ExitStack,
    *,
    clip: str | Path | None = None,
    revision: str | None = None,
) -> Weights:
    """Find and open weights.

    Parameters
    ----------
    source : str
        ``mini``; a folder in the hub's layout; the authors' decoder (``….pth``, with `clip`); or
        a hub id such as ``CIDAS/clipseg-rd64-refined``.
    stack : ExitStack
        Closes the files.
    clip : path, optional
        Folder with CLIP ViT-B/16 in the hub's layout, for the authors' decoder.
    revision : str, optional
        Of the hub; by default the pinned one of a known id, else ``main``.

    Returns
    -------
    Weights

    Raises
    ------
    SourceError
        Not found or not CLIPSeg; says which files to put where.
    """
    path = Path(source).expanduser()
    if source == "mini":
        return _folder(MINI_FOLDER, stack, source, "mini")
    if path.is_dir():
        return _folder(path, stack, source, "folder")
    if path.is_file():
        return _authors(path, clip, stack)
    if path.suffix in (".pth", ".pt", ".bin", ".safetensors") or source.count("/") != 1:
        raise SourceError(
            f"no such file or folder: {source}. Weights are a hub id ('{DEFAULT_SOURCE}'), a "
            "folder in the hub's layout, the authors' decoder .pth, or 'mini'"
        )
    chosen = revision or PINNED_REVISIONS.get(source, "main")
    return _folder(_download(source, chosen), stack, source, "hub", chosen)


def _download(repository: str, revision: str) -> Path:
    """Folder of the hub's cache with the files of a repository; downloads what is missing."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(repository, revision=revision, allow_patterns=list(HUB_FILES))
        )
    except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        cache = Path(constants.HF_HUB_CACHE)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SourceError(
            f"{repository} at revision {revision} is not in the cache {cache} and could not be "
            f"downloaded ({reason}). Without network: put config.json, preprocessor_config.json, "
            "vocab.json, merges.txt and model.safetensors (or pytorch_model.bin) of "
            f"that repository into a folder and give the folder instead, --weights FOLDER; or "
            "use --weights mini, the miniature for demonstration"
        ) from error


def _folder(folder: Path, stack: ExitStack, source: str, kind: str, revision: str = "") -> Weights:
    config = read_json(folder / "config.json")
    if config.get("model_type", "clipseg") != "clipseg":
        raise SourceError(
            f"{folder / 'config.json'} describes a {config['model_type']!r} model, not 'clipseg'"
        )
    tensors, files = open_folder(folder, stack)
    mean, std, size, notes = _preprocessing(folder)
    return Weights(
        source=source,
        kind=kind,
        revision=revision,
        config=config,
        mean=mean,
        std=std,
        image_size=size or int(config.get("vision_config", {}).get("image_size", 352)),
        tensors=tensors,
        files=(folder / "config.json", *files),
        tokenizer=_tokenizer(folder),
        licences=licences_of(kind),
        notes=notes,
    )


def _authors(path: Path, clip: str | Path | None, stack: ExitStack) -> Weights:
    if clip is None:
        raise SourceError(
            f"{path} holds the decoder alone: name a folder with CLIP ViT-B/16 in the hub's layout "
            "(openai/clip-vit-base-patch16) with --clip FOLDER"
        )
    folder = Path(clip).expanduser()
    if not folder.is_dir():
        raise SourceError(f"no such folder: {folder} (given as --clip)")
    decoder = rename_decoder(open_tensors(path, stack), path)
    clip_tensors, files = open_folder(folder, stack)
    config = {
        key: value
        for key, value in read_json(folder / "config.json").items()
        if key in ("vision_config", "text_config", "projection_dim")
    }
    config.update(_decoder_config(decoder))
    return Weights(
        source=path.name,
        kind="authors",
        revision="",
        config=config,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        image_size=352,
        tensors=MergedTensors(decoder, rename_clip(clip_tensors, folder)),
        files=(path, folder / "config.json", *files),
        tokenizer=_tokenizer(folder),
        licences=licences_of("authors"),
    )


def _decoder_config(decoder: Tensors) -> dict[str, Any]:
    """Sizes that the authors' files do not write down, read off the tensors."""
    names = list(decoder.keys())
    depth = sum(name.startswith("decoder.reduces.") for name in names) // 2
    if depth != 3:
        raise SourceError(f"the decoder has {depth} blocks; those published have 3")
    return {
        "reduce_dim": decoder.shape("decoder.film_mul.weight")[0],
        "decoder_intermediate_size": decoder.shape("decoder.layers.0.mlp.fc1.weight")[0],
        "decoder_num_attention_heads": 4,
        "extract_layers": [3, 6, 9],
        "conditional_layer": 0,
        "use_complex_transposed_convolution": "decoder.transposed_convolution.0.weight" in names,
    }


def _preprocessing(
    folder: Path,
) -> tuple[tuple[float, ...], tuple[float, ...], int, tuple[str, ...]]:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        note = f"{folder} has no preprocessor_config.json: ImageNet's mean and std are used"
        return IMAGENET_MEAN, IMAGENET_STD, 352, (note,)
    settings = read_json(path)
    mean = tuple(float(value) for value in settings.get("image_mean", IMAGENET_MEAN))
    std = tuple(float(value) for value in settings.get("image_std", IMAGENET_STD))
    size = settings.get("size", 352)
    side = int(
        size.get("height", size.get("shortest_edge", 352)) if isinstance(size, dict) else size
    )
    if mean == std == (0.5, 0.5, 0.5):
        note = (
            f"{path} says mean and std 0.5, a mistake of the hub's files before January 2023: "
            "ImageNet's values, which CLIPSeg was trained with, are used instead"
        )
        return IMAGENET_MEAN, IMAGENET_STD, side, (note,)
    return mean, std, side, ()


def _tokenizer(folder: Path) -> Path | None:
    return folder if all((folder / n).is_file() for n in ("vocab.json", "merges.txt")) else None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    SourceError
        Missing, broken, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(f"{path} is missing: the folder is not in the hub's layout") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path} must hold a JSON object")
    return content
