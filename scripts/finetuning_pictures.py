"""Makes the pictures of docs/finetuning.md: python -m scripts.finetuning_pictures.

Striped parks are drawn into a part of the demo scene, in 8 bit: a thing that the miniature does not
know. Polygons of those in its west are what it learns from, as `dlpk finetune west.tif=parks.gpkg`
does; its east is classified before and after.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib.figure import Figure
from osgeo import gdal, ogr
from PIL import Image

import dlpk
from dlpk.evaluation.rasters import Options, evaluate_raster
from dlpk.raster.stretch import Stretch, find_range

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
NAME = "solar park"
WIDTH, HEIGHT, STEP = 480, 288, 48
# Rows of panels and the ground between them.
STRIPES = np.array([[35, 50, 110], [130, 120, 105]], np.uint8)


def draw_parks(pixels: np.ndarray, seed: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Draw parks into an image; their mask, and column, row, width and height of each."""
    random = np.random.default_rng(seed)
    mask, parks = np.zeros(pixels.shape[1:], np.uint8), []
    for row in range(0, pixels.shape[1] - STEP + 1, STEP):
        for column in range(0, pixels.shape[2] - STEP + 1, STEP):
            height, width = random.integers(20, 36, 2).tolist()
            if random.random() < 0.7:
                part = (slice(row + 6, row + 6 + height), slice(column + 6, column + 6 + width))
                pattern = STRIPES[np.indices((height, width))[0] // 3 % 2]
                pixels[(slice(None), *part)] = np.moveaxis(pattern, -1, 0)
                mask[part] = 1
                parks.append((column + 6, row + 6, width, height))
    return mask, parks


def cut(path: Path, array: np.ndarray, source: gdal.Dataset, left: int, top: int) -> Path:
    """Write a part of the scene, where it lies."""
    bands = array if array.ndim == 3 else array[None]
    driver = gdal.GetDriverByName("GTiff")
    made = driver.Create(str(path), bands.shape[2], bands.shape[1], len(bands), gdal.GDT_Byte)
    t = source.GetGeoTransform()
    made.SetGeoTransform((t[0] + left * t[1], t[1], 0, t[3] + top * t[5], 0, t[5]))
    made.SetProjection(source.GetProjection())
    made.WriteArray(bands)
    return path


def digitised(path: Path, parks: list[tuple[int, ...]], raster: Path) -> Path:
    """Write polygons as somebody would draw them."""
    scene = gdal.Open(str(raster))
    t = scene.GetGeoTransform()
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("parks", scene.GetSpatialRef(), ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
    for left, top, width, height in parks:
        corners = [(left, top), (left + width, top), (left + width, top + height)]
        corners += [(left, top + height), (left, top)]
        places = ", ".join(f"{t[0] + x * t[1]} {t[3] + y * t[5]}" for x, y in corners)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("class", NAME)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POLYGON(({places}))"))
        layer.CreateFeature(feature)
    return path


def shown(raster: Path) -> np.ndarray:
    """A raster for people, shape (rows, columns, 3)."""
    return np.moveaxis(gdal.Open(str(raster)).ReadAsArray(), 0, -1)


def main() -> None:
    """Teach, classify and draw."""
    scene = gdal.Open(str(ROOT / "demo" / "scene.tif"))
    pixels = scene.ReadAsArray(240, 240, WIDTH, HEIGHT)
    ranges = [find_range(band, "percent-clip") for band in pixels]
    low, high = (np.array(ends) for ends in zip(*ranges))
    pixels = Stretch(low, high, (0.0, 255.0)).apply(pixels)
    mask, parks = draw_parks(pixels, 3)
    half = WIDTH // 2
    with TemporaryDirectory() as place:
        folder = Path(place)
        west = cut(folder / "west.tif", pixels[..., :half], scene, 240, 240)
        east = cut(folder / "east.tif", pixels[..., half:], scene, 240 + half, 240)
        truth = cut(folder / "truth.tif", mask[:, half:], scene, 240 + half, 240)
        labels = digitised(folder / "parks.gpkg", [p for p in parks if p[0] < half], west)
        parent, taught = folder / "mini.dlpk", folder / "taught.dlpk"
        dlpk.build(parent, weights="mini")
        data = [f"{west}={labels}"]
        found = dlpk.finetune(
            parent, data, taught, method="decoder", steps=300, minutes=None, device="cpu", say=print
        )
        print(found.to_text())
        columns = [("what it learns from", shown(west), mask[:, :half])]
        for title, package in ("before", parent), ("after", taught):
            out = folder / f"{title}.tif"
            dlpk.classify(package, east, out, prompt=NAME, device="cpu")
            values = {NAME: (1, 1)}
            iou = evaluate_raster(out, truth, Options(classes=values)).per_class()[1]["iou"]
            layer = np.asarray(gdal.Open(str(out)).ReadAsArray() == 1)
            columns.append(
                (f"elsewhere, {title}: IoU {np.nan_to_num(iou):.2f}", shown(east), layer)
            )
        draw(columns, IMAGES / "finetuning.jpg")
        with zipfile.ZipFile(taught) as archive:
            for name in ("loss_graph", "show_results"):
                picture = Image.open(io.BytesIO(archive.read(f"ModelCharacteristics/{name}.png")))
                save(picture, IMAGES / f"finetuning-{name.replace('_', '-')}.jpg")


def draw(columns: list[tuple[str, np.ndarray, np.ndarray]], out: Path) -> None:
    """Images beside each other, what is marked outlined."""
    figure = Figure(figsize=(11, 4.7), dpi=100, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.12)
    for place, (title, image, marked) in zip(figure.subplots(1, len(columns)), columns):
        place.imshow(image)
        if marked.any():
            place.contour(marked, levels=[0.5], colors="yellow", linewidths=1.2)
        place.set_title(title)
        place.set_axis_off()
    data = io.BytesIO()
    figure.savefig(data, format="png")
    save(Image.open(data), out)


def save(picture: Image.Image, out: Path) -> None:
    """Write a picture as JPEG, not larger than a page shows it."""
    picture = picture.convert("RGB")
    picture.thumbnail((1200, 1000))
    picture.save(out, quality=80)


if __name__ == "__main__":
    main()
