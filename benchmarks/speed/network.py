"""The network against `transformers`, tile by tile: precision, number of prompts.

The alternative is the documented call: as many texts as images, the image repeated for each prompt,
in single precision (its default).
"""

from __future__ import annotations

from functools import partial

import torch

from benchmarks.common import (
    StateDict,
    median_ratio,
    parser,
    reference_model,
    report,
    time_in_turn,
)
from builder.clipseg.emd import network_settings
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.precision import DTYPES, available_precisions
from model_extension.clipseg.network.weights import load_network

PROMPTS = (1, 2, 8, 20)
SIDE = 352
# Thousand million multiply-accumulates of ten encoder blocks, and of one decoding, at 352 pixels.
ENCODER_GMAC, DECODER_GMAC = 38.2, 0.605


def matmul_ceiling(device: str, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product, the most this machine can do."""
    side = 8192 if device.startswith("cuda") else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    task = {"matmul": lambda: torch.mm(a, b)}
    return 2 * side**3 / min(time_in_turn(task, 8, device)["matmul"])


def _run(network: torch.nn.Module, pixels: torch.Tensor, prompts: torch.Tensor, n: int) -> None:
    network(pixels, prompts[:n])


def _row(
    precision: str, number: int, seconds: dict[str, list[float]], batch: int, ceiling: float
) -> dict[str, object]:
    # The stock call does one prompt; N prompts cost it N calls.
    ratio = number * median_ratio(seconds["stock"], seconds[str(number)])
    best = min(seconds[str(number)]) / batch
    done = 2e9 * (ENCODER_GMAC + number * DECODER_GMAC) / best
    return {
        "precision": precision,
        "prompts": number,
        "tiles/s": f"{1 / best:,.2f}",
        "stock tiles/s": f"{batch / min(seconds['stock']) / number:,.2f}",
        "times faster than stock": f"{ratio:.2f}",
        "share of matmul ceiling": f"{done / ceiling:.0%}",
    }


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--batch", type=int, help="tiles per call (default 4, 256 on a card)")
    given = options.parse_args()
    device = given.device
    batch = given.batch or (256 if device.startswith("cuda") else 4)
    model = reference_model(given.weights).to(device)
    config = NetworkConfig.from_dict(network_settings(model.config.to_dict(), frozen=False))
    pixels = torch.randn(batch, 3, SIDE, SIDE, device=device)
    tokens = torch.randint(0, 49405, (max(PROMPTS), 12), device=device)
    tokens[:, 0], tokens[:, -1] = 49406, 49407
    rows = []
    with torch.inference_mode():
        embeddings = model.clip.get_text_features(tokens).pooler_output

        def stock() -> None:
            model(input_ids=tokens[:1].expand(batch, -1), pixel_values=pixels)

        for precision in available_precisions(torch.device(device)):
            dtype, exact = DTYPES[precision], precision == "fp32"
            network = load_network(
                StateDict(model), config, device=device, dtype=dtype, exact=exact
            )
            run = partial(_run, network, pixels.to(dtype), embeddings.to(dtype))
            tasks = {"stock": stock, **{str(number): partial(run, number) for number in PROMPTS}}
            seconds = time_in_turn(tasks, given.rounds, device)
            ceiling = matmul_ceiling(device, dtype)
            rows += [_row(precision, number, seconds, batch, ceiling) for number in PROMPTS]
    report(
        "network",
        f"Network, {SIDE} pixel tiles, {batch} per call",
        rows,
        [
            "stock: transformers' call, one per prompt, single precision",
            "fp32: transformers' results to the last bit; fp32_fast: what auto takes where no "
            "lower precision is proven",
            "ceiling: a large matrix product in the same precision, in the same run",
        ],
        device=device,
        save=given.save,
    )


if __name__ == "__main__":
    main()
