"""The miniature network: CLIPSeg of Hugging Face ``transformers`` with small sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer

from training.bytepairs import BEGIN, END, vocabulary
from training.data.references import CONCEPTS
from training.data.sampling import MEAN, SIZE, STD

CONTEXT = 77
PROJECTION = 64


def build(merges: list[tuple[str, str]]) -> CLIPSegForImageSegmentation:
    """Return the network with random weights, for a vocabulary with these merges."""
    ids = vocabulary(merges)
    config = CLIPSegConfig(
        text_config={
            "vocab_size": len(ids),
            "hidden_size": 64,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": CONTEXT,
            "hidden_act": "quick_gelu",
            "bos_token_id": ids[BEGIN],
            "eos_token_id": ids[END],
            "pad_token_id": ids[END],
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": SIZE,
            "patch_size": 4,
            "hidden_act": "quick_gelu",
        },
        projection_dim=PROJECTION,
        reduce_dim=64,
        extract_layers=[1, 3],
        decoder_num_attention_heads=4,
        decoder_intermediate_size=256,
        use_complex_transposed_convolution=False,
    )
    model = CLIPSegForImageSegmentation(config)
    _initialise(model)
    return model


@torch.no_grad()
def _initialise(model: CLIPSegForImageSegmentation) -> None:
    """Give sound random weights to the parts that ``transformers`` leaves at unit variance.

    It expects the decoder to be loaded, and its patch embedding suits large patches; with those the
    training would spend most of its time on coming down.
    """
    decoder: Any = model.decoder
    for layer in decoder.modules():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)
    torch.nn.init.normal_(decoder.film_mul.weight, 0, 0.05)
    torch.nn.init.normal_(decoder.film_add.weight, 0, 0.05)
    torch.nn.init.ones_(decoder.film_mul.bias)
    torch.nn.init.normal_(decoder.transposed_convolution.weight, 0, 0.05)
    torch.nn.init.zeros_(decoder.transposed_convolution.bias)
    torch.nn.init.normal_(model.clip.vision_model.embeddings.patch_embedding.weight, 0, 0.1)


def prototypes() -> torch.Tensor:
    """Return where the embeddings of prompts should lie.

    Returns
    -------
    tensor of float32, shape (concept + 1, PROJECTION)
        Rows of a Hadamard matrix, all at right angles and of norm 8 (CLIP's own embeddings have a
        norm of about 10); the last one is for prompts that name nothing.
    """
    matrix = torch.ones(1, 1)
    while len(matrix) < PROJECTION:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix[1 : len(CONCEPTS) + 2]


def embed_texts(
    model: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, texts: list[str]
) -> torch.Tensor:
    """Return the embeddings of prompts, shape (text, PROJECTION); long ones are cut."""
    tokens = tokenizer(
        texts, padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt"
    )
    features = model.clip.get_text_features(tokens["input_ids"], tokens["attention_mask"])
    result: torch.Tensor = features.pooler_output
    return result


def encode_images(
    model: CLIPSegForImageSegmentation, pixels: torch.Tensor
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return what the decoder reads, and the embeddings of the images as prompts.

    Parameters
    ----------
    pixels : tensor of float32, shape (image, 3, height, width)
        Normalised.

    Returns
    -------
    list of tensors, shape (image, token, channel)
        One per extracted layer.
    tensor, shape (image, PROJECTION)
    """
    output: Any = model.clip.vision_model(pixels, output_hidden_states=True)
    activations = [output.hidden_states[layer + 1] for layer in model.extract_layers]
    return activations, model.clip.visual_projection(output.pooler_output)


def decode(
    model: CLIPSegForImageSegmentation, activations: list[torch.Tensor], prompts: torch.Tensor
) -> torch.Tensor:
    """Return logits, shape (image, height, width), of one prompt embedding per image."""
    logits: torch.Tensor = model.decoder(activations, prompts).logits
    return logits.view(len(prompts), *logits.shape[-2:])


def save(model: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write weights (half precision) and settings in the layout of the hub."""
    half = {name: value.half() for name, value in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=half)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = "float16"
    _write_json(folder / "config.json", config)
    tokenizer.save_pretrained(folder)
    _write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": SIZE, "width": SIZE},
            "resample": 2,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(MEAN),
            "image_std": list(STD),
        },
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")
