"""Programs that `torch.export.save` has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import AuthoringError
from ..original import Original

# In recent files, and in those of torch 2.1 to 2.7.
PROGRAMS = ("models/model.json", "serialized_exported_program.json")


def read(path: Path) -> Original:
    """Load a program; the package gets it as TorchScript, which old versions of torch read, too.

    Raises
    ------
    AuthoringError
        It is damaged, of another version of torch, or takes other things than tiles.
    """
    import torch

    try:
        program: Any = torch.export.load(path)
        module = program.module()
        given = program.example_inputs
    except Exception as error:  # torch raises many kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AuthoringError(
            f"{path} cannot be loaded by torch.export of torch {torch.__version__}: {reason}"
        ) from error
    tiles: Any = given[0] if given else ()
    if len(tiles) != 1 or getattr(tiles[0], "dim", int)() != 4:
        raise AuthoringError(
            f"{path} takes {len(tiles)} values: a network for pixels takes one tensor of shape "
            "(tiles, bands, rows, columns)"
        )
    bands, rows = (int(side) for side in tiles[0].shape[1:3])
    return Original("torch.export", module, module=module, bands=bands, tile_size=rows)
