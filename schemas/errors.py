"""The base of every error this project raises on purpose."""

from __future__ import annotations


class DlpkError(Exception):
    """Base of every error this project raises on purpose."""


class OutputError(DlpkError):
    """The result cannot be written."""
