"""What a run looks for: its classes, and the distinct things the decoder is run for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...common.errors import PromptError
from .expressions import parse_expressions
from .image_prompts import Example, ImagePrompt, parse_image_prompts
from .nodes import ClassExpression, Group, Node, Not, Phrase, farthest, phrases, radius, reach
from .prompts import LONGEST_PROMPT, MOST_PROMPTS, fold

# This character in front of a text names an image prompt, without its name as text beside it.
IMAGE_ONLY = "@"


@dataclass(frozen=True)
class Concept:
    """One thing to find, described by texts, by example images, or both.

    Parameters
    ----------
    texts : tuple of str
        Phrasings; their embeddings are averaged, or the best one counts where one was learnt
        with several.
    examples : tuple of Example
        Images; their embeddings are averaged.
    """

    texts: tuple[str, ...]
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything that follows from the prompts.

    Parameters
    ----------
    names : tuple of str
        Classes as the legend shows them; the first has value 1.
    nodes : tuple of Node
        What each class means.
    background : tuple of Node
        What competes with the classes and becomes background.
    concepts : tuple of Concept
        Distinct things, each of which is computed once.
    places : dict
        Texts of a phrase to the index of its concept.
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    background: tuple[Node, ...]
    concepts: tuple[Concept, ...]
    places: dict[tuple[str, ...], int]

    def margin(self, most: int) -> int:
        """Pixels around a block that have a say in it.

        Parameters
        ----------
        most : int
            What to ask for where something grows by metres: what a pixel measures is not known
            before the first block.
        """
        nodes = (*self.nodes, *self.background)
        if any(modifiers.unit != "px" for node in nodes for modifiers in reach(node)):
            return most
        return min(most, max(farthest(node, lambda m: radius(m, 1.0)) for node in nodes))

    @property
    def texts(self) -> tuple[str, ...]:
        """All distinct texts, in order."""
        return tuple(dict.fromkeys(text for concept in self.concepts for text in concept.texts))


def make_plan(text_prompt: str, image_prompt: str = "", background_prompt: str = "") -> Plan:
    """Read the prompts.

    Parameters
    ----------
    text_prompt : str
        See `clipseg.language.expressions`.
    image_prompt : str
        See `clipseg.language.image_prompts`. An image prompt called like a text of `text_prompt` is
        mixed with it; one named with an @ in front is used by itself, or mixed with the texts that
        a bar joins it with; one that nothing names is a class of its own, behind the others.
    background_prompt : str
        Expressions like those of `text_prompt`.

    Returns
    -------
    Plan

    Raises
    ------
    PromptError
        Nothing to look for, too much, or a mistake in the grammar; points at the column.
    """
    classes = _distinct(parse_expressions(text_prompt, "text_prompt"))
    background = parse_expressions(background_prompt, "background_prompt")
    images = {fold(prompt.name): prompt for prompt in parse_image_prompts(image_prompt)}
    used = {
        _image_name(text)
        for entry in (*classes, *background)
        for phrase in phrases(entry.node)
        for text in phrase.texts
    }
    own = [
        ClassExpression(prompt.name, Phrase((IMAGE_ONLY + prompt.name,)))
        for name, prompt in images.items()
        if name not in used
    ]
    classes = _distinct([*classes, *own])
    if not classes:
        raise PromptError(
            "text_prompt is empty: say what to look for, several things separated by commas, "
            "for example 'water, solar panels'"
        )
    distinct: dict[object, int] = {}
    concepts: list[Concept] = []
    places: dict[tuple[str, ...], int] = {}
    for phrase in (phrase for entry in (*classes, *background) for phrase in phrases(entry.node)):
        concept = _concept(phrase, images)
        # Case and order change nothing of what is looked for.
        key = frozenset(fold(text) for text in concept.texts), concept.examples
        places[phrase.texts] = distinct.setdefault(key, len(concepts))
        if len(distinct) > len(concepts):
            concepts.append(concept)
    _check_size(classes, concepts)
    return Plan(
        names=tuple(c.name for c in classes),
        nodes=tuple(c.node for c in classes),
        background=tuple(c.node for c in background),
        concepts=tuple(concepts),
        places=places,
    )


def _distinct(classes: Iterable[ClassExpression]) -> list[ClassExpression]:
    """Drop classes that repeat; two different ones of the same name are a mistake."""
    found: dict[str, ClassExpression] = {}
    for entry in classes:
        other = found.setdefault(fold(entry.name), entry)
        if _folded(other.node) != _folded(entry.node):
            raise PromptError(
                f"text_prompt: two classes are called {entry.name[:100]!r}; name them apart, as in "
                f"'other name = {entry.name[:100]}'" + _advice(entry)
            )
    return list(found.values())


def _advice(entry: ClassExpression) -> str:
    """What to do when the second of two classes is an image prompt that nothing names."""
    if not isinstance(entry.node, Phrase) or entry.node.texts != (IMAGE_ONLY + entry.name,):
        return ""
    return (
        f". To describe one class by a text and by example images, write '{entry.name} = your text"
        f" | {IMAGE_ONLY}{entry.name}'"
    )


def _folded(node: Node) -> Node:
    """The same expression in the spelling that all of its spellings share."""
    if isinstance(node, Phrase):
        return Phrase(tuple(fold(text) for text in node.texts), node.modifiers)
    if isinstance(node, Group):
        return Group(_folded(node.inner), node.modifiers)
    if isinstance(node, Not):
        return Not(_folded(node.inner))
    return type(node)(tuple(_folded(part) for part in node.parts))


def _image_name(text: str) -> str:
    return fold(text[len(IMAGE_ONLY) :] if text.startswith(IMAGE_ONLY) else text)


def _concept(phrase: Phrase, images: dict[str, ImagePrompt]) -> Concept:
    examples: list[Example] = []
    for text in phrase.texts:
        prompt = images.get(_image_name(text))
        if prompt is not None:
            examples += prompt.examples
        elif text.startswith(IMAGE_ONLY):
            known = ", ".join(repr(entry.name) for entry in images.values()) or "none"
            raise PromptError(
                f"{text[:100]!r} names an image prompt that is not there (image_prompt has: "
                f"{known}); put it without the {IMAGE_ONLY}, or add the image prompt"
            )
    texts = tuple(text for text in phrase.texts if not text.startswith(IMAGE_ONLY))
    return Concept(texts, tuple(dict.fromkeys(examples)))


def _check_size(classes: Sequence[ClassExpression], concepts: Sequence[Concept]) -> None:
    for what, number in (("classes", len(classes)), ("different phrases", len(concepts))):
        if number > MOST_PROMPTS:
            raise PromptError(
                f"text_prompt holds {number} prompts, at most {MOST_PROMPTS} {what} fit in one "
                "run: split them over several runs"
            )
    for text in (text for concept in concepts for text in concept.texts):
        if len(text) > LONGEST_PROMPT:
            raise PromptError(
                f"the prompt {text[:40]!r}… of text_prompt has {len(text):,} characters, at most "
                f"{LONGEST_PROMPT:,} are allowed: the model reads only the first 77 tokens (about "
                "50 words)"
            )
    for entry in classes:
        if len(entry.name) > LONGEST_PROMPT:
            raise PromptError(
                f"the class {entry.name[:40]!r}… of text_prompt is called like its expression of "
                f"{len(entry.name):,} characters, which no legend holds: give it a name, as in "
                "'pools = swimming pool NOT lake'"
            )
