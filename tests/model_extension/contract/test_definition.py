"""Reading the Esri model definition in the raster function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_extension.clipseg.contract.definition import ModelDefinition, read_definition
from model_extension.common.errors import CLIPSegError, DefinitionError, WeightsError
from tests.support.tiny_clipseg import emd, settings


def test_a_path_and_a_text_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "Größe.emd"
    content = emd(ModelFile="weights\\model.safetensors")
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8-sig")
    by_path = read_definition(str(path), "elsewhere")
    by_text = read_definition("\n " + json.dumps(content), str(tmp_path))
    assert by_path == by_text
    assert by_path.folder == str(tmp_path)
    assert Path(by_path.weights) == tmp_path / "weights" / "model.safetensors"
    assert by_path.path("vocab.json") == str(tmp_path / "vocab.json")


def test_defaults() -> None:
    content = emd()
    for key in ("Padding", "Threshold", "ExtractBands", "DataRange", "SupportsVariableTileSize"):
        content.pop(key, None)
    for key in ("Mean", "Std", "Prompt", "Vocabulary"):
        content["CLIPSeg"].pop(key, None)
    definition = read_definition(json.dumps(content), "")
    assert definition.padding == 8  # an eighth of the tile
    assert definition.scales == "1"
    assert definition.threshold == 0.3
    assert definition.extract_bands == (0, 1, 2)
    assert definition.data_range == (0, 255)
    assert definition.mean == (0.485, 0.456, 0.406)
    assert definition.prompt == ""
    assert definition.prompt_names is None
    assert not definition.variable_tile_size


def test_frozen_vocabulary() -> None:
    network = {key: value for key, value in settings().items() if key != "text_config"}
    content = emd(own={"Vocabulary": "frozen", "PromptNames": ["a", "b"], "Network": network})
    definition = read_definition(json.dumps(content), "")
    assert definition.prompt_names == ("a", "b")
    assert definition.network.text is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' cannot be read"),
        ("no/such.emd", "no/such.emd' cannot be read"),
        ("\0", "cannot be read"),
        ("{", "not valid JSON"),
        ('{"a":' + "[" * 100_000, "not valid JSON"),
        ("{}", "no object 'CLIPSeg': it is of another model"),
        ('{"CLIPSeg": []}', "no object 'CLIPSeg'"),
        ('{"CLIPSeg": {}}', "package format None, this code reads format 1"),
        ('{"CLIPSeg": {"Format": 2}}', "package format 2, this code reads format 1"),
        ('{"CLIPSeg": {"Format": 1}}', "lacks the key 'Network'"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        read_definition(text, "")


def test_a_path_to_something_else(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="cannot be read"):
        read_definition(str(tmp_path), "")
    (tmp_path / "list.emd").write_text("[]")
    with pytest.raises(DefinitionError, match=r"list\.emd must hold a JSON object"):
        read_definition(str(tmp_path / "list.emd"), "")
    (tmp_path / "bytes.emd").write_bytes(b"\xff\xfe{\0}\0")
    with pytest.raises(DefinitionError, match=r"bytes\.emd"):
        read_definition(str(tmp_path / "bytes.emd"), "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ImageHeight": None}, "wrong kind"),
        ({"ImageHeight": float("inf")}, "wrong kind"),
        ({"ExtractBands": [0, 1]}, r"ExtractBands is \[0, 1\]; it must list 3 bands"),
        ({"ExtractBands": ["red", "green", "blue"]}, "must list 3 bands by number"),
        ({"ExtractBands": [0, 1, -1]}, "must list 3 bands"),
        ({"ExtractBands": 3}, "must list 3 bands"),
        ({"DataRange": [0, 1]}, r"DataRange is \[0, 1\]; it must be \[0, 255\]"),
        ({"DataRange": 255}, "wrong kind"),
        ({"Threshold": "low"}, "wrong kind"),
        ({"own": {"Mean": [0.5, 0.5]}}, "Mean is .*; it must be 3 numbers, one per band"),
        ({"own": {"Std": [0.5, 0.5, 0]}}, "Std is .*; it must be 3 numbers above 0"),
        ({"own": {"Mean": [0.5, 0.5, float("nan")]}}, "Mean is"),
        ({"own": {"Vocabulary": "ice"}}, "Vocabulary is 'ice'; it must be one of text, frozen"),
        ({"own": {"Vocabulary": "frozen"}}, "lacks the key 'PromptNames'"),
        (
            {"own": {"Vocabulary": "frozen", "PromptNames": "abc"}},
            "PromptNames and LearnedPrompts",
        ),
        (
            {"own": {"Vocabulary": "frozen", "PromptNames": []}},
            "PromptNames and LearnedPrompts",
        ),
        ({"own": {"Network": {"vision_config": {}}}}, "lacks the key 'text_config'"),
    ],
)
def test_wrong_values_name_their_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        read_definition(json.dumps(emd(**changes)), "")
    assert str(caught.value).startswith("the model definition given as text")


@pytest.mark.parametrize("key", ["ImageHeight", "ModelFile"])
def test_missing_keys_are_named(key: str) -> None:
    content = emd()
    del content[key]
    with pytest.raises(DefinitionError, match=f"lacks the key '{key}'"):
        read_definition(json.dumps(content), "")


def test_impossible_networks() -> None:
    content = emd(own={"Network": settings(patch=8, refined=True)})
    with pytest.raises(WeightsError, match="given as text: the refined head"):
        read_definition(json.dumps(content), "")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(emd())), VALUES)
def test_any_value_gives_a_definition_or_one_of_our_errors(key: str, value: Any) -> None:
    _read_or_refuse({**emd(), key: value})


@given(st.sampled_from(sorted(emd()["CLIPSeg"])), VALUES)
def test_any_setting_gives_a_definition_or_one_of_our_errors(key: str, value: Any) -> None:
    _read_or_refuse(emd(own={key: value}))


def _read_or_refuse(content: dict[str, Any]) -> None:
    try:
        definition = read_definition(json.dumps(content), "")
    except CLIPSegError as error:
        assert len(str(error)) < 2000
    else:
        assert isinstance(definition, ModelDefinition)
