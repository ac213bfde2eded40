"""Lines and columns of the values in a JSON text, valid or broken."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .json_document import Container, JsonText, escape
from .json_text import read_json

__all__ = ["DuplicateKey", "Lines", "Positions", "locate"]

_LINE_END = re.compile(r"\r\n|\r|\n")
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


class DuplicateKey(NamedTuple):
    """A key that stands more than once in an object.

    Parameters
    ----------
    pointer : str
        JSON pointer of the value (the last one wins).
    places : tuple of (int, int)
        Line and column of every occurrence of the key.
    """

    pointer: str
    places: tuple[tuple[int, int], ...]


class Lines:
    """Turns offsets into lines and columns.

    Parameters
    ----------
    text : str
        The text; its lines end with LF, CRLF or a lone CR.
    """

    def __init__(self, text: str) -> None:
        self._starts = [0]
        self._starts.extend(end.end() for end in _LINE_END.finditer(text))

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, of a 0-based offset; columns count characters."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


class Positions(Mapping[str, "tuple[int, int]"]):
    """Line and column of every value of a document, by JSON pointer.

    A mapping that looks pointers up in the document itself: pointers of all values, written out,
    could take space that grows with the square of the text's length.

    Parameters
    ----------
    lines : Lines
        The line starts of the text.
    document : JsonText
        What was read from it.
    """

    def __init__(self, lines: Lines, document: JsonText) -> None:
        self._lines = lines
        self._document = document

    def __getitem__(self, pointer: str) -> tuple[int, int]:
        """Return line and column of the value that a JSON pointer names."""
        if pointer == "":
            return self._lines.place(self._document.start)
        holder, token = self._find(pointer)
        offset = None if holder is None else holder.place(token)
        if offset is None:
            raise KeyError(pointer)
        return self._lines.place(offset)

    def key(self, pointer: str) -> tuple[int, int]:
        """Return line and column of the key under which a value stands.

        Raises
        ------
        KeyError
            There is no such value, or it stands in an array.
        """
        holder, token = self._find(pointer) if pointer else (None, "")
        offset = None if holder is None else holder.key_place(token)
        if offset is None:
            raise KeyError(pointer)
        return self._lines.place(offset)

    def nearest(self, pointer: str) -> tuple[int, int]:
        """Return the place of a value, or of the innermost one around it that exists."""
        while pointer:
            try:
                return self[pointer]
            except KeyError:
                pointer = pointer.rpartition("/")[0]
        return self[""]

    def duplicates(self) -> list[DuplicateKey]:
        """Return the keys that stand more than once in an object."""
        return [
            DuplicateKey(
                f"{duplicate.container.pointer()}/{escape(duplicate.key)}",
                tuple(self._lines.place(offset) for offset in duplicate.offsets),
            )
            for duplicate in self._document.duplicates
        ]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the pointers of all values, in the order of the text."""
        yield ""
        if self._document.root is None:
            return
        stack = [("", self._document.root, _tokens(self._document.root))]
        while stack:
            prefix, container, tokens = stack[-1]
            for token in tokens:
                pointer = f"{prefix}/{escape(token)}"
                yield pointer
                child = container.child(token)
                if child is not None:
                    stack.append((pointer, child, _tokens(child)))
                    break
            else:
                stack.pop()

    def __len__(self) -> int:
        """Return the number of values."""
        count = 1
        stack = [self._document.root] if self._document.root is not None else []
        while stack:
            container = stack.pop()
            count += len(container.places)
            stack.extend((container.children or {}).values())
        return count

    def _find(self, pointer: str) -> tuple[Container | None, str | int]:
        """Return what the value stands in, and its key or index there."""
        if not pointer.startswith("/"):
            return None, ""
        container = self._document.root
        tokens = pointer[1:].split("/")
        for position, raw in enumerate(tokens):
            if container is None:
                break
            token = _token(raw, container)
            if position == len(tokens) - 1:
                return container, token
            container = container.child(token)
        return None, ""


def locate(text: str) -> Positions:
    """Find where every value of a JSON text stands.

    Parameters
    ----------
    text : str
        JSON text, possibly broken: then the values before (and, after a usual mistake, behind) the
        place of the mistake are found.

    Returns
    -------
    Positions
        Mapping from JSON pointer (RFC 6901; ``""`` is the whole document) to line and column, both
        from 1, columns in characters. Time and space grow with the length of the text, however deep
        it nests.
    """
    return Positions(Lines(text), read_json(text))


def _tokens(container: Container) -> Iterator[str | int]:
    places = container.places
    return iter(places) if isinstance(places, dict) else iter(range(len(places)))


def _token(raw: str, container: Container) -> str | int:
    if isinstance(container.value, dict):
        return raw.replace("~1", "/").replace("~0", "~")
    return int(raw) if _INDEX.fullmatch(raw) else -1
