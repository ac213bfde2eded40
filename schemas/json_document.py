"""What a JSON text holds, with the place of everything in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Container", "Duplicate", "JsonText", "Mark", "Mistake", "escape"]


class Mistake(NamedTuple):
    """A place where the text is not JSON.

    Parameters
    ----------
    offset : int
        0-based index of the character.
    message, remedy : str
        What is wrong and how to mend it.
    """

    offset: int
    message: str
    remedy: str


class Container:
    """An object or array, with the places of what it holds.

    Parameters
    ----------
    value : dict or list
        The Python value.
    start : int
        0-based offset of the opening bracket.
    parent : Container or None
        What it stands in, None for the outermost.
    token : str or int
        The key or index under which it stands in `parent`.
    """

    __slots__ = ("children", "filled", "keys", "parent", "places", "start", "token", "value")

    def __init__(
        self,
        value: dict[str, Any] | list[Any],
        start: int,
        parent: Container | None,
        token: str | int,
    ) -> None:
        self.value = value
        self.start = start
        self.parent = parent
        self.token = token
        # Only containers get an object of their own, and those that hold nothing no tables: a file
        # of a million numbers costs a million integers.
        self.places: dict[str, int] | list[int] = {} if isinstance(value, dict) else []
        self.keys: dict[str, int] | None = None
        self.children: dict[str | int, Container] | None = None
        self.filled = False

    @property
    def bracket(self) -> str:
        """The opening bracket."""
        return "{" if isinstance(self.value, dict) else "["

    def child(self, token: str | int) -> Container | None:
        """Return the object or array that stands under a key or index, None if there is none."""
        return None if self.children is None else self.children.get(token)

    def place(self, token: str | int) -> int | None:
        """Return the offset of the value under a key or index, None if there is none."""
        if isinstance(self.places, dict):
            return self.places.get(token) if isinstance(token, str) else None
        if isinstance(token, int) and 0 <= token < len(self.places):
            return self.places[token]
        return None

    def key_place(self, token: str | int) -> int | None:
        """Return the offset of a key, None in an array or if there is no such key."""
        if self.keys is None or not isinstance(token, str):
            return None
        return self.keys.get(token)

    def pointer(self) -> str:
        """Return the JSON pointer of this container."""
        tokens = []
        node = self
        while node.parent is not None:
            tokens.append(escape(node.token))
            node = node.parent
        return "".join("/" + token for token in reversed(tokens))


class Duplicate(NamedTuple):
    """A key that stands more than once in an object (the last one wins).

    Parameters
    ----------
    container : Container
        The object.
    key : str
        The key.
    offsets : list of int
        0-based offsets of every occurrence of the key, in order.
    """

    container: Container
    key: str
    offsets: list[int]


class Mark(NamedTuple):
    """A value that is worth a word though it could be read.

    Parameters
    ----------
    container : Container or None
        What the value stands in, None if it is the whole document.
    token : str or int
        Its key or index there.
    offset : int
        Its 0-based offset.
    text : str
        How it is written, shortened.
    """

    container: Container | None
    token: str | int
    offset: int
    text: str


@dataclass
class JsonText:
    """What was read from a text.

    Parameters
    ----------
    value : Any
        The value; None if nothing could be read. With mistakes it is what the author most likely
        meant, and incomplete when `complete` is False.
    root : Container or None
        The outermost object or array, None if the document is a bare string or number.
    start : int
        Offset of the first value.
    mistakes : list of Mistake
        Empty exactly if the text is JSON (but for the numbers in `not_finite`).
    duplicates : list of Duplicate
        Keys that stand more than once.
    not_finite : list of Mark
        NaN, Infinity and numbers beyond what a double can hold, which Python reads and writes.
    surrogates : list of Mark
        Strings and keys with half a surrogate pair, which no encoding can write.
    complete : bool
        False if the reader had to stop before the end or to leave something out.
    too_deep, too_many : int or None
        Offset at which the nesting or the number of values went over the limit.
    """

    value: Any = None
    root: Container | None = None
    start: int = 0
    mistakes: list[Mistake] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    not_finite: list[Mark] = field(default_factory=list)
    surrogates: list[Mark] = field(default_factory=list)
    complete: bool = True
    too_deep: int | None = None
    too_many: int | None = None


def escape(token: str | int) -> str:
    """Return a reference token as it stands in a JSON pointer (RFC 6901, section 3)."""
    return str(token).replace("~", "~0").replace("/", "~1")
