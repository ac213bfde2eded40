"""The command `dlpk finetune`."""

from __future__ import annotations

from typing import Any

import click

from .. import options


@click.command()
@click.argument("package")
@click.argument("data", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="NEW.dlpk", help="Package to write.")
@click.option(
    "--method",
    type=click.Choice(("auto", "prompts", "decoder", "lora")),
    default="auto",
    show_default=True,
    help="What learns: embeddings of the classes, the decoder too, or the encoder as well.",
)
@click.option("--classes", help='Classes to learn: "road, land = dirt|sand" gives one words.')
@click.option("--field", help="Field of polygons that names the class.")
@click.option(
    "--preset",
    type=click.Choice(("ours", "paper", "dice-ce", "focal-tversky")),
    default="ours",
    show_default=True,
    help="Recipe: the loss, and for paper also sentences, negatives and mixtures with examples.",
)
@click.option(
    "--start",
    type=click.Choice(("words", "examples", "both")),
    default="words",
    show_default=True,
    help="What the embeddings of classes start from; without words from examples in any case.",
)
@click.option("--keep", metavar="PROMPTS", help="Prompts to rehearse, so that they stay.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="About how long it may take; 0 for no limit.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Updates at most.")
@click.option("--ladder", is_flag=True, help="Also train on 2, 8, 32, … blocks and draw the curve.")
@click.option("--seed", type=int, default=0, show_default=True)
@options.device
@click.option("--work", metavar="FOLDER", help="Keep activations and checkpoints here.")
@options.no_progress
def finetune(package: str, data: tuple[str, ...], out: str, quiet: bool, **choices: Any) -> None:
    """Teach a package from labels.

    DATA is a folder with images/ and labels/ (or masks/), such as ArcGIS exports as training data
    (Classified Tiles), or RASTER=LABELS with polygons or a raster. The same command goes on after
    it was stopped.
    """
    from ...finetuning.api import finetune

    found = finetune(package, data, out, say=(lambda line: None) if quiet else _say, **choices)
    print(found.to_text())


def _say(line: str) -> None:
    print(line, flush=True)
