"""Splitting prompts, and finding them in a frozen vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.clipseg.language.prompts import (
    LONGEST_PROMPT,
    MOST_PROMPTS,
    fold,
    match_names,
    parse_prompts,
)
from model_extension.common.errors import PromptError


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("water", ("water",)),
        ("water, solar panels", ("water", "solar panels")),
        (" ,, water ,\t,solar \n panels,", ("water", "solar panels")),
        ("Water, WATER, water , trees", ("Water", "trees")),
        ("Straße, STRASSE", ("Straße",)),
        ('a "red" roof, 水田, 🌳, l\'eau', ('a "red" roof', "水田", "🌳", "l'eau")),
        ("water; trees", ("water; trees",)),
        ("0,3", ("0", "3")),
    ],
)
def test_prompts_are_split_at_commas(text: str, prompts: tuple[str, ...]) -> None:
    assert parse_prompts(text) == prompts


@pytest.mark.parametrize("text", ["", " ", ",", " , ,, \t", "\n"])
def test_nothing_to_look_for(text: str) -> None:
    with pytest.raises(PromptError, match="text_prompt is empty: say what to look for"):
        parse_prompts(text)


def test_too_many_prompts() -> None:
    most = ",".join(f"thing {number}" for number in range(MOST_PROMPTS))
    assert len(parse_prompts(most)) == MOST_PROMPTS
    assert len(parse_prompts(most + "," + most.upper())) == MOST_PROMPTS
    with pytest.raises(PromptError, match="holds 300 prompts, at most 200 fit"):
        parse_prompts(",".join(f"thing {number}" for number in range(300)))


def test_a_prompt_that_is_too_long() -> None:
    assert parse_prompts("x" * LONGEST_PROMPT) == ("x" * LONGEST_PROMPT,)
    with pytest.raises(PromptError, match=r"prompt 2 of text_prompt, 'xx.*10,000 characters"):
        parse_prompts("water," + "x" * 10_000)


@given(st.text())
def test_any_text_gives_clean_prompts_or_one_clear_error(text: str) -> None:
    try:
        prompts = parse_prompts(text)
    except PromptError as error:
        assert "text_prompt" in str(error)
        return
    assert len({fold(prompt) for prompt in prompts}) == len(prompts)
    for prompt in prompts:
        assert prompt == " ".join(prompt.split()) != ""
        assert "," not in prompt
    assert parse_prompts(",".join(prompts)) == prompts


NAMES = ("water", "Solar Panel", "trees")


def test_names_match_in_any_case() -> None:
    assert match_names(["TREES", " solar  panel", "water"], NAMES) == [2, 1, 0]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (["tree"], r"'tree' \(did you mean 'trees'\?\) is not among them"),
        (["waterr", "zebra"], r"'waterr' \(did you mean 'water'\?\); 'zebra' are not among them"),
        (["zebra"], "'zebra' is not among them"),
        ([f"z{n}" for n in range(9)], "'z4' and others are not among them"),
    ],
)
def test_unknown_names_are_listed_with_the_known(prompts: list[str], message: str) -> None:
    with pytest.raises(PromptError, match=message) as caught:
        match_names(prompts, NAMES)
    assert str(caught.value).endswith("Known are: water, Solar Panel, trees")
