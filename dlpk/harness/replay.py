"""Making a kept call again, under a debugger if wanted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from ..package.open import open_package
from .calls import Function
from .environment import Environment, Say, print_message
from .loader import function_path, load_class
from .phases import initialize, make
from .request import load_call


def replay(
    folder: str | Path, *, debugger: bool = False, say: Say | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Make one call of ``updatePixels`` again, as it was when it failed.

    Parameters
    ----------
    folder : path
        Where `dlpk.classify` kept the call (``debug_block``).
    debugger : bool
        Stop in Python's debugger where the function raises.
    say : callable, optional
        Takes level and text of what the function says.

    Returns
    -------
    pixels : ndarray
        Shape (bands, rows, columns).
    mask : ndarray or None

    Raises
    ------
    DlpkError
        The call failed again, or the folder holds no call.
    """
    call = load_call(Path(folder))
    with ExitStack() as stack:
        package = stack.enter_context(open_package(call.package))
        stack.enter_context(Environment(package, say or print_message, device=call.device))
        function = make(load_class(function_path(package)), package)
        initialize(function, package, call.device)
        function.parameters()
        function.configuration(call.scalars)
        described = dict(call.described)
        if package.emd_path is not None:  # unpacked to another place than then
            described["model"] = str(package.emd_path)
        function.output_info(described)
        if debugger:
            _stop_at_failure(function)
        request = call.request
        return function.pixels(request.tlc, request.shape, request.props, request.blocks)


def _stop_at_failure(function: Function) -> None:
    """Have ``updatePixels`` enter the debugger, in the frame that raised."""
    import pdb
    import sys

    original = function.instance.updatePixels

    def watched(*args: object, **kwargs: object) -> object:
        try:
            return original(*args, **kwargs)
        except Exception:
            trace = sys.exc_info()[2]
            pdb.post_mortem(trace)
            raise

    function.instance.updatePixels = watched
