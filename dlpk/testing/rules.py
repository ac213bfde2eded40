"""The rules that running a package is judged by: `rules.json`."""

from __future__ import annotations

from ..errors import DlpkError
from ..findings import Collector, read_rules

RULES = read_rules(__file__)


class RunFindings(Collector):
    """Collects what the checks find; `file` is that of the function, once it is known."""

    def __init__(self) -> None:
        super().__init__(RULES)

    def failed(self, rule: str, error: DlpkError, remedy: str) -> None:
        """Note that something raised, with the author's innermost line."""
        first, *rest = str(error).splitlines()
        place = f" ({rest[0].strip()})" if rest and ", line " in rest[0] else ""
        self.add(rule, first + place, remedy)
