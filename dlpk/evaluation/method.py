"""How a package is run over a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..errors import TruthError
from .measures.boundaries import check_distances
from .measures.matting import GROUPINGS

COMBINE = ("mean", "maximum")
SCORES = ("probability", "softmax")
# Least and most of every number.
RANGES = {
    "threshold": (0, 1),
    "background_strength": (0, 1000),
    **dict.fromkeys(("short_side", "long_side", "square"), (1, 32768)),
}
PROMPTS = ("text", "image", "both")
# Sentences by the name of their set.
TEMPLATES: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("templates.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Method:
    """How a package is run over a dataset; every choice that changes a figure has a name.

    Parameters
    ----------
    words : mapping
        Class to its words; its name by default.
    combine : str
        Several words of a class: ``mean`` averages their embeddings, ``maximum`` takes the best
        probability.
    templates : sequence of str
        Sentences with {} that words are put into; their embeddings are averaged. A package with a
        frozen vocabulary does without.
    prompts : str
        What shows a sample's thing: its ``text``, its support ``image``, or ``both``, mixed.
    background_words : sequence of str
        Words that compete with the classes; where one of them wins is background.
    background_strength : float
        What their probability is multiplied with.
    scores : str
        ``probability``, or ``softmax`` over the logits of all words.
    threshold : float or None
        Score above which something is there; the package's own decision where None, which takes
        calibrated values.
    fallback : str
        Class of pixels that nothing is found in; background by default.
    forced : bool
        True: every pixel gets its best class.
    short_side, long_side : int, optional
        To resize images to; truth stays as it is.
    square : int, optional
        To squash images to.
    arguments : mapping
        Of the function.
    boundary : sequence of int
        Distances in pixels for boundary F.
    matte_groups : sequence of str
        What mattes are averaged by.

    Raises
    ------
    TruthError
        A choice is none of those there are, or a number is out of range.
    """

    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    combine: str = COMBINE[0]
    templates: Sequence[str] = ("{}",)
    prompts: str = PROMPTS[0]
    background_words: Sequence[str] = ()
    background_strength: float = 1.0
    scores: str = SCORES[0]
    threshold: float | None = None
    fallback: str = ""
    forced: bool = False
    short_side: int | None = None
    long_side: int | None = None
    square: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    boundary: Sequence[int] = ()
    matte_groups: Sequence[str] = GROUPINGS

    def __post_init__(self) -> None:
        for name, choices in ("combine", COMBINE), ("scores", SCORES), ("prompts", PROMPTS):
            if getattr(self, name) not in choices:
                raise TruthError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}"
                )
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise TruthError(f"{name} is {value:g}; it must be from {least:,} to {most:,}")
        check_distances(self.boundary)
        if self.threshold is None and (self.forced or self.fallback or self.background_words):
            raise TruthError(
                "forced, fallback and background_words need a threshold: without one the package "
                "decides by itself"
            )
        if self.threshold is None and self.scores != SCORES[0]:
            raise TruthError("scores=softmax needs a threshold")

    def changed(self, given: Mapping[str, str]) -> Method:
        """The method with choices as they are written on a command line.

        Raises
        ------
        TruthError
            There is no such choice, or its value cannot be read.
        """
        known = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values: dict[str, Any] = {}
        for name, text in given.items():
            if name not in known or isinstance(known[name], Mapping):
                raise TruthError(
                    f"there is no choice {name!r} of how to run a package; there are "
                    + ", ".join(n for n, value in known.items() if not isinstance(value, Mapping))
                )
            try:
                values[name] = _read(name, text, known[name])
            except ValueError as error:
                raise TruthError(f"{name}={text} cannot be read: {error}") from error
        return replace(self, **values)

    def size_text(self) -> str:
        """What images are resized to."""
        if self.square:
            return f"{self.square} x {self.square}, squashed"
        if self.short_side or self.long_side:
            side = "short" if self.short_side else "long"
            return f"{self.short_side or self.long_side} pixels on the {side} side"
        return "as they are"

    def sentences_text(self) -> str:
        """What words are put into."""
        if len(self.templates) > 4:
            return f"{len(self.templates)} sentences, from {self.templates[0]!r}"
        return ", ".join(map(repr, self.templates))

    def words_of(self, name: str) -> list[str]:
        """Words of a class."""
        return list(self.words.get(name, [name]))

    def prompt(self, classes: Sequence[str]) -> str:
        """The text prompt for all classes, in order, as the package decides among them."""
        between = "|" if self.combine == "mean" else " OR "
        return ", ".join(
            f"{quoted(name)} = {between.join(map(quoted, self.words_of(name)))}" for name in classes
        )

    def phrases(self, classes: Sequence[str]) -> tuple[list[tuple[str, ...]], list[int]]:
        """Phrases whose probabilities are wanted, and the class of each, 0 for background.

        Wordings of one phrase are averaged; of several phrases of one class the best counts.
        """
        wanted = [(0, list(self.background_words))] if self.background_words else []
        wanted += [(number, self.words_of(name)) for number, name in enumerate(classes, 1)]
        phrases: list[tuple[str, ...]] = []
        numbers: list[int] = []
        for number, words in wanted:
            parts = [tuple(words)] if self.combine == "mean" else [(word,) for word in words]
            phrases += parts
            numbers += [number] * len(parts)
        return phrases, numbers


def sentences(given: str | Sequence[str]) -> tuple[str, ...]:
    """Sentences of a set that has a name, as ``imagenet``, or those given, with bars between them.

    Raises
    ------
    ValueError
        One has no place for a word.
    """
    if isinstance(given, str):
        given = TEMPLATES.get(given, [part.strip() for part in given.split("|")])
    if any("{}" not in sentence for sentence in given):
        raise ValueError(f"it must be {', '.join(TEMPLATES)}, or sentences with {{}}")
    return tuple(given)


def quoted(text: str) -> str:
    """A text that the prompt language reads literally."""
    return '"' + text.replace('"', "'") + '"'


def _read(name: str, text: str, known: Any) -> Any:
    if isinstance(known, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError("it must be true or false")
        return text.lower() == "true"
    if name in ("threshold", "background_strength"):
        return float(text)
    if name in ("short_side", "long_side", "square"):
        return int(text) or None
    if name == "templates":
        return sentences(text)
    if name == "boundary":
        return tuple(map(int, text.split("|")))
    if isinstance(known, (tuple, list)):
        return tuple(part.strip() for part in text.split("|") if part.strip())
    return text
