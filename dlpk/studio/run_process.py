"""A run over all of a raster, in a process of its own: the map goes on meanwhile.

Reads what to do as JSON from standard input, and tells of its progress, a JSON object a line, on
what was its standard output.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from ..errors import DlpkError, PackageError


def main() -> int:
    """Run; ends with 0 if it is done."""
    from ..classification.model import Model
    from ..package.open import open_package

    wanted: dict[str, Any] = json.load(sys.stdin)
    # What the package prints goes elsewhere.
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")

    def tell(**what: Any) -> None:
        lines.write(json.dumps(what) + "\n")
        lines.flush()

    try:
        with open_package(wanted["package"]) as package:
            if package.sha256 != wanted["sha256"]:
                raise PackageError(
                    f"{wanted['package']} is not the package any more that was agreed to: start "
                    "again"
                )
            with Model(package, device=wanted["device"], say=lambda level, text: None) as model:
                model.classify(
                    wanted["raster"],
                    progress=lambda done, total: tell(done=done, total=total),
                    **wanted["options"],
                )
    except DlpkError as error:
        tell(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
