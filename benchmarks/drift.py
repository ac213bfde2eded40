"""What lower precision changes: pixels that change sides of the threshold, per million.

On the chips that the builder chooses golden chips from, and on more photos of scikit-image if it is
installed, against single precision. Beside it, how many probabilities lie so near the threshold
that any rounding may move them. Needs real weights to mean something: `--weights FOLDER`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import build_package, parser, report
from builder.clipseg.golden import golden_chips
from dlpk.package.open import open_package
from model_extension.clipseg.contract.definition import read_definition
from model_extension.clipseg.inference.segmenter import Segmenter
from model_extension.clipseg.language.plan import make_plan
from model_extension.clipseg.network.precision import DTYPES, available_precisions
from model_extension.common.tiles import Place

PROMPTS = "cat, person, tree, road, sea, snow, grass, house"
THRESHOLD = 0.3
NEAR = 0.02
PHOTOS = ("rocket",)


def photos(side: int) -> list[np.ndarray]:
    """Photos that come with scikit-image, squashed to squares of uint8, (3, side, side)."""
    try:
        from skimage import data, transform
    except ImportError:
        return []
    made = []
    for name in PHOTOS:
        image = transform.resize(getattr(data, name)(), (side, side), preserve_range=True)
        made.append(np.moveaxis(image.round().astype(np.uint8), -1, 0))
    return made


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--mini", action="store_true", help="the miniature instead")
    given = options.parse_args()
    device = torch.device(given.device)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        package = build_package(Path(folder), given.weights, mini=given.mini)
        with open_package(package) as opened:
            assert opened.emd_path is not None and opened.root is not None
            definition = read_definition(str(opened.emd_path), str(opened.root))
            side = definition.tile_size
            chips = list(golden_chips(side))
            sets = {"views from above": chips[:3], "photos": [*chips[3:], *photos(side)]}
            text = "water, vegetation" if given.mini else PROMPTS
            found: dict[tuple[str, str], np.ndarray] = {}
            for precision in available_precisions(device):
                segmenter = Segmenter(definition, device, DTYPES[precision])
                segmenter.look_for(make_plan(text).concepts)
                for name, images in sets.items():
                    if images:
                        found[precision, name] = np.stack([_masks(segmenter, i) for i in images])
        for precision in available_precisions(device):
            for name, images in sets.items():
                if precision == "fp32" or not images:
                    continue
                ours, exact = found[precision, name], found["fp32", name]
                flipped = ((ours > THRESHOLD) != (exact > THRESHOLD)).mean() * 1e6
                near = (np.abs(exact - THRESHOLD) < NEAR).mean()
                rows.append(
                    {
                        "precision": precision,
                        "images": f"{name} ({len(images)})",
                        "flipped per million": f"{flipped:,.0f}",
                        f"within {NEAR} of the threshold": f"{near:.1%}",
                        "largest difference": f"{np.abs(ours - exact).max():.4f}",
                        "mean difference": f"{np.abs(ours - exact).mean():.6f}",
                    }
                )
    weights = "miniature" if given.mini else "real" if given.weights else "random"
    notes = [f"threshold {THRESHOLD}, prompts {text}, {weights} weights, against single precision"]
    report("drift", "Drift by precision", rows, notes, device=given.device, save=given.save)


def _masks(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    return np.asarray(
        segmenter.probabilities(
            image,
            np.ones(image.shape[1:], bool),
            Place(0, 0, *image.shape[1:]),
            padding=0,
            tile_size=image.shape[-1],
            overlap=0,
            batch_size=1,
        ).cpu()
    )


if __name__ == "__main__":
    main()
