"""Weights that run a program when they are loaded, each in another way; here it only asks its id.

`FILES` maps a name to the file's name, its bytes and the loader that runs it: ``torch``,
``numpy``, ``pickle``, or none where no loader at hand does (joblib, Python 2, other libraries).
Many go back to public reports on picklescan, modelscan, fickling and Hugging Face.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

RUN = b"cos\ngetpid\n)R."
TWO = b"\x80\x02"
STOP_EARLY = RUN[:-1] + b"\xff no opcode"
LOAD = b"ctorch.storage\n_load_from_bytes\n"


class Runs:
    """Runs something when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[], int], tuple[()]]:
        import os

        return os.getpid, ()


class Loads:
    """Hands bytes to torch as a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        return torch.storage._load_from_bytes, (self.data,)


def saved(value: object, *, new: bool = True) -> bytes:
    """Return what torch.save writes."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def archive(
    entries: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b""
) -> bytes:
    """Return a zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as written:
        for name, data in entries.items():
            written.writestr(name, data)
        written.comment = comment
    return file.getvalue()


def torch_zip(pickled: bytes, name: str = "archive/data.pkl", **more: bytes) -> bytes:
    """Return a zip as torch.save writes it, around any pickle."""
    others = {"archive/version": b"3\n", "archive/byteorder": b"little", **more}
    return archive({name: pickled, **others})


def tarred(entries: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as written:
        for name, data in entries.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), kind
            written.addfile(member, io.BytesIO(data))
    return file.getvalue()


def array(description: str, data: bytes = TWO + RUN, version: int = 1) -> bytes:
    """Return an array of one element with a header of any spelling."""
    header = description.encode() + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def objects() -> bytes:
    """Return an array of objects as numpy writes it."""
    file = io.BytesIO()
    np.save(file, np.array([Runs()], dtype=object), allow_pickle=True)
    return file.getvalue()


def text(value: str) -> bytes:
    """Return the opcode that pushes a text."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def fetch(dotted: str) -> bytes:
    """Return the opcodes that fetch something by a name from the stack."""
    module, _, name = dotted.partition(":")
    return text(module) + text(name) + b"\x93"


def call(dotted: str, *arguments: str) -> bytes:
    """Return a pickle that calls something with texts."""
    inner = b"".join(map(text, arguments))
    return b"\x80\x04" + fetch(dotted) + b"(" + inner + b"tR."


def flagged(data: bytes, bits: int) -> bytes:
    """Return a zip with bits set in the flags of its directory, which torch does not look at."""
    changed = bytearray(data)
    at = changed.find(b"PK\1\2")
    while at >= 0:
        changed[at + 8] |= bits
        at = changed.find(b"PK\1\2", at + 4)
    return bytes(changed)


def renamed(data: bytes) -> bytes:
    """Return a zip whose local header has another name than its directory."""
    return data.replace(b"archive/data.pkl", b"archive/none.txt", 1)


def two_directories() -> bytes:
    """Return a zip whose end points to one directory and stands behind another."""
    honest, evil = torch_zip(TWO + b"}."), torch_zip(TWO + RUN)
    end = evil[-22:]
    return evil[:-22] + honest[honest.find(b"PK\1\2") : -22] + end


def nested(levels: int) -> bytes:
    """Return a pickle in a pickle in a pickle."""
    data = TWO + RUN
    for _ in range(levels):
        data = pickle.dumps(Loads(data), 4)
    return data


_DESCRIBED = "{'descr': %s, 'fortran_order': False, 'shape': (1,)}"
_INNER = saved(Runs(), new=False)
_ZIPPED = torch_zip(TWO + RUN)
_MEMO = (  # names are put by number, then others by count: which are under 0 and 1?
    b"\x80\x04" + text("os") + b"q\x00" + text("getpid") + b"q\x01"
    + text("torch._utils") + b"\x94" + text("_rebuild_tensor_v2") + b"\x940000h\x00h\x01\x93)R."
)  # fmt: skip
_BYTES = b"\x80\x04" + LOAD

FILES: dict[str, tuple[str, bytes, str]] = {
    # Ways to hand bytes to torch's own loader.
    "load-encoded": ("a.pth", pickle.dumps(Loads(_INNER), 2), "pickle"),
    "load-protocol-0": ("a.pth", pickle.dumps(Loads(_INNER), 0), "pickle"),
    "load-from-list": (
        "a.pth",
        b"\x80\x04" + LOAD + b"cbuiltins\nbytes\n]("
        + b"".join(b"K" + bytes([byte]) for byte in _INNER) + b"e\x85R\x85R.",
        "pickle",
    ),
    "load-nested": ("a.pth", nested(7), ""),
    "load-deep": ("a.pth", nested(40), ""),
    "load-zip": ("a.pth", pickle.dumps(Loads(saved(Runs())), 4), "pickle"),
    "load-in-zip": ("a.pth", torch_zip(pickle.dumps(Loads(saved(Runs())), 2)), "torch"),
    "load-by-defaultdict": (
        "a.pth", b"\x80\x02ccollections\ndefaultdict\n" + LOAD + b"\x85R.", ""
    ),
    "load-by-tensor-type": (
        "a.pth",
        b"\x80\x04ctorch._tensor\n_rebuild_from_type_v2\n(" + LOAD + b"ctorch\nTensor\nB"
        + struct.pack("<I", len(_INNER)) + _INNER + b"\x85}tR.",
        "pickle",
    ),
    # Archives in archives.
    "zip-in-zip": ("a.pth", archive({"inner.bin": _ZIPPED}), ""),
    "zip-in-deflated-zip": ("a.zip", archive({"x/y.bin": _ZIPPED}, zipfile.ZIP_DEFLATED), ""),
    "zip-in-tar-in-gzip": ("weights.bin", gzip.compress(tarred({"m": _ZIPPED})), ""),
    "tar-of-torch": (
        "a.pth",
        tarred({"sys_info": pickle.dumps({}), "pickle": TWO + RUN, "storages": pickle.dumps(0),
                "tensors": pickle.dumps(0)}),
        "",
    ),
    "tar-type-unknown": ("a.tar", tarred({"model.pkl": TWO + RUN}, b"Z"), ""),
    "tar-behind-raw-data": (
        "a.pth", tarred({"storages": pickle.dumps(1, 2) + bytes(8) + TWO + RUN}), ""
    ),
    "tar-name-is-program": ("a.pth", tarred({RUN.decode(): b""}), "pickle"),
    # Names and places.
    "zip-capital": ("a.pth", archive({"archive/data.PKL": TWO + RUN}), ""),
    "zip-other-name": ("a.pth", torch_zip(TWO + b"}.", **{"archive/config.dat": TWO + RUN}), ""),
    "zip-deep-folder": ("a.pth", torch_zip(TWO + RUN, "a/b/c/d/data.pkl"), ""),
    "zip-tensor-is-pickle": ("a.pth", torch_zip(TWO + b"}.", **{"archive/data/0": TWO + RUN}), ""),
    "named-bin": ("a.bin", saved(Runs()), "torch"),
    "named-model": ("a.model", TWO + RUN, "pickle"),
    "named-nothing": ("weights", TWO + RUN, "pickle"),
    "named-safetensors": ("a.safetensors", TWO + RUN, "pickle"),
    "named-text": ("notes.txt", RUN, "pickle"),
    "in-cache-folder": ("__pycache__/a.pth", TWO + RUN, "pickle"),
    # Begins like something else.
    "begins-like-gguf": ("a.gguf", b"GGUF\3\0\0\0\0" + b"0" + RUN, "pickle"),
    "begins-like-tflite": ("a.tflite", b"\x8c\x06\0\0TFL30" + RUN, "pickle"),
    "begins-like-bzip2": ("a.bin", b"BZh\0\0" + bytes(0x685A) + b"0" + RUN, "pickle"),
    "behind-safetensors": (
        "a.safetensors", b"\x02\0\0\0\0\0\0\0{}" + TWO + RUN, ""
    ),
    "behind-zip": ("a.pth", TWO + b"}." + _ZIPPED, ""),
    "in-front-of-zip": ("a.pth", TWO + RUN + _ZIPPED, "pickle"),
    "behind-array": ("a.npy", array(_DESCRIBED % "'|u1'", b"\1" + TWO + RUN), ""),
    # Arrays of objects.
    **{
        f"array-{number}": ("a.npy", array(_DESCRIBED % spelling), "numpy")
        for number, spelling in enumerate(
            ("'O'", "'object'", "'\\x4f'", "'|O8'", "[('a', 'O')]", "('O', (1,))",
             "[('a', [('b', '<f4'), ('c', 'O')])]", "'i4,O'"), 1
        )
    },
    "array-blanks": ("a.npy", array("{ 'descr' :'O','fortran_order':False,'shape':(1,)}"), "numpy"),
    "array-version-2": ("a.npy", array(_DESCRIBED % "'|O'", version=2), "numpy"),
    "array-scalar-shape": (
        "a.npy", array("{'descr': '|O', 'fortran_order': False, 'shape': ()}"), "numpy"
    ),
    **{  # numpy unpickles objects whatever their number is said to be
        f"array-counted-{number}": ("a.npy", array(header), "numpy")
        for number, header in enumerate((
            (_DESCRIBED % "'|O'").replace("1,", f"-{len(TWO + RUN)},"),
            _DESCRIBED % f"[('a', ('O', (2,))), ('b', 'S{len(TWO + RUN) + 2}')]",
        ), 1)
    },
    "npz-deflated": ("a.npz", archive({"a.npy": objects()}, zipfile.ZIP_DEFLATED), ""),
    "npz-capital": ("a.npz", archive({"a.NPY": objects()}), ""),
    "npz-bzip2": ("a.npz", archive({"a.npy": objects()}, zipfile.ZIP_BZIP2), ""),
    "npz-lzma": ("a.npz", archive({"a.npy": objects()}, zipfile.ZIP_LZMA), ""),
    # Compressed, as joblib does.
    "zlib": ("a.joblib", zlib.compress(TWO + RUN), ""),
    "zlib-cut": ("a.bin", zlib.compress(TWO + RUN)[:-4], ""),
    "zlib-in-two": ("a.bin", zlib.compress(TWO + b"N") + zlib.compress(b"0" + RUN), ""),
    "zstandard": ("a.pkl", b"\x28\xb5\x2f\xfd" + RUN, ""),
    "gzip": ("a.pkl", gzip.compress(RUN), ""),
    "bzip2": ("a.dat", bz2.compress(TWO + RUN), ""),
    "xz": ("a.dat", lzma.compress(TWO + RUN), ""),
    "lzma": ("a.dat", lzma.compress(TWO + RUN, lzma.FORMAT_ALONE), ""),
    "gzip-many-times": ("a.gz", gzip.compress(gzip.compress(gzip.compress(RUN))), ""),
    "zfile-of-joblib": ("a.pkl", b"ZF0x12" + b" " * 17 + zlib.compress(TWO + RUN), ""),
    "lz4-of-joblib": ("a.joblib", b"\x04\x22\x4d\x18" + bytes(20), ""),
    # Not the whole file, or not as Python's own tools read it.
    "padding": ("a.pkl", TWO + b"N0" * 1_000_000 + RUN, "pickle"),
    "broken-behind": ("a.bin", TWO + STOP_EARLY, "pickle"),
    "broken-behind-text": ("a.bin", STOP_EARLY, "pickle"),
    "broken-in-zip": ("a.pth", torch_zip(TWO + STOP_EARLY), "torch"),
    "number-in-hex": ("a.bin", TWO + b"I0x10\n0" + RUN, "pickle"),
    "number-with-zero-byte": ("a.bin", b"I1\0x\n0" + RUN, "pickle"),
    "second-pickle": ("a.pkl", pickle.dumps(1) + pickle.dumps(2) + RUN, ""),
    "raw-data-between": ("a.pkl", pickle.dumps(1) + bytes(9) + TWO + RUN, ""),
    "legacy-first": ("a.pth", saved(Runs(), new=False), "torch"),
    "legacy-other-magic": (
        "a.pth", b"L119547037146038801333356L\n." + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
        + TWO + RUN + pickle.dumps([], 2), "torch",
    ),
    "memo-confusion": ("a.pkl", _MEMO, "pickle"),
    "name-from-text-of-python-2": ("a.pkl", b"S'\\x6fs'\nS\"getpid\"\n\x93)R.", "pickle"),
    "name-with-escapes": ("a.pkl", b"\x80\x04V\\u006fs\nVgetpid\n\x93)R.", "pickle"),
    "name-is-an-attribute": (
        "a.pkl", b"\x80\x04" + fetch("torch._utils:os.getpid") + b")R.", ""
    ),
    "instance": ("a.pkl", b"(ios\ngetpid\n.", "pickle"),
    "object": ("a.pkl", b"(cos\ngetpid\no.", "pickle"),
    "new-object": ("a.pkl", b"\x80\x02csubprocess\nPopen\n)\x81.", "pickle"),
    "only-fetched": ("a.bin", b"cantigravity\nx\n\xff", ""),
    "extension": ("a.pkl", b"\x80\x02\x82\x01.", ""),
    "persistent": ("a.pkl", b"\x80\x02" + RUN[:-1] + b"Q.", "pickle"),
    "changes-a-class": (
        "a.pkl", b"\x80\x02cargparse\nNamespace\nN}X\1\0\0\0aK\1s\x86b.", ""
    ),
    # Zips that Python's reader refuses or reads otherwise, and torch loads.
    "zip-flag-encrypted": ("a.pth", flagged(_ZIPPED, 1), ""),
    "zip-flag-patched": ("a.pth", flagged(_ZIPPED, 0x20), ""),
    "zip-local-name": ("a.pth", renamed(_ZIPPED), ""),
    "zip-wrong-checksum": (
        "a.pth", _ZIPPED.replace(struct.pack("<I", zlib.crc32(TWO + RUN)), b"abcd"), ""
    ),
    "zip-two-directories": ("a.pth", two_directories(), ""),
    "zip-comment-with-end": (
        "a.pth", archive({"archive/data.pkl": TWO + RUN}, comment=b"PK\5\6" + bytes(30)), ""
    ),
    # TorchScript's names and files.
    "script-name": ("a.pth", b"\x80\x02c__torch__evil\nx\n)R.", ""),
    "script-name-in-zip": ("a.pth", torch_zip(b"\x80\x02c__torch__.evil\nx\n)R."), ""),
    "script-other-folder": (
        "a.pth", torch_zip(b"\x80\x02c__torch__.evil\nx\n)R.",
                           **{"x/constants.pkl": TWO + b").", "x/code/a.py": b""}), ""
    ),
    **{
        f"script-{number}": (
            "a.pt",
            archive({
                "m/data.pkl": b"\x80\x02c__torch__\nM\n)\x81.", "m/constants.pkl": TWO + b").",
                "m/code/__torch__.py": code, "m/version": b"3\n",
            }, method), "",
        )
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        for number, code in enumerate((
            b"torch.save(x, 'f')", b"torch .save(x, 'f')", b"t = torch\nt.save(x, 'f')",
            b"getattr(torch, 'save')(x, 'f')", b"torch.\\\nsave(x, 'f')",
            b"ops.image.write_file(x)",
            b"o = ops.aten\no.save(x, 'f')", b"ops.aten_evil.x(y)",
            b"x = '''\n''';torch.save(x, '')", b"# \"\ntorch.save(x, 'f')\n# \"",
        ), 1 + 10 * method)
    },
    **{
        f"keras-{number}": ("a.keras", archive({"config.json": config}), "")
        for number, config in enumerate((
            b'{"class_name":"Lambda"}', b'{"class_name": "Lamb\\u0064a"}',
            b'\n {"a": "__lambda__"}',
            b'{"module": "os", "class_name": "function", "config": "system"}',
            '{"class_name": "Lambda"}'.encode("utf-16"),
        ), 1)
    },
    "keras-behind-user-block": (
        "a.h5", bytes(512) + b'\x89HDF\r\n\x1a\n{"class_name": "Lambda"}', ""
    ),
    "keras-as-json": ("model.json", b'{"class_name": "Lambda"}', ""),
    "keras-in-graph": ("a.pb", b'\x0a\x18{"class_name": "Lambda" }', ""),
    "graph-writes-files": ("a.pb", b"\x0a\x0e\x0a\x01w\x12\x09WriteFile", ""),
    "keras-lambda": ("a.h5", b"\x89HDF\r\n\x1a\n" + b'{"class_name": "Lambda"}', ""),
}  # fmt: skip

GADGETS: list[str] = """
    os:system nt:system subprocess:Popen builtins:eval builtins:getattr builtins:dict.get
    numpy:__builtins__ numpy:prod.os.system numpy:load numpy.f2py.crackfortran:getlincoef
    pickle:loads joblib:load dill._dill:_create_function cloudpickle.cloudpickle:_make_function
    torch:load torch.hub:load torch.utils.bottleneck.__main__:run_cprofile
    torch.jit.unsupported_tensor_ops:execWrapper timeit:timeit bdb:Bdb.run runpy:_run_code
    idlelib.pyshell:ModifiedInterpreter.runcode importlib:import_module operator:attrgetter
    functools:partial types:FunctionType _io:FileIO webbrowser:open urllib.request:urlopen
    torch.storage:os.system collections:abc.sys.modules torch._tensor:Tensor.__reduce_ex__
    fastai.learner:Learner __main__:UNet lakes.network:UNet
""".split()  # noqa: SIM905
"""What other readers of pickles let through once, and classes of which nobody here knows."""
