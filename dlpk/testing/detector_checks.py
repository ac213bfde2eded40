"""Checks of functions that find objects: what they declare, and blocks within and at the edge."""

from __future__ import annotations

from ..classification.block_call import AS_TEXT
from ..classification.session import Session
from ..detection.blocks import find_in_block
from ..errors import DlpkError
from ..harness.features import geometry_type, output_fields
from .block_checks import Blocks
from .rules import RunFindings


def check_detector(findings: RunFindings, run: Session) -> None:
    """Ask for fields and geometry, and have objects found in some blocks."""
    try:
        fields, geometry = output_fields(run.function), geometry_type(run.function)
    except DlpkError as error:
        findings.failed("run/start-fails", error, "Have the method answer as the message says.")
        return
    chosen = Blocks.choose(run)
    for block in chosen.all:
        try:
            find_in_block(run, block, geometry, fields)
        except DlpkError as error:
            rule, remedy = "run/edge-block-fails", "Return 'fixedTileSize': 1, or take any size."
            if AS_TEXT in str(error):
                rule, remedy = "run/arguments-as-text", "Convert every argument: int(…), float(…)."
            elif block in chosen.whole:
                rule, remedy = "run/block-fails", "Mend what the message names."
            findings.failed(rule, error, remedy)
            return
