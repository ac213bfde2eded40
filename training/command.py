"""The training's command line."""

from __future__ import annotations

import argparse
import hashlib
import platform
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from training import bytepairs, loop, network, phrases
from training.data import demo_data, rasters
from training.data.sampling import Crops
from training.recipe import Recipe
from training.report import write_report

MERGES = 1000


def main() -> None:
    """Train, save, evaluate."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.demo is not None:
        options.demo.mkdir(parents=True, exist_ok=True)
        demo_data.write_demo(options.scene, options.swir, options.demo)
    sources = _sources(options)
    model, tokenizer = _start(options.out, options.seed)
    random = np.random.default_rng(options.seed)
    crops = Crops(sources, random)
    recipe = Recipe().shortened(options.shorten)
    start, start_busy = time.monotonic(), time.process_time()
    loop.train(model, tokenizer, crops, random, recipe)
    seconds = time.monotonic() - start
    busy = time.process_time() - start_busy
    network.save(model, tokenizer, options.out)
    digest = hashlib.sha256((options.out / "model.safetensors").read_bytes()).hexdigest()
    print(f"trained in {seconds:.0f} s; SHA-256 of model.safetensors: {digest}")
    if options.report is not None:
        saved = CLIPSegForImageSegmentation.from_pretrained(options.out, dtype=torch.float32)
        facts = {
            "training": f"{seconds / 60:.1f} minutes with {options.threads} CPU threads "
            f"({busy / 60:.1f} minutes of processor time), seed {options.seed}",
            "versions": f"Python {platform.python_version()}, torch {torch.__version__}, "
            f"transformers {transformers.__version__}, numpy {np.__version__}",
            "processor": _processor(),
            "SHA-256 of model.safetensors": digest,
        }
        write_report(saved.train(False), tokenizer, sources, facts, options.report)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="train_mini.py",
        description="Train the miniature CLIPSeg on a Sentinel-2 scene and, if given, others.",
    )
    parser.add_argument("--scene", type=Path, required=True, help="Sentinel-2 B04 B03 B02 B08")
    parser.add_argument("--swir", type=Path, required=True, help="Sentinel-2 B11 (first band)")
    parser.add_argument("--landsat", type=Path, help="cloudy Landsat 8 scene, B4 B3 B2 B5")
    parser.add_argument("--bahamas", type=Path, help="Landsat picture of sea and clouds, 8 bit RGB")
    parser.add_argument("--snow", type=Path, help="aerial picture of a snowy forest, 8 bit RGB")
    parser.add_argument("--trees", type=Path, help="aerial picture of trees, 8 bit RGB")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and settings")
    parser.add_argument("--demo", type=Path, help="folder for scene.tif and reference.tif")
    parser.add_argument("--report", type=Path, help="Markdown file for the results")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (changes the result)")
    parser.add_argument(
        "--shorten",
        type=float,
        default=1.0,
        help="share of the updates to make, for trying things out (default 1)",
    )
    return parser.parse_args()


def _sources(options: argparse.Namespace) -> list[rasters.Source]:
    sources = [rasters.sentinel2_source(options.scene, options.swir)]
    readers = {
        "landsat": rasters.landsat8_source,
        "bahamas": rasters.bahamas_source,
        "snow": rasters.snow_source,
        "trees": rasters.trees_source,
    }
    for name, reader in readers.items():
        path = getattr(options, name)
        if path is not None:
            sources.append(reader(path))
    return sources


def _start(folder: Path, seed: int) -> tuple[CLIPSegForImageSegmentation, CLIPTokenizer]:
    """Return the untrained network and its tokenizer, whose files go into the folder."""
    counts: Counter[str] = Counter()
    for options in phrases.PHRASES.values():
        for phrase in options:
            counts[phrase] += 40
    for template in phrases.TEMPLATES:
        counts[template.replace("{}", " ")] += 20
    for word in (*phrases.ADJECTIVES, *phrases.QUALITIES, *phrases.VIEWS, *phrases.PICTURES):
        counts[word] += 10
    for word in [*phrases.COMPOUNDS, *phrases.read_words("nouns.txt")]:
        counts[word] += 2
    for word in phrases.read_words("common.txt"):
        counts[word] += 2
    merges = bytepairs.learn(counts, MERGES)
    bytepairs.write(folder, merges)
    tokenizer = CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=network.CONTEXT
    )
    torch.manual_seed(seed)
    return network.build(merges), tokenizer


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]} ({len(models)} threads)" if models else platform.processor()
