"""A small byte-level vocabulary in CLIP's format, learnt by byte-pair encoding.

CLIP's tokenizer lowercases, splits into words (letters, single digits, runs of other signs), writes
each word as bytes of which the last is marked ``</w>``, and joins the pairs in the order in which
they were learnt (Sennrich et al. 2016, section 3.2).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

BEGIN = "<|startoftext|>"
END = "<|endoftext|>"
WORD_END = "</w>"

_WORD = re.compile(r"[^\W\d_]+|\d|[^\s\w]+|_+")


def byte_symbols() -> list[str]:
    """Return the printable sign that stands for each of the 256 bytes (GPT-2's alphabet)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    signs = {byte: chr(byte) for byte in printable}
    signs.update({byte: chr(0x100 + place) for place, byte in enumerate(others)})
    return [signs[byte] for byte in range(256)]


def learn(texts: Mapping[str, int], merges: int) -> list[tuple[str, str]]:
    """Learn which neighbouring symbols to join.

    Parameters
    ----------
    texts : mapping of str to int
        Text to how often it counts.
    merges : int
        How many pairs to learn at most; fewer where no pair occurs twice.

    Returns
    -------
    list of pairs of str
        The most frequent pair first; among equals the first in the order of the alphabet.
    """
    signs = byte_symbols()
    words: Counter[tuple[str, ...]] = Counter()
    for text, count in texts.items():
        for word in _WORD.findall(text.lower()):
            symbols = [signs[byte] for byte in word.encode("utf-8")]
            symbols[-1] += WORD_END
            words[tuple(symbols)] += count
    learnt: list[tuple[str, str]] = []
    while len(learnt) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for symbols_of_word, count in words.items():
            for pair in zip(symbols_of_word, symbols_of_word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        learnt.append(best)
        joined: Counter[tuple[str, ...]] = Counter()
        for symbols_of_word, count in words.items():
            joined[_join(symbols_of_word, best)] += count
        words = joined
    return learnt


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Return token to id in CLIP's order: bytes, bytes at a word's end, merges, begin, end."""
    signs = sorted(byte_symbols())
    tokens = [*signs, *(sign + WORD_END for sign in signs)]
    tokens += [first + second for first, second in merges]
    tokens += [BEGIN, END]
    # Two pairs may join to the same token ("a" + "bc", "ab" + "c"); it has one id.
    return {token: place for place, token in enumerate(dict.fromkeys(tokens))}


def write(folder: Path, merges: list[tuple[str, str]]) -> None:
    """Write ``vocab.json`` and ``merges.txt`` as CLIP's tokenizers read them."""
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    tokens = json.dumps(vocabulary(merges), ensure_ascii=False)
    (folder / "vocab.json").write_text(tokens + "\n", encoding="utf-8", newline="\n")


def _join(symbols: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    result: list[str] = []
    place = 0
    while place < len(symbols):
        if symbols[place : place + 2] == pair:
            result.append(symbols[place] + symbols[place + 1])
            place += 2
        else:
            result.append(symbols[place])
            place += 1
    return tuple(result)
