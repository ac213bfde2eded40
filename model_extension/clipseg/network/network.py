"""CLIPSeg in plain torch: one image encoding, any number of prompts.

Lüddecke and Ecker, "Image Segmentation Using Text and Image Prompts" (arXiv 2112.10003), section 3.
Two facts about the architecture make this faster than calling the reference once per prompt:

* the image encoder does not see the prompt, so one encoding serves all prompts;
* the decoder reads blocks 3, 6 and 9 of twelve, so the blocks after the last one it reads are
  left out, unless the image is itself a prompt.

Attribute names are our own; `clipseg.network.weights` maps the tensors of a file onto them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...common.errors import TokenizerError
from .config import NetworkConfig, TowerConfig
from .layers import Conv2d, ConvTranspose2d, DecoderBlock, Embedding, EncoderBlock, Linear

# Prompts are decoded in groups, so that 200 prompts need no more memory than this many.
DECODED_AT_ONCE = 32
# Configurations from before the end token's id was written down say 2 whatever it is. Their end
# token is the highest id of a prompt.
LEGACY_END = 2


class VisionTower(nn.Module):
    """CLIP's image encoder."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        tower = config.vision
        self.patch = config.patch
        self.native_grid = config.image // config.patch
        self.patches = Conv2d(
            3, tower.width, kernel_size=config.patch, stride=config.patch, bias=False
        )
        self.class_token = nn.Parameter(torch.empty(tower.width))
        self.positions = nn.Parameter(torch.empty(self.native_grid**2 + 1, tower.width))
        self.norm_in = nn.LayerNorm(tower.width, eps=tower.eps)
        self.blocks = nn.ModuleList([EncoderBlock(tower) for _ in range(tower.layers)])
        self.norm_out = nn.LayerNorm(tower.width, eps=tower.eps)
        self.projection = Linear(tower.width, config.projection, bias=False)
        # Position embeddings per grid size: the same few sizes come back for every tile.
        self._positions_of: dict[tuple[object, ...], Tensor] = {}

    def tokens(self, pixels: Tensor) -> Tensor:
        """Cut an image into patch tokens with position.

        Parameters
        ----------
        pixels : Tensor
            Shape (batch, 3, height, width), normalised; both sides multiples of the patch size.

        Returns
        -------
        Tensor
            Shape (batch, 1 + patches, width), in the precision of the blocks; the class token
            first.
        """
        patches = self.patches(pixels.to(self.class_token.dtype))
        grid = (patches.shape[2], patches.shape[3])
        patches = patches.flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(pixels), 1, -1)
        x = self.norm_in(torch.cat([first, patches], dim=1) + self.position_embedding(grid))
        return x.to(self.norm_out.weight.dtype)

    def keep_pixels_exact(self) -> None:
        """Make tokens in single precision, whatever the blocks compute in.

        bfloat16 has fewer digits than a band has values: rounding pixels and what multiplies them
        does more harm than all rounding in the blocks, and sparing them costs next to nothing.
        """
        for part in (self.patches, self.norm_in):
            part.float()
        for parameter in (self.class_token, self.positions):
            parameter.data = parameter.data.float()

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """Position embedding for a grid of patches, bicubically resized from the native grid."""
        if grid == (self.native_grid, self.native_grid):
            return self.positions
        key = (grid, self.positions.device, self.positions.dtype)
        if key not in self._positions_of:
            native = self.positions[1:].reshape(1, self.native_grid, self.native_grid, -1)
            # Old releases of torch have no bicubic kernel in half precision.
            half = native.dtype in (torch.float16, torch.bfloat16)
            native = (native.float() if half else native).permute(0, 3, 1, 2)
            resized = F.interpolate(native, size=grid, mode="bicubic", align_corners=False)
            resized = resized.flatten(2).transpose(1, 2)[0].to(self.positions.dtype)
            self._positions_of[key] = torch.cat([self.positions[:1], resized])
        return self._positions_of[key]

    def activations(self, pixels: Tensor, extract: Sequence[int]) -> list[Tensor]:
        """Outputs of the blocks that the decoder reads; later blocks are not run.

        Returns
        -------
        list of Tensor
            One per entry of `extract`, in its order, shape (batch, tokens, width).
        """
        x = self.tokens(pixels)
        outputs = []
        for index in range(max(extract) + 1):
            x = self.blocks[index](x)
            if index in extract:
                outputs.append(x)
        return outputs

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed whole images, (batch, 3, height, width) to (batch, projection)."""
        x = self.tokens(pixels)
        for block in self.blocks:
            x = block(x)
        return self.projection(self.norm_out(x[:, 0]))


class TextTower(nn.Module):
    """CLIP's text encoder."""

    def __init__(self, config: NetworkConfig, tower: TowerConfig) -> None:
        super().__init__()
        self.end_token = config.end_token
        self.vocabulary = Embedding(config.vocabulary, tower.width)
        self.positions = nn.Parameter(torch.empty(config.context, tower.width))
        self.blocks = nn.ModuleList([EncoderBlock(tower) for _ in range(tower.layers)])
        self.norm_out = nn.LayerNorm(tower.width, eps=tower.eps)
        self.projection = Linear(tower.width, config.projection, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Embed tokenised prompts.

        Parameters
        ----------
        tokens : Tensor
            int64, shape (prompts, length), every row with an end token; what follows it is
            padding, which causal attention keeps away from the result.

        Returns
        -------
        Tensor
            Shape (prompts, projection), not normalised.
        """
        x = self.vocabulary(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, causal=True)
        # argmax gives the first of equal ones.
        ends = tokens if self.end_token == LEGACY_END else (tokens == self.end_token).int()
        end = ends.argmax(dim=1)
        return self.projection(self.norm_out(x)[torch.arange(len(x), device=x.device), end])


class Decoder(nn.Module):
    """CLIPSeg's decoder: activations and a prompt embedding to a mask."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        depth, width = len(config.extract), config.reduce
        self.conditional = config.conditional
        # Whether the head takes pixels one after the other, as they come, or plane by plane.
        self.channels_last = False
        self.film_mul = Linear(config.projection, width)
        self.film_add = Linear(config.projection, width)
        self.reduces = nn.ModuleList([Linear(config.vision.width, width) for _ in range(depth)])
        self.blocks = nn.ModuleList(
            [
                DecoderBlock(width, config.decoder_heads, config.decoder_mlp, config.decoder_eps)
                for _ in range(depth)
            ]
        )
        self.head: nn.Module
        if config.refined:
            step = config.patch // 4
            self.head = nn.Sequential(
                Conv2d(width, width, kernel_size=3, padding=1),
                nn.ReLU(inplace=True),
                ConvTranspose2d(width, width // 2, kernel_size=step, stride=step),
                nn.ReLU(inplace=True),
                ConvTranspose2d(width // 2, 1, kernel_size=step, stride=step),
            )
        else:
            self.head = ConvTranspose2d(width, 1, kernel_size=config.patch, stride=config.patch)

    def reduce(self, activations: Sequence[Tensor]) -> list[Tensor]:
        """Reduce the channels of what is read from the vision tower, once for all prompts.

        Parameters
        ----------
        activations : sequence of Tensor
            From `VisionTower.activations`, shape (images, tokens, width) each.

        Returns
        -------
        list of Tensor
            Deepest first (paper, figure 2), shape (images, tokens, reduced width) each.
        """
        return [reduce(a) for reduce, a in zip(self.reduces, reversed(list(activations)))]

    def forward(
        self, reduced: Sequence[Tensor], embeddings: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """Masks of every image for every prompt.

        Parameters
        ----------
        reduced : sequence of Tensor
            From `reduce`.
        embeddings : Tensor
            Shape (prompts, projection).
        grid : (int, int)
            Rows and columns of patches.

        Returns
        -------
        Tensor
            Logits, shape (images, prompts, height, width).
        """
        images, prompts = len(reduced[0]), len(embeddings)
        mul = self.film_mul(embeddings)[:, None, None]
        add = self.film_add(embeddings)[:, None, None]
        x: Tensor | None = None  # (images, ...) before the prompt enters, then (prompts·images)
        for index, block in enumerate(self.blocks):
            step = reduced[index]
            if x is None:
                x = step
            elif index > self.conditional:
                x = (x.reshape(prompts, *step.shape) + step).flatten(0, 1)
            else:
                x = x + step
            if index == self.conditional:
                x = (mul * x + add).flatten(0, 1)
            x = block(x)
        assert x is not None
        x = x[:, 1:].reshape(prompts * images, *grid, -1).permute(0, 3, 1, 2)
        logits = self.head(x if self.channels_last else x.contiguous())
        return logits.view(prompts, images, *logits.shape[-2:]).transpose(0, 1)


class CLIPSeg(nn.Module):
    """The whole network.

    Parameters
    ----------
    config : NetworkConfig
        Sizes. Weights are left unset: see `clipseg.network.weights.load_network`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.decoded_at_once = DECODED_AT_ONCE
        self.vision = VisionTower(config)
        self.text = TextTower(config, config.text) if config.text else None
        self.decoder = Decoder(config)

    @property
    def dtype(self) -> torch.dtype:
        """What the blocks compute in, and what prompt embeddings are to be in."""
        return self.decoder.film_mul.weight.dtype

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Prompt embeddings from tokens, (prompts, length) to (prompts, projection).

        Raises
        ------
        TokenizerError
            The tokens are of another vocabulary than the network's.
        """
        if self.text is None:
            raise RuntimeError("this network has no text tower: its vocabulary is frozen")
        # A token that is not in the table would bring down a graphics card for the whole process,
        # and without its end token a prompt would quietly mean something else.
        ended = self.text.end_token == LEGACY_END or (tokens == self.text.end_token).any(1).all()
        if not ended or int(tokens.max()) >= self.config.vocabulary:
            raise TokenizerError(
                f"the network knows {self.config.vocabulary} tokens, of which "
                f"{self.config.end_token} ends a prompt, and the tokenizer others: take vocab.json "
                "and merges.txt of the same model"
            )
        return self.text(tokens)

    def embed_image(self, pixels: Tensor) -> Tensor:
        """Prompt embeddings from normalised images, (n, 3, h, w) to (n, projection)."""
        return self.vision(pixels)

    def encode(self, pixels: Tensor) -> list[Tensor]:
        """Encode images once, for any number of prompts: see `VisionTower.activations`."""
        return self.vision.activations(pixels, self.config.extract)

    def decode(
        self, activations: Sequence[Tensor], embeddings: Tensor, grid: tuple[int, int]
    ) -> Tensor:
        """Logits, shape (images, prompts, height, width), prompts in bounded groups."""
        group = max(1, self.decoded_at_once // max(1, len(activations[0])))
        reduced = self.decoder.reduce(activations)
        parts = [
            self.decoder(reduced, embeddings[start : start + group], grid)
            for start in range(0, len(embeddings), group)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def forward(self, pixels: Tensor, embeddings: Tensor) -> Tensor:
        """Segment images for prompts.

        Parameters
        ----------
        pixels : Tensor
            Shape (images, 3, height, width), normalised; sides are multiples of the patch size.
        embeddings : Tensor
            Shape (prompts, projection), of texts or of images.

        Returns
        -------
        Tensor
            Logits, shape (images, prompts, height, width); sigmoid gives probabilities.
        """
        patch = self.config.patch
        height, width = pixels.shape[-2:]
        if height % patch or width % patch or not height or not width:
            raise ValueError(
                f"image sides {height} and {width} must be multiples of the patch size {patch}"
            )
        grid = (math.floor(height / patch), math.floor(width / patch))
        return self.decode(self.encode(pixels), embeddings, grid)
