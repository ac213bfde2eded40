"""GeoTIFF to GeoTIFF: how much of the time the network works.

The whole command on rasters of two sizes; the difference between them is its steady state, free of
start-up. Against it stands the bare network on as many tiles, in the same run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import dlpk
from benchmarks.common import build_package, parser, report, synchronize, write_scene
from dlpk.harness.devices import device_number
from dlpk.package.open import open_package
from model_extension.clipseg.contract.arguments import parse_arguments
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.network.precision import DTYPES, choose_precision
from model_extension.common.device import choose_device

PROMPTS = {1: "water", 8: "water, tree, road, roof, sand, snow, car, boat"}
FROZEN = {1: "sea", 8: "sea, tree, road, roof, sand, snow, car, boat"}


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--sides", default="528,1584", help="sides of the rasters in pixels")
    options.add_argument("--batch", type=int, default=4)
    options.add_argument("--precision", default="auto", choices=("auto", *DTYPES))
    given = options.parse_args()
    sides = [int(side) for side in given.sides.split(",")]
    device = "cuda:0" if given.device.startswith("cuda") else "cpu"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, given.weights)
        scenes = [folder / f"{side}.tif" for side in sides]
        for scene, side in zip(scenes, sides):
            write_scene(scene, side)
        for number in PROMPTS:
            prompt = (FROZEN if given.weights else PROMPTS)[number]
            arguments = {"batch_size": given.batch, "precision": given.precision}
            bare, tiles = _bare(package, {**arguments, "text_prompt": prompt}, sides, device)
            rounds = []
            for _ in range(given.rounds):
                # The machine's speed changes: what is compared runs one after the other.
                small, large = (
                    _seconds(package, scene, folder / "out.tif", prompt, arguments, device)
                    for scene in scenes
                )
                rounds.append((bare(), large - small, small))
            share = statistics.median(network / steady for network, steady, _ in rounds)
            network, steady, small = (statistics.median(part) for part in zip(*rounds))
            rows.append(
                {
                    "prompts": number,
                    "command, steady": f"{tiles / steady:,.2f} tiles/s",
                    "bare network": f"{tiles / network:,.2f} tiles/s",
                    "share": f"{share:.2f}",
                    "whole command on the small raster": f"{small:,.1f} s",
                }
            )
    notes = [
        f"rasters of {sides[0]} and {sides[-1]} pixels a side; steady: the difference between them",
        f"padding a quarter of the tile, batch size {given.batch}, precision {given.precision}",
    ]
    report("end_to_end", "GeoTIFF to GeoTIFF", rows, notes, device=given.device, save=given.save)


def _seconds(
    package: Path, scene: Path, out: Path, prompt: str, arguments: dict[str, Any], device: str
) -> float:
    start = time.perf_counter()
    dlpk.classify(package, scene, out, prompt=prompt, arguments=arguments, device=device)
    return time.perf_counter() - start


def _bare(
    package: Path, given: dict[str, Any], sides: list[int], device: str
) -> tuple[Callable[[], float], int]:
    """A function that runs the network alone on the tiles by which the rasters differ.

    Returns
    -------
    callable
        Gives the seconds that it takes.
    int
        Number of tiles.
    """
    with open_package(package) as opened:
        assert opened.emd_path is not None and opened.root is not None
        definition = read_definition(str(opened.emd_path), str(opened.root))
        arguments = parse_arguments(given, definition)
        chosen = choose_device(device_number(device))
        dtype = choose_precision(arguments.precision, chosen)
        exact = arguments.precision == "fp32"
        segmenter = Segmenter(definition, chosen, dtype, exact=exact)
        segmenter.look_for(arguments.plan.concepts)
    step = arguments.tile_size - 2 * arguments.padding
    tiles = [(-(-side // step)) ** 2 for side in sides]
    number = tiles[-1] - tiles[0]
    shape = (arguments.batch_size, 3, arguments.tile_size, arguments.tile_size)
    pixels = torch.randn(*shape, device=chosen).to(dtype)
    embeddings = segmenter._embeddings
    assert embeddings is not None

    def run() -> float:
        with torch.no_grad():
            synchronize(device)
            start = time.perf_counter()
            for _ in range(-(-number // arguments.batch_size)):
                segmenter.network(pixels, embeddings)
            synchronize(device)
            return time.perf_counter() - start

    with torch.no_grad():
        segmenter.network(pixels, embeddings)
    return run, number


if __name__ == "__main__":
    main()
