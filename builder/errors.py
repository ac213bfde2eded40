"""The errors that building a package raises on purpose."""

from __future__ import annotations

from schemas.errors import DlpkError


class BuildError(DlpkError):
    """Raised when a package cannot be built."""


class SourceError(BuildError):
    """Raised when weights cannot be found or are not CLIPSeg weights."""


class VocabularyError(BuildError):
    """Raised when prompts cannot be frozen into a package."""
