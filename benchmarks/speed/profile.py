"""Where the time goes: inside the network, and around it from GeoTIFF to GeoTIFF."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.profiler import ProfilerActivity, profile

import dlpk
from benchmarks.common import (
    StateDict,
    build_package,
    parser,
    reference_model,
    report,
    synchronize,
    write_scene,
)
from builder.clipseg.emd import network_settings
from dlpk.classification.session import Session
from dlpk.output.geotiff import OutputRaster
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.precision import DTYPES, available_precisions
from model_extension.clipseg.network.weights import load_network

SIDE = 352
# Parts of the names of operators, the first that fits counts.
KINDS = {
    "matrix products of layers": ("linear", "addmm", "::mm"),
    "attention": ("attention", "bmm", "softmax"),
    "convolutions": ("conv",),
    "layer norm": ("norm",),
    "copies and sums": ("copy", "cat", "add", "mul", "sub", "div", "fill", "clamp", "sigmoid"),
}
STAGES = {
    "reading and stretching": (Session, "read"),
    "the function": (Session, "call"),
    "compressing and writing": (OutputRaster, "write"),
    "overviews and legend": (OutputRaster, "finish"),
}


def _kind(name: str) -> str:
    fitting = (kind for kind, words in KINDS.items() if any(word in name for word in words))
    return next(fitting, "other")


def _inside(model: Any, precision: str, prompts: int, batch: int, device: str) -> dict[str, object]:
    dtype = DTYPES[precision]
    config = NetworkConfig.from_dict(network_settings(model.config.to_dict(), frozen=False))
    network = load_network(StateDict(model), config, device=device, dtype=dtype, exact=False)
    pixels = torch.randn(batch, 3, SIDE, SIDE, device=device).to(dtype)
    embeddings = torch.randn(prompts, config.projection, device=device).to(dtype)
    cuda = device.startswith("cuda")
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with torch.inference_mode():
        network(pixels, embeddings)
        synchronize(device)
        with profile(activities=activities) as found:
            network(pixels, embeddings)
            synchronize(device)
    spent: dict[str, float] = defaultdict(float)
    for event in found.key_averages():
        own = "self_device_time_total" if cuda else "self_cpu_time_total"
        spent[_kind(event.key)] += getattr(event, own)
    total = sum(spent.values())
    shares = {kind: f"{spent[kind] / total:.0%}" for kind in (*KINDS, "other")}
    return {"network": f"{precision}, {prompts} prompt(s)", **shares}


def _timed(method: Callable[..., Any], spent: dict[str, float], stage: str) -> Callable[..., Any]:
    def run(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*args, **options)
        finally:
            spent[stage] += time.perf_counter() - start

    return run


def _around(weights: str | None, side: int, device: str) -> list[dict[str, object]]:
    spent: dict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build_package(folder, weights)
        scene = folder / "scene.tif"
        write_scene(scene, side)
        patches = [
            mock.patch.object(owner, method, _timed(getattr(owner, method), spent, stage))
            for stage, (owner, method) in STAGES.items()
        ]
        for patch in patches:
            patch.start()
        try:
            start = time.perf_counter()
            dlpk.classify(package, scene, folder / "out.tif", prompt="sea", device=device)
            whole = time.perf_counter() - start
        finally:
            for patch in patches:
                patch.stop()
    return [
        {
            "stage": stage,
            "seconds": f"{spent[stage]:.2f}",
            "of the command": f"{spent[stage] / whole:.1%}",
        }
        for stage in STAGES
    ]


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--side", type=int, default=1584, help="side of the raster in pixels")
    given = options.parse_args()
    cuda = given.device.startswith("cuda")
    model = reference_model(None).to(given.device)
    rows = [
        _inside(model, precision, prompts, 64 if cuda else 4, given.device)
        for precision in available_precisions(torch.device(given.device))
        for prompts in (1, 8)
    ]
    del model
    notes = ["shares of the time inside torch's operators"]
    report("profile", "Inside the network", rows, notes, device=given.device, save=given.save)
    rows = _around(given.weights, given.side, "cuda:0" if cuda else "cpu")
    notes = [
        f"a raster of {given.side} pixels a side, one prompt; reading and writing happen beside "
        "the function, in threads of their own; its time holds loading the weights"
    ]
    title = "Around the network: GeoTIFF to GeoTIFF"
    report("profile_command", title, rows, notes, device=given.device, save=given.save)


if __name__ == "__main__":
    main()
