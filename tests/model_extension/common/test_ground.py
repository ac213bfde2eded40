"""How large a pixel is on the ground."""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.common.ground import METRES_PER_DEGREE, pixel_metres


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "arcpy", raising=False)


def props(cell: Any, code: Any = 0, extent: Any = (0, 0, 100, 100)) -> dict[str, Any]:
    return {"cellSize": cell, "spatialReference": code, "extent": extent}


@pytest.mark.parametrize(
    ("cell", "metres"),
    [
        ((1, 1), 1.0),
        ((0.3, 0.3), 0.3),
        ((2.0, -2.0), 2.0),
        ((1.0, 4.0), 2.0),
        (("0.5", "0.5"), 0.5),
        (np.array([10.0, 10.0]), 10.0),
    ],
)
def test_map_units_are_metres(cell: Any, metres: float) -> None:
    assert pixel_metres(props(cell, 32633)) == pytest.approx(metres)
    assert pixel_metres({"cellSize": cell}) == pytest.approx(metres)


@pytest.mark.parametrize(
    "cell", [None, (), 1.0, (1.0,), (1, 1, 1), ("a", "b"), (0, 1), (math.nan, 1), (math.inf, 1)]
)
def test_where_nothing_is_known_pixels_are_metres(cell: Any) -> None:
    assert pixel_metres(props(cell)) == 1.0
    assert pixel_metres({}) == 1.0


@pytest.mark.parametrize(
    "code", [4326, 4269, 4258, 6318, 7844, 104199, 4326.0, np.int64(4326), "4326"]
)
def test_degrees(code: Any) -> None:
    step = 1e-5
    assert pixel_metres(props((step, step), code, (10, -1, 11, 1))) == pytest.approx(
        step * METRES_PER_DEGREE
    )
    # At 60 degrees a degree of longitude is half as long.
    found = pixel_metres(props((step, step), code, (10, 59, 11, 61)))
    assert found == pytest.approx(step * METRES_PER_DEGREE * math.sqrt(0.5))
    # A pixel that is square on the ground.
    found = pixel_metres(props((2 * step, step), code, (10, -61, 11, -59)))
    assert found == pytest.approx(step * METRES_PER_DEGREE)


def test_degrees_at_a_pole() -> None:
    for extent in ((0, 89, 1, 91), (0, -95, 1, -90), (0, 90, 1, 90)):
        found = pixel_metres(props((1, 1), 4326, extent))
        assert math.isfinite(found) and 0 < found < METRES_PER_DEGREE


@pytest.mark.parametrize(
    ("code", "extent"),
    [
        (4547, (500_000, 3_400_000, 501_000, 3_401_000)),  # CGCS2000 / Gauss-Krüger
        (4087, (1_000_000, 0, 1_000_100, 100)),  # equidistant cylindrical, in metres
        (4647, (32_500_000, 5_400_000, 32_500_100, 5_400_100)),  # ETRS89 / UTM 32N (zE-N)
        (5070, (-2e6, 2e5, -1e6, 3e5)),  # Albers of the United States
        (3857, (0, 0, 50, 50)),
        (32633, (0, 0, 50, 50)),
        (0, (10, 50, 11, 51)),
        (None, (10, 50, 11, 51)),
        ("local", (10, 50, 11, 51)),
        (math.nan, (10, 50, 11, 51)),
    ],
)
def test_projected_systems(code: Any, extent: Any) -> None:
    assert pixel_metres(props((0.5, 0.5), code, extent)) == 0.5


@pytest.mark.parametrize(
    "extent", [None, (), (1, 2), "abcd", (math.nan,) * 4, np.array([0, 0, 1, 1])]
)
def test_extents_of_any_kind(extent: Any) -> None:
    found = pixel_metres(props((0.1, 0.1), 4326, extent))
    assert math.isfinite(found) and found > 0


@given(
    st.lists(st.floats(), max_size=3), st.integers() | st.none(), st.lists(st.floats(), max_size=5)
)
def test_any_numbers_give_a_length(cell: list[float], code: Any, extent: list[float]) -> None:
    found = pixel_metres(props(cell, code, extent))
    assert math.isfinite(found) and found > 0


# --- inside ArcGIS -----------------------------------------------------------------------------


def arcpy(monkeypatch: pytest.MonkeyPatch, system: Any) -> None:
    def reference(code: int) -> Any:
        if isinstance(system, Exception):
            raise system
        return system

    module: Any = ModuleType("arcpy")
    module.SpatialReference = reference
    monkeypatch.setitem(sys.modules, "arcpy", module)


def test_the_unit_that_arcgis_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    arcpy(monkeypatch, SimpleNamespace(type="Projected", metersPerUnit=0.3048))
    assert pixel_metres(props((2, 2), 2225)) == pytest.approx(0.6096)
    arcpy(monkeypatch, SimpleNamespace(type="Geographic", metersPerUnit=0.0))
    found = pixel_metres(props((1e-5, 1e-5), 9999999, (0, 59, 1, 61)))
    assert found == pytest.approx(1e-5 * METRES_PER_DEGREE * math.sqrt(0.5))


@pytest.mark.parametrize(
    "system",
    [
        RuntimeError("ERROR 999999"),
        SimpleNamespace(type="Unknown"),
        SimpleNamespace(type="Projected", metersPerUnit=0.0),
        SimpleNamespace(type="Projected", metersPerUnit=None),
        SimpleNamespace(type="Projected", metersPerUnit=math.nan),
    ],
)
def test_what_arcgis_does_not_know(monkeypatch: pytest.MonkeyPatch, system: Any) -> None:
    arcpy(monkeypatch, system)
    assert pixel_metres(props((2, 2), 32633)) == 2.0
    assert pixel_metres(props((1e-5, 1e-5), 4326, (0, -1, 1, 1))) == pytest.approx(1.1132)


def test_an_arcpy_that_knows_no_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arcpy", ModuleType("arcpy"))
    assert pixel_metres(props((2, 2), 32633)) == 2.0
