"""The licence of each part of a package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """The licence of one part of a package.

    Parameters
    ----------
    part : str
        What it covers.
    licence : str
        SPDX identifier, or words where there is none.
    source : str
        Who says so.
    note : str
        What a user has to know before relying on it.
    text : str
        The licence itself, where it has to travel along.
    """

    part: str
    licence: str
    source: str
    note: str = ""
    text: str = ""

    def to_dict(self) -> dict[str, str]:
        """The licence as it stands in manifest.json."""
        return {
            "part": self.part,
            "licence": self.licence,
            "source": self.source,
            "note": self.note,
        }


def licences_text(licences: Iterable[Licence]) -> str:
    """The licences as a Markdown page for people."""
    lines = ["# Licences and provenance", ""]
    for licence in licences:
        lines += [
            f"## {licence.part}",
            "",
            f"Licence: {licence.licence}  ",
            f"Source: {licence.source}",
            "",
        ]
        lines += [licence.note, ""] if licence.note else []
        lines += ["```text", licence.text.strip(), "```", ""] if licence.text else []
    return "\n".join(lines)
