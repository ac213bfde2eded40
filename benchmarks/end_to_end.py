"""GeoTIFF to GeoTIFF: how much of the time the network works.

The whole command on rasters of two sizes; the difference between them is its steady state, free of
start-up. Against it stands the bare network on as many tiles, in the same run.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

import dlpk
from benchmarks.common import build_package, parser, report, synchronize, write_scene
from dlpk.container import open_package
from dlpk.devices import device_number
from model_extension.clipseg.arguments import parse_arguments
from model_extension.clipseg.definition import read_definition
from model_extension.clipseg.precision import choose_precision
from model_extension.clipseg.segmenter import Segmenter, choose_device

PROMPTS = {1: "water", 8: "water, tree, road, roof, sand, snow, car, boat"}
FROZEN = {1: "sea", 8: "sea, tree, road, roof, sand, snow, car, boat"}


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--sides", default="704,2112", help="sides of the rasters in pixels")
    options.add_argument("--batch", type=int, default=4)
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
            arguments = {"batch_size": given.batch}
            bare, tiles = _bare(package, prompt, given.batch, sides, device)
            seconds = []
            for scene in scenes:
                start = time.perf_counter()
                dlpk.classify(
                    package,
                    scene,
                    folder / "out.tif",
                    prompt=prompt,
                    arguments=arguments,
                    device=device,
                )
                seconds.append(time.perf_counter() - start)
            steady = seconds[-1] - seconds[0]
            rows.append(
                {
                    "prompts": number,
                    "command, steady": f"{tiles / steady:,.2f} tiles/s",
                    "bare network": f"{tiles / bare:,.2f} tiles/s",
                    "share": f"{bare / steady:.2f}",
                    "start-up": f"{seconds[0] - bare * (sides[0] / sides[-1]) ** 2:,.1f} s",
                }
            )
    notes = ["padding a quarter of the tile; precision as chosen by 'auto'"]
    report("end_to_end", "GeoTIFF to GeoTIFF", rows, notes, device=given.device, save=given.save)


def _bare(
    package: Path, prompt: str, batch: int, sides: list[int], device: str
) -> tuple[float, int]:
    """Seconds of the network alone for the tiles by which the rasters differ, and their number."""
    with open_package(package) as opened:
        assert opened.emd_path is not None and opened.root is not None
        definition = read_definition(str(opened.emd_path), str(opened.root))
        arguments = parse_arguments({"text_prompt": prompt, "batch_size": batch}, definition)
        chosen = choose_device(device_number(device))
        dtype = choose_precision("auto", chosen, definition.precisions)
        segmenter = Segmenter(definition, chosen, dtype)
        segmenter.look_for(arguments.plan.concepts)
        step = arguments.tile_size - 2 * arguments.padding
        tiles = [(-(-side // step)) ** 2 for side in sides]
        pixels = torch.randn(
            arguments.batch_size, 3, arguments.tile_size, arguments.tile_size, device=chosen
        ).to(dtype)
        embeddings = segmenter._embeddings
        assert embeddings is not None
        number = tiles[-1] - tiles[0]
        with torch.no_grad():
            segmenter.network(pixels, embeddings)
            synchronize(device)
            start = time.perf_counter()
            for _ in range(-(-number // arguments.batch_size)):
                segmenter.network(pixels, embeddings)
            synchronize(device)
        return time.perf_counter() - start, number


if __name__ == "__main__":
    main()
