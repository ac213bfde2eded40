"""The argument ``image_prompt``: names, files and masks."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_extension.clipseg.language.image_prompts import Example, ImagePrompt, parse_image_prompts
from model_extension.clipseg.language.prompts import fold
from model_extension.common.errors import PromptError


def prompt(name: str, *files: str) -> ImagePrompt:
    """A class with examples; a mask stands behind an asterisk."""
    pairs = [file.partition("*") for file in files]
    return ImagePrompt(name, tuple(Example(image, mask or None) for image, _, mask in pairs))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" , ,\n", []),
        ("a.png", [prompt("a", "a.png")]),
        ("a.png, b.jpg", [prompt("a", "a.png"), prompt("b", "b.jpg")]),
        ("a.png | b.jpg", [prompt("a", "a.png", "b.jpg")]),
        ("boats = a.png", [prompt("boats", "a.png")]),
        (" red  boats=a.png|b.png ,", [prompt("red boats", "a.png", "b.png")]),
        ("a.png[m.png]", [prompt("a", "a.png*m.png")]),
        ("x = a.png [ m.png ] | b.png", [prompt("x", "a.png*m.png", "b.png")]),
        ("a.png[m.png], b", [prompt("a", "a.png*m.png"), prompt("b", "b")]),
        # Names of files.
        (
            r"C:\My Data\roofs\flat roof.tif",
            [prompt("flat roof", r"C:\My Data\roofs\flat roof.tif")],
        ),
        (r"\\server\share\a.b.png", [prompt("a.b", r"\\server\share\a.b.png")]),
        ("/data/x.gdb/chip", [prompt("chip", "/data/x.gdb/chip")]),
        ("folder/", [prompt("folder", "folder/")]),
        ("/", [prompt("/", "/")]),
        (".png", [prompt(".png", ".png")]),
        ("水田.png", [prompt("水田", "水田.png")]),
        ("a (1); 'x' {y}:0.3.png", [prompt("a (1); 'x' {y}:0.3", "a (1); 'x' {y}:0.3.png")]),
        # Quotes keep what has a meaning.
        (r'"C:\photos, 2024\a=b.png"', [prompt("a=b", r"C:\photos, 2024\a=b.png")]),
        ('"a, b" = "c|d[e].png"["m, n.png"]', [prompt("a, b", "c|d[e].png*m, n.png")]),
        ('x = "," | ","', [prompt("x", ",", ",")]),
        ('" a.png "', [prompt("a", "a.png")]),
    ],
)
def test_reading(text: str, found: list[ImagePrompt]) -> None:
    assert parse_image_prompts(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.png |", "the text ends where a file was expected"),
        ("boats =", "the text ends where a file was expected"),
        ("boats = , b.png", "column 9: a file was expected, found ','"),
        ("= b.png", "column 1: a file was expected, found '='"),
        (", = = b.png", "column 3: a name was expected, found '='"),
        ("| b.png", "column 1: a file was expected, found '|'"),
        ("a.png || b.png", "column 8: a file was expected, found '|'"),
        ("a = b = c", "column 7: a comma or a bar was expected, found '='"),
        ('a.png "b.png"', "column 8: a comma or a bar was expected, found 'b.png'"),
        ('a.png ","', "column 8: a comma or a bar was expected, found ','"),
        ('x, "a.png', "column 4: a double quote is opened and not closed"),
        ('a"b', "column 2: a double quote is opened and not closed"),
        ("a.png[m.png", "column 6: this bracket is not closed"),
        ("a.png[m.png | b.png", "column 6: this bracket is not closed"),
        ("a.png[", "the text ends where a file was expected"),
        ("a.png[]", "column 7: a file was expected, found ']'"),
        ("a.png[m.png][n.png]", "column 13: a comma or a bar was expected, found '['"),
        ("a.png]", "column 6: a comma or a bar was expected, found ']'"),
        ('""', "a file was expected, found ''"),
        ('"" = a.png', "a name was expected, found ''"),
        ("a/roof.png, b/Roof.jpg", "two classes are called 'Roof'; join their examples with a bar"),
        ("x  y = a.png, X y = b.png", "two classes are called 'X y'"),
    ],
)
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(PromptError, match="^image_prompt.*" + re.escape(words)):
        parse_image_prompts(text)


PIECES = st.sampled_from((*' ,|=[]"', "a", "b.png", "C:\\x", "/y", "\n", "🌳", "\x00", "\ud800"))


@given(st.text() | st.lists(PIECES).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_examples_or_one_clear_error(text: str) -> None:
    try:
        found = parse_image_prompts(text)
    except PromptError as error:
        column = re.match(r"image_prompt(?:, column (\d+))?: ", str(error))
        assert column is not None
        assert column.group(1) is None or 1 <= int(column.group(1)) <= len(text)
        return
    for entry in found:
        assert entry.name.strip() and entry.examples
        assert all(example.image and example.mask != "" for example in entry.examples)
    assert len({fold(entry.name) for entry in found}) == len(found)


FILES = st.text(string.ascii_letters + " ,|=[]()\\/.:水", min_size=1, max_size=9).map(str.strip)
EXAMPLES = st.builds(Example, FILES.filter(bool), st.none() | FILES.filter(bool))
PROMPTS = st.builds(
    ImagePrompt,
    FILES.map(lambda name: " ".join(name.split())).filter(bool),
    st.lists(EXAMPLES, min_size=1, max_size=3).map(tuple),
)


@given(st.lists(PROMPTS, max_size=4, unique_by=lambda entry: fold(entry.name)))
def test_what_is_written_reads_the_same(prompts: list[ImagePrompt]) -> None:
    text = ", ".join(
        f'"{entry.name}" = '
        + " | ".join(
            f'"{example.image}"' + (f'["{example.mask}"]' if example.mask else "")
            for example in entry.examples
        )
        for entry in prompts
    )
    assert parse_image_prompts(text) == prompts


def test_many_images() -> None:
    text = ", ".join(f"{number}.png" for number in range(2000))
    assert len(parse_image_prompts(text)) == 2000
