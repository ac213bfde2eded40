"""The command `dlpk build`."""

from __future__ import annotations

import sys
from typing import Any

import click


@click.command()
@click.argument("out", metavar="OUT.dlpk")
@click.option(
    "--weights",
    metavar="SOURCE",
    default="CIDAS/clipseg-rd64-refined",
    show_default=True,
    help="Hub id (the default is pinned), a folder in the hub's layout, the authors' decoder .pth "
    "(with --clip), or 'mini', a miniature for demonstration.",
)
@click.option("--clip", metavar="FOLDER", help="CLIP ViT-B/16, for the authors' decoder.")
@click.option("--revision", help="Revision of the hub id, instead of the pinned one.")
@click.option("--name", help="Name of the package (default: that of the file).")
@click.option("--description", help="A sentence for people.")
@click.option(
    "--precision",
    type=click.Choice(["fp16", "fp32"]),
    default="fp16",
    show_default=True,
    help="How weights are stored.",
)
@click.option("--threshold", type=float, help="Default threshold, 0 to 1.")
@click.option("--prompt", help="Default prompts, separated by commas.")
@click.option(
    "--freeze-prompts",
    metavar="PROMPTS",
    help="Embed these prompts now and leave the text tower out.",
)
@click.option(
    "--prompt-embeddings", metavar="FILE", help="Embeddings made elsewhere (safetensors)."
)
@click.option("--names", metavar="FILE", help="Their names (JSON list, or one per line).")
@click.option(
    "--embeddings-tensor", metavar="NAME", help="Which tensor of the file (default: first fit)."
)
def build(out: str, **options: Any) -> None:
    """Make a package around CLIPSeg weights."""
    from builder import build

    built = build(out, **options)
    for note in built.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{built.path}: {built.size / 1e6:,.1f} MB, SHA-256 {built.sha256}")
