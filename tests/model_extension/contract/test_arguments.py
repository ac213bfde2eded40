"""The arguments of the raster function, as text and otherwise."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.clipseg.contract.arguments import Arguments, parse_arguments
from model_extension.clipseg.contract.definition import ModelDefinition, read_definition
from model_extension.clipseg.contract.parameters import parameter_info
from model_extension.common.errors import ArgumentError, CLIPSegError, PromptError
from model_extension.common.values import boolean, number, whole
from tests.support.tiny_clipseg import emd, settings


def definition(**changes: Any) -> ModelDefinition:
    return read_definition(json.dumps(emd(**changes)), "")


def parsed(**scalars: Any) -> Arguments:
    return parse_arguments({"text_prompt": "water", **scalars}, definition())


def test_defaults_stand_in_for_what_is_missing() -> None:
    arguments = parse_arguments({}, definition(Threshold=0.4, own={"Prompt": "a, b"}))
    assert arguments.prompts == ("a", "b")
    assert arguments.threshold == 0.4
    assert (arguments.padding, arguments.batch_size, arguments.tile_size) == (16, 4, 64)
    assert arguments.predict_background
    assert not arguments.return_probability_raster
    assert arguments.views == (0,)
    assert arguments.precision == "auto"
    assert (arguments.presence_threshold, arguments.margin) == (0.0, 0)


def test_everything_as_text() -> None:
    arguments = parsed(
        text_prompt="water, solar panels",
        threshold="0,25",
        padding="8.0",
        batch_size="9",
        tile_size=" 48 ",
        predict_background="false",
        return_probability_raster="TRUE",
        processorType="GPU",
        pythonmodule="x",
        raster=object(),
    )
    assert arguments.prompts == ("water", "solar panels")
    assert arguments.threshold == 0.25
    assert (arguments.padding, arguments.batch_size, arguments.tile_size) == (8, 9, 48)
    assert not arguments.predict_background
    assert arguments.return_probability_raster


def test_native_types() -> None:
    arguments = parsed(
        threshold=np.float32(0.5),
        padding=np.int64(4),
        batch_size=1.0,
        tile_size=np.array(32)[()],
        predict_background=np.bool_(False),
        return_probability_raster=True,
    )
    assert (arguments.prompts, arguments.threshold) == (("water",), 0.5)
    assert (arguments.padding, arguments.batch_size, arguments.tile_size) == (4, 1, 32)
    assert not arguments.predict_background
    assert arguments.return_probability_raster


@pytest.mark.parametrize("empty", [None, ""])
def test_what_was_emptied_has_its_default(empty: Any) -> None:
    names = ("threshold", "padding", "batch_size", "tile_size", "predict_background")
    assert parsed(**dict.fromkeys(names, empty)) == parsed()


def test_an_emptied_prompt_is_not_the_default_one() -> None:
    with_default = definition(own={"Prompt": "water"})
    assert parse_arguments({"text_prompt": None}, with_default).prompts == ("water",)
    for text in ("", "  ", ",,"):
        with pytest.raises(PromptError, match="text_prompt is empty"):
            parse_arguments({"text_prompt": text}, with_default)
    with pytest.raises(PromptError, match="text_prompt is empty"):
        parse_arguments({}, definition(own={"Prompt": ""}))


@pytest.mark.parametrize(
    ("batch", "used"), [("1", 1), ("3", 1), ("4", 4), ("15", 9), ("16", 16), ("1024", 1024)]
)
def test_the_highest_possible_square_is_used(batch: str, used: int) -> None:
    assert parsed(batch_size=batch).batch_size == used


def test_padding_follows_another_tile_size() -> None:
    assert parsed().padding == 16
    assert parsed(tile_size="128").padding == 16
    assert parsed(tile_size="128", padding="0").padding == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("threshold", "nan", "threshold is 'nan'; it must be a number, for example 0.3"),
        ("threshold", math.nan, "threshold is nan; it must be a number"),
        ("threshold", "inf", "it must be a number"),
        ("threshold", "30%", "it must be a number"),
        ("threshold", "1.000,5", "it must be a number"),
        ("threshold", "1,5", "threshold is 1.5; it must be from 0 to 1"),
        ("threshold", -0.1, "threshold is -0.1; it must be from 0 to 1"),
        ("threshold", [0.5], "it must be a number"),
        ("threshold", 10**400, "it must be a number"),
        ("padding", "-1", "padding is -1; it must be from 0 to 31"),
        ("padding", "32", "padding is 32; it must be from 0 to 31, less than half of the tile"),
        ("padding", "8.5", "padding is '8.5'; it must be a whole number"),
        ("padding", "wide", "padding is 'wide'; it must be a number"),
        ("batch_size", "0", "batch_size is 0; it must be from 1 to 1024"),
        ("batch_size", "1000000", "batch_size is 1000000; it must be from 1 to 1024"),
        ("tile_size", "50", "tile_size is 50; it must be a multiple of 8 .* example 48 or 64"),
        ("tile_size", "0", "tile_size is 0; it must be a multiple of 8 from 8 to 4096"),
        ("tile_size", "-8", "tile_size is -8"),
        ("tile_size", "8192", "tile_size is 8192; .* from 8 to 4096, for example 4096 or 64"),
        ("tile_size", "1,024", "tile_size is '1,024'; it must be a whole number"),
        ("predict_background", "ture", "predict_background is 'ture'; it must be True or False"),
        ("predict_background", "2", "it must be True or False"),
        ("return_probability_raster", "maybe", "return_probability_raster is 'maybe'"),
        ("prompt_weight", "1.5", "prompt_weight is 1.5; it must be from 0 to 1"),
        ("prompt_weight", "half", "prompt_weight is 'half'; it must be a number"),
        ("presence_threshold", "-1", "presence_threshold is -1; it must be from 0 to 1"),
        ("image_prompt_style", "blurry", "style is 'blurry'; it must be one of crop-b"),
        ("prompt_template", "a photo", "template is 'a photo'; it must be one of none, photo"),
        ("test_time_augmentation", "maybe", "augmentation is 'maybe'; it must be True or"),
    ],
)
def test_wrong_values_name_the_argument(name: str, value: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parsed(**{name: value})


@pytest.mark.parametrize("word", ["True", "true", " TRUE ", "1", "yes", "on", True, 1])
def test_yes(word: Any) -> None:
    assert boolean("x", word)


@pytest.mark.parametrize("word", ["False", "false", "0", "no", "off", False, 0])
def test_no(word: Any) -> None:
    assert not boolean("x", word)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_with_either_decimal_sign(value: float) -> None:
    assert number("x", repr(value)) == value
    assert number("x", repr(value).replace(".", ",")) == value
    assert number("x", value) == value


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_come_back(value: int) -> None:
    assert whole("x", str(value)) == whole("x", value) == whole("x", f"{value},0") == value


SCALARS = st.sampled_from(
    ["threshold", "padding", "batch_size", "tile_size", "predict_background", "text_prompt"]
)


@given(st.dictionaries(SCALARS, st.text() | st.floats() | st.integers() | st.none()))
def test_any_scalars_give_arguments_or_one_of_our_errors(scalars: dict[str, Any]) -> None:
    try:
        arguments = parse_arguments(scalars, definition(own={"Prompt": "water"}))
    except CLIPSegError as error:
        assert any(name in str(error) for name in scalars)
    else:
        assert arguments.block_size >= 1


def test_a_frozen_vocabulary_is_a_drop_down() -> None:
    network = {key: value for key, value in settings().items() if key != "text_config"}
    own = {
        "Vocabulary": "frozen",
        "PromptNames": ["water", "trees", "roof"],
        "Prompt": "trees, water",
        "Network": network,
    }
    parameter = parameter_info(definition(own=own))[3]
    assert parameter["name"] == "text_prompt"
    assert parameter["domain"] == ("trees, water", "water", "trees", "roof")
    assert parameter["value"] in parameter["domain"]
    own["Prompt"] = "trees"
    assert parameter_info(definition(own=own))[3]["domain"] == ("trees", "water", "roof")
