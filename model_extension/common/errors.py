"""The errors that the packaged raster function raises on purpose."""

from __future__ import annotations


class CLIPSegError(ValueError):
    """Base of every error the raster function raises on purpose."""


class WeightsError(CLIPSegError):
    """Raised when a weights file is missing, broken or not what the package promises."""


class TokenizerError(CLIPSegError):
    """Raised when a vocabulary is missing or broken, or a text cannot be tokenized."""


class PromptError(CLIPSegError):
    """Raised when a prompt cannot be used."""


class ArgumentError(CLIPSegError):
    """Raised when an argument of the raster function is outside its domain."""


class DefinitionError(CLIPSegError):
    """Raised when the model definition (EMD) cannot be used."""


class DeviceError(CLIPSegError):
    """Raised when the device asked for is not there."""


class BlockError(CLIPSegError):
    """Raised when a pixel block is not what the model asked for."""


class MemoryShortage(CLIPSegError, MemoryError):
    """Raised when a batch does not fit the device's memory."""


class ImageError(CLIPSegError):
    """Raised when an example image cannot be used."""
