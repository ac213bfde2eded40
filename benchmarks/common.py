"""What all benchmarks share: the machine's name, fair timing, tables."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
MINI = Path(__file__).parent.parent / "builder" / "clipseg" / "mini"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--save", action="store_true", help="write the table to benchmarks/results")
    made.add_argument("--rounds", type=int, default=5, help="timed rounds (default %(default)s)")
    made.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    made.add_argument("--weights", metavar="FOLDER", help="real weights in the hub's layout")
    return made


def machine(device: str) -> dict[str, str]:
    """Hardware and versions."""
    from importlib.metadata import PackageNotFoundError, version

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "none"

    return {
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name(0) if device.startswith("cuda") else "processor",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": installed("transformers"),
        "numpy": installed("numpy"),
        "gdal": installed("gdal"),
        "system": platform.platform(terse=True),
        "commit": _commit(),
    }


def _commit() -> str:
    """The state of the code that is measured; with a + if files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", text, re.MULTILINE))
    family = f" family {fields.get('cpu family')} model {fields.get('model')}"
    return fields.get("model name", platform.machine()) + family


def synchronize(device: str) -> None:
    """Wait for the graphics card; the processor is always done."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def time_in_turn(
    tasks: Mapping[str, Callable[[], Any]], rounds: int, device: str
) -> dict[str, list[float]]:
    """Time several tasks in turn, so that a change of the machine's speed meets all of them.

    Returns
    -------
    dict
        Seconds of every round; a round before them is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            synchronize(device)
            start = time.perf_counter()
            task()
            synchronize(device)
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times faster, round by round, in the median."""
    return statistics.median(a / b for a, b in zip(slow, fast))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table."""
    columns = list(rows[0])
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(column), *(len(row[i]) for row in cells)) for i, column in enumerate(columns)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(columns, widths)) + " |"]
    lines.append("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    lines += ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in cells]
    return "\n".join(lines)


def report(
    name: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
    *,
    device: str,
    save: bool,
) -> None:
    """Print a result, and keep it if asked to."""
    about = machine(device)
    lines = [f"# {title}", "", table(rows), ""]
    lines += [f"- {note}" for note in notes]
    lines += ["", "Machine: " + ", ".join(f"{key} {value}" for key, value in about.items()), ""]
    text = "\n".join(lines)
    print(text)
    if save:
        where = about["device"] if device.startswith("cuda") else about["processor"]
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", f"{where}-torch{about['torch']}").strip("-").lower()
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}-{slug}.md"
        path.write_text(text, encoding="utf-8")
        path.with_suffix(".json").write_text(
            json.dumps({"machine": about, "rows": list(rows)}, indent=2) + "\n", encoding="utf-8"
        )
        print(f"saved {path}", file=sys.stderr)


def reference_model(weights: str | None) -> Any:
    """`transformers`' CLIPSeg of full size, with real weights or random ones.

    Random weights of the decoder are scaled down: with those that transformers makes, logits reach
    thousands and every mask is flat.
    """
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    torch.manual_seed(0)
    if weights is not None:
        return CLIPSegForImageSegmentation.from_pretrained(weights).float().eval()
    config = CLIPSegConfig(
        vision_config={"patch_size": 16},
        extract_layers=[3, 6, 9],
        use_complex_transposed_convolution=True,
    )
    model = CLIPSegForImageSegmentation(config).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.05)
    return model


def _tiny_model() -> Any:
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    config = CLIPSegConfig(
        vision_config={**sizes, "num_hidden_layers": 2, "patch_size": 16, "image_size": 352},
        text_config={**sizes, "num_hidden_layers": 1},
        projection_dim=16,
        reduce_dim=16,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        extract_layers=[0, 1],
    )
    return CLIPSegForImageSegmentation(config).eval()


def run_python(code: str) -> str:
    """Run code in a fresh process and return what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "task.py"
        script.write_text(code, encoding="utf-8")
        root = str(Path(__file__).parent.parent)
        search = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, str(script)],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": search},
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
    return done.stdout


class StateDict:
    """A state dict as the loader wants it."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._tensors = model.state_dict()

    def keys(self) -> list[str]:
        """Names."""
        return list(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._tensors[name].shape)

    def tensor(self, name: str) -> object:
        """A tensor."""
        return self._tensors[name].cpu().numpy()


def build_package(
    folder: Path, weights: str | None, *, mini: bool = False, tiny: bool = False
) -> Path:
    """Build a package to measure: real weights, random ones of full size, or smaller ones.

    Parameters
    ----------
    folder : Path
        For the package and what it is made from.
    weights : str or None
        Folder in the hub's layout.
    mini : bool
        Take the miniature.
    tiny : bool
        Random weights of a network that costs next to nothing, for tiles of the usual size.

    Returns
    -------
    Path
        The package.
    """
    from builder import build

    out = folder / "measured.dlpk"
    if mini:
        build(out, weights="mini")
        return out
    if weights is not None:
        source = Path(weights)
        frozen = source / "prompt_embeddings.safetensors"
        if frozen.is_file():
            build(
                out,
                weights=weights,
                prompt_embeddings=frozen,
                names=source / "text_names.json",
                embeddings_tensor="coco_single",
            )
        else:
            build(out, weights=weights)
        return out
    source = folder / "random"
    model = _tiny_model() if tiny else reference_model(None)
    # Speed does not depend on what prompts mean: the miniature's tokenizer will do.
    vocabulary = json.loads((MINI / "vocab.json").read_text(encoding="utf-8"))
    model.config.text_config.eos_token_id = vocabulary["<|endoftext|>"]
    model.save_pretrained(source)
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(MINI / name, source / name)
    build(out, weights=str(source), prompt="water, trees, roads, roofs, sand, snow, cars, boats")
    return out


def write_scene(path: Path, side: int, *, compressed: bool = True) -> None:
    """Write a square RGB GeoTIFF made of the builder's views from above, mirrored side by side."""
    import numpy as np
    from osgeo import gdal

    # The views from above come first; the others are photos.
    chips = np.load(Path(__file__).parent.parent / "builder" / "clipseg" / "chips.npy")[:3]
    driver = gdal.GetDriverByName("GTiff")
    options = ["TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", "BIGTIFF=IF_SAFER"]
    if compressed:
        options += ["COMPRESS=DEFLATE", "PREDICTOR=2", "ZLEVEL=1"]
    dataset = driver.Create(str(path), side, side, 3, gdal.GDT_Byte, options)
    dataset.SetGeoTransform((500000.0, 0.1, 0.0, 5500000.0, 0.0, -0.1))
    size = chips.shape[-1]
    for row in range(0, side, size):
        for column in range(0, side, size):
            chip = chips[(row // size + column // size) % len(chips)]
            rows, columns = min(size, side - row), min(size, side - column)
            dataset.WriteArray(np.ascontiguousarray(chip[:, :rows, :columns]), column, row)
    dataset.FlushCache()
