"""The walk of docs/your-model.md: a U-Net that learns from labels, as a checked package.

    python -m benchmarks.quality.own_model --data FOLDER

The folder holds the labelled scenes of Dubai: images/ and masks/, with values 0, 1, … in the order
of `CLASSES` and 255 for what is not known. Scenes whose name begins with `--leave-out` are for
testing. The network is
trained from scratch, and every step after that is a command of `dlpk`, printed as it is run.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from osgeo import gdal
from PIL import Image
from torch import Tensor

from benchmarks.common import parser, report
from model_extension.clipseg.network.precision import has_bfloat16_instructions

from .unet import UNet, learn

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "your-model.jpg"
SIDE, BATCH, WIDTH, UNKNOWN = 256, 8, 16, 255
CLASSES = {
    "water": [40, 110, 200],
    "land": [222, 202, 160],
    "road": [90, 90, 100],
    "building": [205, 60, 50],
    "vegetation": [50, 150, 60],
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Labelled:
    """Images with masks, drawn from at random.

    Parameters
    ----------
    images : sequence of Path
    masks : Path
        Folder of the masks, PNG of the same names.
    """

    def __init__(self, images: Sequence[Path], masks: Path) -> None:
        self.pairs = [
            (
                torch.from_numpy(np.array(Image.open(path).convert("RGB"))).movedim(-1, 0),
                torch.from_numpy(np.array(Image.open(masks / f"{path.stem}.png"))),
            )
            for path in images
        ]

    def weights(self, classes: int) -> Tensor:
        """Weights of classes: rare ones weigh more, by the square root."""
        found = sum(torch.bincount(mask.ravel(), minlength=256) for _, mask in self.pairs)
        share = found[:classes].double() / found[:classes].sum()  # type: ignore[index]
        return (share.clamp(min=1e-3) ** -0.5).float()

    def draw(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """A batch of parts, zoomed, turned and in another light."""
        parts = [self._part(random) for _ in range(BATCH)]
        return torch.stack([pixels for pixels, _ in parts]), torch.stack([y for _, y in parts])

    def _part(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        def number(low: float, high: float) -> float:
            return low + (high - low) * float(torch.rand((), generator=random))

        image, mask = self.pairs[int(number(0, len(self.pairs)))]
        side = min(int(SIDE / number(0.6, 1.4)), *mask.shape)
        top, left = (int(number(0, length - side + 1)) for length in mask.shape)
        window = (slice(top, top + side), slice(left, left + side))
        pixels, labels = image[(slice(None), *window)][None].float() / 255, mask[window][None, None]
        pixels = F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)[0]
        labels = F.interpolate(labels.float(), (SIDE, SIDE), mode="nearest")[0, 0].long()
        turns, mirrored = int(number(0, 4)), number(0, 1) < 0.5
        pixels, labels = (torch.rot90(x, turns, (-2, -1)) for x in (pixels, labels))
        if mirrored:
            pixels, labels = pixels.flip(-1), labels.flip(-1)
        return normalised(pixels ** number(0.7, 1.4) * number(0.8, 1.2)), labels


def normalised(pixels: Tensor) -> Tensor:
    """As the package does with ``--mean`` and ``--std``."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (pixels.clamp(0, 1) - mean) / std


def train(data: Labelled, classes: int, minutes: float, file: Path) -> int:
    """Train and write TorchScript; how many updates there were time for."""
    torch.manual_seed(0)
    network, weights = UNet(classes, WIDTH), data.weights(classes)

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, weights, ignore_index=UNKNOWN)

    fast = has_bfloat16_instructions()
    steps = learn(network, data.draw, loss_of, 60 * minutes, fast=fast)
    torch.jit.save(torch.jit.trace(network, torch.randn(1, 3, 512, 512)), str(file))
    return steps


def run(*command: object) -> str:
    """Run and print a command."""
    words = [str(word) for word in command]
    print("\n$ dlpk " + shlex.join(words), flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "dlpk", *words], check=False, capture_output=True, text=True
    )
    print(done.stdout + done.stderr, flush=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def main() -> None:
    """Train, package, check, run, compare and draw."""
    options = parser(__doc__)
    options.add_argument("--data", required=True, type=Path, help="folder with images/ and masks/")
    options.add_argument("--leave-out", default="t6", help="how names of scenes for testing begin")
    options.add_argument("--minutes", default=6.0, type=float, help="how long the network learns")
    options.add_argument("--threads", default=0, type=int)
    given = options.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    images = sorted((given.data / "images").iterdir())
    test = [path for path in images if path.name.startswith(given.leave_out)]
    data = Labelled([path for path in images if path not in test], given.data / "masks")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        steps = train(data, len(CLASSES), given.minutes, folder / "unet.pt")
        classes = [{"Name": name, "Color": color} for name, color in CLASSES.items()]
        (folder / "classes.json").write_text(json.dumps(classes), encoding="utf-8")
        ground, package = folder / "ground", folder / "ground.dlpk"
        mean, std = (",".join(map(str, values)) for values in (MEAN, STD))
        run("new", ground, "--model", folder / "unet.pt", "--classes", folder / "classes.json",
            "--mean", mean, "--std", std)  # fmt: skip
        run("validate", ground, "--run")
        run("pack", ground, package, "--golden", test[0])
        run("test", package)
        classified = folder / "classified.tif"
        run("classify", package, test[0], classified, "--device", given.device)
        held_out = gather(folder / "held-out", test, given.data / "masks")
        measured = folder / "report.json"
        run("evaluate", package, held_out, "--layout", "folders", "--report", measured)
        draw(test[0], given.data / "masks" / f"{test[0].stem}.png", classified)
        rows = table(json.loads(measured.read_text(encoding="utf-8")))
    notes = [
        f"{len(images) - len(test)} scenes to learn from, {len(test)} of {given.leave_out} to test",
        f"U-Net of {WIDTH} to {16 * WIDTH} channels: {steps} updates of {BATCH} parts in "
        f"{given.minutes:g} minutes",
    ]
    report("own_model", "A U-Net in a package", rows, notes, device=given.device, save=given.save)


def gather(folder: Path, images: Sequence[Path], masks: Path) -> Path:
    """The scenes for testing as a dataset."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for path in images:
        (folder / "images" / path.name).symlink_to(path.resolve())
        mask = f"{path.stem}.png"
        (folder / "masks" / mask).symlink_to((masks / mask).resolve())
    lines = [f"{value}\t{name}" for value, name in enumerate(CLASSES)]
    (folder / "classes.txt").write_text("\n".join([*lines, "255\tignore"]) + "\n")
    return folder


def table(found: dict[str, Any]) -> list[dict[str, str]]:
    """What `dlpk evaluate` measured, class by class."""
    rows = [
        {"class": row["class"], "IoU": f"{row['iou']:.3f}"}
        for row in found["classes"]
        if row["class"] != "background"
    ]
    mean = found["summary"]["miou_without_background"]
    return [*rows, {"class": "mean", "IoU": f"{mean:.3f}"}]


def draw(image: Path, mask: Path, classified: Path) -> None:
    """The scene, its labels and what the package finds."""
    colors = np.array([[0, 0, 0], *CLASSES.values()], np.uint8)
    result = gdal.Open(str(classified)).ReadAsArray()
    scene, truth = np.array(Image.open(image).convert("RGB")), np.array(Image.open(mask))
    known = truth < len(CLASSES)
    labels = np.where(known[..., None], colors[np.where(known, truth + 1, 0)], 255)
    figure = Figure(figsize=(12, 4.4), dpi=90, layout="constrained")
    shown = {"a scene that it never saw": scene, "labels": labels}
    shown["what the package finds"] = colors[np.where(result <= len(CLASSES), result, 0)]
    for axes, (title, pixels) in zip(figure.subplots(1, 3), shown.items()):
        axes.imshow(pixels)
        axes.set_title(title, fontsize=11)
        axes.axis("off")
    patches = [
        Patch(color=colors[value] / 255, label=name) for value, name in enumerate(CLASSES, 1)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(CLASSES), frameon=False)
    figure.savefig(PICTURE, pil_kwargs={"quality": 80})


if __name__ == "__main__":
    main()
