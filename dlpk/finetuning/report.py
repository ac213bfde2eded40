"""What came of teaching a package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..testing.golden_test import GoldenResult
from .learning.choice import Choice


@dataclass(frozen=True)
class Finetuned:
    """The outcome.

    Parameters
    ----------
    path : Path
        The new package.
    sha256 : str
    method : str
    classes : tuple of str
    before, after : tuple of float
        IoU per class on validation blocks; NaN where they hold none.
    choice : Choice
        Thresholds and strengths.
    golden : GoldenResult
        The new package on the golden chips of its parent.
    ladder : tuple of (int, tuple of float)
        Training blocks, and IoU per class.
    replaced : tuple of str
        Prompts whose meaning is another now.
    seconds : float
    """

    path: Path
    sha256: str
    method: str
    classes: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    choice: Choice
    golden: GoldenResult
    ladder: tuple[tuple[int, tuple[float, ...]], ...]
    replaced: tuple[str, ...]
    seconds: float

    def to_text(self) -> str:
        """The outcome for people."""
        lines = [f"{'IoU on validation blocks':28} {'before':>7} {'after':>7}"]
        for name, old, new in zip(self.classes, self.before, self.after):
            worse = "  worse than before" if round(new, 3) < round(old, 3) else ""
            lines.append(f"{name[:28]:28} {_number(old)} {_number(new)}{worse}")
        lines.append(f"{'mean':28} {_number(_mean(self.before))} {_number(_mean(self.after))}")
        strengths = ", ".join(
            f"{name} {strength:g}"
            for name, strength in zip(self.classes, self.choice.strengths)
            if strength != 1
        )
        lines.append(
            f"threshold {self.choice.threshold:g}, strengths {strengths or 'all 1'}: mean IoU on "
            f"validation {self.choice.before:.3f} without, {self.choice.after:.3f} with"
        )
        if self.ladder:
            lines.append("training blocks  " + "  ".join(name[:12] for name in self.classes))
            lines += [
                f"{count:15}  " + "  ".join(_number(value) for value in values)
                for count, values in self.ladder
            ]
        if self.replaced:
            lines.append(
                f"these prompts mean what was learnt from now on: {', '.join(self.replaced)}"
            )
        lines.append(self._forgotten())
        lines.append(f"{self.path}: {self.seconds:.0f} s, SHA-256 {self.sha256}")
        return "\n".join(lines)

    def _forgotten(self) -> str:
        if self.method == "prompts":
            return "all other prompts give what they gave"
        chips = self.golden.chips
        if not chips:
            return f"the parent's golden chips were not compared: {self.golden.reason}"
        largest = max(chip.mean for chip in chips)
        flipped = max(chip.flipped_per_million for chip in chips)
        if self.golden.status == "passed" or round(largest, 3) == 0 == round(flipped / 1e4, 1):
            return "the parent's golden chips come out as before"
        return (
            f"what was known before has changed: on the parent's golden chips by up to "
            f"{largest:.3f} in the mean, and {flipped / 1e4:.1f} % of the pixels are on the other "
            "side of the threshold (--keep PROMPTS rehearses prompts)"
        )


def _number(value: float) -> str:
    return "      –" if math.isnan(value) else f"{value:7.3f}"


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
