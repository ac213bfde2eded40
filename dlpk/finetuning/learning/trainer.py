"""The training itself: from cached activations, deterministic, and resumable at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..scenes import NOTHING, UNKNOWN
from .activations import Activations
from .conditions import Conditions
from .learner import Learner, Recipe
from .losses import PRESETS, class_weights, loss_of
from .updates import Updates, cosine, is_memory_short

# Updates before the rate is at its height, and how the mean over weights moves.
WARM_UP, AVERAGED = 20, 0.99
EVALUATIONS, PATIENCE = 10, 4
# So much of the time of updates evaluations take at most; there and back costs three times there.
EVALUATING = 0.25
SAVED_EVERY = 20.0  # seconds
CHECKPOINT = "training.pt"
# Embeddings that are rehearsed per update.
REHEARSED = 2


@dataclass
class History:
    """What training went through.

    Parameters
    ----------
    losses : list of float
        Mean training loss up to each evaluation.
    steps : list of int
        Updates before each evaluation, the first 0.
    ious : list of list of float
        IoU per class at each.
    """

    losses: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    ious: list[list[float]] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Number of the evaluation with the best mean."""
        return int(np.argmax([np.nanmean(values) for values in self.ious]))


class Trainer:
    """Trains a learner.

    Parameters
    ----------
    learner : Learner
    recipe : Recipe
    activations : Activations
        Of all views.
    training, validation : sequence of int
        Numbers of views.
    device : torch.device
    folder : Path
        For checkpoints; goes on from the one that is there.
    key : str
        What the result depends on: checkpoints of another key are not used.
    seed : int
    fast : bool
        Whether the device multiplies bfloat16 quickly.
    say : callable
        Takes a line for the user.
    conditions : Conditions, optional
        What the embeddings vary by.
    kept : Tensor, optional
        Embeddings of prompts to rehearse, shape (prompts, projection), as they are before.
    """

    def __init__(
        self,
        learner: Learner,
        recipe: Recipe,
        activations: Activations,
        training: Sequence[int],
        validation: Sequence[int],
        *,
        classes: Sequence[str],
        device: torch.device,
        folder: Path,
        key: str,
        seed: int,
        fast: bool,
        say: Callable[[str], None],
        conditions: Conditions | None = None,
        kept: Tensor | None = None,
    ) -> None:
        self.learner, self.recipe, self.activations = learner, recipe, activations
        self.training, self.validation = list(training), list(validation)
        self.classes, self.device, self.seed, self.fast = classes, device, seed, fast
        self.path, self.key, self.say, self.kept = folder / CHECKPOINT, key, say, kept
        self.preset, self.conditions = PRESETS[recipe.preset], conditions
        optimizer = torch.optim.AdamW(learner.groups, betas=(0.9, 0.99), weight_decay=0.0)
        self.updates = Updates(optimizer, learner.trained(), AVERAGED)
        self.best = [p.detach().clone() for p in self.updates.parameters]
        self.history = History()
        self.step, self.stopped = 0, False
        self.at_once = recipe.batch
        self._recent: list[float] = []
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))
        labels = activations.labels(self.training)
        found = np.bincount(labels.ravel(), minlength=256)
        pixels = torch.tensor([*found[: len(classes)], found[NOTHING]], dtype=torch.float32)
        # Where every labelled pixel is of a class, the best one wins however unlikely it is.
        self.level = 0.5 if pixels[-1] > 0 else 0.0
        self.weights = class_weights(pixels.clamp(min=1)).to(device)
        if not self.preset.weighted:
            self.weights = torch.ones_like(self.weights)
        self.teacher = self._teach() if kept is not None else None

    def _teach(self) -> Any:
        import copy

        return copy.deepcopy(self.learner.network.decoder).requires_grad_(False)

    def run(self) -> History:
        """Train to the end, or until validation has not become better for long.

        Returns
        -------
        History
            The learner holds the weights of its best evaluation.
        """
        self._load()
        if not self.history.steps:
            self._evaluate()
            self.learner.spread(self.seed)
        least = len(self.validation) / (3 * EVALUATING * self.recipe.batch)
        every = max(1, self.recipe.steps // EVALUATIONS, math.ceil(least))
        saved = time.monotonic()
        while self.step < self.recipe.steps and not self.stopped:
            self._recent.append(self._update())
            self.step += 1
            evaluated = self.step % every == 0 or self.step == self.recipe.steps
            if evaluated:
                self._evaluate()
            if evaluated or time.monotonic() - saved > SAVED_EVERY:
                self._save()
                saved = time.monotonic()
        self.updates.put(self.best)
        return self.history

    def _update(self) -> float:
        """One step; returns its loss."""
        share = cosine(self.step / self.recipe.steps, self.preset.last_rate)
        self.updates.begin(share * min(1.0, (self.step + 1) / WARM_UP))
        rows = self._batch()
        while True:
            try:
                loss = self._gradients(rows)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_memory_short(error) or self.at_once == 1:
                    raise
                self.at_once = max(1, self.at_once // 2)
                self.say(f"memory is short: {self.at_once} views at once from here on")
        self.updates.apply()
        return loss

    def _gradients(self, rows: Sequence[int]) -> float:
        self.updates.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for start in range(0, len(rows), self.at_once):
            part = rows[start : start + self.at_once]
            activations, labels = self.activations.take(part, self.device)
            with self._precision():
                logits = self.learner.logits(activations, self._embeddings())
            loss = loss_of(logits, labels, self.weights, self.recipe.preset)
            if self.kept is not None:
                loss = loss + self._rehearsal(activations)
            loss = loss * (len(part) / len(rows))
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def _embeddings(self) -> Tensor | None:
        """Embeddings of the classes in this update, where they are not the learner's own."""
        if self.conditions is None:
            return None
        return self.conditions.vary(self.learner.embeddings, (self.seed, 3, self.step))

    def _rehearsal(self, activations: list[Tensor]) -> Tensor:
        """How far prompts that are to be kept are from what the network said of them before."""
        assert self.kept is not None and self.teacher is not None
        random = np.random.default_rng((self.seed, 1, self.step))
        some = random.permutation(len(self.kept))[:REHEARSED]
        embeddings = self.kept[torch.from_numpy(some).to(self.device)]
        with self._precision():
            with torch.no_grad():
                reduced = self.teacher.reduce(activations)
                before = self.teacher(reduced, embeddings, self.learner.grid).float().sigmoid()
            now = self.learner.logits(activations, embeddings)
        return F.binary_cross_entropy_with_logits(now, before)

    def _batch(self) -> list[int]:
        """The views of a step; depends on nothing but seed and step."""
        size = len(self.training)
        rows = []
        for index in range(self.step * self.recipe.batch, (self.step + 1) * self.recipe.batch):
            epoch = index // size
            if self._order[0] != epoch:
                self._order = epoch, np.random.default_rng((self.seed, epoch)).permutation(size)
            rows.append(self.training[self._order[1][index % size]])
        return rows

    @contextmanager
    def _precision(self) -> Iterator[None]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.fast):
            yield

    def _evaluate(self) -> None:
        with self.updates.mean_weights():
            ious = self.validate()
        history = self.history
        history.losses.append(float(np.mean(self._recent)) if self._recent else math.nan)
        history.steps.append(self.step)
        history.ious.append(ious)
        self._recent = []
        if history.best == len(history.ious) - 1:
            self.best = [value.clone() for value in self.updates.averaged]
        listed = ", ".join(f"{name} {iou:.3f}" for name, iou in zip(self.classes, ious))
        loss = "" if math.isnan(history.losses[-1]) else f"loss {history.losses[-1]:.3f}, "
        self.say(f"step {self.step:4d}  {loss}IoU {np.nanmean(ious):.3f} ({listed})")
        self.stopped = 2 * self.step > self.recipe.steps and self._stands_still()

    def _stands_still(self) -> bool:
        """Whether the last evaluations were better in nothing, neither the mean nor any class."""

        def tops(rows: list[list[float]]) -> np.ndarray:
            table = np.array([[*row, float(np.nanmean(row))] for row in rows])
            # Classes that validation does not have are NaN throughout.
            return np.asarray(np.fmax.reduce(table))

        past, recent = self.history.ious[:-PATIENCE], self.history.ious[-PATIENCE:]
        return bool(past) and not bool((tops(recent) > tops(past)).any())

    def validate(self) -> list[float]:
        """IoU per class on validation, NaN for classes that are not in it."""
        counts = np.zeros((len(self.classes), 3), np.int64)
        for probabilities, labels in self.predictions():
            best = probabilities.max(axis=1)
            chosen = np.where(best > self.level, probabilities.argmax(axis=1), NOTHING)
            known = labels != UNKNOWN
            for number in range(len(self.classes)):
                ours, theirs = (chosen == number) & known, labels == number
                counts[number] += [(ours & theirs).sum(), ours.sum(), theirs.sum()]
        union = counts[:, 1] + counts[:, 2] - counts[:, 0]
        return [
            float(both / either) if true else math.nan
            for both, either, true in zip(counts[:, 0], union, counts[:, 2])
        ]

    def predictions(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Probabilities (1, classes, height, width) and labels (1, height, width) of validation."""
        for row in self.validation:
            activations, labels = self.activations.take([row], self.device)
            with torch.no_grad(), self._precision():
                found = self.learner.logits(activations).sigmoid()
            yield found.cpu().numpy(), labels.cpu().numpy()

    def _save(self) -> None:
        state = {
            "key": self.key,
            "step": self.step,
            "stopped": self.stopped,
            "weights": [p.detach() for p in self.updates.parameters],
            "averaged": self.updates.averaged,
            "best": self.best,
            "optimizer": self.updates.optimizer.state_dict(),
            "recent": self._recent,
            "history": vars(self.history),
        }
        written = self.path.with_suffix(".part")
        torch.save(state, written)
        written.replace(self.path)

    def _load(self) -> None:
        if not self.path.is_file():
            return
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        if state["key"] != self.key:
            return
        self.step, self.stopped = state["step"], state["stopped"]
        self._recent, self.history = state["recent"], History(**state["history"])
        self.updates.averaged, self.best = state["averaged"], state["best"]
        self.updates.done = self.step
        self.updates.optimizer.load_state_dict(state["optimizer"])
        self.updates.put(state["weights"])
        self.say(f"going on after step {self.step}")
