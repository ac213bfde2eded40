"""Peak memory as the raster grows, with a tiny network, so that huge rasters take minutes.

Tiles and blocks have the size that they have with the real one, so that everything is there whose
size could depend on the raster. Every size runs in a process of its own; the peak is what the
operating system counted.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.common import build_package, parser, report, run_python, write_scene

TASK = """
import re
import dlpk
dlpk.classify(
    {package!r}, {scene!r}, {out!r}, prompt="water", arguments={arguments!r}, device="cpu"
)
# Not getrusage: that begins with what the parent process had.
with open("/proc/self/status") as file:
    print(int(re.search(r"VmHWM:\\s+(\\d+)", file.read()).group(1)) / 1024)
"""


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument(
        "--sides", default="4000,12000,40000", help="sides of the rasters in pixels"
    )
    given = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, None, tiny=True)
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
            start = time.perf_counter()
            peak = float(run_python(code).split()[-1])
            seconds = time.perf_counter() - start
            first = first or peak
            rows.append(
                {
                    "raster": f"{side:,} x {side:,}",
                    "size": f"{scene.stat().st_size / 1e9:.2f} GB in the file",
                    "time": f"{seconds:,.0f} s",
                    "peak memory": f"{peak:,.0f} MB",
                    "against the first": f"{peak / first:.2f}",
                }
            )
    notes = ["tiny network, one prompt, padding 0, batch size 16, blocks of 1,408 pixels"]
    report("memory", "Peak memory", rows, notes, device="cpu", save=given.save)


if __name__ == "__main__":
    main()
