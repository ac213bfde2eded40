"""Filling the packaged network from a file, and the sizes that make no network."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.tensors import check_tensors, tensor_shapes
from model_extension.clipseg.network.weights import load_network, slots
from model_extension.common.errors import WeightsError
from tests.support.tiny_clipseg import StateDict, networks, reference, settings


@hypothesis_settings(max_examples=10, deadline=None)
@given(networks())
def test_names_and_shapes_are_those_of_the_reference(sizes: dict[str, Any]) -> None:
    expected = {
        name: tuple(tensor.shape)
        for name, tensor in CLIPSegForImageSegmentation(CLIPSegConfig(**sizes)).state_dict().items()
        if name != "clip.logit_scale"
    }
    assert tensor_shapes(NetworkConfig.from_dict(sizes)) == expected


@pytest.mark.parametrize("refined", [False, True])
def test_every_parameter_is_filled_once(refined: bool) -> None:
    config = NetworkConfig.from_dict(settings(patch=16, image=48, refined=refined))
    network = CLIPSeg(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for slot in slots(network).values():
            slot.add_(1)
    assert all(bool((parameter == 1).all()) for parameter in network.parameters())
    assert set(slots(network)) == set(tensor_shapes(config))
    shapes = {name: tuple(slot.shape) for name, slot in slots(network).items()}
    assert shapes == tensor_shapes(config)


def test_loading_gives_no_warning_and_leaves_torch_as_it_was() -> None:
    sizes = settings()
    tensors = StateDict(reference(sizes).state_dict())

    class ReadOnly(StateDict):
        def tensor(self, name: str) -> np.ndarray:
            values = super().tensor(name).copy()
            values.flags.writeable = False
            return values

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = load_network(
            ReadOnly(tensors.tensors), NetworkConfig.from_dict(sizes), dtype=torch.float64
        )
    assert torch.get_default_dtype() == torch.float32
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def broken(name: str, tensor: torch.Tensor | None) -> StateDict:
    tensors = dict(reference(settings()).state_dict())
    if tensor is None:
        del tensors[name]
    else:
        tensors[name] = tensor
    return StateDict(tensors)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("decoder.film_add.bias", None, r"1 of \d+ tensors are missing, first 'decoder.film_add"),
        ("decoder.film_add.bias", torch.zeros(17), r"shape \[17\].* ask for \[16\]"),
        ("decoder.film_mul.bias", torch.zeros(16, dtype=torch.int64), "holds int64 values"),
        ("decoder.film_mul.bias", torch.zeros(16, dtype=torch.complex64), "holds complex64"),
    ],
)
def test_wrong_weights_are_named(name: str, tensor: torch.Tensor | None, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        load_network(
            broken(name, tensor), NetworkConfig.from_dict(settings()), where="model.safetensors"
        )
    assert "model.safetensors" in str(caught.value)
    assert name in str(caught.value)


def test_more_tensors_than_needed_are_no_fault() -> None:
    shapes = tensor_shapes(NetworkConfig.from_dict(settings()))
    check_tensors(NetworkConfig.from_dict(settings()), {**shapes, "more": (1,)}, "here")


# -- sizes -----------------------------------------------------------------------------------------


def changed(path: str, value: Any) -> dict[str, Any]:
    sizes = settings()
    *parents, key = path.split(".")
    place = sizes
    for parent in parents:
        place = place[parent]
    place[key] = value
    return sizes


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("vision_config.hidden_size", 0, "hidden_size is 0"),
        ("vision_config.hidden_size", 10**9, "hidden_size is 1000000000; it must be from 1 to"),
        ("vision_config.hidden_size", "wide", "cannot be read"),
        ("vision_config.hidden_size", float("inf"), "cannot be read"),
        ("vision_config.num_attention_heads", 5, "not a multiple of its 5 attention heads"),
        ("vision_config.num_attention_heads", 0, "num_attention_heads is 0"),
        ("vision_config.num_hidden_layers", 10**9, "num_hidden_layers is 1000000000"),
        ("vision_config.hidden_act", "tanh", "activation 'tanh' is not known"),
        ("vision_config.patch_size", 0, "patch_size is 0"),
        ("vision_config.patch_size", [8, 8], "cannot be read"),
        ("vision_config.image_size", 4, "image_size 4 holds no patch of 8"),
        ("vision_config", 7, "cannot be read"),
        ("text_config.vocab_size", 0, "vocab_size is 0"),
        ("text_config.max_position_embeddings", 1, "max_position_embeddings"),
        ("text_config.num_hidden_layers", -1, "the text tower's num_hidden_layers is -1"),
        ("extract_layers", [], r"extract_layers \[\]"),
        ("extract_layers", [3, 1], "must rise"),
        ("extract_layers", [1, 1], "must rise"),
        ("extract_layers", [1, 5], "outside the vision tower's 5 blocks"),
        ("extract_layers", [-1, 2], "outside"),
        ("conditional_layer", 3, "conditional_layer 3 is not a decoder block"),
        ("decoder_num_attention_heads", 0, "decoder_num_attention_heads is 0"),
        ("decoder_num_attention_heads", 3, "not a multiple of 3 heads"),
        ("use_complex_transposed_convolution", True, "another size than the image at patch 8"),
        ("projection_dim", -3, "projection_dim is -3"),
    ],
)
def test_impossible_sizes_are_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        NetworkConfig.from_dict(changed(path, value))


def test_sizes_default_to_those_of_the_released_weights() -> None:
    config = NetworkConfig.from_dict({"text_config": {}, "vision_config": {}})
    full = CLIPSegConfig(vision_config={"patch_size": 16})
    assert config == NetworkConfig.from_dict(full.to_dict())
    assert (config.vision.width, config.patch, config.extract) == (768, 16, (3, 6, 9))
