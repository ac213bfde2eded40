"""TorchScript: a program and weights in one file, which goes into the package as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import AuthoringError
from ..original import Original


def read(path: Path) -> Original:
    """Load a file that `torch.jit.save` has written.

    Raises
    ------
    AuthoringError
        It is damaged.
    """
    import torch

    from model_extension.common.errors import WeightsError
    from model_extension.pixelwise.network import load

    try:
        module: Any = load(str(path), torch.device("cpu"))
    except WeightsError as error:
        raise AuthoringError(str(error)) from error
    # A grouped convolution has fewer: then the bands have to be named.
    kernels = [value for value in module.parameters() if value.dim() == 4]
    bands = int(kernels[0].shape[1]) if kernels else None
    return Original("TorchScript", module, file=path, bands=bands)
