from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from osgeo import gdal
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from model_extension.clipseg.files.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
MINI = ROOT / "builder" / "clipseg" / "mini"
DEMO = ROOT / "demo"
TILE, PADDING = 96, 24
THRESHOLD = 0.5


@pytest.fixture(scope="module")
def model():
    return CLIPSegForImageSegmentation.from_pretrained(MINI, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(MINI)


def read(name):
    gdal.UseExceptions()
    dataset = gdal.Open(str(DEMO / name))
    return dataset, dataset.ReadAsArray()


@pytest.fixture(scope="module")
def tiles():
    """A quarter of the demo scene, which was stretched as a whole: (row, column) to pixels."""
    _, scene = read("scene.tif")
    low, high = np.percentile(scene, (0.5, 99.5), axis=(1, 2))[..., None, None]
    pixels = np.clip(np.rint((scene - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    assert scene.shape[1] % TILE == scene.shape[2] % TILE == 0
    pixels = np.pad(pixels, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)), mode="reflect")
    return {
        (row, column): pixels[:, row : row + TILE, column : column + TILE]
        for row in range(0, scene.shape[1], TILE)
        for column in range(0, scene.shape[2], TILE)
    }


def embed(model, tokenizer, texts):
    tokens = tokenizer(texts, padding=True, return_tensors="pt")
    return model.get_conditional_embeddings(len(texts), tokens["input_ids"])


@torch.inference_mode()
def masks(model, tokenizer, tiles, texts):
    """Yield place, and the masks of all texts inside the padding of that tile."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    prompts = embed(model, tokenizer, texts)
    inner = slice(PADDING, TILE - PADDING)
    for place, pixels in tiles.items():
        image = (torch.from_numpy(pixels / np.float32(255)) - mean) / std
        output = model.clip.vision_model(image[None], output_hidden_states=True)
        activations = [
            output.hidden_states[layer + 1].expand(len(texts), -1, -1)
            for layer in model.extract_layers
        ]
        logits = model.decoder(activations, prompts).logits.view(len(texts), TILE, TILE)
        yield place, (logits.sigmoid() > THRESHOLD).numpy()[:, inner, inner]


def overlap(found, wanted):
    return (found & wanted).sum() / (found | wanted).sum()


def test_water_and_vegetation_agree_with_bands_the_network_never_sees(model, tokenizer, tiles):
    # Water: MNDWI > 0; vegetation: NDVI > 0.5 (rules in the reference's metadata).
    _, reference = read("reference.tif")
    texts = ["water", "vegetation", "A satellite image of a lake.", "green plants"]
    pairs = list(masks(model, tokenizer, tiles, texts))
    found = np.stack([mask for _, mask in pairs], axis=1)
    side = found.shape[-1]
    truth = np.stack([reference[r : r + side, c : c + side] for (r, c), _ in pairs])
    assert overlap(found[0], truth == 1) >= 0.90
    assert overlap(found[1], truth == 2) >= 0.60
    assert overlap(found[2], truth == 1) >= 0.90
    assert overlap(found[3], truth == 2) >= 0.60


def test_unknown_words_stay_dark(model, tokenizer, tiles):
    """On a few of those tiles; the report of the training has all of the scene."""
    lines = (ROOT / "training" / "words" / "held_out.txt").read_text(encoding="utf-8").splitlines()
    texts = ["", *(line for line in lines if line and not line.startswith("# "))]
    assert len(set(texts)) >= 50
    some = dict(list(tiles.items())[::13])
    lit = sum(found.mean(axis=(1, 2)) for _, found in masks(model, tokenizer, some, texts))
    assert {text: share for text, share in zip(texts, lit / len(some)) if share >= 0.01} == {}


@pytest.mark.parametrize(
    "text",
    [
        "water",
        "A Satellite Image of WATER!",
        "built-up areas, 日本語 naïve",
        "",
        "qwertyuiop 12345",
        unicodedata.normalize("NFD", "Übergröße"),
    ],
)
def test_both_tokenizers_agree(tokenizer, text):
    own = Tokenizer.from_folder(MINI)
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert own.encode(text) == ids


def test_scene_and_reference_lie_on_one_grid_with_names():
    scene, pixels = read("scene.tif")
    reference, classes = read("reference.tif")
    assert scene.GetGeoTransform() == reference.GetGeoTransform()
    assert scene.GetSpatialRef().GetAuthorityCode(None) == "32618"
    assert reference.GetSpatialRef().IsSame(scene.GetSpatialRef())
    assert pixels.shape == (3, *classes.shape)
    assert pixels.dtype == np.uint16
    assert [scene.GetRasterBand(band).GetDescription() for band in (1, 2, 3)] == [
        "B04 red",
        "B03 green",
        "B02 blue",
    ]
    band = reference.GetRasterBand(1)
    assert band.GetCategoryNames() == ["other", "water", "vegetation"]
    assert band.GetNoDataValue() == 255
    assert min((classes == value).mean() for value in (0, 1, 2)) > 0.1


def test_committed_data_stays_small():
    files = [path for folder in (MINI, DEMO) for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10_000_000
