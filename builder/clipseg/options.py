"""What a package is to be: the options of a build, checked before anything is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_extension.clipseg.language.prompts import parse_prompts

from ..errors import BuildError
from ..naming import file_stem, plain_text
from .sources import DEFAULT_SOURCE

PRECISIONS = {"fp16": "float16", "fp32": "float32"}


@dataclass(frozen=True)
class Options:
    """Options of a build; `builder.clipseg.build.build` describes them.

    Raises
    ------
    BuildError
        An option cannot be used, or does not go with another.
    """

    weights: str = DEFAULT_SOURCE
    clip: str | Path | None = None
    revision: str | None = None
    name: str | None = None
    description: str | None = None
    precision: str = "fp16"
    threshold: float | None = None
    prompt: str | None = None
    freeze_prompts: str | None = None
    prompt_embeddings: str | Path | None = None
    names: str | Path | None = None
    embeddings_tensor: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise BuildError(
                f"precision is {self.precision!r}; it must be one of {', '.join(PRECISIONS)}"
            )
        if self.threshold is not None and not _is_fraction(self.threshold):
            raise BuildError(f"threshold is {self.threshold!r}; it must be a number from 0 to 1")
        if self.freeze_prompts is not None and self.prompt_embeddings is not None:
            raise BuildError("give either prompts to freeze or embeddings made elsewhere, not both")
        if (self.prompt_embeddings is None) != (self.names is None):
            raise BuildError("prompt embeddings and their names go together: give both files")
        if self.embeddings_tensor is not None and self.prompt_embeddings is None:
            raise BuildError(
                f"embeddings tensor {self.embeddings_tensor!r} is of no use without prompt "
                "embeddings: give their file, too"
            )

    def title(self, out: Path) -> str:
        """Name of the package for people: as given, or that of the file."""
        return plain_text(self.name or "") or plain_text(out.stem) or "clipseg"

    def shown_description(self, usual: str) -> str:
        """The sentence for people: as given, or the usual one."""
        return plain_text(self.description or "") or usual

    def local_files(self) -> Iterator[Path]:
        """Files on this machine that may be read; packages beside weights are none of them."""
        places = (self.weights, self.clip, self.prompt_embeddings, self.names)
        for path in (Path(place).expanduser() for place in places if place):
            inside = path.iterdir() if path.is_dir() else [path]
            yield from (file for file in inside if file.suffix.lower() != ".dlpk")

    def stem(self, out: Path) -> str:
        """Name of the model definition's file, without extension."""
        return file_stem(self.title(out))

    def default_prompt(self) -> str | None:
        """The default prompts; None when none were given.

        Raises
        ------
        PromptError
            They cannot be used.
        """
        prompt = plain_text(self.prompt or "")
        if not prompt:
            return None
        parse_prompts(prompt)
        return prompt


def _is_fraction(value: object) -> bool:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return math.isfinite(number) and 0 <= number <= 1 and not isinstance(value, (str, bool))
