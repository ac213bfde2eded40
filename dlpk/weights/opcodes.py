"""Reading pickles without loading them: opcode by opcode, in bounded time and memory.

A pickle is a program for a small machine with a stack and a memo (Python's `pickletools` documents
every opcode). Here the machine is played with texts only: enough to tell which functions and
classes the program would fetch, nothing of which is ever called.
"""

from __future__ import annotations

import pickletools
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Final

__all__ = ["LEGACY", "Damaged", "Global", "Pickles", "Window", "read_pickles"]

MAX_OPCODES: Final = 2_000_000
"""So many opcodes of a file are read, not more."""
MAX_PICKLES: Final = 200
"""So many pickles, one after the other or one in the other, are read of a file."""
MAX_DEPTH: Final = 4
"""Pickles in texts of pickles are followed so deep."""
MAX_TEXT: Final = 4096
"""Longest text in bytes that may be a name."""
MAX_LINE: Final = 1 << 20
MAX_ZIP: Final = 32 * 1024 * 1024
"""Largest zip in a pickle, in bytes, that is looked into."""

LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of a file of torch before 1.6: a number. Four more follow, then raw data."""
_LEGACY_PICKLES: Final = 5

_OPCODES: Final = {opcode.code: opcode for opcode in pickletools.opcodes}
_ZIP: Final = b"PK\x03\x04"
_MARK: Final = object()
_PUSHES_TEXT: Final = {
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
}
_PUSHES_BYTES: Final = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_GETS: Final = {"GET", "BINGET", "LONG_BINGET"}
_PUTS: Final = {"PUT", "BINPUT", "LONG_BINPUT"}


class Damaged(Exception):
    """The pickle breaks off or is none."""


@dataclass(frozen=True)
class Global:
    """A function or class that a pickle fetches.

    Parameters
    ----------
    module, name : str
        Where it comes from and what it is called; both ``?`` if the program works that out.
    offset : int
        Byte of the file, from 0, where the opcode stands.
    """

    module: str
    name: str
    offset: int

    def __str__(self) -> str:
        """Return the dotted name."""
        return f"{self.module}.{self.name}"


@dataclass
class Pickles:
    """What was read of a file.

    Parameters
    ----------
    globals : list of Global
        In the order in which they are fetched.
    texts : set of str
        Texts that begin and end with two underscores, as names of Python's own attributes do.
    count : int
        Pickles that were read to their end.
    problem : str
        Why the first one could not be read to its end; empty if it could.
    complete : bool
        Whether no limit was met.
    """

    globals: list[Global] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    count: int = 0
    problem: str = ""
    complete: bool = True


class Window:
    """A part of a file, read forwards.

    Parameters
    ----------
    file : binary file
        Open for reading, able to seek.
    start, size : int
        First byte and number of bytes of the part.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self.position = 0

    def read(self, count: int) -> bytes:
        """Return exactly so many bytes."""
        if count < 0 or self.position + count > self._size:
            raise Damaged("it breaks off")
        self._file.seek(self._start + self.position)
        data = self._file.read(count)
        if len(data) != count:
            raise Damaged("it breaks off")
        self.position += count
        return data

    def peek(self, count: int) -> bytes:
        """Return at most so many bytes and stay where it is."""
        self._file.seek(self._start + self.position)
        return self._file.read(min(count, self._size - self.position))

    def line(self) -> bytes:
        """Return the bytes up to the next line feed, without it."""
        self._file.seek(self._start + self.position)
        limit = min(MAX_LINE, self._size - self.position)
        data = self._file.readline(limit)
        if not data.endswith(b"\n"):
            raise Damaged("it breaks off")
        self.position += len(data)
        return data[:-1]

    def skip(self, count: int) -> Window:
        """Go past so many bytes; return them as a part of its own."""
        if count < 0 or self.position + count > self._size:
            raise Damaged("it breaks off")
        inner = Window(self._file, self._start + self.position, count)
        self.position += count
        return inner

    @property
    def left(self) -> int:
        """Number of bytes ahead."""
        return self._size - self.position

    @property
    def offset(self) -> int:
        """Where it is, counted from the start of the file."""
        return self._start + self.position


def read_pickles(window: Window) -> Pickles:
    """Read all pickles of a file: one after the other, and those in texts of others.

    Parameters
    ----------
    window : Window
        The file or a part of it.

    Returns
    -------
    Pickles
        Never raises for what is in the file.
    """
    found = Pickles()
    _Reader(found).file(window, 0)
    return found


class _Reader:
    def __init__(self, found: Pickles) -> None:
        self.found = found
        self._left = MAX_OPCODES
        self._pickles = 0

    def file(self, window: Window, depth: int) -> None:
        """Read one pickle after the other."""
        legacy = window.peek(len(LEGACY)) == LEGACY
        number = 0
        while window.left and not (legacy and number >= _LEGACY_PICKLES):
            self._pickles += 1
            if self._pickles > MAX_PICKLES or self._left <= 0:
                self.found.complete = False
                return
            before = len(self.found.globals)
            announced = window.peek(2)[:1] == b"\x80"
            try:
                inner = self._pickle(window)
            except Damaged as error:
                if number and not announced:
                    # Data behind the pickles look like anything; only whole pickles count.
                    del self.found.globals[before:]
                elif (not number or legacy) and not depth:
                    self.found.problem = str(error)
                return
            number += 1
            self.found.count += 1
            for part in inner if depth < MAX_DEPTH else ():
                if part.peek(4) == _ZIP:
                    self._zip(part, depth + 1)
                else:
                    self.file(part, depth + 1)

    def _zip(self, window: Window, depth: int) -> None:
        """Read the pickles in a zip of torch that is a text of a pickle."""
        if window.left > MAX_ZIP:
            self.found.complete = False
            return
        try:
            with zipfile.ZipFile(BytesIO(window.read(window.left))) as archive:
                for entry in archive.infolist():
                    if not entry.filename.endswith(".pkl"):
                        continue
                    stored = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
                    if entry.file_size > MAX_ZIP or entry.flag_bits & 1 or not stored:
                        self.found.complete = False
                        continue
                    data = archive.read(entry)
                    self.file(Window(BytesIO(data), 0, len(data)), depth)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError):
            return  # torch cannot read it either

    def _pickle(self, window: Window) -> list[Window]:
        """Read to STOP; return the texts that look like pickles."""
        machine = _Machine(self.found.globals)
        inner: list[Window] = []
        while True:
            self._left -= 1
            if self._left < 0:
                self.found.complete = False
                raise Damaged("it has more opcodes than are read")
            offset = window.offset
            code = window.read(1).decode("latin-1")
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise Damaged(f"byte {offset} is no opcode")
            argument, blob = _argument(opcode, window)
            if blob is not None and _worth_a_look(blob.peek(4)):
                inner.append(blob)
            machine.step(opcode, argument, offset)
            if isinstance(argument, str) and argument[:2] == "__" == argument[-2:]:
                self.found.texts.add(argument)
            if opcode.name == "STOP":
                return inner


def _worth_a_look(start: bytes) -> bool:
    return start == _ZIP or (len(start) == 4 and start[0] == 0x80 and 2 <= start[1] <= 5)


def _argument(
    opcode: pickletools.OpcodeInfo, window: Window
) -> tuple[str | int | None, Window | None]:
    """Read an opcode's argument: a text or number that matters, or a large text unread."""
    if opcode.arg is None:
        return None, None
    size = opcode.arg.n
    if opcode.name in ("GLOBAL", "INST"):
        module, name = window.line(), window.line()
        return f"{_text(module)}\n{_text(name)}", None
    if size == pickletools.UP_TO_NEWLINE:
        line = window.line()
        if opcode.name in _GETS | _PUTS:
            try:
                return int(line), None
            except ValueError:
                raise Damaged("a memo index is no number") from None
        return (_unquoted(line) if len(line) <= MAX_TEXT else None), None
    if size >= 0:
        data = window.read(size)
        return (int.from_bytes(data, "little") if opcode.name in _GETS | _PUTS else None), None
    length = _length(size, window)
    if opcode.name in _PUSHES_TEXT and length <= MAX_TEXT:
        return _text(window.read(length)), None
    return None, window.skip(length)


def _length(size: int, window: Window) -> int:
    formats = {
        pickletools.TAKEN_FROM_ARGUMENT1: "<B",
        pickletools.TAKEN_FROM_ARGUMENT4: "<i",
        pickletools.TAKEN_FROM_ARGUMENT4U: "<I",
        pickletools.TAKEN_FROM_ARGUMENT8U: "<Q",
    }
    shape = formats[size]
    (length,) = struct.unpack(shape, window.read(struct.calcsize(shape)))
    return int(length)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _unquoted(line: bytes) -> str:
    text = _text(line)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    try:  # texts of protocol 0 hold escapes
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except UnicodeDecodeError:
        return text


class _Machine:
    """The stack and the memo, with texts kept and everything else unknown (None)."""

    def __init__(self, found: list[Global]) -> None:
        self._found = found
        self._stack: list[object] = []
        # Every index is kept, as MEMOIZE counts them.
        self._memo: dict[int, str | None] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: str | int | None, offset: int) -> None:
        """Do what an opcode does to stack and memo."""
        name = opcode.name
        if name in ("GLOBAL", "INST"):
            module, _, attribute = str(argument).partition("\n")
            self._found.append(Global(module, attribute, offset))
            if name == "INST":
                self._to_mark()
            self._stack.append(None)
        elif name == "STACK_GLOBAL":
            texts = [self._pop(), self._pop()]
            known = all(isinstance(text, str) for text in texts)
            item = Global(str(texts[1]), str(texts[0]), offset)
            self._found.append(item if known else Global("?", "?", offset))
            self._stack.append(None)
        elif name in ("EXT1", "EXT2", "EXT4"):
            self._found.append(Global("?", "?", offset))
            self._stack.append(None)
        elif name in _PUSHES_TEXT:
            self._stack.append(argument)
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name == "DUP":
            self._stack.append(self._top())
        elif name == "POP":
            self._pop()
        elif name in _GETS:
            assert isinstance(argument, int)
            self._stack.append(self._memo.get(argument))
        elif name in _PUTS or name == "MEMOIZE":
            index = len(self._memo) if name == "MEMOIZE" else argument
            assert isinstance(index, int)
            self._put(index, self._top())
        else:
            self._generic(opcode)

    def _generic(self, opcode: pickletools.OpcodeInfo) -> None:
        before = list(opcode.stack_before)
        if pickletools.markobject in before:
            self._to_mark()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self._pop()
        self._stack.extend(None for _ in opcode.stack_after)

    def _put(self, index: int, value: object) -> None:
        self._memo[index] = value if isinstance(value, str) else None

    def _top(self) -> object:
        if not self._stack:
            raise Damaged("its stack runs empty")
        return self._stack[-1]

    def _pop(self) -> object:
        value = self._top()
        self._stack.pop()
        return value

    def _to_mark(self) -> None:
        while self._pop() is not _MARK:
            pass
