"""What travels: a job to the workers, and reports back. No pixels and no models."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import ClusterError
from ...harness.settings import Settings
from ...installation import own_version
from ...raster.extent import Extent
from ...raster.gdal_files import absolute
from ...raster.stretch import Stretch
from ..finished.journal import Journal
from ..loaded_model import LoadedModel
from ..session import Session


@dataclass(frozen=True)
class PackageRef:
    """A package that workers open for themselves.

    Parameters
    ----------
    kind : type
        What they open it as; it travels as a name.
    source, sha256 : str
        The package as it was given, and its hash.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    version : str
        Of dlpk; another one might give other results.
    directory : str
        Working directory of the client, for names of files in arguments.
    """

    kind: type[LoadedModel]
    source: str
    sha256: str
    device: str
    version: str
    directory: str

    @classmethod
    def of(cls, model: LoadedModel) -> PackageRef:
        """Describe a package that is open here.

        Raises
        ------
        ClusterError
            Nothing tells it from others.
        """
        package = model.package
        if package.sha256 is None:
            raise ClusterError(f"{package.name} cannot be told from other packages: pack it first")
        places = {"dlpk": package.archive, "folder": package.root, "emd": package.emd_path}
        source = str(places.get(package.kind) or package.emd_text)
        return cls(type(model), source, package.sha256, model.device, own_version(), os.getcwd())


@dataclass(frozen=True)
class Job:
    """What a worker needs to know to process any block of a run.

    Parameters
    ----------
    run : str
        Tells this run from all others.
    package : PackageRef
    rasters : tuple of str
        Anything GDAL opens.
    extent, cell_size, settings, arguments
        As of the run.
    stretch : Stretch or None
        Found once, by the client.
    folder : str
        The journal, on a file system that client and workers share.
    mark : bytes
        Of the journal.
    """

    run: str
    package: PackageRef
    rasters: tuple[str, ...]
    extent: Extent | None
    cell_size: float | None
    settings: Settings
    arguments: Mapping[str, Any]
    stretch: Stretch | None
    folder: str
    mark: bytes

    @classmethod
    def of(
        cls,
        model: LoadedModel,
        session: Session,
        journal: Journal,
        rasters: Sequence[str],
        extent: Extent | None,
        cell_size: float | None,
        arguments: Mapping[str, Any],
    ) -> Job:
        """Describe a run that has been started here.

        Raises
        ------
        ClusterError
            Nothing tells the package from others.
        """
        return cls(
            run=uuid.uuid4().hex,
            package=PackageRef.of(model),
            rasters=tuple(absolute(name) for name in rasters),
            extent=extent,
            cell_size=cell_size,
            settings=session.settings,
            arguments=dict(arguments),
            stretch=session.stretch,
            folder=str(journal.path),
            mark=journal.mark,
        )


@dataclass
class Report:
    """What a worker says of a range of blocks.

    Parameters
    ----------
    worker : str
        Address.
    first, last : int
        Numbers of the blocks.
    seconds : float
        That the blocks took, without opening the package.
    pixels : int
        Of the blocks that are finished.
    computed : int
        Blocks that the function was called for.
    failed : dict
        Numbers of blocks that failed, with the reason.
    refused : str
        Why the worker cannot take part at all; empty if it can.
    broken : bool
        Whether no other worker would fare better: the disk is full.
    said : list of (str, str)
        Level and text of what the function said.
    """

    worker: str
    first: int
    last: int
    seconds: float = 0.0
    pixels: int = 0
    computed: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    refused: str = ""
    broken: bool = False
    said: list[tuple[str, str]] = field(default_factory=list)
