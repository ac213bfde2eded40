"""The table of rules: complete, documented, and the page written from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlpk.validation.rules import GROUPS, RULES, rewrite
from schemas.findings import Severity

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"


@pytest.mark.parametrize("name", RULES)
def test_rule_is_documented(name: str) -> None:
    rule = RULES[name]
    assert re.fullmatch(r"[a-z]+/[a-z0-9]+(-[a-z0-9]+)*", name)
    assert name.partition("/")[0] in GROUPS
    assert isinstance(rule.severity, Severity)
    assert rule.reason.endswith(".")
    assert "\n" not in rule.reason + rule.source
    assert rule.source
    assert not rule.source.endswith(".")


def test_page_is_written_from_the_table() -> None:
    page = PAGE.read_text("utf-8")
    assert rewrite(page) == page, "run: python -m dlpk.validation.rules docs/rules.md"
