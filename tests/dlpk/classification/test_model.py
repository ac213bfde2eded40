"""A package that stays loaded: what is loaded once, arrays, stopping, and functions with state."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

import dlpk
from dlpk.errors import CancelledError, FunctionError, PackageError, RasterError
from dlpk.raster.dataset import Raster
from tests.support.runs import gradient, make_package, make_raster, read

ROOT = Path(__file__).parents[3]
COUNTING = """
import os
import numpy as np
def note(word):
    with open(os.path.join(os.path.dirname(__file__), "log"), "a") as file:
        file.write(word + " ")
note("module")
class Counting:
    def initialize(self, **kwargs): note("run" if "device" in kwargs else "dialog")
    def getParameterInfo(self):
        return [{"name": "raster", "dataType": "raster"},
                {"name": "text_prompt", "dataType": "string", "value": "a"},
                {"name": "keeps", "dataType": "string", "value": ""}]
    def getConfiguration(self, **scalars):
        self.prompts = scalars["text_prompt"].split(",")
        self.keeps = scalars.get("keeps")
        if "" in self.prompts: raise PromptError("the prompt at column 3 is empty")
        return {"tx": 16, "ty": 16, "inputMask": True}
    def updateRasterInfo(self, **kwargs):
        self.seen = getattr(self, "seen", 0) + 1
        bands = self.seen if self.keeps else len(self.prompts)
        kwargs["output_info"].update(bandCount=bands, pixelType="f4", noData=None)
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        import late
        answer = pixelBlocks["raster_pixels"][:1] + np.zeros((props and shape[0], 1, 1)) \\
            if len(shape) == 3 else pixelBlocks["raster_pixels"][0]
        return {"output_pixels": np.asarray(answer).astype("f4")}
class PromptError(ValueError): pass
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = make_package(tmp_path / "P", "Counting", text=COUNTING)
    (folder / "late.py").write_text("")
    return folder


def log(package: Path) -> list[str]:
    return (package / "log").read_text().split()


def test_loads_once(package: Path, tmp_path: Path) -> None:
    one, two = make_raster(tmp_path / "a.tif"), make_raster(tmp_path / "b.tif", (3, 20, 20))
    (tmp_path / "out").mkdir()
    before = list(sys.path), os.getcwd()
    with dlpk.open(package, device="cpu") as model:
        model.classify(one, tmp_path / "o.tif")
        assert {"Counting", "late"}.isdisjoint(sys.modules)  # outside all is as it was
        results = list(model.classify_each([one, two], tmp_path / "out", prompt="a,b"))
        labels, mask = model.predict(gradient((3, 33, 21)))
    with pytest.raises(PackageError, match="was closed: open it again"):
        model.predict(gradient((3, 33, 21)))
    assert (sys.path, os.getcwd()) == before
    assert log(package) == ["module", "dialog", "run"]
    assert [result.bands for result in results] == [2, 2]
    np.testing.assert_array_equal(labels, gradient((3, 33, 21))[0])
    assert mask.all()


def test_arrays_that_are_none_of_a_raster(package: Path) -> None:
    with dlpk.open(package, device="cpu") as model:
        with pytest.raises(RasterError, match=r"\(50, 40, 3\) looks like .* np.moveaxis"):
            model.predict(np.zeros((50, 40, 3), np.uint8))
        with pytest.raises(RasterError, match=r"int64\[1, 2\]; it must be \(bands, rows, col"):
            model.predict([[1, 2]])  # type: ignore[arg-type]


def test_functions_that_keep_state_get_new_objects(package: Path) -> None:
    with dlpk.open(package, device="cpu") as model:
        for _ in range(3):
            prediction = model.predict(gradient((1, 9, 9)), arguments={"keeps": "1"})
            assert prediction.labels.shape == (9, 9)  # not one band more each time
    assert log(package) == ["module", "dialog", "run", "run", "run"]


def test_what_is_said_on_purpose_is_one_line(package: Path, tmp_path: Path) -> None:
    with dlpk.open(package, device="cpu") as model:
        model.predict(gradient((1, 9, 9)))
        with pytest.raises(FunctionError) as raised:
            model.predict(gradient((1, 9, 9)), prompt="a,")
        assert str(raised.value) == "the prompt at column 3 is empty"
        raster = make_raster(tmp_path / "a.tif")
        with pytest.raises(FunctionError, match=r"(?s)column 3 is empty\n.*line \d+, in getConf"):
            model.classify(raster, tmp_path / "o.tif", prompt="a,", debug_block=tmp_path / "kept")
        model.predict(gradient((1, 9, 9)))
    assert log(package).count("module") == 1


def test_masks_of_arrays(package: Path) -> None:
    pixels = np.full((2, 4, 5), 7, np.int16)
    pixels[:, 0] = -1
    mask = np.ones((4, 5), bool)
    mask[:, 4] = False
    with dlpk.open(package, device="cpu") as model:
        assert model.predict(pixels, nodata=-1).mask.sum() == 15
        assert model.predict(pixels, mask=mask).mask.sum() == 16
        for wrong in (pixels[0], pixels.astype(complex), pixels[:, :0]):
            with pytest.raises(RasterError, match="bands, rows, columns"):
                model.predict(wrong)
        with pytest.raises(RasterError, match="the mask has the shape"):
            model.predict(pixels, mask=mask[:2])


def test_stopping(package: Path, tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "a.tif")
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> bool:
        told.append((done, total))
        return len(told) < 3

    def fail(done: int, total: int) -> None:
        raise KeyError("from the callback")

    before = sorted(path.name for path in tmp_path.iterdir())
    with dlpk.open(package, device="cpu") as model:
        with pytest.raises(CancelledError, match="stopped"):
            model.classify(raster, tmp_path / "o.tif", progress=stop)
        with pytest.raises(KeyError):
            model.classify(raster, tmp_path / "o.tif", progress=fail)
    assert told == [(256, 2000), (512, 2000), (768, 2000)]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_nothing_reads_a_package_that_is_closed(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that stops waits for the thread that takes the package's hash."""
    began = threading.Event()

    def slow(root: Path) -> str:
        began.set()
        time.sleep(0.3)
        return "hash"

    monkeypatch.setattr("dlpk.package.package._hash_folder", slow)
    raster, threads = make_raster(tmp_path / "a.tif"), set(threading.enumerate())
    with dlpk.open(package, device="cpu") as model, pytest.raises(CancelledError):
        model.classify(raster, tmp_path / "o.tif", progress=lambda done, total: not began.wait(9))
    assert set(threading.enumerate()) <= threads


def test_ranges_of_blocks_with_a_given_stretch(tmp_path: Path) -> None:
    """As workers of a cluster do it: each starts with the stretch of the first."""
    probe = {"Configuration": {"dataRange": [0, 1], "tx": 16, "ty": 16}}
    package = make_package(tmp_path / "Q", probe=probe)
    raster = make_raster(tmp_path / "a.tif", (3, 40, 50), dtype="u2")
    parts: dict[int, np.ndarray] = {}
    with dlpk.open(package, device="cpu") as model:
        with model.session(Raster(raster), {}) as session:
            stretch, count = session.stretch, len(session.grid)
            whole = [session.process(block).pixels for block in session.grid.blocks()]
        for first in range(0, count, 5):
            with model.session(Raster(raster), {}, stretch=stretch) as session:
                assert session.stretch is stretch
                for number, block in enumerate(
                    list(session.grid.blocks())[first : first + 5], first
                ):
                    parts[number] = session.process(block).pixels
    assert len(parts) == count == 12
    assert all((parts[number] == pixels).all() for number, pixels in enumerate(whole))


def test_weights_of_ours_stay(mini: Path, tmp_path: Path) -> None:
    scene = gdal.Translate(
        str(tmp_path / "s.tif"), str(ROOT / "demo" / "scene.tif"), srcWin=[300, 200, 200, 150]
    ).ReadAsArray()
    with dlpk.open(mini, device="cpu") as model:
        names = {parameter["name"] for parameter in model.parameters}
        assert {"text_prompt", "threshold"} <= names
        result = model.classify(tmp_path / "s.tif", tmp_path / "o.tif", prompt="water")
        segmenter = model._loaded.used.instance._classifier.segmenter  # type: ignore[union-attr]
        labels, _ = model.predict(scene, prompt="water", cell_size=10)
        chances = model.predict(
            scene, prompt="water, trees", arguments={"return_probability_raster": True}
        )
        again = model._loaded.used.instance._classifier.segmenter  # type: ignore[union-attr]
    assert again is segmenter
    assert (labels == read(result.path)[0]).all()
    assert (chances.names, chances.labels.shape) == (("water", "trees"), (2, 150, 200))
