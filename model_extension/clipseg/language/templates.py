"""Sentences that a prompt is put into before it is embedded."""

from __future__ import annotations

from ...common.errors import ArgumentError

# The paper's set for training (supplement, "shuffle+"); averaging over it is called ensembling.
PAPER = (
    "a photo of a {}.",
    "a photograph of a {}.",
    "an image of a {}.",
    "{}.",
    "a cropped photo of a {}.",
    "a good photo of a {}.",
    "a photo of one {}.",
    "a bad photo of a {}.",
    "a photo of the {}.",
)
AERIAL = (
    "an aerial photo of {}.",
    "an aerial view of {}.",
    "a satellite image of {}.",
    "{} seen from above.",
)
TEMPLATES = {
    "none": ("{}",),
    "photo": ("a photo of a {}.",),
    "paper": PAPER,
    "aerial": AERIAL,
}
LONGEST, MOST = 200, 100


def choose_templates(value: str) -> tuple[str, ...]:
    """The sentences of a named set, or sentences of the user's own.

    Parameters
    ----------
    value : str
        ``none``, ``photo``, ``paper``, ``aerial``, or a sentence with {} where the prompt goes;
        several, separated by bars, are averaged.

    Returns
    -------
    tuple of str

    Raises
    ------
    ArgumentError
        It is neither.
    """
    word = value.strip()
    if word.lower() in TEMPLATES:
        return TEMPLATES[word.lower()]
    sentences = tuple(part.strip() for part in word.split("|"))
    if len(sentences) > MOST or any(s.count("{}") != 1 or len(s) > LONGEST for s in sentences):
        raise ArgumentError(
            f"prompt_template is {value[:60]!r}; it must be one of {', '.join(TEMPLATES)}, or a "
            "sentence with {} where the prompt goes (several between bars)"
        )
    return sentences


def fill(template: str, prompt: str) -> str:
    """Put a prompt into a sentence; a prompt with braces of its own is left alone."""
    before, after = template.split("{}")
    return before + prompt + after
