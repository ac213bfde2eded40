"""JSON files: those beside weights, and the model definition of a package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import SourceError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    SourceError
        Missing, broken, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise SourceError(f"{path} is missing: the folder is not in the hub's layout") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path} must hold a JSON object")
    return content


def emd_bytes(definition: Mapping[str, Any]) -> bytes:
    """The EMD as a file: indented, ASCII, since ArcGIS reads it in the platform's encoding."""
    return (json.dumps(definition, indent=4) + "\n").encode("ascii")
