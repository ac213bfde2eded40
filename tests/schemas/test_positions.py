"""Lines and columns of JSON values, keys and duplicates, in valid and broken text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.positions import Lines, Positions

TEXT = '{\n  "a": 1,\n  "b": [true, {"c/d": "x", "e~f": null}],\n  "": {}\n}\n'

KEYS = st.text(max_size=6)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
NEWLINES = st.sampled_from(["\n", "\r\n", "\r"])


def walk(value, pointer=""):
    yield pointer, value
    items = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        items = enumerate(value)
    for token, inner in items:
        escaped = str(token).replace("~", "~0").replace("/", "~1")
        yield from walk(inner, f"{pointer}/{escaped}")


def rest_of(text, place):
    """Return the text from a line and column on."""
    line, column = place
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join([lines[line - 1][column - 1 :], *lines[line:]])


def test_places_of_values():
    places = {
        "": (1, 1),
        "/a": (2, 8),
        "/b": (3, 8),
        "/b/0": (3, 9),
        "/b/1": (3, 15),
        "/b/1/c~1d": (3, 23),
        "/b/1/e~0f": (3, 35),
        "/": (4, 7),
    }
    assert {pointer: Positions(TEXT)[pointer] for pointer in places} == places


def test_places_of_keys():
    positions = Positions(TEXT)
    assert positions.key("/a") == (2, 3)
    assert positions.key("/b/1/c~1d") == (3, 16)
    for pointer in ("", "/b/0", "/missing", "a"):
        with pytest.raises(KeyError):
            positions.key(pointer)


@pytest.mark.parametrize("pointer", ["a", "/x", "/b/2", "/b/01", "/b/-1", "/b/x", "/a/0", "/b/0/0"])
def test_what_is_not_there_raises_key_error(pointer):
    with pytest.raises(KeyError):
        Positions(TEXT)[pointer]


def test_nearest_is_the_innermost_value_around():
    positions = Positions(TEXT)
    assert positions.nearest("/b/1/missing/deeper") == (3, 15)
    assert positions.nearest("/missing") == (1, 1)


@given(VALUES, st.sampled_from([None, 0, 1, 4]), NEWLINES)
def test_every_value_is_found_where_it_is_written(value, indent, newline):
    text = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", newline)
    positions = Positions(text)
    expected = dict(walk(value))
    decoder = json.JSONDecoder()
    for pointer, inner in expected.items():
        found, _ = decoder.raw_decode(rest_of(text, positions[pointer]))
        assert found == inner


@given(st.text(alphabet="ab\r\n", max_size=30))
def test_lines_agree_with_counting_by_hand(text):
    lines = Lines(text)
    line, column = 1, 1
    for offset, char in enumerate(text):
        assert lines.place(offset) == (line, column)
        if char == "\r" and text[offset + 1 : offset + 2] == "\n":
            column += 1
        elif char in "\r\n":
            line, column = line + 1, 1
        else:
            column += 1


def test_columns_count_characters_not_bytes():
    assert Positions('{"größe🌍": 1}')["/größe🌍"] == (1, 12)


def test_of_two_values_of_one_key_the_last_counts():
    positions = Positions('{"a": {"x": 1}, "a": {"y": 2}}')
    assert positions["/a/y"] == (1, 28)
    with pytest.raises(KeyError):
        positions["/a/x"]


def test_broken_text_keeps_the_places_around_the_mistake():
    assert Positions('{"a": 1,\n "b" 2,\n "c": 3}')["/c"] == (3, 7)
    assert Positions('{"a": {"b": 1')["/a/b"] == (1, 13)


@pytest.mark.parametrize("text", ["", " ", "\x00", "}", ",", '"', "{", "[", ":", "nul"])
def test_text_without_values_has_a_place_for_the_document(text):
    assert Positions(text)[""][0] == 1


@given(st.text(alphabet="{}[]\",:\\ \n\r1-.eEtrufalsn/*#'", max_size=60))
def test_any_text_has_a_place_for_any_pointer(text):
    line, column = Positions(text).nearest("/0/a/1")
    assert 1 <= line <= text.count("\n") + text.count("\r") + 1
    assert column >= 1
