"""The page in a real browser, without a window."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from osgeo import gdal, ogr
from playwright.sync_api import Browser, Page, sync_playwright

import dlpk
from dlpk.classification.model import Model
from dlpk.studio.map.pyramid import Tile
from dlpk.studio.studio import Studio

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT = 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "no chromium: scripts/setup.sh installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def model(mini: Path) -> Iterator[Model]:
    with dlpk.open(mini, device="cpu", say=lambda level, text: None) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab; nothing that happens in it may be complained of on its console."""
    said: list[str] = []
    made = browser.new_page(viewport={"width": 1000, "height": 700})
    made.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    made.on("pageerror", lambda error: said.append(str(error)))
    yield made
    made.close()
    assert not said


def opened(page: Page, served: str, state: dict[str, Any]) -> None:
    page.goto(f"{served}/#{quote(json.dumps(state))}")
    page.wait_for_selector("body[data-ready]")


def shown(page: Page) -> np.ndarray:
    """Classes of all tiles in view, once they are there, shape (512, 512)."""
    page.wait_for_timeout(250)  # for what is typed to be asked
    page.wait_for_selector("body[data-busy='0']", timeout=WAIT)
    tiles = page.evaluate(
        """() => Object.fromEntries([...studio.set.masks.tiles].filter(([, tile]) => tile.classes)
        .map(([key, tile]) => [key, btoa(String.fromCharCode(...tile.classes))]))"""
    )
    whole = np.full((512, 512), 255, np.uint8)
    for key, text in tiles.items():
        _, column, row = map(int, key.split("/"))
        values = np.frombuffer(base64.b64decode(text), np.uint8).reshape(256, 256)
        whole[256 * row : 256 * row + 256, 256 * column : 256 * column + 256] = values
    return whole[:300, :420]


def row(text: str, **more: Any) -> dict[str, Any]:
    return {"text": text, **more}


CASES: dict[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "defaults": ([row("water"), row("vegetation")], {}),
    "sliders": (
        [row("water", threshold=0.37), row("trees", strength=1.35), row("crops", threshold=0.6)],
        {},
    ),
    "logic": (
        [
            row("wet = water OR sea NOT trees", threshold=0.43, strength=1.2),
            row("(crops:0.3 AND NOT water){*0.9}"),
        ],
        {"background_prompt": "trees, roads"},
    ),
    "growth": ([row("shore = water{+60m} NOT water"), row("water{:0.6 -1px}")], {}),
    "no background": ([row("water|sea"), row("sand{*2}")], {"predict_background": "False"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_shown_is_what_classify_writes(
    page: Page, served: str, model: Model, part: Path, tmp_path: Path, case: str
) -> None:
    rows, arguments = CASES[case]
    state = {"raster": 1, "view": [210, 150, 1], "sets": [{"rows": rows}], "arguments": arguments}
    opened(page, served, state)
    classes = shown(page)
    what = page.evaluate("studio.arguments()")
    assert not page.is_visible("#problem")
    result = model.classify(part, tmp_path / "classes.tif", arguments=what["arguments"])
    written = gdal.Open(str(result.path)).ReadAsArray()
    assert len(np.unique(written)) > 1
    assert np.array_equal(classes, written)


def test_typing_sliding_and_coming_back(page: Page, served: str) -> None:
    opened(page, served, {"raster": 1, "view": [210, 150, 1]})
    page.click("#example")
    first = shown(page)
    assert (first == 1).sum() > 1000
    assert "ha in view" in page.inner_text(".row .area")

    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.url) if "/api/" in request.url else None
    )
    page.locator(".row .threshold").fill("0.9")
    second = shown(page)
    assert 0 < (second == 1).sum() < (first == 1).sum()
    assert not asked  # the browser has decided by itself

    page.keyboard.press("Control+z")
    assert np.array_equal(shown(page), first)
    page.keyboard.press("Control+Shift+z")
    assert np.array_equal(shown(page), second)

    # A second prompt, by the keyboard alone.
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("trees")
    page.keyboard.press("Escape")
    both = shown(page)
    assert set(np.unique(both)) == {0, 1, 2}
    page.keyboard.press("1")  # left out
    assert set(np.unique(shown(page))) == {0, 1}
    page.keyboard.press("1")

    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    assert np.array_equal(shown(page), both)
    assert page.locator(".row .text").nth(1).input_value() == "trees"


def colors(page: Page) -> np.ndarray:
    """What the layer of classes shows, shape (rows, columns, 4)."""
    shown(page)
    text = page.evaluate(
        """async () => { const { canvas, map } = studio.map;
        await new Promise((done) => { map.once("rendercomplete", done); map.render(); });
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
        let text = ""; for (const value of data) text += String.fromCharCode(value);
        return [canvas.width, canvas.height, btoa(text)]; }"""
    )
    width, height, pixels = text
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)


def test_swiping_and_two_sets_side_by_side(page: Page, served: str) -> None:
    sets = [{"rows": [row("water")]}, {"rows": [row("trees", color="#ff0000")]}]
    opened(page, served, {"raster": 1, "view": [210, 150, 1], "sets": sets})
    whole = colors(page)
    blue = tuple(whole[whole[..., 3] > 0][0][:3])
    page.keyboard.press("s")
    middle = whole.shape[1] // 2
    half = colors(page)
    assert not half[:, : middle - 1].any()
    assert np.array_equal(half[:, middle + 1 :], whole[:, middle + 1 :])
    page.locator("#swipe").fill("0.25")
    assert np.array_equal(colors(page)[:, middle // 2 + 1 :], whole[:, middle // 2 + 1 :])
    page.keyboard.press("c")
    both = colors(page)
    at = middle // 2
    left, right = both[:, : at - 1], both[:, at + 1 :]
    assert {tuple(color[:3]) for color in left[left[..., 3] > 0]} <= {blue}
    assert {tuple(color) for color in right[right[..., 3] > 0][:, 1:3]} == {(0, 0)}


def test_drawing_a_box_looks_for_more_like_it(
    page: Page, served: str, model: Model, part: Path, tmp_path: Path
) -> None:
    opened(page, served, {"raster": 1, "view": [210, 150, 1]})
    page.click("#add-box")
    area = page.locator("#map").bounding_box()
    assert area is not None
    left = area["x"] + area["width"] / 2 - 210 + 300
    top = area["y"] + area["height"] / 2 - 150 + 180
    page.mouse.click(left, top)
    page.mouse.click(left + 80, top + 90)
    classes = shown(page)
    what = page.evaluate("studio.arguments()")
    assert what["like"][0].startswith("like this=")
    result = model.classify(
        part, tmp_path / "classes.tif", arguments=what["arguments"], like=what["like"]
    )
    assert np.array_equal(classes, gdal.Open(str(result.path)).ReadAsArray())
    assert (classes == 1).any()


def test_mistakes_are_said_under_their_column(page: Page, served: str) -> None:
    opened(page, served, {"raster": 1, "sets": [{"rows": [row("water"), row("roof AND (")]}]})
    page.wait_for_selector(".row.mistaken")
    assert page.locator(".row").nth(1).locator(".wrong").inner_text().startswith("prompt, column")
    caret = page.locator(".row").nth(1).locator(".caret")
    assert caret.evaluate("pre => pre.textContent") == " " * 10 + "▲"


def test_all_of_the_raster_is_run_and_can_be_taken_along(
    page: Page, served: str, tmp_path: Path
) -> None:
    state = {"raster": 1, "view": [210, 150, 1], "sets": [{"rows": [row("water", threshold=0.6)]}]}
    opened(page, served, state)
    classes = shown(page)
    page.click("#run")
    with page.expect_download(timeout=WAIT) as download:
        page.locator("#run-state a").first.click(timeout=WAIT)
    download.value.save_as(tmp_path / "classes.tif")
    assert np.array_equal(classes, gdal.Open(str(tmp_path / "classes.tif")).ReadAsArray())
    page.fill("#minimum-area", "5000")
    with page.expect_download() as download:
        page.click("#get-polygons")
    download.value.save_as(tmp_path / "water.gpkg")
    source = ogr.Open(str(tmp_path / "water.gpkg"))
    areas = [feature["area_m2"] for feature in source.GetLayer(0)]
    assert min(areas) >= 5000 and sum(areas) <= (classes == 1).sum() * 100.1
    page.click("[data-copy=command]")
    page.wait_for_selector("#copied:not(:empty)")
    assert "--prompt water:0.6" in page.inner_text("#copied")
    page.click("[data-copy=arcgis]")
    page.wait_for_selector("#copied:has-text('text_prompt')")
    page.click("[data-copy=python]")
    page.wait_for_selector("#copied:has-text('dlpk.classify(')")


def test_spots_on_the_map_move_thresholds_and_a_package_takes_them_along(
    page: Page, served: str, studio: Studio, tmp_path: Path
) -> None:
    chances = studio.bands(1, Tile(0, 0, 0), {"text_prompt": "water"}).result()[0]
    order = np.argsort(chances[20:-20, 100:-20], axis=None)
    state = {"raster": 1, "view": [210, 150, 1], "sets": [{"rows": [row("water", threshold=0.99)]}]}
    opened(page, served, state)
    shown(page)
    page.keyboard.press("p")
    values = []
    for share, name in ((0.2, "none of these"), (0.8, "water")):
        down, across = np.unravel_index(order[int(share * order.size)], (216, 136))
        values.append(float(chances[down + 20, across + 100]))
        page.select_option("#spot-class", label=name)
        place = [int(across) + 100.5, -int(down) - 20.5]
        x, y = page.evaluate(f"studio.map.map.getPixelFromCoordinate({json.dumps(place)})")
        page.click("#map", position={"x": x, "y": y})
        page.wait_for_selector(f"#spots-text:has-text('{len(values)} spot')")
    page.click("#fit")
    page.wait_for_selector("#spots-text:has-text('2 of 2 spots are right (before: 1).')")
    threshold = page.evaluate("studio.state.rows[0].threshold")
    assert values[0] < threshold < values[1]
    with page.expect_download() as download:
        page.click("#new-package")
    download.value.save_as(tmp_path / "new.dlpk")
    assert dlpk.inspect(tmp_path / "new.dlpk").to_dict()["prompt"] == "water"
    page.click("#undo")
    assert page.evaluate("studio.state.rows[0].threshold") == 0.99
    # What cannot be is said without asking the server.
    page.evaluate("studio.state.change(null, (now) => (now.sets[0].rows = []))")
    while page.evaluate("studio.set.prompts.plan !== null"):
        page.wait_for_timeout(20)
    page.click("#new-package")
    assert "no prompt yet" in page.inner_text("#problem")
