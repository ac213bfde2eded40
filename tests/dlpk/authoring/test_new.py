"""A model of one's own goes from its file into a folder, a package and a classified raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import dlpk
from dlpk.authoring.new import Made, new
from dlpk.testing.behaviour import check_run
from tests.support import networks
from tests.support.networks import Pixels
from tests.support.runs import make_raster

NAMES = "background,water,forest,road"


@pytest.fixture(scope="module")
def network() -> Pixels:
    return Pixels()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, network: Pixels) -> Made:
    folder = tmp_path_factory.mktemp("new")
    model = networks.torchscript(folder / "net.pt", network)
    return new(folder / "lakes", model=model, classes=NAMES, tile=64)


def pixels(shape: tuple[int, int, int] = (3, 150, 201), dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(5).integers(0, 255, shape).astype(dtype)


def called_directly(network: torch.nn.Module, values: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits = network(torch.from_numpy(values.astype(np.float32) / 255)[None])[0]
    return np.asarray(logits.softmax(0))


def test_folder_passes_all_checks(made: Made) -> None:
    report = dlpk.validate(made.folder)
    assert report.to_text().splitlines() == ["0 errors, 0 warnings, 0 notes"]
    report = check_run(made.folder, blocks=8)
    assert not [finding for finding in report if finding.severity.value != "note"], report.to_text()


def test_raster_equals_the_model_called_directly(
    made: Made, network: Pixels, tmp_path: Path
) -> None:
    values = pixels()
    raster = make_raster(tmp_path / "scene.tif", values)
    package = dlpk.pack(made.folder, tmp_path / "lakes.dlpk", golden=raster)
    assert dlpk.test(package.path, device="cpu").status == "passed"
    expected = called_directly(network, values)
    with dlpk.open(package.path, device="cpu") as model:
        labels, mask = model.predict(values)
        chances = model.predict(values, arguments={"return_probability_raster": "True"})
    assert mask.all()
    np.testing.assert_allclose(chances.labels, expected, atol=1e-4)
    assert (labels == expected.argmax(0)).mean() > 0.999  # of equal chances rounding decides
    assert chances.names == tuple(NAMES.split(","))
