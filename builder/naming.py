"""Names that people give, made fit for a model definition and for every file system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST_STEM = 60
# Domain names of a geodatabase hold no more, and may not like these.
LONGEST_CLASS = 160
_UNWELCOME = re.compile(r"[\x00-\x1f\x7f\"'`\\%;|<>*?]+")
# Windows keeps these for devices, with any extension.
_DEVICE = re.compile(r"con|prn|aux|nul|conin|conout|(com|lpt)[0-9]", re.IGNORECASE)


def plain_text(text: str) -> str:
    """A text on one line, without control characters and halves of characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    spaced = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in whole)
    return " ".join(spaced.split())


def file_stem(title: str) -> str:
    """A file name without extension for a title, in ASCII, that every system takes.

    Parameters
    ----------
    title : str
        Anything.

    Returns
    -------
    str
        Letters, digits, ``_`` and ``-``; accents are dropped, the rest becomes ``_``.
    """
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
    stem = re.sub(r"[^A-Za-z0-9-]+", "_", ascii_title)[:LONGEST_STEM].strip("_-")
    if not stem or _DEVICE.fullmatch(stem):
        return "clipseg" + (f"_{stem}" if stem else "")
    return stem


def class_names(prompts: Sequence[str]) -> list[str]:
    """Class names for the model definition, which geodatabases and legends take.

    Parameters
    ----------
    prompts : sequence of str

    Returns
    -------
    list of str
        One per prompt, all different.
    """
    names: dict[str, str] = {}
    for prompt in prompts:
        name = plain_text(_UNWELCOME.sub(" ", prompt))[:LONGEST_CLASS].strip() or "prompt"
        first, number = name, 1
        while name.casefold() in names:
            number += 1
            name = f"{first[: LONGEST_CLASS - 5].strip()} {number}"
        names[name.casefold()] = name
    return list(names.values())
