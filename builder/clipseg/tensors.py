"""Weights files of any origin as named tensors, one in memory at a time."""

from __future__ import annotations

import pickle
import re
import tarfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
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


class LazyTensors(dict[str, tuple[tuple[int, ...], Callable[[], np.ndarray]]]):
    """Tensors by name: the shape, and how to read the data."""

    @classmethod
    def of(cls, tensors: Tensors, names: Mapping[str, str]) -> LazyTensors:
        """Tensors of a file; `names` are those there by their new names."""
        return cls(
            (new, (tensors.shape(old), partial(tensors.tensor, old))) for new, old in names.items()
        )

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self[name][0]

    def tensor(self, name: str) -> np.ndarray:
        """One tensor."""
        return self[name][1]()


def _pickled(path: Path) -> LazyTensors:
    """A ``.pth`` or ``.bin`` file of PyTorch, read without executing what it may contain."""
    loaded = _load(path)
    for key in ("state_dict", "model"):  # training frameworks wrap the weights
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise SourceError(f"{path} holds a {type(loaded).__name__}, not named tensors")
    return LazyTensors(
        (str(name), (tuple(value.shape), partial(_array, value.detach())))
        for name, value in loaded.items()
        if hasattr(value, "detach")
    )


def _array(tensor: Any) -> np.ndarray:
    """A tensor for numpy, which lacks some types, such as bfloat16."""
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
    return _pickled(path)


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


def open_folder(folder: Path, stack: ExitStack) -> tuple[LazyTensors, list[Path]]:
    """Open the weights of a folder in the hub's layout.

    Returns
    -------
    LazyTensors
        All tensors.
    list of Path
        The files that they are in.

    Raises
    ------
    SourceError
        There are none, or one is damaged.
    """
    files = weights_files(folder)
    tensors = LazyTensors()
    for file in files:
        opened = open_tensors(file, stack)
        tensors.update(LazyTensors.of(opened, {name: name for name in opened.keys()}))
    return tensors, files
