"""Each fault of a function is found by running it, and a sound one is left in peace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpk.cli.main import main
from dlpk.errors import ArgumentsError, RasterError
from dlpk.testing import block_checks
from dlpk.testing.behaviour import BLOCKS, RULES, check_run
from dlpk.testing.block_checks import share_of_difference
from schemas.findings import Report
from tests.dlpk.testing.test_golden import golden_package
from tests.support.runs import FUNCTIONS, make_package, make_raster

SOUND = {"run/dialog-cost"}


def judged(folder: Path, *changes: tuple[str, str], **options: Any) -> Report:
    text = (FUNCTIONS / "Judged.py").read_text()
    for mark, line in changes:
        (old,) = [row for row in text.splitlines() if row.endswith(f"# {mark}")]
        indent = old[: len(old) - len(old.lstrip())]
        text = text.replace(old, "\n".join(indent + part for part in line.split("\n")))
    package = make_package(folder, "Judged", text=text)
    return check_run(package, **{"device": "cpu", "blocks": 12, **options})


def rules(report: Report) -> set[str]:
    return {finding.rule for finding in report}


def test_sound(tmp_path: Path) -> None:
    report = judged(tmp_path / "P")
    assert rules(report) == SOUND
    (cost,) = report
    assert cost.message.startswith("picking the package takes 0.")
    assert cost.file == "Judged.py"


@pytest.mark.parametrize(
    ("rule", "mark", "line"),
    [
        ("run/dialog-fails", "INITIALIZE", "kwargs['device']"),
        ("run/start-fails", "INITIALIZE", "'device' in kwargs and self.emd['Weights']"),
        ("run/start-fails", "INFORM", "output['rasterAttributeTable'] = 'no json'"),
        ("run/arguments-as-text", "CONFIGURE", "scalars['padding'] + 1"),
        ("run/arguments-as-text", "THRESHOLD", "self.threshold = scalars['threshold']"),
        ("run/decimal-comma", "THRESHOLD", "self.threshold = float(scalars['threshold'])"),
        (
            "run/raster-info-changes",
            "INFORM",
            "SEEN.append(1)\noutput['rasterAttributeTable'] = json.dumps({'features': [{"
            "'attributes': {'Value': len(SEEN)}}]})",
        ),
        ("run/block-fails", "PIXELS", "raise RuntimeError('out of memory')"),
        (
            "run/edge-block-fails",
            "PIXELS",
            "assert tlc[0] == 500000 or pixelBlocks['raster_mask'].mean() > 0.9 or mask.sum() == 0"
            " or mask.shape[1] < 30",
        ),
        ("run/undeclared-values", "PIXELS", "result *= 9"),
        ("run/same-block-differs", "PIXELS", "result[0, 0, 0] = self.count % 2"),
        (
            "run/order-matters",
            "PIXELS",
            "if self.last is not None and tlc < self.last:\n"
            "    result[0, 0, 0] = 1 - result[0, 0, 0]"
            "\nself.last = tlc",
        ),
        (
            "run/others-matter",
            "PIXELS",
            "self.kept.append(tlc)\nresult[0, 0, 0] = len(set(self.kept)) > 2",
        ),
        (
            "run/batch-matters",
            "PIXELS",
            "result = (result + self.batch // 4) % 2\nresult = result.astype('u1')",
        ),
        ("run/strong-seams", "PIXELS", "result[:, :, :9] = 1 - result[:, :, :9]"),
        ("run/seams", "PIXELS", "result[:, 0, :3] = 1 - result[:, 0, :3]"),
        ("run/empty-block-fails", "PIXELS", "assert mask.any()"),
        ("run/empty-block-classified", "PIXELS", "valid[:] = 1"),
        ("run/partial-block-fails", "PIXELS", "assert mask.mean() > 0.6 or mask.mean() < 0.4"),
        ("run/nodata-leaks", "HIDE", "pixels += pixels[0, 20, 20] > 250 and 50"),
        (
            "run/background-is-nodata",
            "INFORM",
            "output['noData'] = kwargs['raster_info']['noData']",
        ),
        (
            "run/memory-grows",
            "PIXELS",
            "self.places = getattr(self, 'places', {})\nself.places[tlc] = np.ones(4_000_000)",
        ),
        (
            "run/second-start-fails",
            "INITIALIZE",
            "self.starts = getattr(self, 'starts', 0) + 1\nassert self.starts < 2",
        ),
        (
            "run/writes-in-package",
            "INITIALIZE",
            "open(os.path.join(os.path.dirname(__file__), 'log'), 'w').close()",
        ),
    ],
)
def test_faults(tmp_path: Path, rule: str, mark: str, line: str) -> None:
    report = judged(tmp_path / "P", (mark, line))
    assert rule in rules(report), report.to_text()
    finding = next(finding for finding in report if finding.rule == rule)
    assert finding.severity is RULES[rule].severity
    assert finding.message
    assert finding.remedy
    # One fault, one finding: but for what follows from a fault of its own kind.
    assert len(rules(report) - SOUND) <= 2, report.to_text()


def test_a_syntax_error_is_not_the_devices_fault(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path / "P", ("PIXELS", "result = = 1"))
    assert finding.rule == "run/dialog-fails"
    assert "Judged.py, line " in finding.message
    assert finding.remedy == "Correct the line that the message names."


def test_no_mask(tmp_path: Path) -> None:
    report = judged(
        tmp_path / "P",
        ("CONFIGURE", "return {'padding': 3, 'tx': 40, 'ty': 40, 'inheritProperties': 12}"),
    )
    assert rules(report) == {*SOUND, "run/no-mask", "run/empty-block-classified"}


def test_a_slow_function_is_called_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    counting = ("PIXELS", f"open({str(calls)!r}, 'a').write('.')")
    monkeypatch.setattr(block_checks, "MEMORY_SECONDS", 1e-9)
    judged(tmp_path / "P", counting, blocks=BLOCKS)
    assert len(calls.read_text()) < BLOCKS / 2
    # What it keeps is seen all the same.
    keeping = "self.kept = [*getattr(self, 'kept', ()), np.ones(4_000_000)]"
    assert "run/memory-grows" in rules(judged(tmp_path / "Q", ("PIXELS", keeping), blocks=BLOCKS))


def test_small_blocks_at_the_edge(tmp_path: Path) -> None:
    configuration = (
        "return {'padding': 3, 'tx': side, 'ty': side, 'inputMask': True, 'fixedTileSize': 0,"
        " 'inheritProperties': 12}"
    )
    assert rules(judged(tmp_path / "P", ("CONFIGURE", configuration))) == SOUND
    report = judged(
        tmp_path / "Q",
        ("CONFIGURE", configuration),
        (
            "RETURN",
            "whole = np.zeros((1, side, side), 'u1')\n"
            "whole[:, : result.shape[1], : result.shape[2]] = result\n"
            "return {'output_pixels': whole}",
        ),
        ("PIXELS", "side = 40 * int(self.batch**0.5)"),
    )
    assert rules(report) == {*SOUND, "run/edge-block-larger"}
    report = judged(
        tmp_path / "R",
        ("CONFIGURE", configuration),
        ("PIXELS", "result = np.ones((1, 80, 79), 'u1') if mask.shape[1] < 80 else result"),
    )
    assert rules(report) == {*SOUND, "run/edge-block-fails"}


def test_one_pixel(tmp_path: Path) -> None:
    report = judged(tmp_path / "P", ("PIXELS", "assert mask.sum() != 3"))
    assert rules(report) == {*SOUND, "run/one-pixel-fails"}


def test_dialog_that_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlpk.testing.behaviour.MOST_SECONDS", 0.0)
    report = judged(tmp_path / "P")
    assert rules(report) == {*SOUND, "run/dialog-slow"}
    assert len(report.warnings) == 1


def test_not_run(tmp_path: Path) -> None:
    package = make_package(tmp_path / "P", emd={"ModelType": "ObjectClassification"})
    for source in (package, tmp_path / "gone.dlpk"):
        report = check_run(source, device="cpu")
        assert rules(report) == {"run/not-run"}
        assert not report.ok
    text = (FUNCTIONS / "Judged.py").read_text()
    text = text.replace('"value": 127.5', '"required": True')
    package = make_package(tmp_path / "Q", "Judged", text=text)
    report = check_run(package, device="cpu")
    assert rules(report) == {*SOUND, "run/not-run"}
    assert "--arg" in report.errors[-1].remedy
    assert rules(check_run(package, arguments={"threshold": 5}, device="cpu", blocks=9)) == SOUND


def test_golden_chips(tmp_path: Path) -> None:
    # The imitation of a text model knows only its own prompts: nothing but the chips runs.
    sound = check_run(golden_package(tmp_path / "P"), device="cpu", blocks=8)
    assert not {rule for rule in rules(sound) if "golden" in rule}
    differs = check_run(golden_package(tmp_path / "Q", fault="result += 0.2"), device="cpu")
    assert "run/golden-differs" in rules(differs)
    broken = check_run(golden_package(tmp_path / "R", fault="return None"), device="cpu")
    assert "run/golden-does-not-run" in rules(broken)


def test_on_a_raster_of_ones_own(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "s.tif", (3, 150, 170), nodata=0)
    assert rules(judged(tmp_path / "P", raster=raster)) == SOUND
    tiny = make_raster(tmp_path / "t.tif", (3, 5, 7))
    assert rules(judged(tmp_path / "Q", raster=tiny)) == SOUND
    with pytest.raises(RasterError, match="there is no such file"):
        judged(tmp_path / "P", raster=tmp_path / "gone.tif")
    with pytest.raises(RasterError, match="has 1 band"):
        judged(tmp_path / "P", raster=make_raster(tmp_path / "one.tif", (1, 90, 90)))


@pytest.mark.parametrize(
    ("bands", "count"), [((5, 2), 6), (("NIR", "Red"), 2), ((1, "NIR"), 3), (None, 3)]
)
def test_the_artificial_raster_has_the_bands(tmp_path: Path, bands: Any, count: int) -> None:
    report = judged(
        tmp_path / "P",
        (
            "CONFIGURE",
            f"return {{'extractBands': {bands!r}, 'tx': 40, 'ty': 40, 'padding': 3,"
            " 'inputMask': True, 'inheritProperties': 12, 'fixedTileSize': 1}",
        ),
        ("PIXELS", f"assert len(pixels) == {len(bands) if bands else count}"),
    )
    assert rules(report) == SOUND


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ArgumentsError, match="did you mean 'threshold'"):
        judged(tmp_path / "P", arguments={"treshold": 1})
    with pytest.raises(ArgumentsError, match="auto, cpu"):
        judged(tmp_path / "P", device="gpu")


def test_share_of_difference() -> None:
    whole = np.zeros((2, 4, 5), np.uint8)
    other = whole.copy()
    other[1, 0, 0] = other[0, 0, 0] = other[0, 3, 3] = 1
    assert share_of_difference(whole, other) == 2 / 20
    real = np.linspace(0, 1, 20, dtype=np.float32).reshape(1, 4, 5)
    assert share_of_difference(real, real + 1e-6) == 0
    assert share_of_difference(real, real + 0.1) == 1
    assert share_of_difference(real, np.full_like(real, np.nan)) == 1
    assert share_of_difference(np.full_like(real, np.nan), np.full_like(real, np.nan)) == 0


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (FUNCTIONS / "Judged.py").read_text()
    text = text.replace("pass  # PIXELS", "print('hello')\n        assert mask.any()")
    package = str(make_package(tmp_path / "P", "Judged", text=text))
    assert main(["validate", package, "--json"]) in (0, 1)
    static = json.loads(capsys.readouterr().out)["findings"]
    words = ["--run", "--blocks", "8", "--device", "cpu", "--arg", "threshold=100"]
    assert main(["validate", package, "--json", *words]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)["findings"]
    assert found[: len(static)] == static
    assert {entry["rule"] for entry in found[len(static) :]} == {*SOUND, "run/empty-block-fails"}
    assert "hello" in err
    assert main(["validate", package, "--run", "--blocks", "0"]) == 2
    assert "--blocks" in capsys.readouterr().err
