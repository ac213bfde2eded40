"""An evaluation as one page that needs nothing beside it."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np

from ...output.png import png_bytes
from ..measures import metrics
from ..measures.counts import EDGES, IGNORED
from ..result import BACKGROUND, Evaluation, Example
from .report_text import figure, interval_text

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #2a78b8; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
th, td { text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.big { font-size: 2.2rem; } .small { opacity: .75; font-size: .9em; }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; vertical-align: top; }
figure img { image-rendering: pixelated; width: 11rem; border: 1px solid var(--line); }
img.curve { max-width: 100%; background: white; }
td.cell { min-width: 3.5rem; }
.key i { display: inline-block; width: .9em; height: .9em; margin: 0 .3em 0 1em; }
"""
COLUMNS = (
    ("class", "class"),
    ("iou", "IoU"),
    ("interval", "95 % interval"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
    ("ap", "AP"),
    ("best_threshold", "best threshold"),
    ("ece", "ECE"),
    ("iou_by_area", "IoU by area"),
    ("true_hectares", "true ha"),
    ("predicted_hectares", "predicted ha"),
    ("false_alarm_samples", "false alarms"),
    ("true_pixels", "true pixels"),
)


def to_html(result: Evaluation, title: str = "Evaluation") -> str:
    """One self-contained page.

    Parameters
    ----------
    result : Evaluation
    title : str

    Returns
    -------
    str
        HTML with style and pictures inside; it loads nothing.
    """
    summary = result.summary()
    low, high = (summary[f"miou_without_background_{end}"] for end in ("low", "high"))
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p><span class=big>{figure(summary['miou_without_background'])}</span> mean IoU without "
        f"background ({interval_text(low, high)}); {figure(summary['miou_with_background'])} with "
        f"it. {summary['samples']:,} {escape(result.unit)}, {summary['pixels']:,} pixels.</p>",
        "<h2>Classes</h2>",
        _classes(result),
        "<p class=small>Intervals: percentile bootstrap over the samples. False alarms: share of "
        "the samples without the class in which some of it is found.</p>",
        "<h2>Confusion matrix</h2>",
        _confusion(result),
    ]
    if result.regions:
        rows = [
            [row["region"], row["miou_without_background"], *(row[name] for name in result.names)]
            for row in result.per_region()
        ]
        parts += ["<h2>Regions</h2>", _table(["region", "mean IoU", *result.names], rows)]
    if result.probabilities is not None:
        parts += ["<h2>Curves</h2>", _curves(result)]
    if result.examples:
        parts += ["<h2>Worst and best examples</h2>", _examples(result)]
    if result.measures:
        parts += [
            "<h2>Measures of the protocol</h2>",
            _table(
                ["measure", "value"], [[name, value] for name, value in result.measures.items()]
            ),
        ]
    if result.published:
        parts += [
            "<h2>Published, for comparison</h2>",
            _table(["who", "value", "source"], [list(row) for row in result.published]),
        ]
    about = [[key, str(value)] for key, value in result.about.items()]
    parts += ["<h2>What this rests on</h2>", _table(["", ""], about)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f'</title><meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _classes(result: Evaluation) -> str:
    rows = result.per_class()
    for row in rows:
        row["interval"] = interval_text(row["iou_low"], row["iou_high"])
    shown = [(key, name) for key, name in COLUMNS if any(key in row for row in rows)]
    shown += [(key, key.replace("_", " ")) for key in rows[0] if key.startswith("boundary_f")]
    return _table(
        [name for _, name in shown],
        [[row.get(key, float("nan")) for key, _ in shown] for row in rows],
    )


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = ["<table>", "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>"]
    for row in rows:
        cells = (escape(value if isinstance(value, str) else figure(value)) for value in row)
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _confusion(result: Evaluation) -> str:
    names = [BACKGROUND, *result.names]
    truths = result.matrix.sum(axis=1, keepdims=True)
    shares = metrics.ratio(result.matrix, np.broadcast_to(truths, result.matrix.shape))
    lines = ["<table><tr><th>truth ↓ found →</th>"]
    lines += [f"<th>{escape(name)}</th>" for name in names]
    lines.append("</tr>")
    for name, row, pixels in zip(names, shares, result.matrix):
        lines.append(f"<tr><td>{escape(name)}</td>")
        for share, count in zip(row, pixels):
            known = 0.0 if np.isnan(share) else share
            lines.append(
                f'<td class=cell title="{count:,} pixels" style="background:'
                f'rgba(42,120,184,{known:.2f})">{figure(share)}</td>'
            )
        lines.append("</tr>")
    return "".join(lines) + "</table><p class=small>Share of the true pixels of each row.</p>"


def _curves(result: Evaluation) -> str:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(10.5, 3.4), dpi=110, layout="constrained")
    by_threshold, trade, said = drawing.subplots(1, 3)
    for number, name in enumerate(result.names[:20]):
        counts = result.class_counts(number)
        label = name.replace("$", r"\$")
        by_threshold.plot(EDGES, metrics.iou_by_threshold(counts), label=label)
        precision = metrics.ratio(counts.tp, counts.tp + counts.fp)
        trade.plot(metrics.ratio(counts.tp, counts.tp + counts.fn), precision)
        x, y, _ = metrics.reliability(counts)
        said.plot(x, y, marker=".")
    said.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    titles = (
        (by_threshold, "threshold", "IoU of the class alone"),
        (trade, "recall", "precision"),
        (said, "probability said", "share that is so"),
    )
    for axes, x_name, y_name in titles:
        axes.set(xlabel=x_name, ylabel=y_name, xlim=(0, 1), ylim=(0, 1))
        axes.grid(alpha=0.3)
    by_threshold.legend(fontsize=7)
    file = io.BytesIO()
    drawing.savefig(file, format="png", metadata={"Software": None})
    return f'<img class=curve alt="curves" src="{_inline(file.getvalue())}">'


def colors(number: int) -> np.ndarray:
    """Colours of classes, uint8, shape (256, 3): background white, not known grey."""
    from matplotlib import colormaps

    table = np.full((256, 3), 255, np.uint8)
    palette = colormaps["tab20"]
    for index in range(1, number + 1):
        table[index] = [round(255 * part) for part in palette((index - 1) % 20)[:3]]
    table[IGNORED] = 128
    return table


def _examples(result: Evaluation) -> str:
    table = colors(len(result.names))
    key = "".join(
        f'<i style="background:rgb({r},{g},{b})"></i>{escape(name)}'
        for name, (r, g, b) in zip(result.names, table[1:].tolist())
    )
    lines = [f"<p class=key>{key}<i style='background:grey'></i>not known</p>"]
    lines += [_example(example, table) for example in result.examples]
    return "\n".join(lines)


def _example(example: Example, table: np.ndarray) -> str:
    pictures = [] if example.image is None else [("image", example.image)]
    pictures += [("truth", table[example.truth]), ("found", table[example.predicted])]
    images = "".join(
        f'<figure><img alt="{what}" src="{_inline(png_bytes(pixels))}">'
        f"<figcaption class=small>{what}</figcaption></figure>"
        for what, pixels in pictures
    )
    return f"<div><p>{escape(example.name)}: IoU {figure(example.iou)}</p>{images}</div>"


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
