"""A package over a labelled dataset."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from builder.scratch import scratch_folder

from ..classification.model import Model
from ..errors import TruthError
from ..package.open import open_package
from .dataset import Dataset
from .method import Method
from .provenance import versions
from .result import Evaluation
from .runner import Runner, resized
from .totals import Totals

__all__ = ["Method", "evaluate_package"]


def evaluate_package(
    package: str | Path,
    dataset: Dataset,
    method: Method | None = None,
    *,
    device: str = "auto",
    quiet: bool = True,
) -> Evaluation:
    """Run a package over a dataset and compare with its truth.

    Parameters
    ----------
    package : path
    dataset : Dataset
    method : Method, optional
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    quiet : bool
        No progress bar.

    Returns
    -------
    Evaluation

    Raises
    ------
    DlpkError
        The package does not run, or a file cannot be read.
    """
    chosen = method or Method()
    if not dataset.samples:
        raise TruthError(f"the dataset {dataset.name} holds no labelled image")
    totals = Totals(dataset, chosen)
    with (
        open_package(package) as opened,
        scratch_folder() as home,
        Model(opened, device=device) as model,
    ):
        folder = home / "run"  # the scratch folder is locked, and so is the folder of a result
        folder.mkdir()
        runner = Runner(model, opened.emd, chosen, dataset, folder)
        for sample in tqdm(dataset.samples, disable=quiet, unit="image", leave=False):
            truth = sample.truth()
            if runner.by_probability:
                scores = resized(runner.probabilities(sample), truth.shape)
                if dataset.kind == "mattes":
                    totals.add_matte(sample, scores[1], truth)
                    continue
                found = runner.decided(scores)
                totals.add_probabilities(scores[1:], truth)
            else:
                found = resized(runner.classes(sample), truth.shape)
            totals.add(sample, truth, found)
        looked_for = "each sample's phrase"
        if dataset.classes:
            looked_for = "; ".join(
                f"{name}: {', '.join(chosen.words_of(name))}" for name in dataset.classes
            )
        rivals = ", ".join(chosen.background_words) or "none"
        threshold = "the package's own" if chosen.threshold is None else f"{chosen.threshold:g}"
        about = {
            "package": str(package),
            "SHA-256 of the package": opened.sha256 or "",
            "dataset": f"{dataset.name}: {len(dataset.samples)} samples",
            "choices of the reader": dataset.about,
            "words": looked_for if runner.takes_prompt else "",
            "shown by": chosen.prompts,
            "sentences": runner.sentences or "",
            "several words of a class": chosen.combine,
            "words for background": f"{rivals} (times {chosen.background_strength:g})",
            "scores": chosen.scores,
            "threshold": "none: the best class wins" if chosen.forced else threshold,
            "below it": chosen.fallback or "background",
            "images resized to": chosen.size_text(),
            "arguments": ", ".join(f"{k}={v}" for k, v in chosen.arguments.items()) or "default",
            **versions(),
        }
    return totals.evaluation({name: text for name, text in about.items() if text})
