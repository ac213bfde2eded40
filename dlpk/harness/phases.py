"""The two phases of a tool: filling its dialog, and the run."""

from __future__ import annotations

import errno
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.scratch import scratch_until_exit
from schemas.emd.facts import MODEL_TYPES, PIXEL_TYPES

from ..errors import ContractError, FunctionError
from ..package.open import Package, open_package
from .arguments import shown_parameters
from .calls import Function
from .environment import Environment, Say, print_message
from .loader import code_folders, function_path, load_class
from .memory import memory_in_use
from .tracebacks import explain

CLASSIFY_PIXELS, DETECT_OBJECTS = (
    "Classify Pixels Using Deep Learning",
    "Detect Objects Using Deep Learning",
)
# What the tools say that they expect.
TOOL_MODEL_TYPES = {
    CLASSIFY_PIXELS: "ImageClassification",
    DETECT_OBJECTS: "ObjectDetection, InstanceDetection",
}
COMMANDS = {CLASSIFY_PIXELS: "dlpk classify", DETECT_OBJECTS: "dlpk detect"}
# What functions are told of the product they run in (contract, section 2): ArcGIS Pro 3.6 by the
# number that its components bear, as functions ask for version 10.3 or later.
PRODUCT = {
    "productName": "Desktop",
    "version": "13.6",
    "path": "",
    "major": 13,
    "minor": 6.0,
    "build": 60000,
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
        Bytes by which the memory of the process grew; None where that cannot be had.
    tool : str
        Whose dialog it is, as far as the model definition tells.
    """

    parameters: tuple[Mapping[str, Any], ...]
    seconds: float
    memory: int | None
    tool: str = CLASSIFY_PIXELS

    def to_text(self) -> str:
        """The dialog in a few lines for people."""
        memory = "" if self.memory is None else f", {self.memory / 1e6:,.0f} MB more memory"
        lines = [f"The dialog of {self.tool} opens: {self.seconds:.2f} s{memory}."]
        for parameter in self.parameters:
            value = "" if parameter.get("value") is None else parameter["value"]
            domain = parameter.get("domain")
            choices = f"  one of {_listed(domain)}" if domain else ""
            needed = "  (required)" if parameter.get("required") else ""
            lines.append(f"  {parameter['name']:26} {value!s:12}{needed}{choices}")
        return "\n".join(lines)


def open_dialog(package: str | Path, *, say: Say | None = None) -> Dialog:
    """Run the validation phase alone, to see whether the dialog in ArcGIS Pro would open.

    Parameters
    ----------
    package : path or str
        A .dlpk, a folder, an .emd, or a model definition as JSON text.
    say : callable, optional
        Takes level and text of what the function says.

    Raises
    ------
    DlpkError
        It would not; says why.
    """
    with open_package(package) as opened:
        tool = tool_of(opened)
        if not tool.endswith("Using Deep Learning"):
            raise ContractError(
                f"the model definition of {opened.name} says {opened.emd['ModelType']!r}, which is "
                f"for {tool}: their dialogs are not known"
            )
        with Environment(opened, say or print_message):
            before, start = memory_in_use(), time.perf_counter()
            _, parameters = started(load_class(function_path(opened)), opened)
            seconds, after = time.perf_counter() - start, memory_in_use()
    memory = None if before is None or after is None else after - before
    return Dialog(tuple(shown_parameters(parameters)), seconds, memory, tool)


def tool_of(package: Package) -> str:
    """Name of the tool that a model is for; Classify Pixels where that is not documented."""
    kind = package.emd.get("ModelType")
    return (MODEL_TYPES.get(kind) if isinstance(kind, str) else "") or CLASSIFY_PIXELS


def check_tool(package: Package, tool: str = CLASSIFY_PIXELS) -> None:
    """Refuse models of other tools with ArcGIS's words.

    Raises
    ------
    ContractError
        The model is for another tool.
    """
    kind, right = package.emd.get("ModelType"), tool_of(package)
    # Only known types of other tools: what is made for which is not documented in full.
    known = isinstance(kind, str) and (MODEL_TYPES.get(kind) or kind in PIXEL_TYPES)
    if known and right != tool:
        command = f": {COMMANDS[right]}" if right in COMMANDS else ""
        raise ContractError(
            "Error 003569 Invalid deep learning model type. Expected model type NULL, "
            f"{TOOL_MODEL_TYPES[tool]}. The model definition of {package.name} says {kind!r}, "
            f"which is for {right}{command}"
        )


def model_argument(package: Package) -> str:
    """What a function gets as ``model``: path of the EMD, or its text where there is no file."""
    return str(package.emd_path) if package.emd_path is not None else package.emd_text


def started(
    made: type, package: Package, device: int | None = None
) -> tuple[Function, list[dict[str, Any]]]:
    """Take a new object through the calls that fill the dialog, which has no device, or a run's.

    Returns
    -------
    Function
    list of dict
        The parameters that the function declares.
    """
    function = make(made, package)
    initialize(function, package, device)
    return function, function.parameters()


def make(made: type, package: Package) -> Function:
    """Make an object of a function's class and ask it whether it may run.

    Raises
    ------
    FunctionError
        The constructor raised, or the function says that it is not licensed.
    """
    folders = code_folders(package)
    try:
        instance = made()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise FunctionError(f"{made.__name__}() failed: {explain(error, folders)}") from error
    function = Function(instance, folders)
    function.check_license(PRODUCT)
    return function


def initialize(function: Function, package: Package, device: int | None) -> None:
    """Initialise a function with the model.

    Functions try to open what they get as a file and take it for text if there is none. Long text
    is no missing file but an impossible name to Linux, which they do not expect; they get the text
    in a file then.

    Raises
    ------
    FunctionError
        It fails.
    """
    try:
        function.initialize(model_argument(package), device)
    except FunctionError as error:
        cause = error.__cause__
        if package.emd_path is not None or not (
            isinstance(cause, OSError) and cause.errno in (errno.ENAMETOOLONG, errno.EINVAL)
        ):
            raise
        warnings.warn(
            f"{function.name} cannot take the model definition as text on this system: it only "
            "expects FileNotFoundError when it opens it. It gets a file with the text",
            stacklevel=2,
        )
        folder = scratch_until_exit()
        file = folder / "model.emd"
        file.write_text(package.emd_text, encoding="utf-8")
        function.initialize(str(file), device)


class LoadedFunction:
    """A raster function whose code is loaded and whose dialog has been filled.

    One object of it serves one raster after another, as in a worker process of ArcGIS: what it has
    loaded stays, and only ``getConfiguration`` and what follows is called again. To be made and
    used in the package's `dlpk.harness.environment.Environment`.

    Parameters
    ----------
    device : int
        As the function gets it: -1 processor, -2 any graphics card, else the number of one.
    statistics : bool
        Whether ``<raster>_info`` has estimated statistics where the file has none.

    Raises
    ------
    DlpkError
        The function cannot be loaded, or its dialog does not open.
    """

    def __init__(self, package: Package, device: int, *, statistics: bool = True) -> None:
        self.package = package
        self.device = device
        self.statistics = statistics
        self._class = load_class(function_path(package))
        _, self.parameters = started(self._class, package)
        # The object that served the raster before, if there is one and it has not failed.
        self.used: Function | None = None
        # What each set of arguments has led to.
        self._answers: dict[object, object] = {}

    def new(self) -> Function:
        """An object that is initialised for the run.

        Raises
        ------
        DlpkError
            The function refuses or fails.
        """
        return started(self._class, self.package, self.device)[0]

    def answers_alike(self, question: object, answer: object) -> bool:
        """Whether the same question was answered in the same way before, or never asked.

        A function that answers otherwise when it is asked again keeps something of the raster
        before.
        """
        return bool(self._answers.setdefault(question, answer) == answer)


def _listed(domain: Any) -> str:
    if not isinstance(domain, (list, tuple)):
        return str(domain)
    shown = ", ".join(map(str, domain[:6]))
    return shown + (f", … ({len(domain)})" if len(domain) > 6 else "")
