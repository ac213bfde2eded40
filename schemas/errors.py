"""The base of every error this project raises on purpose."""

from __future__ import annotations


class DlpkError(Exception):
    """Base of every error this project raises on purpose."""

    lines: tuple[str, ...] = ()

    def add_lines(self, *lines: str) -> None:
        """Say more, each in a line of its own below the message."""
        self.lines += lines

    def __str__(self) -> str:
        """The message, and what was added to it."""
        return "\n  ".join([super().__str__(), *self.lines])


class OutputError(DlpkError):
    """The result cannot be written."""
