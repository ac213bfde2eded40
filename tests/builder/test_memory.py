"""Building holds a fraction of the weights in memory, whatever their size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.tiny_clipseg import settings, write_folder

ROOT = Path(__file__).parents[2]
# Memory of the process itself: pages of mapped files, which the system drops when it wants to, do
# not count here.
MEASURE = """
import json, sys, threading, time
import torch
import builder.clipseg.exact
from builder import build

def own_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))

torch.ones(300, 300) @ torch.ones(300, 300)
before = peak = own_memory()
running = True
def watch():
    global peak
    while running:
        peak = max(peak, own_memory())
        time.sleep(0.001)
watcher = threading.Thread(target=watch)
watcher.start()
try:
    build(sys.argv[1], weights=sys.argv[2], **json.loads(sys.argv[3]))
finally:
    running = False
    watcher.join()
print(peak - before)
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 170 MB in two towers of twelve blocks; tiles are too small to count."""
    config = settings(layers=12)
    for tower in ("vision_config", "text_config"):
        size = {"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 8}
        config[tower] |= {**size, "num_hidden_layers": 12}
    return write_folder(tmp_path_factory.mktemp("source") / "weights", config, image=16)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("model.safetensors", {"precision": "fp16"}),
        ("pytorch_model.bin", {"precision": "fp32"}),
        ("model.safetensors", {"freeze_prompts": "water, trees"}),
    ],
)
def test_peak(weights: Path, tmp_path: Path, kind: str, options: dict[str, str]) -> None:
    size = (weights / "model.safetensors").stat().st_size
    assert size > 160_000_000
    source = weights
    if kind != "model.safetensors":
        source = tmp_path / "pickled"
        source.mkdir()
        torch.save(load_file(weights / "model.safetensors"), source / kind)
        for path in (*weights.glob("*.json"), *weights.glob("*.txt")):
            (source / path.name).write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "x.dlpk"), str(source), json.dumps(options)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    growth = int(done.stdout)
    # A block of each tower in double precision takes a twelfth of the weights, the whole network
    # would take all of them twice.
    assert growth < size / 3
