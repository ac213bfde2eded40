"""Turn the bytes of a text file into text, whatever an editor made of them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Callable

__all__ = ["Decoded", "decode"]

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_CODE_PAGES = ("cp1252", "gb18030", "cp932", "cp949", "big5", "cp1251", "latin-1")
"""What Windows editors call "ANSI" in much of the world; the last takes any bytes."""


@dataclass(frozen=True)
class Decoded:
    """Text and how it was found in the bytes.

    Parameters
    ----------
    text : str
        The text, without byte order mark.
    encoding : str
        Python's name of the encoding that was taken.
    mark : bool
        Whether the file began with a UTF-8 byte order mark.
    wide : bool
        Whether it is UTF-16 or UTF-32.
    bad : int or None
        0-based offset in `text` of the first character that is not UTF-8; None if all of it is.
    """

    text: str
    encoding: str
    mark: bool = False
    wide: bool = False
    bad: int | None = None


def decode(data: bytes, readable: Callable[[str], bool]) -> Decoded:
    """Decode bytes as UTF-8, or as what they most likely are.

    Parameters
    ----------
    data : bytes
        Content of the file.
    readable : callable
        Tells whether a text makes sense; chooses between code pages.

    Returns
    -------
    Decoded
        Never raises: bytes that are no text become text that makes no sense.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, "replace")
            return Decoded(text, encoding, wide=True)
    if data[:1] == b"\x00" or data[1:2] == b"\x00":
        # JSON begins with an ASCII character, so a zero next to it is half of a wide one.
        encoding = "utf-16-be" if data[:1] == b"\x00" else "utf-16-le"
        return Decoded(data.decode(encoding, "replace"), encoding, wide=True)
    marked = data.startswith(codecs.BOM_UTF8)
    if marked:
        data = data[len(codecs.BOM_UTF8) :]
    try:
        return Decoded(data.decode("utf-8"), "utf-8", mark=marked)
    except UnicodeDecodeError as error:
        return _from_code_page(data, error.start, marked, readable)


def _from_code_page(
    data: bytes, bad: int, marked: bool, readable: Callable[[str], bool]
) -> Decoded:
    for encoding in _CODE_PAGES:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if readable(text):
            break
    else:
        encoding = "latin-1"
        text = data.decode(encoding)
    return Decoded(
        text, encoding, mark=marked, bad=len(data[:bad].decode(encoding, errors="replace"))
    )
