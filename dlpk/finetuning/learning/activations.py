"""What the frozen encoder makes of views, computed once and kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.precision import choose_precision, has_bfloat16_instructions

from ..scenes import Scene
from ..split import Split
from ..views import View, show
from .updates import is_memory_short

AT_ONCE = 8
STATE = "views.json"


def encoding_dtype(device: torch.device) -> torch.dtype:
    """The precision that views are encoded in: the fastest of the device.

    bfloat16 on processors, which a run does not choose by itself, moves activations far less than
    the colours of a view are changed.
    """
    low = device.type == "cpu" and has_bfloat16_instructions()
    return choose_precision("bf16" if low else "auto", device)


class Activations:
    """Activations and labels of views, on disk.

    Parameters
    ----------
    folder : Path
        Where they are kept; goes on where it was left.
    key : str
        What they depend on; files of another key are begun anew.
    shape : (int, int, int, int)
        Views, blocks that the decoder reads, tokens, channels.
    tile : int
        Side of the labels.
    """

    def __init__(self, folder: Path, key: str, shape: tuple[int, int, int, int], tile: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._state = folder / STATE
        self._key = key
        self.done = self._known(key)
        mode: Literal["r+", "w+"] = "r+" if self.done else "w+"
        # Half precision moves masks far less than one step of training does.
        self._values = np.memmap(folder / "activations.bin", np.float16, mode, shape=shape)
        self._labels = np.memmap(
            folder / "labels.bin", np.uint8, mode, shape=(shape[0], tile, tile)
        )

    def _known(self, key: str) -> int:
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            return int(state["done"]) if state["key"] == key else 0
        except (OSError, ValueError, KeyError):
            return 0

    def compute(
        self,
        network: CLIPSeg,
        device: torch.device,
        views: Sequence[View],
        scenes: Sequence[Scene],
        split: Split,
        mean: Tensor,
        std: Tensor,
        progress: Callable[[int], None],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Encode the views that are not there yet; fewer at once where memory is short."""
        tile, at_once = self._labels.shape[1], AT_ONCE
        while self.done < len(views):
            group = views[self.done : self.done + at_once]
            shown = [show(view, scenes, split, tile, mean, std) for view in group]
            try:
                with torch.no_grad():
                    pixels = torch.stack([pixels for pixels, _ in shown]).to(device)
                    found = torch.stack(network.encode(pixels), dim=1).float()
            except (RuntimeError, MemoryError) as error:
                if not is_memory_short(error) or at_once == 1:
                    raise
                at_once //= 2
                say(f"memory is short: {at_once} views are encoded at once from here on")
                continue
            found = found.clamp(-65504, 65504)
            rows = slice(self.done, self.done + len(group))
            self._values[rows] = found.cpu().numpy().astype(np.float16)
            self._labels[rows] = torch.stack([labels for _, labels in shown]).numpy()
            self.done += len(group)
            self._values.flush()
            self._labels.flush()
            state = {"key": self._key, "done": self.done}
            written = self._state.with_suffix(".part")
            written.write_text(json.dumps(state), encoding="utf-8")
            written.replace(self._state)
            progress(self.done)

    def take(self, rows: Sequence[int], device: torch.device) -> tuple[list[Tensor], Tensor]:
        """Activations (float32, one tensor (views, tokens, channels) per block) and labels."""
        values = torch.from_numpy(self._values[list(rows)]).to(device)
        labels = torch.from_numpy(self._labels[list(rows)]).to(device)
        return [values[:, index].float() for index in range(values.shape[1])], labels

    def labels(self, rows: Sequence[int]) -> np.ndarray:
        """Labels, uint8, shape (views, tile, tile)."""
        return np.asarray(self._labels[list(rows)])
