"""From what the user typed to the list of prompts."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ...common.errors import PromptError

# One class value per prompt and one for nodata have to fit an 8-bit raster.
MOST_PROMPTS = 200
# CLIP reads 77 tokens; nobody means a prompt of many times that.
LONGEST_PROMPT = 1000


def parse_prompts(text: str) -> tuple[str, ...]:
    """Split a comma separated list of prompts.

    Empty parts are skipped, white space is folded, a prompt that is repeated (in whatever case)
    counts once, at its first place.

    Parameters
    ----------
    text : str
        For example ``"water, solar panels"``.

    Returns
    -------
    tuple of str
        As the user wrote them, in order.

    Raises
    ------
    PromptError
        No prompt at all, too many, or one that is too long.
    """
    prompts: dict[str, str] = {}
    for part in text.split(","):
        prompt = " ".join(part.split())
        if prompt:
            prompts.setdefault(fold(prompt), prompt)
    if not prompts:
        raise PromptError(
            "text_prompt is empty: say what to look for, several things separated by commas, "
            "for example 'water, solar panels'"
        )
    if len(prompts) > MOST_PROMPTS:
        raise PromptError(
            f"text_prompt holds {len(prompts)} prompts, at most {MOST_PROMPTS} fit in one run: "
            "split them over several runs"
        )
    for number, prompt in enumerate(prompts.values(), 1):
        if len(prompt) > LONGEST_PROMPT:
            raise PromptError(
                f"prompt {number} of text_prompt, {prompt[:40]!r}…, has {len(prompt):,} "
                f"characters, at most {LONGEST_PROMPT:,} are allowed: the model reads only the "
                "first 77 tokens (about 50 words)"
            )
    return tuple(prompts.values())


def match_names(prompts: Sequence[str], names: Sequence[str]) -> list[int]:
    """Find prompts in a frozen vocabulary, whatever their case.

    Parameters
    ----------
    prompts : sequence of str
        What the user asked for.
    names : sequence of str
        What the package knows.

    Returns
    -------
    list of int
        Index into `names` per prompt.

    Raises
    ------
    PromptError
        Lists the unknown prompts, the nearest known names and all of them.
    """
    known = {fold(name): index for index, name in enumerate(names)}
    unknown = [prompt for prompt in prompts if fold(prompt) not in known]
    if unknown:
        hints = []
        for prompt in unknown[:5]:
            near = difflib.get_close_matches(fold(prompt), list(known), n=3)
            hint = ", ".join(repr(names[known[name]]) for name in near)
            hints.append(f"{prompt!r}" + (f" (did you mean {hint}?)" if hint else ""))
        raise PromptError(
            "this package knows a fixed list of prompts, and "
            + "; ".join(hints)
            + (" and others are" if len(unknown) > 5 else " is" if len(unknown) == 1 else " are")
            + f" not among them. Known are: {', '.join(names)}"
        )
    return [known[fold(prompt)] for prompt in prompts]


def fold(prompt: str) -> str:
    """Spelling that two prompts share when they are the same but for case and white space."""
    return " ".join(prompt.split()).casefold()
