"""What expressions mean over probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_extension.clipseg.language.expressions import parse_expressions
from model_extension.clipseg.language.logic import (
    PRESENT,
    Thresholds,
    calibrate,
    dilate,
    probability,
    radius,
    score,
)
from model_extension.clipseg.language.nodes import Modifiers, Node, Phrase

THRESHOLDS = Thresholds(0.3, {})
SHARES = st.floats(0, 1, width=32)


def node(text: str) -> Node:
    (only,) = parse_expressions(text)
    return only.node


def maps(**values: float | Tensor) -> dict[tuple[str, ...], Tensor]:
    """Probabilities of phrases of one text."""
    return {(name,): torch.as_tensor(value, dtype=torch.float32) for name, value in values.items()}


def scored(text: str, thresholds: Thresholds = THRESHOLDS, **values: float) -> float:
    known = {texts: value.view(1, 1) for texts, value in maps(**values).items()}
    return score(node(text), known, thresholds, 1.0).item()


def calibrated(value: float, threshold: float) -> float:
    """Written down once more, from the definition."""
    if value <= threshold:
        return PRESENT * value / threshold if threshold else 0.0
    return PRESENT + PRESENT * (value - threshold) / (1.0 - threshold)


# --- probability to score ----------------------------------------------------------------------


@given(st.lists(SHARES, min_size=2), SHARES)
@example([0.0, 1.0], 0.0)
@example([0.0, 1.0], 1.0)
@example([0.0, 1e-38, 1e-45, 1.0], 1e-40)
@example([0.0, 0.5, 1.0], 1 - 2**-24)
@settings(max_examples=300, deadline=None)
def test_scores_rise_with_probabilities(values: list[float], threshold: float) -> None:
    ordered = torch.tensor(sorted(values), dtype=torch.float32)
    scores = calibrate(ordered, threshold)
    assert bool((scores >= 0).all()) and bool((scores <= 1).all())
    assert bool((scores[1:] >= scores[:-1]).all())
    for value, found in zip(ordered.tolist(), scores.tolist()):
        # Numbers of this size are 0 to some processors.
        if threshold == 0 or threshold > 1e-30:
            assert found == pytest.approx(calibrated(value, threshold), abs=3e-6)


@given(SHARES, SHARES)
@example(0.3, 0.3)
@example(1.0, 1.0)
@example(0.0, 0.0)
@settings(max_examples=500, deadline=None)
def test_above_one_half_is_above_the_threshold(value: float, threshold: float) -> None:
    values = torch.tensor([value], dtype=torch.float32)
    present = calibrate(values, threshold) > PRESENT
    assert present.tolist() == (values > threshold).tolist() == [value > threshold]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 1 / 3, 0.7, 0.999])
def test_the_next_number_above_a_threshold_is_present(threshold: float) -> None:
    at = np.float32(threshold)
    values = torch.tensor([at, np.nextafter(at, np.float32(1)), np.nextafter(at, np.float32(0))])
    for given_as in (threshold, float(at)):
        assert (calibrate(values, given_as) > PRESENT).tolist() == [False, True, False]


def test_special_thresholds() -> None:
    values = torch.tensor([0.0, 1e-30, 0.5, 1.0])
    assert (calibrate(values, 0.0) > PRESENT).tolist() == [False, True, True, True]
    assert calibrate(values, 0.0)[0] == 0.0  # so that NOT is certain of it
    assert calibrate(values, 1.0).tolist() == [0.0, pytest.approx(5e-31), 0.25, 0.5]
    assert calibrate(values, 1e-320).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fixed_points(dtype: torch.dtype) -> None:
    for threshold in (0.1, 0.25, 0.5, 0.9):
        found = calibrate(torch.tensor([0.0, threshold, 1.0], dtype=dtype), threshold)
        assert found.dtype == dtype
        assert found.tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)


# --- logic -------------------------------------------------------------------------------------


@given(SHARES, SHARES, SHARES)
@settings(max_examples=200, deadline=None)
def test_fuzzy_logic(a: float, b: float, c: float) -> None:
    values = {"a": a, "b": b, "c": c}
    x, y, z = (scored(name, **values) for name in "abc")
    assert scored("a AND b", **values) == min(x, y)
    assert scored("a OR b", **values) == max(x, y)
    assert scored("NOT a", **values) == pytest.approx(1 - x, abs=1e-7)
    assert scored("a NOT b", **values) == pytest.approx(min(x, 1 - y), abs=1e-7)
    assert scored("a OR b AND c", **values) == max(x, min(y, z))
    assert scored("(a OR b) AND c", **values) == min(max(x, y), z)
    assert scored("a AND b AND c", **values) == min(x, y, z)
    # De Morgan.
    assert scored("NOT (a AND b)", **values) == scored("NOT a OR NOT b", **values)
    assert scored("NOT (a OR b)", **values) == scored("NOT a AND NOT b", **values)


def test_thresholds_of_phrases() -> None:
    known = Thresholds(0.3, {"solar panel": 0.6})
    assert known.of(Phrase(("water",))) == 0.3
    assert known.of(Phrase(("Solar  Panel",))) == 0.6
    assert known.of(Phrase(("solar panel",), Modifiers(threshold=0.0))) == 0.0
    assert known.of(Phrase(("solar panel", "collector"))) == 0.3


def test_a_groups_threshold_is_that_of_its_phrases() -> None:
    known = Thresholds(0.3, {"b": 0.6})
    values = {"a": 0.45, "b": 0.45}
    assert scored("a AND b", known, **values) < PRESENT
    assert scored("(a AND b){:0.4}", known, **values) > PRESENT
    assert scored("(a AND b:0.5){:0.4}", known, **values) < PRESENT  # its own goes first
    assert scored("(a AND (b OR b):0.2){:0.5}", known, **values) < PRESENT
    assert scored("(a AND b):0.4 AND b", known, **values) < PRESENT  # not beyond the group


def test_strengths() -> None:
    assert scored("a{*2}", a=0.2) == pytest.approx(calibrated(0.4, 0.3), abs=1e-6)
    assert scored("a{*2}", a=0.9) == pytest.approx(1.0)
    assert scored("a{*0.5}", a=0.9) == pytest.approx(calibrated(0.45, 0.3), abs=1e-6)
    # Of a group it multiplies the score.
    assert scored("(a AND b){*0.5}", a=1, b=1) == 0.5
    assert scored("(a AND b){*3}", a=0.65, b=1) == 1.0
    assert probability(Phrase(("a",)), maps(a=0.5), 3.0).item() == 1.0
    assert probability(Phrase(("a",)), maps(a=0.5), 1.0).item() == 0.5


# --- growth ------------------------------------------------------------------------------------


def brute(values: np.ndarray, reach: int) -> np.ndarray:
    """Largest value within a distance, pixel by pixel."""
    rows, columns = values.shape
    result = np.empty_like(values)
    for row, column in np.ndindex(rows, columns):
        result[row, column] = max(
            values[r, c]
            for r in range(max(0, row - reach), min(rows, row + reach + 1))
            for c in range(max(0, column - reach), min(columns, column + reach + 1))
            if (r - row) ** 2 + (c - column) ** 2 <= reach**2
        )
    return result


@given(st.integers(1, 13), st.integers(1, 13), st.integers(0, 16), st.integers(0, 2**32 - 1))
@example(1, 1, 64, 0)
@example(2, 13, 16, 1)
@settings(max_examples=60, deadline=None)
def test_growth_is_over_a_disk(rows: int, columns: int, reach: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((rows, columns)).astype(np.float32)
    assert np.array_equal(dilate(torch.from_numpy(values), reach).numpy(), brute(values, reach))


@pytest.mark.parametrize("reach", [1, 2, 5, 31, 64])
def test_a_point_becomes_a_disk(reach: int) -> None:
    values = torch.zeros(2 * reach + 5, 2 * reach + 3)
    values[reach + 2, reach + 1] = 0.7
    down, across = np.ogrid[: 2 * reach + 5, : 2 * reach + 3]
    disk = (down - reach - 2) ** 2 + (across - reach - 1) ** 2 <= reach**2
    grown = dilate(values, reach).numpy()
    assert np.array_equal(grown > 0, disk)
    assert np.array_equal(grown, np.where(disk, np.float32(0.7), 0))


def grown(text: str, values: Tensor, pixel: float = 1.0) -> Tensor:
    return score(node(text), {("a",): values, ("b",): 1 - values}, Thresholds(0.5, {}), pixel)


def test_growing_and_shrinking() -> None:
    values = torch.from_numpy(np.random.default_rng(3).random((40, 30)).astype(np.float32))
    bigger, smaller = grown("a{+2px}", values), grown("a{-2px}", values)
    assert torch.equal(bigger, dilate(values, 2))
    # What is not there any more is what the rest grew over.
    assert torch.allclose(smaller, 1 - dilate(1 - values, 2), atol=1e-6)
    assert bool((smaller <= values).all()) and bool((bigger >= values).all())
    # To open, and to close: no pixel is gained, none lost.
    assert bool((grown("(a{-2px}){+2px}", values) <= values).all())
    assert bool((grown("(a{+2px}){-2px}", values) >= values).all())
    assert torch.equal(
        grown("(a OR b){+2px}", values), dilate(torch.maximum(values, 1 - values), 2)
    )
    assert torch.equal(grown("NOT a{+2px}", values), 1 - bigger)


def test_growth_on_the_ground() -> None:
    values = torch.zeros(31, 31)
    values[15, 15] = 1.0
    for text, pixel, pixels in [
        ("a{+5m}", 0.5, 10),
        ("a{+5m}", 1.0, 5),
        ("a{+5}", 10.0, 1),
        ("a{+4m}", 10.0, 0),
        ("a{+2.5m}", 1.0, 3),
        ("a{+3px}", 10.0, 3),
        ("a{+0.5px}", 1.0, 1),
        ("a{+0.4px}", 1.0, 0),
    ]:
        expected = dilate(values, pixels)
        assert torch.equal(grown(text, values, pixel), expected), text


def test_radius_of_anything_is_a_number() -> None:
    assert radius(Modifiers(grow=-2.0), 0.5) == 4
    assert radius(Modifiers(grow=1e6), 1e-300) == 1_000_000
    assert radius(Modifiers(grow=1e-6), 1e300) == 0


def test_nothing_lies_around_a_map() -> None:
    values = -torch.rand(5, 4)
    assert torch.equal(dilate(values, 30), torch.full((5, 4), values.max().item()))
    assert math.isinf(dilate(torch.full((3, 3), -math.inf), 2).max().item())
