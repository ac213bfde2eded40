"""What a file is, told by its content, and everything in it that could be unpickled.

Any loader may be pointed at any file: `pickle.load`, ``torch.load(weights_only=False)``,
``numpy.load(allow_pickle=True)`` and `joblib.load`. So each content is asked everything that one
of them would ask, whatever the file is called: is it a zip, a tar, an array, compressed, a pickle?
What is found inside is asked again. What is not read to its end is an error.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, Final, cast

from ..findings import Collector, Severity
from ..package.names import plural
from ..package.rules import collector as zip_faults
from ..package.zip_data import METHODS, STORED, EntryError, unpack
from ..package.zip_reader import ENCRYPTED, Entry, read_directory
from .arrays import extent
from .formats import HDF5, holds_data_only, holds_lambda
from .parts import Content
from .pickles import read_pickle
from .program import ALLOWED, Fetched, Text

__all__ = ["PICKLES", "Judge"]

PICKLES: Final = (".pth", ".pt", ".pkl", ".pickle", ".ckpt", ".joblib")

MAX_OPCODES: Final = 1_000_000
"""So many opcodes of a file are read; a state dict takes some 40 per tensor."""
MAX_UNPACKED: Final = 256 * 1024 * 1024
"""So many bytes of a file's compressed parts are unpacked, kept on disk from 8 MiB on."""
MAX_DEPTH: Final = 16
MAX_PARTS: Final = 200_000
_IN_MEMORY: Final = 8 * 1024 * 1024
_CHUNK: Final = 1 << 20
_TAIL: Final = 65_557
"""Bytes at the end of a zip in which its directory is announced."""
_LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin: a number, pickled. Four more pickles and raw data follow."""
_LEGACY_PICKLES: Final = 5
_OF_TAR: Final = ("pickle", "storages", "tensors")
_SHOWN: Final = 6

_AGAIN: Final = "Copy the file again, or save the weights anew."
_SAVE: Final = (
    "Do not load it unless you trust whoever made it. Save the tensors alone:"
    " torch.save(model.state_dict(), path), or safetensors."
)
_SCRIPT: Final = re.compile(r"__torch__(\.\w+)+|torch\.jit\._pickle\.restore_type_tag")
_SCRIPT_FILES: Final = re.compile(
    rb"\b(?:torch|ops\.aten)\.(?:save|load|from_file)\b|\bops\.(?!aten|prim|quantized|torchvision)\w+"
)


class Judge:
    """Judges one file and everything in it.

    Parameters
    ----------
    findings : Collector
        Takes the findings.
    """

    def __init__(self, findings: Collector) -> None:
        self._findings = findings
        self._opcodes = MAX_OPCODES
        self._unpacked = MAX_UNPACKED
        self._parts = MAX_PARTS
        self.beyond_tensors: set[str] = set()
        """Names that ``torch.load(weights_only=True)`` refuses."""

    def judge(self, content: Content) -> bool:
        """Report what is wrong with a content.

        Returns
        -------
        bool
            Whether it is known what it is.
        """
        self._parts -= 1
        if content.depth > MAX_DEPTH or self._parts < 0:
            self._unread(content, "files in files are")
            return True
        head = content.open().read(512)
        # Each is asked: a file may be two things at once.
        asked = [
            ask(content, head) for ask in (self._zip, self._tar, self._array, self._compressed)
        ]
        if any(asked) and content.pickled:
            content = replace(content, pickled=False)
        known = self._pickles(content, head) or any(asked)
        if (head.startswith(HDF5) or (content.depth and head[:1] == b"{")) and holds_lambda(
            content.open()
        ):
            self._findings.add(
                "weights/keras-lambda",
                "the Keras model has a Lambda layer, which is Python code in the file",
                "Save the model without Lambda layers, or its weights alone.",
                content.place,
            )
        if not known and content.pickled and content.depth:
            self._damaged(content, "it is none of the forms that weights come in")
        return known or holds_data_only(content.open(), content.size, head, not content.pickled)

    # --- findings ---------------------------------------------------------------------------

    def _damaged(self, content: Content, what: str) -> None:
        self._findings.add(
            "weights/damaged", f"the file cannot be read to its end: {what}", _AGAIN, content.place
        )

    def _unread(self, content: Content, what: str) -> None:
        self._findings.add(
            "weights/not-read",
            f"{what} beyond what is looked into, so nothing is known of it",
            "Save the weights as safetensors, or uncompressed and alone.",
            content.place,
        )

    # --- archives ---------------------------------------------------------------------------

    def _zip(self, content: Content, head: bytes) -> bool:
        begins = head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\10"))
        file = content.open()
        if not begins:
            file.seek(max(0, content.size - _TAIL))
            if b"PK\5\6" not in file.read():
                return False
        faults = zip_faults(content.place)
        entries = read_directory(file, faults)
        fault = next(
            (
                finding.message
                for finding in faults.report()
                if finding.severity is Severity.ERROR or finding.rule == "container/leading-data"
            ),
            "" if entries is not None else "it has no directory",
        )
        if fault and (begins or entries):
            self._damaged(content, fault)
        entries = entries or []
        names = {entry.path for entry in entries}
        folder = entries[0].path.partition("/")[0] if entries else ""
        script = f"{folder}/constants.pkl" in names and any("/code/" in name for name in names)
        for entry in entries:
            if entry.data_offset >= 0 and (entry.packed or entry.size):
                self._entry(content, file, entry, script)
        return begins or bool(entries)

    def _entry(self, content: Content, file: BinaryIO, entry: Entry, script: bool) -> None:
        how = {"pickled": entry.name.lower().endswith(PICKLES), "script": script}
        inner = content.part(entry.data_offset, entry.packed, entry.path, **how)
        if entry.flags & ENCRYPTED or entry.method not in METHODS:
            self._unread(inner, "what is encrypted or compressed so is")
        elif entry.method != STORED:
            self._unpack(inner, unpack(file, entry), broken_is_fault=True)
        elif entry.size != entry.packed:
            self._damaged(inner, f"it announces {plural(entry.size, 'byte')}")
        else:
            self.judge(inner)
        if script and entry.path.endswith(".py"):
            self._script(inner)

    def _script(self, code: Content) -> None:
        found = _SCRIPT_FILES.search(code.open().read(_CHUNK)) if code.size <= _CHUNK else None
        if found or code.size > _CHUNK:
            what = found.group().decode() if found else "more code than is looked into"
            self._findings.add(
                "weights/torchscript-files",
                f"the TorchScript code uses {what}",
                "Do not load it unless you trust whoever made it.",
                code.place,
            )

    def _tar(self, content: Content, head: bytes) -> bool:
        try:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
            with tarfile.open(fileobj=content.open(), mode="r:") as archive:
                for member in archive:
                    inner = content.part(
                        member.offset_data,
                        member.size,
                        member.name,
                        pickled=member.name.lower().endswith((*PICKLES, *_OF_TAR)),
                    )
                    if member.issparse() or (not member.isreg() and member.name in _OF_TAR):
                        self._unread(inner, "links and other special entries are")
                    elif member.isreg():
                        self.judge(inner)
            return True
        except tarfile.HeaderError:
            return False
        except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
            self._damaged(content, str(error))
            return True

    # --- compressed -------------------------------------------------------------------------

    def _compressed(self, content: Content, head: bytes) -> bool:
        if head.startswith((b"ZF0x", b"\x04\x22\x4d\x18")):
            self._unread(content, "what joblib compresses so is")
            return True
        file, certain = content.open(), True
        if head.startswith(b"\x1f\x8b"):
            pieces = _pieces(gzip.open, file)
        elif head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
            pieces = _pieces(bz2.open, file)
        elif head.startswith((b"\xfd7zXZ", b"\x5d\0")):
            pieces, certain = _pieces(lzma.open, file), head[0] == 0xFD
        elif head[:1] == b"x" and int.from_bytes(head[:2], "big") % 31 == 0:
            pieces, certain = _inflate(file), False
        else:
            return False
        return self._unpack(content.part(0, content.size), pieces, broken_is_fault=certain)

    def _unpack(self, content: Content, pieces: Iterable[bytes], *, broken_is_fault: bool) -> bool:
        """Judge what is unpacked of a content; tell whether it could be unpacked."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            problem = ""
            try:
                for piece in pieces:
                    self._unpacked -= len(piece)
                    if self._unpacked < 0:
                        self._unread(content, f"more than {MAX_UNPACKED >> 20} MiB unpacked are")
                        return True
                    file.write(piece)
            except (OSError, EOFError, EntryError, zlib.error, lzma.LZMAError, ValueError) as error:
                problem = str(error).partition(". ")[0]
            size = file.tell()
            if problem and (broken_is_fault or (content.pickled and size)):
                self._damaged(content, problem)
            inner = content.holds(cast(BinaryIO, file), size, pickled=content.pickled)
            return (self.judge(inner) if size else False) or not problem or broken_is_fault

    # --- arrays -----------------------------------------------------------------------------

    def _array(self, content: Content, head: bytes) -> bool:
        if not head.startswith(b"\x93NUMPY"):
            return False
        try:
            begin, size = extent(content.open(), content.size, head)
        except ValueError as error:
            self._damaged(content, f"the header of the array is none ({error})")
            return True
        if size < 0:  # objects: a pickle
            self.judge(content.part(begin, content.size - begin, pickled=True))
        elif begin + size != content.size:
            self._damaged(
                content, f"the array takes {size:,} bytes, {content.size - begin:,} are there"
            )
        return True

    # --- pickles ----------------------------------------------------------------------------

    def _pickles(self, content: Content, head: bytes) -> bool:
        """Judge all pickles of a content, one behind the other."""
        announced = len(head) > 1 and head[0] == 0x80 and head[1] <= 5
        legacy = head.startswith(_LEGACY)
        if head[:1] == b"P":  # a persistent id, as which a zip begins: no loader gets past it
            return False
        file, at, count, problem = content.open(), 0, 0, ""
        fetched: list[Fetched] = []
        hidden: list[tuple[int, str]] = []
        loads: list[bytes | Text] = []
        while at < content.size and not (legacy and count == _LEGACY_PICKLES):
            program = read_pickle(file, at, content.size, self._opcodes)
            self._opcodes -= program.opcodes
            if (
                program.problem
                and not (count or announced)
                and not (program.plausible or program.exhausted)
            ):
                return False  # not a pickle, and nothing happens to whoever takes it for one
            fetched += program.fetched
            hidden += program.hidden
            loads += program.loads
            if program.exhausted:
                self._unread(content, f"pickles of more than {MAX_OPCODES:,} opcodes are")
                break
            if program.problem:
                problem = program.problem
                break
            at, count = program.end, count + 1
        real = announced or content.pickled or bool(fetched or hidden)
        if not real and (count == 0 or at < content.size):
            return False
        if problem and (count or content.pickled):
            where = f"{problem}, {content.size - at:,} bytes from its end" if count else problem
            self._damaged(content, f"as a pickle, {where}")
        self._names(content, fetched, hidden)
        for load in loads:
            if isinstance(load, Text):
                self.judge(content.part(load.start, load.size, pickled=True))
            else:
                self.judge(content.holds(io.BytesIO(load), len(load), pickled=True))
        return bool(count or fetched or hidden or (content.pickled and announced))

    def _names(
        self, content: Content, fetched: list[Fetched], hidden: list[tuple[int, str]]
    ) -> None:
        unknown, objects = [], []
        for item in fetched:
            if content.script and _SCRIPT.fullmatch(str(item)):
                continue
            kind = ALLOWED.get(str(item))
            if kind != "tensors":
                self.beyond_tensors.add(str(item))
            if kind is None:
                unknown.append(item)
            elif kind == "objects":
                objects.append(item)
        if unknown:
            self._findings.add(
                "weights/pickle-runs-code",
                f"loading the file fetches {_listed(unknown)} (byte {unknown[0].offset}), which is"
                " not on the list of what tensors need",
                _SAVE,
                content.place,
            )
        if hidden:
            self._findings.add(
                "weights/pickle-hidden-name",
                f"loading the file uses {hidden[0][1]} (byte {hidden[0][0]})",
                _SAVE,
                content.place,
            )
        if objects:
            self._findings.add(
                "weights/pickle-classes",
                f"the file holds whole objects, not only tensors: {_listed(objects)}",
                "Save the tensors alone: torch.save(model.state_dict(), path), or safetensors.",
                content.place,
            )


def _listed(items: list[Fetched]) -> str:
    names = list(dict.fromkeys(str(item) for item in items))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _pieces(opener: Any, file: BinaryIO) -> Iterator[bytes]:
    with opener(file) as stream:
        while piece := stream.read1(_CHUNK):
            yield piece


def _inflate(file: BinaryIO) -> Iterator[bytes]:
    """Yield what zlib makes of a file, as much of it as there is in front of a fault."""
    inner = zlib.decompressobj()
    while not inner.eof:
        data = inner.unconsumed_tail or file.read(512)
        if not data:
            raise EOFError("it breaks off")
        yield inner.decompress(data, _CHUNK)
