"""docs/arguments.md is what the function declares."""

from __future__ import annotations

from scripts.arguments_page import PAGE, page


def test_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m scripts.arguments_page"
