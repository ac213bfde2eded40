"""The same input gives the same bytes: in any folder, on any day, with any number of threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.tiny_clipseg import settings, write_folder

ROOT = Path(__file__).parents[2]
BUILD = """
import os, sys
os.umask(int(os.environ["MASK"], 8))
import torch
torch.set_num_threads(int(os.environ["THREADS"]))
if os.environ.get("PLAIN"):
    torch.backends.mkldnn.enabled = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.nn.functional.scaled_dot_product_attention = plain = lambda q, k, v, is_causal: (
        (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
         + (torch.full((q.shape[-2],) * 2, -1e30).to(q.dtype).triu(1) if is_causal else 0)
        ).softmax(-1) @ v
    )
from builder import build
options = {"freeze_prompts": os.environ["FREEZE"]} if os.environ.get("FREEZE") else {}
build(sys.argv[1], weights=sys.argv[2], name="Tiny", **options)
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = settings(refined=True, patch=16)
    return write_folder(tmp_path_factory.mktemp("source") / "weights", config, image=176)


def built(out: Path, weights: Path, **environment: str) -> bytes:
    out.parent.mkdir(parents=True, exist_ok=True)
    defaults = {"MASK": "022", "THREADS": "1", "PYTHONHASHSEED": "1", "TZ": "UTC"}
    environment = {**os.environ, **defaults, **environment}
    subprocess.run(
        [sys.executable, "-c", BUILD, str(out), str(weights)],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=120,
    )
    return out.read_bytes()


def differing(one: Path, other: Path) -> list[str]:
    """Names of the entries that differ, for a message that helps."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = sorted({*first.namelist(), *second.namelist()})
        return [name for name in names if first.read(name) != second.read(name)]


@pytest.fixture(scope="module")
def first(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first") / "a.dlpk"
    built(out, weights)
    return out


@pytest.mark.parametrize(
    "environment",
    [
        {"THREADS": "2", "MASK": "077", "PYTHONHASHSEED": "77", "TZ": "Pacific/Auckland"},
        {"THREADS": "7", "LC_ALL": "tr_TR.UTF-8", "LANG": "C", "PYTHONUTF8": "0"},
        {"PLAIN": "1", "MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "default"},
    ],
)
def test_other_circumstances(
    first: Path, weights: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Another folder and file name, other times of the files, and what else may differ.

    The last case takes the processor's vector instructions and the fused attention away, as on
    another machine.
    """
    elsewhere = Path(shutil.copytree(weights, tmp_path / "somewhere else" / "Gewichte"))
    for path in elsewhere.iterdir():
        os.utime(path, (10**9, 10**9))
    out = tmp_path / "deep" / "other name.dlpk"
    same = built(out, elsewhere, **environment) == first.read_bytes()
    assert same, differing(first, out)


def test_frozen_prompts_too(weights: Path, tmp_path: Path) -> None:
    freeze = "water, solar panel"
    one = built(tmp_path / "1.dlpk", weights, FREEZE=freeze)
    other = built(tmp_path / "2.dlpk", weights, FREEZE=freeze, THREADS="3", PLAIN="1")
    assert one == other, differing(tmp_path / "1.dlpk", tmp_path / "2.dlpk")


def test_other_weights_are_noticed(first: Path, tmp_path: Path) -> None:
    """Else all of this would show nothing."""
    config = settings(refined=True, patch=16)
    other = write_folder(tmp_path / "other", config, image=176, seed=1)
    built(tmp_path / "b.dlpk", other)
    # Perhaps other golden chips too: those that these weights are surest of.
    named = {"golden/expected.npy", "manifest.json", "model.safetensors"}
    assert named <= set(differing(first, tmp_path / "b.dlpk"))
