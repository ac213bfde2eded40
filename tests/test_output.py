"""The result: what stands in the file, and that there is never half of one."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr

from dlpk.classify_pixels import classify
from dlpk.container import open_package
from dlpk.errors import ArgumentsError, ContractError, DlpkError, FunctionError, OutputError
from dlpk.output import OutputRaster, tiff_tile
from dlpk.raster import Raster
from dlpk.settings import Settings
from tests.harness import CLASSES, TRANSFORM, make_package, make_raster, read

ROOT = Path(__file__).parent.parent


def table(*entries: tuple[int, str]) -> str:
    return json.dumps(
        {
            "features": [
                {"attributes": {"Value": v, "Class": n, "Red": 9, "Green": v % 256, "Blue": 1}}
                for v, n in entries
            ]
        }
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def vat_rows(path: Path) -> list[tuple[Any, ...]]:
    source = ogr.Open(f"{path}.vat.dbf")
    fields = ("Value", "Count", "Class", "Red", "Green", "Blue")
    return [tuple(feature[name] for name in fields) for feature in source.GetLayer(0)]


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    return make_raster(tmp_path / "scene.tif", (3, 40, 50), nodata=0)


def result(tmp_path: Path, raster: Path, **options: Any) -> Path:
    probe = options.pop("probe", {})
    package = make_package(tmp_path / "P", probe=probe, emd=options.pop("emd", {}))
    (tmp_path / "out").mkdir(exist_ok=True)
    return classify(package, raster, tmp_path / "out" / "r.tif", device="cpu", **options).path


def test_classes(tmp_path: Path, raster: Path) -> None:
    entries = [(1, "water"), (2, "sölar, panel; “big”")]
    output = {"bandCount": 1, "pixelType": "u1", "rasterAttributeTable": table(*entries)}
    path = result(tmp_path, raster, probe={"Output": output, "Answer": "2-d"})
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert dataset.GetGeoTransform() == TRANSFORM
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == "32618"
    assert band.DataType == gdal.GDT_Byte
    assert band.GetNoDataValue() == 255
    assert band.GetColorTable().GetColorEntry(1) == (9, 1, 1, 255)
    assert band.GetCategoryNames() == ["background", "water", entries[1][1]]
    assert dataset.GetMetadata("IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
    rat = band.GetDefaultRAT()
    assert [rat.GetValueAsString(row, 2) for row in range(2)] == [name for _, name in entries]
    valid = read(raster)[0] > 0
    assert rat.GetValueAsInt(0, 1) == 40 * 50 - (read(raster) == 0).all(axis=0).sum()
    np.testing.assert_array_equal(read(path)[0][valid], 1)
    assert vat_rows(path) == [(1, 2000, "water", 9, 1, 1), (2, 0, entries[1][1], 9, 2, 1)]
    assert names(path.parent) == ["r.tif", "r.tif.aux.xml", "r.tif.vat.cpg", "r.tif.vat.dbf"]


def test_tags(tmp_path: Path, raster: Path) -> None:
    settings = Settings(stretch="minmax")
    path = result(tmp_path, raster, arguments={"text_prompt": "wäter"}, settings=settings)
    tags = gdal.Open(str(path)).GetMetadata()
    assert json.loads(tags["DLPK_ARGUMENTS"])["text_prompt"] == "wäter"
    assert json.loads(tags["DLPK_SETTINGS"]) == {"stretch": "minmax"}
    assert tags["DLPK_RASTER"] == "scene.tif"
    with open_package(tmp_path / "P") as package:
        assert tags["DLPK_PACKAGE_SHA256"] == package.sha256
    assert tags["TIFFTAG_SOFTWARE"].startswith("dlpk ")
    assert "DLPK_STRETCH" not in tags


def test_stretch_is_told(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 20, 20), dtype="u2")
    path = result(tmp_path, raster, probe={"Configuration": {"dataRange": [0, 255]}})
    told = json.loads(gdal.Open(str(path)).GetMetadata()["DLPK_STRETCH"])
    assert told["range"] == [0, 255]
    assert len(told["low"]) == len(told["high"]) == 1


def test_classes_of_the_model_definition(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster, probe={"Answer": "2-d"})
    dataset = gdal.Open(str(path))
    dataset.GetMetadata()  # GDAL 3.6 reads the file beside only when asked for this
    assert dataset.GetRasterBand(1).GetCategoryNames() == [
        "background",
        *(entry["Name"] for entry in CLASSES),
    ]


@pytest.mark.parametrize(
    "classes",
    [
        None,
        "water",
        [1, 2],
        [{"Value": "1", "Name": "x"}],
        [{"Value": 1}],
        [{"Value": 1, "Name": None, "Color": [1]}],
        [{"Value": 1, "Name": "a\nb\x00\x1b", "Color": "red"}],
        [{"Value": -3, "Name": "below"}, {"Value": 70000, "Name": "above"}],
    ],
)
def test_strange_classes(tmp_path: Path, raster: Path, classes: Any) -> None:
    path = result(tmp_path, raster, probe={"Answer": "2-d"}, emd={"Classes": classes})
    assert read(path).max() == 1


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_types_of_classes(tmp_path: Path, raster: Path, kind: str) -> None:
    entries = [(1, "one"), (100, "hundred")]
    output = {"bandCount": 1, "pixelType": kind, "rasterAttributeTable": table(*entries)}
    path = result(tmp_path, raster, probe={"Output": output, "Answer": "2-d"})
    dataset = gdal.Open(str(path))
    assert read(path).dtype == np.dtype({"i1": "i2"}.get(kind, kind))
    assert dataset.GetRasterBand(1).GetDefaultRAT().GetRowCount() == 2
    assert (dataset.GetRasterBand(1).GetColorTable() is not None) == (kind in ("u1", "u2"))


def test_values_without_a_place_in_tables(tmp_path: Path, raster: Path) -> None:
    entries = [(-5, "negative"), (2_000_000_000, "x" * 201 + "ö" * 300)]
    output = {"bandCount": 1, "pixelType": "i4", "rasterAttributeTable": table(*entries)}
    path = result(tmp_path, raster, probe={"Output": output, "Answer": "2-d"})
    rows = [(row[0], row[2]) for row in vat_rows(path)]
    assert rows[0] == (-5, "negative")
    assert rows[1] == (2_000_000_000, "x" * 201 + "ö" * 26)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"features": 3}',
        '{"features": [3]}',
        '{"features": [{"attributes": {"Class": "no value"}}]}',
        '{"features": [{"attributes": {"Value": "x"}}]}',
        '{"features": [{"attributes": {"Value": 1.5}}]}',
        '{"features": [{"attributes": {"Value": 1, "Red": "red"}}]}',
        '{"features": [{"attributes": {"Value": 1e999}}]}',
    ],
)
def test_strange_tables(tmp_path: Path, raster: Path, text: str) -> None:
    output = {"bandCount": 1, "pixelType": "u1", "rasterAttributeTable": text}
    with pytest.raises(ContractError, match="'rasterAttributeTable' that cannot be read"):
        result(tmp_path, raster, probe={"Output": output})
    assert names(tmp_path / "out") == []


def test_probabilities(tmp_path: Path, raster: Path) -> None:
    text = (
        (ROOT / "tests" / "functions" / "Probe.py").read_text()
        + """

class Naming(Probe):
    def updateKeyMetadata(self, names, bandIndex, **keyMetadata):
        if bandIndex == -1:
            keyMetadata["datatype"] = "Generic"
        else:
            keyMetadata["bandname"] = ["wäter", "trees"][bandIndex]
        return keyMetadata
"""
    )
    # Esri's functions hand a table of classes over with probabilities too.
    output = {"bandCount": 2, "pixelType": "f4", "rasterAttributeTable": table((1, "one"))}
    probe = {"Output": output, "Answer": "masked", "Configuration": {"inheritProperties": 4}}
    package = make_package(tmp_path / "N", "Naming", text=text, probe=probe)
    path = classify(package, raster, tmp_path / "p.tif", device="cpu").path
    dataset = gdal.Open(str(path))
    assert [dataset.GetRasterBand(i).GetDescription() for i in (1, 2)] == ["wäter", "trees"]
    assert dataset.GetRasterBand(1).DataType == gdal.GDT_Float32
    assert np.isnan(dataset.GetRasterBand(1).GetNoDataValue())
    assert np.isnan(read(path)[0, 0, 1])
    assert read(path)[0, 0, 0] == 1
    assert dataset.GetMetadata()["DataType"] == "Generic"
    assert dataset.GetRasterBand(1).GetCategoryNames() is None
    assert not Path(f"{path}.vat.dbf").exists()


@pytest.mark.parametrize(
    ("kind", "declared", "policy", "nodata"),
    [
        ("u1", None, "free", 255),
        ("u1", [7], "free", 7),
        ("u1", [1], "free", 255),  # a class
        ("u1", [0], "free", 255),  # the background
        ("u1", [0], "declared", 0),
        ("u1", [900], "free", 255),
        ("u1", [1.5], "declared", None),
        ("i2", None, "free", 32767),
        ("f4", [-1], "free", -1),
    ],
)
def test_nodata(
    tmp_path: Path, raster: Path, kind: str, declared: Any, policy: str, nodata: float | None
) -> None:
    output = {"bandCount": 1, "pixelType": kind, "noData": declared}
    probe = {"Output": output, "Answer": "mask"}
    path = result(tmp_path, raster, probe=probe, settings=Settings(nodata=policy))
    dataset = gdal.Open(str(path))
    assert dataset.GetRasterBand(1).GetNoDataValue() == nodata
    masked = read(path)[0, 0]  # the function masks every other row
    assert (masked == (1 if nodata is None else nodata)).all()
    assert (read(path)[0, 1] == 1).all()


def test_valid_pixels_that_become_nodata_are_warned_of(tmp_path: Path, raster: Path) -> None:
    said: list[tuple[str, str]] = []
    output = {"bandCount": 1, "pixelType": "u1", "noData": [1]}
    result(
        tmp_path,
        raster,
        probe={"Output": output, "Answer": "2-d"},
        emd={"Classes": []},
        say=lambda level, text: said.append((level, text)),
    )
    assert any("2000 valid pixels" in text for _, text in said)


def test_overviews(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (1, 300, 700))
    probe = {"Configuration": {"tx": 256, "ty": 128}, "Answer": "2-d"}
    path = result(tmp_path, raster, probe=probe)
    dataset = gdal.Open(str(path))
    band = dataset.GetRasterBand(1)
    assert band.GetBlockSize() == [256, 128]
    assert [band.GetOverview(i).XSize for i in range(band.GetOverviewCount())] == [350, 175]
    assert names(path.parent) == ["r.tif", "r.tif.aux.xml", "r.tif.vat.cpg", "r.tif.vat.dbf"]
    assert (band.GetOverview(1).ReadAsArray() == 1).all()


@pytest.mark.parametrize(
    ("side", "tile"),
    [(352, 352), (704, 352), (64, 64), (48, 256), (100, 256), (512, 512), (4096, 512), (530, 256)],
)
def test_tiles(side: int, tile: int) -> None:
    assert tiff_tile(side) == tile


def test_without_georeference(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 20, 20), transform=None)
    dataset = gdal.Open(str(result(tmp_path, raster)))
    assert dataset.GetGeoTransform(can_return_null=True) is None
    assert dataset.GetProjection() == ""


@pytest.mark.parametrize(
    "options",
    [
        {"transform": (500000, 8, 6, 4000000, 6, -8)},
        {"transform": (500000, 10, 0, 4000000, 0, 10)},
        {"transform": (1.5e7 + 0.123, 0.1, 0, 2.5e7 + 0.456, 0, -0.1), "epsg": 3857},
        {"pixels": (3, 1, 1)},
        {"pixels": (3, 1, 70)},
        {"pixels": (3, 70, 1)},
    ],
)
def test_place_and_size_are_those_of_the_input(tmp_path: Path, options: dict[str, Any]) -> None:
    raster = make_raster(tmp_path / "s.tif", **options)
    path = result(tmp_path, raster, probe={"Configuration": {"fixedTileSize": 1, "padding": 3}})
    ours, theirs = gdal.Open(str(path)), gdal.Open(str(raster))
    assert ours.GetGeoTransform() == theirs.GetGeoTransform()
    assert ours.GetProjection() == theirs.GetProjection()
    np.testing.assert_array_equal(read(path), read(raster)[:1])


def test_sidecars_of_a_replaced_file_go(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster)
    for suffix in (".ovr", ".msk"):
        Path(f"{path}{suffix}").write_text("of the old file")
    output = {"bandCount": 1, "pixelType": "f4"}
    result(tmp_path, raster, probe={"Output": output})
    assert names(path.parent) == ["r.tif"]


# Nothing half-written --------------------------------------------------------------------------


def test_a_failure_leaves_the_old_file(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(FunctionError):
        result(tmp_path, raster, probe={"Answer": "raise"})
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_who_reads_the_old_file_keeps_it(tmp_path: Path, raster: Path) -> None:
    path = result(tmp_path, raster)
    os.link(path, tmp_path / "same.tif")
    before = path.read_bytes()
    result(tmp_path, raster, probe={"Answer": "mask"})
    assert (tmp_path / "same.tif").read_bytes() == before
    assert path.read_bytes() != before


def test_a_damaged_raster_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (3, 300, 300), dtype=np.uint8)
    raster = make_raster(tmp_path / "s.tif", noise, options=["COMPRESS=DEFLATE", "TILED=YES"])
    raster.write_bytes(raster.read_bytes()[:150_000])
    with pytest.raises(DlpkError, match="cannot be read at column"):
        result(tmp_path, raster)
    assert names(tmp_path / "out") == []


SLOW = """
class Slow:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars): return {"tx": 16, "ty": 16}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        try:
            print("working", flush=True)
            time.sleep(60)
        except Exception:
            pass
        return {"output_pixels": pixelBlocks["raster_pixels"][:1]}
"""


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "told to end"),
        (signal.SIGHUP, 143, "told to end"),
    ],
)
def test_being_stopped_leaves_the_old_file(
    tmp_path: Path, raster: Path, number: signal.Signals, code: int, words: str
) -> None:
    package = make_package(tmp_path / "P", "Slow", text=SLOW)
    out = tmp_path / "out"
    out.mkdir()
    (out / "r.tif").write_text("old")
    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster)]
    process = subprocess.Popen(
        [*command, str(out / "r.tif")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "working\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.count("\n") == 1
    assert err.startswith("dlpk: error: ")
    assert words in err
    assert names(out) == ["r.tif"]
    assert (out / "r.tif").read_text() == "old"


def limited_classify(package: Path, raster: Path, out: Path, limit: int) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "dlpk", "classify", str(package), str(raster), str(out)]
    done = subprocess.run(
        command, cwd=ROOT, preexec_fn=limit_files, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"dlpk: error: {out} cannot be written: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize("limit", [0, 1000, 100_000, 2_000_000])
def test_no_room(tmp_path: Path, limit: int) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (1, 1600, 1600), dtype=np.uint8)
    raster = make_raster(tmp_path / "s.tif", noise)
    probe = {"Configuration": {"tx": 512, "ty": 512}}
    package = make_package(tmp_path / "P", probe=probe, emd={"Classes": []})
    out = tmp_path / "out"
    out.mkdir()
    (out / "r.tif").write_text("old")
    limited_classify(package, raster, out / "r.tif", limit)
    assert names(out) == ["r.tif"]
    assert (out / "r.tif").read_text() == "old"


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_disk_full(tmp_path: Path, small_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 255, (1, 1000, 1000), dtype=np.uint8)
    raster = make_raster(tmp_path / "s.tif", noise)
    package = make_package(tmp_path / "P", emd={"Classes": []})
    with pytest.raises(OutputError, match="cannot be written"):
        classify(package, raster, small_disk / "r.tif", device="cpu")
    assert names(small_disk) == []


def test_folders_that_cannot_be_written(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    for out, words in (
        (tmp_path / "gone" / "r.tif", "does not exist"),
        (tmp_path, "is a folder; name a file"),
        (Path("/proc/r.tif"), "cannot be written to"),
        (tmp_path / ("x" * 300 + ".tif"), "cannot be written"),
    ):
        with pytest.raises(OutputError, match=words):
            classify(package, raster, out, device="cpu")
    assert names(tmp_path) == ["P", "scene.tif"]


def test_long_names(tmp_path: Path, raster: Path) -> None:
    out = tmp_path / ("x" * 200 + ".tif")
    package = make_package(tmp_path / "P")
    assert classify(package, raster, out, device="cpu").path.is_file()


def test_the_raster_itself_is_no_target(tmp_path: Path, raster: Path) -> None:
    package = make_package(tmp_path / "P")
    before = raster.read_bytes()
    (tmp_path / "link.tif").symlink_to(raster)
    for out in (raster, tmp_path / "." / "scene.tif", tmp_path / "link.tif"):
        with pytest.raises(ArgumentsError, match="is the raster to classify"):
            classify(package, raster, out, device="cpu")
    assert raster.read_bytes() == before


def test_not_finished_is_not_there(tmp_path: Path, raster: Path) -> None:
    options: dict[str, Any] = {
        "bands": 1,
        "pixel_type": "u1",
        "nodata": None,
        "legend": [],
        "band_names": [],
        "tile": (16, 16),
    }
    with OutputRaster(tmp_path / "r.tif", Raster(raster), **options) as output:
        output.write(0, 0, np.ones((1, 16, 16), "u1"), np.ones((1, 16, 16), "u1"))
    assert names(tmp_path) == ["scene.tif"]


MEMORY = """
import resource, sys
from dlpk.classify_pixels import classify
classify(sys.argv[1], sys.argv[2], sys.argv[3], device="cpu")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_raster(tmp_path: Path) -> None:
    probe = {"Configuration": {"tx": 512, "ty": 512, "padding": 32, "inputMask": True}}
    package = make_package(tmp_path / "P", "Forgetful", text=FORGETFUL, probe=probe)
    peaks = []
    for side in (1500, 6000):
        raster = tmp_path / f"{side}.tif"
        driver = gdal.GetDriverByName("GTiff")
        dataset = driver.Create(str(raster), side, side, 3, options=["TILED=YES", "SPARSE_OK=NO"])
        dataset.SetGeoTransform(TRANSFORM)
        dataset = None
        command = [sys.executable, "-c", MEMORY, str(package), str(raster), str(tmp_path / "o.tif")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.1 * peaks[0], peaks


FORGETFUL = """
import numpy as np
class Forgetful:
    def initialize(self, **kwargs): pass
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars):
        return {"tx": 512, "ty": 512, "padding": 32, "inputMask": True, "fixedTileSize": 1}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        return {"output_pixels": np.ones(shape, "u1")}
"""


CLASSES_TABLE = table((1, "water"), (2, "wood"))


@pytest.mark.parametrize("floating", [False, True])
def test_cloud_optimized(tmp_path: Path, floating: bool) -> None:
    """Arranged as the format demands, with all that the plain file holds."""
    from osgeo_utils.samples import validate_cloud_optimized_geotiff as checker

    raster = make_raster(tmp_path / "s.tif", (1, 900, 1300))
    kind = "f4" if floating else "u1"
    info = {"pixelType": kind, "noData": -1.0 if floating else 255}
    if not floating:
        info["rasterAttributeTable"] = CLASSES_TABLE
    probe = {"Configuration": {"tx": 100, "ty": 100}, "Output": info, "Answer": "2-d"}
    plain = gdal.Open(str(result(tmp_path, raster, probe=probe)))
    pixels, tags = plain.ReadAsArray(), plain.GetMetadata()
    path = result(tmp_path, raster, probe=probe, cog=True)
    warnings, errors, _ = checker.validate(str(path), full_check=True)
    assert not errors
    assert not warnings
    cog = gdal.Open(str(path))
    assert np.array_equal(cog.ReadAsArray(), pixels)
    assert {key: cog.GetMetadata()[key] for key in tags} == tags
    band = cog.GetRasterBand(1)
    assert band.GetNoDataValue() == plain.GetRasterBand(1).GetNoDataValue()
    assert band.GetOverviewCount() > 0
    if not floating:
        assert band.GetCategoryNames()[1:] == ["water", "wood"]
        assert band.GetColorTable().GetColorEntry(2) == (9, 2, 1, 255)
        assert (
            band.GetDefaultRAT().GetRowCount()
            == plain.GetRasterBand(1).GetDefaultRAT().GetRowCount()
        )
        assert vat_rows(path)
    assert not any(name.startswith((".dlpk", "c.")) for name in names(tmp_path / "out"))


@pytest.mark.parametrize("how", ["skip", "ask"])
def test_blocks_without_data(tmp_path: Path, how: str) -> None:
    """They are not asked for, unless that is wanted; the result is the same."""
    pixels = np.zeros((3, 200, 200), np.uint8)
    pixels[:, 130:150, 130:170] = 7
    raster = make_raster(tmp_path / "s.tif", pixels, nodata=0)
    out = tmp_path / "out.tif"
    package = make_package(tmp_path / "P", "Counting", text=COUNTING)
    classify(package, raster, out, device="cpu", settings=Settings(empty_blocks=how))
    calls = int((tmp_path / "P" / "calls").read_text())
    assert calls == (2 if how == "skip" else 16)
    made = gdal.Open(str(out)).ReadAsArray()
    assert (made == np.where(pixels[0] > 0, 1, 255)).all()


COUNTING = """
import os
import numpy as np
class Counting:
    calls = 0
    def initialize(self, **kwargs): self.folder = os.path.dirname(kwargs["model"])
    def getParameterInfo(self): return [{"name": "raster", "dataType": "raster"}]
    def getConfiguration(self, **scalars):
        return {"tx": 50, "ty": 50, "padding": 8, "inputMask": True}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1", noData=np.array([255]))
        return kwargs
    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        Counting.calls += 1
        with open(os.path.join(self.folder, "calls"), "w") as file:
            file.write(str(Counting.calls))
        return {"output_pixels": np.ones(shape, "u1")}
"""
