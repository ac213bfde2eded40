"""From prompts to classes, and to the distinct things that are computed once each."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_extension.clipseg.language.image_prompts import Example
from model_extension.clipseg.language.nodes import Modifiers, Phrase
from model_extension.clipseg.language.plan import Concept, Plan, make_plan
from model_extension.clipseg.language.prompts import LONGEST_PROMPT, MOST_PROMPTS, parse_prompts
from model_extension.common.errors import PromptError

A_PNG, B_PNG = Example("a.png", None), Example("b.png", None)


def message(*prompts: str) -> str:
    with pytest.raises(PromptError) as caught:
        make_plan(*prompts)
    return str(caught.value)


# --- plain lists, as ever ----------------------------------------------------------------------


def test_a_plain_list() -> None:
    assert make_plan("water, vegetation") == Plan(
        names=("water", "vegetation"),
        nodes=(Phrase(("water",)), Phrase(("vegetation",))),
        background=(),
        concepts=(Concept(("water",)), Concept(("vegetation",))),
        places={("water",): 0, ("vegetation",): 1},
    )


PLAIN = st.text(string.ascii_letters + "äß水🌳 -';.!?#&@/\n", max_size=8).filter(
    lambda text: not text.strip().startswith("@")
)


@given(st.lists(PLAIN, max_size=12).map(",".join))
@settings(deadline=None)
def test_lists_without_logic_are_split_as_before(text: str) -> None:
    try:
        names = parse_prompts(text)
    except PromptError as error:
        assert message(text) == str(error)
        return
    if any(word in ("AND", "OR", "NOT") for name in names for word in name.split()):
        return
    plan = make_plan(text)
    assert plan.names == plan.texts == names
    assert plan.nodes == tuple(Phrase((name,)) for name in names)
    assert plan.concepts == tuple(Concept((name,)) for name in names)
    assert [plan.places[node.texts] for node in plan.nodes] == list(range(len(names)))


def test_repeated_classes_count_once_in_their_first_spelling() -> None:
    plan = make_plan("Water, WATER, trees,  water ")
    assert plan.names == ("Water", "trees")
    assert make_plan("Roof NOT sky, roof  NOT  Sky").names == ("Roof NOT sky",)
    assert make_plan("Straße, STRASSE").names == ("Straße",)


@pytest.mark.parametrize("text", ["", " ", ",", ", ,\n"])
def test_nothing_to_look_for(text: str) -> None:
    assert message(text).startswith("text_prompt is empty: say what to look for")
    assert message(text, "", "shadow").startswith("text_prompt is empty")


def test_limits() -> None:
    most = [f"thing {number}" for number in range(MOST_PROMPTS)]
    assert len(make_plan(",".join(most)).names) == MOST_PROMPTS
    assert len(make_plan(",".join(most + [text.upper() for text in most])).names) == MOST_PROMPTS
    assert "holds 201 prompts, at most 200 classes fit in one run" in message(
        ",".join([*most, "another"])
    )
    # One class may consist of as many phrases, background included.
    assert len(make_plan("all = " + " OR ".join(most)).concepts) == MOST_PROMPTS
    assert "holds 201 prompts, at most 200 different phrases fit" in message(
        " OR ".join(["all = x", *most])
    )
    assert "holds 201 prompts, at most 200 different phrases fit" in message(
        ",".join(most), "", "shadow"
    )
    assert "holds 201 prompts" in message(
        "", ",".join(f"{number}.png" for number in range(MOST_PROMPTS + 1))
    )


def test_prompts_that_are_too_long() -> None:
    longest = "x" * LONGEST_PROMPT
    assert make_plan(longest).names == (longest,)
    for text in (longest + "x", f"a NOT b|{longest}x", f"n = {longest}x"):
        assert "has 1,001 characters, at most 1,000 are allowed" in message(text)
    many = " OR ".join(f"thing {number}" for number in range(150))
    assert "is called like its expression of" in message(many)
    assert "give it a name, as in 'pools = swimming pool NOT lake'" in message(many)
    assert make_plan("things = " + many).names == ("things",)


# --- classes of the same name ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a:0.3, a", "a, a{+1m}", "x = a, x = b", "X = a, x = b", "a = b, a"]
)
def test_different_classes_of_one_name(text: str) -> None:
    assert "text_prompt: two classes are called" in message(text)
    assert "name them apart, as in 'other name = " in message(text)


def test_the_same_phrase_under_two_names_is_two_classes() -> None:
    plan = make_plan("lake, water = lake:0.2")
    assert plan.names == ("lake", "water")
    assert plan.concepts == (Concept(("lake",)),)


# --- every distinct thing once -----------------------------------------------------------------


def test_every_distinct_phrase_is_one_concept() -> None:
    plan = make_plan(
        "roof, pools = Pool NOT roof:0.4, (pool OR ROOF){+1m}, pond|lake, c = LAKE|Pond AND roof",
        "",
        "shadow, ROOF",
    )
    assert plan.concepts == (
        Concept(("roof",)),
        Concept(("Pool",)),
        Concept(("pond", "lake")),
        Concept(("shadow",)),
    )
    assert plan.places == {
        ("roof",): 0,
        ("Pool",): 1,
        ("pool",): 1,
        ("ROOF",): 0,
        ("pond", "lake"): 2,
        ("LAKE", "Pond"): 2,
        ("shadow",): 3,
    }
    assert plan.texts == ("roof", "Pool", "pond", "lake", "shadow")


@given(
    st.lists(st.sampled_from(("a", "b", "A", "c|d", "D|C", "NOT", "OR")), max_size=8), st.booleans()
)
def test_every_phrase_has_a_place(words: list[str], behind: bool) -> None:
    text = " ".join(words)
    try:
        plan = make_plan("x" if behind else text, "", text if behind else "")
    except PromptError:
        return
    assert set(plan.places.values()) == set(range(len(plan.concepts)))
    for texts, place in plan.places.items():
        folded = {text.casefold() for text in texts}
        assert {text.casefold() for text in plan.concepts[place].texts} == folded


# --- image prompts -----------------------------------------------------------------------------


def test_images_that_nothing_names_are_classes_behind_the_others() -> None:
    plan = make_plan("water", "a.png, boats = b.png")
    assert plan.names == ("water", "a", "boats")
    assert plan.concepts == (Concept(("water",)), Concept((), (A_PNG,)), Concept((), (B_PNG,)))
    assert make_plan("", "a.png").names == ("a",)


def test_an_image_called_like_a_text_is_mixed_with_it() -> None:
    plan = make_plan("Red  Boat, water", "red boat = a.png|b.png")
    assert plan.names == ("Red Boat", "water")
    assert plan.concepts == (Concept(("Red Boat",), (A_PNG, B_PNG)), Concept(("water",)))


def test_an_image_named_with_an_at_sign_is_used_alone() -> None:
    plan = make_plan("harbour = water AND @boat, boat NOT @ Boat", "boat = a.png")
    assert plan.names == ("harbour", "boat NOT @ Boat")
    assert plan.concepts == (
        Concept(("water",)),
        Concept((), (A_PNG,)),
        Concept(("boat",), (A_PNG,)),
    )
    assert plan.places[("@boat",)] == plan.places[("@ Boat",)] == 1
    assert plan.texts == ("water", "boat")


def test_images_among_phrasings() -> None:
    assert make_plan("ship|boat", "boat = a.png").concepts == (Concept(("ship", "boat"), (A_PNG,)),)
    plan = make_plan("boats = ship|@boats", "boats = a.png")
    assert plan.names == ("boats",)
    assert plan.concepts == (Concept(("ship",), (A_PNG,)),)
    assert make_plan("@a|@b", "a.png, b.png").concepts == (Concept((), (A_PNG, B_PNG)),)


def test_an_image_may_be_background() -> None:
    plan = make_plan("water", "shade = a.png", "@shade")
    assert plan.names == ("water",)
    assert plan.concepts[plan.places[("@shade",)]] == Concept((), (A_PNG,))


def test_an_image_with_an_at_sign_in_its_name() -> None:
    plan = make_plan("", "@a = a.png")
    assert plan.names == ("@a",)
    assert plan.concepts == (Concept((), (A_PNG,)),)


def test_images_that_are_not_there() -> None:
    assert "'@boat' names an image prompt that is not there (image_prompt has: none)" in message(
        "@boat"
    )
    found = message("ship|@bota", "boat = a.png, car = b.png")
    assert "(image_prompt has: 'boat', 'car')" in found


def test_an_image_and_an_expression_of_one_name() -> None:
    found = message("boats = ship|ferry", "boats = a.png")
    assert "two classes are called 'boats'" in found
    assert "write 'boats = your text | @boats'" in found
    make_plan("boats = ship|ferry | @boats", "boats = a.png")


def test_modifiers_of_image_prompts() -> None:
    plan = make_plan("@boat{:0.2 +1px}", "boat = a.png")
    assert plan.nodes == (Phrase(("@boat",), Modifiers(0.2, 1.0, 1.0, "px")),)


def test_mistakes_name_their_argument() -> None:
    assert message("a AND", "", "").startswith("text_prompt, column 6")
    assert message("a", "x[", "").startswith("image_prompt")
    assert message("a", "", "b OR").startswith("background_prompt, column 5")


@given(st.text(), st.text(), st.text())
@settings(deadline=None)
def test_any_prompts_give_a_plan_or_one_clear_error(text: str, image: str, back: str) -> None:
    try:
        plan = make_plan(text, image, back)
    except PromptError as error:
        assert "_prompt" in str(error)
    else:
        assert plan.names and all(plan.names)
        assert len(plan.nodes) == len(plan.names) == len({n.casefold() for n in plan.names})
