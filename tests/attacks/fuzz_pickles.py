"""Random pickles: whatever Python's unpicklers would fetch beyond the list has to be reported.

``python -m tests.attacks.fuzz_pickles 100000`` tries so many; each number is a seed of its own.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

from dlpk.findings import Collector
from dlpk.weights.contents import Judge
from dlpk.weights.files import RULES
from dlpk.weights.parts import Content
from dlpk.weights.program import ALLOWED
from tests.attacks.malicious_weights import FILES, STOP_EARLY, text

_NAMES = [
    *[("os", "getpid"), ("posix", "getpid"), ("builtins", "eval"), ("subprocess", "Popen")] * 2,
    *[tuple(name.rsplit(".", 1)) for name in list(ALLOWED)[::9]],
    ("torch.storage", "_load_from_bytes"),
    ("_codecs", "encode"),
]
_THERE = sys.stdlib_module_names | {"__builtin__", "copy_reg", "numpy", "torch"}
_CODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
_CODES.remove(b"r")  # Python takes memory for the number that follows
_SNIPPETS = [
    *[b"N", b"(", b"]", b"}", b")", b"0", b"2", b"\x94", b"\x85", b"\x86", b"R", b"\x81", b"b"],
    *[b"I0x1\n", b"I1\0x\n", b"L5L\n", b"F1.5\n", b"p0\n", b"g0\n", b"q\1", b"h\1", b"p 2 \n"],
    *[b"S'os'\n", b"Vgetpid\n", b"U\2os", b"\x8c\6getpid", b"\x93", b"e", b"a", b"s", b"u", b"t"],
    *[b"\x80\x04", b"\x80\x02", b"\x80\x05", b"\x95" + bytes(8), b".", b"\xff", STOP_EARLY],
]


def program(chance: random.Random) -> bytes:
    """Return a random pickle: put together from opcodes, or a malicious one with bytes changed."""
    if chance.random() < 0.3:
        data = bytearray(FILES[chance.choice(list(FILES))][1][:4096])
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randint(0, 2)] = chance.choice([*_SNIPPETS, chance.randbytes(2)])
        return bytes(data)
    parts = [chance.choice([b"\x80\x02", b"\x80\x04", b"", b""])]
    for _ in range(chance.randint(1, 14)):
        module, name = chance.choice(_NAMES)
        parts.append(
            chance.choice(
                [
                    f"c{module}\n{name}\n".encode(),
                    text(module) + text(name) + b"\x93",
                    f"(i{module}\n{name}\n".encode(),
                    f"(c{module}\n{name}\no".encode(),
                    b")R",
                    chance.choice(_CODES) + chance.randbytes(chance.randint(0, 3)),
                    *[chance.choice(_SNIPPETS) for _ in range(6)],
                ]
            )
        )
    return b"".join(parts) + b"."


def fetched(data: bytes, unpickler: Any) -> list[str]:
    """Return what an unpickler fetches, read by read, until it stops or fails; nothing is run."""
    names: list[str] = []

    class Recorder(unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Callable[..., Any]:
            parts = module.split(".")
            if parts[0] not in _THERE or not all(part.isidentifier() for part in parts):
                raise ModuleNotFoundError(module)
            names.append(f"{module}.{name}")
            return Anything

        def persistent_load(self, key: object) -> object:
            return key

    file = io.BytesIO(data)
    try:
        while True:
            Recorder(file).load()
    except Exception:
        return names


class Anything:
    """Stands for whatever was fetched."""

    def __new__(cls, *_: Any, **__: Any) -> Anything:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None: ...
    def append(self, item: object) -> None: ...
    def extend(self, items: object) -> None: ...
    def add(self, item: object) -> None: ...
    def __setitem__(self, key: object, value: object) -> None: ...


def run(count: int, seed: int = 0) -> int:
    """Try so many pickles; return how many of them fetched something that is not allowed.

    Raises
    ------
    AssertionError
        If something was not reported.
    """
    evil = 0
    for number in range(seed, seed + count):
        data = program(random.Random(number))
        findings = Collector(RULES, "file")
        Judge(findings).judge(Content(io.BytesIO(data), 0, len(data), "file"))
        report = findings.report()
        for unpickler in (pickle.Unpickler, pickle._Unpickler):  # type: ignore[attr-defined]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                names = fetched(data, unpickler)
            beyond = [name for name in names if name not in ALLOWED]
            evil += bool(beyond)
            assert not beyond or report.errors, f"seed {number} fetches {beyond}: {data!r}"
    return evil


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
