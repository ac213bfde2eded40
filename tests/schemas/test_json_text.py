"""Reading JSON: what Python reads, with places, and words for the usual mistakes."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.json_text import decode, read_json
from schemas.positions import MAX_DEPTH

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=20,
)


def kinds(document):
    return [oddity.kind for oddity in document.oddities]


def python_reads(text):
    try:
        return True, json.loads(text)
    except ValueError:
        return False, None


@given(
    st.text(alphabet="{}[]\",:\\ \n1-.e+0truefalsn/*#'\t\u00a0u", max_size=40)
    | VALUES.map(json.dumps),
    st.data(),
)
@settings(max_examples=300)
def test_text_is_read_exactly_where_python_reads_it(text, data):
    index = data.draw(st.integers(0, len(text)))
    text = text[:index] + data.draw(st.sampled_from(["", ",", '"', "}", "x"])) + text[index:]
    document = read_json(text)
    readable, value = python_reads(text)
    assert document.readable == readable
    assert document.value == value or "NaN" in text
    assert kinds(document).count("not-json") == (not readable)
    for oddity in document.oddities:
        assert 0 <= oddity.offset <= len(text)
        assert oddity.message and oddity.remedy.endswith((".", "}"))


@pytest.mark.parametrize(
    ("text", "at", "words", "remedy"),
    [
        ('{"a": 1,}', 7, "trailing comma", "Remove the comma"),
        ("[1, 2,\n]", 5, "trailing comma", "Remove the comma"),
        ('{"a": 1 "b": 2}', 8, "expecting ',' delimiter: \"b\": 2}", "a comma behind the value"),
        ('{"a": 007}', 7, "expecting ',' delimiter: 07}", "a comma behind the value"),
        ('{"a" = 1}', 5, "expecting ':' delimiter: = 1}", "a colon and a value"),
        ("{'a': 'b'}", 1, "in double quotes: 'a': 'b'}", "Write a double quote"),
        ("{\u201ca\u201d: 1}", 1, "in double quotes", "Write a double quote"),
        ('{"a": b.pth}', 6, "expecting value: b.pth}", "Write a double quote"),
        ('{"a": None}', 6, "expecting value: None}", "true, false and null"),
        ('{"a": .5}', 6, "expecting value: .5}", "a number such as"),
        ('{"a": 1} // end', 9, "extra data: // end", "Remove the comment"),
        ('{/* x */"a": 1}', 1, "in double quotes", "Remove the comment"),
        ('{"a": "C:\\models\\x"}', 9, "invalid \\escape: \\models", "for one backslash"),
        ('{"a": "x\ty"}', 8, "invalid control character: '\\ty", "a tab in it is"),
        ('{"a": "b\n}', 8, "invalid control character", "Close the text"),
        ('{"a": "b', 6, "unterminated string", "Close the text"),
        ('{\u00a0"a": 1}', 1, "'\\xa0\"a\": 1}'", "Correct the text"),
        ("", 0, "the file is empty", "cut short"),
        (" \n", 0, "the file is empty", "cut short"),
        ('{"a": [1', 8, "expecting ',' delimiter", "cut short"),
        ("{} {}", 3, "extra data: {}", "one JSON object per file"),
    ],
)
def test_the_first_mistake_is_named_and_placed(text, at, words, remedy):
    (oddity,) = read_json(text).oddities
    assert oddity.kind == "not-json"
    assert words in oddity.message
    assert remedy in oddity.remedy
    assert oddity.offset == at


def test_what_only_python_reads_is_told():
    document = read_json('{"a": NaN, "b": [-Infinity, 1e999], "c": ' + "9" * 100_000 + "}")
    assert document.value["b"] == [-math.inf, math.inf]
    marks = [(oddity.pointer, oddity.message.split()[0][:9]) for oddity in document.oddities]
    assert marks == [("/a", "NaN"), ("/b/0", "-Infinity"), ("/b/1", "1e999"), ("/c", "9" * 9)]


def test_halves_of_surrogate_pairs_are_found():
    document = read_json(r'{"a": "\ud83c\udf0d", "b": ["\ud83c"], "\udf0d": 1}')
    assert document.value["a"] == "🌍"
    assert [oddity.pointer for oddity in document.oddities] == ["/b/0", "/\udf0d"]


def test_keys_that_stand_twice():
    (oddity,) = read_json('{"a": {"x/y": 1,\n"x/y": 2,\n"x/y": 3}}').oddities
    assert (oddity.kind, oddity.pointer, oddity.offset) == ("duplicate-key", "/a/x~1y", 27)
    assert "line 1" in oddity.remedy


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[" * 100_000, "too-deep"),
        ("[" * 100_000 + "]" * 100_000, "too-deep"),
        ('{"a":' * 100_000, "too-deep"),
        ('"' * 300_001, "not-json"),
        ('"\\' * 300_000, "not-json"),
        ("'" * 300_000, "not-json"),
        ("[" + "1," * 1_000_001 + "1]", "too-large"),
        (" " * (33 << 20), "too-large"),
        ("[" + '{"a":1,"a":2},' * 100_000 + "1]", "duplicate-key"),
    ],
)
def test_hostile_texts_are_read_once(text, kind):
    assert set(kinds(read_json(text))) == {kind}
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH).readable


@given(st.binary(max_size=60))
def test_any_bytes_become_text(data):
    oddities = []
    text = decode(data, oddities)
    try:
        plain = data.decode("utf-8")
    except UnicodeDecodeError:
        assert {"not-utf8", "utf-16"} & {oddity.kind for oddity in oddities}
    else:
        assert text == plain or oddities


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_recognised(encoding):
    document = read_json('{"a": "é"}'.encode(encoding))
    assert kinds(document)[0] == "utf-16"
    assert encoding == "utf-32" or document.value == {"a": "é"}


@pytest.mark.parametrize(
    ("text", "encoding", "bad"),
    [("Forêt", "cp1252", 13), ("泥炭", "gb18030", 10), ("さくらソ", "cp932", 10)],
)
def test_a_code_page_is_chosen_in_which_the_text_is_json(text, encoding, bad):
    document = read_json(('{"Name": "' + text + '"}').encode(encoding))
    (oddity,) = document.oddities
    assert (oddity.kind, oddity.offset, document.readable) == ("not-utf8", bad, True)


def test_a_byte_order_mark_and_letters_beyond_ascii():
    document = read_json(b"\xef\xbb\xbf" + '{"é": 1}'.encode())
    assert kinds(document) == ["byte-order-mark", "non-ascii"]
    assert document.value == {"é": 1}
