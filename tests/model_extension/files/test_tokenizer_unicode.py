"""Lower case, composition and kind of every character there is, against tokenizers."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from model_extension.clipseg.files.words import normalize, split_words
from tests.support.tokenizer_texts import NAMED, SCALARS

tokenizers = pytest.importorskip("tokenizers")


def reference_normalizer() -> Any:
    parts = tokenizers.normalizers
    return parts.Sequence([parts.NFC(), parts.Lowercase()])


def test_lower_case_of_every_character() -> None:
    text = "\n".join(map(chr, SCALARS))
    ours = normalize(text).split("\n\n\n")
    theirs = reference_normalizer().normalize_str(text).split("\n\n\n")
    assert ours == theirs


@pytest.mark.parametrize(
    "template",
    ["a{}\u0334", "a\u0345{}", "a\u0323{}", "a{}\u0323\u0301", "{}\u0307\u0323", "\u1100{}\u11a8"],
)
def test_composition_of_every_character(template: str) -> None:
    before, after = template.split("{}")
    text = "\n".join(before + chr(code) + after for code in NAMED)
    ours = normalize(text).split("\n")
    theirs = reference_normalizer().normalize_str(text).split("\n")
    assert ours == theirs


def test_composition_of_every_decomposed_pair() -> None:
    pairs = [unicodedata.normalize("NFD", chr(code)) for code in NAMED]
    # Pairs that later versions of Unicode than Python's compose, and the reference does not.
    later = [
        *("\U000105d2\u0307", "\U000105da\u0307", "\U00011382\U000113c9", "\U0001138b\U000113c2"),
        *("\U000113c2\U000113b8", "\U00011935\U00011930", "\U0001611e\U0001611e"),
        *("\U00016121\U0001611f", "\U00016d63\U00016d67", "\U00016d69\U00016d67"),
    ]
    text = "\n".join(pairs + later)
    assert normalize(text) == reference_normalizer().normalize_str(text)


def test_kind_of_every_character() -> None:
    # A letter joins the a, a digit stands alone, other characters join the exclamation mark,
    # white space vanishes.
    text = "".join(f"a{chr(code)}!\n" for code in NAMED)
    pieces = tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True
    ).pre_tokenize_str(text)
    assert split_words(text) == [piece for piece, _ in pieces]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("it's 'street", ["it", "'s", "'s", "treet"]),
        ("a12b", ["a", "1", "2", "b"]),
        ("!'s", ["!'", "s"]),
        ("<|endoftext|>!", ["<|", "endoftext", "|>", "!"]),
        ("a\x1cb", ["a", "\x1c", "b"]),
    ],
)
def test_split_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words
