"""Judging weights that are pickles by the functions and classes that loading would fetch.

Loading a pickle may run anything. Nothing is loaded here: the opcodes are read, and what they
fetch is compared with what the weights of a network need.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from schemas.emd.rules import Rule
from schemas.findings import Severity

from ..findings import Collector
from ..package.names import plural
from ..package.rules import collector as container_findings
from ..package.zip_data import STORED, EntryError, unpack
from ..package.zip_reader import ENCRYPTED, Entry, read_directory
from .opcodes import Global, Pickles, Window, read_pickles

__all__ = ["RULES", "check_array", "check_pickle", "check_torch_zip", "dangerous", "harmless"]

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_PICKLE = "Python: documentation of pickle, Warning"
_TORCH = "torch.load; weights_only is its default from torch 2.6 on, in ArcGIS Pro 3.7"

RULES: dict[str, Rule] = {
    "weights/pickle-runs-code": Rule(
        _E, "Whoever loads the weights runs what is in them, with the rights of the user.", _PICKLE
    ),
    "weights/pickle-hidden-name": Rule(
        _E, "The pickle works out what it fetches, as no honest program writes it.", _PICKLE
    ),
    "weights/pickle-classes": Rule(
        _W,
        "Whole objects were saved: their classes must be importable, in the same version, and"
        " newer torch refuses to load them.",
        _TORCH,
    ),
    "weights/damaged": Rule(_E, "The file breaks off or is none of its kind.", "its format"),
    "weights/not-read": Rule(
        _N, "The file is beyond what is looked into.", "this project's choice, for hostile files"
    ),
}

MAX_IN_MEMORY: Final = 64 * 1024 * 1024
"""Largest compressed pickle of a zip in bytes, unpacked, that is looked into."""
MAX_HEADER: Final = 1 << 16
"""So many bytes of the description of an array are read, not more."""
_SHOWN: Final = 6


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _in(modules: str, names: str) -> frozenset[str]:
    """Return the dotted names of all `names` in all `modules`."""
    return frozenset(f"{module}.{name}" for module in modules.split() for name in names.split())


_TORCH_TYPES: Final = (
    "Float Double Half BFloat16 Byte Char Short Int Long Bool ComplexFloat ComplexDouble QInt8"
    " QUInt8 QInt32 QUInt4x2 QUInt2x4"
)
_HARMLESS: Final = (
    _in("collections", "OrderedDict defaultdict Counter deque")
    | _in(
        "torch._utils",
        "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter"
        " _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor"
        " _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy",
    )
    | _in("torch torch.cuda", " ".join(f"{name}Storage" for name in _TORCH_TYPES.split()))
    | _in("torch torch.cuda", " ".join(f"{name}Tensor" for name in _TORCH_TYPES.split()))
    | _in(
        "torch",
        "Tensor Size device float16 float32 float64 bfloat16 int8 int16 int32 int64 uint8 bool"
        " complex64 complex128 quint8 qint8 qint32 float half double int long short"
        " contiguous_format channels_last strided preserve_format",
    )
    | _in("torch.nn.parameter", "Parameter Buffer")
    # _load_from_bytes reads another pickle, which is looked into as well.
    | _in("torch.storage", "UntypedStorage TypedStorage _load_from_bytes")
    | _in(
        "torch.jit._pickle",
        "build_intlist build_tensorlist build_doublelist build_boollist build_tensor_from_id"
        " restore_type_tag",
    )
    | _in("numpy.core.multiarray numpy._core.multiarray", "_reconstruct scalar")
    | _in("numpy.core.numeric numpy._core.numeric", "_frombuffer")
    | _in(
        "numpy",
        "ndarray dtype float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
        " bool_ str_ bytes_ complex64 complex128",
    )
    | _in("numpy.random._pickle", "__randomstate_ctor __generator_ctor __bit_generator_ctor")
    | _in("copyreg copy_reg", "_reconstructor")
    | _in(
        "builtins __builtin__",
        "object set frozenset dict list tuple int float complex str bytes bytearray bool slice"
        " range unicode long",
    )
    | _in("datetime", "datetime date timedelta timezone")
    | _words(
        "torch._tensor._rebuild_from_type_v2 torch.serialization._get_layout _codecs.encode"
        " argparse.Namespace types.SimpleNamespace fractions.Fraction decimal.Decimal uuid.UUID"
    )
)
"""What the weights of a network need, and values beside them; none of it does anything."""

_DANGEROUS_MODULES: Final = _words(
    "os posix nt posixpath ntpath subprocess _posixsubprocess sys pty socket _socket runpy"
    " importlib _frozen_importlib imp pkgutil zipimport ctypes _ctypes cffi code codeop pdb bdb"
    " timeit profile cProfile trace doctest shutil webbrowser urllib urllib2 http httplib ftplib"
    " smtplib telnetlib poplib imaplib xmlrpc requests pip setuptools venv ensurepip commands"
    " popen2 platform asyncio pickle _pickle cPickle marshal antigravity winreg _winreg msvcrt"
    " win32api win32com paramiko fabric IPython pexpect plumbum"
)
_DANGEROUS: Final = _in(
    "builtins __builtin__",
    "eval exec execfile compile __import__ open input breakpoint globals locals vars setattr"
    " delattr apply file reload exit quit help",
) | _words(
    "torch.load torch.serialization.load torch.jit.load torch.utils.model_zoo.load_url numpy.load"
    " numpy.testing._private.utils.runstring numpy.testing.utils.runstring"
    " numpy.ctypeslib.load_library joblib.load dill.load dill.loads cloudpickle.load"
    " cloudpickle.loads pandas.read_pickle types.FunctionType types.CodeType yaml.load"
    " yaml.unsafe_load"
)
_DANGEROUS_STARTS: Final = (
    "torch.hub.",
    "torch.package.",
    "torch.utils.cpp_extension.",
    "torch.distributed.rpc",
    "numpy.f2py",
    "numpy.distutils",
)
LEADS_OUT: Final = _words(
    "__globals__ __builtins__ __subclasses__ __import__ __getattribute__ __class__ __code__"
    " __loader__"
)
"""Names that lead from any object to everything else."""
_ASKS: Final = _in("builtins __builtin__", "getattr") | _in(
    "operator", "attrgetter methodcaller itemgetter"
)


def harmless(item: Global) -> bool:
    """Tell whether the weights of any network may fetch this."""
    return str(item) in _HARMLESS or item.module.startswith("__torch__")


def dangerous(item: Global) -> bool:
    """Tell whether this runs programs, reads or writes files, or uses the network."""
    full = str(item)
    if full in _HARMLESS:
        return False
    if full in _DANGEROUS or item.module.partition(".")[0] in _DANGEROUS_MODULES:
        return True
    if full.startswith(_DANGEROUS_STARTS):
        return True
    parts = item.name.split(".")
    # From protocol 4 on a name may lead through attributes: collections, abc.sys.modules.
    return any(part in LEADS_OUT for part in parts) or any(
        part in _DANGEROUS_MODULES for part in parts[:-1]
    )


def check_pickle(path: Path, name: str, findings: Collector, *, named: bool = True) -> None:
    """Judge a file that is a pickle, or several.

    Parameters
    ----------
    path, name : Path, str
        The file, and its name in reports.
    findings : Collector
        Takes the findings.
    named : bool
        Whether the file certainly is one: then a broken one is reported.
    """
    with path.open("rb") as file:
        read = read_pickles(Window(file, 0, path.stat().st_size))
    judge(read, name, findings, broken=named)


def check_array(file: BinaryIO, start: int, size: int, name: str, findings: Collector) -> None:
    """Judge a file of numpy, which holds a pickle where its elements are objects.

    Parameters
    ----------
    file : binary file
        Open for reading.
    start, size : int
        First byte of the array's file in it, and number of bytes.
    name : str
        Its name in reports.
    findings : Collector
        Takes the findings.
    """
    file.seek(start)
    head = file.read(min(size, 12))
    if head[:6] != b"\x93NUMPY" or len(head) < 12:
        return
    length = 2 if head[6] == 1 else 4
    begin = 8 + length + int.from_bytes(head[8 : 8 + length], "little")
    header = file.read(min(begin, MAX_HEADER))
    if b"|O" in header and begin < size:
        read = read_pickles(Window(file, start + begin, size - begin))
        judge(read, name, findings, broken=True)


def judge(read: Pickles, name: str, findings: Collector, *, broken: bool) -> None:
    """Turn what was read of a file into findings."""
    bad = [item for item in read.globals if dangerous(item)]
    if read.texts & LEADS_OUT:  # attributes of an object, one by one
        bad += [item for item in read.globals if str(item) in _ASKS]
    hidden = [item for item in read.globals if item.module == "?"]
    unknown = [
        item
        for item in read.globals
        if not harmless(item) and item not in bad and item.module != "?"
    ]
    if bad:
        findings.add(
            "weights/pickle-runs-code",
            f"loading the file fetches {_listed(bad)} (byte {bad[0].offset}), which weights never"
            " need",
            "Do not load it. Get the weights from their source again, as safetensors if possible.",
            name,
        )
    if hidden:
        findings.add(
            "weights/pickle-hidden-name",
            f"byte {hidden[0].offset} of the pickle fetches something whose name is worked out"
            " while it is loaded",
            "Do not load it. Get the weights from their source again, as safetensors if possible.",
            name,
        )
    if unknown:
        findings.add(
            "weights/pickle-classes",
            f"the file holds whole objects, not only tensors: loading it needs {_listed(unknown)}",
            "Save the tensors alone: torch.save(model.state_dict(), path), or safetensors.",
            name,
        )
    if not read.complete:
        findings.add(
            "weights/not-read",
            "the pickle is longer than what is looked into; nothing is known of its rest",
            "Save the weights as safetensors.",
            name,
        )
    elif read.problem and broken and not _continues(read):
        findings.add(
            "weights/damaged",
            f"the pickle cannot be read: {read.problem}",
            "Copy the file again, or save the weights anew.",
            name,
        )


def _continues(read: Pickles) -> bool:
    """Whether joblib wrote it: it puts raw arrays between the opcodes."""
    return any(item.module.startswith("joblib.") for item in read.globals)


def _listed(items: list[Global]) -> str:
    names = list(dict.fromkeys(str(item) for item in items))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def check_torch_zip(path: Path, name: str, findings: Collector) -> None:
    """Judge a zip as torch.save (from 1.6 on) and torch.jit.save write it.

    Parameters
    ----------
    path, name : Path, str
        The file, and its name in reports.
    findings : Collector
        Takes the findings.
    """
    faults = container_findings(path.name)
    with path.open("rb") as file:
        entries = read_directory(file, faults)
        if entries is None:
            reason = next((finding.message for finding in faults.report()), "it has no directory")
            findings.add(
                "weights/damaged",
                f"the zip cannot be read: {reason}",
                "Copy the file again, or save the weights anew.",
                name,
            )
            return
        for entry in entries:
            if entry.is_folder or entry.data_offset < 0:
                continue
            if entry.method == STORED and entry.name.endswith(".npy"):
                check_array(file, entry.data_offset, entry.packed, f"{name}/{entry.path}", findings)
            elif entry.name.endswith((".pkl", ".pickle")) or _begins_like_pickle(file, entry):
                _check_entry(file, entry, name, findings)


def _begins_like_pickle(file: BinaryIO, entry: Entry) -> bool:
    # Tensors have numbers for names in a folder `data`: what is in them is no matter.
    if entry.method != STORED or "/data/" in "/" + entry.name or entry.size < 4:
        return False
    file.seek(entry.data_offset)
    start = file.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def _check_entry(file: BinaryIO, entry: Entry, name: str, findings: Collector) -> None:
    place = f"{name}/{entry.path}"
    if entry.flags & ENCRYPTED or (entry.method != STORED and entry.size > MAX_IN_MEMORY):
        findings.add(
            "weights/not-read",
            f"{entry.path} in it ({plural(entry.size, 'byte')}) is not looked into",
            "Save the weights as safetensors.",
            name,
        )
        return
    if entry.method == STORED:
        judge(
            read_pickles(Window(file, entry.data_offset, entry.packed)),
            place,
            findings,
            broken=True,
        )
        return
    try:
        data = b"".join(unpack(file, entry))
    except EntryError as error:
        findings.add(
            "weights/damaged", error.what, "Copy the file again, or save the weights anew.", place
        )
        return
    judge(read_pickles(Window(BytesIO(data), 0, len(data))), place, findings, broken=True)
