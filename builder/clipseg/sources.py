"""Where weights come from: the hub, a local folder, the authors' files, or our miniature."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SourceError
from ..json_files import read_json
from .authors import decoder_config, rename_clip, rename_decoder
from .hub import download
from .preprocessing import Preprocessing, read_preprocessing
from .tensors import LazyTensors, Tensors, open_folder, open_tensors

DEFAULT_SOURCE = "CIDAS/clipseg-rd64-refined"
MINI_FOLDER = Path(__file__).parent / "mini"
_WEIGHTS_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
_PATCHES = "clip.vision_model.embeddings.patch_embedding.weight"


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
        Commit on the hub, empty elsewhere.
    config : mapping
        Keys of a Hugging Face ``CLIPSegConfig``.
    preprocessing : Preprocessing
        How images were prepared.
    tensors : Tensors
        Named as in transformers.
    folder : Path
        Where config and tokenizer lie.
    files : mapping
        Name to path of what was read, for the record.
    """

    source: str
    kind: str
    revision: str
    config: Mapping[str, Any]
    preprocessing: Preprocessing
    tensors: Tensors
    folder: Path
    files: Mapping[str, Path]

    @property
    def has_text_tower(self) -> bool:
        """Whether prompts can be embedded with these weights."""
        return "clip.text_projection.weight" in self.tensors.keys()


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
    local = source == "mini" or path.exists()
    if revision is not None and local:
        raise SourceError(f"--revision is for the hub, and {source} is on this machine")
    if clip is not None and not path.is_file():
        raise SourceError(f"--clip is for the authors' decoder file, and {source} is no such file")
    if source == "mini":
        return _folder(MINI_FOLDER, stack, source, "mini")
    if path.is_dir():
        return _folder(path, stack, source, "folder")
    if path.exists():
        return _authors(path, clip, stack)
    if path.suffix in _WEIGHTS_SUFFIXES or source.count("/") != 1 or source.strip("./") != source:
        raise SourceError(
            f"no such file or folder: {source}. Weights are a hub id ('{DEFAULT_SOURCE}'), a "
            "folder in the hub's layout, the authors' decoder .pth, or 'mini'"
        )
    folder, commit = download(source, revision)
    return _folder(folder, stack, source, "hub", commit)


def _folder(folder: Path, stack: ExitStack, source: str, kind: str, revision: str = "") -> Weights:
    config = read_json(folder / "config.json")
    _check_type(config, ("clipseg",), folder)
    tensors, files = open_folder(folder, stack)
    preprocessing = read_preprocessing(folder)
    paths = (folder / "config.json", *preprocessing.files, *files)
    return Weights(
        source=source,
        kind=kind,
        revision=revision,
        config=_completed(config, tensors),
        preprocessing=preprocessing,
        tensors=tensors,
        folder=folder,
        files={path.name: path for path in paths},
    )


def _authors(path: Path, clip: str | Path | None, stack: ExitStack) -> Weights:
    if clip is None:
        if (path.parent / "config.json").is_file():
            raise SourceError(f"{path} lies in a folder in the hub's layout: give {path.parent}")
        raise SourceError(
            f"{path} holds the decoder alone: name a folder with CLIP ViT-B/16 in the hub's layout "
            "(openai/clip-vit-base-patch16) with --clip FOLDER"
        )
    folder = Path(clip).expanduser()
    if not folder.is_dir():
        raise SourceError(f"no such folder: {folder} (given as --clip)")
    decoder = rename_decoder(open_tensors(path, stack), path)
    config = read_json(folder / "config.json")
    _check_type(config, ("clip", "clipseg"), folder)
    opened, files = open_folder(folder, stack)
    tensors = LazyTensors(rename_clip(opened, folder) | decoder)
    towers = {
        key: value
        for key, value in _completed(config, tensors).items()
        if key in ("vision_config", "text_config", "projection_dim")
    }
    return Weights(
        source=path.name,
        kind="authors",
        revision="",
        config={**towers, **decoder_config(decoder, path)},
        # What the authors' code does; CLIP's own values are others.
        preprocessing=Preprocessing(),
        tensors=tensors,
        folder=folder,
        files={
            path.name: path,
            **{f"clip/{file.name}": file for file in (folder / "config.json", *files)},
        },
    )


def _check_type(config: Mapping[str, Any], expected: tuple[str, ...], folder: Path) -> None:
    found = config.get("model_type", expected[0])
    if found not in expected:
        raise SourceError(
            f"{folder / 'config.json'} describes a {found!r} model, not {expected[0]!r}"
        )


def _completed(config: Mapping[str, Any], tensors: Tensors) -> dict[str, Any]:
    """The settings with one object per tower, and the patch size, which is often left out."""
    completed = dict(config)
    for tower in ("vision_config", "text_config"):
        # Up to 2022 transformers wrote the towers twice, and the second counts.
        parts = [config.get(tower), config.get(f"{tower}_dict")]
        completed[tower] = {
            k: v for part in parts if isinstance(part, dict) for k, v in part.items()
        }
    if _PATCHES in tensors.keys() and tensors.shape(_PATCHES):
        completed["vision_config"].setdefault("patch_size", tensors.shape(_PATCHES)[-1])
    return completed
