"""One call of ``updatePixels``: kept in a folder, read back, made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builder.target import make_folder, replacing

from ..errors import PackageError
from ..package.open import Package, open_package
from .calls import Function, Pixels
from .environment import Environment, Say, print_message
from .loader import function_path, load_class
from .phases import started

CALL_FILES = CALL_FILE, PIXELS_FILE = ("call.json", "pixels.npz")


@dataclass(frozen=True)
class Request:
    """The arguments of one call (contract, section 8).

    Parameters
    ----------
    tlc : (float, float)
        Top left corner.
    shape : tuple of int
        Shape of the output, (bands, rows, columns).
    props : mapping
        Properties of the output block.
    blocks : mapping
        Pixel blocks and masks by name.
    """

    tlc: tuple[float, float]
    shape: tuple[int, ...]
    props: Mapping[str, Any]
    blocks: Mapping[str, Pixels]

    def copy(self) -> Request:
        """The same request with arrays of its own: functions may write into theirs."""
        blocks = {
            name: tuple(part.copy() for part in block) if isinstance(block, tuple) else block.copy()
            for name, block in self.blocks.items()
        }
        return Request(self.tlc, self.shape, dict(self.props), blocks)

    def to_text(self) -> str:
        """The call in one line, arrays by type, shape and values."""
        blocks = [f"{name}={_array_text(block)}" for name, block in self.blocks.items()]
        props = {**self.props, "extent": tuple(self.props.get("extent", ()))}
        return (
            f"updatePixels(tlc={self.tlc}, shape={self.shape}, props={props}"
            + "".join(f", {block}" for block in blocks)
            + ")"
        )


@dataclass(frozen=True)
class Call:
    """Everything needed to make a call again.

    Parameters
    ----------
    package : str
        Path of the package, or its model definition as text.
    scalars : mapping
        What ``getConfiguration`` gets.
    described : mapping
        What ``updateRasterInfo`` gets.
    """

    package: str
    device: int
    scalars: Mapping[str, Any]
    described: Mapping[str, Any]
    request: Request


def save_call(call: Call, folder: Path) -> None:
    """Keep a call in a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there; files of an earlier call in it are replaced.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    content: dict[str, Any] = {
        "package": call.package,
        "device": call.device,
        "scalars": _encode(dict(call.scalars)),
        "described": _encode(dict(call.described)),
        "tlc": list(call.request.tlc),
        "shape": list(call.request.shape),
        "props": _encode(dict(call.request.props)),
        "several": {},
    }
    arrays = {}
    for name, block in call.request.blocks.items():
        # A tuple of arrays would be stacked into one.
        parts = block if isinstance(block, tuple) else (block,)
        content["several"][name] = len(parts) if isinstance(block, tuple) else 0
        arrays.update({f"{name}.{index}": part for index, part in enumerate(parts)})
    make_folder(folder)
    with replacing(folder / PIXELS_FILE) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    with replacing(folder / CALL_FILE) as file:
        file.write_text(json.dumps(content, indent=2), encoding="utf-8")


def load_call(folder: Path) -> Call:
    """Read a call back.

    Raises
    ------
    PackageError
        The folder holds no call.
    """
    try:
        content = json.loads((folder / CALL_FILE).read_text(encoding="utf-8"))
        blocks: dict[str, Pixels] = {}
        with open(folder / PIXELS_FILE, "rb") as file:
            arrays = np.load(file, allow_pickle=False)
            for name, count in content["several"].items():
                parts = tuple(arrays[f"{name}.{index}"] for index in range(count or 1))
                blocks[name] = parts if count else parts[0]
        request = Request(
            tlc=(float(content["tlc"][0]), float(content["tlc"][1])),
            shape=tuple(content["shape"]),
            props=_decode(content["props"]),
            blocks=blocks,
        )
        return Call(
            package=content["package"],
            device=content["device"],
            scalars=_decode(content["scalars"]),
            described=_decode(content["described"]),
            request=request,
        )
    except Exception as error:  # whatever else such files hold
        raise PackageError(
            f"{folder} holds no call that was kept with --debug-block: {error}"
        ) from error


def replay(folder: str | Path, *, say: Say | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Make one call of ``updatePixels`` again, as it was when it failed.

    Parameters
    ----------
    folder : path
        Where `dlpk.classify` kept the call (``debug_block``).
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
        function = ready(load_class(function_path(package)), package, call)
        request = call.request
        return function.pixels(request.tlc, request.shape, request.props, request.blocks)


def ready(made: type, package: Package, call: Call) -> Function:
    """A new object, taken through what came before a call that was kept."""
    function, _ = started(made, package, call.device)
    function.configuration(call.scalars)
    described = dict(call.described)
    if package.emd_path is not None:  # unpacked to another place than then
        described["model"] = str(package.emd_path)
    function.output_info(described)
    return function


def _array_text(block: Pixels) -> str:
    if isinstance(block, tuple):
        return f"({', '.join(map(_array_text, block))})"
    values = f" {block.min()} to {block.max()}" if block.size else ""
    return f"{block.dtype}{list(block.shape)}{values}"


def _encode(value: Any) -> Any:
    """Tuples and arrays, which JSON lacks, as tagged objects."""
    if isinstance(value, tuple):
        return {"tuple": [_encode(part) for part in value]}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return _encode(np.asarray(value))
    if isinstance(value, dict):
        return {"dict": {str(key): _encode(part) for key, part in value.items()}}
    if isinstance(value, list):
        return [_encode(part) for part in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(part) for part in value]
    if isinstance(value, dict):
        if "tuple" in value:
            return tuple(_decode(part) for part in value["tuple"])
        if "array" in value:
            return np.array(value["array"], dtype=value["dtype"])
        return {key: _decode(part) for key, part in value["dict"].items()}
    return value
