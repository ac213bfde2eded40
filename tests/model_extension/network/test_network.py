"""The packaged network at small sizes, against transformers; full size is in a file of its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.layers import attention
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.weights import load_network
from model_extension.common.errors import TokenizerError
from tests.support.tiny_clipseg import (
    VOCABULARY,
    StateDict,
    difference,
    networks,
    reference,
    settings,
    token_ids,
)

PROMPTS = ("water", "a", "solar-panels", "roofs", "x1", "trees", "cloud", "bare-ground")


def ours(model: Any, sizes: dict[str, Any], dtype: torch.dtype = torch.float32) -> CLIPSeg:
    return load_network(StateDict(model.state_dict()), NetworkConfig.from_dict(sizes), dtype=dtype)


def random_pixels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def decoded(
    model: Any, hidden: tuple[torch.Tensor, ...], conditional: torch.Tensor, grid: tuple[int, int]
) -> torch.Tensor:
    """The reference's decoder, step by step, for an image that is not square.

    transformers takes the root of the number of patches for both sides of the grid; every other
    step of it knows no sides.
    """
    decoder = model.decoder
    x = None
    read = [hidden[layer + 1] for layer in model.extract_layers][::-1]
    for index, (activation, layer, reduce) in enumerate(zip(read, decoder.layers, decoder.reduces)):
        x = reduce(activation) if x is None else reduce(activation) + x
        if index == decoder.conditional_layer:
            mul, add = decoder.film_mul(conditional), decoder.film_add(conditional)
            x = mul[:, None] * x + add[:, None]
        x = layer(x, attention_mask=None)
    assert x is not None
    x = x[:, 1:].transpose(1, 2).reshape(len(conditional), -1, *grid)
    logits: torch.Tensor = decoder.transposed_convolution(x)[:, 0]
    return logits


@hypothesis_settings(max_examples=20, deadline=None)
@given(networks(), st.integers(1, 6), st.integers(1, 8), st.integers(1, 2), st.integers(0, 99))
def test_logits_equal_the_reference(
    sizes: dict[str, Any], grid: int, prompts: int, images: int, seed: int
) -> None:
    model = reference(sizes, seed)
    network = ours(model, sizes)
    side = grid * sizes["vision_config"]["patch_size"]
    pixels = random_pixels(images, 3, side, side, seed=seed)
    tokens = token_ids(*PROMPTS[:prompts])
    with torch.no_grad():
        embeddings = network.embed_text(tokens)
        logits = network(pixels, embeddings)
    assert logits.shape == (images, prompts, side, side)
    for image in range(images):
        expected = model(input_ids=tokens, pixel_values=pixels[image].expand(prompts, -1, -1, -1))
        assert difference(embeddings, expected.conditional_embeddings) <= 1e-5
        assert difference(logits[image], expected.logits.view(prompts, side, side)) <= 1e-4


@hypothesis_settings(max_examples=10, deadline=None)
@given(networks(), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(0, 99))
def test_images_that_are_not_square(
    sizes: dict[str, Any], rows: int, columns: int, prompts: int, seed: int
) -> None:
    model = reference(sizes, seed)
    network = ours(model, sizes)
    patch = sizes["vision_config"]["patch_size"]
    pixels = random_pixels(1, 3, rows * patch, columns * patch, seed=seed)
    conditional = random_pixels(prompts, sizes["projection_dim"], seed=seed + 1)
    with torch.no_grad():
        logits = network(pixels, conditional)[0]
    hidden = model.clip.get_image_features(pixels, output_hidden_states=True).hidden_states
    repeated = tuple(h.expand(prompts, -1, -1) for h in hidden)
    assert difference(logits, decoded(model, repeated, conditional, (rows, columns))) <= 1e-4
    if rows == columns:  # the steps above are the reference's
        expected = model.decoder(
            [repeated[layer + 1] for layer in sizes["extract_layers"]], conditional
        ).logits
        assert difference(logits, expected.view_as(logits)) <= 1e-4


def test_padding_of_a_batch_of_prompts_changes_nothing() -> None:
    sizes = settings()
    model = reference(sizes)
    network = ours(model, sizes)
    tokens = token_ids(*PROMPTS, length=77)
    mask = torch.ones_like(tokens)
    for row, prompt in zip(mask, PROMPTS):
        row[len(prompt) + 2 :] = 0
    with torch.no_grad():
        padded = network.embed_text(tokens)
        alone = torch.cat([network.embed_text(token_ids(prompt)) for prompt in PROMPTS])
    assert difference(padded, alone) <= 1e-5
    masked = model.clip.get_text_features(tokens, attention_mask=mask).pooler_output
    assert difference(padded, masked) <= 1e-5


@pytest.mark.parametrize("side", [32, 48, 64])
def test_image_embeddings(side: int) -> None:
    sizes = settings(image=32)
    model = reference(sizes)
    network = ours(model, sizes)
    prompts = random_pixels(2, 3, side, side, seed=1)
    pixels = random_pixels(1, 3, 40, 40, seed=2)
    with torch.no_grad():
        embeddings = network.embed_image(prompts)
        logits = network(pixels, embeddings)[0]
    assert difference(embeddings, model.clip.get_image_features(prompts).pooler_output) <= 1e-5
    expected = model(
        pixel_values=pixels.expand(2, -1, -1, -1), conditional_pixel_values=prompts
    ).logits
    assert difference(logits, expected) <= 1e-4


def test_double_precision() -> None:
    sizes = settings()
    model = reference(sizes).double()
    network = ours(model, sizes, dtype=torch.float64)
    pixels, tokens = random_pixels(1, 3, 48, 48).double(), token_ids(*PROMPTS[:2])
    with torch.no_grad():
        logits = network(pixels, network.embed_text(tokens))[0]
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}
    expected = model(input_ids=tokens, pixel_values=pixels.expand(2, -1, -1, -1)).logits
    assert difference(logits, expected) <= 1e-11


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.1), (torch.bfloat16, 1.0)])
def test_half_precision(dtype: torch.dtype, tolerance: float) -> None:
    sizes = settings(patch=16, image=64, refined=True)
    model = reference(sizes)
    pixels, tokens = random_pixels(1, 3, 96, 96), token_ids(*PROMPTS[:2])
    half, single = ours(model, sizes, dtype), ours(model, sizes)
    with torch.no_grad():
        logits = half(pixels.to(dtype), half.embed_text(tokens))
        expected = single(pixels, single.embed_text(tokens))
    assert logits.dtype == dtype
    spared = ("vision.patches.", "vision.norm_in.", "vision.class_token", "vision.positions")
    for name, parameter in half.named_parameters():
        exact = dtype == torch.bfloat16 and name.startswith(spared)
        assert parameter.dtype == (torch.float32 if exact else dtype), name
    assert 0 < difference(logits.float(), expected) < tolerance


@pytest.mark.parametrize("stored", [np.float16, np.float64])
def test_weights_stored_in_other_precisions(stored: Any) -> None:
    sizes = settings()
    model = reference(sizes)
    rounded = {
        name: torch.from_numpy(tensor.numpy().astype(stored))
        for name, tensor in model.state_dict().items()
    }
    network = load_network(StateDict(rounded), NetworkConfig.from_dict(sizes))
    model.load_state_dict({name: tensor.float() for name, tensor in rounded.items()})
    pixels, tokens = random_pixels(1, 3, 32, 32), token_ids("water")
    with torch.no_grad():
        logits = network(pixels, network.embed_text(tokens))[0, 0]
    expected = model(input_ids=tokens, pixel_values=pixels).logits
    assert difference(logits, expected.view_as(logits)) <= 1e-5


@pytest.mark.parametrize("causal", [False, True])
def test_attention_without_the_fused_kernel(causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = random_pixels(3, 2, 4, 9, 8)
    fused = attention(query, key, value, causal)
    with monkeypatch.context() as patch:
        patch.delattr(torch.nn.functional, "scaled_dot_product_attention")
        plain = attention(query, key, value, causal)
    assert difference(fused, plain) <= 1e-6
    # By hand, for one head and its third token.
    last = 3 if causal else 9
    scores = torch.stack([query[0, 0, 2] @ key[0, 0, token] for token in range(last)])
    weights = (scores / math.sqrt(8)).softmax(0)
    assert difference(plain[0, 0, 2], weights @ value[0, 0, :last]) <= 1e-6


def test_network_without_the_fused_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = settings()
    network = ours(reference(sizes), sizes)
    pixels, tokens = random_pixels(1, 3, 48, 48), token_ids(*PROMPTS)
    with torch.no_grad():
        fused = network(pixels, network.embed_text(tokens))
        monkeypatch.delattr(torch.nn.functional, "scaled_dot_product_attention")
        plain = network(pixels, network.embed_text(tokens))
    assert difference(fused, plain) <= 1e-4


def test_prompts_decoded_in_groups() -> None:
    sizes = settings(conditional=1)
    network = ours(reference(sizes), sizes)
    pixels, conditional = random_pixels(2, 3, 32, 32), random_pixels(8, 24, seed=1)
    with torch.no_grad():
        together = network(pixels, conditional)
        for group in (1, 3, 6, 16):
            network.decoded_at_once = group
            assert difference(network(pixels, conditional), together) <= 1e-5


def test_each_image_is_encoded_once_and_only_as_deep_as_needed() -> None:
    sizes = settings(extract=(0, 2), layers=5)
    network = ours(reference(sizes), sizes)
    calls: list[tuple[int, int]] = []
    for index, block in enumerate(network.vision.blocks):
        block.register_forward_hook(
            lambda module, args, result, index=index: calls.append((index, len(args[0])))
        )
    with torch.no_grad():
        network(random_pixels(2, 3, 32, 32), random_pixels(8, 24, seed=1))
        assert calls == [(0, 2), (1, 2), (2, 2)]
        calls.clear()
        network.embed_image(random_pixels(1, 3, 32, 32))
        assert [index for index, _ in calls] == [0, 1, 2, 3, 4]


def test_images_of_other_sizes_than_whole_patches_are_refused() -> None:
    sizes = settings(patch=8)
    network = ours(reference(sizes), sizes)
    for shape in ((1, 3, 32, 36), (1, 3, 33, 32), (1, 3, 0, 32)):
        with pytest.raises(ValueError, match="multiples of the patch size 8"):
            network(torch.zeros(shape), torch.zeros(1, 24))


def test_tokens_of_another_vocabulary_are_refused() -> None:
    sizes = settings()
    network = ours(reference(sizes), sizes)
    tokens = token_ids("water", "trees")
    cut_off = tokens[:, :4]  # no end token
    unknown = tokens.clone()
    unknown[1, 2] = len(VOCABULARY)
    for wrong in (cut_off, unknown):
        with pytest.raises(TokenizerError, match=r"vocab\.json"):
            network.embed_text(wrong)
    frozen = {key: value for key, value in sizes.items() if key != "text_config"}
    without = ours(reference(sizes), frozen)
    with pytest.raises(RuntimeError, match="frozen"):
        without.embed_text(tokens)


def test_bfloat16_takes_pixels_in_as_they_are() -> None:
    """All that turns pixels into tokens is single precision; only the tokens are rounded."""
    sizes = settings(patch=16, image=64, refined=True)
    model = reference(sizes)
    half, single = ours(model, sizes, torch.bfloat16), ours(model, sizes)
    pixels = random_pixels(2, 3, 96, 80)
    with torch.no_grad():
        tokens, expected = half.vision.tokens(pixels), single.vision.tokens(pixels)
    assert (half.dtype, single.dtype) == (torch.bfloat16, torch.float32)
    assert tokens.dtype == torch.bfloat16
    # A last digit may fall otherwise, since the product is summed up in another order.
    assert difference(tokens.float(), expected) <= 0.5**8 * float(expected.abs().max())
    assert (tokens == expected.to(torch.bfloat16)).float().mean() > 0.99
