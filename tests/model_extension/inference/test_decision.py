"""From probabilities to classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model_extension import clipseg
from model_extension.clipseg.contract.arguments import Arguments, parse_arguments
from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.decision import class_probabilities, class_values
from model_extension.clipseg.language.growth import GROWTH
from model_extension.clipseg.network.network import Decoder
from model_extension.common.errors import ArgumentError
from model_extension.common.tiles import Place
from tests.support.random_package import write_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(
        tmp_path_factory.mktemp("decision") / "package", own={"Thresholds": {"Roof": 0.8}}
    )


@pytest.fixture(scope="module", name="decide")
def _decide(package: ModelDefinition) -> Any:
    def decide(
        probabilities: Sequence[Any] | Tensor,
        pixel: float = 1.0,
        bands: bool = False,
        **scalars: Any,
    ) -> Any:
        arguments = parse_arguments({"threshold": 0.3, **scalars}, package)
        given_as = torch.as_tensor(np.array(probabilities, np.float32))
        function = class_probabilities if bands else class_values
        return function(given_as[:, None], arguments, package, pixel)[..., 0, :].tolist()

    return decide


# --- single phrases ----------------------------------------------------------------------------

ROWS = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.lists(st.floats(0, 1, width=32) | st.sampled_from([0.3, 0.5]), min_size=n, max_size=n),
        min_size=1,
        max_size=5,
    )
)


@given(ROWS, st.floats(0, 1, width=32) | st.just(0.3), st.booleans())
@example([[0.3, 0.30000003, 0.3]], 0.3, True)
@example([[0.5], [0.50000006]], 0.5, True)
@settings(max_examples=200, deadline=None)
def test_the_largest_probability_above_the_threshold(
    decide: Any, rows: list[list[float]], threshold: float, background: bool
) -> None:
    names = ", ".join(f"p{number}" for number in range(len(rows)))
    found = decide(rows, text_prompt=names, threshold=threshold, predict_background=background)
    values = np.array(rows, np.float32)
    expected = values.argmax(axis=0) + 1  # the first of equal ones
    if background:
        expected = np.where(values.max(axis=0) > np.float32(threshold), expected, 0)
    assert found == expected.tolist()


def test_equal_scores_go_to_the_first_class(decide: Any) -> None:
    assert decide([[0.5], [0.5]], text_prompt="a, b") == [1]
    assert decide([[0.5], [0.5]], text_prompt="a:0.2, b:0.2") == [1]
    assert decide([[0.0], [0.0]], text_prompt="a, b", predict_background=False) == [1]
    assert decide([[0.65], [0.5]], text_prompt="a, b:0") == [1]


def test_thresholds_of_single_prompts(decide: Any) -> None:
    rows = [[0.35, 0.45, 0.75, 0.85], [0.1, 0.1, 0.1, 0.1]]
    assert decide(rows, text_prompt="a:0.4, b") == [0, 1, 1, 1]
    assert decide(rows, text_prompt="roof, b") == [0, 0, 0, 1]  # calibrated: 0.8
    assert decide(rows, text_prompt="roof:0.4, b") == [0, 1, 1, 1]
    # What is further above its own threshold wins.
    assert decide([[0.9], [0.6]], text_prompt="a:0.8, b:0.1") == [2]
    assert decide([[0.95], [0.5]], text_prompt="a:0.8, b:0.1") == [1]
    assert decide([[0.9], [0.8]], text_prompt="a:0.95, b:0.7") == [2]


def test_expressions_and_phrases_compete(decide: Any) -> None:
    rows = [[0.9, 0.9, 0.2, 0.2], [0.1, 0.8, 0.9, 0.1]]
    assert decide(rows, text_prompt="x = a NOT b, b") == [1, 2, 2, 0]
    assert decide(rows, text_prompt="x = a AND b, y = a NOT b, z = b NOT a") == [2, 1, 3, 0]
    assert decide(rows, text_prompt="none = NOT (a OR b), any = a OR b") == [2, 2, 2, 1]


# --- background --------------------------------------------------------------------------------


def test_background_prompts_compete(decide: Any) -> None:
    rows = [[0.9, 0.5, 0.5, 0.1], [0.1, 0.5, 0.6, 0.9]]
    prompts = {"text_prompt": "a", "background_prompt": "shadow"}
    assert decide(rows, **prompts) == [1, 1, 0, 0]  # of equal ones the class wins
    assert decide(rows, text_prompt="a") == [1, 1, 1, 0]
    # A background that is not present itself hides a class as well, if it is the better one.
    assert decide([[0.2], [0.25]], **prompts) == [0]
    assert decide(rows, predict_background=False, **prompts) == [1, 1, 1, 1]


def test_background_expressions(decide: Any) -> None:
    rows = [[0.9, 0.9], [0.2, 0.95], [0.02, 0.02]]
    assert decide(rows, text_prompt="a", background_prompt="b AND NOT c, c") == [1, 0]
    assert decide(rows, text_prompt="a", background_prompt="b:0.94") == [1, 1]


def test_no_background(decide: Any) -> None:
    rows = [[0.0, 0.1, 0.2], [0.0, 0.2, 0.1]]
    assert decide(rows, text_prompt="a, b") == [0, 0, 0]
    assert decide(rows, text_prompt="a, b", predict_background="False") == [1, 2, 1]


# --- bands of probabilities --------------------------------------------------------------------


def test_a_phrase_is_its_probability_and_an_expression_its_score(decide: Any) -> None:
    rows = [[0.6, 0.9], [0.2, 0.65]]
    found = decide(rows, bands=True, text_prompt="a:0.9, x = a AND b, y = b{*2}, (b):0.1")
    assert found == [
        pytest.approx([0.6, 0.9]),
        pytest.approx([0.5 * 0.2 / 0.3, 0.75], abs=1e-6),
        pytest.approx([0.4, 1.0]),
        pytest.approx([0.2, 0.65]),
    ]


# --- growth ------------------------------------------------------------------------------------


def test_growth_has_a_limit(decide: Any) -> None:
    rows = [[0.5, 0.5]]
    assert decide(rows, text_prompt=f"a{{+{GROWTH}px}}") == [1, 1]
    with pytest.raises(ArgumentError) as caught:
        decide(rows, text_prompt=f"a{{-{GROWTH + 1}px}}")
    assert str(caught.value) == (
        "text_prompt grows or shrinks something by 65 px; 64 px are the most: grow by less"
    )
    assert decide(rows, 0.5, text_prompt="a{+32m}") == [1, 1]
    with pytest.raises(ArgumentError, match=r"by 33 m, which is 66 pixels .*; 32 m \(64 pixels\)"):
        decide(rows, 0.5, text_prompt="a OR (a NOT a){+33m}")
    for bands in (False, True):
        with pytest.raises(ArgumentError, match="grows or shrinks"):
            decide(rows, 0.1, bands=bands, text_prompt="a{+1m} AND NOT a{+30m}")
    with pytest.raises(ArgumentError, match="grows or shrinks"):
        decide([[0.5], [0.5]], text_prompt="a", background_prompt="b{+65px}")


def test_growth_by_pixels_is_checked_before_the_first_block(package: ModelDefinition) -> None:
    for wrong in ("a{+65px}", "b, (a{-40px} OR b){+25px}"):
        with pytest.raises(ArgumentError, match=r"by 65 px.*; 64 px are the most"):
            parse_arguments({"text_prompt": wrong}, package)
    # What a metre measures in pixels only the raster says.
    assert parse_arguments({"text_prompt": "a{+500m}, b{+64px}"}, package).margin == GROWTH


# --- with a network ----------------------------------------------------------------------------


def classifier(package: ModelDefinition, **scalars: Any) -> Any:
    arguments: Arguments = parse_arguments(scalars, package)

    def warn(message: str) -> None:
        # The package has a calibrated threshold for "Roof" alone.
        assert message.startswith(("no calibrated threshold", "calibrated thresholds are not used"))

    return clipseg.load_classifier(package, arguments, -1, warn)


def noise(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, rows, columns), np.uint8)


def block(function: Any, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, Place]:
    padding = function.arguments.block_padding
    pixels = noise(rows + 2 * padding, columns + 2 * padding)
    return pixels, np.ones(pixels.shape[1:], bool), Place(0, 0, *pixels.shape[1:])


@pytest.mark.parametrize(
    ("text", "margin"),
    [("a", 0), ("a{+1px}", 1), ("a{+1m}", GROWTH), ("(a{-2px} OR b{+4px}){+3px}", 7)],
)
@pytest.mark.parametrize("size", [(1, 1), (17, 40)])
def test_shapes(package: ModelDefinition, text: str, margin: int, size: tuple[int, int]) -> None:
    function = classifier(package, text_prompt=text, padding=8)
    assert function.arguments.block_padding == function.arguments.reach + margin
    values = function.classify(*block(function, *size), 1.0)
    assert values.shape == (1, *size) and values.dtype == np.uint8
    function = classifier(package, text_prompt=text + ", b", return_probability_raster=True)
    bands = function.classify(*block(function, *size), 1.0)
    assert bands.shape == (2, *size) and bands.dtype == np.float32
    assert bands.min() >= 0 and bands.max() <= 1


def test_growth_within_growth_adds_up(package: ModelDefinition) -> None:
    function = classifier(package, text_prompt="(a{+40m} OR b){+30m}")
    pixels, valid, place = block(function, 20, 20)
    with pytest.raises(ArgumentError, match="by 70 pixels of this raster in all"):
        function.classify(pixels, valid, place, 1.0)
    function.classify(pixels, valid, place, 2.0)  # 35 pixels


def test_growth_looks_beyond_the_block(package: ModelDefinition) -> None:
    large = classifier(package, text_prompt="(a OR a){+9px}", return_probability_raster=True)
    pixels, valid, place = block(large, 16, 16)
    found = large.classify(pixels, valid, place, 1.0)[0]
    whole = large.segmenter.probabilities(
        pixels,
        valid,
        place,
        padding=large.arguments.reach,
        tile_size=32,
        overlap=2 * large.arguments.padding,
        batch_size=4,
    ).numpy()[0]
    scores = np.where(whole > 0.3, 0.5 + (whole - 0.3) * 0.5 / 0.7, whole * 0.5 / 0.3)
    down, across = np.ogrid[-9:10, -9:10]
    disk = down**2 + across**2 <= 81
    expected = np.array(
        [
            [scores[r - 9 : r + 10, c - 9 : c + 10][disk].max() for c in range(9, 9 + 16)]
            for r in range(9, 9 + 16)
        ]
    )
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("text", "background", "rows"),
    [
        ("a", "", 1),
        ("a, b, c", "", 3),
        ("a AND b, A NOT b:0.7, x = a{*2}, y = (B OR a){+1px}", "", 2),
        ("a|b, b|A, a", "", 2),
        ("a", "b, c OR a", 3),
    ],
)
def test_each_distinct_phrase_is_computed_once(
    package: ModelDefinition,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    background: str,
    rows: int,
) -> None:
    decoded: list[int] = []
    forward = Decoder.forward

    def count(self: Decoder, activations: Any, embeddings: Tensor, grid: Any) -> Any:
        decoded.append(len(activations[0]) * len(embeddings))
        return forward(self, activations, embeddings, grid)

    monkeypatch.setattr(Decoder, "forward", count)
    function = classifier(
        package, text_prompt=text, background_prompt=background, padding=0, batch_size=4
    )
    pixels, valid = noise(32, 32), np.ones((32, 32), bool)  # one tile
    around = function.arguments.block_padding
    pixels = np.pad(pixels, ((0, 0), (around, around), (around, around)))
    valid, place = np.pad(valid, around), Place(-around, -around, 32, 32)
    function.classify(pixels, valid, place, 1.0)
    assert sum(decoded) == rows
