"""The arguments as ArcGIS shows them, and as they are read again."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import model_extension
from model_extension.clipseg.contract import arguments as arguments_module
from model_extension.clipseg.contract.arguments import parse_arguments
from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.contract.parameters import PRECISIONS, parameter_info
from model_extension.clipseg.language.recipes import BEST, RECIPES
from model_extension.clipseg.network.precision import DTYPES
from model_extension.common.errors import ArgumentError
from tests.support.random_package import NAMES, write_package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(tmp_path_factory.mktemp("parameters") / "package", own={"Prompt": "water"})


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(
        tmp_path_factory.mktemp("parameters") / "package", frozen=True, own={"Prompt": "water"}
    )


def shown(definition: ModelDefinition) -> list[dict[str, Any]]:
    """What appears in the tool's table."""
    return parameter_info(definition)[3:]


# --- as they are shown -------------------------------------------------------------------------


def test_every_argument_explains_itself(package: ModelDefinition, frozen: ModelDefinition) -> None:
    for parameter in shown(package) + shown(frozen):
        name = parameter["name"]
        assert set(parameter) <= {
            *("name", "dataType", "value", "required", "displayName", "description", "domain")
        }
        assert name == name.lower() and name.isidentifier()
        assert parameter["displayName"] == name.replace("_", " ").title()
        assert parameter["required"] is False
        assert parameter["dataType"] in ("string", "numeric")
        kind = str if parameter["dataType"] == "string" else (int, float)
        assert isinstance(parameter["value"], kind)
        text = parameter["description"]
        assert 30 < len(text) < 300, name
        # An example of what to type, or a list to choose from, each entry of which is named or
        # speaks for itself.
        if "domain" in parameter:
            assert parameter["value"] in parameter["domain"]
            assert len(set(parameter["domain"])) == len(parameter["domain"]) > 1
            assert all(isinstance(entry, str) for entry in parameter["domain"])
        else:
            assert "For example: " in text or " = " in text, name


def test_names_are_distinct_and_the_first_ones_are_arcgis_own(package: ModelDefinition) -> None:
    names = [parameter["name"] for parameter in parameter_info(package)]
    assert len(set(names)) == len(names)
    assert names[:4] == ["raster", "model", "device", "text_prompt"]
    assert [parameter["name"] for parameter in parameter_info(None)] == [
        "raster",
        "model",
        "device",
    ]


def test_lists_to_choose_from(package: ModelDefinition) -> None:
    domains = {entry["name"]: entry["domain"] for entry in shown(package) if "domain" in entry}
    assert domains == {
        "image_prompt_style": tuple(RECIPES),
        "predict_background": ("True", "False"),
        "return_probability_raster": ("True", "False"),
        "test_time_augmentation": ("True", "False"),
        "precision": PRECISIONS,
        "compile_network": ("True", "False"),
    }
    assert set(PRECISIONS) == {"auto", *DTYPES}


def test_what_is_shown_can_be_changed_by_the_caller(package: ModelDefinition) -> None:
    before = parameter_info(package)
    for parameter in before:
        parameter["name"] = parameter["displayName"] = "x"
    assert [entry["name"] for entry in parameter_info(package)[:3]] == ["raster", "model", "device"]


def test_a_frozen_vocabulary(frozen: ModelDefinition) -> None:
    by_name = {entry["name"]: entry for entry in shown(frozen)}
    assert by_name["text_prompt"]["domain"] == NAMES
    # Sentences have no effect on embeddings that are there already; examples have.
    assert "prompt_template" not in by_name
    assert "image_prompt" in by_name and "background_prompt" in by_name


def test_tile_size_is_shown_where_it_may_vary(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package", SupportsVariableTileSize=False)
    assert "tile_size" not in {entry["name"] for entry in shown(definition)}


# --- as they are read --------------------------------------------------------------------------


def read_names() -> set[str]:
    """Arguments that `parse_arguments` and its helpers look up."""
    tree = ast.parse(inspect.getsource(arguments_module))
    return {
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "get"
        and isinstance(call.args[0], ast.Constant)
    }


def test_what_is_shown_is_what_is_read(package: ModelDefinition) -> None:
    assert {entry["name"] for entry in shown(package)} == read_names()


@pytest.mark.parametrize("as_text", [False, True])
def test_defaults_mean_what_leaving_out_means(package: ModelDefinition, as_text: bool) -> None:
    values = {entry["name"]: entry["value"] for entry in shown(package)}
    if as_text:
        values = {name: str(value) for name, value in values.items()}
    assert parse_arguments(values, package) == parse_arguments({}, package)


def test_every_choice_is_accepted(package: ModelDefinition) -> None:
    for entry in shown(package):
        for choice in entry.get("domain", ()):
            assert parse_arguments({entry["name"]: choice}, package)


def test_examples_of_the_descriptions_work(package: ModelDefinition) -> None:
    for entry in shown(package):
        _, found, example = entry["description"].partition("For example: ")
        if found:
            value = example.partition(", which")[0].rstrip(".")
            assert parse_arguments({entry["name"]: value}, package), entry["name"]
    plan = parse_arguments(
        {
            "text_prompt": "water, solar panels, roof NOT skylight, lakes:0.4, pond|lake|reservoir,"
            " pools = swimming pool NOT lake",
            "image_prompt": "boats = a.png | b.png",
        },
        package,
    ).plan
    assert len(plan.names) == 7


def test_new_arguments(package: ModelDefinition) -> None:
    arguments = parse_arguments(
        {
            "image_prompt": "boat = a.png",
            "prompt_weight": "0,75",
            "image_prompt_style": " Crop ",
            "prompt_template": "an old map of {}",
            "background_prompt": "shadow",
            "presence_threshold": "0.5",
            "test_time_augmentation": "true",
            "precision": "BF16",
        },
        package,
    )
    # With examples to look for, the package's default prompt is not meant.
    assert arguments.plan.names == ("boat",)
    assert arguments.prompt_weight == 0.75
    assert arguments.image_prompt_style == "crop"
    assert arguments.templates == ("an old map of {}",)
    assert len(arguments.plan.background) == 1
    assert arguments.presence_threshold == 0.5
    assert arguments.views == tuple(range(8))
    assert arguments.precision == "bf16"
    plain = parse_arguments({}, package)
    assert (plain.plan.names, plain.image_prompt_style) == (("water",), BEST)
    both = parse_arguments({"text_prompt": "pond", "image_prompt": "boat = a.png"}, package)
    assert both.plan.names == ("pond", "boat")
    untouched = parse_arguments({"text_prompt": "water ", "image_prompt": "boat = a.png"}, package)
    assert untouched.plan.names == ("boat",)


@pytest.mark.parametrize(
    ("scalars", "block", "around"),
    [
        ({}, 2048, 32 + 8 + 2),
        ({"padding": "0", "batch_size": "64"}, 2048, 42),  # neither has a say in it
        ({"scales": "1,0.5"}, 2048, 84),
        ({"scales": "2"}, 2048, 42),
        ({"text_prompt": "a{+1m}"}, 2048, 42 + 64),
        ({"background_prompt": "a{-1px}"}, 2048, 42 + 1),
        ({"tile_size": "4096"}, 2048, 4096 + 1024 + 2),
        ({"text_prompt": ",".join(map(str, range(200)))}, 512, 42),
        # What counts is what is computed, not how many classes are made of it.
        ({"text_prompt": ",".join(f"{n} = a OR b" for n in range(200))}, 2048, 42),
    ],
)
def test_blocks(package: ModelDefinition, scalars: dict[str, str], block: int, around: int) -> None:
    arguments = parse_arguments(scalars, package)
    assert (arguments.block_size, arguments.block_padding) == (block, around)


@pytest.mark.parametrize(
    ("text", "scales"),
    [("1", (1.0,)), ("1,0.5", (1.0, 0.5)), ("2, 1 ,0.5,1", (2.0, 1.0, 0.5))],
)
def test_scales(package: ModelDefinition, text: str, scales: tuple[float, ...]) -> None:
    assert parse_arguments({"scales": text}, package).scales == scales


@pytest.mark.parametrize("text", ["0", "1,,2", "half", "1;2", "0.1", "5", "1,2,3,4,0.5", "nan"])
def test_wrong_scales(package: ModelDefinition, text: str) -> None:
    with pytest.raises(ArgumentError, match="scales is"):
        parse_arguments({"scales": text}, package)


# --- quick dialogs -----------------------------------------------------------------------------


def test_describing_and_reading_arguments_needs_no_torch(tmp_path: Path) -> None:
    write_package(tmp_path / "package")
    program = """
import sys
sys.modules["torch"] = None  # whoever imports it fails
from model_extension import clipseg
definition = clipseg.read_definition(sys.argv[1], "")
clipseg.parameter_info(definition)
arguments = clipseg.parse_arguments(
    {"text_prompt": "a NOT b{+1m}", "image_prompt": "b = c.png"}, definition
)
clipseg.check_prompts(arguments.plan, definition)
clipseg.check_weights(definition)
clipseg.pixel_metres({"cellSize": (1, 1)})
clipseg.attribute_table(arguments.plan.names)
loaded = {name.split(".")[0] for name in sys.modules if sys.modules[name] is not None}
assert not loaded & {"torch", "scipy", "PIL", "osgeo"}, loaded
"""
    root = Path(model_extension.__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "package" / "Random.emd")],
        cwd=root,
        check=True,
        timeout=60,
    )
