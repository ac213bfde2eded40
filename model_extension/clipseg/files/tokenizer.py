"""CLIP's byte-pair tokenizer: text to the token ids that the text tower reads.

The steps, in the order of the reference (the ``CLIPTokenizer`` of Hugging Face ``transformers``):

1. The special tokens ``<|startoftext|>`` and ``<|endoftext|>`` are cut out of the raw text.
2. What lies between is normalised to NFC and lowercased character by character.
3. It is split into words: English contractions, runs of letters, single digits, runs of anything
   else. White space separates and vanishes.
4. Each word is written as UTF-8 bytes, each byte as one symbol, the last one marked ``</w>``.
5. Neighbouring symbols are merged, the earliest learned pair first (byte-pair encoding, Sennrich
   et al. 2016, section 3.2).
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...common.errors import TokenizerError
from .words import normalize, split_words

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

BEGIN = "<|startoftext|>"
END = "<|endoftext|>"
CONTEXT_LENGTH = 77
"""Positions of CLIP's text tower, the begin and end tokens included."""

_SPECIALS = re.compile(f"({re.escape(BEGIN)}|{re.escape(END)})")
_WORD_END = "</w>"
_CACHED_WORDS = 8192
_CACHED_WORD_LENGTH = 64
_LARGEST_ID = 2**31 - 1
_SURROGATE = re.compile("[\ud800-\udfff]")


def _byte_symbols() -> tuple[str, ...]:
    """Return the printable character that stands for each byte in the vocabulary files.

    Printable Latin-1 bytes stand for themselves, the others for the characters from U+0100 on,
    in order (GPT-2's byte-level alphabet).
    """
    symbols: list[str] = []
    replaced = 0
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF:
            symbols.append(chr(byte))
        else:
            symbols.append(chr(0x100 + replaced))
            replaced += 1
    return tuple(symbols)


_BYTE_SYMBOLS = _byte_symbols()


class TokenBatch(NamedTuple):
    """Token ids of several texts, and how many tokens each text really has."""

    ids: NDArray[np.int64]
    lengths: list[int]


class Tokenizer:
    """Text to token ids, equal to ``transformers.CLIPTokenizer``.

    Parameters
    ----------
    vocab : mapping of str to int
        Token to id. Ids are unique and not negative; the tokens of CLIP that begin and end a text
        are among them. The latter also fills shorter texts of a batch, and stands for symbols that
        are missing: CLIP's own vocabulary has every byte and never needs that.
    merges : sequence of pairs of str
        Pairs of tokens to merge, the earliest learned first. Both tokens and what they make
        together are in `vocab`.

    Attributes
    ----------
    begin_id, end_id : int
        Ids of those two.
    size : int
        Rows that an embedding table needs: the highest id plus one.

    Raises
    ------
    TokenizerError
        Vocabulary and merges do not fit together.

    Notes
    -----
    These tokens written out inside a text become their ids, as in the reference. CLIP reads a text
    up to its first end token.
    """

    def __init__(self, vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
        _check_vocab(vocab)
        for token in (BEGIN, END):
            if token not in vocab:
                raise TokenizerError(
                    f"the vocabulary has no token {token!r}: take vocab.json of the same model"
                )
        self.begin_id, self.end_id = vocab[BEGIN], vocab[END]
        self.size = max(vocab.values()) + 1
        self._vocab = dict(vocab)
        self._merges = _ranked(merges, self._vocab)
        self._words: dict[str, list[int]] = {}

    @classmethod
    def from_folder(cls, folder: str | os.PathLike[str]) -> Tokenizer:
        """Read ``vocab.json`` and ``merges.txt``.

        Parameters
        ----------
        folder : path
            Folder that holds both files.

        Returns
        -------
        Tokenizer

        Raises
        ------
        TokenizerError
            A file is missing or broken; the message names it, and the line where there is one.
        """
        vocab_file = Path(folder) / "vocab.json"
        merges_file = Path(folder) / "merges.txt"
        vocab = _read_vocab(vocab_file)
        merges = _read_merges(merges_file)
        try:
            return cls(vocab, merges)
        except TokenizerError as error:
            raise TokenizerError(f"{vocab_file} and {merges_file.name}: {error}") from None

    def encode(self, text: str) -> list[int]:
        """Return the token ids of one text, however long.

        Parameters
        ----------
        text : str
            Any text, empty as well. Halves of surrogate pairs become U+FFFD.

        Returns
        -------
        list of int
            Begin token, tokens of the text, end token.

        Raises
        ------
        TokenizerError
            `text` is not a string.
        """
        if not isinstance(text, str):
            raise TokenizerError(f"a text to tokenize must be a str, not {type(text).__name__}")
        if _SURROGATE.search(text):
            # Through UTF-16 whole pairs become the character they mean.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        ids = [self.begin_id]
        for index, piece in enumerate(_SPECIALS.split(text)):
            if index % 2:
                ids.append(self._vocab[piece])
                continue
            for word in split_words(normalize(piece)):
                ids.extend(self._encode_word(word))
        ids.append(self.end_id)
        return ids

    def batch(self, texts: Sequence[str], length: int = CONTEXT_LENGTH) -> TokenBatch:
        """Encode several texts into one array.

        A text of more than `length` tokens keeps the first ``length - 1`` and the end token, as
        ``truncation=True`` does in the reference. The caller reports it: `lengths` tells.

        Parameters
        ----------
        texts : sequence of str
            The texts.
        length : int
            Most tokens per text, begin and end included; at least 2.

        Returns
        -------
        ids : ndarray of int64
            Shape (texts, longest), longest at most `length`, filled up with the end token.
        lengths : list of int
            Tokens of each whole text, begin and end included. Above `length` the text was
            truncated, and the difference is the number of tokens dropped.

        Raises
        ------
        TokenizerError
            `texts` is one string or holds something else than strings; `length` is below 2.
        """
        if isinstance(texts, str):
            raise TokenizerError("batch takes a list of texts; use encode for a single one")
        if length < 2:
            raise TokenizerError(
                f"length is {length}: the begin and end tokens alone need 2 positions"
            )
        rows = [self.encode(text) for text in texts]
        lengths = [len(row) for row in rows]
        ids = np.full((len(rows), min(max(lengths, default=0), length)), self.end_id, np.int64)
        for row, target in zip(rows, ids):
            kept = row if len(row) <= length else [*row[: length - 1], self.end_id]
            target[: len(kept)] = kept
        return TokenBatch(ids, lengths)

    def _encode_word(self, word: str) -> list[int]:
        known = self._words.get(word)
        if known is None:
            symbols = [_BYTE_SYMBOLS[byte] for byte in word.encode("utf-8")]
            symbols[-1] += _WORD_END
            known = self._merge([self._vocab.get(symbol, self.end_id) for symbol in symbols])
            if len(word) <= _CACHED_WORD_LENGTH:
                if len(self._words) >= _CACHED_WORDS:
                    self._words.clear()
                self._words[word] = known
        return known

    def _merge(self, ids: list[int]) -> list[int]:
        """Merge neighbours, the lowest rank first and then the leftmost.

        The symbols form a linked list and the possible merges a heap, so that a word of n symbols
        costs n log n and not n².
        """
        count = len(ids)
        ids = list(ids)
        before = list(range(-1, count - 1))
        after = list(range(1, count + 1))
        gone = [False] * count
        heap: list[tuple[int, int, int]] = []

        def offer(left: int, right: int) -> None:
            if left >= 0 and right < count:
                merge = self._merges.get((ids[left], ids[right]))
                if merge is not None:
                    heapq.heappush(heap, (merge[0], left, merge[1]))

        for left in range(count - 1):
            offer(left, left + 1)
        while heap:
            _, left, merged = heapq.heappop(heap)
            right = after[left]
            if gone[left] or right >= count:
                continue
            # An entry outlives the pair it was made for. As in the reference it counts as long
            # as the pair now in its place makes the same token.
            merge = self._merges.get((ids[left], ids[right]))
            if merge is None or merge[1] != merged:
                continue
            ids[left] = merged
            gone[right] = True
            after[left] = after[right]
            if after[left] < count:
                before[after[left]] = left
            offer(before[left], left)
            offer(left, after[left])
        return [id_ for id_, removed in zip(ids, gone) if not removed]


def _check_vocab(vocab: Mapping[str, int]) -> None:
    owners: dict[int, str] = {}
    for token, id_ in vocab.items():
        # bool is an int to isinstance, and no id.
        if type(id_) is not int or not 0 <= id_ <= _LARGEST_ID:
            raise TokenizerError(
                f"token {token[:80]!r} has the id {str(id_)[:80]}: ids are whole numbers from 0"
            )
        if id_ in owners:
            raise TokenizerError(
                f"tokens {owners[id_][:80]!r} and {token[:80]!r} share the id {id_}: "
                "take vocab.json of the model once more"
            )
        owners[id_] = token


def _ranked(
    merges: Sequence[tuple[str, str]], vocab: Mapping[str, int]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the pairs of ids with the rank of their merge and the id it makes."""
    ranked: dict[tuple[int, int], tuple[int, int]] = {}
    for rank, (left, right) in enumerate(merges):
        for token in (left, right, left + right):
            if token not in vocab:
                raise TokenizerError(
                    f"merge {rank + 1} ({left[:80]!r} and {right[:80]!r}) needs the token "
                    f"{token[:80]!r}, which the vocabulary lacks: take both files of the same model"
                )
        ranked[vocab[left], vocab[right]] = (rank, vocab[left + right])
    return ranked


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TokenizerError(
            f"{path} is missing: vocab.json and merges.txt belong in the same folder as the weights"
        ) from None
    except UnicodeDecodeError as error:
        raise TokenizerError(
            f"{path} is not UTF-8 text (byte {error.start}): copy it again"
        ) from None
    except (OSError, ValueError) as error:
        raise TokenizerError(f"{path} cannot be read: {error}") from None


def _read_vocab(path: Path) -> dict[str, int]:
    text = _read_text(path)
    try:
        vocab = json.loads(text, object_pairs_hook=_without_repetition)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    except json.JSONDecodeError as error:
        raise TokenizerError(
            f"{path} is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}): "
            "copy it again"
        ) from None
    except (ValueError, RecursionError):
        raise TokenizerError(f"{path} is not a vocabulary: copy it again") from None
    if not isinstance(vocab, dict):
        raise TokenizerError(f"{path} must hold one JSON object of tokens and ids")
    return vocab


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise TokenizerError(f"the token {key[:80]!r} is there twice: copy the file again")
        found[key] = value
    return found


def _read_merges(path: Path) -> list[tuple[str, str]]:
    merges: list[tuple[str, str]] = []
    # Only at "\n", which read_text makes of "\r\n" as well: the tokens may hold other characters
    # that str.splitlines takes for the end of a line.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line or line.startswith("#version"):
            continue
        parts = line.split(" ")
        if len(parts) != 2 or not all(parts):
            raise TokenizerError(
                f"{path}, line {number}: {line[:80]!r} is not two tokens separated by one space: "
                "copy the file again"
            )
        merges.append((parts[0], parts[1]))
    return merges
