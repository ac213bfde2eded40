"""The packaged tokenizer and that of transformers, side by side with the same vocabulary."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Callable

import pytest

from model_extension.clipseg.files.tokenizer import BEGIN, END, Tokenizer
from model_extension.clipseg.files.words import normalize, split_words
from tests.support.tokenizer_texts import CORPUS

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

FROZEN_WEIGHTS = os.environ.get("DLPK_FROZEN_WEIGHTS", "")


def byte_symbols() -> list[str]:
    """List the 256 symbols as tokenizers names them, in no particular order."""
    return sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())


def vocabulary(merges: list[tuple[str, str]], symbols: list[str]) -> dict[str, int]:
    """Give ids to symbols, symbols at the end of a word, merged tokens and the special tokens."""
    tokens = [*symbols, *(symbol + "</w>" for symbol in symbols)]
    tokens += [left + right for left, right in merges]
    return {token: id_ for id_, token in enumerate(dict.fromkeys([*tokens, BEGIN, END]))}


def learned_merges(count: int) -> list[tuple[str, str]]:
    """Learn merges from the corpus, the most frequent pair first."""
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words: list[list[str]] = []
    for word in split_words(normalize(CORPUS)):
        letters = list(level.pre_tokenize_str(word)[0][0])
        words.append([*letters[:-1], letters[-1] + "</w>"])
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs = Counter(pair for symbols in words for pair in zip(symbols, symbols[1:]))
        if not pairs:
            break
        left, right = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append((left, right))
        for symbols in words:
            for index in range(len(symbols) - 2, -1, -1):
                if symbols[index : index + 2] == [left, right]:
                    symbols[index : index + 2] = [left + right]
    return merges


def random_merges(count: int) -> list[tuple[str, str]]:
    """Make merges that no training would: in any order, several ways to one token."""
    source = random.Random(5)
    inner = list("abcd")
    last = [symbol + "</w>" for symbol in inner]
    merges: dict[tuple[str, str], None] = {}
    while len(merges) < count:
        left = source.choice(inner)
        right = source.choice(inner + last)
        if len(left + right) > 16:
            continue
        merges[left, right] = None
        (last if right.endswith("</w>") else inner).append(left + right)
    pairs = list(merges)
    source.shuffle(pairs)
    return pairs


class Pair:
    """A tokenizer of ours and the reference of the same vocabulary."""

    def __init__(self, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
        self.ours = Tokenizer(vocab, merges)
        self.reference = transformers.CLIPTokenizer(
            vocab=dict(vocab), merges=list(merges), model_max_length=77
        )

    def check(self, texts: list[str]) -> None:
        expected = self.reference(texts, verbose=False)["input_ids"]
        for text, ids in zip(texts, expected):
            assert self.ours.encode(text) == ids, ascii(text)


def real_pair() -> Pair:
    if not FROZEN_WEIGHTS:
        pytest.skip("DLPK_FROZEN_WEIGHTS does not point at CLIP's vocabulary")
    pair = Pair.__new__(Pair)
    pair.ours = Tokenizer.from_folder(FROZEN_WEIGHTS)
    pair.reference = transformers.CLIPTokenizer.from_pretrained(FROZEN_WEIGHTS)
    return pair


def learned_pair() -> Pair:
    merges = learned_merges(400)
    return Pair(vocabulary(merges, byte_symbols()), merges)


def random_pair() -> Pair:
    merges = random_merges(300)
    return Pair(vocabulary(merges, byte_symbols()), merges)


def gappy_pair() -> Pair:
    """Make a vocabulary that lacks most bytes."""
    merges = random_merges(100)
    return Pair(vocabulary(merges, list("abcd'<|!")), merges)


MAKERS: dict[str, Callable[[], Pair]] = {
    "learned": learned_pair,
    "random": random_pair,
    "gappy": gappy_pair,
    "real": real_pair,
}
