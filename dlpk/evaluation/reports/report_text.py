"""An evaluation as a table for the terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import numpy as np

from ..result import Evaluation

Row = dict[str, Any]


def to_text(result: Evaluation) -> str:
    """The result for people: what was compared, every class, regions, means."""
    rows, summary = result.per_class(), result.summary()
    shown = {
        "class": "class",
        "iou": "IoU",
        "interval": "95 % interval",
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
        "ap": "AP",
        "ece": "ECE",
        **{key: key.replace("_", " ") for key in rows[0] if key.startswith("boundary_f")},
        "true_pixels": "true pixels",
    }
    for row in rows:
        row["interval"] = interval_text(row["iou_low"], row["iou_high"])
    lines = [_table(rows, shown), ""]
    low, high = (summary[f"miou_without_background_{end}"] for end in ("low", "high"))
    lines += [
        f"mean IoU without background  {figure(summary['miou_without_background'])}"
        f"  ({interval_text(low, high)})",
        f"mean IoU with background     {figure(summary['miou_with_background'])}",
        f"foreground IoU               {figure(summary['foreground_iou'])}",
        f"accuracy                     {figure(summary['accuracy'])}",
    ]
    if "miou_without_background_by_area" in summary:
        area = figure(summary["miou_without_background_by_area"])
        lines.append(f"mean IoU weighted by area    {area}  (without background)")
    lines += [f"{name:28} {figure(value)}" for name, value in result.measures.items()]
    lines.append(f"{summary['samples']:,} {result.unit}, {summary['pixels']:,} pixels")
    for row in result.per_region():
        classes = ", ".join(f"{name} {figure(row[name])}" for name in result.names)
        lines.append(f"IoU {figure(row['miou_without_background'])} in {row['region']}: {classes}")
    if result.published:
        lines += ["", "published, for comparison:"]
        lines += [f"  {who}: {value}  [{source}]" for who, value, source in result.published]
    lines += ["", *(f"{key}: {value}" for key, value in result.about.items())]
    return "\n".join(lines)


def to_json(result: Evaluation) -> str:
    """Everything but pictures; what is not defined is null."""
    document = {
        "about": dict(result.about),
        "unit": result.unit,
        "classes": result.per_class(),
        "summary": result.summary(),
        "regions": result.per_region(),
        "confusion": {"classes": ["background", *result.names], "pixels": result.matrix.tolist()},
        "samples": [
            {"name": name, "confusion": matrix.tolist()}
            for name, matrix in zip(result.samples, result.matrices)
        ],
        "published": [
            {"who": who, "value": value, "source": source}
            for who, value, source in result.published
        ],
    }
    return json.dumps(_plain(document), indent=1, ensure_ascii=False) + "\n"


def to_csv(result: Evaluation) -> str:
    """One line per class."""
    rows = result.per_class()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, keys, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_plain(row) for row in rows)
    return text.getvalue()


def figure(value: Any) -> str:
    """A figure with three digits, an en dash where there is none."""
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def interval_text(low: float, high: float) -> str:
    """An interval, or an en dash."""
    return "–" if math.isnan(low) else f"{low:.3f} to {high:.3f}"


def _table(rows: list[Row], shown: dict[str, str]) -> str:
    shown = {key: title for key, title in shown.items() if any(key in row for row in rows)}
    cells = [list(shown.values())]
    for row in rows:
        cells.append(
            [
                value if isinstance(value, str) else figure(value)
                for value in (row.get(key, float("nan")) for key in shown)
            ]
        )
    cells = [[line[0][:32], *line[1:]] for line in cells]
    widths = [max(len(line[i]) for line in cells) for i in range(len(shown))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        )
        for line in cells
    )


def _plain(value: Any) -> Any:
    """Without NaN, which is no JSON, and without numpy's types."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
