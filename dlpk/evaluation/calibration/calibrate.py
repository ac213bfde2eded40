"""Find thresholds and strengths, and whether they hold where they were not found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from builder.target import replacing

from ...errors import TruthError
from ...output.geotiff import check_png
from ...package.open import open_package
from ...raster.dataset import Raster
from ..labels import open_labels
from ..measures import metrics
from ..measures.bootstrap import interval
from ..measures.counts import EDGES, ThresholdCounts
from ..reports.report_text import figure, interval_text
from .search import (
    FAMILIES,
    LEVELS,
    Decision,
    Pixels,
    by_block,
    confusion_of,
    held_out,
    mean_of_classes,
)
from .store import Words, applies_to, words_of
from .values import Labels, Scene, read_pixels

DEFAULT = "as it is"


@dataclass(frozen=True)
class Choice:
    """One way to decide, and how well it does.

    Parameters
    ----------
    name : str
        `DEFAULT`, or a family of `dlpk.evaluation.calibration.search`.
    decision : Decision
        Found on all labelled pixels.
    here, elsewhere : float
        Measure on the pixels it was found on, and on blocks that had no say in it.
    gain : tuple of float
        95 % interval of what it gains elsewhere over the first trial as it is.
    per_class : tuple of float
        IoU of each class elsewhere.
    """

    name: str
    decision: Decision
    here: float
    elsewhere: float
    gain: tuple[float, float]
    per_class: tuple[float, ...]


@dataclass(frozen=True)
class Trial:
    """One prompt at one cell size, with the ways to decide."""

    label: str
    names: tuple[str, ...]
    words: Words
    pixels: Pixels
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Calibration:
    """What was tried, and what is best on blocks that had no say in it.

    Parameters
    ----------
    trials : tuple of Trial
        The first is what others are compared with.
    measure : str
    blocks : str
        What was held out.
    """

    trials: tuple[Trial, ...]
    measure: str
    blocks: str

    @property
    def baseline(self) -> Choice:
        """The first trial as the package decides it now."""
        return self.trials[0].choices[0]

    @property
    def best(self) -> tuple[Trial, Choice]:
        """The best elsewhere; the baseline if nothing beats it."""
        pairs = [(trial, choice) for trial in self.trials for choice in trial.choices]
        best = max(pairs, key=lambda pair: pair[1].elsewhere)
        return best if best[1].elsewhere > self.baseline.elsewhere else pairs[0]

    @property
    def values(self) -> dict[str, tuple[float, float]]:
        """Words of a class to threshold and strength; empty where nothing beats the default."""
        trial, choice = self.best
        if choice.name == DEFAULT:
            return {}
        decision = choice.decision
        return {
            words: (decision.thresholds[place], decision.strengths[place])
            for place, words in enumerate(trial.words.keys)
            if place not in trial.words.fixed
        }

    @property
    def thresholds(self) -> dict[str, float]:
        """Words of a class to threshold; empty where nothing beats the default."""
        return {words: threshold for words, (threshold, _) in self.values.items()}

    def to_text(self) -> str:
        """The result for people."""
        lines = [f"{self.measure}; held out: {self.blocks}"]
        for trial in self.trials:
            title = trial.label or "decided"
            lines += ["", f"{title:28} {'on these':>9} {'on other blocks':>16}   gain there"]
            for choice in trial.choices:
                gain = "" if choice is self.baseline else interval_text(*choice.gain)
                lines.append(
                    f"{choice.name:28} {figure(choice.here):>9} {figure(choice.elsewhere):>16}"
                    f"   {gain}"
                )
        trial, best = self.best
        lines += ["", f"{'class':24} {'threshold':>9} {'strength':>8} {'IoU elsewhere':>14}"]
        for place, name in enumerate(trial.names):
            decision = best.decision
            lines.append(
                f"{name[:24]:24} {decision.thresholds[place]:9.3f} {decision.strengths[place]:8.2f}"
                f" {figure(best.per_class[place]):>14}"
                + (f"  ({trial.words.fixed[place]})" if place in trial.words.fixed else "")
            )
        lines += ["", self._verdict()]
        return "\n".join(lines)

    def _verdict(self) -> str:
        trial, best = self.best
        where = f" with {trial.label}" if trial.label and trial is not self.trials[0] else ""
        if best is self.baseline:
            return "nothing beats the package as it is on blocks that had no say: it stays as it is"
        if best.name == DEFAULT:
            return f"best{where}, with the thresholds as they are: nothing to write"
        doubt = "" if best.gain[0] > 0 else "; the interval of the gain holds 0: label more blocks"
        return f"best on other blocks: {best.name}{where}{doubt}\n" + applies_to(list(self.values))


def calibrate(
    package: str | Path,
    raster: str | Path | Sequence[str | Path | Scene],
    truth: str | Path | Sequence[str | Path] = (),
    *,
    prompt: str | Sequence[str] | None = None,
    cell_size: float | Sequence[float] | None = None,
    scales: Sequence[str] = (),
    field: str | None = None,
    outside: str = "auto",
    classes: Mapping[str, int] | None = None,
    beta: float | None = None,
    arguments: Mapping[str, Any] | None = None,
    device: str = "auto",
    quiet: bool = True,
) -> Calibration:
    """Find the thresholds and strengths that agree best with labels, together.

    The package runs once over the rasters per prompt, cell size and scales; all thresholds are
    tried on what it said. Each way to decide is judged on blocks of the rasters (or on whole
    rasters, from four on) that had no say in it.

    Parameters
    ----------
    package : path
        A package that this project built.
    raster : path, or several
        Where the labels are; or `dlpk.evaluation.calibration.values.Scene`, without `truth`.
    truth : path, or several
        Labels of each raster, or one file for all: see `dlpk.evaluation.labels.open_truth`.
    prompt : str, or several to compare
        The package's default by default.
    cell_size : float, or several to compare
        To look at the rasters at, in map units.
    scales : sequence of str
        Values of the argument ``scales`` to compare.
    field, outside
        See `dlpk.evaluation.labels.open_truth`.
    classes : mapping, optional
        Class name to its value in label rasters.
    beta : float, optional
        Maximise F-beta (above 1 weighs recall, below 1 precision) instead of IoU.
    arguments : mapping, optional
        Other arguments of the function.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    quiet : bool
        No progress bar.

    Returns
    -------
    Calibration

    Raises
    ------
    DlpkError
        The labels do not fit, or the run fails.
    """
    if beta is not None and not 0 < beta < math.inf:
        raise TruthError(f"beta is {beta:g}; it must be above 0")
    scenes = _scenes(raster, truth)
    for scene in scenes:  # what is missing is said before anything runs
        Raster(scene.image)
        open_labels(scene.truth)
    labels = Labels(field, outside, classes)
    measure = "mean IoU" if beta is None else f"mean F-beta with beta {beta:g}"
    trials: list[Trial] = []
    with open_package(package) as opened:
        for settings in _settings(prompt, cell_size, scales):
            given = {**(arguments or {}), **settings.arguments}
            words = words_of(opened, given)
            if not words.prompt:
                raise TruthError("the package has no default prompt: give one with --prompt")
            pixels, names = read_pixels(
                opened,
                scenes,
                labels,
                competitors=words.competitors,
                cell_size=settings.cell_size,
                prompt=words.prompt,
                arguments={
                    **{k: v for k, v in given.items() if k not in MADE_HERE},
                    "return_probability_raster": "True",
                },
                device=device,
                quiet=quiet,
            )
            first = trials[0].choices[0] if trials else None
            trials.append(_trial(settings.label, names, words, pixels, beta, trials, first))
    number = len(np.unique(trials[0].pixels.blocks))
    kind = "rasters" if len(scenes) >= 4 else "blocks"
    return Calibration(tuple(trials), measure, f"{number} {kind} in up to 5 parts")


MADE_HERE = ("text_prompt", "background_prompt", "predict_background")


@dataclass(frozen=True)
class _Settings:
    label: str
    arguments: Mapping[str, str]
    cell_size: float | None


def _settings(prompt: Any, cell_size: Any, scales: Sequence[str]) -> list[_Settings]:
    prompts: list[Any] = (
        [prompt] if prompt is None or isinstance(prompt, str) else [*prompt] or [None]
    )
    single = cell_size is None or isinstance(cell_size, (int, float))
    sizes: list[Any] = [cell_size] if single else list(cell_size) or [None]
    all_scales: list[Any] = list(scales) or [None]
    several = [len(each) > 1 for each in (prompts, sizes, all_scales)]
    found = []
    for words, size, scale in itertools.product(prompts, sizes, all_scales):
        parts = [words or "default prompt"] if several[0] else []
        parts += [f"cell size {size:g}" if size else "own cell size"] if several[1] else []
        parts += [f"scales {scale}"] if several[2] else []
        arguments = {"text_prompt": words, "scales": scale}
        chosen = {name: value for name, value in arguments.items() if value is not None}
        found.append(_Settings(", ".join(parts), chosen, size))
    return found


def _scenes(raster: Any, truth: Any) -> list[Scene]:
    rasters: list[Any] = [raster] if isinstance(raster, (str, Path, Scene)) else list(raster)
    if rasters and all(isinstance(each, Scene) for each in rasters):
        return rasters
    truths = [truth] if isinstance(truth, (str, Path)) else list(truth)
    if len(truths) == 1:
        truths = truths * len(rasters)
    if not rasters or len(truths) != len(rasters):
        raise TruthError(
            f"there are {len(rasters)} rasters and {len(truths)} label files: give one label file "
            "per raster, in the same order, or one for all"
        )
    return [Scene(image, labels) for image, labels in zip(rasters, truths)]


def _trial(
    label: str,
    names: tuple[str, ...],
    words: Words,
    pixels: Pixels,
    beta: float | None,
    trials: Sequence[Trial],
    baseline: Choice | None,
) -> Trial:
    present = [c for c in range(1, len(names) + 1) if (pixels.truth == c).any()]
    if not present:
        raise TruthError(f"no labelled pixel is of one of the classes {', '.join(names)}")
    of = mean_of_classes(beta, present)
    free = [c - 1 for c in present if c - 1 not in words.fixed]
    blocks = int(pixels.blocks.max()) + 1
    plain = by_block(pixels, words.start, blocks)
    reference = (
        plain
        if baseline is None
        else by_block(trials[0].pixels, trials[0].choices[0].decision, blocks)
    )
    found = [(DEFAULT, words.start, plain)]
    if free and len(np.unique(pixels.blocks)) > 1:
        for family, fit in FAMILIES.items():
            outside = held_out(pixels, family, words.start, free, of)
            found.append((family, fit(pixels, words.start, free, of), outside))
    choices = []
    for name, decision, outside in found:
        pairs = np.stack([outside, reference], axis=1)
        low, high = interval(
            pairs[pairs.sum(axis=(1, 2, 3)) > 0], lambda both: of(both[0]) - of(both[1])
        )
        matrix = outside.sum(axis=0)
        choices.append(
            Choice(
                name=name,
                decision=decision,
                here=float(of(confusion_of(pixels, decision))),
                elsewhere=float(of(matrix)),
                gain=(float(low), float(high)),
                per_class=tuple(metrics.iou(matrix)[1:].tolist()),
            )
        )
    return Trial(label, names, words, pixels, tuple(choices))


def draw_curves(calibration: Calibration, out: str | Path) -> Path:
    """Draw IoU of each class alone over its threshold into a PNG, and the thresholds chosen.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    target = check_png(out)
    trial, best = calibration.best
    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    pixels = trial.pixels
    for place, name in enumerate(trial.names):
        truth = pixels.truth == place + 1
        if not truth.any():
            continue
        values = pixels.values[place] / LEVELS
        counts = ThresholdCounts.of(values, truth, np.ones_like(truth))
        iou = metrics.iou_by_threshold(counts)
        (line,) = axes.plot(EDGES, iou, label=name.replace("$", r"\$"))
        # Above the threshold once the strength has multiplied it.
        chosen = min(best.decision.thresholds[place] / best.decision.strengths[place], 1.0)
        axes.plot([chosen], [np.interp(chosen, EDGES, iou)], "o", color=line.get_color())
    axes.set(xlabel="probability", ylabel="IoU of the class alone", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(target) as drawn:
        figure.savefig(drawn, format="png", metadata={"Software": None})
    return target
