"""Calling a raster function and checking every answer.

The methods are called as ArcGIS calls them, and an answer that ArcGIS could not use is reported
with the method's name, what came and what was expected.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..errors import ContractError, DlpkError, FunctionError, RefusedError
from .answers import DEFAULT_BLOCK, Answers, Configuration, OutputInfo, described
from .tracebacks import explain, message_of_own

__all__ = ["INITIALIZE_ERROR", "Configuration", "Function", "OutputInfo", "Pixels"]

INITIALIZE_ERROR = "ERROR 002667 Unable to initialize python raster function with scalar arguments."
# A pixel block, or one per raster for a parameter of the type 'rasters'.
Pixels = Union[np.ndarray, "tuple[np.ndarray, ...]"]


class Function:
    """An object of a raster function's class.

    Parameters
    ----------
    instance : object
        The function.
    folders : sequence of Path
        Where its code lies: lines of it are shown in errors.
    """

    def __init__(self, instance: Any, folders: Sequence[Path] = ()) -> None:
        self.instance = instance
        self.folders = folders
        self.answers = Answers(self.name)

    @property
    def name(self) -> str:
        """Name of the class."""
        return type(self.instance).__name__

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method; what it raises is shown with the author's own lines.

        Raises
        ------
        FunctionError
            The method is missing or raised; a `RefusedError` where it did so on purpose.
        """
        bound: Callable[..., Any] | None = getattr(self.instance, method, None)
        if not callable(bound):
            raise FunctionError(f"{self.name} has no method {method}, which ArcGIS calls")
        try:
            return bound(*args, **kwargs)
        except (DlpkError, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = message_of_own(error, self.folders)
            where = f"{self.name}.{method} failed: {explain(error, self.folders)}"
            if not message:
                raise FunctionError(where) from error
            refused = RefusedError(message)
            refused.frames = where
            raise refused from error

    def has(self, method: str) -> bool:
        """Whether the function has an optional method."""
        return callable(getattr(self.instance, method, None))

    def check_license(self, product: Mapping[str, Any]) -> None:
        """Ask the function whether it may run (contract, section 2; optional).

        Raises
        ------
        FunctionError
            It says no.
        ContractError
            It answers something else.
        """
        if not self.has("isLicensed"):
            return
        answer = self.call("isLicensed", **product)
        if not isinstance(answer, dict):
            raise self.answers.wrong("isLicensed", answer, "a dictionary with 'okToRun'")
        # "Otherwise, it's assumed to be True."
        if answer.get("okToRun") is not None and not answer["okToRun"]:
            reason = answer.get("message") or "it gives no reason"
            raise FunctionError(f"{self.name} says that it is not licensed to run: {reason}")

    def initialize(self, model: str, device: int | None) -> None:
        """Phase validation without `device`, phase run with it (contract, sections 2 and 3).

        Functions that are not about models have no such method; one that is never learns its model
        without it, which is warned of.

        Raises
        ------
        FunctionError
            The method raised.
        """
        if not self.has("initialize"):
            warnings.warn(
                f"{self.name} has no method initialize, through which ArcGIS hands over the model",
                stacklevel=2,
            )
            return
        try:
            self.call("initialize", model=model, **({} if device is None else {"device": device}))
        except FunctionError as error:
            file = getattr(type(self.instance), "__module__", "") + ".py"
            error.args = (f"{INITIALIZE_ERROR} [{file}] {error}",)
            raise

    def parameters(self) -> list[dict[str, Any]]:
        """Ask for the arguments (contract, section 4)."""
        return self.answers.parameters(self.call("getParameterInfo"))

    def configuration(
        self, scalars: Mapping[str, Any], default_block: int = DEFAULT_BLOCK
    ) -> Configuration:
        """Ask for the blocks to deliver (contract, section 5; optional)."""
        answer = self.call("getConfiguration", **scalars) if self.has("getConfiguration") else {}
        return self.answers.configuration(answer, default_block)

    def output_info(self, kwargs: dict[str, Any]) -> OutputInfo:
        """Ask for the output's description (contract, section 7); without the method as given."""
        answer = self.call("updateRasterInfo", **kwargs) if self.has("updateRasterInfo") else kwargs
        return self.answers.output_info(answer)

    def pixels(
        self,
        tlc: tuple[float, float],
        shape: tuple[int, ...],
        props: Mapping[str, Any],
        blocks: Mapping[str, Pixels],
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Have a block processed (contract, section 8).

        Returns
        -------
        pixels : ndarray
            Shape (bands, rows, columns), of the declared type.
        mask : ndarray or None
            uint8, the same shape, if the function returns one.
        """
        answer = self.call("updatePixels", tlc, shape, dict(props), **blocks)
        return self.answers.pixels(answer, shape, str(props["pixelType"]))

    def selected(
        self, tlc: tuple[float, float], shape: tuple[int, ...], props: Mapping[str, Any], key: str
    ) -> bool:
        """Ask which rasters a block needs (contract, section 2; optional).

        Returns
        -------
        bool
            Whether the raster is among them.
        """
        if not self.has("selectRasters"):
            return True
        answer = self.call("selectRasters", tlc, shape, dict(props))
        if answer is None:  # as in Esri's draft template, whose method has no body
            return True
        if not isinstance(answer, (tuple, list)):
            raise self.answers.wrong("selectRasters", answer, "a tuple of raster names")
        return key in answer

    def key_metadata(self, band: int, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for key metadata of a band, -1 for the whole (contract, section 9; optional)."""
        if not self.has("updateKeyMetadata"):
            return dict(metadata)
        answer = self.call("updateKeyMetadata", (), band, **metadata)
        if not isinstance(answer, dict):
            raise ContractError(
                f"{self.name}.updateKeyMetadata returned {described(answer)}, expected a "
                "dictionary: return keyMetadata"
            )
        return answer
