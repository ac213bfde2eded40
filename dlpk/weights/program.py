"""What a pickle would do when it is loaded, and the list of what it may fetch."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

ALLOWED: Final[dict[str, str]] = {
    f"{module}.{name}": kind
    for kind, modules in json.loads(Path(__file__).with_name("allowed.json").read_bytes()).items()
    for module, names in modules.items()
    for name in names.split()
}
"""Dotted name to kind: ``tensors``, which ``torch.load(weights_only=True)`` takes, too; ``values``
beside them; ``objects``, harmless parts of whole networks."""

_NAME: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_KNOWN: Final = sys.stdlib_module_names | {"__builtin__", "copy_reg", "joblib", "numpy", "torch"}


class Fetched(NamedTuple):
    """A function or class that a pickle fetches, and the byte at which it does, from 0."""

    module: str
    name: str
    offset: int

    def __str__(self) -> str:
        """Return the dotted name."""
        return f"{self.module}.{self.name}"

    @property
    def importable(self) -> bool:
        """Whether the module's name is one that Python has or could have."""
        return _NAME.fullmatch(self.module) is not None


class Text(NamedTuple):
    """A text or bytes on the stack: where they stand in the file, and short ones themselves."""

    coding: str
    start: int
    size: int
    data: bytes | None

    def decoded(self, data: bytes) -> str | None:
        """Return the text as the unpickler would make it of the bytes."""
        try:
            if self.coding == "utf-8":
                return data.decode("utf-8", "surrogatepass")
            if self.coding == "escaped":  # no name that is allowed needs an escape
                return None if b"\\" in data else data.strip()[1:-1].decode("latin-1")
            return None if self.coding == "bytes" else data.decode(self.coding)
        except ValueError:
            return None


@dataclass
class Program:
    """What one pickle would do."""

    fetched: list[Fetched] = field(default_factory=list)
    hidden: list[tuple[int, str]] = field(default_factory=list)
    """Byte and description of what cannot be told by reading."""
    loads: dict[bytes | Text, None] = field(default_factory=dict)
    """What it hands to torch as another file; a `Text` stands in the file as it is."""
    calls: int = 0
    end: int = 0
    """Byte behind the pickle, or where it breaks."""
    problem: str = ""
    """Why it was not read to its end; empty if it was."""
    opcodes: int = 0
    exhausted: bool = False
    """Whether more opcodes follow than may be read."""

    @property
    def plausible(self) -> bool:
        """Whether something that does not announce itself as a pickle would act like one."""
        return bool(self.hidden) or any(
            item.importable and (self.calls or item.module.partition(".")[0] in _KNOWN)
            for item in self.fetched
        )
