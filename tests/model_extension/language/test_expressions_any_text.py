"""The language of prompts: any text gives classes or one error; what is written reads the same."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model_extension.clipseg.language.expressions import OPERATORS, parse_expressions
from model_extension.clipseg.language.nodes import (
    PLAIN,
    And,
    ClassExpression,
    Group,
    Modifiers,
    Node,
    Not,
    Or,
    Phrase,
    phrases,
)
from model_extension.clipseg.language.prompts import fold
from model_extension.common.errors import PromptError

# --- any text --------------------------------------------------------------------------------

WORDS = (
    *("a", "1", "水", "🌳", "@", "AND", "OR", "NOT", "(", ")", "|", ",", "=", ":", "{", "}", '"'),
    *("\\", "+", "-", "*", "m", "px", "0.3", ":0.4", "{:0.3}", "{*2+1m}"),
)
PIECES = st.sampled_from((*WORDS, " ", "\n", "\x00", "\ud800", "b c"))


def outcome(text: str) -> object:
    try:
        found = parse_expressions(text)
    except PromptError as error:
        column = re.match(r"text_prompt, column (\d+): ", str(error))
        assert column is not None
        assert 1 <= int(column.group(1)) <= len(text) + 1
        return None
    for entry in found:
        assert entry.name == " ".join(entry.name.split()) != ""
        for phrase in phrases(entry.node):
            assert phrase.texts
            assert all(text == " ".join(text.split()) != "" for text in phrase.texts)
            assert len({fold(text) for text in phrase.texts}) == len(phrase.texts)
    return found


@given(st.text() | st.lists(PIECES).map("".join) | st.lists(PIECES).map(" ".join))
@example("\n")
@example("a{:0.3\n}")
@example('"\\')
@settings(max_examples=400, deadline=None)
def test_any_text_gives_classes_or_one_clear_error(text: str) -> None:
    outcome(text)


REPEATED = (
    *WORDS,
    *(" ", "\n", "a ", "a,", "a|", "ab|", "a AND ", "a NOT ", "NOT ", "(a OR ", '"" '),
    *('"a', '"a"|', '"\\', '"a"b ', "a:0.3,", "a:0.3 AND ", "a:0,", "a=b,", "a =", "a{+1m},"),
    *("(a)|", "(a) OR ", "{} ", "{:", "a{"),
)


@pytest.mark.parametrize("piece", REPEATED)
def test_steps_do_not_grow_faster_than_the_text(piece: str) -> None:
    count = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += 1

    text = Counted(piece * (10_000 // len(piece)))
    before, Counted.taken = sys.getprofile(), 0
    sys.setprofile(called)
    try:
        with contextlib.suppress(PromptError):
            parse_expressions(text)
    finally:
        sys.setprofile(before)
    assert count + Counted.taken < 200 * len(text)


class Counted(str):
    """A text that counts how much of it is copied."""

    taken = 0

    def __getitem__(self, key: Any) -> str:
        found = str.__getitem__(self, key)
        Counted.taken += len(found)
        return found


# --- there and back --------------------------------------------------------------------------


def written(tree: Node, inside: int = 0) -> str:
    """An expression in its canonical form; `inside` is how tightly its surroundings bind."""
    if isinstance(tree, Phrase):
        return "|".join(quoted(text) for text in tree.texts) + braces(tree.modifiers)
    if isinstance(tree, Group):
        return f"({written(tree.inner)}){braces(tree.modifiers)}"
    if isinstance(tree, Not):
        return "NOT " + written(tree.inner, 3)
    level, word = (2, " AND ") if isinstance(tree, And) else (1, " OR ")
    text = word.join(written(part, level + 1) for part in tree.parts)
    return f"({text})" if inside > level else text


def quoted(text: str) -> str:
    plain = not re.search(r'[(),=|"{}:\\]', text) and not set(text.split()) & set(OPERATORS)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def braces(modifiers: Modifiers) -> str:
    parts = []
    if modifiers.threshold is not None:
        parts.append(f":{modifiers.threshold}")
    if modifiers.strength != 1.0:
        parts.append(f"*{modifiers.strength}")
    if modifiers.grow:
        parts.append(f"{'+' if modifiers.grow > 0 else '-'}{abs(modifiers.grow)}{modifiers.unit}")
    return "{" + " ".join(parts) + "}" if parts else ""


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.lists(
    st.sampled_from(WORDS)
).map(" ".join)
TEXTS = TEXTS.map(lambda text: " ".join(text.split())).filter(bool)
MODIFIERS = st.builds(
    Modifiers,
    threshold=st.none() | st.integers(0, 1000).map(lambda n: n / 1000),
    strength=st.just(1.0) | st.integers(1, 1000).map(lambda n: n / 10),
    grow=st.just(0.0) | st.integers(-640, 640).map(lambda n: n / 10),
    unit=st.sampled_from(["m", "px"]),
).map(lambda m: m if m.grow else Modifiers(m.threshold, m.strength))
PHRASES = st.builds(
    Phrase,
    st.lists(TEXTS, min_size=1, max_size=3, unique_by=fold).map(tuple),
    st.just(PLAIN) | MODIFIERS,
)


def larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    groups = st.builds(Group, inner, MODIFIERS.filter(lambda m: m != PLAIN)).filter(
        lambda g: not (isinstance(g.inner, Phrase) and g.inner.modifiers == PLAIN)
    )
    return groups | st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


TREES = st.recursive(PHRASES, larger, max_leaves=12)


@given(TREES)
@settings(max_examples=300, deadline=None)
def test_what_is_written_reads_the_same(tree: Node) -> None:
    (found,) = parse_expressions(written(tree))
    assert found.node == tree
    (named,) = parse_expressions(f"{quoted('a name = x')} = {written(tree)}")
    assert named == ClassExpression("a name = x", tree)


@given(st.lists(PHRASES, max_size=5))
def test_lists_read_the_same(found: list[Phrase]) -> None:
    text = ", ".join(written(phrase) for phrase in found)
    assert [entry.node for entry in parse_expressions(text)] == found
