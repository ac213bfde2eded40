"""Teaching a package from labels, from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from builder.scratch import one_at_a_time
from builder.staging import check_target
from model_extension.clipseg.contract.definition import ModelDefinition, read_definition
from model_extension.clipseg.network.precision import has_bfloat16_instructions
from model_extension.common.device import choose_device
from model_extension.common.errors import CLIPSegError

from ..errors import FinetuningError
from ..harness.devices import device_number
from ..package.open import open_package
from ..package.package import Package
from ..raster.files import files_of
from .data import read_data, split_source
from .job import Job
from .learning.choice import choose
from .learning.learner import RECIPES
from .learning.losses import PRESETS
from .report import Finetuned
from .split import split
from .start import STARTS

Say = Callable[[str], None]
# Training blocks from which a method pays.
BLOCKS_FOR = {"decoder": 4, "lora": 48}


def finetune(
    package: str | Path,
    data: Sequence[str],
    out: str | Path,
    *,
    method: str = "auto",
    classes: str | None = None,
    field: str | None = None,
    preset: str = "ours",
    start: str = "words",
    keep: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    ladder: bool = False,
    seed: int = 0,
    device: str = "auto",
    work: str | Path | None = None,
    say: Say = lambda line: None,
) -> Finetuned:
    """Teach a package from labels, and write a new one.

    Parameters
    ----------
    package : path
        A package that this project built.
    data : sequence of str
        See `dlpk.finetuning.data.read_data`.
    out : path
        The .dlpk file to write.
    method : str
        ``prompts``, ``decoder``, ``lora`` or ``auto``.
    classes, field : str, optional
        See `dlpk.finetuning.data.read_data`.
    preset : str
        Of `dlpk.finetuning.learning.losses.PRESETS`.
    start : str
        Of `dlpk.finetuning.start.STARTS`: what the embeddings of the classes start from.
    keep : str, optional
        Prompts to rehearse, separated by commas.
    minutes : float, optional
        About how long it may take: fewer views and steps where the machine is slow.
    steps : int, optional
        Updates at most, instead of the method's own number.
    ladder : bool
        Train on 2, 8, 32, … blocks before, and draw what that gives.
    seed : int
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    work : path, optional
        Folder for activations and checkpoints, from which the same call goes on; beside `out` by
        default, and removed when all is done.
    say : callable
        Takes a line of progress.

    Returns
    -------
    Finetuned

    Raises
    ------
    DlpkError
        Package, labels or arguments cannot be used; says why, before training begins.
    """
    read = [part for source in data for part in split_source(source) if part]
    target = check_target(Path(out), [package, *files_of(read)])
    for name, value, choices in ("preset", preset, PRESETS), ("start", start, STARTS):
        if value not in choices:
            raise FinetuningError(
                f"the {name} is {value!r}; it must be one of {', '.join(choices)}"
            )
    begun = time.monotonic()
    with ExitStack() as stack:
        parent = stack.enter_context(open_package(package))
        definition = _definition(parent)
        labelled = read_data(data, definition.extract_bands, stack, classes=classes, field=field)
        for warning in labelled.warnings:
            say(warning)
        tile = definition.tile_size
        divided = split(labelled.scenes, labelled.classes, tile, seed)
        chosen, why = choose_method(method, len(divided.training), device)
        say(f"method {chosen}: {why}")
        say(divided.to_text(labelled.classes))
        folder = Path(work) if work else target.with_suffix(".finetuning")
        recipe = replace(RECIPES[chosen], preset=preset)
        if PRESETS[preset].varied:  # from one embedding per class
            recipe = replace(recipe, per_class=1)
        job = Job(
            parent,
            definition,
            labelled,
            divided,
            replace(recipe, steps=steps or recipe.steps),
            folder,
            seed,
            choose_device(device_number(device)),
            keep,
            start,
            say,
        )
        folder.mkdir(parents=True, exist_ok=True)
        busy = FinetuningError(f"another command is at work in {folder}: wait until it has ended")
        stack.enter_context(one_at_a_time(folder, busy))
        try:
            plan = job.plan(minutes)
            say(f"{plan.views} views for training, up to {plan.steps} steps")
            activations = job.encode(plan)
            rungs = job.climb(plan, activations) if ladder else []
            trainer = job.train(plan, activations, len(divided.training), "all")
            choice = choose(trainer.predictions(), len(labelled.classes))
            result = job.finish(trainer, choice, plan, target, rungs, begun)
        except CLIPSegError as error:
            raise FinetuningError(str(error)) from error
    if work is None:
        job.tidy()
    return result


def choose_method(method: str, blocks: int, device: str) -> tuple[str, str]:
    """The method to use, and why.

    Parameters
    ----------
    method : str
        ``auto`` or the method itself.
    blocks : int
        Training blocks with labels.
    device : str

    Returns
    -------
    str, str

    Raises
    ------
    FinetuningError
        There is no such method.
    """
    if method in RECIPES:
        return method, "as asked for"
    if method != "auto":
        raise FinetuningError(f"the method is {method!r}; it must be auto or {', '.join(RECIPES)}")
    if blocks < BLOCKS_FOR["decoder"]:
        return "prompts", f"{blocks} training blocks are too few to change the network itself"
    quick = device_number(device) != -1 or has_bfloat16_instructions()
    if blocks >= BLOCKS_FOR["lora"] and quick:
        return "lora", f"{blocks} training blocks are enough to adapt the encoder as well"
    why = f"{blocks} training blocks are enough for the decoder"
    if blocks >= BLOCKS_FOR["lora"]:
        why += "; lora would need a graphics card, or a processor that multiplies bfloat16"
    return "decoder", why


def _definition(parent: Package) -> ModelDefinition:
    if "CLIPSeg" not in parent.emd or parent.root is None or parent.emd_path is None:
        raise FinetuningError(
            f"{parent.source} is no package of dlpk build: only those can be taught"
        )
    try:
        return read_definition(str(parent.emd_path), str(parent.root))
    except CLIPSegError as error:
        raise FinetuningError(str(error)) from error
