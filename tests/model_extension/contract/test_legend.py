"""Names and colours of the classes that the raster function announces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.clipseg.contract.legend import attribute_table, class_colors

NAMES = [f"thing {number}" for number in range(200)]


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(a - b) for a, b in zip(one, other))


@pytest.mark.parametrize(("count", "apart"), [(2, 120), (20, 100), (50, 80), (200, 45)])
def test_colors_are_told_apart(count: int, apart: int) -> None:
    colors = class_colors(NAMES[:count])
    pairs = [(one, other) for index, one in enumerate(colors) for other in colors[:index]]
    assert min(distance(one, other) for one, other in pairs) >= apart
    for color in colors:
        assert all(0 <= part <= 255 and type(part) is int for part in color)
        assert sum(color) >= 120, "too near to black, which nodata often is"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30, unique=True), st.randoms())
def test_colors_belong_to_the_set_of_names(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert dict(zip(names, class_colors(names))) == dict(zip(shuffled, class_colors(shuffled)))
    assert len(set(class_colors(names))) == len(names)


def test_conventions() -> None:
    blue, green, other = class_colors(["Open water", "FOREST", "zebra"])
    assert max(blue) == blue.blue
    assert max(green) == green.green
    assert other not in (blue, green)
    # Two of a kind do not share their colour.
    lake, river = class_colors(["lake", "river"])
    assert distance(lake, river) >= 100


def test_attribute_table() -> None:
    names = ["water", 'say "hi"', "水田", "🌳", "a\\b"]
    text = attribute_table(names)
    assert text.isascii()
    table = json.loads(text)
    kinds = {field["name"]: field["type"] for field in table["fields"]}
    assert kinds == {
        "OID": "esriFieldTypeOID",
        "Value": "esriFieldTypeInteger",
        "Class": "esriFieldTypeString",
        "Red": "esriFieldTypeInteger",
        "Green": "esriFieldTypeInteger",
        "Blue": "esriFieldTypeInteger",
    }
    rows = [feature["attributes"] for feature in table["features"]]
    assert [row["Class"] for row in rows] == names
    assert [row["Value"] for row in rows] == [1, 2, 3, 4, 5]
    colors = [(row["Red"], row["Green"], row["Blue"]) for row in rows]
    assert colors == [tuple(color) for color in class_colors(names)]
    assert set(table["fieldAliases"]) == set(kinds)
