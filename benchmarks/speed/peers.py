"""The whole way from GeoTIFF to GeoTIFF against geoai-py's `CLIPSegmentation`.

The same raster, the same weights, one prompt, each in a process of its own, without the loading of
weights. Needs geoai: `pip install --no-deps geoai-py` with rasterio, geopandas and what they need;
without it the benchmark says so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.common import (
    MINI,
    build_package,
    parser,
    reference_model,
    report,
    run_python,
    write_scene,
)

OURS = """
import time
import dlpk
arguments = {arguments!r}
def run(scene):
    start = time.perf_counter()
    dlpk.classify({package!r}, scene, {out!r}, prompt={prompt!r}, arguments=arguments, device="cpu")
    return time.perf_counter() - start
small = run({small!r})
print(run({large!r}) - small)
"""
THEIRS = """
import importlib.util, sys, time, types
if importlib.util.find_spec("leafmap") is None:
    sys.modules["leafmap"] = types.ModuleType("leafmap")  # only draws maps
from geoai.segment import CLIPSegmentation
segmenter = CLIPSegmentation({weights!r}, device="cpu", tile_size={tile}, overlap={overlap})
def run(scene):
    start = time.perf_counter()
    segmenter.segment_image(scene, {out!r}, {prompt!r})
    return time.perf_counter() - start
small = run({small!r})
print(run({large!r}) - small)
"""
SMALL, LARGE = 352, 1408
WAYS = {
    "geoai, tiles of 352, overlap 88": {"tile": 352, "overlap": 88},
    "geoai, its defaults (tiles of 512 reduced to 352, overlap 32)": {"tile": 512, "overlap": 32},
}


def main() -> None:
    """Measure and report."""
    given = parser(__doc__).parse_args()
    import geoai

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = given.weights or str(_random_weights(folder / "theirs"))
        package = build_package(folder, given.weights)
        scenes = {side: folder / f"{side}.tif" for side in (SMALL, LARGE)}
        for side, scene in scenes.items():
            write_scene(scene, side)
        common = {
            "small": str(scenes[SMALL]),
            "large": str(scenes[LARGE]),
            "out": str(folder / "out.tif"),
            "prompt": "sea",
        }
        seconds = {}
        for way, options in WAYS.items():
            code = THEIRS.format(weights=weights, **options, **common)
            seconds[way] = float(run_python(code).split()[-1])
        for precision in ("fp32", "auto", "bf16"):
            code = OURS.format(package=str(package), arguments={"precision": precision}, **common)
            seconds[f"ours, {precision}"] = float(run_python(code).split()[-1])
    first = next(iter(seconds.values()))
    megapixels = (LARGE**2 - SMALL**2) / 1e6
    for way, spent in seconds.items():
        rows.append(
            {
                "way": way,
                "Mpx/s": f"{megapixels / spent:.3f}",
                "against the first": f"{first / spent:.2f}",
            }
        )
    notes = [
        f"geoai-py {geoai.__version__}; tiles of 352 pixels overlapping by 176 in ours as well",
        "steady state: a raster of 1,408 pixels less one of 352; one prompt",
    ]
    report("peers", "GeoTIFF to GeoTIFF against a peer", rows, notes, device="cpu", save=given.save)


def _random_weights(folder: Path) -> Path:
    """Random weights of full size in the hub's layout, with the miniature's tokenizer."""
    import json
    import shutil

    model = reference_model(None)
    vocabulary = json.loads((MINI / "vocab.json").read_text(encoding="utf-8"))
    model.config.text_config.eos_token_id = vocabulary["<|endoftext|>"]
    model.save_pretrained(folder)
    for path in MINI.glob("*tokeni*.json"):
        shutil.copyfile(path, folder / path.name)
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(MINI / name, folder / name)
    settings = json.loads((MINI / "preprocessor_config.json").read_text(encoding="utf-8"))
    settings["size"] = {"height": 352, "width": 352}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
