"""Takes the pictures of docs/studio.md from the running page, on the demo scene.

    python -m scripts.studio_pictures [FOLDER]

Needs ``dlpk[studio]``, Playwright and Chromium.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright

import dlpk

ROOT = Path(__file__).parents[1]
VIEW = [330, 330, 1]
ROWS = [{"text": "water", "threshold": 0.5}, {"text": "vegetation"}]


@contextmanager
def served(*, trust: bool) -> Iterator[str]:
    """Address of a page on the demo scene with the miniature."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "mini-clipseg.dlpk"
        dlpk.build(package, weights="mini")
        words = ["serve", str(package), "demo/scene.tif", "--port", "0", "--no-browser"]
        command = [sys.executable, "-m", "dlpk", *words, *(["--trust"] if trust else [])]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            yield re.search(r"http://\S+", server.stdout.readline())[0]
        finally:
            server.terminate()
            server.wait()


def opened(page: Page, address: str, **state: Any) -> None:
    """Go to a state of the page, and wait until all tiles are there."""
    page.goto("about:blank")
    shown = {"view": VIEW, "sets": [{"rows": ROWS}], **state}
    page.goto(f"{address}#{quote(json.dumps(shown))}")
    page.wait_for_selector("body[data-ready]")
    settled(page)


def settled(page: Page) -> None:
    """Wait until nothing is computed or drawn any more."""
    page.wait_for_timeout(600)
    page.wait_for_selector("body[data-busy='0']", timeout=120_000)
    page.wait_for_timeout(600)


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 720})

        def picture(name: str) -> None:
            page.screenshot(path=folder / f"studio-{name}.jpg", type="jpeg", quality=82)

        with served(trust=False) as address:
            page.goto(address)
            page.wait_for_selector("dialog[open]")
            page.wait_for_timeout(1000)
            picture("welcome")
        with served(trust=True) as address:
            opened(page, address)
            picture("classes")
            opened(page, address, mode="swipe", swipe=0.5)
            picture("swipe")
            logic = [{"rows": ROWS}, {"rows": [{"text": "shore = water{+60m} NOT water"}]}]
            opened(page, address, mode="ab", swipe=0.5, sets=logic)
            picture("compare")
            opened(page, address, sets=[{"rows": [{"text": "water NOT (trees OR"}]}])
            picture("mistake")
            page.emulate_media(color_scheme="dark")
            opened(page, address)
            page.click("#run")
            page.wait_for_selector("#run-state a", timeout=120_000)
            page.wait_for_timeout(500)
            picture("run")
        browser.close()


if __name__ == "__main__":
    main()
