"""What a package learns from labels, on scenes of groups that it never saw.

    python -m benchmarks.quality.finetune --weights FOLDER --data dubai --groups prefix
    python -m benchmarks.quality.finetune --weights FOLDER --data banepa --groups halves

Every group is left out once: the methods of `dlpk finetune` learn from the others and are tested
on it, beside the words alone and a U-Net that is trained from scratch on the same views for as
long as the decoder took. `decoder-8` learns from 8 scenes. Data are folders images/ and masks/ with
classes.txt; scenes are no smaller than a tile and have their own pixels (`--longest 704` reduces
them), and tiles overlap as in a run. What the encoder sees is encoded once; a group learns from
views of the others. With `--scratch` that stays for the next time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import machine
from dlpk.finetuning.learning.activations import Activations, encoding_dtype
from dlpk.finetuning.learning.choice import Choice, choose
from dlpk.finetuning.learning.learner import RECIPES, Learner, Recipe
from dlpk.finetuning.learning.losses import class_weights, loss_of
from dlpk.finetuning.learning.trainer import Trainer
from dlpk.finetuning.scenes import NOTHING, UNKNOWN
from dlpk.finetuning.split import split
from dlpk.finetuning.views import View, draw_training, draw_validation, show
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.precision import has_bfloat16_instructions
from model_extension.clipseg.network.weights import load_network
from model_extension.common.blend import Blend
from model_extension.common.safetensors import SafetensorsFile
from model_extension.common.tiles import Place, grids

from .scenes import Data, read_scenes
from .unet import UNet, learn

TILE, PADDING, PATCH = 352, 44, 16
# Views for training at most: five of six groups have as many as `dlpk finetune` draws.
MOST = 1920
MEAN, STD = (
    torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)
# Logits of a view, by its number.
Segment = Callable[[int], Tensor]
# What classes start from, in words of COCO-Stuff.
WORDS = {
    "water": ("water-other", "river", "sea"),
    "land": ("dirt", "sand", "ground-other"),
    "road": ("road", "pavement"),
    "building": ("building-other", "house", "roof"),
    "vegetation": ("tree", "grass", "bush"),
}


class Views:
    """Views of all scenes and, behind those, the tiles of a run; all of them encoded.

    Parameters
    ----------
    options : argparse.Namespace
    data : Data
    encode : bool
        Whether to encode those that are not yet: one process does.
    """

    def __init__(self, options: argparse.Namespace, data: Data, *, encode: bool = False) -> None:
        self.data, self.device = data, torch.device(options.device)
        self.weights = Path(options.weights)
        settings = json.loads((self.weights / "config.json").read_text(encoding="utf-8"))
        settings.pop("text_config", None)
        self.config = NetworkConfig.from_dict(settings)
        self.split = split(data.scenes, data.classes, TILE, options.seed)
        blocks = self.split.training
        count = options.views or min(MOST, max(64, 8 * len(blocks)))
        views = draw_training(data.scenes, self.split, blocks, count, TILE, options.seed)
        views += draw_validation(data.scenes, self.split, TILE)
        self.grids = [
            grids(Place(0, 0, scene.height, scene.width), TILE, PATCH, 2 * PADDING, (1.0,))[0]
            for scene in data.scenes
        ]
        self.all = views + [
            View(number, column, row, TILE, 0, -1, -1, False)
            for number, grid in enumerate(self.grids)
            for row in grid.rows.starts
            for column in grid.columns.starts
        ]
        tokens = (TILE // self.config.patch) ** 2 + 1
        shape = (len(self.all), len(self.config.extract), tokens, self.config.vision.width)
        key = " ".join(map(str, (options.data, options.weights, options.device, options.seed,
                                 options.longest, count)))  # fmt: skip
        folder = Path(options.scratch) / "views"
        self.activations = Activations(folder, key, shape, TILE)
        clock = folder / "seconds.txt"
        if encode and self.activations.done < len(self.all):
            begun, before = time.monotonic(), self.activations.done
            self.activations.compute(
                self.network(encoder=True), self.device, self.all, data.scenes, self.split,
                MEAN, STD, lambda done: print(f"encoded {done} of {len(self.all)}", flush=True)
                if done % 80 == 0 else None,
            )  # fmt: skip
            each = (time.monotonic() - begun) / (len(self.all) - before)
            clock.write_text(f"{each}\n", encoding="utf-8")
        self.seconds = 0.0 if encode else float(clock.read_text(encoding="utf-8"))  # per view

    def of(self, scenes: set[int], *, training: bool) -> list[int]:
        """Numbers of the views to train or validate with that show one of these scenes."""
        return [
            number
            for number, view in enumerate(self.all)
            if view.block >= 0 and view.training == training and view.scene in scenes
        ]

    def tiles(self, scene: int) -> list[int]:
        """Numbers of the tiles of a scene, in their order."""
        return [n for n, view in enumerate(self.all) if view.block < 0 and view.scene == scene]

    def show(self, number: int) -> tuple[Tensor, Tensor]:
        """Pixels and labels of a view."""
        return show(self.all[number], self.data.scenes, self.split, TILE, MEAN, STD)

    def network(self, *, encoder: bool = False) -> CLIPSeg:
        """The network, or a fast one for encoding."""
        dtype = encoding_dtype(self.device) if encoder else torch.float32
        with SafetensorsFile(str(self.weights / "model.safetensors")) as file:
            return load_network(
                file, self.config, device=self.device, dtype=dtype, exact=not encoder
            )


class Fold:
    """One group left out."""

    def __init__(self, options: argparse.Namespace, data: Data, views: Views, group: str) -> None:
        self.options, self.data, self.views, self.group = options, data, views, group
        self.device = views.device
        self.fast = self.device.type == "cuda" or has_bfloat16_instructions()
        self.test = [number for number, g in enumerate(data.groups) if g == group]
        self.train = [number for number, g in enumerate(data.groups) if g != group]
        self.seconds = 0.0  # that the decoder took

    def start(self) -> Tensor:
        """Embeddings of the words."""
        folder = self.views.weights
        names = json.loads((folder / "text_names.json").read_text(encoding="utf-8"))
        with SafetensorsFile(str(folder / "prompt_embeddings.safetensors")) as file:
            rows = torch.from_numpy(np.array(file.tensor("coco_single"), np.float32))
        rows = 10 * F.normalize(rows, dim=1)
        means = [rows[[names.index(w) for w in WORDS[c]]].mean(0) for c in self.data.classes]
        return torch.stack(means).to(self.device)

    def run(self, method: str) -> dict[str, Any]:
        """IoU per class on the group that was left out."""
        name, _, few = method.partition("-")
        scenes = self.scenes(few)
        if name == "words":
            return self.evaluate(self.masks_of(self.learner(RECIPES["prompts"])))
        if name == "unet":
            return self.unet(scenes)
        trained, seconds = self.learn(name, scenes)
        if method == "decoder":
            self.seconds = seconds
        choice = choose(trained.predictions(), len(self.data.classes))
        return {
            **self.evaluate(self.masks_of(trained.learner), choice),
            "strengths": choice.strengths,
            "seconds": round(seconds),
            "steps": trained.step,
        }

    def scenes(self, few: str) -> set[int]:
        """All scenes to learn from, or some."""
        order = np.random.default_rng(self.options.seed).permutation(len(self.train))
        return {self.train[i] for i in order[: int(few or len(order))]}

    def learner(self, recipe: Recipe) -> Learner:
        """A learner at its beginning."""
        grid = TILE // self.views.config.patch
        start = self.start()[:, None]
        return Learner(self.views.network(), start, recipe, grid, self.options.seed)

    def masks_of(self, learner: Learner) -> Segment:
        """What a learner makes of a view."""
        return lambda row: learner.logits(self.views.activations.take([row], self.device)[0])

    def learn(self, name: str, scenes: set[int]) -> tuple[Trainer, float]:
        """Train as `dlpk finetune` does; also the seconds that it took, encoding included."""
        begun, recipe = time.monotonic(), RECIPES[name]
        if self.options.steps:
            recipe = replace(recipe, steps=self.options.steps)
        training = self.views.of(scenes, training=True)

        def say(line: str) -> None:
            if self.options.verbose:
                print(f"{self.group} {name} {line}", flush=True)

        trainer = Trainer(
            self.learner(recipe),
            recipe,
            self.views.activations,
            training,
            self.views.of(scenes, training=False),
            classes=self.data.classes,
            device=self.device,
            folder=Path(tempfile.mkdtemp(prefix="finetune-", dir=self.options.scratch)),
            key="",
            seed=self.options.seed,
            fast=self.fast,
            say=say,
        )
        trainer.run()
        return trainer, time.monotonic() - begun + len(training) * self.views.seconds

    def unet(self, scenes: set[int]) -> dict[str, Any]:
        """A U-Net from scratch, on the same views, for as long as the decoder took."""
        torch.manual_seed(self.options.seed)
        network = UNet(len(self.data.classes), width=16).to(self.device)
        counts, ours = self.views.split.counts, {self.data.scenes[n].place[0] for n in scenes}
        pixels = sum(counts[block] for block in self.views.split.training if block[0] in ours)
        weights = class_weights(torch.from_numpy(pixels + 1.0).float()).to(self.device)
        rows = self.views.of(scenes, training=True)
        shown: dict[int, tuple[Tensor, Tensor]] = {}

        def draw(random: torch.Generator) -> tuple[Tensor, Tensor]:
            chosen = [rows[i] for i in torch.randint(len(rows), (8,), generator=random)]
            for row in chosen:
                if row not in shown:
                    shown[row] = self.views.show(row)
            pixels, labels = zip(*(shown[row] for row in chosen))
            return torch.stack(pixels), torch.stack(labels)

        def loss(logits: Tensor, labels: Tensor) -> Tensor:
            return loss_of(logits, labels, weights, "ours")

        spent = self.seconds
        steps = learn(network, draw, loss, spent, seed=self.options.seed, fast=self.fast)

        def segment(row: int) -> Tensor:
            masks: Tensor = network(self.views.show(row)[0][None].to(self.device))
            return masks

        return {**self.evaluate(segment), "seconds": round(spent), "steps": steps}

    def evaluate(self, segment: Segment, choice: Choice | None = None) -> dict[str, list[float]]:
        """IoU per class over all scenes that were left out, as a package with that choice gives it.

        Also ``plain``: by the largest probability, without strengths.
        """
        classes = len(self.data.classes)
        truths = {number: self.data.scenes[number].whole() for number in self.test}
        nothing = any((truth == NOTHING).any() for truth in truths.values())
        plain = Choice(0.5 if nothing else 0.0, (1.0,) * classes, 0.0, 0.0)
        choices = {"iou": choice or plain, "plain": plain}
        tables = {name: np.zeros((classes + 1) ** 2) for name in choices}
        for scene, truth in truths.items():
            found, labels = self._blended(scene, segment), torch.from_numpy(truth).to(self.device)
            known = labels != UNKNOWN
            number = torch.where(labels == NOTHING, classes, labels.long())[known]
            for name, made in choices.items():
                strengths = torch.tensor(made.strengths, device=self.device)[:, None, None]
                best, chosen = (found * strengths).clamp(max=1).max(0)
                chosen[best <= made.threshold] = classes
                code = number * (classes + 1) + chosen[known]
                tables[name] += torch.bincount(code, minlength=(classes + 1) ** 2).cpu().numpy()
        return {name: _ious(counts.reshape(classes + 1, -1)) for name, counts in tables.items()}

    def _blended(self, scene: int, segment: Segment) -> Tensor:
        grid, classes = self.views.grids[scene], len(self.data.classes)
        sides = [(0, side.pixels) for side in grid]
        blend = Blend(grid, sides[0], sides[1], classes, torch.zeros(1, device=self.device))
        for row in self.views.tiles(scene):
            with (
                torch.no_grad(),
                torch.autocast(self.device.type, torch.bfloat16, enabled=self.fast),
            ):
                logits = segment(row)
            view = self.views.all[row]
            blend.add([(view.top, view.left)], logits.float().sigmoid())
        return blend.result()[0]


def _ious(table: np.ndarray) -> list[float]:
    """IoU per class from counts by label (rows) and result (columns), nothing last."""
    both = np.diag(table)[:-1]
    either = table.sum(0)[:-1] + table.sum(1)[:-1] - both
    return [round(float(value), 4) for value in both / np.maximum(either, 1)]


def _work(options: argparse.Namespace, groups: Any, results: Any) -> None:
    torch.set_num_threads(options.threads)
    data = read_scenes(Path(options.data), options.groups, options.longest)
    try:
        views = Views(options, data)
        while (group := groups.get()) is not None:
            fold = Fold(options, data, views, group)
            for method in options.methods.split(","):
                row = {"group": group, "method": method, **fold.run(method)}
                print(json.dumps(row), flush=True)
                results.put(row)
    finally:
        results.put(None)


def table(rows: Sequence[dict[str, Any]], classes: Sequence[str]) -> str:
    """Mean over the groups, per class, and per group."""
    groups = sorted({row["group"] for row in rows})
    head = ["method", "mean", *classes, *groups, "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for method in dict.fromkeys(row["method"] for row in rows):
        own = {row["group"]: row for row in rows if row["method"] == method}
        ious = np.array([row["iou"] for row in own.values()])
        means = [f"{np.mean(own[g]['iou']):.3f}" if g in own else "–" for g in groups]
        spent = [row.get("seconds", 0) for row in own.values()]
        cells = [method, f"{ious.mean():.3f}", *(f"{v:.3f}" for v in ious.mean(0)), *means]
        lines.append("| " + " | ".join([*cells, f"{np.mean(spent):.0f}"]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all folds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, metavar="FOLDER")
    parser.add_argument("--data", required=True, metavar="FOLDER")
    parser.add_argument("--groups", choices=("prefix", "halves"), default="prefix")
    parser.add_argument("--longest", type=int, help="reduce scenes to so many pixels a side")
    parser.add_argument("--only", help="leave only these groups out")
    parser.add_argument("--methods", default="words,prompts,decoder,lora,decoder-8,unet,unet-8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--views", type=int, help="views for training instead of the usual")
    parser.add_argument("--steps", type=int, help="steps instead of the recipe's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scratch", help="folder for activations, which are kept there")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--out", type=Path, help="file for the table (.md) and all rows (.json)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        options.scratch = options.scratch or folder
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    data = read_scenes(Path(options.data), options.groups, options.longest)
    Views(options, data, encode=True)
    names = options.only.split(",") if options.only else sorted(set(data.groups))
    context = multiprocessing.get_context("spawn")
    groups, results = context.Queue(), context.Queue()
    for name in [*names, *[None] * options.processes]:
        groups.put(name)
    workers = [
        context.Process(target=_work, args=(options, groups, results))
        for _ in range(options.processes)
    ]
    for worker in workers:
        worker.start()
    rows: list[dict[str, Any]] = []
    ended = 0
    while ended < len(workers):
        row = results.get()
        ended += row is None
        if row is not None:
            rows.append(row)
            if options.out:
                _save(options, rows, data.classes)
    print(table(rows, data.classes))


def _save(options: argparse.Namespace, rows: list[dict[str, Any]], classes: list[str]) -> None:
    about = machine(options.device)
    content = {
        "machine": about,
        "recipes": {name: asdict(recipe) for name, recipe in RECIPES.items()},
        "seed": options.seed,
        "rows": rows,
    }
    options.out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    told = ", ".join(f"{key} {value}" for key, value in about.items())
    options.out.with_suffix(".md").write_text(
        f"# Learning from labels: {Path(options.data).name}\n\n{table(rows, classes)}\n"
        f"Machine: {told}\n"
    )


if __name__ == "__main__":
    main()
