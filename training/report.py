"""The figures of a training, on parts of the scenes that it never saw."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from training import network
from training.data import split
from training.data.rasters import Source, held_out_columns
from training.data.references import CONCEPTS, RULES, Labels
from training.data.sampling import PERCENTILES, SIZE, limits, to_bytes
from training.evaluate import PADDING, THRESHOLD, overlap, text_probabilities
from training.phrases import HELD_OUT_TEMPLATES, PHRASES, read_held_out

Network = CLIPSegForImageSegmentation
Bytes = NDArray[np.uint8]


def write_report(
    model: Network,
    tokenizer: CLIPTokenizer,
    sources: list[Source],
    facts: Mapping[str, str],
    path: Path,
) -> None:
    """Measure the network and write the figures as Markdown.

    Parameters
    ----------
    model, tokenizer : network and tokenizer of ``transformers``
        The trained network as saved.
    sources : list of Source
        The Sentinel-2 scene first.
    facts : mapping of str to str
        What to say about the training.
    path : Path
        The file to write.
    """
    scene = sources[0]
    lines = [
        "# Results of the miniature",
        "",
        "Written by `train_mini.py`. The miniature is for demonstrations and tests, not for work.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        f"- masks: probability > {THRESHOLD}, tiles of {SIZE} pixels, {PADDING} of them padding; "
        f"rasters that are not 8 bit are stretched once, percentiles {PERCENTILES[0]} to "
        f"{PERCENTILES[1]} of each band",
        "",
        "## Sentinel-2, blocks never seen",
        "",
        *_concept_table(model, tokenizer, scene),
        "",
    ]
    if len(sources) > 1:
        lines += ["## Other scenes, strips never seen", ""]
        lines += [*_scene_table(model, tokenizer, sources[1:]), ""]
    lines += ["## Prompts never seen", "", *_prompt_figures(model, tokenizer, scene)]
    beside = path.with_name("~" + path.name)
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    os.replace(beside, path)
    print("\n".join(lines))


def _stretched(source: Source, rows: slice, columns: slice) -> Bytes:
    """Return a part of a scene as 8 bit, stretched as a raster of its own if at all."""
    rgb = source.rgb[:, rows, columns]
    if not source.stretch:
        return rgb.astype(np.uint8)
    low, high = limits(rgb, source.valid[rows, columns], PERCENTILES)
    return to_bytes(rgb, low, high)


def _masks(model: Network, tokenizer: CLIPTokenizer, pixels: Bytes) -> NDArray[np.bool_]:
    return text_probabilities(model, tokenizer, pixels, list(CONCEPTS)) > THRESHOLD


def _concept_table(model: Network, tokenizer: CLIPTokenizer, scene: Source) -> list[str]:
    """Return IoU per concept for every held-out block."""
    whole = _stretched(scene, slice(None), slice(None))
    columns: list[tuple[NDArray[np.bool_], Labels]] = []
    demo = split.demo_window().slices
    labels = scene.labels[(slice(None), *demo)]
    columns.append((_masks(model, tokenizer, _stretched(scene, *demo)), labels))
    columns.append((_masks(model, tokenizer, whole[(slice(None), *demo)]), labels))
    for window in split.other_windows():
        part = (slice(None), *window.slices)
        columns.append((_masks(model, tokenizer, whole[part]), scene.labels[part]))
    lines = [
        "IoU (share of the pixels by the rule). *Demo scene*: stretched by itself, as `classify`",
        "does with `demo/scene.tif`; *in the whole*: the same pixels, stretched with the whole",
        "scene, as the inland and the southern block are.",
        "",
        "| prompt | demo scene | in the whole | inland | southern shore | reference rule |",
        "|---|---|---|---|---|---|",
    ]
    for number, concept in enumerate(CONCEPTS):
        cells = [_cell(found[number], known[number]) for found, known in columns]
        lines.append(f"| {concept} | {' | '.join(cells)} | {RULES[concept]} |")
    return lines


def _cell(found: NDArray[np.bool_], labels: Bytes) -> str:
    share = (labels == 1).mean()
    if share == 0:
        return f"absent; lit: {_percent(found.mean())}"
    return f"{overlap(found, labels):.3f} ({share:.1%})"


def _percent(share: float) -> str:
    return f"{share:.2%}"


def _scene_table(model: Network, tokenizer: CLIPTokenizer, sources: list[Source]) -> list[str]:
    lines = [
        "IoU where the rule can tell; these rules look at colours, so they say little more than",
        "that the prompt is understood.",
        "",
        "| scene | " + " | ".join(CONCEPTS) + " |",
        "|---" * (len(CONCEPTS) + 1) + "|",
    ]
    for source in sources:
        columns = held_out_columns(source.name, source.rgb.shape[2])
        pixels = _stretched(source, slice(None), slice(None))[:, :, columns]
        found = _masks(model, tokenizer, np.ascontiguousarray(pixels))
        cells = []
        for mask, labels in zip(found, source.labels[:, :, columns]):
            shown = (labels == 1).mean() > 0.005
            cells.append(f"{overlap(mask, labels):.2f}" if shown else "-")
        lines.append(f"| {source.name} | " + " | ".join(cells) + " |")
    return lines


def _prompt_figures(model: Network, tokenizer: CLIPTokenizer, scene: Source) -> list[str]:
    unknown = read_held_out()
    pixels = _stretched(scene, *split.demo_window().slices)
    shares = (text_probabilities(model, tokenizer, pixels, unknown) > THRESHOLD).mean(axis=(1, 2))
    worst = sorted(zip(shares, unknown), reverse=True)[:8]
    listed = ", ".join(f"`{text}` {_percent(share)}" for share, text in worst)
    dark = int((shares < 0.01).sum())
    texts, meanings = [], []
    for concept, options in PHRASES.items():
        for template in HELD_OUT_TEMPLATES:
            texts += [template.format(option) for option in options]
            meanings += [CONCEPTS.index(concept)] * len(options)
    with torch.inference_mode():
        embedded = functional.normalize(network.embed_texts(model, tokenizer, texts), dim=1)
    places = functional.normalize(network.prototypes(), dim=1)
    right = ((embedded @ places.T).argmax(dim=1) == torch.tensor(meanings)).float().mean()
    return [
        f"- {len(unknown)} unknown words and strings (`words/held_out.txt`) on the demo scene: "
        f"{dark} light up less than 1 % of it; the brightest: {listed}.",
        f"- {len(texts)} phrasings in {len(HELD_OUT_TEMPLATES)} sentences that the training never "
        f"used: {float(right):.1%} have an embedding nearest to their own concept.",
    ]
