"""Checks of what ArcGIS may do otherwise than the harness: a sound function does not care."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..classification.block_call import BlockResult
from ..classification.session import Session
from ..errors import DlpkError
from ..harness.settings import Host
from ..raster.grid import Block
from .block_checks import difference, written
from .rules import RunFindings

HOSTS = (
    (Host(dialog_object=True), "the object that filled the dialog goes through the run too"),
    (Host(arguments_in_initialize=True), "initialize gets the arguments too"),
    (Host(statistics=False), "there are statistics of the raster"),
    (Host(flat_band=True), "a single band comes without its axis"),
    (Host(shape_with_bands=True), "the shape of a single output band has three numbers"),
)


def check_second_raster(
    findings: RunFindings,
    session: Session,
    arguments: Mapping[str, Any],
    block: Block,
    base: BlockResult,
) -> None:
    """See whether an object that has served a raster can serve another one."""
    rule = "run/second-raster-differs"
    remedy = "Have getConfiguration and updateRasterInfo begin anew, and keep nothing of blocks."
    try:
        again = Session.start(session.loaded, session.raster, arguments, session.settings)
        share = difference(again.process(block), base)
    except DlpkError as error:
        findings.failed(rule, error, remedy)
        return
    if again.function is not session.function or share > 0:
        message = f"{written(share)} change for the same raster on the same object"
        findings.add(rule, message, remedy)


def check_hosts(
    findings: RunFindings, again: Callable[[Host], Session], block: Block, base: BlockResult
) -> None:
    """See whether it matters what ArcGIS does where that is not documented."""
    for host, words in HOSTS:
        remedy = f"Be ready for either: it is not documented whether {words}."
        try:
            share = difference(again(host).process(block), base)
        except DlpkError as error:
            findings.failed("run/host-matters", error, remedy)
            continue
        if share > 0 and host.statistics:  # without statistics it may well be another result
            message = f"{written(share)} change when {words}"
            findings.add("run/host-matters", message, remedy)
