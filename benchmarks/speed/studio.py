"""How long the page of `dlpk serve` keeps one waiting, and what twenty viewers do to it.

    python -m benchmarks.speed.studio [--weights FOLDER | --mini] [--save]

First mask: all tiles of a raster are asked for in four connections, as the page does, from a server
that has just loaded the package, against `Model.predict` on the same pixels. New prompt: the same
again with other words. Threshold: in Chromium, from a moved slider to the second frame after it.
Viewers: each pans over the scene and asks for scene and probabilities, from this machine.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
from osgeo import gdal

import dlpk
from benchmarks.common import build_package, parser, report, write_scene

gdal.UseExceptions()
SIDE, TILE = 1024, 256
PROMPTS, WARM = ("road", "tree"), "person"
PLACES = [(column, row) for row in range(SIDE // TILE) for column in range(SIDE // TILE)]
AT_ONCE, VIEWERS, PAUSE = 4, 20, 0.2
REDRAW = """async () => {
  const slider = document.querySelector(".row .threshold"), times = [];
  const frame = () => new Promise(requestAnimationFrame);
  for (let i = 0; i < 20; i++) {
    await frame();
    const start = performance.now();
    slider.value = 0.3 + 0.02 * i;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await frame();
    await frame();
    times.push(performance.now() - start);
  }
  const still = [];
  for (let i = 0; i < 20; i++) {
    await frame();
    const start = performance.now();
    await frame();
    await frame();
    still.push(performance.now() - start);
  }
  return [times, still];
}"""


@contextmanager
def served(package: Path, *rasters: Path) -> Iterator[tuple[str, int]]:
    """Address and process number of a server."""
    words = ["serve", str(package), *map(str, rasters), "--port", "0", "--no-browser", "--trust"]
    command = [sys.executable, "-m", "dlpk", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield re.findall(r"http://\S+", server.stdout.readline())[0], server.pid
    finally:
        server.terminate()
        server.wait()


def memory(process: int) -> float:
    """Memory of a process, in MB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1000


def get(
    client: httpx.Client, address: str, raster: int, place: tuple[int, int], **query: str
) -> float:
    """Seconds that a tile takes."""
    kind = "bands" if query else "scene"
    path = f"{address}api/rasters/{raster}/{kind}/0/{place[0]}/{place[1]}"
    start = time.perf_counter()
    client.get(path, params=query).raise_for_status()
    return time.perf_counter() - start


def all_tiles(client: httpx.Client, address: str, prompt: str) -> float:
    """Seconds until all tiles are there."""
    start = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda place: get(client, address, 1, place, text_prompt=prompt), PLACES))
    return time.perf_counter() - start


def watch(address: str, seconds: float) -> tuple[list[float], list[str]]:
    """What viewers who pan for some time wait for a tile, and what goes wrong."""
    waits: list[float] = []
    errors: list[str] = []
    end = time.perf_counter() + seconds

    def view(seed: int) -> None:
        choose = random.Random(seed)
        with httpx.Client(timeout=120) as client:
            while time.perf_counter() < end:
                try:
                    place = choose.choice(PLACES)
                    waits.append(get(client, address, 1, place))
                    waits.append(get(client, address, 1, place, text_prompt=choose.choice(PROMPTS)))
                except httpx.HTTPError as error:
                    errors.append(str(error))
                time.sleep(PAUSE)

    threads = [threading.Thread(target=view, args=(seed,)) for seed in range(VIEWERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits, errors


def redraws(address: str) -> tuple[float, float]:
    """Median milliseconds of two frames, with a moved threshold and without."""
    from playwright.sync_api import sync_playwright

    state = {"raster": 1, "view": [512, 384, 1], "sets": [{"rows": [{"text": PROMPTS[0]}]}]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1394, "height": 802})
        page.goto(f"{address}#{quote(json.dumps(state))}")
        page.wait_for_selector("body[data-ready]")
        page.wait_for_timeout(500)
        page.wait_for_selector("body[data-busy='0']", timeout=120_000)
        moved, still = page.evaluate(REDRAW)
        browser.close()
    return float(np.median(moved)), float(np.median(still))


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--mini", action="store_true", help="the miniature instead")
    options.add_argument("--seconds", type=float, default=45, help="that the viewers pan for")
    given = options.parse_args()
    first, second = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, given.weights, mini=given.mini)
        scene, small = folder / "scene.tif", folder / "small.tif"
        write_scene(scene, SIDE)
        gdal.Translate(str(small), str(scene), srcWin=[0, 0, TILE, TILE])
        pixels = gdal.Open(str(scene)).ReadAsArray()
        asked = {"return_probability_raster": "True"}
        for _ in range(given.rounds):
            # A new one each time: it keeps the tiles that it has encoded.
            with dlpk.open(package, device="cpu", say=lambda level, text: None) as model:
                model.predict(pixels[:, :TILE, :TILE], prompt=WARM, arguments=asked)
                start = time.perf_counter()
                model.predict(pixels, prompt=PROMPTS[0], arguments=asked)
                alone = time.perf_counter() - start
            with (
                served(package, small, scene) as (address, _),
                httpx.Client(timeout=300) as client,
            ):
                get(client, address, 0, (0, 0), text_prompt=WARM)
                first.append(all_tiles(client, address, PROMPTS[0]) / alone)
                second.append(all_tiles(client, address, PROMPTS[1]) / alone)
        with (
            served(package, small, scene) as (address, process),
            httpx.Client(timeout=300) as client,
        ):
            for prompt in PROMPTS:
                all_tiles(client, address, prompt)
            before = memory(process)
            waits, errors = watch(address, given.seconds)
            after = memory(process)
            moved, still = redraws(address)
    p50, p95 = np.percentile(waits, [50, 95]) * 1000
    rows = [
        ("first mask of all tiles, against the function alone", f"{np.median(first):.2f}"),
        (
            "another prompt on the same tiles, against the function alone",
            f"{np.median(second):.2f}",
        ),
        ("two frames with a moved threshold, without one", f"{moved:.0f} ms, {still:.0f} ms"),
        (
            f"{VIEWERS} viewers for {given.seconds:.0f} s: requests, errors",
            f"{len(waits)}, {len(errors)}",
        ),
        ("a tile: median, 95th percentile", f"{p50:.0f} ms, {p95:.0f} ms"),
        ("memory of the server before and after", f"{before:.0f} MB, {after:.0f} MB"),
    ]
    about = "the miniature" if given.mini else "real weights" if given.weights else "random weights"
    notes = [
        f"{about}, {SIDE} x {SIDE} pixels, {len(PLACES)} tiles; all on one machine",
        "tiles of the viewers are computed once, by whoever comes first, and kept",
    ]
    table = [{"what": what, "measured": value} for what, value in rows]
    name = "studio_mini" if given.mini else "studio"
    report(name, "The page of dlpk serve", table, notes, device="cpu", save=given.save)


if __name__ == "__main__":
    main()
