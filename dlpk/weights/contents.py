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
from .formats import graph_code, holds_data_only, is_text, script_code
from .parts import Content
from .pickles import read_pickle
from .program import ALLOWED, Program, Text

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

_SAVE: Final = "Save the tensors alone: torch.save(model.state_dict(), path), or safetensors."
_DISTRUST: Final = "Do not load it unless you trust whoever made it."
_SCRIPT: Final = re.compile(r"__torch__(\.\w+)+|torch\.jit\._pickle\.restore_type_tag")


class Judge:
    """Judges one file and everything in it, and reports to `findings`."""

    def __init__(self, findings: Collector) -> None:
        self._findings = findings
        self._opcodes = MAX_OPCODES
        self._unpacked = MAX_UNPACKED
        self._parts = MAX_PARTS
        self.beyond_tensors: set[str] = set()
        """Names that ``torch.load(weights_only=True)`` refuses."""

    def judge(self, content: Content) -> bool:
        """Report what is wrong with a content; tell whether it is known what it is."""
        self._parts -= 1
        if content.depth > MAX_DEPTH or self._parts < 0:
            self._unread(content, "files in files are")
            return True
        head = content.open().read(512)
        # Each is asked: a file may be two things at once.
        asked = [
            ask(content, head) for ask in (self._zip, self._tar, self._array, self._compressed)
        ]
        pickled = content.pickled and not any(asked)
        known = self._pickles(replace(content, pickled=pickled), head) or any(asked)
        code = graph_code(content.open(), head, content.place, inner=content.depth > 0)
        if content.script and content.place.endswith(".py"):
            code = code or script_code(content.open())
        if code:
            self._findings.add(
                "weights/model-code", f"the model's program has {code}", _DISTRUST, content.place
            )
        if not known and pickled and content.depth:
            self._damaged(content, "it is none of the forms that weights come in")
        return (
            known
            or holds_data_only(content.open(), content.size, head)
            or (is_text(head) and not pickled)
        )

    def _damaged(self, content: Content, what: str) -> None:
        again = "Copy the file again, or save the weights anew."
        message = f"the file cannot be read to its end: {what}"
        self._findings.add("weights/damaged", message, again, content.place)

    def _unread(self, content: Content, what: str) -> None:
        self._findings.add(
            "weights/not-read",
            f"{what} beyond what is looked into, so nothing is known of it",
            "Save the weights as safetensors, or uncompressed and alone.",
            content.place,
        )

    # --- archives ---------------------------------------------------------------------------

    def _zip(self, content: Content, head: bytes) -> bool:
        begins = head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\10", b"PK00"))
        file = content.open()
        file.seek(max(0, content.size - _TAIL))
        tail = file.read()
        if not begins and not (b"PK\1\2" in tail and b"PK\5\6" in tail):
            return False
        faults = zip_faults(content.place)
        entries = read_directory(file, faults)
        for fault in faults.report():
            if fault.severity is Severity.ERROR or fault.rule == "container/leading-data":
                self._damaged(content, fault.message)
                break
        if faults.broke("container/overlap"):  # the same bytes over and over
            return True
        names = {entry.path for entry in entries}
        folder = entries[0].path.partition("/")[0] if entries else ""
        script = f"{folder}/constants.pkl" in names and any("/code/" in name for name in names)
        for entry in entries:
            if entry.data_offset >= 0 and (entry.packed or entry.size):
                self._entry(content, file, entry, script)
        return True

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

    def _tar(self, content: Content, head: bytes) -> bool:
        try:
            tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
            with tarfile.open(fileobj=content.open(), mode="r:") as archive:
                for member in archive:
                    place, size, name = member.offset_data, member.size, member.name
                    pickled = name.lower().endswith((*PICKLES, *_OF_TAR))
                    inner = content.part(place, size, name, pickled=pickled)
                    if member.issparse() or (not member.isreg() and name in _OF_TAR):
                        self._unread(inner, "links and other special entries are")
                    elif member.isreg() or member.type not in tarfile.SUPPORTED_TYPES:
                        self.judge(inner)
            return True
        except tarfile.HeaderError:
            return False
        except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
            self._damaged(content, str(error))
            return True

    # --- compressed -------------------------------------------------------------------------

    def _compressed(self, content: Content, head: bytes) -> bool:
        for magic, opener, certain in _COMPRESSED:
            if not re.match(magic, head, re.DOTALL):
                continue
            if opener is None:
                self._unread(content, "what is compressed or compiled so is")
                return True
            inner = replace(content, depth=content.depth + 1)
            return self._unpack(inner, opener(content.open()), broken_is_fault=certain)
        return False

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

    def _array(self, content: Content, head: bytes) -> bool:
        if not head.startswith(b"\x93NUMPY"):
            return False
        begin, size = extent(content.open(), head)
        rest = content.size - begin
        if size is None and rest > 0:
            self.judge(content.part(begin, rest, pickled=True))
        elif size != rest:
            self._damaged(content, f"the array has not the {plural(rest, 'byte')} that are there")
        return True

    # --- pickles ----------------------------------------------------------------------------

    def _pickles(self, content: Content, head: bytes) -> bool:
        """Judge all pickles of a content, one behind the other."""
        announced = len(head) > 1 and head[0] == 0x80 and head[1] <= 5
        most = _LEGACY_PICKLES if head.startswith(_LEGACY) else content.size
        if head[:1] == b"P":  # a persistent id, as which a zip begins: no loader gets past it
            return False
        file, at, count, problem = content.open(), 0, 0, ""
        whole = Program()
        while at < content.size and count < most and not problem:
            program = read_pickle(file, at, content.size, self._opcodes)
            self._opcodes -= program.opcodes
            problem = program.problem
            if problem and not (count or announced or program.plausible or program.exhausted):
                return False  # not a pickle, and nothing happens to whoever takes it for one
            whole.fetched += program.fetched
            whole.hidden += program.hidden
            whole.loads |= program.loads
            if program.exhausted:
                self._unread(content, f"pickles of more than {MAX_OPCODES:,} opcodes are")
            elif not problem:
                at, count = program.end, count + 1
        acts = bool(whole.fetched or whole.hidden)
        if not (announced or content.pickled or acts) and (count == 0 or at < content.size):
            return False
        if problem and not program.exhausted and (count or content.pickled):
            where = f", {content.size - at:,} bytes from its end" if count else ""
            self._damaged(content, f"as a pickle, {problem}{where}")
        self._names(content, whole)
        for load in whole.loads:
            if isinstance(load, Text):
                self.judge(content.part(load.start, load.size, pickled=True))
            else:
                self.judge(content.holds(io.BytesIO(load), len(load), pickled=True))
        return bool(count or acts or (content.pickled and announced))

    def _names(self, content: Content, program: Program) -> None:
        fetched: dict[str, int] = {}
        for item in program.fetched:
            if not (content.script and _SCRIPT.fullmatch(str(item))):
                fetched.setdefault(str(item), item.offset)
        self.beyond_tensors |= {name for name in fetched if ALLOWED.get(name) != "tensors"}
        unknown = [name for name in fetched if name not in ALLOWED]
        objects = [name for name in fetched if ALLOWED.get(name) == "objects"]
        add, place = self._findings.add, content.place
        if unknown:
            what = f"{_listed(unknown)} (byte {fetched[unknown[0]]})"
            message = f"loading the file fetches {what}, which tensors do not need"
            add("weights/pickle-runs-code", message, f"{_DISTRUST} {_SAVE}", place)
        if program.hidden:
            at, what = program.hidden[0]
            message = f"loading the file uses {what} (byte {at})"
            add("weights/pickle-hidden-name", message, f"{_DISTRUST} {_SAVE}", place)
        if objects:
            message = f"the file holds whole objects, not only tensors: {_listed(objects)}"
            add("weights/pickle-classes", message, _SAVE, place)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _pieces(opener: Any) -> Any:
    def pieces(file: BinaryIO) -> Iterator[bytes]:
        with opener(file) as stream:
            while piece := stream.read1(_CHUNK):
                yield piece

    return pieces


def _inflate(file: BinaryIO) -> Iterator[bytes]:
    """Yield what zlib makes of streams one behind the other, until a fault."""
    data = file.read(512)
    while data:
        inner = zlib.decompressobj()
        while not inner.eof:
            if not data:
                raise EOFError("it breaks off")
            yield inner.decompress(data, _CHUNK)
            data = inner.unconsumed_tail or (b"" if inner.eof else file.read(512))
        data = inner.unused_data or file.read(512)


_COMPRESSED: Final[tuple[tuple[bytes, Any, bool], ...]] = (
    (rb"\x1f\x8b", _pieces(gzip.open), True),
    (rb"BZh.1AY&SY", _pieces(bz2.open), True),
    (rb"\xfd7zXZ", _pieces(lzma.open), True),
    (rb"\]\0", _pieces(lzma.open), False),
    (rb"x[\x01\x20\x3f\x5e\x7d\x9c\xbb\xda\xf9]", _inflate, False),
    # joblib's old and its LZ4 files, Zstandard, TorchScript for mobiles
    (rb"ZF0x|\x04\x22\x4d\x18|\x28\xb5\x2f\xfd|.{4}PTMF", None, True),
)
"""How compressed files begin, what unpacks them, and whether nothing else begins so."""
