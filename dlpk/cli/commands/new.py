"""The command `dlpk new`."""

from __future__ import annotations

import shlex
from typing import Any

import click

from .. import options
from ..logs import tell


def _numbers(context: Any, option: Any, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 0.485,0.456") from None


def _bands(context: Any, option: Any, text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of bands such as 4,3,2") from None


def _ranges(context: Any, option: Any, text: str | None) -> list[list[float]] | None:
    if text is None:
        return None
    try:
        return [[float(part) for part in pair.split(":")] for pair in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of ranges such as 0:3000,0:4000") from None


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option(
    "--model",
    metavar="MODEL",
    help="A TorchScript, torch.export or ONNX file, a checkpoint of torchgeo, or a folder of "
    "transformers or segmentation_models_pytorch.",
)
@click.option(
    "--classes",
    metavar="FILE|NAMES",
    help="Names of the outputs in their order: a JSON file, or water,forest.",
)
@click.option(
    "--bands",
    metavar="N,N,…",
    callback=_bands,
    help="Bands of the raster in the network's order, counted from 1.",
)
@click.option("--tile", type=click.IntRange(min=1), help="Side of a tile (model's own, or 512).")
@click.option(
    "--size-unit",
    type=click.IntRange(min=1),
    help="What sides of tiles have to be multiples of (found out by default).",
)
@click.option(
    "--activation",
    type=click.Choice(("softmax", "sigmoid", "probabilities", "regression")),
    help="What the outputs are (default: sigmoid for one, softmax for more).",
)
@click.option("--scale", type=float, help="What values are divided by first (default: 255).")
@click.option("--mean", callback=_numbers, metavar="X,…", help="Per band, after that division.")
@click.option("--std", callback=_numbers, metavar="X,…", help="Per band, after that division.")
@click.option(
    "--ranges",
    callback=_ranges,
    metavar="LOW:HIGH,…",
    help="Per band: the values that become 0 and 1; instead of scale, mean and std.",
)
@click.option(
    "--data-range",
    callback=_numbers,
    metavar="LOW,HIGH",
    help="What ArcGIS stretches rasters to (default: 0,255 where values are divided by 255).",
)
@click.option("--as-torch", is_flag=True, help="Convert ONNX, so that onnxruntime is not needed.")
@click.option(
    "--template",
    type=click.Choice(("numpy", "torch", "onnx")),
    help="A small package that works, to start from, instead of a model.",
)
@click.option("--golden", metavar="RASTER", help="Cut golden chips from this raster.")
@options.releases
def new(folder: str, model: str | None, template: str | None, **settings: Any) -> None:
    """Make the folder of a package from a model of your own.

    FOLDER gets a raster function, which is yours to edit, a model definition, the network and what
    the function imports. The function is compared with the model called directly; nothing is
    written if they differ, or if it fails in a release that --pro names. Then: dlpk pack FOLDER
    OUT.dlpk.
    """
    from ...authoring.new import new
    from ...authoring.templates import from_template

    if (model is None) == (template is None):
        raise click.UsageError("Name either a --model or a --template.")
    if template is None:
        print(new(folder, model=model or "", tell=tell, **settings).to_text())
    elif any(settings.values()):
        raise click.UsageError("--template goes with no other option: edit what it writes.")
    else:
        print(from_template(folder, template).to_text())
    print(f"Next: dlpk pack {shlex.quote(folder)} {shlex.quote(folder.rstrip('/') + '.dlpk')}")
