"""The one collector of findings, for everything that judges packages.

Findings, reports and the collector are those of `schemas.findings`, which judges model definitions
with them, too.
"""

from __future__ import annotations

from schemas.findings import Collector, Finding, Report, Rule, Severity, printable, read_rules

__all__ = [
    "Collector",
    "Finding",
    "Report",
    "Rule",
    "Severity",
    "halves",
    "printable",
    "read_rules",
]


def halves(error: Exception, remedy: str) -> tuple[str, str]:
    """Split what an error says into what is wrong and what to do about it.

    Parameters
    ----------
    error : Exception
        Its text begins with what is wrong, as one sentence.
    remedy : str
        What to do if the text says no more.
    """
    message, _, rest = str(error).partition(". ")
    return message.rstrip("."), rest or remedy
