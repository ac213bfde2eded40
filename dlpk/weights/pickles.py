"""What pickles would do, read opcode by opcode and never run, in bounded time and memory.

A pickle is a program for a machine with a stack and a memo; `pickletools` documents every opcode.
Here the machine is played with names only: enough to tell what the program would fetch and call.
Everything goes on for at least as long as it would in the real machine: numbers and texts that do
not matter are not parsed, for a reader that is stricter than Python can be made to stop before the
payload (`pickletools.genops` refuses ``I0x10``, Python runs it).

What may be fetched is in `allowed.json`; whatever is not there is reported.
"""

from __future__ import annotations

import pickletools
from typing import BinaryIO, Final, NamedTuple, Union

from .program import Fetched, Program, Text

MAX_LINE: Final = 1 << 24
"""Longest argument in bytes that ends with its line."""
MAX_TEXT: Final = 64 * 1024 * 1024
"""Most bytes of texts in a pickle that are decoded to look into what they encode."""
_MAX_NAME: Final = 128
"""Longer texts are no allowed names and stay in the file."""

_LOADER: Final = "torch.storage._load_from_bytes"
_ENCODE: Final = "_codecs.encode"
_TEXTS: Final = {
    "STRING": "escaped",
    "UNICODE": "raw-unicode-escape",
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), "latin-1"),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), "utf-8"),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), "bytes"),
}
_LENGTHS: Final = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}


class _Encoded(NamedTuple):
    """Bytes that are made from a text, as Python writes them up to protocol 2."""

    text: Text


_Value = Union[Fetched, Text, _Encoded, "tuple[object, ...]", None]


class _Broken(Exception):
    """The unpickler would stop here, with an error."""


def read_pickle(file: BinaryIO, start: int, size: int, limit: int) -> Program:
    """Read the pickle at a byte of a file of `size` bytes; at most `limit` opcodes of it.

    The file has to be buffered. What is in it raises nothing.
    """
    machine = _Machine(file, start, size)
    file.seek(start)
    try:
        machine.run(limit)
    except _Broken as error:
        machine.program.problem = str(error)
    machine.program.end = machine._at
    return machine.program


class _Machine:
    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self.program = Program()
        self._file = file
        self._size = size
        self._at = start
        self._stack: list[_Value] = []
        self._below: list[list[_Value]] = []  # a stack per mark
        self._memo: dict[int, _Value] = {}
        self._decodable = MAX_TEXT
        self._announced = False  # many data could be opcodes; a protocol's number is a claim

    def run(self, limit: int) -> None:
        program, read = self.program, self._file.read
        while True:
            if program.opcodes >= limit:
                program.exhausted = True
                raise _Broken(f"more than {limit:,} opcodes are left")
            program.opcodes += 1
            opcode = _OPCODES.get(read(1))
            if opcode is None:
                whole = self._at < self._size
                raise _Broken(f"byte {self._at} is no opcode" if whole else "it breaks off")
            self._at += 1
            name, kind, pops, mark, pushes = opcode
            argument = self._argument(name, kind) if kind is not None else None
            step = getattr(self, f"do_{name.lower()}", None)
            if step is not None:
                step(argument)
                continue
            if mark:
                self._to_mark()
            if pops:
                self._pop(pops)
            if pushes:
                self._stack.append(argument if isinstance(argument, Text) else None)
            if name == "STOP":
                return

    def _argument(self, name: str, kind: int) -> object:
        """Read an opcode's argument: a `Text`, number or two lines; None if it does not matter."""
        if kind == pickletools.UP_TO_NEWLINE:
            start, line = self._at, self._line()
            if name in ("GLOBAL", "INST"):
                return line, self._line()
            if name in _TEXTS:
                return Text(_TEXTS[name], start, len(line), line if len(line) < 1024 else None)
            if name not in ("GET", "PUT"):
                return None
            digits = line.partition(b"\0")[0]  # where the text ends for C
            if len(digits) > _MAX_NAME and digits.strip().isdigit():
                self._hide("a number that is too long")
            try:
                index = int(digits)
            except ValueError:
                index = -1
            if index < 0:
                raise _Broken("a number is none")
            return index
        if kind >= 0:
            return int.from_bytes(self._read(kind), "little")
        width, signed = _LENGTHS[kind]
        length = int.from_bytes(self._read(width), "little", signed=signed)
        start = self._at
        if length < 0 or start + length > self._size:
            raise _Broken("it breaks off")
        data = None
        if length > _MAX_NAME:
            self._at = self._file.seek(start + length)
        else:
            data = self._read(length)
        return Text(_TEXTS[name], start, length, data) if name in _TEXTS else None

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        self._at += len(data)
        if len(data) < count:
            raise _Broken("it breaks off")
        return data

    def _line(self) -> bytes:
        line = self._file.readline(MAX_LINE)
        self._at += len(line)
        if not line:
            raise _Broken("it breaks off")
        if len(line) == MAX_LINE:
            self._hide("a line that is too long")
            raise _Broken("a line is too long")
        return line[:-1]  # without a line feed at its end, too, as Python's own reader does

    def _hide(self, what: str) -> None:
        self.program.hidden.append((self._at - 1, what))

    def _fetch(self, module: str | None, name: str | None) -> None:
        if module is None or name is None:
            self._hide("a name that is worked out while it is loaded")
            self._stack.append(None)
            return
        item = Fetched(module, name, self._at - 1)
        if not (item.importable or self._announced):
            raise _Broken("what it fetches cannot be there")
        self.program.fetched.append(item)
        self._stack.append(item)

    # --- stack ------------------------------------------------------------------------------

    def _pop(self, count: int) -> list[_Value]:
        if len(self._stack) < count:
            raise _Broken("its stack runs empty")
        values = self._stack[-count:]
        del self._stack[-count:]
        self._handed_on(values)
        return values

    def _to_mark(self) -> list[_Value]:
        if not self._below:
            raise _Broken("a mark is missing")
        values, self._stack = self._stack, self._below.pop()
        self._handed_on(values)
        return values

    def _handed_on(self, values: list[_Value]) -> None:
        for value in values:
            if isinstance(value, Fetched) and str(value) == _LOADER:
                self._hide(f"{_LOADER}, which something else calls")

    def _call(self, value: _Value) -> None:
        """Note that `value` is called, and put what comes of it on the stack."""
        self.program.calls += 1
        if not isinstance(value, Fetched) and (self.program.fetched or self.program.hidden):
            self._hide("a function that is worked out while it is loaded, and called")
        self._stack.append(None)

    def _top(self) -> _Value:
        if not self._stack:
            raise _Broken("its stack runs empty")
        return self._stack[-1]

    # --- opcodes: all that do more than to take something off the stack and put something there

    def do_proto(self, number: int) -> None:
        if number > 5:
            raise _Broken(f"its protocol {number} is unknown")
        self._announced = True

    def do_mark(self, _: object) -> None:
        self._below.append(self._stack)
        self._stack = []

    def do_pop(self, _: object) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._to_mark()

    def do_pop_mark(self, _: object) -> None:
        if not self._below:
            raise _Broken("a mark is missing")
        self._stack = self._below.pop()

    def do_dup(self, _: object) -> None:
        self._stack.append(self._top())

    def do_get(self, index: int) -> None:
        if index not in self._memo:
            raise _Broken("it asks for what it has not kept")
        self._stack.append(self._memo[index])

    do_binget = do_long_binget = do_get

    def do_put(self, index: int) -> None:
        self._memo[index] = self._top()

    do_binput = do_long_binput = do_put

    def do_memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._top()

    def do_global(self, argument: tuple[bytes, bytes]) -> None:
        try:
            self._fetch(argument[0].decode("utf-8"), argument[1].decode("utf-8"))
        except UnicodeDecodeError:
            raise _Broken("a name is no text") from None

    def do_stack_global(self, _: object) -> None:
        values = self._pop(2)
        names = [
            value.decoded(value.data) if isinstance(value, Text) and value.data else None
            for value in values
        ]
        texts = all(isinstance(value, Text) for value in values)
        if None in names and not (texts or self._announced or self.program.fetched):
            raise _Broken("a name is no text")
        self._fetch(*names)

    def do_ext1(self, _: object) -> None:
        if not self._announced:
            raise _Broken("an extension code has no meaning")
        self._hide("an extension code, whose meaning is nowhere in the file")
        self._stack.append(None)

    do_ext2 = do_ext4 = do_ext1

    def do_inst(self, argument: tuple[bytes, bytes]) -> None:
        self.do_global(argument)  # Python's own reader does so even if there is no mark
        item = self._stack.pop()
        self._to_mark()
        self._call(item)

    def do_obj(self, _: object) -> None:
        values = self._to_mark()
        if not values:
            raise _Broken("its stack runs empty")
        self._call(values[0])

    def do_newobj(self, _: object) -> None:
        self._call(self._pop(2)[0])

    def do_newobj_ex(self, _: object) -> None:
        self._call(self._pop(3)[0])

    def do_reduce(self, _: object) -> None:
        if len(self._stack) < 2:
            raise _Broken("its stack runs empty")
        arguments, function = self._stack.pop(), self._stack.pop()
        self._handed_on([arguments])
        given = arguments if isinstance(arguments, tuple) else ()
        self._call(function)
        if str(function) == _LOADER:
            self._load(given[0] if len(given) == 1 else None)
        elif str(function) == _ENCODE and len(given) == 2 and isinstance(given[0], Text):
            coding = given[1]
            if isinstance(coding, Text) and coding.data in (b"latin1", b"latin-1", b"iso-8859-1"):
                self._stack[-1] = _Encoded(given[0])

    def _load(self, value: object) -> None:
        """Note what is handed to torch as a file."""
        if isinstance(value, Text) and value.coding in ("bytes", "latin-1"):
            self.program.loads[value] = None
            return
        if isinstance(value, _Encoded):
            text = value.text
            self._decodable -= text.size
            if self._decodable >= 0:
                self._file.seek(text.start)
                decoded = text.decoded(self._file.read(text.size))
                self._file.seek(self._at)
                if decoded is not None and max(decoded, default="") <= "\xff":
                    self.program.loads[decoded.encode("latin-1")] = None
                    return
        self._hide(f"what {_LOADER} is given")

    def do_build(self, _: object) -> None:
        target, _state = self._pop(2)
        if isinstance(target, Fetched):
            self._hide(f"what becomes of {target}, which it changes")
        self._stack.append(None)

    def do_binpersid(self, _: object) -> None:
        (value,) = self._pop(1)
        # Before torch 1.6, classes of networks came with their source text.
        module = isinstance(value, tuple) and len(value) == 4 and isinstance(value[1], Fetched)
        self._stack.append(value[1] if module else None)  # type: ignore

    def do_tuple(self, _: object) -> None:
        self._tuple(self._to_mark())

    def do_tuple1(self, _: object) -> None:
        self._tuple(self._pop(1))

    def do_tuple2(self, _: object) -> None:
        self._tuple(self._pop(2))

    def do_tuple3(self, _: object) -> None:
        self._tuple(self._pop(3))

    def _tuple(self, values: list[_Value]) -> None:
        # Only those that a call is made with matter.
        short = len(values) <= 5 and not any(type(value) is tuple for value in values)
        self._stack.append(tuple(values) if short else None)


def _opcode(opcode: pickletools.OpcodeInfo) -> tuple[str, int | None, int, bool, int]:
    before = opcode.stack_before
    mark = pickletools.markobject in before
    pops = before.index(pickletools.markobject) if mark else len(before)
    return opcode.name, opcode.arg.n if opcode.arg else None, pops, mark, len(opcode.stack_after)


_OPCODES: Final = {opcode.code.encode("latin-1"): _opcode(opcode) for opcode in pickletools.opcodes}
