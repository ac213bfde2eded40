"""Peak memory as the raster grows, with the miniature, so that large rasters take minutes.

Every size runs in a process of its own; the peak is what the operating system counted.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.common import build_package, parser, report, run_python, write_scene

TASK = """
import resource, sys
import dlpk
dlpk.classify(
    {package!r}, {scene!r}, {out!r}, prompt="water", arguments={arguments!r}, device="cpu"
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--sides", default="1000,4000", help="sides of the rasters in pixels")
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, None, mini=True)
        first = None
        for side in (int(side) for side in given.sides.split(",")):
            scene = folder / "scene.tif"
            write_scene(scene, side)
            code = TASK.format(
                package=str(package),
                scene=str(scene),
                out=str(folder / "out.tif"),
                arguments={"padding": 0, "batch_size": 16},
            )
            peak = float(run_python(code).split()[-1])
            first = first or peak
            rows.append(
                {
                    "raster": f"{side:,} x {side:,}",
                    "peak memory": f"{peak:,.0f} MB",
                    "against the first": f"{peak / first:.2f}",
                }
            )
    notes = ["miniature weights, one prompt, padding 0, tiles of 96 pixels"]
    report("memory", "Peak memory", rows, notes, device="cpu", save=given.save)


if __name__ == "__main__":
    main()
