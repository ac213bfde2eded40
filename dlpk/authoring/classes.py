"""The classes of a model: names as people have them, with values and colours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.naming import class_names
from model_extension.clipseg.contract.legend import class_colors

from ..errors import AuthoringError

BACKGROUND = ("background", "other", "unlabelled", "unlabeled", "nothing", "none", "void")

Entry = dict[str, Any]


def read_classes(given: str | Path | Sequence[Any] | Mapping[Any, Any]) -> list[Entry]:
    """Classes in the order of the model's outputs.

    Parameters
    ----------
    given : path, str, sequence or mapping
        A JSON file, or what is in one: a list of names, a list of objects with ``Name`` and, if
        wanted, ``Value`` and ``Color``, an object of index to name (as ``id2label`` of
        transformers), or a model definition. Or names, separated by commas.

    Returns
    -------
    list of dict
        ``Value``, ``Name`` and ``Color``. Values go from 1; a first class called background, or
        the like, has 0.

    Raises
    ------
    AuthoringError
        It is none of these.
    """
    where = "the classes"
    if isinstance(given, (str, Path)):
        path = Path(given)
        if path.suffix.lower() in (".json", ".emd") or path.is_file():
            where = str(path)
            given = _read(path)
        else:
            given = [name.strip() for name in str(given).split(",")]
    if isinstance(given, Mapping):
        given = given["Classes"] if "Classes" in given else _ordered(given, where)
    if not isinstance(given, (list, tuple)) or not given:
        raise AuthoringError(
            f"{where} must be a list of names, such as water,forest or a file with "
            '["water", "forest"]'
        )
    return _entries(given, where)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise AuthoringError(f"the classes cannot be read from {path}: {error}") from error


def _ordered(names: Mapping[Any, Any], where: str) -> list[Any]:
    try:
        found = {int(index): name for index, name in names.items()}
    except (TypeError, ValueError) as error:
        raise AuthoringError(f"{where} must go by the number of the output: {error}") from error
    if sorted(found) != list(range(len(found))):
        raise AuthoringError(f"{where} must have all numbers from 0 to {len(found) - 1}")
    return [found[index] for index in sorted(found)]


def _entries(given: Sequence[Any], where: str) -> list[Entry]:
    objects = [entry if isinstance(entry, Mapping) else {"Name": entry} for entry in given]
    names = [str(entry.get("Name", "")).strip() for entry in objects]
    if not all(names):
        raise AuthoringError(f"{where}: class {names.index('') + 1} has no name")
    first = 0 if names[0].casefold() in BACKGROUND else 1
    colors = iter(class_colors(list(dict.fromkeys(class_names(names)[1 - first :]))))
    entries = []
    for place, (entry, name) in enumerate(zip(objects, class_names(names))):
        value, color = entry.get("Value", first + place), entry.get("Color")
        own = (0, 0, 0) if first + place == 0 else next(colors)
        if type(value) is not int or value < 0:
            raise AuthoringError(f"{where}: the value of {name!r} is {value!r}, no whole number")
        color = list(own if color is None else color)
        if len(color) != 3 or any(type(part) is not int or not 0 <= part <= 255 for part in color):
            raise AuthoringError(
                f"{where}: the colour of {name!r} is {color!r}; it must be red, green and blue "
                "from 0 to 255"
            )
        entries.append({"Value": value, "Name": name, "Color": color})
    values = [entry["Value"] for entry in entries]
    if len(set(values)) < len(values):
        raise AuthoringError(f"{where}: two classes have the same value: {values}")
    return entries
