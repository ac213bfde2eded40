"""Errors of the harness, each with a message that says what, where and what to do."""

from __future__ import annotations

from schemas.errors import DlpkError, OutputError

__all__ = [
    "ArgumentsError",
    "AuthoringError",
    "BuiltInFunctionError",
    "CancelledError",
    "ClusterError",
    "ContractError",
    "DlpkError",
    "FinetuningError",
    "FunctionError",
    "IsolationError",
    "JournalError",
    "OutputError",
    "PackageError",
    "RasterError",
    "RefusedError",
    "ReleaseError",
    "TruthError",
]


class PackageError(DlpkError):
    """The package cannot be opened, or a file it refers to is not there."""


class BuiltInFunctionError(PackageError):
    """The EMD refers to a file of the ArcGIS Pro installation, not of the package."""


class FunctionError(DlpkError):
    """The raster function cannot be loaded, or it raised."""


class RefusedError(FunctionError):
    """The raster function raised an exception of its own package: a message, no accident."""

    frames = ""


class ContractError(DlpkError):
    """The raster function answered otherwise than the contract says."""


class ArgumentsError(DlpkError):
    """An argument for the raster function is unknown or has no legal value."""


class RasterError(DlpkError):
    """The input raster cannot be opened or read, or does not suit the package."""


class CancelledError(DlpkError):
    """The callback that is told of progress has asked to stop."""


class ClusterError(DlpkError):
    """The cluster cannot be reached, or its workers cannot do the work."""


class ReleaseError(DlpkError):
    """An environment like that of a release of ArcGIS Pro cannot be had."""


class IsolationError(DlpkError):
    """The system cannot run code in isolation."""


class JournalError(DlpkError):
    """The journal of an unfinished run cannot be used."""


class TruthError(DlpkError):
    """Labels to compare with cannot be used."""


class FinetuningError(DlpkError):
    """A package cannot be taught with these labels."""


class AuthoringError(DlpkError):
    """A package cannot be made of this model."""
