"""Weights files of any origin as named tensors, one in memory at a time."""

from __future__ import annotations

import pickle
import re
import tarfile
import warnings
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from model_extension.common.errors import WeightsError
from model_extension.common.safetensors import SafetensorsFile

from ..errors import SourceError

# In the order of preference; the hub has several for some models.
SAFETENSORS = ("model.safetensors", "model-*-of-*.safetensors")
PICKLED = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")


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
        loaded = _load(path)
        for key in ("state_dict", "model"):  # training frameworks wrap the weights
            if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
                loaded = loaded[key]
        if not isinstance(loaded, Mapping):
            raise SourceError(f"{path} holds a {type(loaded).__name__}, not named tensors")
        self._tensors = {
            str(name): value.detach() for name, value in loaded.items() if hasattr(value, "detach")
        }

    def keys(self) -> Iterable[str]:
        """Names."""
        return self._tensors.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return tuple(self._tensors[name].shape)

    def tensor(self, name: str) -> np.ndarray:
        """One tensor; types that numpy lacks, such as bfloat16, as float32."""
        tensor = self._tensors[name]
        try:
            return np.asarray(tensor.numpy())
        except TypeError:
            return np.asarray(tensor.float().numpy())


def _load(path: Path) -> Any:
    """Load a file of PyTorch with the loader that knows tensors and nothing else."""
    import torch

    # Of this format, from before 2018, old releases of torch execute what is in the file.
    if tarfile.is_tarfile(path):
        raise SourceError(f"{path} has a format of before 2018: convert it to safetensors")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                # Mapped, the tensors stay on the disk. Old files and old torch do not allow it.
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except (RuntimeError, TypeError):
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SourceError(
            f"{path} is damaged or holds more than tensors, and loading more than tensors could "
            "run somebody's code: copy it again, or convert it to safetensors where you trust it"
        ) from error
    except Exception as error:  # damaged files make the loader stumble in any way
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise SourceError(
            f"{path} is not a weights file of PyTorch, or damaged ({type(error).__name__}: "
            f"{reason}): copy it again"
        ) from error


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


def weights_files(folder: Path) -> list[Path]:
    """Weights in a folder in the hub's layout: one file, or several shards; safetensors first.

    Raises
    ------
    SourceError
        There are none, or a shard is missing.
    """
    for pattern in SAFETENSORS + PICKLED:
        files = sorted(folder.glob(pattern))
        shards = re.fullmatch(r".*-of-0*(\d+)\.\w+", files[0].name) if files else None
        if shards and len(files) != int(shards[1]):
            raise SourceError(
                f"{folder} has {len(files)} of the {shards[1]} files {pattern}: copy the others too"
            )
        if files:
            return files
    raise SourceError(
        f"{folder} has no weights: expected model.safetensors or pytorch_model.bin beside "
        "config.json, as on the hub"
    )


def open_folder(folder: Path, stack: ExitStack) -> tuple[Tensors, list[Path]]:
    """Open the weights of a folder in the hub's layout.

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
    files = weights_files(folder)
    return MergedTensors(*(open_tensors(file, stack) for file in files)), files
