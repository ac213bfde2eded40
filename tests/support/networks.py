"""Small networks with random weights, as people have them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn


class Pixels(nn.Module):
    """Two layers that see single pixels only, or nine of them, at any stride."""

    def __init__(self, bands: int = 3, outputs: int = 4, stride: int = 1, sees: int = 1) -> None:
        super().__init__()
        torch.manual_seed(bands + outputs + stride)
        self.first = nn.Conv2d(bands, 8, sees, padding=sees // 2)
        self.last = nn.Conv2d(8, outputs, stride, stride=stride)

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = 3 * self.last(self.first(images).relu())
        return answer


def torchscript(path: Path, network: nn.Module, bands: int = 3, side: int = 64) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network.eval(), torch.randn(1, bands, side, side))
        torch.jit.save(traced, str(path))
    return path


def onnx(
    path: Path, network: nn.Module, bands: int = 3, side: int = 64, fixed: bool = False
) -> Path:
    names = {0: "tiles", 2: "rows", 3: "columns"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.randn(1, bands, side, side),),
            str(path),
            dynamo=False,
            input_names=["images"],
            dynamic_axes={} if fixed else {"images": names},
        )
    return path


MEAN, STD = (0.4, 0.5, 0.3), (0.2, 0.25, 0.3)


def transformers_folder(folder: Path, kind: str) -> tuple[Path, Callable[[Tensor], Tensor], int]:
    """A tiny network of transformers, saved; how it answers, and the side of its tiles."""
    import transformers as library

    torch.manual_seed(0)
    labels = {0: "background", 1: "water", 2: "forest"}
    small = {"id2label": labels, "label2id": {name: place for place, name in labels.items()}}
    if kind == "segformer":
        config = library.SegformerConfig(
            depths=[1, 1, 1, 1],
            hidden_sizes=[8, 8, 16, 16],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            **small,
        )
        network = library.SegformerForSemanticSegmentation(config)
    elif kind == "upernet":
        backbone = library.ConvNextConfig(
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )
        config = library.UperNetConfig(
            backbone_config=backbone, hidden_size=16, use_auxiliary_head=False, **small
        )
        network = library.UperNetForSemanticSegmentation(config)
    elif kind == "dpt":
        config = library.DPTConfig(
            hidden_size=16,
            num_hidden_layers=4,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=64,
            patch_size=16,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 16, 16],
            fusion_hidden_size=16,
            use_auxiliary_head=False,
            is_hybrid=False,
            **small,
        )
        network = library.DPTForSemanticSegmentation(config)
    else:
        backbone = library.SwinConfig(
            image_size=64,
            patch_size=4,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=2,
            out_features=["stage1", "stage2", "stage3", "stage4"],
        )
        config = library.Mask2FormerConfig(
            backbone_config=backbone,
            hidden_dim=32,
            feature_size=32,
            mask_feature_size=32,
            num_queries=5,
            encoder_layers=1,
            decoder_layers=2,
            num_attention_heads=2,
            dim_feedforward=16,
            encoder_feedforward_dim=16,
            **small,
        )
        network = library.Mask2FormerForUniversalSegmentation(config)
    network.eval().save_pretrained(folder)
    seen = {"image_mean": MEAN, "image_std": STD, "do_normalize": True, "size": 64}
    (folder / "preprocessor_config.json").write_text(json.dumps(seen))

    def call(images: Tensor) -> Tensor:
        answer = network(pixel_values=images)
        if kind != "mask2former":
            return answer.logits
        classes = answer.class_queries_logits.softmax(-1)[..., :-1]
        return torch.einsum("bqc,bqhw->bchw", classes, answer.masks_queries_logits.sigmoid()).log()

    return folder, call, 64
