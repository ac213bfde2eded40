"""Time to the first block against a bare load of the same weights, each in a fresh process."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.common import build_package, parser, report, run_python, write_scene

OURS = """
import time; start = time.perf_counter()
from dlpk.cli.main import main
from dlpk.harness.calls import Function
pixels, ends = Function.pixels, []
def timed(*args):
    begun = time.perf_counter()
    try:
        return pixels(*args)
    finally:
        ends.append((begun, time.perf_counter()))
Function.pixels = timed
code = main(["classify", {package!r}, {scene!r}, {out!r}, "--prompt", {prompt!r}, "-q",
             "--arg", "padding=0", "--arg", "batch_size=1", "--device", "cpu"])
assert code == 0
# The first block loads the weights; computing takes it as long as the last one.
print(ends[0][1] - start - (ends[-1][1] - ends[-1][0]))
"""
BARE = """
import time; start = time.perf_counter()
import torch
from safetensors.torch import load_file
tensors = {{name: tensor.float() for name, tensor in load_file({weights!r}).items()}}
print(time.perf_counter() - start)
"""


def main() -> None:
    """Measure and report."""
    given = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, given.weights)
        import zipfile

        with zipfile.ZipFile(package) as archive:
            archive.extract("model.safetensors", folder)
        scene = folder / "scene.tif"
        write_scene(scene, 704)
        prompt = "sea" if given.weights else "water"
        ours, bare = [], []
        for _ in range(given.rounds):
            bare.append(float(run_python(BARE.format(weights=str(folder / "model.safetensors")))))
            code = OURS.format(
                package=str(package), scene=str(scene), out=str(folder / "o.tif"), prompt=prompt
            )
            ours.append(float(run_python(code)))
    ratio = statistics.median(a / b for a, b in zip(ours, bare))
    rows = [
        {
            "start to first block": f"{statistics.median(ours):.2f} s",
            "bare load of the weights": f"{statistics.median(bare):.2f} s",
            "ratio": f"{ratio:.2f}",
        }
    ]
    notes = [
        "both with the import of torch; ours until the network sees the first tile: it unpacks and "
        "checks the package, goes through both phases, opens the raster, loads the network and "
        "embeds the prompt"
    ]
    report("start", "Start to first block", rows, notes, device="cpu", save=given.save)


if __name__ == "__main__":
    main()
