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

from .activations import Activations
from .learner import Learner, Recipe
from .losses import class_weights, loss_of
from .scenes import NOTHING, UNKNOWN

# Updates before the rate is at its height, and how the mean over weights moves.
WARM_UP, AVERAGED = 20, 0.99
EVALUATIONS, PATIENCE = 10, 4
SAVED_EVERY = 20.0  # seconds
CHECKPOINT = "training.pt"
# Prompts that are rehearsed per update.
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
        kept: Tensor | None = None,
    ) -> None:
        self.learner, self.recipe, self.activations = learner, recipe, activations
        self.training, self.validation = list(training), list(validation)
        self.classes, self.device, self.seed, self.fast = classes, device, seed, fast
        self.path, self.key, self.say, self.kept = folder / CHECKPOINT, key, say, kept
        self.parameters = learner.trained()
        self.optimizer = torch.optim.AdamW(learner.groups, betas=(0.9, 0.99), weight_decay=0.0)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.averaged = [p.detach().clone() for p in self.parameters]
        self.best = [p.detach().clone() for p in self.parameters]
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
        every = max(1, self.recipe.steps // EVALUATIONS)
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
        with torch.no_grad():
            for parameter, value in zip(self.parameters, self.best):
                parameter.copy_(value)
        return self.history

    def _update(self) -> float:
        """One step; returns its loss."""
        progress = self.step / self.recipe.steps
        share = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        share *= min(1.0, (self.step + 1) / WARM_UP)
        for group, rate in zip(self.optimizer.param_groups, self.rates):
            group["lr"] = rate * share
        rows = self._batch()
        while True:
            try:
                loss = self._gradients(rows)
                break
            except RuntimeError as error:
                text = str(error).lower()
                short = "out of memory" in text or "allocate memory" in text
                if not short or self.at_once == 1:
                    raise
                self.at_once = max(1, self.at_once // 2)
                self.say(f"memory is short: {self.at_once} views at once from here on")
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        # Early weights are far from the last ones, so the mean starts short.
        keep = min(AVERAGED, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, [p.detach() for p in self.parameters], 1 - keep)
        return loss

    def _gradients(self, rows: Sequence[int]) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for start in range(0, len(rows), self.at_once):
            part = rows[start : start + self.at_once]
            activations, labels = self.activations.take(part, self.device)
            with self._precision():
                logits = self.learner.logits(activations)
            loss = loss_of(logits, labels, self.weights, self.recipe.loss)
            if self.kept is not None:
                loss = loss + self._rehearsal(activations)
            loss = loss * (len(part) / len(rows))
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

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

    @contextmanager
    def _mean_weights(self) -> Iterator[None]:
        with torch.no_grad():
            own = [p.detach().clone() for p in self.parameters]
            for parameter, value in zip(self.parameters, self.averaged):
                parameter.copy_(value)
            try:
                yield
            finally:
                for parameter, value in zip(self.parameters, own):
                    parameter.copy_(value)

    def _evaluate(self) -> None:
        with self._mean_weights():
            ious = self.validate()
        history = self.history
        history.losses.append(float(np.mean(self._recent)) if self._recent else math.nan)
        history.steps.append(self.step)
        history.ious.append(ious)
        self._recent = []
        if history.best == len(history.ious) - 1:
            self.best = [value.clone() for value in self.averaged]
        listed = ", ".join(f"{name} {iou:.3f}" for name, iou in zip(self.classes, ious))
        loss = "" if math.isnan(history.losses[-1]) else f"loss {history.losses[-1]:.3f}, "
        self.say(f"step {self.step:4d}  {loss}IoU {np.nanmean(ious):.3f} ({listed})")
        self.stopped = 2 * self.step > self.recipe.steps and self._stands_still()

    def _stands_still(self) -> bool:
        """Whether the last evaluations were better in nothing, neither the mean nor any class."""

        def tops(rows: list[list[float]]) -> np.ndarray:
            table = np.array([[*row, float(np.nanmean(row))] for row in rows])
            return np.asarray(np.nanmax(table, axis=0))

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
            "weights": [p.detach() for p in self.parameters],
            "averaged": self.averaged,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
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
        self.averaged, self.best = state["averaged"], state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for parameter, value in zip(self.parameters, state["weights"]):
                parameter.copy_(value)
        self.say(f"going on after step {self.step}")
