"""Lines and columns of the values in a JSON text."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Union

MAX_DEPTH = 100
"""Far beyond any real file, and far below what makes a recursive reader overflow."""
MAX_VALUES = 1_000_000
MOST_MARKS = 30
"""So many odd values are kept: who wants to know more mends these first."""

LINE_END = re.compile(r"\r\n|\r|\n")
# A text that is not closed reaches to the end, so that the scan stays linear.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]|[^\s\[\]{}:,"]+', re.DOTALL)
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")
_HALF = re.compile("[\ud800-\udfff]")
_NUMBERS_ONLY_PYTHON_KNOWS = ("NaN", "Infinity", "-Infinity")


class Lines:
    """Turns offsets into lines and columns.

    Parameters
    ----------
    text : str
        The text; its lines end with LF, CRLF or a lone CR.
    """

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in LINE_END.finditer(text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1, of a 0-based offset; columns count characters."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


class _Container:
    """An object or array: where it and everything in it begins (offsets from 0)."""

    __slots__ = ("items", "keys", "start")

    def __init__(self, start: int, items: dict[str, _Item] | list[_Item]) -> None:
        self.start = start
        self.items = items
        self.keys: dict[str, int] = {}


# Only containers are objects of their own: a file of a million numbers costs a million integers.
_Item = Union[int, _Container]


@dataclass
class Mark:
    """A value that is worth a word though it can be read: its JSON pointer, offset and text.

    Of a key that stands more than once `offset` is that of the last, `first` that of the first.
    """

    pointer: str
    offset: int
    text: str
    first: int = 0


@dataclass
class _Scan:
    """What one pass over the tokens of a text finds, valid or not."""

    start: int = 0
    root: _Container | None = None
    open: list[_Container] = field(default_factory=list)
    duplicates: dict[tuple[int, str], Mark] = field(default_factory=dict)
    not_finite: list[Mark] = field(default_factory=list)
    surrogates: list[Mark] = field(default_factory=list)
    too_deep: int | None = None
    too_many: int | None = None


class Positions:
    """Line and column of every value of a document, by JSON pointer (RFC 6901).

    Parameters
    ----------
    text : str
        JSON text. Of a broken one the values are found as far as its brackets and quotes pair.
        Time and space grow with its length, however deep it nests.
    """

    def __init__(self, text: str) -> None:
        self.lines = Lines(text)
        self.found = _scan(text)

    def __getitem__(self, pointer: str) -> tuple[int, int]:
        """Return line and column, both from 1, of a value; KeyError if there is none."""
        return self._place(pointer, key=False)

    def key(self, pointer: str) -> tuple[int, int]:
        """Return the place of the key under which a value stands; KeyError if there is none."""
        return self._place(pointer, key=True)

    def nearest(self, pointer: str) -> tuple[int, int]:
        """Return the place of a value, or of the innermost one around it that exists."""
        while pointer:
            try:
                return self[pointer]
            except KeyError:
                pointer = pointer.rpartition("/")[0]
        return self[""]

    def _place(self, pointer: str, *, key: bool) -> tuple[int, int]:
        if not pointer and not key:
            return self.lines.place(self.found.start)
        item: _Item | None = self.found.root
        offset = None
        for raw in pointer.split("/")[1:] if pointer.startswith("/") else ():
            offset, item = _step(item, raw, key=key)
        if offset is None:
            raise KeyError(pointer)
        return self.lines.place(offset)


def escape(token: str | int) -> str:
    """Return a reference token as it stands in a JSON pointer (RFC 6901, section 3)."""
    return str(token).replace("~", "~0").replace("/", "~1")


def pointer(*tokens: str | int) -> str:
    """Return the JSON pointer of what stands under these keys and indexes."""
    return "".join("/" + escape(token) for token in tokens)


def _step(holder: _Item | None, raw: str, *, key: bool) -> tuple[int | None, _Item | None]:
    """Return the offset of a value or its key in a container, and the value itself."""
    item: _Item | None = None
    if not isinstance(holder, _Container):
        return None, None
    if isinstance(holder.items, dict):
        token = raw.replace("~1", "/").replace("~0", "~")
        item = holder.items.get(token)
        if key:
            return holder.keys.get(token), item
    elif _INDEX.fullmatch(raw) and int(raw) < len(holder.items):
        item = holder.items[int(raw)]
        if key:
            return None, item
    return item.start if isinstance(item, _Container) else item, item


def _scan(text: str) -> _Scan:
    found = _Scan()
    stack = found.open
    path: list[str | int] = []  # keys and indexes of the containers in the stack but the first
    key: str | None = None
    values = 0
    for match in _TOKEN.finditer(text):
        word, offset = match.group(), match.start()
        top = stack[-1] if stack else None
        if word in "]}":
            if stack:
                stack.pop()
                del path[-1:]
            key = None
            continue
        if word[0] == '"' and top is not None and isinstance(top.items, dict) and key is None:
            key = _unquoted(word)
            if key in top.keys:
                mark = found.duplicates.get((id(top), key))
                if mark is not None:
                    mark.offset = offset
                elif len(found.duplicates) < MOST_MARKS:
                    mark = Mark(pointer(*path, key), offset, key, top.keys[key])
                    found.duplicates[id(top), key] = mark
            if _HALF.search(key):
                _keep(found.surrogates, pointer(*path, key), offset, word)
            top.keys[key] = offset
            continue
        values += 1
        if values > MAX_VALUES:
            found.too_many = offset
            break
        token: str | int = ""
        item: _Item = offset
        if word in "[{":
            item = _Container(offset, [] if word == "[" else {})
        if top is None:
            if values == 1:
                found.start = offset
                found.root = item if isinstance(item, _Container) else None
        elif isinstance(top.items, list):
            token = len(top.items)
            top.items.append(item)
        elif key is not None:
            token = key
            top.items[key] = item
        if isinstance(item, _Container):
            if len(stack) >= MAX_DEPTH:
                found.too_deep = offset
                break
            if stack:
                path.append(token)
            stack.append(item)
        elif word[0] == '"':
            if "\\u" in word and _HALF.search(_unquoted(word)):
                _keep(found.surrogates, pointer(*path, token) if top else "", offset, word)
        elif _not_finite(word):
            _keep(found.not_finite, pointer(*path, token) if top else "", offset, word)
        key = None
    return found


def _keep(marks: list[Mark], where: str, offset: int, word: str) -> None:
    if len(marks) < MOST_MARKS:
        marks.append(Mark(where, offset, word if len(word) <= 40 else word[:40] + "..."))


def _unquoted(word: str) -> str:
    if "\\" not in word:
        return word.strip('"')
    try:
        return str(json.loads(word, strict=False))
    except ValueError:
        return word.strip('"')


def _not_finite(word: str) -> bool:
    if word in _NUMBERS_ONLY_PYTHON_KNOWS:
        return True
    if not ("e" in word or "E" in word or len(word) > 300) or word[0] not in "-0123456789":
        return False
    try:
        return float(word) in (float("inf"), float("-inf"))
    except ValueError:
        return False
