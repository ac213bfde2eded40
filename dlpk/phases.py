"""The two phases of a tool: filling its dialog, and the run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .arguments import shown_parameters
from .container import Package, open_package
from .contract import Function
from .errors import ContractError, FunctionError
from .function import Say, explain, function_path, load_class, print_message, surroundings

TOOL_MODEL_TYPE = "ImageClassification"
# What functions are told of the product they run in (contract, section 2).
PRODUCT = {
    "productName": "Desktop",
    "version": "3.6",
    "path": "",
    "major": 3,
    "minor": 6,
    "build": 0,
    "spNumber": 0,
    "spBuild": 0,
}


@dataclass(frozen=True)
class Dialog:
    """What the tool's dialog shows once a package is picked.

    Parameters
    ----------
    parameters : tuple of mapping
        Rows of the Arguments table.
    seconds : float
        That picking the package took, the import of the function included.
    memory : int or None
        Bytes by which the peak memory of the process grew; None where that cannot be had.
    """

    parameters: tuple[Mapping[str, Any], ...]
    seconds: float
    memory: int | None

    def to_text(self) -> str:
        """The dialog in a few lines for people."""
        memory = "" if self.memory is None else f", {self.memory / 1e6:,.0f} MB more memory"
        lines = [f"The dialog opens: {self.seconds:.2f} s{memory}."]
        for parameter in self.parameters:
            value = parameter.get("value")
            domain = parameter.get("domain")
            choices = f"  one of {_listed(domain)}" if domain else ""
            needed = "  (required)" if parameter.get("required") else ""
            lines.append(f"  {parameter['name']:26} {value!s:12}{needed}{choices}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The dialog, ready for JSON."""
        return {
            "seconds": round(self.seconds, 3),
            "memory": self.memory,
            "parameters": [dict(parameter) for parameter in self.parameters],
        }


def open_dialog(package: str | Path, *, say: Say | None = None) -> Dialog:
    """Run the validation phase alone, to see whether the dialog in ArcGIS Pro would open.

    Parameters
    ----------
    package : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.
    say : callable, optional
        Takes level and text of what the function says.

    Returns
    -------
    Dialog

    Raises
    ------
    DlpkError
        It would not; says why.
    """
    with open_package(package) as opened:
        check_tool(opened)
        with surroundings(opened, say or print_message):
            before, start = _peak_memory(), time.perf_counter()
            parameters = validation_phase(load_class(function_path(opened)), opened)
            seconds, after = time.perf_counter() - start, _peak_memory()
    grown = None if before is None or after is None else after - before
    return Dialog(tuple(shown_parameters(parameters)), seconds, grown)


def check_tool(package: Package) -> None:
    """Refuse models of other tools with ArcGIS's words.

    Raises
    ------
    ContractError
        The model is for another tool.
    """
    kind = package.emd.get("ModelType")
    if kind is not None and kind != TOOL_MODEL_TYPE:
        raise ContractError(
            "Error 003569 Invalid deep learning model type. Expected model type NULL, "
            f"{TOOL_MODEL_TYPE}. The model definition of {package.name} says {kind!r}, which is "
            "for another tool"
        )


def model_argument(package: Package) -> str:
    """What a function gets as ``model``: path of the EMD, or its text where there is no file."""
    return str(package.emd_path) if package.emd_path is not None else package.emd_text


def validation_phase(made: type, package: Package) -> list[dict[str, Any]]:
    """Take a new object through the calls that fill the dialog, without a device.

    Returns
    -------
    list of dict
        The parameters that the function declares.
    """
    function = make(made, package.root)
    function.initialize(model_argument(package), None)
    return function.parameters()


def make(made: type, folder: Path | None) -> Function:
    """Make an object of a function's class and ask it whether it may run.

    Raises
    ------
    FunctionError
        The constructor raised, or the function says that it is not licensed.
    """
    try:
        function = Function(made(), folder)
    except Exception as error:
        raise FunctionError(f"{made.__name__}() failed: {explain(error, folder)}") from error
    if function.has("isLicensed"):
        answer = function.call("isLicensed", **PRODUCT)
        if isinstance(answer, dict) and answer.get("okToRun") is False:
            reason = answer.get("message") or "it gives no reason"
            raise FunctionError(f"{made.__name__} says that it is not licensed to run: {reason}")
    return function


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def _listed(domain: Sequence[Any]) -> str:
    shown = ", ".join(map(str, domain[:6]))
    return shown + (f", … ({len(domain)})" if len(domain) > 6 else "")
