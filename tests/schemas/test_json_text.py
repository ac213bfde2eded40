"""The tolerant JSON reader against Python's own, and its words for the usual mistakes."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.encoding import decode
from schemas.json_text import MAX_MISTAKES, read_json

KEYS = st.text(max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
LAYOUT = st.sampled_from([None, 0, 2, "\t"])


def python_reads(text):
    try:
        return True, json.loads(text)
    except ValueError:
        return False, None


@given(VALUES, LAYOUT, st.booleans())
def test_valid_text_gives_the_values_python_gives(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    document = read_json(text)
    assert document.value == json.loads(text)
    assert document.mistakes == []
    assert document.complete


@given(st.text(alphabet="{}[]\",:\\ \n1-.e+0truefalsn/*#'\t\u00a0u", max_size=40))
@settings(max_examples=500)
def test_mistakes_are_found_exactly_where_python_refuses(text):
    document = read_json(text)
    readable, value = python_reads(text)
    assert readable == (document.mistakes == [])
    if readable and not document.not_finite:
        assert document.value == value


@given(VALUES, st.data())
def test_text_with_one_character_changed_is_judged_like_python_does(value, data):
    text = json.dumps(value, indent=1)
    index = data.draw(st.integers(0, len(text)))
    kept = data.draw(st.integers(0, 1))
    text = (
        text[:index] + data.draw(st.sampled_from(["", ",", '"', "}", "x"])) + text[index + kept :]
    )
    document = read_json(text)
    readable, value = python_reads(text)
    assert readable == (document.mistakes == [])
    for mistake in document.mistakes:
        assert 0 <= mistake.offset <= len(text)
        assert mistake.message
        assert mistake.remedy.endswith((".", "}"))


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ('{"a": 1,}', {"a": 1}, "trailing comma"),
        ("[1, 2,]", [1, 2], "trailing comma"),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, 'a comma is missing before "b"'),
        ("[1 2]", [1, 2], "a comma is missing before 2"),
        ('{"a" 1}', {"a": 1}, 'colon is missing behind the key "a"'),
        ('{"a" = 1}', {"a": 1}, "'=' stands between"),
        ("{'a': 'b'}", {"a": "b"}, "in a single quote instead of double quotes"),
        ("{“a”: 1}", {"a": 1}, "in U+201C instead of double quotes"),
        ("{a: 1}", {"a": 1}, "key a has no quotes"),
        ('{"a": b.pth}', {"a": "b.pth"}, "text b.pth has no quotes"),
        ('{"a": True}', {"a": True}, "True is not a JSON word"),
        ('{"a": None}', {"a": None}, "None is not a JSON word"),
        ('{"a": 007}', {"a": 7}, "007 is not a JSON number"),
        ('{"a": .5}', {"a": 0.5}, ".5 is not a JSON number"),
        ('{"a": +3}', {"a": 3}, "+3 is not a JSON number"),
        ('{"a": 1} // end', {"a": 1}, "comment"),
        ('{/* x */"a": 1}', {"a": 1}, "comment"),
        ('{"a": "C:\\models\\x"}', {"a": "C:\\models\\x"}, "backslash before 'm'"),
        ('{"a": "x\ty"}', {"a": "x\ty"}, "control character (U+0009)"),
        ('{\u00a0"a": 1}', {"a": 1}, "invisible character (U+00A0)"),
        ("[1,,2]", [1, 2], "no value before it"),
    ],
)
def test_usual_mistakes_are_named_and_read_over(text, value, words):
    document = read_json(text)
    assert words in document.mistakes[0].message
    assert document.value == value
    assert document.complete


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("// nothing", "a comment"),
        ('{"a": 1', "ends inside the { of line 1, column 1"),
        ('{"a": [1', "ends inside the [ of line 1, column 7"),
        ('{"a": "b\n}', "is not closed on its line"),
        ('{"a": [1}', "a } closes the [ of line 1, column 7"),
        ("{1: 2}", "1 stands where a key in double quotes should stand"),
        ('{"a": }', "a value is missing before }"),
        ('{"a"}', 'the key "a" has no value'),
        ('{"a": /* 1}', "a comment"),
        ('{"a": 1x}', "1x is not a JSON number"),
        ('{"a": nan}', "the text nan has no quotes"),
        ('{"a": ;}', "';' stands where a value should stand"),
    ],
)
def test_what_cannot_be_guessed_is_named_and_marked(text, words):
    document = read_json(text)
    assert words in document.mistakes[0].message
    assert not document.complete


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}}", "there is one } too many"),
        ("{} {}", "the document has ended"),
        ("{}, ", "the document has ended"),
    ],
)
def test_text_behind_the_document(text, words):
    document = read_json(text)
    assert [words in mistake.message for mistake in document.mistakes] == [True]
    assert document.value == {}


def test_all_mistakes_are_reported_with_their_places():
    text = '{\n  "a": 1,\n  "b": \'x\'\n  "c": [1, 2,],\n}'
    lines = [text[: mistake.offset].count("\n") + 1 for mistake in read_json(text).mistakes]
    assert lines == [3, 4, 4, 4]


def test_mistakes_without_end_are_cut():
    assert len(read_json("[" + "'a'," * 1000 + "]").mistakes) == MAX_MISTAKES


def test_numbers_that_json_does_not_know():
    document = read_json('{"a": NaN, "b": [-Infinity, 1e999], "c": 1}')
    assert math.isnan(document.value["a"])
    assert document.value["b"] == [-math.inf, math.inf]
    assert [mark.text for mark in document.not_finite] == ["NaN", "-Infinity", "1e999"]
    assert document.mistakes == []


def test_integers_of_thousands_of_digits_are_no_integers():
    document = read_json("[" + "9" * 100_000 + "]")
    assert document.value == [math.inf]
    assert len(document.not_finite) == 1


def test_halves_of_surrogate_pairs_are_found_and_pairs_are_joined():
    document = read_json(r'{"a": "\ud83c\udf0d", "b": "\ud83c", "\udf0d": 1}')
    assert document.value["a"] == "🌍"
    assert [mark.token for mark in document.surrogates] == ["b", "\udf0d"]


def test_limits_stop_the_reading_without_a_mistake():
    deep = read_json("[" * 50, max_depth=10)
    assert (deep.too_deep, deep.mistakes, deep.complete) == (10, [], False)
    assert read_json("[" * 10 + "]" * 10, max_depth=10).complete
    many = read_json("[1, 1, 1]", max_values=3)
    assert (many.too_many, many.complete) == (7, False)
    assert read_json("[1, 1]", max_values=3).complete


@given(st.binary(max_size=60))
def test_any_bytes_become_text(data):
    decoded = decode(data, lambda text: False)
    assert isinstance(decoded.text, str)
    assert decoded.bad is None or 0 <= decoded.bad <= len(decoded.text)
    try:
        plain = data.decode("utf-8")
    except UnicodeDecodeError:
        assert decoded.bad is not None or decoded.wide
    else:
        assert decoded.wide or decoded.text == plain.lstrip("\ufeff") or decoded.mark


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_recognised(encoding):
    decoded = decode('{"a": "é"}'.encode(encoding), lambda text: True)
    assert decoded.wide
    if encoding != "utf-32":
        assert decoded.text == '{"a": "é"}'


@pytest.mark.parametrize(
    ("text", "encoding", "bad"),
    [("Forêt", "cp1252", 13), ("泥炭", "gb18030", 10), ("さくらソ", "cp932", 10)],
)
def test_a_code_page_is_chosen_in_which_the_text_makes_sense(text, encoding, bad):
    data = ('{"Name": "' + text + '"}').encode(encoding)
    decoded = decode(data, lambda text: not read_json(text).mistakes)
    assert decoded.bad == bad
    assert read_json(decoded.text).mistakes == []
