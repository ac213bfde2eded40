"""The steps of teaching a package, with what they share."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model_extension.clipseg.contract.definition import ModelDefinition
from model_extension.clipseg.language.prompts import fold, parse_prompts
from model_extension.clipseg.network.network import CLIPSeg
from model_extension.clipseg.network.precision import has_bfloat16_instructions
from model_extension.clipseg.network.weights import load_network
from model_extension.common.safetensors import SafetensorsFile

from ..package.package import Package
from .learning.activations import Activations, encoding_dtype
from .learning.choice import Choice
from .learning.conditions import Conditions
from .learning.learner import Learner, Recipe
from .learning.losses import PRESETS, loss_of
from .learning.trainer import Trainer
from .package import write_package
from .pictures import SAMPLES, draw_ladder, write_characteristics
from .report import Finetuned
from .scenes import NOTHING, LabelledData
from .split import Split
from .start import (
    check_kept,
    example_embeddings,
    make_embedder,
    sentence_offsets,
    start_embeddings,
    vocabulary_mean,
    word_embeddings,
)
from .views import View, draw_training, draw_validation, show

# Views per training block, and the least and most in all.
VIEWS_PER_BLOCK, LEAST_VIEWS, MOST_VIEWS = 8, 64, 1600
# Of the time given, what encoding and training may take; the rest is for the package.
ENCODING, TRAINING = 0.3, 0.4
# A slow machine halves views or steps so many times at most.
HALVINGS = 4
# How often its speed is looked at.
TRIED = 4
FIRST_RUNG, RUNG = 2, 4


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Parameters
    ----------
    views, steps : int
        Views for training, and updates.
    """

    views: int
    steps: int


@dataclass
class Job:
    """One package that is taught.

    Parameters
    ----------
    parent : Package
    definition : ModelDefinition
        Of the parent.
    data : LabelledData
    split : Split
    recipe : Recipe
    folder : Path
        For what is kept until all is done.
    seed : int
    device : torch.device
    keep : str or None
        Prompts to rehearse.
    start : str
        Of `dlpk.finetuning.start.STARTS`.
    say : callable
        Takes a line for the user.
    """

    parent: Package
    definition: ModelDefinition
    data: LabelledData
    split: Split
    recipe: Recipe
    folder: Path
    seed: int
    device: torch.device
    keep: str | None
    start: str
    say: Callable[[str], None]

    @cached_property
    def key(self) -> str:
        """What the result depends on, as a hash."""
        parts = {
            "parent": self.parent.sha256,
            "data": self.data.fingerprint,
            "classes": [self.data.classes, self.data.words],
            "recipe": asdict(self.recipe),
            "split": [self.split.side, self.split.validation],
            "seed": self.seed,
            "keep": self.keep,
            "start": self.start,
            "device": self.device.type,
        }
        text = json.dumps(parts, sort_keys=True, default=list)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def fast(self) -> bool:
        """Whether the device multiplies bfloat16 quickly."""
        return self.device.type == "cuda" or has_bfloat16_instructions()

    @property
    def tile(self) -> int:
        """Side of a tile in pixels."""
        return self.definition.tile_size

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the normalisation, shape (3, 1, 1)."""
        mean, std = (
            torch.tensor(values).float().view(3, 1, 1)
            for values in (self.definition.mean, self.definition.std)
        )
        return mean, std

    def network(self, dtype: torch.dtype = torch.float32, *, exact: bool = True) -> CLIPSeg:
        """The parent's network."""
        with SafetensorsFile(self.definition.weights) as file:
            return load_network(
                file,
                self.definition.network,
                device=self.device,
                dtype=dtype,
                exact=exact,
                where=self.definition.weights,
            )

    @cached_property
    def beginning(self) -> tuple[Tensor, Conditions | None]:
        """Embeddings that the classes start from, and what they vary by."""
        data = self.data
        embedder = make_embedder(self.definition, self.network(), self.device)
        words = word_embeddings(embedder, data.classes, data.words)
        varied = PRESETS[self.recipe.preset].varied
        every = varied or self.start != "words"
        wanted = [number for number, row in enumerate(words) if every or row is None]
        found = example_embeddings(embedder, data.scenes, self.split, wanted, self.tile, self.seed)
        none = torch.zeros(0, self.definition.network.projection)
        examples = [dict(zip(wanted, found)).get(number, none) for number in range(len(words))]
        start, what = start_embeddings(words, examples, self.start, vocabulary_mean(embedder))
        for name, source in zip(data.classes, what):
            if source != "words":
                self.say(f"{name} starts from {source}")
        if not varied:
            return start, None
        offsets = sentence_offsets(embedder, data.classes, data.words).to(self.device)
        return start.mean(1, keepdim=True), Conditions(offsets, examples)

    def learner(self) -> Learner:
        """A learner at its beginning."""
        grid = self.tile // self.definition.network.patch
        return Learner(self.network(), self.beginning[0], self.recipe, grid, self.seed)

    def plan(self, minutes: float | None) -> Plan:
        """How many views and steps there are time for; the same when the job goes on."""
        blocks = len(self.split.training)
        views = min(MOST_VIEWS, max(LEAST_VIEWS, blocks * VIEWS_PER_BLOCK))
        plan = Plan(views, self.recipe.steps)
        path = self.folder / "plan.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(path.read_text(encoding="utf-8"))
            if known.pop("key") == self.key:
                return Plan(**known)
        if minutes:
            encoding, step = self._speed()
            plan = Plan(
                _affordable(views, encoding, 60 * minutes * ENCODING),
                _affordable(plan.steps, step, 60 * minutes * TRAINING),
            )
        path.write_text(json.dumps({"key": self.key, **asdict(plan)}), encoding="utf-8")
        return plan

    def _speed(self) -> tuple[float, float]:
        """Seconds for encoding a view and for a step of training, at best: first times are slow."""
        encoder, learner = self._encoder(), self.learner()
        count = self.recipe.batch
        pixels = torch.zeros(count, 3, self.tile, self.tile, device=self.device)
        labels = torch.zeros(count, self.tile, self.tile, dtype=torch.uint8, device=self.device)
        weights = torch.ones(len(self.data.classes) + 1, device=self.device)
        encoding, step = [], []
        for _ in range(TRIED):
            begun = time.monotonic()
            with torch.no_grad():
                found = [value.float() for value in encoder.encode(pixels)]
            encoding.append((time.monotonic() - begun) / count)
            begun = time.monotonic()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.fast):
                logits = learner.logits(found)
            loss_of(logits, labels, weights, self.recipe.preset).backward()  # type: ignore[no-untyped-call]
            step.append(time.monotonic() - begun)
        return min(encoding), min(step)

    def _encoder(self) -> CLIPSeg:
        return self.network(encoding_dtype(self.device), exact=False)

    def views(self, plan: Plan) -> list[View]:
        """All views, those for training first."""
        scenes = self.data.scenes
        training = draw_training(
            scenes, self.split, self.split.training, plan.views, self.tile, self.seed
        )
        return training + draw_validation(scenes, self.split, self.tile)

    def encode(self, plan: Plan) -> Activations:
        """Activations of all views, computed as far as they are not there."""
        config = self.definition.network
        views = self.views(plan)
        tokens = (self.tile // config.patch) ** 2 + 1
        shape = (len(views), len(config.extract), tokens, config.vision.width)
        activations = Activations(self.folder, f"{self.key}{plan}", shape, self.tile)
        if activations.done < len(views):
            begun, first = time.monotonic(), activations.done

            def progress(done: int) -> None:
                if done % 64 < 8 or done == len(views):
                    speed = (done - first) / (time.monotonic() - begun)
                    self.say(f"encoded {done} of {len(views)} views, {speed:.1f} per second")

            activations.compute(
                self._encoder(), self.device, views, self.data.scenes, self.split,
                *self.statistics, progress, self.say,
            )  # fmt: skip
        return activations

    def train(self, plan: Plan, activations: Activations, blocks: int, name: str) -> Trainer:
        """Train on the first so many blocks of a random order, or on all."""
        views = self.views(plan)
        order = np.random.default_rng((self.seed, 2)).permutation(len(self.split.training))
        used = set(order[:blocks].tolist())
        training = [i for i, view in enumerate(views) if view.training and view.block in used]
        validation = [i for i, view in enumerate(views) if not view.training]
        learner = self.learner()
        kept = None
        if self.keep:
            embedder = make_embedder(self.definition, learner.network, self.device)
            kept = check_kept(embedder, parse_prompts(self.keep))
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        trainer = Trainer(
            learner,
            replace(self.recipe, steps=plan.steps),
            activations,
            training,
            validation,
            classes=self.data.classes,
            device=self.device,
            folder=folder,
            key=f"{self.key}{plan}{blocks}",
            seed=self.seed,
            fast=self.fast,
            say=self.say,
            conditions=self.beginning[1],
            kept=kept,
        )
        trainer.run()
        return trainer

    def climb(self, plan: Plan, activations: Activations) -> list[tuple[int, tuple[float, ...]]]:
        """Training on 2, 8, 32, … blocks: how many, and the best IoU per class."""
        rungs, count = [], FIRST_RUNG
        while count < len(self.split.training):
            self.say(f"{count} training blocks:")
            history = self.train(plan, activations, count, f"ladder-{count}").history
            rungs.append((count, tuple(history.ious[history.best])))
            count *= RUNG
        return rungs

    def finish(
        self,
        trainer: Trainer,
        choice: Choice,
        plan: Plan,
        out: Path,
        rungs: Sequence[tuple[int, tuple[float, ...]]],
        begun: float,
    ) -> Finetuned:
        """Write the package and say what came of it."""
        history, classes = trainer.history, self.data.classes
        after = tuple(history.ious[history.best])
        rungs = (*rungs, (len(self.split.training), after)) if rungs else ()
        trainer.learner.merge()
        lineage = {
            "parent": {"name": self.parent.name, "sha256": self.parent.sha256},
            "data": {"sha256": self.data.fingerprint, "scenes": len(self.data.scenes)},
            "settings": {**asdict(self.recipe), **asdict(plan), "seed": self.seed,
                         "keep": self.keep, "start": self.start},
            "split": {"side": self.split.side, "gap": self.split.gap,
                      "training": len(self.split.training),
                      "validation": len(self.split.validation)},
            "validation_iou": {name: _rounded(iou) for name, iou in zip(classes, after)},
        }  # fmt: skip

        def draw(folder: Path) -> None:
            write_characteristics(folder, classes, history, self._samples(trainer, choice, plan))
            if rungs:
                counts, values = zip(*rungs)
                draw_ladder(folder / "ladder.png", classes, counts, values)

        self.say("writing the package")
        changed = self.recipe.method != "prompts"
        built, golden = write_package(
            self.parent,
            out,
            classes=classes,
            embeddings=torch.stack(trainer.learner.embeddings.chunk(len(classes))),
            network=trainer.learner.network if changed else None,
            choice=choice,
            lineage=lineage,
            draw=draw,
        )
        known = {fold(name) for name in self.definition.prompt_names or ()}
        return Finetuned(
            out,
            built.sha256,
            self.recipe.method,
            classes,
            tuple(history.ious[0]),
            after,
            choice,
            golden,
            tuple(rungs),
            tuple(name for name in classes if fold(name) in known),
            time.monotonic() - begun,
        )

    def _samples(
        self, trainer: Trainer, choice: Choice, plan: Plan
    ) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        views = [view for view in self.views(plan) if not view.training][:SAMPLES]
        mean, std = self.statistics
        strengths = np.array(choice.strengths)[:, None, None]
        samples = []
        predictions = (pair for group in trainer.predictions() for pair in zip(*group))
        for view, (found, labels) in zip(views, predictions):
            pixels = show(view, self.data.scenes, self.split, self.tile, mean, std)[0]
            pixels = ((pixels * std + mean) * 255).clamp(0, 255).round()
            scores = found * strengths
            result = np.where(scores.max(axis=0) > choice.threshold, scores.argmax(axis=0), NOTHING)
            samples.append((pixels.numpy().astype(np.uint8), labels, result.astype(np.uint8)))
        return samples

    def tidy(self) -> None:
        """Remove what was kept for going on."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _affordable(wanted: int, seconds: float, available: float) -> int:
    """Halve what is wanted until there is time for it.

    In such coarse steps the same machine decides the same way each time.
    """
    for _ in range(HALVINGS):
        if wanted * seconds <= available:
            break
        wanted //= 2
    return max(1, wanted)


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)
