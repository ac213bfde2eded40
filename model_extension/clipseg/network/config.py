"""The sizes of a CLIPSeg network, read from the package's model definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...common.errors import WeightsError

# Far above any model: a mistyped size is told from a large network before memory runs out.
LARGEST_SIZE = 1 << 20
MOST_LAYERS = 256


@dataclass(frozen=True)
class TowerConfig:
    """One transformer tower of CLIP (vision or text).

    Parameters
    ----------
    width, layers, heads, mlp : int
        Channels, number of blocks, attention heads, channels inside the MLP.
    activation : str
        ``quick_gelu`` (OpenAI's CLIP) or ``gelu``.
    eps : float
        Epsilon of the layer norms.
    """

    width: int
    layers: int
    heads: int
    mlp: int
    activation: str
    eps: float


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that fixes the shapes of a CLIPSeg network.

    Parameters
    ----------
    vision : TowerConfig
        The image encoder.
    text : TowerConfig or None
        The text encoder; None in a package with a frozen vocabulary.
    patch, image : int
        Patch and native image size of the vision tower, in pixels.
    vocabulary, context, end_token : int
        Number of tokens, longest prompt in tokens, id that ends a prompt (0 without text tower).
    projection : int
        Length of a prompt embedding.
    reduce : int
        Channels of the decoder.
    extract : tuple of int
        0-based blocks whose output the decoder reads (CLIPSeg paper, section 3).
    conditional : int
        Decoder block in front of which the prompt modulates the activations (FiLM).
    decoder_heads, decoder_mlp : int
        Attention heads and MLP channels of the decoder's blocks.
    decoder_eps : float
        Epsilon of the decoder's layer norms.
    refined : bool
        True for the head of the ``refined`` weights (convolution and two transposed
        convolutions), False for a single transposed convolution.
    """

    vision: TowerConfig
    text: TowerConfig | None
    patch: int
    image: int
    vocabulary: int
    context: int
    end_token: int
    projection: int
    reduce: int
    extract: tuple[int, ...]
    conditional: int
    decoder_heads: int
    decoder_mlp: int
    decoder_eps: float
    refined: bool

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> NetworkConfig:
        """Read the keys of a Hugging Face ``CLIPSegConfig`` (the same keys stand in the EMD).

        Parameters
        ----------
        settings : mapping
            ``vision_config`` and, unless the vocabulary is frozen, ``text_config`` with the tower
            sizes, and the decoder's keys beside them. Keys that are left out have the values of
            ``CLIPSegConfig``, that is ViT-B/16 and the 64 channel decoder.

        Raises
        ------
        WeightsError
            A value is of the wrong kind or the sizes do not fit each other.
        """
        try:
            config = cls._read(settings)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise WeightsError(f"the network's settings cannot be read: {error}") from error
        config._check()
        return config

    @classmethod
    def _read(cls, settings: Mapping[str, Any]) -> NetworkConfig:
        vision = settings.get("vision_config") or {}
        text = settings.get("text_config")
        return cls(
            vision=_tower(vision, width=768, heads=12, mlp=3072),
            text=None if text is None else _tower(text, width=512, heads=8, mlp=2048),
            # ViT-B/16 is what every released CLIPSeg has; transformers' own default is 32.
            patch=int(vision.get("patch_size", 16)),
            image=int(vision.get("image_size", 224)),
            vocabulary=int((text or {}).get("vocab_size", 49408 if text is not None else 0)),
            context=int((text or {}).get("max_position_embeddings", 77 if text is not None else 0)),
            end_token=int((text or {}).get("eos_token_id", 49407 if text is not None else 0)),
            projection=int(settings.get("projection_dim", 512)),
            reduce=int(settings.get("reduce_dim", 64)),
            extract=tuple(int(layer) for layer in settings.get("extract_layers", (3, 6, 9))),
            conditional=int(settings.get("conditional_layer", 0)),
            decoder_heads=int(settings.get("decoder_num_attention_heads", 4)),
            decoder_mlp=int(settings.get("decoder_intermediate_size", 2048)),
            decoder_eps=float(vision.get("layer_norm_eps", 1e-5)),
            refined=bool(settings.get("use_complex_transposed_convolution", False)),
        )

    def _check(self) -> None:
        sizes = {
            "patch_size": self.patch,
            "projection_dim": self.projection,
            "reduce_dim": self.reduce,
            "decoder_num_attention_heads": self.decoder_heads,
            "decoder_intermediate_size": self.decoder_mlp,
        }
        _check_tower("vision", self.vision)
        if self.text is not None:
            _check_tower("text", self.text)
            # A prompt has at least a begin and an end token.
            sizes["vocab_size"] = self.vocabulary
            sizes["max_position_embeddings"] = self.context - 1
        _check_sizes("the network's", sizes)
        if not self.patch <= self.image <= LARGEST_SIZE:
            raise WeightsError(
                f"the vision tower's image_size {self.image} holds no patch of {self.patch} pixels"
            )
        if not self.extract or list(self.extract) != sorted(set(self.extract)):
            raise WeightsError(f"extract_layers {list(self.extract)} must rise from block to block")
        if self.extract[0] < 0 or self.extract[-1] >= self.vision.layers:
            raise WeightsError(
                f"extract_layers {list(self.extract)} lie outside the vision tower's "
                f"{self.vision.layers} blocks"
            )
        if not 0 <= self.conditional < len(self.extract):
            raise WeightsError(f"conditional_layer {self.conditional} is not a decoder block")
        if self.reduce % self.decoder_heads:
            raise WeightsError(
                f"reduce_dim {self.reduce} is not a multiple of {self.decoder_heads} heads"
            )
        if self.refined and self.reduce % 2:
            raise WeightsError(f"the refined head halves reduce_dim {self.reduce}, which is odd")
        if self.refined and (self.patch // 4) ** 2 != self.patch:
            raise WeightsError(
                f"the refined head gives masks of another size than the image at patch {self.patch}"
            )


def _check_tower(name: str, tower: TowerConfig) -> None:
    _check_sizes(
        f"the {name} tower's",
        {
            "hidden_size": tower.width,
            "num_attention_heads": tower.heads,
            "intermediate_size": tower.mlp,
        },
    )
    if not 1 <= tower.layers <= MOST_LAYERS:
        raise WeightsError(
            f"the {name} tower's num_hidden_layers is {tower.layers}; it must be from 1 to "
            f"{MOST_LAYERS}"
        )
    if tower.width % tower.heads:
        raise WeightsError(
            f"the {name} tower's width {tower.width} is not a multiple of its "
            f"{tower.heads} attention heads"
        )
    if tower.activation not in ("quick_gelu", "gelu"):
        raise WeightsError(
            f"the {name} tower's activation {tower.activation!r} is not known: "
            "expected 'quick_gelu' or 'gelu'"
        )


def _check_sizes(whose: str, sizes: Mapping[str, int]) -> None:
    for name, size in sizes.items():
        if not 1 <= size <= LARGEST_SIZE:
            raise WeightsError(f"{whose} {name} is {size}; it must be from 1 to {LARGEST_SIZE}")


def _tower(settings: Mapping[str, Any], *, width: int, heads: int, mlp: int) -> TowerConfig:
    return TowerConfig(
        width=int(settings.get("hidden_size", width)),
        layers=int(settings.get("num_hidden_layers", 12)),
        heads=int(settings.get("num_attention_heads", heads)),
        mlp=int(settings.get("intermediate_size", mlp)),
        activation=str(settings.get("hidden_act", "quick_gelu")),
        eps=float(settings.get("layer_norm_eps", 1e-5)),
    )
