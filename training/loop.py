"""The training itself, from random weights.

The loss of the masks is binary cross-entropy on logits, as in the CLIPSeg paper (section 4 and its
supplement), with prompts that name nothing as negatives. CLIP's towers were trained on hundreds of
millions of captioned pictures before; here two cheap losses take the place of that: the embedding
of each prompt is pulled to the place of its concept, and a linear layer reads all concepts at once
from the image encoder. Updates, schedule and the mean of the weights are those of `dlpk finetune`.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from dlpk.finetuning.learning.updates import Updates, cosine
from training.data.sampling import Crops
from training.lessons import WEIGHTS, Lessons
from training.recipe import Phase, Recipe

__all__ = ["Phase", "Recipe", "train"]


def train(
    model: CLIPSegForImageSegmentation,
    tokenizer: CLIPTokenizer,
    crops: Crops,
    random: np.random.Generator,
    recipe: Recipe,
) -> None:
    """Train the network in place.

    Parameters
    ----------
    model, tokenizer : network and tokenizer of ``transformers``
        The network with random weights.
    crops : Crops
        Where training images come from.
    random : numpy Generator
        The only source of chance.
    recipe : Recipe
        Sizes and rates.
    """
    lessons = Lessons(model, tokenizer, crops, random, recipe)
    weights: list[torch.Tensor] = list(model.parameters())
    learnt = [*weights, *lessons.shortcut.parameters()]
    decayed = [value for value in learnt if value.ndim > 1]
    others = [value for value in learnt if value.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.03}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.rate,
        betas=(0.9, 0.999),
    )
    updates = Updates(optimizer, learnt, recipe.average)
    start = time.monotonic()
    model.train()
    done = 0
    total = sum(phase.steps for phase in recipe.phases)
    for phase in recipe.phases:
        history: list[dict[str, float]] = []
        for step in range(phase.steps):
            updates.begin(min((step + 1) / 100, _schedule(done, total)))
            losses = lessons.losses(phase, done)
            optimizer.zero_grad()
            weighted = [WEIGHTS[name] * loss for name, loss in losses.items()]
            torch.autograd.backward(torch.stack(weighted).sum())
            updates.apply()
            done += 1
            history.append({name: float(loss.detach()) for name, loss in losses.items()})
            if done % 100 == 0 or step + 1 == phase.steps:
                _report(done, history, time.monotonic() - start)
                history = []
    updates.put(updates.averaged)
    model.train(False)


def _schedule(step: int, steps: int) -> float:
    """Return the learning rate's factor: level, then half a cosine down to 1 %."""
    level = steps // 2
    if step < level:
        return 1.0
    return cosine((step - level) / (steps - level), 0.01)


def _report(step: int, history: list[dict[str, float]], seconds: float) -> None:
    means = {name: np.mean([losses[name] for losses in history]) for name in history[0]}
    text = "  ".join(f"{name} {mean:.4f}" for name, mean in means.items())
    print(f"step {step:5d}  {text}  {seconds:.0f} s", flush=True)
