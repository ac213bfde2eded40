"""A package's function, loaded once for any number of rasters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..package.open import Package
from .calls import Function
from .loader import function_path, load_class
from .phases import initialize, make, validation_phase
from .settings import Host


class LoadedFunction:
    """A raster function whose code is loaded and whose dialog has been filled.

    One object of it serves one raster after another, as in a worker process of ArcGIS: what it has
    loaded stays, and only ``getConfiguration`` and what follows is called again. To be made and
    used in the package's `dlpk.harness.environment.Environment`.

    Parameters
    ----------
    package : Package
    device : int
        As the function gets it: -1 processor, -2 any graphics card, else the number of one.
    host : Host, optional

    Raises
    ------
    DlpkError
        The function cannot be loaded, or its dialog does not open.
    """

    def __init__(self, package: Package, device: int, host: Host | None = None) -> None:
        self.package = package
        self.device = device
        self.host = host or Host()
        self._class = load_class(function_path(package))
        self._dialog, self.parameters = validation_phase(self._class, package)
        self._object: Function | None = None
        # What each set of arguments has led to.
        self._answers: dict[object, object] = {}

    @property
    def used(self) -> Function | None:
        """The object that served the raster before, if there is one."""
        return self._object

    def new(self, scalars: Mapping[str, Any]) -> Function:
        """An object that is initialised for the run.

        Raises
        ------
        DlpkError
            The function refuses or fails.
        """
        function = self._dialog if self.host.dialog_object else make(self._class, self.package)
        early = scalars if self.host.arguments_in_initialize else None
        initialize(function, self.package, self.device, early)
        function.parameters()
        return function

    def keep(self, function: Function) -> None:
        """Use an object for the next raster too."""
        self._object = function

    def forget(self) -> None:
        """Begin with a new object next time: this one has failed."""
        self._object = None

    def answers_alike(self, question: object, answer: object) -> bool:
        """Whether the same question was answered in the same way before, or never asked.

        A function that answers otherwise when it is asked again keeps something of the raster
        before.
        """
        return bool(self._answers.setdefault(question, answer) == answer)
