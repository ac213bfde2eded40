"""The built package that the raster function's tests share; not to be changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_clipseg import settings, write_folder

    return write_folder(tmp_path_factory.mktemp("weights") / "tiny", settings(), image=64)


@pytest.fixture(scope="session")
def emd(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_clipseg import write_package

    return write_package(tmp_path_factory.mktemp("package") / "tiny", weights, prompt="water")


@pytest.fixture(scope="module")
def classes(emd: Path) -> Any:
    from tests.support.raster_calls import function

    return function(emd)


@pytest.fixture(scope="module")
def bands(emd: Path) -> Any:
    from tests.support.raster_calls import function

    return function(emd, return_probability_raster="True")
