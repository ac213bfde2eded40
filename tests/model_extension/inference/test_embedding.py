"""Embeddings of texts and of example images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from model_extension import clipseg
from model_extension.clipseg.contract.arguments import parse_arguments
from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.inference.embedding import IMAGES_AT_ONCE, Embedder
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.inference.visual_prompts import prepare, resize
from model_extension.clipseg.language.image_prompts import Example
from model_extension.clipseg.language.plan import Concept
from model_extension.clipseg.language.recipes import RECIPES
from model_extension.common.errors import ImageError, PromptError, WeightsError
from tests.support.random_package import NAMES, NETWORK, write_package, write_tensors
from tests.support.segmenting import concept_embeddings

CPU = torch.device("cpu")
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelDefinition:
    return write_package(tmp_path_factory.mktemp("embedding") / "package")


@pytest.fixture(scope="module")
def embedder(package: ModelDefinition) -> Embedder:
    return Segmenter(package, CPU, warn=pytest.fail).embedder


def photo(rows: int, columns: int, bands: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (bands, rows, columns), np.uint8)


def saved(folder: Path, name: str, pixels: np.ndarray) -> str:
    path = folder / name
    np.save(path, pixels)
    return str(path)


def normalised(pixels: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(pixels[:3].astype(np.float32)) / 255 - MEAN) / STD


def embedded(embedder: Embedder, images: Sequence[torch.Tensor]) -> torch.Tensor:
    return embedder.network.embed_image(torch.stack(list(images)))


# --- examples ----------------------------------------------------------------------------------


def test_an_example_without_a_mask_is_the_whole_image(embedder: Embedder, tmp_path: Path) -> None:
    pixels = photo(50, 70)
    found = embedder.examples([Example(saved(tmp_path, "a.npy", pixels), None)], "crop")
    expected = embedded(embedder, [resize(normalised(pixels), 32, 32)])
    assert torch.allclose(found, expected, atol=1e-5)


def masked(shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[5:20, 8:30] = 255
    return mask


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_example_with_a_mask_is_prepared(
    embedder: Embedder, tmp_path: Path, recipe: str
) -> None:
    pixels, mask = photo(28, 32), masked((28, 32))
    image = saved(tmp_path, "a.npy", pixels)
    wanted = prepare(normalised(pixels), torch.from_numpy(mask > 0), RECIPES[recipe], 32, MEAN, STD)
    expected = embedded(embedder, [wanted])
    found = embedder.examples([Example(image, saved(tmp_path, "m.npy", mask))], recipe)
    assert torch.allclose(found, expected, atol=1e-5)
    # Transparency is a mask of its own; a mask that is given goes first.
    both = saved(tmp_path, "b.npy", np.concatenate([pixels, mask[None]]))
    assert torch.allclose(embedder.examples([Example(both, None)], recipe), expected, atol=1e-5)
    other = saved(tmp_path, "c.npy", np.concatenate([pixels, 255 - mask[None]]))
    found = embedder.examples([Example(other, saved(tmp_path, "m.npy", mask))], recipe)
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_mask_of_everything_sets_nothing_off(embedder: Embedder, tmp_path: Path) -> None:
    pixels = photo(28, 32)
    plain = embedder.examples([Example(saved(tmp_path, "a.npy", pixels), None)], "crop")
    opaque = np.concatenate([pixels, np.full((1, 28, 32), 255, np.uint8)])
    found = embedder.examples([Example(saved(tmp_path, "b.npy", opaque), None)], "crop")
    assert torch.equal(found, plain)


def test_recipes_differ(embedder: Embedder, tmp_path: Path) -> None:
    pixels = np.concatenate([photo(28, 32), masked((28, 32))[None]])
    example = [Example(saved(tmp_path, "a.npy", pixels), None)]
    rows = torch.cat([embedder.examples(example, recipe) for recipe in RECIPES])
    apart = torch.cdist(rows, rows) + torch.eye(len(rows)) * 9
    assert apart.min() > 1e-3


def test_large_examples_are_reduced_first(embedder: Embedder, tmp_path: Path) -> None:
    # Every pixel four by four times: what is left is the image it was made of.
    small = np.concatenate([photo(28, 32), masked((28, 32))[None]])
    large = small.repeat(40, axis=1).repeat(40, axis=2)
    found = [
        embedder.examples([Example(saved(tmp_path, name, pixels), None)], "blur-darken")
        for name, pixels in (("a.npy", small), ("b.npy", large))
    ]
    assert torch.nn.functional.cosine_similarity(*found).item() > 0.95


def test_bands_of_a_raster_are_the_models(
    package: ModelDefinition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = write_package(tmp_path / "package", ExtractBands=[2, 1, 0])
    pixels = photo(28, 32, bands=5)
    arcpy: Any = ModuleType("arcpy")
    arcpy.RasterToNumPyArray = lambda path: pixels
    monkeypatch.setitem(sys.modules, "arcpy", arcpy)
    own = Segmenter(definition, CPU).embedder.examples([Example("a.tif", None)], "crop")
    expected = Segmenter(package, CPU).embedder.examples(
        [Example(saved(tmp_path, "a.npy", pixels[[2, 1, 0]]), None)], "crop"
    )
    assert torch.allclose(own, expected, atol=1e-5)


def test_errors_name_the_example(embedder: Embedder, tmp_path: Path) -> None:
    image = saved(tmp_path, "a.npy", photo(8, 8))
    for name, mask, words in [
        ("small.npy", np.ones((4, 8), np.uint8), r"the mask has \[4, 8\] rows and columns"),
        ("zero.npy", np.zeros((8, 8), np.uint8), "the mask marks nothing"),
    ]:
        example = Example(image, saved(tmp_path, name, mask))
        with pytest.raises(ImageError, match=rf"^the example image .*a\.npy: {words}"):
            embedder.examples([example], "crop")
    with pytest.raises(ImageError, match=r"no\.png does not exist"):
        embedder.examples([Example(image, str(tmp_path / "no.png"))], "crop")


# --- concepts ----------------------------------------------------------------------------------


def examples(folder: Path, number: int) -> tuple[Example, ...]:
    return tuple(
        Example(saved(folder, f"{index}.npy", photo(20 + index, 30, seed=index)), None)
        for index in range(number)
    )


@pytest.mark.parametrize("number", [1, 3, IMAGES_AT_ONCE + 1])
def test_examples_are_averaged_after_encoding(
    embedder: Embedder, tmp_path: Path, number: int
) -> None:
    shown = examples(tmp_path, number)
    found = concept_embeddings(embedder, [Concept((), shown)])
    each = torch.cat([embedder.examples([example], "crop") for example in shown])
    assert found.shape == (1, 12)
    assert torch.allclose(found[0], each.mean(0), atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
def test_text_and_examples_are_mixed(embedder: Embedder, tmp_path: Path, weight: float) -> None:
    shown = examples(tmp_path, 2)
    concepts = [
        Concept(("boat", "ship")),
        Concept(("boat", "ship"), shown),
        Concept((), shown),
    ]
    text, both, image = concept_embeddings(embedder, concepts, weight=weight)
    assert torch.allclose(both, weight * text + (1 - weight) * image, atol=1e-5)
    assert not torch.allclose(text, image, atol=0.1)


def test_from_arguments_to_embeddings(package: ModelDefinition, tmp_path: Path) -> None:
    shown = [example.image for example in examples(tmp_path, 2)]
    arguments = parse_arguments(
        {
            "text_prompt": "boat, water AND @boat",
            "image_prompt": f'boat = "{shown[0]}", "{shown[1]}"',
            "prompt_weight": "0,25",
            "image_prompt_style": "crop",
        },
        package,
    )
    assert arguments.plan.names == ("boat", "water AND @boat", "1")
    function = clipseg.load_classifier(package, arguments, -1, pytest.fail)
    rows = function.segmenter._embeddings
    assert rows is not None
    text = function.segmenter.embedder.texts(["boat", "water"])
    image = function.segmenter.embedder.examples([Example(path, None) for path in shown], "crop")
    expected = torch.stack([0.25 * text[0] + 0.75 * image[0], text[1], image[0], image[1]])
    assert torch.allclose(rows, expected, atol=1e-5)


# --- a frozen vocabulary -----------------------------------------------------------------------


def test_a_frozen_vocabulary(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package", frozen=True)
    embedder = Segmenter(definition, CPU, warn=pytest.fail).embedder
    shown = examples(tmp_path, 1)
    found = concept_embeddings(
        embedder, [Concept(("TREES",)), Concept((), shown), Concept(("roof",), shown)]
    )
    assert torch.equal(found[0], embedder._vocabulary()[NAMES.index("trees")])
    roof = embedder._vocabulary()[NAMES.index("roof")]
    assert torch.allclose(found[2], (roof + found[1]) / 2, atol=1e-6)
    with pytest.raises(PromptError, match=r"'tree' .*did you mean 'trees'"):
        concept_embeddings(embedder, [Concept(("tree",))])
    with pytest.raises(PromptError, match="'tree'"):
        clipseg.check_prompts(
            parse_arguments({"text_prompt": "roof NOT tree"}, definition).plan, definition
        )
    unit = torch.nn.functional.normalize(embedder._vocabulary(), dim=-1)
    assert torch.allclose(embedder.neutral(), unit.mean(0, keepdim=True), atol=1e-6)


def test_embeddings_that_do_not_fit(tmp_path: Path) -> None:
    definition = write_package(tmp_path / "package", frozen=True)
    embedder = Segmenter(definition, CPU).embedder
    path = tmp_path / "package" / "prompt_embeddings.safetensors"
    write_tensors(path, {"other": np.zeros((4, 12), np.float32)})
    with pytest.raises(WeightsError, match="has no tensor 'prompts'"):
        concept_embeddings(embedder, [Concept(("roof",))])
    write_tensors(path, {"prompts": np.zeros((4, 11), np.float32)})
    with pytest.raises(WeightsError, match=r"has shape \[4, 11\], .* asks for \[4, 12\]"):
        concept_embeddings(embedder, [Concept(("roof",))])


# --- as transformers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Embedder]:
    """The same random weights in transformers and here."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("both") / "package"
    definition = write_package(folder)
    model = transformers.CLIPSegForImageSegmentation(transformers.CLIPSegConfig(**NETWORK))
    with clipseg.SafetensorsFile(definition.weights) as file:
        state = {name: torch.from_numpy(np.array(file.tensor(name))) for name in file.keys()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all("position_ids" in n or "logit_scale" in n for n in missing)
    return model.eval(), Segmenter(definition, CPU).embedder


def difference(one: Any, other: torch.Tensor) -> float:
    rows = one if isinstance(one, torch.Tensor) else one.pooler_output
    assert rows.shape == other.shape
    return float((rows - other).abs().max())


@pytest.mark.parametrize("size", [16, 32, 48])
def test_image_embeddings_are_those_of_transformers(both: tuple[Any, Embedder], size: int) -> None:
    model, embedder = both
    pixels = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(size))
    with torch.no_grad():
        features = model.clip.get_image_features(pixels)
        conditional = model.get_conditional_embeddings(
            batch_size=3, conditional_pixel_values=pixels
        )
        ours = embedder.network.embed_image(pixels)
    assert ours.abs().max() > 0.5
    assert difference(features, ours) < 1e-4
    assert difference(conditional, ours) < 1e-4


def test_masks_for_examples_are_those_of_transformers(both: tuple[Any, Embedder]) -> None:
    model, embedder = both
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, 3, 32, 32, generator=generator)
    shown = torch.randn(1, 3, 32, 32, generator=generator)
    with torch.no_grad():
        theirs = model(pixel_values=pixels, conditional_pixel_values=shown).logits
        ours = embedder.network(pixels, embedder.network.embed_image(shown))
    assert (ours.reshape(theirs.shape) - theirs).abs().max() < 1e-4


def test_a_whole_image_is_resized_as_by_transformers(
    both: tuple[Any, Embedder], tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    image = pytest.importorskip("PIL.Image")
    model, embedder = both
    pixels = photo(53, 90).astype(float)
    pixels = (pixels + np.roll(pixels, 1, axis=2) + np.roll(pixels, 1, axis=1)) / 3
    pixels = pixels.astype(np.uint8)
    processor = transformers.ViTImageProcessor(
        size={"height": 32, "width": 32},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    read = processor(image.fromarray(np.moveaxis(pixels, 0, -1)), return_tensors="pt")
    with torch.no_grad():
        theirs = model.clip.get_image_features(read["pixel_values"])
    ours = embedder.examples([Example(saved(tmp_path, "a.npy", pixels), None)], "crop")
    # Pillow rounds to whole numbers on the way, twice.
    assert difference(theirs, ours) < 0.02
