"""Real CLIPSeg weights in a package with a frozen vocabulary: what lights up is what was asked for.

The weights are no part of the project: the tests run where DLPK_FROZEN_WEIGHTS names their folder.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from builder import build
from builder.clipseg.build import Built
from builder.clipseg.golden import golden_chips
from dlpk.package.open import check_container
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import Concept
from tests.support.segmenting import whole

FROZEN = os.environ.get("DLPK_FROZEN_WEIGHTS")
pytestmark = pytest.mark.skipif(FROZEN is None, reason="DLPK_FROZEN_WEIGHTS is not set")

ABSENT = ("zebra", "train", "cat")


class Opened(NamedTuple):
    """A package, unpacked and with its network loaded."""

    built: Built
    folder: Path
    segmenter: Segmenter

    def probabilities(self, image: np.ndarray, prompts: Sequence[str]) -> dict[str, np.ndarray]:
        """Probabilities per prompt for an image of one tile, (3, 352, 352)."""
        self.segmenter.look_for([Concept((prompt,)) for prompt in prompts])
        masks = whole(self.segmenter, image, tile_size=352, overlap=0, batch_size=1)
        return dict(zip(prompts, masks))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    assert FROZEN is not None
    home = tmp_path_factory.mktemp("frozen")
    built = build(
        home / "COCO.dlpk",
        weights=FROZEN,
        prompt_embeddings=Path(FROZEN) / "prompt_embeddings.safetensors",
        names=Path(FROZEN) / "text_names.json",
    )
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(home / "unpacked")
    definition = read_definition(str(home / "unpacked" / "COCO.emd"), "")
    return Opened(built, home / "unpacked", Segmenter(definition, torch.device("cpu")))


@pytest.fixture(scope="module")
def scenes(package: Opened) -> list[dict[str, np.ndarray]]:
    """Probabilities on the chips that show scenes from above."""
    prompts = ("snow", "tree", "sea", "road", "cup", "person", "cat", *ABSENT, "pizza")
    return [package.probabilities(chip, prompts) for chip in golden_chips(352)[:3]]


def photo(name: str) -> np.ndarray:
    """A photo that comes inside scikit-image, squeezed to one tile as CLIPSeg was trained."""
    data = pytest.importorskip("skimage.data")
    transform = pytest.importorskip("skimage.transform")
    image = getattr(data, name)()
    image = image[0] if isinstance(image, tuple) else image
    small = transform.resize(image.astype(float), (352, 352), anti_aliasing=True)
    small = np.round(small * (255 / small.max())).astype(np.uint8)
    bands = small if small.ndim == 3 else np.stack([small] * 3, axis=-1)
    return np.ascontiguousarray(bands.transpose(2, 0, 1))


def share(mask: np.ndarray) -> float:
    """Part of the image above one half."""
    return float((mask > 0.5).mean())


def test_what_was_built(package: Opened) -> None:
    assert any("'coco_single' is used, others are 'coco_multi'" in n for n in package.built.notes)
    assert any("scaled to 10" in note for note in package.built.notes)
    assert FROZEN is not None
    names = json.loads((Path(FROZEN) / "text_names.json").read_text())
    assert package.segmenter.definition.prompt_names == tuple(names)
    assert len(names) == 171
    # No text tower, half precision: 86 million parameters of vision tower, 1 million of decoder.
    assert 170e6 < package.built.size < 190e6
    assert list(check_container(package.built.path)) == []


def test_the_cat_lights_up(package: Opened) -> None:
    found = package.probabilities(photo("chelsea"), ("cat", "zebra", "train", "remote", "sea"))
    assert share(found["cat"]) > 0.5
    assert found["cat"][60:300, 60:300].mean() > 0.5
    for absent in ("zebra", "train", "remote", "sea"):
        assert found[absent].max() < 0.1


def test_the_cup_and_the_spoon_are_told_apart(package: Opened) -> None:
    found = package.probabilities(photo("coffee"), ("cup", "spoon", "dining table", *ABSENT))
    cup, spoon = found["cup"] > 0.5, found["spoon"] > 0.5
    assert cup.mean() > 0.1 and spoon.mean() > 0.01
    assert (cup & spoon).sum() < 0.1 * spoon.sum()
    # The cup stands in the upper half, the spoon lies below it.
    assert np.nonzero(cup)[0].mean() < 150 < 200 < np.nonzero(spoon)[0].mean()
    assert share(found["dining table"]) > 0.3
    assert max(found[absent].max() for absent in ABSENT) < 0.1


def test_the_horse_is_where_its_silhouette_is(package: Opened) -> None:
    image = photo("horse")
    truth = image[0] < 128
    found = package.probabilities(image, ("horse", "cat", "train", "cup"))
    horse = found["horse"] > 0.5
    assert (horse & truth).sum() / (horse | truth).sum() > 0.5
    for absent in ("cat", "train", "cup"):
        assert share(found[absent]) == 0


def test_scene_from_above(scenes: list[dict[str, np.ndarray]]) -> None:
    """A snow field, a forest in it and a road in the upper left corner."""
    brightness, found = golden_chips(352)[2].mean(axis=0), scenes[2]
    snow, forest = brightness > 190, brightness < 90
    assert found["snow"][snow].mean() > 0.6 > found["snow"][forest].mean()
    assert found["tree"][forest].mean() > 0.5 > 0.2 > found["tree"][snow].mean()
    rows, columns = np.nonzero(found["road"] > 0.5)
    assert len(rows) > 500
    assert rows.mean() < 176 and columns.mean() < 176


def test_what_is_absent_stays_dark_in_every_scene(scenes: list[dict[str, np.ndarray]]) -> None:
    for found in scenes:
        for absent in ("cup", "person", "cat", *ABSENT, "pizza"):
            assert found[absent].max() < 0.1, absent
