"""The little language of prompts: what it accepts, what it means, what it says of mistakes."""

from __future__ import annotations

import pytest

from model_extension.clipseg.language.expressions import DEEPEST, parse_expressions
from model_extension.clipseg.language.nodes import (
    And,
    ClassExpression,
    Group,
    Modifiers,
    Node,
    Not,
    Or,
    Phrase,
    phrases,
    reach,
)
from model_extension.common.errors import PromptError

A, B, C, D = (Phrase((letter,)) for letter in "abcd")


def node(text: str) -> Node:
    (only,) = parse_expressions(text)
    return only.node


def message(text: str) -> str:
    with pytest.raises(PromptError) as caught:
        parse_expressions(text)
    return str(caught.value)


# --- what it means ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a", A),
        ("a b  c", Phrase(("a b c",))),
        ("a AND b", And((A, B))),
        ("a AND b AND c", And((A, B, C))),
        ("a OR b OR c", Or((A, B, C))),
        ("NOT a", Not(A)),
        ("NOT NOT a", Not(Not(A))),
        ("a NOT b", And((A, Not(B)))),
        ("a NOT b NOT c", And((A, Not(B), Not(C)))),
        ("a AND NOT b", And((A, Not(B)))),
        # NOT binds tighter than AND, AND tighter than OR.
        ("NOT a AND b", And((Not(A), B))),
        ("NOT a OR b", Or((Not(A), B))),
        ("a OR b AND c", Or((A, And((B, C))))),
        ("a AND b OR c", Or((And((A, B)), C))),
        ("a AND b OR c AND d", Or((And((A, B)), And((C, D))))),
        ("a OR b NOT c", Or((A, And((B, Not(C)))))),
        ("a NOT b OR c", Or((And((A, Not(B))), C))),
        # Parentheses change that.
        ("(a OR b) AND c", And((Or((A, B)), C))),
        ("NOT (a AND b)", Not(And((A, B)))),
        ("a NOT (b OR c)", And((A, Not(Or((B, C)))))),
        ("a AND (b AND c)", And((A, And((B, C))))),
        ("((a))", A),
        # Operators are words of their own and in capitals.
        ("a and b", Phrase(("a and b",))),
        ("a And b", Phrase(("a And b",))),
        ("NOTE ORB ANDY", Phrase(("NOTE ORB ANDY",))),
        # Phrasings.
        ("a|b", Phrase(("a", "b"))),
        (" pond | small lake|reservoir ", Phrase(("pond", "small lake", "reservoir"))),
        ("a|b AND c|d", And((Phrase(("a", "b")), Phrase(("c", "d"))))),
        ("NOT a|b", Not(Phrase(("a", "b")))),
        ("Pond|pond|lake|POND|Lake", Phrase(("Pond", "lake"))),
        # Quotes.
        ('"a"', A),
        ('"red, green"', Phrase(("red, green",))),
        ('"a AND b"', Phrase(("a AND b",))),
        ('"NOT"', Phrase(("NOT",))),
        ('car "(red)" door', Phrase(("car (red) door",))),
        (r'"the \"best\" \\ one"', Phrase((r'the "best" \ one',))),
        ('"  a   b "', Phrase(("a b",))),
        ('"ratio 3:4"{:0.5}', Phrase(("ratio 3:4",), Modifiers(threshold=0.5))),
        ('"a|b"', Phrase(("a|b",))),
        ('"{:0.3}"', Phrase(("{:0.3}",))),
        # Other scripts.
        ("水田 OR 🌳", Or((Phrase(("水田",)), Phrase(("🌳",))))),
        ("деревья NOT بيت", And((Phrase(("деревья",)), Not(Phrase(("بيت",)))))),
        ("a\u3000b\u00a0c", Phrase(("a b c",))),
        ("l'eau; d'été?", Phrase(("l'eau; d'été?",))),
        # Modifiers.
        ("a:0.3", Phrase(("a",), Modifiers(threshold=0.3))),
        ("a : .25", Phrase(("a",), Modifiers(threshold=0.25))),
        ("a:0", Phrase(("a",), Modifiers(threshold=0.0))),
        ("a:1", Phrase(("a",), Modifiers(threshold=1.0))),
        ("a|b:0.3", Phrase(("a", "b"), Modifiers(threshold=0.3))),
        ("a{:0.3}", Phrase(("a",), Modifiers(threshold=0.3))),
        ("a{*1.5}", Phrase(("a",), Modifiers(strength=1.5))),
        ("a{+2m}", Phrase(("a",), Modifiers(grow=2.0))),
        ("a{+2}", Phrase(("a",), Modifiers(grow=2.0, unit="m"))),
        ("a{-3px}", Phrase(("a",), Modifiers(grow=-3.0, unit="px"))),
        ("a { :0.3*1.5 +2 m }", Phrase(("a",), Modifiers(0.3, 1.5, 2.0, "m"))),
        ("a{:0.3}{*2}", Phrase(("a",), Modifiers(0.3, 2.0))),
        ("a:0.3{+1px}", Phrase(("a",), Modifiers(0.3, 1.0, 1.0, "px"))),
        ("a:0.3 AND b:0.4", And((Phrase(("a",), Modifiers(0.3)), Phrase(("b",), Modifiers(0.4))))),
        # Parentheses around a phrase mean nothing, with modifiers or without.
        ("(a):0.4", Phrase(("a",), Modifiers(0.4))),
        ("(a|b){+1px}", Phrase(("a", "b"), Modifiers(grow=1.0, unit="px"))),
        ("(a:0.2):0.4", Group(Phrase(("a",), Modifiers(0.2)), Modifiers(0.4))),
        ("(a OR b){:0.4 -2m}", Group(Or((A, B)), Modifiers(0.4, 1.0, -2.0))),
        ("(a OR b){+0m}", Or((A, B))),
        ("NOT (a OR b):0.4", Not(Group(Or((A, B)), Modifiers(0.4)))),
    ],
)
def test_meaning(text: str, meant: Node) -> None:
    assert node(text) == meant


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("water, vegetation", ["water", "vegetation"]),
        (" ,, water ,\t,solar \n panels,", ["water", "solar panels"]),
        ("Water, TREES", ["Water", "TREES"]),
        ("0,3", ["0", "3"]),
        ("", []),
        (", ,\n,", []),
        # A threshold does not show in a legend; an expression is called what the user wrote.
        ("water:0.3, roof{*2 :0.1}", ["water", "roof"]),
        ("a  NOT   b , (c OR d)", ["a NOT b", "(c OR d)"]),
        ("pond | lake", ["pond | lake"]),
        ('"red, green"', ["red, green"]),
        ("pools = swimming pool NOT lake", ["pools"]),
        ("my  own name=a, b", ["my own name", "b"]),
        ('"a, b" = c', ["a, b"]),
        ('"NOT" = c', ["NOT"]),
        ("a = b,c = d", ["a", "c"]),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert [entry.name for entry in parse_expressions(text)] == names


def test_a_name_is_not_part_of_the_meaning() -> None:
    assert parse_expressions("pools = a NOT b") == [ClassExpression("pools", And((A, Not(B))))]


def test_phrases_and_growths_of_an_expression() -> None:
    tree = node("(a{+1m} OR b NOT c){-2px} AND NOT d|e")
    assert [phrase.texts for phrase in phrases(tree)] == [("a",), ("b",), ("c",), ("d", "e")]
    assert [(m.grow, m.unit) for m in reach(tree)] == [(-2.0, "px"), (1.0, "m")]
    assert reach(node("a OR b:0.3")) == []


# --- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("a AND", 6, "the text ends where a phrase was expected"),
        ("a OR , b", 6, "a phrase is missing before ','"),
        ("NOT", 4, "the text ends where a phrase was expected"),
        ("AND a", 1, "'AND' was not expected here; put a phrase that holds it into double quotes"),
        ("a, OR b", 4, "'OR' was not expected here"),
        ("a OR OR b", 6, "'OR' was not expected here"),
        ("a|", 3, "the text ends where a phrase was expected"),
        ("a||b", 3, "a phrase is missing before '|'"),
        ("|a", 1, "a phrase is missing before '|'"),
        ("a, |b", 4, "a phrase is missing before '|'"),
        ("a = |b", 5, "a phrase is missing before '|'"),
        ("a|(b OR c)", 3, "a bar joins phrases, not parentheses; write OR"),
        ("(a OR b)|c", 9, "a bar joins phrases, not parentheses; write OR"),
        ("(a)|c", 4, "a bar joins phrases, not parentheses; write OR"),
        ("a|NOT b", 3, "'NOT' was not expected here"),
        ("(a OR b", 1, "this parenthesis is not closed"),
        ("c AND ((a OR b)", 7, "this parenthesis is not closed"),
        ("a)", 2, "')' was not expected here"),
        ("()", 2, "a phrase is missing before ')'"),
        ("a (b)", 3, "'(' was not expected here; put a phrase that holds it into double quotes"),
        ("(a, b)", 3, "',' was not expected here"),
        ("(a) b", 5, "'b' was not expected here"),
        ('a "b', 3, "a double quote is opened and not closed"),
        ('a, "b\\"', 4, "a double quote is opened and not closed"),
        ('""', 1, "the double quotes hold nothing"),
        ('a AND "  "', 7, "the double quotes hold nothing"),
        ("a, = b", 4, "a name has to stand before '='"),
        ('"" = b', 1, "a name has to stand before '='"),
        ("a =", 4, "nothing stands after 'a ='"),
        ("a = , b", 5, "nothing stands after 'a ='"),
        ("a = b = c", 7, "'=' was not expected here"),
        ("(a = b)", 4, "'=' was not expected here"),
        (":0.3", 1, "a phrase has to stand before this"),
        ("a AND {:0.3}", 7, "a phrase has to stand before this"),
        ("a:", 2, "after a colon stands a threshold from 0 to 1, such as water:0.3"),
        ("a: b", 2, "after a colon stands a threshold"),
        ("a:-1", 2, "after a colon stands a threshold"),
        ("a:0.3b", 2, "after a colon stands a threshold"),
        ("a:1e-3", 2, "after a colon stands a threshold"),
        ("a:0.3.4", 2, "after a colon stands a threshold"),
        ("a:1.5", 2, "the threshold 1.5 is not from 0 to 1"),
        ("train at 12:30", 12, "the threshold 30 is not from 0 to 1; put a phrase with a colon"),
        ("a:0.3:0.4", 6, "the threshold is given twice"),
        ("a{:0.3 :0.4}", 8, "the threshold is given twice"),
        ("a{+1m -2m}", 7, "the growth is given twice"),
        ("a{*1*2}", 5, "the strength is given twice"),
        # A decimal comma.
        ("water:0,3", 8, "write a threshold with a point: a comma ends it"),
        ("a, water: 0,35, b", 12, "write a threshold with a point: a comma ends it"),
        ("water{:0,3}", 9, "write a threshold with a point: a comma ends it"),
        ("water{*2 :1,0}", 12, "write a threshold with a point: a comma ends it"),
        ("a{}", 2, "these braces are empty; braces hold a threshold, strength or growth"),
        ("a{ }", 2, "these braces are empty"),
        ("a{0.3}", 3, "this is no threshold (:0.3), strength (*1.5) or growth (+2m, -3px)"),
        ("a{:0.3 b}", 3, "this is no threshold"),
        ("a{:0.3, *2}", 3, "this is no threshold"),
        ("a{*2 +2km}", 6, "this is no threshold"),
        ("a{:0.3m}", 3, "a threshold has no unit"),
        ("a{*2px}", 3, "a strength has no unit"),
        ("a{*0}", 3, "the strength 0 is not above 0 and at most 100"),
        ("a{*101}", 3, "the strength 101 is not above 0 and at most 100"),
        ("a{+1000001m}", 3, "the growth is further than 1,000,000"),
        ("a{:0.3", 2, "braces hold a threshold, strength or growth, such as {:0.3 *1.5 +2m}"),
        ("a}", 2, "braces hold a threshold"),
        ("a{{:0.3}}", 2, "braces hold a threshold"),
        ("水, 🌳 (x)", 6, "'(' was not expected here"),
    ],
)
def test_mistakes_are_pointed_at(text: str, column: int, reason: str) -> None:
    found = message(text)
    assert found.startswith(f"text_prompt, column {column}: {reason}"), found


def test_the_argument_is_named_and_the_place_is_shown() -> None:
    with pytest.raises(PromptError) as caught:
        parse_expressions("x" * 100 + " (mistake)", "background_prompt")
    assert str(caught.value) == (
        "background_prompt, column 102: '(' was not expected here; put a phrase that holds it into "
        f"double quotes (near {'x' * 29 + ' (mistake)'!r})"
    )


def test_a_comma_after_a_threshold_with_a_point_is_no_mistake() -> None:
    found = parse_expressions("water:0.3,3 story house")
    assert [entry.name for entry in found] == ["water", "3 story house"]


@pytest.mark.parametrize("deep", [DEEPEST, DEEPEST + 1])
@pytest.mark.parametrize(("before", "after"), [("(", ")"), ("NOT ", "")])
def test_nesting_has_a_limit(deep: int, before: str, after: str) -> None:
    text = before * deep + "a" + after * deep
    if deep <= DEEPEST:
        assert [phrase.texts for phrase in phrases(node(text))] == [("a",)]
    else:
        assert f"this nests deeper than {DEEPEST} levels" in message(text)


def test_nesting_is_counted_by_depth_not_in_all() -> None:
    assert len(parse_expressions(", ".join(f"NOT ({n} OR x)" for n in range(200)))) == 200


@pytest.mark.parametrize("text", ["__import__'os'.x", "1+1", "lambda", "%s", "$HOME", "`ls`"])
def test_nothing_is_evaluated(text: str) -> None:
    assert node(text) == Phrase((text,))
