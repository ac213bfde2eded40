"""What may have been meant by a word that is nearly a known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 80
"""Longer words are no slips of the keyboard, and comparing them takes time."""


def nearest(word: str, known: Iterable[str], likeness: float = 0.85) -> str | None:
    """Return the known word that is most like another, None if none is.

    Parameters
    ----------
    word : str
        As it was written.
    known : iterable of str
        The right words.
    likeness : float
        Least share of letters in common, 0 to 1: 0.85 allows for one slip in a short word and two
        in a long one.
    """
    if not word or len(word) > LONGEST:
        return None
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for a word near a known one, empty for any other."""
    near = nearest(word, known, 0.6)
    return f" (did you mean {near!r}?)" if near else ""
