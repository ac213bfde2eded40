r"""The argument ``image_prompt``: names with example images.

::

    boats = a.png | b.jpg[b_mask.png], "C:\photos, 2024\roof.png"

A comma separates classes, a bar several examples of one. A name and an equals sign may stand in
front; without them the class is called like its first file. Square brackets hold a mask, white
where the thing is; an image with transparency carries its own. Double quotes keep commas and
brackets, bars and equals signs.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import NoReturn

from ...common.errors import PromptError
from .prompts import fold

_TOKEN = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<symbol>[,|=\[\]])|(?P<plain>[^",|=\[\]]+))')


@dataclass(frozen=True)
class Example:
    """One example: path of the image, path of its mask or None."""

    image: str
    mask: str | None


@dataclass(frozen=True)
class ImagePrompt:
    """A class that is described by examples."""

    name: str
    examples: tuple[Example, ...]


def parse_image_prompts(text: str) -> list[ImagePrompt]:
    """Read the argument.

    Parameters
    ----------
    text : str
        As the user typed it; may be empty.

    Returns
    -------
    list of ImagePrompt

    Raises
    ------
    PromptError
        Points at the column.
    """
    tokens = _tokens(text)
    prompts: dict[str, ImagePrompt] = {}
    place = 0
    while place < len(tokens):
        if _is_symbol(tokens, place, ","):
            place += 1
            continue
        prompt, place = _prompt(tokens, place)
        if prompts.setdefault(fold(prompt.name), prompt) is not prompt:
            raise PromptError(
                f"image_prompt: two classes are called {prompt.name!r}; join their examples with a "
                "bar, or give them names, as in 'boats = a.png'"
            )
        if place < len(tokens) and not _is_symbol(tokens, place, ","):
            _fail(tokens[place], "a comma or a bar was expected")
    return list(prompts.values())


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    place, text = 0, text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise PromptError(
                f"image_prompt, column {place + 1}: a double quote is opened and not closed"
            )
        kind = str(match.lastgroup)
        piece = match[kind] if kind == "quoted" else match[kind].strip()
        if piece or kind == "quoted":
            found.append((kind, piece, match.start(kind) + 1))
        place = match.end()
    return found


def _prompt(tokens: list[tuple[str, str, int]], place: int) -> tuple[ImagePrompt, int]:
    name = ""
    if _is_symbol(tokens, place + 1, "="):
        name = " ".join(_word(tokens, place, "a name").split())
        place += 2
    examples = []
    while True:
        path = _word(tokens, place)
        place += 1
        mask = None
        if _is_symbol(tokens, place, "["):
            mask = _word(tokens, place + 1)
            if not _is_symbol(tokens, place + 2, "]"):
                _fail(tokens[place], "this bracket is not closed")
            place += 3
        examples.append(Example(path, mask))
        if not _is_symbol(tokens, place, "|"):
            break
        place += 1
    file = re.split(r"[\\/]", examples[0].image.rstrip("\\/"))[-1]
    name = name or " ".join(os.path.splitext(file)[0].split())
    return ImagePrompt(name or examples[0].image, tuple(examples)), place


def _is_symbol(tokens: list[tuple[str, str, int]], place: int, symbol: str) -> bool:
    return place < len(tokens) and tokens[place][:2] == ("symbol", symbol)


def _word(tokens: list[tuple[str, str, int]], place: int, what: str = "a file") -> str:
    if place >= len(tokens):
        raise PromptError(f"image_prompt: the text ends where {what} was expected")
    kind, text, _ = tokens[place]
    if kind == "symbol" or not text.strip():
        _fail(tokens[place], f"{what} was expected")
    return text.strip()


def _fail(token: tuple[str, str, int], reason: str) -> NoReturn:
    raise PromptError(f"image_prompt, column {token[2]}: {reason}, found {token[1]!r}")
