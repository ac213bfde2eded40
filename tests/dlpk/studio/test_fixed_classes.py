"""The page with a package of somebody else's, whose classes are what they are."""

from __future__ import annotations

from pathlib import Path

from osgeo import gdal
from playwright.sync_api import Page

from dlpk.studio.studio import Studio
from tests.dlpk.studio.conftest import serving
from tests.dlpk.studio.test_page import browser, page  # noqa: F401
from tests.support.runs import make_package


def test_fixed_classes_are_shown_with_their_names(page: Page, part: Path, tmp_path: Path) -> None:  # noqa: F811
    dark = tmp_path / "dark.tif"  # all of it is of the class 2
    gdal.Translate(str(dark), str(part), scaleParams=[[0, 1, 2, 2]], outputType=gdal.GDT_Byte)
    package = make_package(tmp_path / "P", probe={})
    with (
        Studio(package, [dark], device="cpu", say=lambda level, text: None) as studio,
        serving(studio) as address,
    ):
        page.goto(address)
        page.wait_for_selector("#agree")
        assert "Type" not in page.inner_text("#welcome")
        page.click("#agree")
        page.wait_for_selector("#legend li:has-text('1,260 ha in view')")
        assert page.inner_text("#legend").split("\n")[0] == "bright"
        for key in "npbc":  # what needs words does nothing
            page.keyboard.press(key)
        assert page.evaluate("studio.state.rows.length + studio.spots.marking") == 0
        assert not page.is_visible("#empty")
