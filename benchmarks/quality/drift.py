"""What lower precision changes: pixels that change sides of the threshold, per million.

On 17 images that nobody chose by a result: thirteen views from above and four photos, published in
`chips.npz` (`benchmarks/README.md` says where each is from and how it was cut). Against single
precision to the last bit, with real weights: a folder in the hub's layout with a vocabulary that
was embedded before.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import parser, report
from builder.clipseg.emd import network_settings
from model_extension.clipseg.contract.definition import IMAGENET_MEAN, IMAGENET_STD
from model_extension.clipseg.network.config import NetworkConfig
from model_extension.clipseg.network.precision import DTYPES, available_precisions
from model_extension.clipseg.network.weights import load_network
from model_extension.common.safetensors import SafetensorsFile

CHIPS = Path(__file__).parent / "chips.npz"
PROMPTS = ("cat", "person", "tree", "road", "sea", "snow", "grass", "house")
THRESHOLDS = (0.3, 0.4)
# CLIPSeg takes embeddings as long as CLIP makes them; the stored ones have a length of one.
LENGTH = 10.0


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--tensor", default="coco_single", help="of the embeddings")
    given = options.parse_args()
    if given.weights is None:
        options.error("--weights FOLDER is needed: random weights show nothing")
    folder, device = Path(given.weights), torch.device(given.device)
    with np.load(CHIPS) as file:
        chips, above = file["chips"], file["above"]
    precisions = [name for name in available_precisions(device) if name != "fp32"]
    exact = _probabilities(folder, chips, "fp32", device, given.tensor)
    rows = []
    for name in precisions:
        found = _probabilities(folder, chips, name, device, given.tensor)
        for threshold in THRESHOLDS:
            flipped = ((found > threshold) != (exact > threshold)).mean(axis=(1, 2, 3)) * 1e6
            rows.append(
                {
                    "precision": name,
                    "threshold": threshold,
                    "flipped per million, mean of 17": f"{flipped.mean():,.0f}",
                    "views from above": f"{flipped[above].mean():,.0f}",
                    "photos": f"{flipped[~above].mean():,.0f}",
                    "worst image": f"{flipped.max():,.0f}",
                    "largest difference": f"{np.abs(found - exact).max():.4f}",
                }
            )
    notes = [f"prompts {', '.join(PROMPTS)}; weights {folder.name}; against precision fp32"]
    report("drift", "Drift by precision", rows, notes, device=given.device, save=given.save)


def _probabilities(
    folder: Path, chips: np.ndarray, precision: str, device: torch.device, tensor: str
) -> np.ndarray:
    """Shape (chips, prompts, rows, columns)."""
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    config = NetworkConfig.from_dict(network_settings(settings, frozen=True))
    names = json.loads((folder / "text_names.json").read_text("utf-8"))
    with SafetensorsFile(str(folder / "prompt_embeddings.safetensors")) as file:
        known = torch.from_numpy(np.array(file.tensor(tensor), np.float32))
    rows = known[[names.index(prompt) for prompt in PROMPTS]]
    embeddings = LENGTH * rows / rows.norm(dim=1, keepdim=True)
    dtype = DTYPES[precision]
    with SafetensorsFile(str(folder / "model.safetensors")) as file:
        network = load_network(file, config, device=device, dtype=dtype, exact=precision == "fp32")
    mean, std = (np.reshape(values, (3, 1, 1)) for values in (IMAGENET_MEAN, IMAGENET_STD))
    found = []
    with torch.no_grad():
        for chip in chips:
            pixels = torch.from_numpy(((chip / 255 - mean) / std).astype(np.float32))[None]
            # As in the raster function, pixels stay in single precision until they are tokens.
            logits = network(pixels.to(device), embeddings.to(device, network.dtype))
            found.append(logits[0].float().sigmoid().cpu().numpy())
    return np.stack(found)


if __name__ == "__main__":
    main()
