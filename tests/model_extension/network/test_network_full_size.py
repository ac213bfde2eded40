"""The packaged network at full size, against transformers: random weights and the real ones."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation
from transformers.models.clipseg.modeling_clipseg import CLIPSegDecoder

from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.weights import load_network
from model_extension.common.safetensors import SafetensorsFile
from tests.support.tiny_clipseg import StateDict, difference, spread

FROZEN_WEIGHTS = os.environ.get("DLPK_FROZEN_WEIGHTS", "")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    """A new CLIPSeg of the size of the released ones (refined head)."""
    torch.manual_seed(5)
    config = CLIPSegConfig(
        vision_config={"patch_size": 16}, use_complex_transposed_convolution=True
    )
    yield CLIPSegForImageSegmentation(config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(1, 3, 352, 352, generator=torch.Generator().manual_seed(6))


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    """Eight prompts of different length, padded."""
    ids = torch.randint(0, 49406, (8, 12), generator=torch.Generator().manual_seed(7))
    ids[:, 0] = 49406
    for row, length in enumerate((3, 4, 5, 6, 8, 10, 11, 12)):
        ids[row, length - 1 :] = 49407
    return ids


def size(logits: torch.Tensor) -> float:
    return float(logits.abs().max())


def ours(model: Any) -> CLIPSeg:
    return load_network(
        StateDict(model.state_dict()), NetworkConfig.from_dict(model.config.to_dict())
    )


def test_default_initial_weights(model: Any, pixels: torch.Tensor, tokens: torch.Tensor) -> None:
    expected = model(input_ids=tokens[:1], pixel_values=pixels).logits
    network = ours(model)
    with torch.no_grad():
        logits = network(pixels, network.embed_text(tokens[:1]))[0, 0]
    # The logits are in the thousands, where neighbouring float32 lie 2e-4 apart.
    assert size(expected) > 500
    assert difference(logits, expected.view_as(logits)) < 2e-6 * size(expected)


def test_realistic_weights(model: Any, pixels: torch.Tensor, tokens: torch.Tensor) -> None:
    spread(model, seed=8)
    network = ours(model)
    with torch.no_grad():
        embeddings = network.embed_text(tokens)
        activations = network.encode(pixels)
        logits = network.decode(activations, embeddings, (22, 22))[0]
    expected = model(input_ids=tokens[-1:], pixel_values=pixels)
    assert 1 < size(expected.logits) < 40
    assert difference(embeddings[-1:], expected.conditional_embeddings) <= 1e-4
    assert difference(logits[-1:], expected.logits.view(1, 352, 352)) <= 1e-4
    # The reference would encode the image once more for each of the eight prompts.
    conditional = model.clip.get_text_features(tokens).pooler_output
    hidden = model.clip.get_image_features(pixels, output_hidden_states=True).hidden_states
    read = [hidden[layer + 1].expand(8, -1, -1) for layer in (3, 6, 9)]
    assert difference(logits, model.decoder(read, conditional).logits) <= 1e-4
    # The head without refinement, of the other released weights.
    plain = CLIPSegConfig(vision_config={"patch_size": 16})
    model.decoder = spread(CLIPSegDecoder(plain), seed=9)
    settings = {**model.config.to_dict(), "use_complex_transposed_convolution": False}
    tensors = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith("clip.text_")
    }
    settings.pop("text_config")
    network = load_network(StateDict(tensors), NetworkConfig.from_dict(settings))
    with torch.no_grad():
        logits = network.decode(activations, embeddings, (22, 22))[0]
    expected = model.decoder(read, conditional).logits
    assert 1 < size(expected) < 40
    assert difference(logits, expected) <= 1e-4


@pytest.mark.skipif(not FROZEN_WEIGHTS, reason="DLPK_FROZEN_WEIGHTS names no folder")
def test_released_weights_on_a_photo() -> None:
    data = pytest.importorskip("skimage.data")
    from PIL import Image

    folder = Path(FROZEN_WEIGHTS)
    settings = json.loads((folder / "config.json").read_text())
    settings.pop("text_config", None)  # its tensors are not in the folder
    names = json.loads((folder / "text_names.json").read_text())
    with SafetensorsFile(folder / "prompt_embeddings.safetensors") as file:
        # Stored with length 1; CLIPSeg was trained on embeddings of about ten times that.
        embeddings = 10 * torch.from_numpy(np.array(file.tensor("coco_single"), np.float32))
    chosen = embeddings[[names.index(name) for name in ("cat", "dog", "car")]]
    photo = Image.fromarray(data.chelsea()).resize((352, 352), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255
    pixels = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)

    with SafetensorsFile(folder / "model.safetensors") as file:
        network = load_network(file, NetworkConfig.from_dict(settings))
        tensors = {name: torch.from_numpy(np.array(file.tensor(name))) for name in file.keys()}
    text = {
        "hidden_size": 8,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
        "vocab_size": 49408,
    }
    for key in ("model_type", "transformers_version"):
        settings.pop(key, None)
    model = CLIPSegForImageSegmentation(CLIPSegConfig(text_config=text, **settings)).eval()
    missing, unexpected = model.load_state_dict(
        {name: tensor.float() for name, tensor in tensors.items()}, strict=False
    )
    assert not unexpected
    assert all("text" in name or name == "clip.logit_scale" for name in missing)
    with torch.no_grad():
        logits = network(pixels, chosen)[0]
        expected = model(
            pixel_values=pixels.expand(3, -1, -1, -1), conditional_embeddings=chosen
        ).logits
    assert difference(logits, expected) <= 1e-4
    seen = torch.sigmoid(logits).mean(dim=(1, 2))
    assert seen[0] > 0.4  # the cat fills the picture,
    assert seen[2] < 0.1  # and there is no car
