"""Lines and columns of JSON values, keys and duplicates, in valid and broken text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.positions import Lines, locate

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
    assert dict(locate(TEXT)) == {
        "": (1, 1),
        "/a": (2, 8),
        "/b": (3, 8),
        "/b/0": (3, 9),
        "/b/1": (3, 15),
        "/b/1/c~1d": (3, 23),
        "/b/1/e~0f": (3, 35),
        "/": (4, 7),
    }


def test_places_of_keys():
    positions = locate(TEXT)
    assert positions.key("/a") == (2, 3)
    assert positions.key("/b/1/c~1d") == (3, 16)
    for pointer in ("", "/b/0", "/missing", "a"):
        with pytest.raises(KeyError):
            positions.key(pointer)


@pytest.mark.parametrize("pointer", ["a", "/x", "/b/2", "/b/01", "/b/-1", "/b/x", "/a/0", "/b/0/0"])
def test_what_is_not_there_raises_key_error(pointer):
    assert pointer not in locate(TEXT)
    with pytest.raises(KeyError):
        locate(TEXT)[pointer]


def test_nearest_is_the_innermost_value_around():
    positions = locate(TEXT)
    assert positions.nearest("/b/1/missing/deeper") == (3, 15)
    assert positions.nearest("/missing") == (1, 1)


@given(VALUES, st.sampled_from([None, 0, 1, 4]), NEWLINES)
def test_every_value_is_found_where_it_is_written(value, indent, newline):
    text = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", newline)
    positions = locate(text)
    expected = dict(walk(value))
    assert set(positions) == set(expected)
    assert len(positions) == len(expected)
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
    assert locate('{"größe🌍": 1}')["/größe🌍"] == (1, 12)


def test_duplicate_keys_are_reported_with_every_place():
    text = '{"a": 1,\n "b": {"x": 1, "x": 2, "x": 3},\n "a": {"y": 2}}'
    found = [(key.pointer, key.places) for key in locate(text).duplicates()]
    assert found == [("/b/x", ((2, 8), (2, 16), (2, 24))), ("/a", ((1, 2), (3, 2)))]
    # The last value counts, and its places with it.
    assert locate(text)["/a/y"] == (3, 13)


def test_the_places_inside_an_overwritten_value_are_gone():
    positions = locate('{"a": {"x": 1}, "a": {"y": 2}}')
    assert "/a/x" not in positions
    assert "/a/y" in positions


@pytest.mark.parametrize(
    ("text", "pointer", "place"),
    [
        ('{"a": 1,\n "b" 2,\n "c": 3}', "/c", (3, 7)),
        ('{"a": [1, 2,],\n "c": 3}', "/c", (2, 7)),
        ('{"a": "x"\n "c": 3}', "/c", (2, 7)),
        ('{"a": {"b": 1', "/a/b", (1, 13)),
        ("{'a': 1, // one\n \"c\": 3}", "/c", (2, 7)),
    ],
)
def test_broken_text_keeps_the_places_around_the_mistake(text, pointer, place):
    assert locate(text)[pointer] == place


@pytest.mark.parametrize("text", ["", " ", "\x00", "}", ",", '"', "{", "[", ":", "nul"])
def test_text_without_values_has_a_place_for_the_document(text):
    assert locate(text)[""][0] == 1


def test_deep_nesting_overflows_nothing():
    depth = 100_000
    positions = locate("[" * depth)
    assert len(positions) == depth
    assert positions["/0" * 99] == (1, 100)
    objects = locate('{"a":' * depth + "1" + "}" * depth)
    assert objects["/a" * 50] == (1, 5 * 50 + 1)
    assert sum(1 for _ in zip(objects, range(1000))) == 1000


@given(st.text(alphabet="{}[]\",:\\ \n\r1-.eEtrufalsn/*#'", max_size=60))
def test_any_text_gives_places_inside_it(text):
    positions = locate(text)
    lines = len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    for pointer in positions:
        line, column = positions[pointer]
        assert 1 <= line <= lines
        assert column >= 1
