"""A package whose function is loaded, here or in a worker process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..errors import FunctionError, PackageError
from ..harness.devices import device_number
from ..harness.environment import Environment, Say, print_message
from ..harness.phases import CLASSIFY_PIXELS, LoadedFunction, check_tool
from ..harness.settings import Settings
from ..package.open import Package, open_package
from ..raster.dataset import Raster
from ..raster.gdal_config import block_cache, cache_bytes
from ..raster.stretch import Stretch
from .preload import import_ahead
from .session import Session


class LoadedModel:
    """A package whose function is loaded; use it as ``with``, or `close` it.

    Not for several threads at once.

    Parameters
    ----------
    package : path, str or Package
        A .dlpk, a folder, an .emd, a model definition as JSON text, or what `dlpk.package.open`
        opened.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    say : callable, optional
        Takes level and text of what the function says; by default it goes to standard error.

    Raises
    ------
    DlpkError
        The package cannot be opened, its function not be loaded, or it is for another tool.
    """

    tool = CLASSIFY_PIXELS

    def __init__(
        self, package: str | Path | Package, *, device: str = "auto", say: Say | None = None
    ) -> None:
        number = device_number(device)
        import_ahead(package)
        with ExitStack() as stack:
            opened = package
            if not isinstance(opened, Package):
                opened = stack.enter_context(open_package(opened))
            check_tool(opened, self.tool)
            self.package: Package = opened
            self.device = device
            self.say = say or print_message
            self._environment = Environment(opened, self.say, device=number)
            with self._environment:
                self._loaded = LoadedFunction(opened, number)
            self._stack = stack.pop_all()
        self._closed = False

    def close(self) -> None:
        """Remove what was unpacked."""
        self._closed = True
        self._stack.close()

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    @contextmanager
    def session(
        self,
        raster: Raster,
        arguments: Mapping[str, Any],
        settings: Settings | None = None,
        stretch: Stretch | None = None,
    ) -> Iterator[Session]:
        """Configure the function for a raster, to process single blocks of it.

        Parameters
        ----------
        arguments : mapping
            Of the function, by name.
        stretch : Stretch, optional
            Of another session of the same raster, so that it is not found again.

        Yields
        ------
        Session
            To be used inside, until the next call of this model.
        """
        if self._closed:
            raise PackageError(f"{self.package.name} was closed: open it again")
        with block_cache(), self._environment:
            session = Session.start(self._loaded, raster, arguments, settings, stretch)
            with self._used(session):
                yield session

    @contextmanager
    def again(self, session: Session) -> Iterator[None]:
        """Go on with a session, as long as no other has been started."""
        with block_cache(), self._environment, self._used(session):
            yield

    @contextmanager
    def _used(self, session: Session) -> Iterator[None]:
        asked, both = session.configuration, 2 * session.configuration.padding
        gdal.SetCacheMax(cache_bytes(session.raster, asked.tx + both, asked.ty + both))
        try:
            yield
        except FunctionError:
            self._loaded.used = None
            raise
