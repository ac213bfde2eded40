"""Recognise what a file is that was given for a package and is none."""

from __future__ import annotations

from typing import Final

HEAD: Final = 1024
"""How many bytes of a file's beginning `recognise` wants to see."""

_REZIP: Final = "Unpack it, then zip the files (dlpk build writes the zip ArcGIS reads)."
_DOWNLOAD: Final = "Download the package again, signed in where the portal asks for it."

# (offset, magic bytes, what it is, what to do)
_MAGIC: Final[tuple[tuple[int, bytes, str, str], ...]] = (
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _REZIP),
    (0, b"Rar!\x1a\x07", "a RAR archive", _REZIP),
    (0, b"\x1f\x8b", "a gzip file", _REZIP),
    (0, b"\xfd7zXZ\x00", "an xz file", _REZIP),
    (0, b"BZh", "a bzip2 file", _REZIP),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", _REZIP),
    (257, b"ustar", "a tar archive", _REZIP),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras weights", "Build a package around it."),
    (0, b"\x80\x02", "a Python pickle, such as old PyTorch weights", "Build a package around it."),
    (0, b"%PDF", "a PDF document", _DOWNLOAD),
    (0, b"II*\x00", "a TIFF raster", "Give the package first, then the raster."),
    (0, b"MM\x00*", "a TIFF raster", "Give the package first, then the raster."),
)


def recognise(head: bytes) -> tuple[str, str]:
    """Return what a file with this head is, to complete "this is ...", and what to do about it."""
    for offset, magic, kind, remedy in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return kind, remedy
    if not head.strip(b"\x00"):
        return "a run of zero bytes, as an interrupted download leaves", _DOWNLOAD
    if head[8:9] == b"{" and head[5:8] == b"\x00\x00\x00":
        return "a safetensors file: weights, not a package", "Build a package around it."
    return _recognise_text(head)


def _recognise_text(head: bytes) -> tuple[str, str]:
    text = head.lstrip(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<script")):
        return "a web page, as a failed download or a sign-in form leaves", _DOWNLOAD
    if text.startswith(b"<"):
        return "an XML or HTML text", _DOWNLOAD
    if text.startswith(b"version https://git-lfs.github.com/spec"):
        return "a Git LFS pointer, not the file itself", "Fetch the file: git lfs pull."
    if text.startswith(b"{"):
        if b'"error"' in text:
            return "an error message of a portal in JSON", _DOWNLOAD
        if any(key in text for key in (b'"modeltype"', b'"inferencefunction"', b'"modelfile"')):
            return "an EMD, the description inside a package", "Give it a name that ends in .emd."
        if b'"itemid"' in text or b'"owner"' in text or b'"typekeywords"' in text:
            return "a portal item's description in JSON", "Download its data: .../items/<id>/data."
        return "a JSON text", _DOWNLOAD
    if text.startswith((b"http://", b"https://", b"[internetshortcut]")):
        return "a link to somewhere else", "Download what it leads to."
    if text and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "a text file", _DOWNLOAD
    return "of no kind known here", "Give a .dlpk file: a zip with one .emd file at its root."
