"""What people may type: many phrasings of each concept, and prompts that mean nothing here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from training.data.references import CONCEPTS

WORDS = Path(__file__).parent / "words"

NOTHING = len(CONCEPTS)
"""The number that stands for "none of the concepts"."""

_TABLES: dict[str, Any] = json.loads((WORDS / "phrases.json").read_text("utf-8"))

PHRASES: dict[str, list[str]] = _TABLES["phrases"]
"""Concept to its phrasings."""

TEMPLATES: list[str] = _TABLES["templates"]
"""Sentences that the training puts around phrases and around unknown words alike."""

QUALITIES: list[str] = _TABLES["qualities"]
VIEWS: list[str] = _TABLES["views"]
PICTURES: list[str] = _TABLES["pictures"]
"""With `QUALITIES` and `VIEWS`: "a good aerial photo of ..."."""

HELD_OUT_TEMPLATES: list[str] = _TABLES["held-out templates"]
"""Sentences that only the evaluation uses."""

ADJECTIVES: list[str] = _TABLES["adjectives"]
"""Words that leave a concept what it is."""

COMPOUNDS: list[str] = _TABLES["compounds"]
"""Things that have a concept's word in their name and are something else."""

_SCRIPTS = (
    (0x0400, 0x045F), (0x0391, 0x03C9), (0x05D0, 0x05EA), (0x0621, 0x064A), (0x0905, 0x0939),
    (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x5E00), (0xAC00, 0xB500), (0x00C0, 0x017F),
    (0x1F300, 0x1F5FF), (0x0E01, 0x0E30), (0x2190, 0x21FF), (0x0021, 0x002F), (0x003A, 0x0040),
)  # fmt: skip
_VOWELS = "aeiouy"
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ENDINGS = ("", "s", "es", "y", "ed", "ing", "ier", "like", "'s")


def read_words(name: str) -> list[str]:
    """Return the white-space separated words of a file in `WORDS`; ``-`` joins two into one."""
    text = (WORDS / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [word.replace("-", " ") for word in " ".join(lines).split()]


def read_held_out() -> list[str]:
    """Return the unknown prompts that only the evaluation uses, one per line of the file."""
    text = (WORDS / "held_out.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


class Prompts:
    """Draws prompts for training.

    Parameters
    ----------
    random : numpy Generator
        The only source of chance.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._held_out = {text.lower() for text in read_held_out()}
        self._known = {phrase for phrases in PHRASES.values() for phrase in phrases}
        self._known_words = sorted({word for phrase in self._known for word in phrase.split()})
        self._spared = {word + end for word in self._known_words for end in _ENDINGS}
        # Half of the picture's words, such as "area" or "green", name nothing by themselves.
        parts = [word for word in self._known_words if word not in self._known and len(word) > 3]
        self._nouns = [word for word in read_words("nouns.txt") if word not in self._spared]
        self._parts = parts
        self._common = [word for word in read_words("common.txt") if word not in self._spared]

    def known(self, concept: int) -> str:
        """Return a phrasing of the concept with this number."""
        text = self._one(PHRASES[CONCEPTS[concept]])
        if self._chance(0.12):
            text = f"{self._one(ADJECTIVES)} {text}"
        return self._dress(text)

    def unknown(self) -> str:
        """Return a prompt that names none of the concepts and is not held out."""
        while True:
            text = self._unknown_core()
            if text.lower().strip() not in self._held_out:
                return text

    def long_unknown(self) -> str:
        """Return nonsense of 10 to 70 words."""
        return self._nonsense(int(self._random.integers(10, 70)))

    def _unknown_core(self) -> str:
        kind = self._random.random()
        if kind < 0.03:
            return self._one(("", " ", ".", "a photo of", "a satellite image of", "the", "a", "an"))
        if kind < 0.08:
            return self._nonsense(int(self._random.integers(3, 8)))
        if kind < 0.16:
            return self._foreign()
        text = self._unknown_word(kind)
        if self._chance(0.1):
            text = f"{self._one(ADJECTIVES)} {text}"
        return self._dress(text)

    def _unknown_word(self, kind: float) -> str:
        if kind < 0.38:
            return self._one(self._nouns) + ("s" if self._chance(0.25) else "")
        if kind < 0.46:
            return f"{self._one(self._nouns)} {self._one(self._nouns)}"
        if kind < 0.56:
            return self._compound()
        if kind < 0.72:
            return self._corrupted()
        if kind < 0.84:
            return self._pseudo_word()
        if kind < 0.90:
            return self._one(self._common)
        if kind < 0.94:
            return self._one(self._parts)
        if kind < 0.97:
            return str(int(self._random.integers(0, 10 ** int(self._random.integers(1, 7)))))
        return "".join(self._one(_LETTERS) for _ in range(int(self._random.integers(1, 13))))

    def _compound(self) -> str:
        if self._chance(0.5):
            return self._one(COMPOUNDS)
        concept = self._one(tuple(sorted(self._known)))
        noun = self._one(self._nouns)
        return f"{concept} {noun}" if self._chance(0.6) else f"{noun} {concept}"

    def _corrupted(self) -> str:
        """Return a concept's word with a few letters changed, as long as it is no form of one."""
        while True:
            letters = list(self._one([word for word in self._known_words if len(word) > 2]))
            for _ in range(int(self._random.integers(1, 3))):
                self._damage(letters)
            word = "".join(letters)
            if word and word not in self._spared:
                return word

    def _damage(self, letters: list[str]) -> None:
        place = int(self._random.integers(0, len(letters) + 1))
        action = int(self._random.integers(0, 6))
        if action == 0 and len(letters) > 1:
            del letters[min(place, len(letters) - 1)]
        elif action == 1 and place + 1 < len(letters):
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        elif action == 2 and place < len(letters):
            letters[place] = self._one(_LETTERS)
        elif action == 3 and place > 1:
            del letters[place:]
            letters.extend(self._syllable())
        elif action == 4:
            letters.extend(self._syllable() if self._chance(0.5) else self._one(self._nouns))
        else:
            letters.insert(place, self._one(_LETTERS))

    def _pseudo_word(self) -> str:
        while True:
            count = int(self._random.integers(1, 5))
            word = "".join(self._syllable() for _ in range(count))
            if word not in self._spared:
                return word

    def _syllable(self) -> str:
        text = self._one(_CONSONANTS) + self._one(_VOWELS)
        return text + self._one(_CONSONANTS) if self._chance(0.5) else text

    def _foreign(self) -> str:
        first, last = _SCRIPTS[int(self._random.integers(0, len(_SCRIPTS)))]
        length = int(self._random.integers(1, 8))
        return "".join(chr(int(code)) for code in self._random.integers(first, last + 1, length))

    def _nonsense(self, length: int) -> str:
        words = [
            self._one(self._common) if self._chance(0.6) else self._one(self._nouns)
            for _ in range(length)
        ]
        return " ".join(words)

    def _dress(self, text: str) -> str:
        """Return the phrase with or without article, sentence, capitals and punctuation."""
        kind = self._random.random()
        if kind < 0.18:
            text = f"{self._one(('the', 'a', 'an', 'some', 'the'))} {text}"
        if kind > 0.08 and self._chance(0.4):
            text = self._frame(text)
        if self._chance(0.1):
            text += self._one((".", "!", "?", ",", " ", ";", "..", ")"))
        case = self._random.random()
        return text.upper() if case < 0.05 else text.capitalize() if case < 0.15 else text

    def _frame(self, text: str) -> str:
        """Return the phrase in a sentence, but never in a held-out one."""
        while True:
            template = self._one(TEMPLATES)
            if self._chance(0.6):
                words = [self._one(QUALITIES), self._one(VIEWS), self._one(PICTURES)]
                noun = " ".join(word for word in words if word)
                article = self._one(("an" if noun[0] in "aeio" else "a", "the", ""))
                template = f"{article} {noun} {self._one(('of', 'of', 'with', 'showing'))} {{}}"
            result = template.strip().format(text)
            kept_back = (held.format(text) for held in HELD_OUT_TEMPLATES)
            if result not in kept_back:
                return result

    def _one(self, options: tuple[str, ...] | list[str] | str) -> str:
        return options[int(self._random.integers(0, len(options)))]

    def _chance(self, probability: float) -> bool:
        return bool(self._random.random() < probability)
