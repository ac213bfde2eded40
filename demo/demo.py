"""From weights to a mask on a real scene, as `make demo` runs it.

Builds a package from the miniature weights, validates it, classifies a Sentinel-2 scene with two
prompts and draws it; then the same scene once more, with an expression and with a wood as an image
prompt. In the end it compares the first result with a reference that was made from bands the model
never sees, and writes a report.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlpk
from dlpk.classification.examples import from_windows, parse_window
from dlpk.evaluation.rasters import Options, evaluate_raster
from dlpk.evaluation.reports.files import write_report
from dlpk.evaluation.reports.report_text import to_text
from dlpk.output.quicklook import draw
from dlpk.raster.dataset import Raster

HERE = Path(__file__).parent
SCENE = HERE / "scene.tif"
REFERENCE = HERE / "reference.tif"
# Prompt to its value in the reference. Rules: see demo/README.md.
TRUE_VALUES = {"water": 1, "vegetation": 2}
# An expression, and a wood in the scene that shows what to look for.
EXPRESSION = "shore = water{+60m} NOT water"
WOOD = "woods like this=441130,4167860,441430,4168660"


def main(folder: Path) -> int:
    """Run the demo; leave its files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / "mini-clipseg.dlpk"
    result = folder / "classified.tif"

    built = dlpk.build(package, weights="mini")
    print(f"built       {package} ({built.size / 1e6:.1f} MB)")

    report = dlpk.validate(package)
    print(f"validated   {report.to_text()}")
    if not report.ok:
        return 1

    prompt = ", ".join(TRUE_VALUES)
    classified = dlpk.classify(package, SCENE, result, prompt=prompt, quiet=False)
    print(f"classified  {SCENE} for {prompt!r} into {result}")

    picture = draw(Raster(SCENE), result, classified.legend, folder / "classified.png")
    print(f"drew        {picture}")

    richer = dlpk.classify(
        package,
        SCENE,
        folder / "prompts.tif",
        prompt=EXPRESSION,
        like=from_windows([parse_window(WOOD)]),
        quiet=False,
    )
    picture = draw(Raster(SCENE), richer.path, richer.legend, folder / "prompts.png")
    print(f"classified  {SCENE} for {EXPRESSION!r} and {WOOD!r}")
    print(f"drew        {picture}")

    values = {entry.name: (entry.value, TRUE_VALUES[entry.name]) for entry in classified.legend}
    print("\nAgreement with the reference (water: MNDWI > 0; vegetation: NDVI > 0.5),")
    print("on blocks of the scene that the weights were not trained on:\n")
    agreement = evaluate_raster(result, REFERENCE, Options(classes=values, image=SCENE))
    print(to_text(agreement))
    print(f"\nreport      {write_report(agreement, folder / 'report.html')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")))
