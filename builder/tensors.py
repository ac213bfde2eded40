"""Weights files of any origin as named tensors, one in memory at a time."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from model_extension.clipseg.errors import WeightsError
from model_extension.clipseg.safetensors import SafetensorsFile

from .errors import SourceError


class Tensors(Protocol):
    """Named tensors, read when they are asked for."""

    def keys(self) -> Iterable[str]:
        """Names."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""

    def tensor(self, name: str) -> np.ndarray:
        """One tensor."""


class PickledTensors:
    """A ``.pth`` or ``.bin`` file of PyTorch, read without executing what it may contain.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SourceError
        The file is damaged, or holds more than tensors.
    """

    def __init__(self, path: Path) -> None:
        import torch

        try:
            # mmap leaves the tensors on disk; files from before torch 1.6 do not allow it.
            try:
                loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:
                loaded = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise SourceError(
                f"{path} holds more than tensors, and loading it could run somebody's code: "
                "convert it to safetensors where you trust it"
            ) from error
        except (RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
            first = str(error).strip().splitlines()[:1]
            raise SourceError(f"{path} cannot be read as PyTorch weights: {first}") from error
        self._tensors: Mapping[str, Any] = _state_dict(loaded, path)

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._tensors.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return tuple(self._tensors[name].shape)

    def tensor(self, name: str) -> np.ndarray:
        """One tensor; bfloat16, which numpy lacks, as float32."""
        import torch

        tensor = self._tensors[name]
        return np.asarray((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())


def _state_dict(loaded: Any, path: Path) -> Mapping[str, Any]:
    import torch

    for key in ("state_dict", "model"):  # training frameworks wrap the weights
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise SourceError(f"{path} holds a {type(loaded).__name__}, not named tensors")
    return {str(k): v.detach() for k, v in loaded.items() if isinstance(v, torch.Tensor)}


class RenamedTensors:
    """Tensors under other names, parts of tensors among them.

    Parameters
    ----------
    tensors : Tensors
        Where the data are.
    names : mapping
        New name to (old name, rows); rows None means the whole tensor.
    """

    def __init__(self, tensors: Tensors, names: Mapping[str, tuple[str, slice | None]]) -> None:
        self._tensors = tensors
        self._names = names

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._names.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        old, rows = self._names[name]
        shape = self._tensors.shape(old)
        return shape if rows is None else (len(range(*rows.indices(shape[0]))), *shape[1:])

    def tensor(self, name: str) -> np.ndarray:
        """One tensor."""
        old, rows = self._names[name]
        tensor = self._tensors.tensor(old)
        return tensor if rows is None else tensor[rows]


class MergedTensors:
    """Several collections as one; the first that has a name counts.

    Parameters
    ----------
    *parts : Tensors
    """

    def __init__(self, *parts: Tensors) -> None:
        self._owner = {name: part for part in reversed(parts) for name in part.keys()}

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._owner.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self._owner[name].shape(name)

    def tensor(self, name: str) -> np.ndarray:
        """One tensor."""
        return self._owner[name].tensor(name)


def open_tensors(path: Path, stack: ExitStack) -> Tensors:
    """Open a weights file by its kind.

    Parameters
    ----------
    path : Path
        ``.safetensors``, or anything that PyTorch wrote.
    stack : ExitStack
        Closes the file.

    Raises
    ------
    SourceError
        The file is missing or damaged.
    """
    if not path.is_file():
        raise SourceError(f"no such weights file: {path}")
    if path.suffix == ".safetensors":
        try:
            return stack.enter_context(SafetensorsFile(path))
        except WeightsError as error:
            raise SourceError(str(error)) from error
    return PickledTensors(path)


def open_folder(folder: Path, stack: ExitStack) -> tuple[Tensors, list[Path]]:
    """Open the weights of a folder in the hub's layout, one file or several shards.

    Returns
    -------
    Tensors
        All tensors.
    list of Path
        The files that they are in.

    Raises
    ------
    SourceError
        There are none, or one is damaged.
    """
    for pattern in ("model.safetensors", "model-*-of-*.safetensors", "pytorch_model.bin"):
        files = sorted(folder.glob(pattern))
        if files:
            return MergedTensors(*(open_tensors(file, stack) for file in files)), files
    raise SourceError(
        f"{folder} has no weights: expected model.safetensors or pytorch_model.bin beside "
        "config.json, as on the hub"
    )


# The authors' names (timojl/clipseg) on the left, transformers' on the right.
_BLOCK_NAMES = (
    (r"blocks\.(\d+)\.self_attn\.out_proj\.", r"decoder.layers.\1.self_attn.out_proj."),
    (r"blocks\.(\d+)\.linear([12])\.", r"decoder.layers.\1.mlp.fc\2."),
    (r"blocks\.(\d+)\.norm([12])\.", r"decoder.layers.\1.layer_norm\2."),
    (r"(film_mul|film_add|reduces\.\d+)\.", r"decoder.\1."),
    (r"trans_conv\.", r"decoder.transposed_convolution."),
)


def rename_decoder(tensors: Tensors, path: Path) -> RenamedTensors:
    """Give the authors' decoder the names it has in transformers.

    Parameters
    ----------
    tensors : Tensors
        As published by the authors: decoder only.
    path : Path
        For the message.

    Raises
    ------
    SourceError
        It is not such a decoder.
    """
    names: dict[str, tuple[str, slice | None]] = {}
    for old in tensors.keys():
        fused = re.fullmatch(r"blocks\.(\d+)\.self_attn\.in_proj_(weight|bias)", old)
        if fused:
            width = tensors.shape(old)[0] // 3
            for index, part in enumerate(("q_proj", "k_proj", "v_proj")):
                new = f"decoder.layers.{fused[1]}.self_attn.{part}.{fused[2]}"
                names[new] = (old, slice(index * width, (index + 1) * width))
            continue
        for pattern, replacement in _BLOCK_NAMES:
            new, count = re.subn("^" + pattern, replacement, old)
            if count:
                names[new] = (old, None)
                break
        # `reduce.*` is there but no code of the authors uses it.
    if "decoder.film_mul.weight" not in names or "decoder.reduces.0.weight" not in names:
        raise SourceError(
            f"{path} is not a CLIPSeg decoder as its authors publish it (rd64-uni.pth and the "
            "like): it has no film_mul and reduces"
        )
    return RenamedTensors(tensors, names)


def rename_clip(tensors: Tensors, folder: Path) -> RenamedTensors:
    """Bring a CLIP model's tensors under the names they have inside CLIPSeg.

    Parameters
    ----------
    tensors : Tensors
        Of a CLIP model (``vision_model…``) or of a whole CLIPSeg (``clip.vision_model…``).
    folder : Path
        For the message.

    Raises
    ------
    SourceError
        It is no CLIP model.
    """
    names: dict[str, tuple[str, slice | None]] = {}
    for old in tensors.keys():
        new = old if old.startswith("clip.") else "clip." + old
        if new.startswith(
            (
                "clip.vision_model.",
                "clip.text_model.",
                "clip.visual_projection.",
                "clip.text_projection.",
            )
        ):
            names[new] = (old, None)
    if "clip.vision_model.embeddings.patch_embedding.weight" not in names:
        raise SourceError(f"{folder} holds no CLIP model in the hub's layout")
    return RenamedTensors(tensors, names)
