"""Texts and characters that mean trouble to tokenizers, and texts to learn merges from."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

SCALARS = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
# Planes 4 to 13 hold nothing, 15 and 16 private characters without properties.
NAMED = [code for code in SCALARS if code < 0x40000 or 0xE0000 <= code < 0xE1000 or code > 0x10FF00]

CORPUS = """
A photo of a cat. A photograph of the solar panels on a roof; water, vegetation and bare ground.
It's the boat's 3rd harbour, isn't it? They're 12 lakes, I'm sure we'll find what you've seen.
The quick brown fox jumps over the lazy dog and runs into the forest near the water of the river.
Die Straße führt über den Fluß. Où est la forêt ? Ποταμός, θάλασσα και ουρανός. Река и лес.
水 田 太陽光 パネル 나무 강 🌳🌊 पानी जंगल water water water roof roof roof!!! ... ???
"""

MARKS = [code for code in SCALARS if unicodedata.category(chr(code))[0] == "M"]
POOLS: list[Any] = [
    SCALARS,
    NAMED,
    range(0x250),
    [ord("a"), *MARKS],
    [ord(c) for c in "abcd"],
    [ord(c) for c in "sStTrReEvVmMlLdD'’ʼ \"!.,0123"],
    [ord(c) for c in "<|startofendx|> "],
    [*range(0x2000, 0x2070), 0, 9, 10, 11, 12, 13, 0x1C, 0x1D, 0x1E, 0x1F, 0x85, 0xA0, 0xAD],
    [0x130, 0x131, 0x49, 0x69, 0x307, 0x1E9E, 0xDF, 0x3A3, 0x3C3, 0x3C2, 0x41, 0x20, 0x212A],
    range(0x370, 0x600),
    range(0x900, 0xE00),
    range(0x1100, 0x1200),
    range(0x3040, 0xA000),
    range(0xAC00, 0xD7A4),
    range(0x10000, 0x20000),
    [0x1F468, 0x1F469, 0x1F467, 0x200D, 0xFE0F, 0x1F3FD, 0x2764, *range(0x1F1E6, 0x1F200)],
    [0xB2, 0xBD, 0x2167, 0x4E00, 0x661, 0x0BF0, 0x1D7D8, 0x31, 0x61],
]
LENGTHS = [0, 1, 2, 3, 5, 8, 20, 60, 200]


def generated(seed: int, count: int) -> list[str]:
    """Make texts of characters that mean trouble, each from one to three pools of them."""
    source = random.Random(seed)
    texts = []
    for _ in range(count):
        pools = source.sample(POOLS, source.choice([1, 1, 2, 3]))
        size = source.choice(LENGTHS)
        texts.append("".join(chr(source.choice(source.choice(pools))) for _ in range(size)))
    return texts


TEXTS = [
    "",
    " ",
    "a photo of a cat",
    "  A  Photo\tof\na\r\ncat  ",
    "isn't they're I'M we'LL 'S ''s 'street rock'n'roll 'ſ o'\u0301s",
    "<|endoftext|>",
    "x<|startoftext|>y<|endoftext|><|endoftext|> z",
    "<|ENDOFTEXT|> <|StartOfText|>! !<|EndOfText|> <|endoftext|\u0338>",
    "<|endoftext|>\u0301 <|endoftext| > <<|endoftext|>>",
    "12345 3.14 ½²Ⅷ ٣ 一二三",
    "Straße STRASSE ẞ ß İstanbul ISPARTA ıi ΣΑΣ ΟΔΟΣ Σ ς",
    "e\u0301 é q\u0307\u0323 q\u0323\u0307 가 각 \u212b \ufb01 ①",
    "👨‍👩‍👧 ❤️ 🇫🇷 🏽 水田 太陽光パネル 나무 पानी தமிழ்",
    "\0 a\0b \x1c \x1f \x85 \xa0 \u180e \u200b \u2028 \ufeff \u3000 \U0010ffff",
    "!!! ... ?!?! ---- ((( ))) #@$%^&*_+={}[]|\\~`",
    "a" * 300,
    "water " * 200,
]
